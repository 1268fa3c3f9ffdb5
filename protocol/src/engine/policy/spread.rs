//! The policy that the authority has signed gets to everyone.
//!
//! A hello says by which version a node goes. Whichever side is ahead tells the other, part by part; and whoever learns
//! of a new one tells others at once, the authority everyone, a member a few.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::access::{Assembly, Notices, PARTS_MAX, PolicyPart, PublishedPolicy, SignedPolicyError};
use crate::audit::What;
use crate::certificate::TrustAnchor;
use crate::engine::revocation::{FAN_OUT, TRIES};
use crate::engine::tickets::Place;
use crate::engine::{Engine, InboundId, Output, RequestId, Sent};
use crate::identity::NodeId;
use crate::message::{self, PolicyTaken, Request, Response};
use crate::record::Write;
use crate::reject::Reject;
use crate::snapshot::Member;
use crate::time::Timestamp;

/// The policy that was signed, and what others know of it.
#[derive(Default)]
pub(in crate::engine) struct Policies {
    published: Option<PublishedPolicy>,
    /// By which version each connected member goes, as far as it has said.
    known: BTreeMap<NodeId, u64>,
    /// The part that is on its way to each.
    pushing: BTreeMap<NodeId, Pushing>,
    /// A later policy, as far as it is here.
    assembly: Option<Assembly>,
    /// The last version that this authority has signed.
    signed: u64,
    /// Whether it is on its way to the disk: until then no other is signed, which would have to build on it.
    unwritten: bool,
}

/// A part on its way.
struct Pushing {
    request: RequestId,
    epoch: u64,
    /// How many more may follow it: parts, and those that were lost.
    left: usize,
}

impl Policies {
    /// Those of a node whose store holds this.
    pub(in crate::engine) fn new(published: Option<PublishedPolicy>) -> Self {
        Self { published, ..Self::default() }
    }

    /// The last version that this authority has signed.
    pub(in crate::engine) const fn last_signed(&self) -> u64 {
        self.signed
    }

    /// This authority has signed a version, which is to be written.
    pub(in crate::engine) fn was_signed(&mut self, epoch: u64) {
        self.signed = self.signed.max(epoch);
        self.unwritten = true;
    }

    /// It is written, or could not be.
    pub(in crate::engine) fn was_written(&mut self) {
        self.unwritten = false;
    }

    /// Whether a version is on its way to the disk.
    pub(in crate::engine) const fn is_unwritten(&self) -> bool {
        self.unwritten
    }

    /// Which users have changed of late.
    pub(in crate::engine) fn notices(&self) -> Notices {
        self.published.as_ref().map(|published| (**published.notices()).clone()).unwrap_or_default()
    }

    /// By which version a connected member goes, as far as it has said.
    pub(in crate::engine) fn version_of(&self, peer: NodeId) -> Option<u64> {
        self.known.get(&peer).copied()
    }

    /// A peer has gone.
    pub(in crate::engine) fn forget(&mut self, peer: NodeId) {
        self.known.remove(&peer);
        self.pushing.remove(&peer);
    }

    /// Takes a part of a later policy; that policy, once all of it is there.
    fn take(
        &mut self,
        part: PolicyPart,
        anchor: &TrustAnchor,
    ) -> Result<Option<PublishedPolicy>, SignedPolicyError> {
        let PolicyPart { policy, number, bytes } = part;
        if self.assembly.as_ref().is_none_or(|assembly| *assembly.signed() != policy) {
            let fresh = Assembly::new(policy, anchor, self.published.as_ref())?;
            let epoch = |assembly: &Assembly| assembly.signed().head.epoch;
            if self.assembly.as_ref().is_some_and(|assembly| epoch(assembly) >= epoch(&fresh)) {
                return Ok(None);
            }
            self.assembly = Some(fresh);
        }
        let Some(assembly) = &mut self.assembly else { return Ok(None) };
        assembly.add(number, bytes)?;
        match self.assembly.take_if(|assembly| assembly.wants().is_none()) {
            Some(whole) => whole.finish(self.published.as_ref().map(PublishedPolicy::policy)).map(Some),
            None => Ok(None),
        }
    }
}

impl Engine {
    pub(in crate::engine) fn policy_epoch(&self) -> u64 {
        self.membership.member.as_ref().map_or(0, |member| member.policy.epoch())
    }

    /// A member has said by which version it goes.
    pub(in crate::engine) fn compare_policies(&mut self, peer: NodeId, epoch: u64) {
        self.policies.known.insert(peer, epoch);
        if epoch < self.policy_epoch() {
            self.push_policy(peer);
        }
    }

    /// Tells a peer the last part of the policy, unless a part is on its way: that is what changes most often, and the
    /// answer says which part it needs next.
    fn push_policy(&mut self, peer: NodeId) {
        if !self.policies.pushing.contains_key(&peer) {
            self.push_part(peer, None, PARTS_MAX + TRIES as usize);
        }
    }

