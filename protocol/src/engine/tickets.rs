//! Session tickets one by one: those that this node holds, those that it has minted, and how either kind is taken back.
//!
//! A provider that takes a ticket back publishes its id in the snapshot: it is refused from then on, and its channels
//! end. Nothing of that is kept on disk, for the key ring that opens the ticket is not either.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::errand::{Origin, Target, Want};
use super::{CommandId, Engine, InboundId, Output, load};
use crate::audit::What;
use crate::control::{self, Answer, Caller, Code, Failure, RevokedTicket, TicketKind, Time};
use crate::identity::{NodeId, ServiceName};
use crate::keyring::KeyRing;
use crate::message::Response;
use crate::people::Actor;
use crate::record::Write;
use crate::reject::Reject;
use crate::ticket::{HeldTicket, MintedTicket, MintedTickets, Terms, TicketId};
use crate::time::Timestamp;

/// Tickets given up whose channels this node goes on refusing: as many as errands at the same time. If there are more,
/// the one that ends first is left to its provider.
const GIVEN_UP_MAX: usize = 1024;

/// What a ticket is held for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) provider: NodeId,
    pub(super) service: ServiceName,
    /// On whose behalf.
    pub(super) actor: Actor,
}

impl Place {
    /// Where the ticket is held.
    pub(super) fn of(held: &HeldTicket) -> Self {
        let Terms { provider, service, user, .. } = held.terms();
        let actor = user.clone().map_or(Actor::Node, Actor::Person);
        Self { provider: *provider, service: service.clone(), actor }
    }
}

/// The tickets that a node holds and those that it has minted.
#[derive(Default)]
pub(super) struct Tickets {
    pub(super) held: BTreeMap<Place, Arc<HeldTicket>>,
    pub(super) minted: MintedTickets,
    /// Those that were held until this node's user revoked them, and when they end.
    given_up: BTreeMap<TicketId, Timestamp>,
    /// What of both kinds opens nothing any more, as the snapshot says it.
    revoked: Arc<BTreeSet<TicketId>>,
}

impl Tickets {
    /// A node that holds these.
    pub(super) fn new(held: BTreeMap<Place, Arc<HeldTicket>>) -> Self {
        Self { held, ..Self::default() }
    }

    pub(super) fn revoked(&self) -> Arc<BTreeSet<TicketId>> {
        Arc::clone(&self.revoked)
    }

    /// The key ring has been rotated.
    pub(super) fn rotated(&mut self, ring: &KeyRing) {
        self.minted.keep_what_opens(ring);
        self.count_revoked();
    }

    /// Where the ticket is held.
    pub(super) fn place_of(&self, id: TicketId) -> Option<Place> {
        self.held.iter().find(|(_, held)| held.terms().id == id).map(|(place, _)| place.clone())
    }

    /// The ticket that is held there is shown no more, and its channels end; what has to be written for that.
    pub(super) fn give_up_at(&mut self, place: &Place, now: Timestamp) -> Option<Write> {
        let held = self.held.remove(place)?;
        self.give_up(&held, now);
        load::erase_ticket(place)
    }

    pub(super) fn give_up(&mut self, held: &HeldTicket, now: Timestamp) {
        self.given_up.retain(|_, ends| now < *ends);
        if self.given_up.len() >= GIVEN_UP_MAX {
            let first = self.given_up.iter().min_by_key(|(_, ends)| **ends).map(|(id, _)| *id);
            first.and_then(|first| self.given_up.remove(&first));
        }
        self.given_up.insert(held.terms().id, held.terms().expires);
        self.count_revoked();
    }

    /// A minted ticket was taken back; says whether that is new.
    fn refuse(&mut self, id: TicketId) -> bool {
        !self.revoked.contains(&id) && Arc::make_mut(&mut self.revoked).insert(id)
    }

    fn count_revoked(&mut self) {
        let revoked = self.minted.revoked().chain(self.given_up.keys().copied()).collect();
        if *self.revoked != revoked {
            self.revoked = Arc::new(revoked);
        }
    }
}

impl Engine {
    /// A local user asks which tickets there are. Who does not run the node is shown those held on their own behalf.
    pub(super) fn show_tickets(&self, caller: Caller, now: Timestamp) -> Answer {
        let held = self.tickets.held.iter().filter(|(_, held)| now < held.terms().expires);
        let held = held.filter(|(place, _)| self.may_see(caller, place)).map(|(_, held)| held);
        let minted = self.tickets.minted.live(now).filter(|_| caller.is_owner());
        let rows = held.map(|held| self.ticket_row(held));
        Answer::Tickets(rows.chain(minted.map(|minted| self.minted_row(minted))).collect())
    }

    fn may_see(&self, caller: Caller, place: &Place) -> bool {
        caller.is_owner() || self.actor(caller).is_ok_and(|actor| actor == place.actor)
    }

    /// A ticket that this node holds, as a user is shown it.
    pub(super) fn ticket_row(&self, held: &HeldTicket) -> control::Ticket {
        let terms = held.terms();
        control::Ticket {
            id: terms.id.to_string(),
            kind: TicketKind::Held,
            service: terms.service.clone(),
            provider: self.peers.label(terms.provider),
            requester: Some(self.own_label()),
            user: terms.user.as_ref().map(ToString::to_string),
            not_before: Time(terms.not_before),
            expires: Time(terms.expires),
            revoked: self.tickets.revoked.contains(&terms.id),
        }
    }

