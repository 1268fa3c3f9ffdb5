//! Memberships that are taken away: everyone is told, and whoever it concerns is heard no more.
//!
//! A hello says how far a node's list of revocations has come. Whichever side is ahead then tells the other, page by
//! page; and whoever learns something new tells others at once, the authority everyone, a member a few. What is
//! learnt is obeyed before it is on the disk, and confirmed after.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::errand::{this_node, unknown};
use super::rewrite::Rewrites;
use super::{CommandId, Engine, InboundId, Output, RequestId, Sent, load};
use crate::certificate::VerifiedCertificate;
use crate::control::{Answer, Code, Failure, Revoke, Revoked};
use crate::enrolment::EnrolmentRecord;
use crate::identity::NodeId;
use crate::message::{self, Request, Response};
use crate::record::Write;
use crate::reject::Reject;
use crate::revocation::{ENTRIES_MAX, Merged, SignedRevocation, Times, Update};
use crate::snapshot::Member;
use crate::time::Timestamp;

/// Peers to which a member passes on what it has learnt: enough for news to reach everyone in a few rounds, though
/// the authority cannot be reached.
pub(super) const FAN_OUT: usize = 8;

/// How often a page is sent to a peer that stays connected and does not answer.
pub(super) const TRIES: u32 = 3;

/// Users who wait for confirmations at the same time.
const WAITING_MAX: usize = 64;

/// What others know of the revocations, and who waits for that.
#[derive(Default)]
pub(super) struct Spread {
    /// How far each connected member's list has come, as far as it has said.
    known: BTreeMap<NodeId, u64>,
    /// The page that is on its way to each.
    pushing: BTreeMap<NodeId, Pushing>,
    waiting: Vec<Waiting>,
    /// What the store refused.
    pub(super) rewrites: Rewrites,
}

/// A page on its way.
struct Pushing {
    request: RequestId,
    /// How far the peer has come with it, unless it carries the head: then the peer says.
    cursor: Option<u64>,
    /// How far this node's list had come.
    epoch: u64,
    /// Whether the pages began with the first revocation.
    whole: bool,
    tries: u32,
}

/// A user who waits until everyone has confirmed.
struct Waiting {
    command: CommandId,
    peer: String,
    epoch: u64,
    durable: bool,
    began: Timestamp,
    deadline: Timestamp,
    confirmed: u32,
    last: Option<Duration>,
    missing: BTreeSet<NodeId>,
    offline: Vec<String>,
}

impl Waiting {
    fn is_over(&self, now: Timestamp) -> bool {
        self.durable && (self.missing.is_empty() || now >= self.deadline)
    }
}

impl Engine {
    /// The node's membership, unless it was taken away.
    pub(super) fn active_member(&self) -> Option<&Arc<Member>> {
        self.membership.member.as_ref().filter(|member| !member.is_revoked())
    }

    fn epoch(&self) -> u64 {
        self.membership.member.as_ref().map_or(0, |member| member.revocations.epoch())
    }

    /// A local user takes a membership away.
    pub(super) fn revoke(&mut self, command: CommandId, revoke: &Revoke, now: Timestamp) {
        let name = revoke.peer.to_string();
        match self.revoke_named(&name, revoke.reason.as_deref().unwrap_or_default(), now) {
            Ok((node, merged)) => {
                if merged.is_some() {
                    self.audit_revoked(&[node], None, revoke.reason.as_deref().unwrap_or_default());
                }
                self.wait_for_confirmations(command, node, revoke, now);
                match merged {
                    Some(merged) => self.adopt(merged, Vec::new(), Some(command), now),
                    None => self.revocation_durable(command, now),
                }
            }
            Err(failure) => self.answer(command, Err(failure)),
        }
    }

