//! What other nodes ask. Every request goes through [`Engine::handle_request`], where one line decides whether its
//! sender may ask it.

#[cfg(test)]
mod tests;

use super::errand::{Origin, Target, Want};
use super::{Connection, Engine, InboundId, OnlineCheck, Output};
use crate::certificate::{CertificateError, Role, VerifiedCertificate};
use crate::control::PeerRef;
use crate::enrolment::{self, EnrolRequest, Issued, KeyRequest, Verdict, WhoIsAnswer};
use crate::hello::Hello;
use crate::identity::NodeId;
use crate::message::{self, Access, Found, Lookup, Request, Response, StatusRequest};
use crate::people::VerifiedAssertion;
use crate::record::Write;
use crate::reject::Reject;
use crate::ticket::{self, Minted, TicketRequest};
use crate::time::Timestamp;

/// The addresses of an authority in the answer to a stranger, so that it stays small.
const WHOIS_ADDRESSES: usize = 4;

impl Engine {
    /// A request came in over a connection with `from`.
    ///
    /// What does not decode gets silence; what its sender may not ask gets [`Reject::NotMember`].
    pub fn handle_request(
        &mut self,
        from: NodeId,
        source: Connection,
        inbound: InboundId,
        bytes: &[u8],
        now: Timestamp,
    ) {
        let Ok(request) = message::parse::<Request>(bytes) else {
            self.output(Output::Ignore { to: inbound });
            return;
        };
        if request.access() == Access::Member && self.peers.member(from, now).is_none() {
            self.respond(inbound, &Response::Reject(Reject::NotMember));
            return;
        }
        match request {
            Request::WhoIs => self.tell_who_is(inbound),
            Request::KeyRequest(request) => self.key_requested(from, source, inbound, &request, now),
            Request::Enrol(request) => self.enrolment_requested(from, source, inbound, &request, now),
            Request::Hello(hello) => self.hello_received(from, inbound, &hello, now),
            Request::Lookup(lookup) => self.lookup_requested(inbound, &lookup),
            Request::Status(status) => self.status_requested(inbound, &status, now),
            Request::Ticket(request) => self.ticket_requested(from, inbound, request, now),
            Request::Ping => self.respond(inbound, &Response::Pong),
            Request::Revocations(update) => self.revocations_received(from, inbound, &update, now),
            Request::RevokeTicket(ticket) => self.ticket_given_back(from, inbound, ticket, now),
            Request::Policy(part) => self.policy_received(from, inbound, part, now),
            Request::LogIn(request) => self.log_in_requested(from, inbound, request, now),
            Request::Manage(request) => self.manage_requested(from, inbound, *request, now),
            Request::GuestSearch(search) => self.guest_searched(inbound, &search),
            Request::Guest(request) => self.guest_requested(from, source, inbound, &request, now),
            Request::GuestProof(proof) => self.guest_proved(from, inbound, &proof, now),
        }
    }

    fn tell_who_is(&mut self, inbound: InboundId) {
        let response = self.who_is().map_or(Response::Reject(Reject::NotMember), Response::WhoIs);
        self.respond(inbound, &response);
    }

    fn who_is(&self) -> Option<WhoIsAnswer> {
        let member = self.active_member()?;
        let authority = self.membership.home?;
        let mut addresses = if authority == self.node_id() {
            self.local.addresses.control.clone()
        } else {
            self.peers.get(authority).map(|peer| peer.addresses.control.clone()).unwrap_or_default()
        };
        addresses.truncate(WHOIS_ADDRESSES);
        let (network, root) = (member.anchor.network().clone(), member.anchor.fingerprint());
        Some(WhoIsAnswer { network, root, authority, addresses })
    }

    fn key_requested(
        &mut self,
        from: NodeId,
        source: Connection,
        inbound: InboundId,
        request: &KeyRequest,
        now: Timestamp,
    ) {
        let (Some(authority), Some(member)) = (&mut self.membership.authority, &self.membership.member)
        else {
            self.respond(inbound, &Response::Reject(Reject::NotAuthority));
            return;
        };
        let leaf = &member.certificate;
        match authority.key_request(request, origin(from, source), &self.keys, leaf, now, &mut *self.rng) {
            Ok(issued) => {
                let response = Response::AuthorityKey(Box::new(issued.answer));
                self.respond_durably(inbound, issued.writes, &response);
            }
            Err(reject) => {
                self.audit_admission((from, source.remote), Some(reject), false);
                self.respond(inbound, &Response::Reject(reject));
            }
        }
    }

