//! Errands that walk: their steps, and what they take note of on the way.

use super::failure::unreachable;
use super::{Asking, Errand, Origin, Step, Want};
use crate::control::{Failure, LinkName};
use crate::engine::peers::Greeting;
use crate::engine::why::{Stranger, Walking};
use crate::engine::{Engine, Output};
use crate::identity::NodeId;
use crate::message::{Request, Response};
use crate::reject::Reject;
use crate::time::Timestamp;

/// How often somebody is turned to who does not take this node for a member: a greeting may have been overtaken.
const TURNS_MAX: u32 = 4;

impl Engine {
    fn walking(&mut self, number: u64) -> Option<&mut Walking> {
        match self.errands.running.get_mut(&number) {
            Some(Errand { want: Want::Why(walking), .. }) => Some(walking),
            _ => None,
        }
    }

    pub(super) fn is_walk(&self, number: u64) -> bool {
        matches!(self.errands.running.get(&number), Some(Errand { want: Want::Why(_), .. }))
    }

    /// It is known which node is meant, and it is turned to, unless it has said no so often that it is asked instead of
    /// which network it is. Says whether the answer is waited for.
    pub(super) fn walk_is_turned_away(&mut self, number: u64, node: NodeId) -> bool {
        let Some(walking) = self.walking(number) else { return false };
        (walking.node, walking.at) = (Some(node), LinkName::Reachability);
        walking.turns = walking.turns.saturating_add(1);
        let turned_away = walking.rejected == Some(Reject::NotMember) && walking.turns > TURNS_MAX;
        turned_away && self.walk_meets_silence(number)
    }

    /// The authority has said which node is meant, and where it is.
    pub(super) fn walk_was_told(&mut self, number: u64) {
        if let Some(walking) = self.walking(number) {
            walking.told = true;
        }
    }

    /// Its certificate is what fails.
    pub(super) fn walk_is_at_certificate(&mut self, number: u64) {
        if let Some(walking) = self.walking(number) {
            walking.at = LinkName::Certificate;
        }
    }

    /// The other end is there, and neither takes the other for a member: it is asked, once, of which network it is.
    /// Says whether the answer is waited for.
    pub(super) fn walk_meets_stranger(&mut self, number: u64, node: NodeId) -> bool {
        let refused = self.peers.get(node).is_some_and(|peer| matches!(peer.greeting, Greeting::Refused));
        let denied = self.membership.member.as_ref().is_some_and(|member| member.denies(node));
        let Some(walking) = self.walking(number).filter(|_| refused || denied) else { return false };
        walking.at = LinkName::Certificate;
        if denied || walking.stranger.is_some() {
            return false;
        }
        walking.stranger = Some(Stranger::Silent);
        self.put(number, node, &Request::WhoIs, Asking::WhoIs);
        true
    }

    /// The other end is connected and answers nothing that members ask: it is asked, once, of which network it is. Says
    /// whether the answer is waited for.
    pub(super) fn walk_meets_silence(&mut self, number: u64) -> bool {
        let Some(walking) = self.walking(number) else { return false };
        let node =
            walking.node.filter(|_| walking.at == LinkName::Reachability && walking.stranger.is_none());
        let Some(node) =
            node.filter(|node| self.peers.get(*node).is_some_and(|peer| peer.connected.is_some()))
        else {
            return false;
        };
        if let Some(walking) = self.walking(number) {
            walking.stranger = Some(Stranger::Silent);
        }
        self.put(number, node, &Request::WhoIs, Asking::WhoIs);
        true
    }

    /// A stranger has said of which network it is, or that it is of none.
    pub(super) fn walk_met_stranger(
        &mut self,
        number: u64,
        node: NodeId,
        response: &Response,
        now: Timestamp,
    ) {
        let root = self.membership.member.as_ref().map(|member| member.anchor.fingerprint());
        let said = if let Response::WhoIs(said) = response {
            Stranger::Of { network: said.network.clone(), ours: Some(said.root) == root }
        } else if *response == Response::Reject(Reject::NotMember) {
            Stranger::None
        } else {
            Stranger::Silent
        };
        let Some(walking) = self.walking(number) else { return };
        let was_refused = walking.at == LinkName::Certificate;
        if !matches!(said, Stranger::Silent) {
            walking.at = LinkName::Certificate;
        }
        walking.stranger = Some(said);
        let failure = if was_refused { self.refusal(node) } else { unreachable(&self.peers.label(node)) };
        self.fail(number, failure, now);
    }

    /// The other end has said no.
    pub(super) fn walk_was_rejected(&mut self, number: u64, reject: Reject) {
        if let Some(walking) = self.walking(number) {
            walking.rejected = Some(reject);
        }
    }

    /// The other end has answered.
    pub(super) fn walk_was_answered(&mut self, number: u64, node: NodeId, rtt_ms: f64, now: Timestamp) {
        if let Some(walking) = self.walking(number) {
            (walking.rtt_ms, walking.rejected, walking.turns) = (Some(rtt_ms), None, 0);
        }
        self.walk_on(number, node, now);
    }

    /// The next step with a peer that can be asked: a round trip, then the ticket, unless this node refuses to ask or
    /// is not the one to ask for it.
    pub(super) fn walk_on(&mut self, number: u64, node: NodeId, now: Timestamp) {
        let Some(Errand { want: Want::Why(walking), .. }) = self.errands.running.get(&number) else { return };
        if walking.rtt_ms.is_none() {
            self.put(number, node, &Request::Ping, Asking::Ping);
            return;
        }
        let (broken, wish) = (self.breaks_beyond(walking, node, now), walking.wish());
        if let Some((link, failure)) = broken {
            if let Some(walking) = self.walking(number) {
                walking.at = link;
            }
            self.fail(number, failure, now);
            return;
        }
        let Some(wish) = wish.filter(|wish| self.held(node, wish, now).is_none()) else {
            self.walk_arrives(number, now);
            return;
        };
        if let Some(walking) = self.walking(number) {
            (walking.at, walking.asked) = (LinkName::Ticket, true);
        }
        if self.errands.running.values().any(|errand| errand.asks_ticket(node, &wish)) {
            return;
        }
        if let Some(request) = self.ticket_request(&wish) {
            self.put(number, node, &Request::Ticket(request.clone()), Asking::Ticket(request));
        }
    }

    /// It has got as far as the engine leads.
    pub(super) fn walk_arrives(&mut self, number: u64, now: Timestamp) {
        let Some(errand) = self.errands.running.remove(&number) else { return };
        if let Want::Why(walking) = &errand.want {
            self.end_walk(errand.origin, walking, Ok(()), now);
        }
    }

    /// Tells whoever waits how far it got.
    pub(super) fn end_walk(
        &mut self,
        origin: Origin,
        walking: &Walking,
        result: Result<(), Failure>,
        now: Timestamp,
    ) {
        if let Origin::Command(to) = origin {
            let result = Ok(self.walk_ended(walking, result, now));
            self.output(Output::Answer { to, result });
        }
    }

    pub(super) fn put(&mut self, number: u64, node: NodeId, request: &Request, asking: Asking) {
        self.set_step(number, Step::Asked(node, asking));
        self.request(node, request, crate::engine::Sent::Errand(number));
    }
}
