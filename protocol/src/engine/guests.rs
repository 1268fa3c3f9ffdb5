//! What guests ask, and what whoever runs a node says about them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::admission::check_strength_of;
use super::invite::Stretching;
use super::persist::not_kept;
use super::{CommandId, Connection, Engine, InboundId, Output};
use crate::access::Subject;
use crate::audit::What;
use crate::control::{Answer, GuestStatus, PeerRef, STRENGTH_MIN, SetGuest, Time};
use crate::enrolment::{Issued, Origin};
use crate::guest::{self, GuestProof, GuestRequest, GuestSearch, Identity, Kept, PasswordMark, ProvenGuest};
use crate::hello::ADDRESSES_MAX;
use crate::identity::{NodeId, Secret, ServiceName};
use crate::message::{self, Response};
use crate::record::{Table, Write};
use crate::reject::Reject;
use crate::ticket::{self, Minted, TicketGrant, TicketRequest};
use crate::time::Timestamp;

/// A password of a service's that is being stretched.
pub(super) struct Setting {
    command: CommandId,
    service: ServiceName,
}

/// What there was before a change, in case that cannot be kept.
pub(super) struct Undo {
    command: CommandId,
    service: ServiceName,
    before: Option<Kept>,
}

impl Engine {
    /// What guests' tickets have to name the passwords by.
    pub(super) fn guest_passwords(&self) -> Arc<BTreeMap<ServiceName, PasswordMark>> {
        Arc::new(self.guests.marks())
    }

    /// A local user lets guests use a service by a password, or not any more.
    pub(super) fn set_guest(&mut self, command: CommandId, set: SetGuest, now: Timestamp) {
        let SetGuest { service, password } = set;
        let Some(password) = password else {
            if self.guests.has(&service) {
                self.change_guests(command, service, None);
            } else {
                self.show_guests(command, now);
            }
            return;
        };
        match check_strength_of(&password.password, STRENGTH_MIN, password.weak) {
            Ok(()) => {
                let salt = guest::password_salt(self.node_id(), &service);
                let setting = Stretching::Guest(Setting { command, service });
                self.stretch(&password.password, salt, setting);
            }
            Err(failure) => self.answer(command, Err(failure)),
        }
    }

    /// The password of a service's guests has been stretched.
    pub(super) fn guest_password_stretched(&mut self, setting: Setting, stretched: Secret, now: Timestamp) {
        let Setting { command, service } = setting;
        let kept = Kept::new(stretched, now, &mut *self.rng);
        self.change_guests(command, service, Some(kept));
    }

    /// Changes the password, and answers once that is durable. It is obeyed before: a guess that is charged meanwhile
    /// must not write the old one again.
    fn change_guests(&mut self, command: CommandId, service: ServiceName, kept: Option<Kept>) {
        let write = write(&service, kept.as_ref());
        let before = self.guests.set(service.clone(), kept);
        self.publish();
        self.persist_guests(vec![write], Undo { command, service, before });
    }

    /// A change is durable.
    pub(super) fn guests_changed(&mut self, undo: &Undo, now: Timestamp) {
        self.show_guests(undo.command, now);
    }

    /// A change could not be kept, so it is taken back.
    pub(super) fn undo_guests(&mut self, undo: Undo) {
        let Undo { command, service, before } = undo;
        let again = write(&service, before.as_ref());
        let _ = self.guests.set(service, before);
        self.publish();
        self.persist(vec![again], Vec::new());
        self.answer(command, Err(not_kept()));
    }

    /// A local user asks how it stands with guests.
    pub(super) fn show_guests(&mut self, command: CommandId, now: Timestamp) {
        let answer = Answer::Guests(self.guest_statuses(now));
        self.answer(command, Ok(answer));
    }

