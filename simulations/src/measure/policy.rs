//! What a change of the policy took: how it has spread, and what was sent for it.

use std::collections::{BTreeMap, BTreeSet};

use lanyard_protocol::control::{Answer, Failure};

use super::{AUTHORITY, Measure, Reach};
use crate::event::HostId;
use crate::moment::Moment;

/// How a version of the policy has spread.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Among the members that ran when the authority began to go by it.
    pub reach: Reach,
    /// What it took to tell each of them.
    pub costs: BTreeMap<HostId, Cost>,
}

/// What it took to tell somebody.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    /// Messages: parts that it was told, by whomever, and its answers.
    pub messages: u64,
    /// Their bytes, with headers.
    pub bytes: u64,
    /// The parts that it was told.
    pub parts: BTreeSet<u8>,
}

impl Cost {
    fn add(&mut self, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
    }
}

/// Orders to change the policy, and who goes by which version.
#[derive(Default)]
pub(super) struct Orders {
    /// When each that is not answered was given.
    waiting: BTreeMap<u64, Moment>,
    /// When each version was ordered.
    ordered: BTreeMap<u64, Moment>,
    versions: BTreeMap<HostId, u64>,
}

impl Measure {
    /// The authority has been told, by an order of this number, to change what it tells everybody with the policy.
    pub fn ordered_policy(&mut self, order: u64, at: Moment) {
        self.policy_orders.waiting.insert(order, at);
    }

    /// An order, of whatever kind, was answered.
    pub(super) fn policy_answered(&mut self, order: u64, result: Result<&Answer, &Failure>) {
        let Some(told) = self.policy_orders.waiting.remove(&order) else { return };
        let version = match result {
            Ok(Answer::Policy(shown)) => shown.epoch,
            Ok(Answer::UserChanged(changed)) => changed.epoch,
            Ok(_) | Err(_) => return,
        };
        self.policy_orders.ordered.insert(version, told);
        if let Some(change) = self.policies.get_mut(&version) {
            change.reach.began = told;
        }
    }

    /// A host goes by this version: it may be several steps at once.
    pub(super) fn goes_by_policy(&mut self, at: Moment, host: HostId, version: u64) {
        let before = self.policy_orders.versions.insert(host, version).unwrap_or_default();
        if host == AUTHORITY {
            self.policy_began(at, version);
            return;
        }
        for version in before.saturating_add(1)..=version {
            if let Some(Change { reach, .. }) = self.policies.get_mut(&version)
                && reach.waiting.remove(&host)
            {
                reach.after.push(at.since(reach.began));
            }
        }
    }

    /// The authority goes by a version that somebody has ordered.
    fn policy_began(&mut self, at: Moment, version: u64) {
        let Orders { waiting, ordered, .. } = &self.policy_orders;
        let first = waiting.first_key_value().map(|(_, told)| *told);
        let Some(began) = ordered.get(&version).copied().or(first) else { return };
        if self.policies.contains_key(&version) {
            return;
        }
        let members: BTreeSet<HostId> = self.running_members().collect();
        let costs = members.iter().map(|host| (*host, Cost::default())).collect();
        let reach = Reach { began: began.min(at), whose: None, after: Vec::new(), waiting: members };
        self.policies.insert(version, Change { reach, costs });
    }

    /// Somebody was told a part. What those are told who come later is no cost of the change.
    pub(super) fn policy_told(&mut self, to: HostId, version: u64, part: u8, bytes: u64) {
        if let Some(cost) = self.policies.get_mut(&version).and_then(|change| change.costs.get_mut(&to)) {
            cost.add(bytes);
            cost.parts.insert(part);
        }
    }

    /// Somebody has answered, of whichever version: it is counted to the last one.
    pub(super) fn policy_taken(&mut self, by: HostId, bytes: u64) {
        let last = self.policies.last_entry().map(std::collections::btree_map::OccupiedEntry::into_mut);
        if let Some(cost) = last.and_then(|change| change.costs.get_mut(&by)) {
            cost.add(bytes);
        }
    }
}