    /// The node that is meant, and what changes unless its membership was taken away before.
    fn revoke_named(
        &mut self,
        name: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(NodeId, Option<Merged>), Failure> {
        let (found, times) = (self.find_enrolled(name), self.times(now));
        let own = self.node_id();
        let waiting = self.spread.waiting.len();
        let (Some(authority), Some(member)) = (&mut self.membership.authority, &self.membership.member)
        else {
            return Err(Failure::new(
                Code::Denied,
                "this node is not the authority, so it can revoke nobody",
                "run `lanyard revoke` on the authority",
            ));
        };
        if waiting >= WAITING_MAX {
            return Err(Reject::Busy.failure());
        }
        match found {
            Ok(certificate) if certificate.node_id() == own => Err(this_node()),
            Ok(certificate) => {
                let merged =
                    authority.revoke(&certificate, reason, &member.revocations, times).map_err(|_| full())?;
                Ok((certificate.node_id(), Some(merged)))
            }
            Err(reject) => match authority.denied_as(name) {
                Some(node) => Ok((node, None)),
                None => Err(unknown(name, reject)),
            },
        }
    }

    /// The name of `old` was given to another key: its membership ends with the answer that says so.
    pub(super) fn take_away_replaced(
        &mut self,
        old: &EnrolmentRecord,
        inbound: InboundId,
        writes: Vec<Write>,
        response: &Response,
        now: Timestamp,
    ) {
        let times = self.times(now);
        let (Some(authority), Some(member)) = (&mut self.membership.authority, &self.membership.member)
        else {
            return;
        };
        let Ok(mut merged) = authority.revoke_replaced(old, &member.revocations, times) else {
            self.respond(inbound, &Response::Reject(Reject::Unavailable));
            return;
        };
        merged.writes.extend(writes);
        self.audit_revoked(&merged.news, None, "its name was given to another key");
        let respond = Output::Respond { to: inbound, message: message::frame(response) };
        self.adopt(merged, vec![respond], None, now);
    }

    fn times(&self, now: Timestamp) -> Times {
        Times { now, signed: self.clock.signed().unwrap_or_default() }
    }

    fn wait_for_confirmations(&mut self, command: CommandId, node: NodeId, revoke: &Revoke, now: Timestamp) {
        let members: Vec<NodeId> = self
            .peers
            .iter()
            .filter(|(id, peer)| *id != node && peer.connected.is_some())
            .filter(|(id, _)| self.peers.member(*id, now).is_some())
            .map(|(id, _)| id)
            .collect();
        let present: BTreeSet<NodeId> = members.iter().copied().chain([node, self.node_id()]).collect();
        let absent = |certificate: &VerifiedCertificate| !present.contains(&certificate.node_id());
        let offline = self.membership.authority.as_ref().map_or_else(Vec::new, |authority| {
            let records = authority.enrolled(now).map(|record| &record.certificate);
            records.filter(|certificate| absent(certificate)).map(|c| c.name().to_string()).collect()
        });
        let newer = u64::from(!self.membership.member.as_ref().is_some_and(|member| member.denies(node)));
        let epoch = self.epoch() + newer;
        let behind = |id: &NodeId| self.spread.known.get(id).is_none_or(|known| *known < epoch);
        let (missing, confirmed): (BTreeSet<NodeId>, BTreeSet<NodeId>) =
            members.into_iter().partition(behind);
        self.spread.waiting.push(Waiting {
            command,
            peer: self.peers.label(node),
            epoch,
            durable: false,
            began: now,
            deadline: now.after(Duration::from_millis(revoke.wait_ms)),
            confirmed: u32::try_from(confirmed.len()).unwrap_or(u32::MAX),
            last: None,
            missing,
            offline,
        });
    }

    /// From now on obeys what was learnt, and has it kept; `then` follows once it is durable.
    fn adopt(&mut self, merged: Merged, then: Vec<Output>, command: Option<CommandId>, now: Timestamp) {
        let Some(member) = &self.membership.member else { return };
        let Merged { list, news, mut writes, .. } = merged;
        if writes.is_empty() && news.is_empty() {
            self.persist(writes, then);
            return;
        }
        let changed = list.epoch() != member.revocations.epoch() || !news.is_empty();
        let revocations = Arc::new(list);
        self.membership.member = Some(Arc::new(Member { revocations, ..(**member).clone() }));
        for node in &news {
            writes.extend(self.cut_off(*node));
        }
        if self.active_member().is_none() {
            self.stand_alone();
        }
        self.publish();
        self.persist_revocations(writes, then, command);
        for node in news {
            self.advance_errands_for(node, now);
        }
        if changed {
            self.spread_news(now);
        }
    }

    /// Whatever there was with the node ends.
    fn cut_off(&mut self, node: NodeId) -> Vec<Write> {
        self.peers.refuse(node);
        self.forget_spread(node);
        self.policies.forget(node);
        self.output(Output::Disconnect { peer: node });
        let held: Vec<_> = self.tickets.held.keys().filter(|place| place.provider == node).cloned().collect();
        for key in &held {
            self.tickets.held.remove(key);
        }
        held.iter().filter_map(load::erase_ticket).collect()
    }

    /// This node's own membership has been taken away: it talks to nobody.
    fn stand_alone(&mut self) {
        let connected: Vec<NodeId> =
            self.peers.iter().filter(|(_, peer)| peer.connected.is_some()).map(|(id, _)| id).collect();
        for peer in connected {
            self.peers.refuse(peer);
            self.output(Output::Disconnect { peer });
        }
        let spread = core::mem::take(&mut self.spread);
        self.spread = Spread { waiting: spread.waiting, rewrites: spread.rewrites, ..Spread::default() };
    }

    /// A member has said how far its list has come.
    pub(super) fn compare_lists(&mut self, peer: NodeId, epoch: u64, now: Timestamp) {
        let first = self.spread.known.insert(peer, epoch).is_none();
        let own = self.epoch();
        // An authority that was put back may have come as far with another list: its members compare the heads.
        let doubtful = first && epoch == own && own > 0 && self.membership.authority.is_some();
        if epoch < own || doubtful {
            self.push(peer, false, 0);
        }
        self.confirmed_by(peer, epoch, now);
    }

    /// Tells others what is new: the authority everyone, a member a few of those who have not said that they know.
    fn spread_news(&mut self, now: Timestamp) {
        let epoch = self.epoch();
        let mut behind: Vec<NodeId> = self
            .spread
            .known
            .iter()
            .filter(|(peer, known)| **known < epoch && self.peers.member(**peer, now).is_some())
            .map(|(peer, _)| *peer)
            .collect();
        if self.membership.authority.is_none() {
            while behind.len() > FAN_OUT {
                let one = (self.rng.next_u64() % behind.len() as u64) as usize;
                behind.swap_remove(one);
            }
        }
        for peer in behind {
            self.push(peer, false, 0);
        }
    }

    /// Sends the next page, unless one is on its way: the answer to that one brings the next.
    fn push(&mut self, peer: NodeId, whole: bool, tries: u32) {
        let Some(member) = self.active_member() else { return };
        if self.spread.pushing.contains_key(&peer) {
            return;
        }
        let known = self.spread.known.get(&peer).copied().unwrap_or_default();
        let update = member.revocations.since(known);
        let last = update.revocations.last().map(|entry| entry.revocation.epoch);
        let cursor = if update.head.is_some() { None } else { last };
        let epoch = member.revocations.epoch();
        let request = self.request(peer, &Request::Revocations(update), Sent::Revocations(peer));
        self.spread.pushing.insert(peer, Pushing { request, cursor, epoch, whole, tries });
    }

    /// A peer has answered a page, or has not.
    pub(super) fn pushed(
        &mut self,
        request: RequestId,
        peer: NodeId,
        response: Option<&Response>,
        now: Timestamp,
    ) {
        if self.spread.pushing.get(&peer).is_none_or(|pushing| pushing.request != request) {
            return;
        }
        let Some(pushing) = self.spread.pushing.remove(&peer) else { return };
        let Some(Response::Revocations(epoch)) = response else {
            if pushing.tries < TRIES && self.peers.member(peer, now).is_some() {
                self.push(peer, pushing.whole, pushing.tries + 1);
            }
            return;
        };
        let epoch = pushing.cursor.unwrap_or(*epoch);
        self.spread.known.insert(peer, epoch);
        self.confirmed_by(peer, epoch, now);
        if pushing.cursor.is_some() {
            self.push(peer, pushing.whole, 0);
        } else if epoch < self.epoch() && (!pushing.whole || pushing.epoch < self.epoch()) {
            // It lacks something from before what it said it had, or there is more by now.
            self.spread.known.insert(peer, 0);
            self.push(peer, true, 0);
        }
    }

    /// A member tells what it knows.
    pub(super) fn revocations_received(
        &mut self,
        from: NodeId,
        inbound: InboundId,
        update: &Update,
        now: Timestamp,
    ) {
        let Some(member) = self.membership.member.clone() else {
            self.respond(inbound, &Response::Reject(Reject::NotMember));
            return;
        };
        let Ok(mut merged) = member.revocations.merge(update, &member.anchor) else {
            self.respond(inbound, &Response::Reject(Reject::Invalid));
            return;
        };
        let complete = merged.complete;
        let seen = update.head.map_or(0, |head| head.head.epoch);
        let known = self.spread.known.entry(from).or_default();
        *known = seen.max(*known);
        if !merged.news.is_empty() {
            self.remember_as_authority(&mut merged, seen, now);
            self.audit_revoked(&merged.news, Some(from), "the authority has signed it");
        }
        // Whoever lacks something says that it has nothing, and is sent everything.
        let epoch = if complete { merged.list.epoch() } else { 0 };
        let respond = Output::Respond { to: inbound, message: message::frame(&Response::Revocations(epoch)) };
        self.adopt(merged, vec![respond], None, now);
        if !complete && self.membership.home == Some(from) {
            // The authority lacks something that it once signed.
            self.spread.known.insert(from, 0);
            self.push(from, true, 0);
        }
    }

    /// The authority has forgotten what it once signed: it goes by it again, and puts it on its present list.
    fn remember_as_authority(&mut self, merged: &mut Merged, seen: u64, now: Timestamp) {
        let Some(authority) = &mut self.membership.authority else { return };
        let mut writes = core::mem::take(&mut merged.writes);
        writes.extend(authority.recall(&merged.news, now));
        let (epoch, signed) = (merged.list.epoch().max(seen) + 1, self.clock.signed().unwrap_or_default());
        if let Ok(reissued) = authority.reissue(&merged.list, epoch, signed) {
            writes.extend(reissued.writes);
            merged.list = reissued.list;
        }
        merged.writes = writes;
    }

    /// Somebody says that this node's own membership was taken away, and shows the proof.
    pub(super) fn told_revoked(&mut self, entry: SignedRevocation, now: Timestamp) {
        let Some(member) = self.active_member().cloned() else { return };
        if entry.revocation.node != self.node_id() || self.membership.authority.is_some() {
            return;
        }
        let update = Update { revocations: vec![entry], head: None };
        if let Ok(merged) = member.revocations.merge(&update, &member.anchor) {
            self.audit_revoked(&merged.news, self.membership.home, "the authority has signed it");
            self.adopt(merged, Vec::new(), None, now);
        }
    }

    fn confirmed_by(&mut self, peer: NodeId, epoch: u64, now: Timestamp) {
        for waiting in &mut self.spread.waiting {
            if epoch >= waiting.epoch && waiting.missing.remove(&peer) {
                waiting.confirmed = waiting.confirmed.saturating_add(1);
                waiting.last = Some(now.since(waiting.began));
            }
        }
        self.tell_revokers(now);
    }

    /// A peer has gone: it is not waited for.
    pub(super) fn stop_spreading(&mut self, peer: NodeId, now: Timestamp) {
        self.forget_spread(peer);
        self.policies.forget(peer);
        let name = self.peers.label(peer);
        for waiting in &mut self.spread.waiting {
            if waiting.missing.remove(&peer) {
                waiting.offline.push(name.clone());
            }
        }
        self.tell_revokers(now);
    }

    fn forget_spread(&mut self, peer: NodeId) {
        self.spread.known.remove(&peer);
        self.spread.pushing.remove(&peer);
    }

    /// The revocation that a user ordered is on the disk.
    pub(super) fn revocation_durable(&mut self, command: CommandId, now: Timestamp) {
        for waiting in self.spread.waiting.iter_mut().filter(|waiting| waiting.command == command) {
            waiting.durable = true;
        }
        self.tell_revokers(now);
    }

    /// The store refused a revocation, which is obeyed all the same: it is written again in a while.
    pub(super) fn revocation_unwritten(&mut self, command: Option<CommandId>) {
        if let Some(command) = command {
            self.cancel_revocation(command);
            let failure = Failure::new(
                Code::Failed,
                "the revocation holds, but could not be written to the store yet",
                "see whether the disk is full or failing; it is written again by itself until it is there",
            );
            self.answer(command, Err(failure));
        }
    }

    /// A user who waited went away.
    pub(super) fn cancel_revocation(&mut self, command: CommandId) {
        self.spread.waiting.retain(|waiting| waiting.command != command);
    }

    fn tell_revokers(&mut self, now: Timestamp) {
        let (over, waiting) = core::mem::take(&mut self.spread.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|waiting| waiting.is_over(now));
        self.spread.waiting = waiting;
        for waiting in over {
            let missing: Vec<String> = waiting.missing.iter().map(|peer| self.peers.label(*peer)).collect();
            let count = u32::try_from(missing.len()).unwrap_or(u32::MAX);
            let report = Revoked {
                peer: waiting.peer,
                live: waiting.confirmed.saturating_add(count),
                confirmed: waiting.confirmed,
                last_ms: waiting.last.and_then(|last| u64::try_from(last.as_millis()).ok()),
                missing,
                offline: waiting.offline,
            };
            self.answer(waiting.command, Ok(Answer::Revoked(report)));
        }
    }

    pub(super) fn next_revocation(&self) -> Option<(Timestamp, &'static str)> {
        let deadlines = self.spread.waiting.iter().filter(|waiting| waiting.durable);
        let deadline = deadlines.map(|waiting| (waiting.deadline, "report a revocation")).min();
        let rewrite = self.spread.rewrites.due().map(|time| (time, "write a revocation again"));
        let next_end = self.membership.authority.as_ref().and_then(|_| {
            let member = self.membership.member.as_ref()?;
            let due =
                self.clock.when_signed(member.revocations.next_end()?.after(Duration::from_millis(1)))?;
            Some((due, "drop a revocation"))
        });
        [deadline, rewrite, next_end].into_iter().flatten().min()
    }

    /// Acts on the deadlines of revocation.
    pub(super) fn go_on_revoking(&mut self, now: Timestamp) {
        self.tell_revokers(now);
        self.write_again(now);
        let (Some(authority), Some(member)) = (&self.membership.authority, &self.membership.member) else {
            return;
        };
        let Some(signed) = self.clock.signed() else { return };
        if member.revocations.next_end().is_some_and(|end| signed > end)
            && let Ok(merged) = authority.reissue(&member.revocations, member.revocations.epoch() + 1, signed)
        {
            self.adopt(merged, Vec::new(), None, now);
        }
    }
}

/// The failure of one revocation more than a list holds.
pub(super) fn full() -> Failure {
    Failure::new(
        Code::Failed,
        format!("the list of revocations is full: it has {ENTRIES_MAX}"),
        "wait until the certificates of those who were revoked first have ended",
    )
}