    fn guest_statuses(&self, now: Timestamp) -> Vec<GuestStatus> {
        let status = |standing: guest::Standing<'_>| GuestStatus {
            service: standing.service.clone(),
            since: Time(standing.since),
            granted: self.grants_to_guests(standing.service),
            wrong: standing.wrong,
            rests_s: standing.rests_for.map(|rest| rest.as_secs().max(1)),
        };
        self.guests.standings(now).map(status).collect()
    }

    /// What a person should know of guests: whose passwords rest.
    pub(super) fn guest_warnings(&self, now: Timestamp) -> impl Iterator<Item = String> {
        self.guests.standings(now).filter_map(|standing| {
            let (service, minutes) = (standing.service, standing.rests_for?.as_secs().div_ceil(60));
            Some(format!(
                "the guests' password of {service} was tried wrongly too often, and takes no guess for {minutes} min"
            ))
        })
    }

    /// The services that guests may use now.
    pub(super) fn guest_services(&self) -> impl Iterator<Item = &ServiceName> {
        self.guests.services().filter(|service| self.grants_to_guests(service))
    }

    fn grants_to_guests(&self, service: &ServiceName) -> bool {
        self.active_member().is_some_and(|member| {
            member.policy.decide(&Subject::guest(), service, member.certificate.name()).is_some()
        })
    }

    /// Whether this node is called so, and there is anything that guests may use: otherwise it is nobody to them.
    fn is_host_named(&self, name: &PeerRef) -> bool {
        self.is_me(name) && self.guest_services().next().is_some()
    }

    /// Somebody looks for a node by its name.
    pub(super) fn guest_searched(&mut self, inbound: InboundId, search: &GuestSearch) {
        let here = self.is_host_named(&search.provider);
        let response = if here { Response::GuestHere } else { Response::Reject(Reject::Unknown) };
        self.respond(inbound, &response);
    }

    /// A guest sends its half of an exchange.
    pub(super) fn guest_requested(
        &mut self,
        from: NodeId,
        source: Connection,
        inbound: InboundId,
        request: &GuestRequest,
        now: Timestamp,
    ) {
        match self.answer_guest(from, source, request, now) {
            Ok((writes, response)) => {
                let message = message::frame(&response);
                self.persist(writes, vec![Output::Respond { to: inbound, message }]);
            }
            Err(reject) => {
                if let Reject::GuestsRest(_) | Reject::TooManyGuesses | Reject::Revoked = reject {
                    self.audit_guest(from, &request.service, Some(reject));
                }
                self.respond(inbound, &Response::Reject(reject));
            }
        }
    }

    /// A guest got a ticket, or none.
    fn audit_guest(&mut self, from: NodeId, service: &ServiceName, refused: Option<Reject>) {
        let provider = self.membership.member.as_ref().map(|member| member.certificate.name().to_string());
        let about = format!("{service}@{}", provider.unwrap_or_default());
        let entry = match refused {
            None => self.entry_from(from, What::TicketMinted).because("as a guest, by the password"),
            Some(reject) => self.entry_from(from, What::TicketRefused).denied().because(reject),
        };
        self.audit(entry.about(about));
    }

    fn answer_guest(
        &mut self,
        from: NodeId,
        source: Connection,
        request: &GuestRequest,
        now: Timestamp,
    ) -> Result<(Vec<Write>, Response), Reject> {
        if request.identity != from || !self.is_host_named(&request.provider) {
            return Err(Reject::Unknown);
        }
        let member = self.active_member().cloned().ok_or(Reject::Unknown)?;
        if member.denies(from) {
            return Err(Reject::Revoked);
        }
        let granted = self.grants_to_guests(&request.service);
        let mut lane = self.local.addresses.lane.clone();
        lane.truncate(ADDRESSES_MAX);
        let me = Identity {
            node: self.keys.node_id(),
            leaf: member.certificate.der(),
            ca: member.anchor.der(),
            lane,
        };
        let origin = Origin { node: from, address: source.remote.ip(), attached: source.attached };
        let Issued { answer, writes } =
            self.guests.answer(request, granted, origin, me, now, &mut *self.rng)?;
        Ok((writes, Response::GuestOffer(Box::new(answer))))
    }

    /// A guest proves that it knows the password: it gets a ticket for that service.
    pub(super) fn guest_proved(
        &mut self,
        from: NodeId,
        inbound: InboundId,
        proof: &GuestProof,
        now: Timestamp,
    ) {
        let (writes, response) = match self.guests.prove(from, proof, now) {
            Ok(Issued { answer: guest, writes }) => {
                let service = guest.service().clone();
                let minted = self.mint_for_guest(guest, now);
                self.audit_guest(from, &service, minted.as_ref().err().copied());
                (writes, minted.map_or_else(Response::Reject, Response::Grant))
            }
            Err(refused) => (refused.writes, Response::Reject(refused.reject)),
        };
        let message = message::frame(&response);
        self.persist(writes, vec![Output::Respond { to: inbound, message }]);
    }

    fn mint_for_guest(&mut self, guest: ProvenGuest, now: Timestamp) -> Result<TicketGrant, Reject> {
        let snapshot = self.snapshot();
        let member = self.active_member().ok_or(Reject::Denied)?;
        let node = guest.node_id();
        if member.denies(node) {
            return Err(Reject::Revoked);
        }
        let request = TicketRequest::of_guest(guest.nonce(), guest.service().clone(), guest.exchange());
        let granted = member.policy.grant_to_guest(guest, member.certificate.name());
        let granted = granted.ok_or(Reject::Denied)?;
        if !self.tickets.minted.has_room_for_guest(node, now) {
            return Err(Reject::Busy);
        }
        let minted = ticket::mint(&snapshot, &request, &granted, now, &mut *self.rng);
        let Minted { grant, terms } = minted.map_err(|_| Reject::Unavailable)?;
        self.tickets.minted.add(&terms, true, self.ring.generation());
        Ok(grant)
    }
}

/// The write that makes the store say the same.
fn write(service: &ServiceName, kept: Option<&Kept>) -> Write {
    kept.map_or_else(|| Write::erase(Table::Guests, service.as_str()), |kept| kept.write(service))
}