    /// Tells a peer the part that it wants, or the last one where nobody knows which that is.
    fn push_part(&mut self, peer: NodeId, wanted: Option<u8>, left: usize) {
        let published = self.policies.published.as_ref().filter(|_| self.active_member().is_some());
        let part = published.and_then(|published| {
            published.part(wanted.unwrap_or_else(|| published.parts().saturating_sub(1)))
        });
        let Some(part) = part else { return };
        let epoch = part.policy.head.epoch;
        let request = self.request(peer, &Request::Policy(part), Sent::Policy(peer));
        self.policies.pushing.insert(peer, Pushing { request, epoch, left });
    }

    /// A peer has answered a part, or has not.
    pub(in crate::engine) fn policy_pushed(
        &mut self,
        request: RequestId,
        peer: NodeId,
        response: Option<&Response>,
        now: Timestamp,
    ) {
        if self.policies.pushing.get(&peer).is_none_or(|pushing| pushing.request != request) {
            return;
        }
        let Some(Pushing { epoch, left, .. }) = self.policies.pushing.remove(&peer) else { return };
        let own = self.policy_epoch();
        let next = match response {
            Some(Response::Policy(taken)) => {
                self.policies.known.insert(peer, taken.epoch);
                if taken.epoch >= own {
                    return;
                }
                taken.wants
            }
            None => None,
            // It cannot read it, or cannot keep it: it is told again when it is met again.
            Some(_) => return,
        };
        if self.peers.member(peer, now).is_none() {
            return;
        }
        if epoch != own {
            self.push_policy(peer);
        } else if left > 0 {
            self.push_part(peer, next, left - 1);
        }
    }

    /// A member tells a part of the policy. An older policy than the present one changes nothing.
    pub(in crate::engine) fn policy_received(
        &mut self,
        from: NodeId,
        inbound: InboundId,
        part: PolicyPart,
        now: Timestamp,
    ) {
        let Some(member) = self.active_member().cloned() else {
            self.respond(inbound, &Response::Reject(Reject::NotMember));
            return;
        };
        let told = part.policy.clone();
        if told.head.epoch <= member.policy.epoch() {
            self.respond(inbound, &taken(member.policy.epoch(), None));
            return;
        }
        match self.policies.take(part, &member.anchor) {
            Ok(Some(published)) => {
                self.policies.known.insert(from, told.head.epoch);
                let applied = self.entry_from(from, What::PolicyApplied);
                self.audit(applied.about(format!("version {}", told.head.epoch)));
                let mut writes = published.to_writes();
                let respond = taken(published.policy().epoch(), None);
                let respond = Output::Respond { to: inbound, message: message::frame(&respond) };
                // Obeyed before it is durable, as a revocation is: it may be one that takes something away.
                writes.extend(self.go_by_policy(published, now));
                self.persist(writes, vec![respond]);
            }
            Ok(None) => {
                let same = self.policies.assembly.as_ref().filter(|assembly| *assembly.signed() == told);
                let wants = same.and_then(Assembly::wants);
                self.respond(inbound, &taken(member.policy.epoch(), wants));
            }
            Err(_) => self.respond(inbound, &Response::Reject(Reject::Invalid)),
        }
    }

    /// What this authority has signed is durable: from now on it holds.
    pub(in crate::engine) fn adopt_policy(&mut self, published: PublishedPolicy, now: Timestamp) {
        // A later one may have been told meanwhile, or signed.
        if published.policy().epoch() > self.policy_epoch() {
            let writes = self.go_by_policy(published, now);
            self.persist(writes, Vec::new());
        }
    }

    /// From now on goes by `published`, and tells others. What tickets are given up for it, the writes say; log-ins that
    /// it ends or makes out of date are renewed.
    fn go_by_policy(&mut self, published: PublishedPolicy, now: Timestamp) -> Vec<Write> {
        let Some(member) = &self.membership.member else { return Vec::new() };
        let (policy, notices) = (published.policy().clone(), Arc::clone(published.notices()));
        self.membership.member = Some(Arc::new(Member { policy, notices, ..(**member).clone() }));
        self.policies.published = Some(published);
        self.review_log_ins(now);
        let writes = self.give_up_what_is_not_granted(now);
        self.publish();
        self.spread_policy(now);
        writes
    }

    /// Tickets for what policy no longer grants are shown no more, and their channels end on this side too.
    fn give_up_what_is_not_granted(&mut self, now: Timestamp) -> Vec<Write> {
        let held: Vec<Place> = self.tickets.held.keys().cloned().collect();
        let over: Vec<Place> = held.into_iter().filter(|place| !self.is_granted(place)).collect();
        over.iter().filter_map(|place| self.tickets.give_up_at(place, now)).collect()
    }

    /// Tells others what is new: the authority everyone, a member a few of those who have not said that they know.
    fn spread_policy(&mut self, now: Timestamp) {
        let epoch = self.policy_epoch();
        let known = self.policies.known.iter().filter(|(_, known)| **known < epoch).map(|(peer, _)| *peer);
        let mut behind: Vec<NodeId> = known.filter(|peer| self.peers.member(*peer, now).is_some()).collect();
        if self.membership.authority.is_none() {
            while behind.len() > FAN_OUT {
                let one = (self.rng.next_u64() % behind.len() as u64) as usize;
                behind.swap_remove(one);
            }
        }
        for peer in behind {
            self.push_policy(peer);
        }
    }
}

fn taken(epoch: u64, wants: Option<u8>) -> Response {
    Response::Policy(PolicyTaken { epoch, wants })
}