    fn enrolment_requested(
        &mut self,
        from: NodeId,
        source: Connection,
        inbound: InboundId,
        request: &EnrolRequest,
        now: Timestamp,
    ) {
        let known = self.has_admitted(from);
        let (Some(authority), Some(member)) = (&mut self.membership.authority, &self.membership.member)
        else {
            self.respond(inbound, &Response::Reject(Reject::NotAuthority));
            return;
        };
        let own = (&*self.keys, &*member.revocations);
        match authority.enrol(request, origin(from, source), own, now, &mut *self.rng) {
            Ok(Issued { answer, writes }) => match answer {
                Verdict::Waiting => self.respond_durably(inbound, writes, &Response::Waiting),
                Verdict::Admitted(answer, replaced) => {
                    let response = Response::Enrolled(answer);
                    self.audit_admission((from, source.remote), None, known);
                    match replaced {
                        Some(old) => self.take_away_replaced(&old, inbound, writes, &response, now),
                        None => self.respond_durably(inbound, writes, &response),
                    }
                }
            },
            Err(refused) => {
                self.audit_admission((from, source.remote), Some(refused.reject), known);
                self.respond_durably(inbound, refused.writes, &Response::Reject(refused.reject));
            }
        }
    }

    fn respond_durably(&mut self, inbound: InboundId, writes: Vec<Write>, response: &Response) {
        let respond = Output::Respond { to: inbound, message: message::frame(response) };
        self.persist(writes, vec![respond]);
    }

    /// The peer dialled, so it shows its certificate first, and sees this node's only if it is a member.
    fn hello_received(&mut self, from: NodeId, inbound: InboundId, hello: &Hello, now: Timestamp) {
        let Some(member) = self.active_member().cloned() else {
            self.respond(inbound, &Response::Reject(Reject::NotMember));
            return;
        };
        match (self.authenticate(&member, hello, from, now), self.hello()) {
            // Whoever is answered is known from then on.
            (Ok(_), Some(_)) if !self.peers.has_room(from, now) => {
                self.respond(inbound, &Response::Reject(Reject::Busy));
            }
            (Ok(proven), Some(ours)) => {
                let shown = ours.certificate.digest();
                self.respond(inbound, &Response::Hello(ours));
                self.authenticated(proven, hello, now);
                self.peers.show_ended(from, Some(shown));
                self.advance_errands_for(from, now);
            }
            (Err(CertificateError::Revoked { .. }), _) => {
                let proof = member.revocations.get(from).copied();
                let refused = Response::Reject(Reject::Revoked);
                self.respond(inbound, &proof.map_or(refused, Response::Revoked));
            }
            _ => self.respond(inbound, &Response::Reject(Reject::NotMember)),
        }
    }

    fn lookup_requested(&mut self, inbound: InboundId, lookup: &Lookup) {
        let response = match self.find_enrolled(&lookup.peer) {
            Ok(certificate) => Response::Found(self.found(&certificate)),
            Err(reject) => Response::Reject(reject),
        };
        self.respond(inbound, &response);
    }

    fn found(&self, certificate: &VerifiedCertificate) -> Found {
        let node = certificate.node_id();
        let addresses = if node == self.node_id() {
            self.local.addresses.clone().bounded()
        } else {
            self.peers.get(node).map(|peer| peer.addresses.clone()).unwrap_or_default()
        };
        Found { certificate: certificate.der().clone(), addresses }
    }

    /// The certificate of the enrolled node that `peer` names, on the authority.
    pub(super) fn find_enrolled(&self, peer: &str) -> Result<VerifiedCertificate, Reject> {
        let authority = self.membership.authority.as_ref().ok_or(Reject::NotAuthority)?;
        let peer: PeerRef = peer.parse().map_err(|_| Reject::Unknown)?;
        let named = peer.as_str().parse().ok().and_then(|name| authority.by_name(&name));
        let record = match named {
            Some(record) => record,
            None => match authority.by_id_prefix(peer.as_str()).as_slice() {
                [one] => one,
                _ => return Err(Reject::Unknown),
            },
        };
        Ok(record.certificate.clone())
    }

