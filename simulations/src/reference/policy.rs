//! The policy: who ought to go by which version, and that nobody goes back.

use std::collections::BTreeMap;

use lanyard_protocol::control::{Answer, Failure};

use super::{Check, GRACE, Invariant, RECOVERY, Reference};
use crate::event::HostId;
use crate::moment::Moment;

/// The policy that a host goes by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeptPolicy {
    /// Which version.
    pub(super) version: u64,
    /// Since when.
    since: Moment,
    /// Whether its disk had room for it.
    room: bool,
    /// The latest version that it went by for long enough to have it on its disk.
    kept: u64,
}

impl KeptPolicy {
    /// The disk has no room from now on.
    pub(super) fn disk_fails(&mut self, at: Moment) {
        self.room &= self.since.after(GRACE) <= at;
    }

    /// The node ends.
    pub(super) fn stopped(&mut self, at: Moment) {
        if self.room && self.since.after(GRACE) <= at {
            self.kept = self.kept.max(self.version);
        }
    }
}

/// What the authority has signed.
#[derive(Default)]
pub(super) struct Policies {
    /// When each version was ordered.
    ordered: BTreeMap<u64, Moment>,
    /// The hash of the text of each.
    texts: BTreeMap<u64, [u8; 32]>,
}

impl Reference {
    /// The authority has answered an order to change the policy.
    pub(super) fn policy_answered(&mut self, told: Moment, result: Result<&Answer, &Failure>, at: Moment) {
        let version = match result {
            Ok(Answer::Policy(shown)) => shown.epoch,
            Ok(Answer::UserChanged(changed)) => changed.epoch,
            Ok(_) => return,
            Err(failure) => {
                let authority = self.state(self.authority);
                if authority.disk_works && authority.calm.after(RECOVERY) <= told {
                    let what = format!("a change of the policy is refused: {}", failure.message);
                    self.violate(Invariant::Policy, at, what, &[self.authority]);
                }
                return;
            }
        };
        // Version 0 is that nobody has to know.
        if version == 0 || self.policies.ordered.contains_key(&version) {
            return;
        }
        self.policies.ordered.insert(version, told);
        let due = told.after(self.demand.policy.0).max(at);
        for host in self.all_hosts().filter(|host| self.is_member(*host)).collect::<Vec<_>>() {
            self.checks.insert((due, Check::Policy(host, version)));
        }
    }

    /// A host goes by this policy from now on.
    pub(super) fn goes_by_policy(&mut self, host: HostId, version: u64, text: [u8; 32], at: Moment) {
        let state = self.state_mut(host);
        let room = state.disk_works;
        let before = core::mem::replace(&mut state.policy.version, version);
        (state.policy.since, state.policy.room) = (at, room);
        if version < before {
            let what = format!("it went by version {before} of the policy, and goes by {version} now");
            self.violate(Invariant::Policy, at, what, &[host]);
        }
        if *self.policies.texts.entry(version).or_insert(text) != text {
            let what = format!("what it takes for version {version} of the policy is not what others do");
            self.violate(Invariant::Policy, at, what, &[host, self.authority]);
        }
    }

    /// A host runs again, with this version of the policy on its disk.
    pub(super) fn has_policy_on_disk(&mut self, host: HostId, version: u64, at: Moment) {
        let kept = self.state(host).policy.kept;
        self.state_mut(host).policy.version = version;
        if version < kept {
            let what = format!(
                "it went by version {kept} of the policy for long, and after a restart it has {version}"
            );
            self.violate(Invariant::Policy, at, what, &[host]);
        }
    }

    /// Does the host go by the version, or a later one?
    pub(super) fn look_at_policy(&mut self, host: HostId, version: u64, at: Moment) {
        let present = self.state(host).policy.version;
        if present >= version || !self.is_member(host) {
            return;
        }
        let Some(told) = self.policies.ordered.get(&version).copied() else { return };
        match self.knows_by(host, told, self.demand.policy.0) {
            Some(by) if by > at => {
                self.checks.insert((by, Check::Policy(host, version)));
            }
            Some(_) => {
                let what = format!("it goes by version {present} of the policy, and ought to by {version}");
                self.violate(Invariant::Policy, at, what, &[host, self.authority]);
            }
            // It is out of touch: it is looked at again, in case it comes back.
            None => {
                self.checks.insert((at.after(RECOVERY), Check::Policy(host, version)));
            }
        }
    }

    /// Everybody who is in touch goes by the last version that the authority has signed, newcomers too.
    pub(super) fn look_at_policies(&mut self, at: Moment) {
        let Some((&last, &told)) = self.policies.ordered.last_key_value() else { return };
        for host in self.all_hosts().collect::<Vec<_>>() {
            if self.knows_by(host, told, self.demand.policy.0).is_some_and(|by| by <= at) {
                self.look_at_policy(host, last, at);
            }
        }
    }
}