    fn minted_row(&self, (requester, id, ticket): (NodeId, TicketId, &MintedTicket)) -> control::Ticket {
        let denied = self.membership.member.as_ref().is_some_and(|member| member.denies(requester));
        control::Ticket {
            id: id.to_string(),
            kind: TicketKind::Minted,
            service: ticket.service.clone(),
            provider: self.own_label(),
            requester: Some(self.peers.label(requester)),
            user: ticket.user.as_ref().map(ToString::to_string),
            not_before: Time(ticket.not_before),
            expires: Time(ticket.expires),
            revoked: ticket.revoked || denied,
        }
    }

    fn own_label(&self) -> String {
        let name = self.membership.member.as_ref().map(|member| member.certificate.name().to_string());
        name.unwrap_or_else(|| self.node_id().short())
    }

    /// A local user ends a ticket: one that this node has minted, or one that it holds.
    pub(super) fn revoke_ticket(&mut self, command: CommandId, caller: Caller, id: &str, now: Timestamp) {
        let Ok(id) = id.parse() else {
            self.answer(command, Err(no_ticket()));
            return;
        };
        let place = self.tickets.place_of(id).filter(|place| self.may_see(caller, place));
        if place.is_none() && !caller.is_owner() {
            self.answer(command, Err(no_ticket()));
            return;
        }
        if let Some(place) = place {
            self.give_up_ticket(command, &place, now);
            return;
        }
        let requester = self.tickets.minted.requester_of(id);
        let taken = requester.is_some_and(|requester| self.take_back(requester, id, now));
        if taken {
            self.audit_order(What::TicketRevoked, id, "minted here");
        }
        let row = self.tickets.minted.live(now).find(|(_, live, _)| *live == id);
        let result = match row.filter(|_| taken).map(|minted| self.minted_row(minted)) {
            Some(ticket) => Ok(Answer::TicketRevoked(RevokedTicket { ticket, confirmed: true })),
            None => Err(no_ticket()),
        };
        self.answer(command, result);
    }

    /// Takes a ticket back that was minted for `requester`, if it is one that lives.
    fn take_back(&mut self, requester: NodeId, id: TicketId, now: Timestamp) -> bool {
        let lives = self.tickets.minted.revoke(requester, id, now);
        // Whoever says it again wakes nobody.
        if lives && self.tickets.refuse(id) {
            self.publish();
        }
        lives
    }

    /// Gives a ticket up at once, and then tells its provider, who may be away.
    fn give_up_ticket(&mut self, command: CommandId, place: &Place, now: Timestamp) {
        let Some(held) = self.tickets.held.remove(place) else { return };
        self.tickets.give_up(&held, now);
        self.audit_order(What::TicketRevoked, held.terms().id, "held here");
        self.publish();
        self.persist(load::erase_ticket(place).into_iter().collect(), Vec::new());
        let target = Target::Node(place.provider);
        self.begin(Origin::Command(command), target, Want::Revocation(held), now);
    }

    /// Gives up every ticket of a person who has logged out, and tells their providers as far as they can be reached.
    pub(super) fn give_up_tickets_of(&mut self, actor: &Actor, now: Timestamp) {
        let places: Vec<Place> =
            self.tickets.held.keys().filter(|place| place.actor == *actor).cloned().collect();
        for place in &places {
            let Some(held) = self.tickets.held.remove(place) else { continue };
            self.tickets.give_up(&held, now);
            if self.peers.get(place.provider).is_some_and(|peer| peer.connected.is_some()) {
                let target = Target::Node(place.provider);
                self.begin(Origin::Own, target, Want::Revocation(held), now);
            }
        }
        if !places.is_empty() {
            self.publish();
        }
    }

    /// A ticket was given up, and its provider has `confirmed` that or could not be told. Said once it is durable.
    pub(super) fn ticket_given_up(&mut self, to: CommandId, held: &HeldTicket, confirmed: bool) {
        let place = Place::of(held);
        let ticket = self.ticket_row(held);
        let result = Ok(Answer::TicketRevoked(RevokedTicket { ticket, confirmed }));
        // There may be a new one in its place by now.
        let write = self
            .tickets
            .held
            .get(&place)
            .map_or_else(|| load::erase_ticket(&place), |new| load::keep_ticket(new));
        self.persist(write.into_iter().collect(), vec![Output::Answer { to, result }]);
    }

    /// A member gives up a ticket that this node has minted for it. Of others' tickets it learns nothing.
    pub(super) fn ticket_given_back(
        &mut self,
        from: NodeId,
        inbound: InboundId,
        id: TicketId,
        now: Timestamp,
    ) {
        let response = if self.take_back(from, id, now) {
            let given_back = self.entry_from(from, What::TicketRevoked).about(id);
            self.audit(given_back.because("given back by its holder"));
            Response::TicketRevoked
        } else {
            Response::Reject(Reject::Unknown)
        };
        self.respond(inbound, &response);
    }
}

fn no_ticket() -> Failure {
    Failure::new(
        Code::NotFound,
        "there is no such ticket: none that is held here, and none that was minted here since this node's start",
        "list those that there are: `lanyard ticket list`",
    )
}