    fn status_requested(&mut self, inbound: InboundId, status: &StatusRequest, now: Timestamp) {
        let response = match &self.membership.authority {
            Some(authority) => Response::Status(authority.vouches_for(status.certificate, status.node, now)),
            None => Response::Reject(Reject::NotAuthority),
        };
        self.respond(inbound, &response);
    }

    /// A member wants to use a service of this node's.
    fn ticket_requested(&mut self, from: NodeId, inbound: InboundId, request: TicketRequest, now: Timestamp) {
        let home = self.membership.home;
        let authority_itself = home == Some(from)
            && self.peers.member(from, now).is_some_and(|peer| peer.certificate().role() == Role::Authority);
        match (self.online_check_for(from, &request, now), home) {
            (OnlineCheck::Never, _) => self.mint_for(from, &request, inbound, now),
            _ if authority_itself => self.mint_for(from, &request, inbound, now),
            _ if self.membership.authority.is_some() => self.mint_if_vouched(from, &request, inbound, now),
            (OnlineCheck::Prefer | OnlineCheck::Require, Some(home)) => {
                self.begin(Origin::Inbound(inbound), Target::Node(home), Want::Confirm(from, request), now);
            }
            (OnlineCheck::Prefer | OnlineCheck::Require, None) => {
                self.unconfirmed(from, &request, inbound, now);
            }
        }
    }

    fn mint_if_vouched(&mut self, from: NodeId, request: &TicketRequest, inbound: InboundId, now: Timestamp) {
        let authority = self.membership.authority.as_ref();
        if authority.is_some_and(|authority| authority.vouches_for(request.certificate, from, now)) {
            self.mint_for(from, request, inbound, now);
        } else {
            self.not_confirmed(from, request, inbound);
        }
    }

    /// A requester's certificate was not confirmed, so it gets no ticket.
    pub(super) fn not_confirmed(&mut self, requester: NodeId, request: &TicketRequest, inbound: InboundId) {
        self.audit_minted(requester, request, Some(Reject::NotConfirmed));
        self.respond(inbound, &Response::Reject(Reject::NotConfirmed));
    }

    /// The authority could not be asked about a requester's certificate.
    pub(super) fn unconfirmed(
        &mut self,
        requester: NodeId,
        request: &TicketRequest,
        inbound: InboundId,
        now: Timestamp,
    ) {
        match self.online_check_for(requester, request, now) {
            OnlineCheck::Never | OnlineCheck::Prefer => self.mint_for(requester, request, inbound, now),
            OnlineCheck::Require => self.not_confirmed(requester, request, inbound),
        }
    }

    /// Mints, if the requester still is a member and policy grants the service.
    pub(super) fn mint_for(
        &mut self,
        requester: NodeId,
        request: &TicketRequest,
        inbound: InboundId,
        now: Timestamp,
    ) {
        let minted = self.minted(requester, request, now);
        self.audit_minted(requester, request, minted.as_ref().err().copied());
        self.respond(inbound, &minted.map_or_else(Response::Reject, Response::Grant));
    }

    fn minted(
        &mut self,
        requester: NodeId,
        request: &TicketRequest,
        now: Timestamp,
    ) -> Result<ticket::TicketGrant, Reject> {
        let snapshot = self.snapshot();
        let member = self.membership.member.as_ref().ok_or(Reject::NotMember)?;
        let peer = self.peers.member(requester, now).ok_or(Reject::NotMember)?.certificate();
        let user = member.believe(request.assertion.as_deref(), peer, now).map_err(|_| Reject::LogIn)?;
        let provider = member.certificate.name();
        let granted = member.policy.grant(peer, user, &request.service, provider).ok_or(Reject::Denied)?;
        let person = granted.user().map(VerifiedAssertion::principal);
        if !self.tickets.minted.has_room(requester, person, now) {
            return Err(Reject::Busy);
        }
        let minted = ticket::mint(&snapshot, request, &granted, now, &mut *self.rng);
        let Minted { grant, terms } = minted.map_err(|_| Reject::Invalid)?;
        self.tickets.minted.add(&terms, false, self.ring.generation());
        Ok(grant)
    }
}

fn origin(node: NodeId, source: Connection) -> enrolment::Origin {
    enrolment::Origin { node, address: source.remote.ip(), attached: source.attached }
}
