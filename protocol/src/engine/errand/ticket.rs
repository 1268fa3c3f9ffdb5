//! Errands for a ticket: asked for, believed, kept, and handed to whoever wanted it.

use std::sync::Arc;

use super::{Origin, Target, Want, Wish};
use crate::control::{Answer, Code, Failure};
use crate::engine::tickets::Place;
use crate::engine::{ChannelGrant, Engine, Output, load};
use crate::identity::NodeId;
use crate::ticket::{self, HeldTicket, TicketRequest};
use crate::time::Timestamp;

impl Engine {
    /// The question for a ticket, on behalf of somebody whose log-in is good.
    pub(super) fn ticket_request(&mut self, wish: &Wish) -> Option<TicketRequest> {
        let certificate = self.membership.member.as_ref()?.certificate.digest();
        let assertion = self.user_of(&wish.actor).ok()?.map(|user| Box::new(user.signed().clone()));
        let mut nonce = [0; 32];
        self.rng.fill_bytes(&mut nonce);
        Some(TicketRequest { nonce, service: wish.service.clone(), certificate, assertion })
    }

    pub(super) fn held(&self, node: NodeId, wish: &Wish, now: Timestamp) -> Option<Arc<HeldTicket>> {
        let place = wish.at(node);
        let held = self.tickets.held.get(&place).filter(|held| held.usable(now));
        held.filter(|_| self.is_granted(&place)).cloned()
    }

    pub(super) fn granted(
        &mut self,
        number: u64,
        node: NodeId,
        grant: ticket::TicketGrant,
        request: &TicketRequest,
        now: Timestamp,
    ) {
        let Some(provider) = self.peers.member(node, now).map(|peer| peer.certificate().clone()) else {
            self.give_up(number, now);
            return;
        };
        match ticket::accept(grant, request, &provider, &self.keys, now) {
            Ok(held) => {
                let (place, held) = (Place::of(&held), Arc::new(held));
                if let Some(failure) = self.not_granted_at(&place) {
                    // Meanwhile whoever wanted it has logged out, or may not any more.
                    self.tickets.give_up(&held, now);
                    self.publish();
                    self.begin(Origin::Own, Target::Node(node), Want::Revocation(held), now);
                    self.fail(number, failure, now);
                    return;
                }
                self.audit_received(node, &request.service, None);
                self.tickets.held.insert(place, Arc::clone(&held));
                self.deliver_durably(number, held, now);
            }
            Err(error) => {
                let failure = Failure::new(
                    Code::Denied,
                    format!("{} answered with a ticket that is not good: {error}", provider.name()),
                    "see whether somebody is tampering with that machine or with the network",
                );
                self.fail(number, failure, now);
            }
        }
    }

    fn deliver_durably(&mut self, number: u64, held: Arc<HeldTicket>, now: Timestamp) {
        let before = self.wires.outputs.len();
        let write = load::keep_ticket(&held);
        self.deliver(number, held, now);
        let then = self.wires.outputs.split_off(before).into();
        self.persist(write.into_iter().collect(), then);
    }

    /// Ends an errand that was for a ticket.
    pub(super) fn deliver(&mut self, number: u64, held: Arc<HeldTicket>, now: Timestamp) {
        let Some(errand) = self.errands.running.get(&number) else { return };
        let Origin::Command(to) = errand.origin else { return };
        if matches!(errand.want, Want::Why(_)) {
            self.walk_arrives(number, now);
        } else if matches!(errand.want, Want::Channel(_)) {
            self.errands.running.remove(&number);
            let result = self.channel_grant(held).map(Box::new);
            self.output(Output::Channel { to, result });
        } else {
            let answer = self.show_ticket(&held);
            self.succeed(number, answer, now);
        }
    }

    fn channel_grant(&self, ticket: Arc<HeldTicket>) -> Result<ChannelGrant, Failure> {
        let provider = ticket.terms().provider;
        let lost = || Failure::new(Code::Unreachable, "the peer has gone away", "try again when it is back");
        let peer = self.peers.get(provider).ok_or_else(lost)?;
        let name = peer.certificate.as_ref().ok_or_else(lost)?.name().clone();
        // The address at which the peer answers now comes first: of several, it is the one known to work.
        let here = peer.connected.map(|remote| remote.ip());
        let mut lanes = peer.addresses.lane.clone();
        lanes.sort_by_key(|lane| Some(lane.ip()) != here);
        Ok(ChannelGrant { ticket, provider: name, lanes })
    }

    pub(in crate::engine) fn show_ticket(&self, held: &HeldTicket) -> Answer {
        Answer::Ticket(self.ticket_row(held))
    }
}
