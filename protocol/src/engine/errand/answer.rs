//! What becomes of an errand when its question is answered.

use core::time::Duration;

use super::failure::{perhaps_done, this_node, unknown};
use super::{Asking, Errand, Origin, Step, Target, Want};
use crate::control::{Answer, Code, Failure, Pong};
use crate::engine::Engine;
use crate::identity::NodeId;
use crate::message::{Found, Response};
use crate::reject::Reject;
use crate::time::Timestamp;

impl Engine {
    /// The answer to a question that an errand put, and that others may have waited for.
    pub(in crate::engine) fn errand_answered(
        &mut self,
        number: u64,
        response: Option<Response>,
        took: Duration,
        now: Timestamp,
    ) {
        let asked = self.errands.running.get(&number).and_then(Errand::asked);
        self.take_answer(number, response, took, now);
        if let Some(node) = asked {
            self.advance_errands_for(node, now);
        }
    }

    fn take_answer(&mut self, number: u64, response: Option<Response>, took: Duration, now: Timestamp) {
        let Some(errand) = self.errands.running.get_mut(&number) else { return };
        let step = core::mem::replace(&mut errand.step, Step::Reach { looked_up: true });
        let Some(response) = response else {
            self.lost(number, now);
            return;
        };
        match (step, response) {
            (Step::LookingUp, Response::Found(found)) => self.looked_up(number, &found, now),
            (Step::LookingUp, Response::Reject(reject)) => {
                self.not_found(number, reject, now);
            }
            (Step::Asked(node, Asking::WhoIs), response) => {
                self.walk_met_stranger(number, node, &response, now);
            }
            (Step::Asked(node, Asking::Ping), Response::Pong) => self.ponged(number, node, took, now),
            (Step::Asked(_, Asking::Status), Response::Status(good)) => self.confirmed(number, good, now),
            (Step::Asked(node, Asking::Ticket(request)), Response::Grant(grant)) => {
                self.granted(number, node, grant, &request, now);
            }
            // It has yet to take note of the certificate that this node has now: the question has overtaken the greeting,
            // or a renewal has overtaken the question.
            (Step::Asked(node, _), Response::Reject(reject @ (Reject::NotMember | Reject::Invalid)))
                if !self.was_lost(number) =>
            {
                self.walk_was_rejected(number, reject);
                self.peers.forget_shown(node);
                self.lost(number, now);
            }
            // No ticket that lives is unknown to its minter.
            (
                Step::Asked(_, Asking::Revocation),
                Response::TicketRevoked | Response::Reject(Reject::Unknown),
            ) => {
                self.given_up(number);
            }
            (Step::Asked(_, Asking::LogIn), Response::Assertion(assertion)) => {
                self.vouched(number, *assertion, now);
            }
            (Step::Asked(_, Asking::Manage), Response::Managed(managed)) => {
                self.managed(number, managed, now);
            }
            (Step::Asked(node, Asking::Ticket(request)), Response::Reject(reject)) => {
                self.audit_received(node, &request.service, Some(reject));
                self.walk_was_rejected(number, reject);
                self.fail(number, reject.failure(), now);
            }
            (_, Response::Reject(reject)) => {
                self.walk_was_rejected(number, reject);
                self.fail(number, reject.failure(), now);
            }
            _ => self.fail(number, Reject::Invalid.failure(), now),
        }
    }

    fn was_lost(&self, number: u64) -> bool {
        self.errands.running.get(&number).is_some_and(|errand| errand.lost)
    }

    /// A question got no answer. An idle connection is closed by either side, also just when the other has something to
    /// ask: so it is asked once more, over a new connection if need be.
    fn lost(&mut self, number: u64, now: Timestamp) {
        let Some(errand) = self.errands.running.get_mut(&number) else { return };
        if matches!(errand.want, Want::Manage(_)) {
            // What is done twice is not what was asked.
            self.fail(number, perhaps_done(), now);
            return;
        }
        if core::mem::replace(&mut errand.lost, true) {
            if !self.walk_meets_silence(number) {
                self.give_up(number, now);
            }
        } else {
            errand.step = Step::Reach { looked_up: false };
            self.advance(number, now);
        }
    }

    /// The authority knows nobody by this name.
    pub(super) fn not_found(&mut self, number: u64, reject: Reject, now: Timestamp) {
        let failure = self.revoked_by_name(number).unwrap_or_else(|| unknown(&self.whom(number), reject));
        self.fail(number, failure, now);
    }

    pub(super) fn whom(&self, number: u64) -> String {
        match self.errands.running.get(&number).map(|errand| &errand.target) {
            Some(Target::Named(peer)) => peer.to_string(),
            Some(Target::Node(node)) => self.peers.label(*node),
            None => String::new(),
        }
    }

    fn looked_up(&mut self, number: u64, found: &Found, now: Timestamp) {
        let Some(member) = self.membership.member.clone() else { return };
        match member.verify(&found.certificate, now) {
            Ok(certificate) if certificate.node_id() != self.node_id() => {
                let target = Target::Node(certificate.node_id());
                self.walk_was_told(number);
                self.learn(certificate, found.addresses.clone(), now);
                if let Some(errand) = self.errands.running.get_mut(&number) {
                    errand.target = target;
                }
                self.advance(number, now);
            }
            Ok(_) => self.fail(number, this_node(), now),
            Err(error) => {
                let whom = self.whom(number);
                self.walk_is_at_certificate(number);
                let failure = Failure::new(
                    Code::Denied,
                    format!("{whom} has no certificate that holds: {error}"),
                    "see `lanyard status` there: it renews its certificate when it reaches the authority",
                );
                self.fail(number, failure, now);
            }
        }
    }

    fn ponged(&mut self, number: u64, node: NodeId, took: Duration, now: Timestamp) {
        let rtt_ms = took.as_secs_f64() * 1000.0;
        self.peers.set_rtt(node, rtt_ms);
        let Some(name) = self.peers.member(node, now).map(|peer| peer.certificate().name().clone()) else {
            self.give_up(number, now);
            return;
        };
        if self.is_walk(number) {
            self.walk_was_answered(number, node, rtt_ms, now);
            return;
        }
        if self.needs_no_reach(number, node, now) {
            return;
        }
        let whois = matches!(self.errands.running.get(&number), Some(Errand { want: Want::Whois, .. }));
        let answer = match self.show_peer(node, now) {
            Some(peer) if whois => Answer::Peer(Box::new(peer)),
            _ => Answer::Pong(Pong { name, id: node, rtt_ms }),
        };
        self.succeed(number, answer, now);
    }

    /// The provider of a ticket that this node has given up has taken note of that.
    fn given_up(&mut self, number: u64) {
        let Some(errand) = self.errands.running.remove(&number) else { return };
        if let (Want::Revocation(held), Origin::Command(to)) = (&errand.want, errand.origin) {
            self.ticket_given_up(to, held, true);
        }
    }

    /// The authority's word on a requester's certificate.
    fn confirmed(&mut self, number: u64, good: bool, now: Timestamp) {
        let Some(errand) = self.errands.running.remove(&number) else { return };
        if let (Want::Confirm(requester, request), Origin::Inbound(inbound)) = (&errand.want, errand.origin) {
            if good {
                self.mint_for(*requester, request, inbound, now);
            } else {
                self.not_confirmed(*requester, request, inbound);
            }
        }
    }
}
