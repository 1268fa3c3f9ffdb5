//! What a run took.

mod policy;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use lanyard_protocol::control::{Answer, Code};
use serde::Serialize;

use self::policy::Orders;
pub use self::policy::{Change, Cost};
use crate::event::HostId;
use crate::fact::{Fact, Observed};
use crate::moment::Moment;

/// What is measured while a run goes on.
#[derive(Default)]
pub struct Measure {
    /// When each node had its certificate, and how long its user had waited.
    pub enrolments: Vec<(Moment, Duration)>,
    /// Channels that were opened: when, and how long that took.
    pub opened: Vec<(Moment, Duration)>,
    /// Channels that were not, by why.
    pub failed: BTreeMap<&'static str, u64>,
    /// When each of those was given up.
    pub failures: Vec<Moment>,
    /// Renewals of certificates.
    pub renewals: u64,
    /// Revocations, by their number on the list.
    pub revocations: BTreeMap<u64, Reach>,
    /// Changes of the policy that were ordered, by their version.
    pub policies: BTreeMap<u64, Change>,
    /// Starts of nodes.
    pub starts: u64,
    certified: BTreeMap<HostId, u64>,
    /// Who runs, and how far each one's list of revocations has come.
    epochs: BTreeMap<HostId, u64>,
    /// Orders to revoke that the authority has not carried out yet, by their number.
    ordered: BTreeMap<u64, (Moment, HostId)>,
    revoked: BTreeSet<HostId>,
    policy_orders: Orders,
}

/// How a revocation, or a change of the policy, has spread.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// When it was ordered.
    pub began: Moment,
    /// Whose membership it ends, if it is a revocation.
    pub whose: Option<HostId>,
    /// After how long each member that ran when it was ordered had it.
    pub after: Vec<Duration>,
    /// Such members that do not have it.
    pub waiting: BTreeSet<HostId>,
}

impl Reach {
    /// How many members there were to hear of it.
    #[must_use]
    pub fn members(&self) -> usize {
        self.after.len() + self.waiting.len()
    }
}

impl Measure {
    /// Something was observed.
    pub fn observe(&mut self, observed: &Observed) {
        let Observed { at, host, fact, .. } = observed;
        match fact {
            Fact::Started { epoch, policy, .. } => {
                self.starts += 1;
                self.spread(*at, *host, *epoch);
                self.goes_by_policy(*at, *host, *policy);
            }
            Fact::Stopped => {
                self.epochs.remove(host);
                if *host == AUTHORITY {
                    self.ordered.clear();
                }
            }
            Fact::Certified(_) => {
                let times = self.certified.entry(*host).or_default();
                *times += 1;
                self.renewals += u64::from(*times > 1);
            }
            Fact::Answered { order, result, took } => {
                self.ordered.remove(order);
                self.policy_answered(*order, result.as_deref());
                if let Ok(Answer::Joined(_)) = result.as_deref() {
                    self.enrolments.push((*at, *took));
                }
            }
            Fact::Opened { result, took, .. } => match result {
                Ok(_) => self.opened.push((*at, *took)),
                Err(failure) => {
                    *self.failed.entry(code(failure.code)).or_default() += 1;
                    self.failures.push(*at);
                }
            },
            Fact::Epoch(epoch) => self.spread(*at, *host, *epoch),
            Fact::Policy { version, .. } => self.goes_by_policy(*at, *host, *version),
            Fact::PolicyTold { to, version, part, bytes } => self.policy_told(*to, *version, *part, *bytes),
            Fact::PolicyTaken { bytes } => self.policy_taken(*host, *bytes),
            Fact::Confirmed(_)
            | Fact::Heard { .. }
            | Fact::Channel { .. }
            | Fact::ChannelEnded { .. }
            | Fact::Broken(_)
            | Fact::Breached(_) => {}
        }
    }

    /// The authority has been told, by an order of this number, to take the membership of `whose` away.
    pub fn ordered_revocation(&mut self, order: u64, whose: HostId, at: Moment) {
        self.ordered.insert(order, (at, whose));
    }

    /// A host's list of revocations has come so far: it may be several steps at once.
    fn spread(&mut self, at: Moment, host: HostId, epoch: u64) {
        let before = self.epochs.insert(host, epoch).unwrap_or_default();
        for epoch in before + 1..=epoch {
            if host == AUTHORITY {
                self.revoked(at, epoch);
            } else if let Some(reach) = self.revocations.get_mut(&epoch)
                && reach.waiting.remove(&host)
            {
                reach.after.push(at.since(reach.began));
            }
        }
    }

    /// The members that run now, without the authority.
    fn running_members(&self) -> impl Iterator<Item = HostId> {
        let running = self.epochs.keys().copied().filter(|host| *host != AUTHORITY);
        running.filter(|host| self.certified.contains_key(host) && !self.revoked.contains(host))
    }

    /// The authority's list has come so far: the next of the orders that it was given is carried out.
    fn revoked(&mut self, at: Moment, epoch: u64) {
        if self.revocations.contains_key(&epoch) {
            return;
        }
        let order = self.ordered.pop_first().map(|(_, order)| order);
        let whose = order.map(|(_, whose)| whose);
        if let Some(whose) = whose {
            self.revoked.insert(whose);
            // Nobody need tell it any more.
            let changes = self.policies.values_mut().map(|change| &mut change.reach);
            self.revocations.values_mut().chain(changes).for_each(|reach| {
                reach.waiting.remove(&whose);
            });
        }
        let members = self.running_members().collect();
        let reach =
            Reach { began: order.map_or(at, |(told, _)| told), whose, after: Vec::new(), waiting: members };
        self.revocations.insert(epoch, reach);
    }
}

/// The host at which memberships end.
const AUTHORITY: HostId = HostId(0);

fn code(code: Code) -> &'static str {
    match code {
        Code::Failed => "failed",
        Code::Usage => "usage",
        Code::NotRunning => "not running",
        Code::Denied => "denied",
        Code::Unreachable => "unreachable",
        Code::NotFound => "not found",
        Code::Data => "data",
        Code::Interrupted => "interrupted",
    }
}

/// How some durations are spread, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Half of them are shorter.
    pub median: f64,
    /// 99 of 100 are shorter.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Spread {
    /// How these are spread; all zero if there are none.
    #[must_use]
    pub fn of(durations: impl Iterator<Item = Duration>) -> Self {
        let mut sorted: Vec<Duration> = durations.collect();
        sorted.sort_unstable();
        let millis = |place: usize| sorted.get(place).map_or(0.0, |duration| duration.as_secs_f64() * 1000.0);
        let count = sorted.len();
        Self {
            count,
            median: millis(count / 2),
            p99: millis((count * 99 / 100).min(count.saturating_sub(1))),
            max: millis(count.saturating_sub(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use lanyard_protocol::identity::NodeKeys;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::fact::Certified;
    use crate::moment::EPOCH;

    #[test]
    fn a_spread_has_a_middle_and_ends() {
        let spread = Spread::of((1..=200).map(Duration::from_millis));
        assert_eq!((spread.count, spread.median, spread.p99, spread.max), (200, 101.0, 199.0, 200.0));
        assert_eq!(Spread::of(core::iter::empty()), Spread::default());
    }
    fn observed(at: u64, host: u32, fact: Fact) -> Observed {
        let at = Moment::at(Duration::from_millis(at));
        Observed { at, host: HostId(host), now: at.wall(), fact }
    }

    fn started(at: u64, host: u32) -> [Observed; 2] {
        let node = NodeKeys::generate(&mut ChaCha20Rng::seed_from_u64(host.into())).node_id();
        let certified = Certified {
            node,
            name: "till".parse().unwrap(),
            network: [0; 32],
            issued: EPOCH,
            not_after: EPOCH,
            authority: host == 0,
        };
        let start = Fact::Started { node, member: false, epoch: 0, policy: 0 };
        [observed(at, host, start), observed(at, host, Fact::Certified(certified))]
    }

    /// R-C9: the reach of a revocation is counted among those who ran when it was ordered and are members still.
    #[test]
    fn a_revocation_is_to_reach_the_other_members_that_run() {
        let mut measure = Measure::default();
        for observed in (0..5).flat_map(|host| started(0, host)) {
            measure.observe(&observed);
        }
        measure.observe(&observed(1, 4, Fact::Stopped));
        measure.ordered_revocation(1, HostId(1), Moment::at(Duration::from_millis(10)));
        measure.ordered_revocation(2, HostId(4), Moment::at(Duration::from_millis(11)));
        for (at, host, epoch) in [(12, 0, 2), (20, 2, 1), (30, 2, 2), (40, 4, 2)] {
            measure.observe(&observed(at, host, Fact::Epoch(epoch)));
        }
        let first = &measure.revocations[&1];
        assert_eq!((first.whose, first.members()), (Some(HostId(1)), 2), "hosts 2 and 3");
        assert_eq!(first.after, [Duration::from_millis(10)]);
        assert_eq!(measure.revocations[&2].after, [Duration::from_millis(19)]);
        assert_eq!(measure.revocations[&2].waiting, BTreeSet::from([HostId(3)]));
        measure.ordered_revocation(3, HostId(3), Moment::at(Duration::from_millis(50)));
        measure.observe(&observed(51, 0, Fact::Epoch(3)));
        assert!(measure.revocations[&2].waiting.is_empty(), "it is no member any more");
    }

    /// R-T14: what it takes to tell a change is counted for those who ran when it was ordered, whoever tells them.
    #[test]
    fn a_change_of_the_policy_costs_what_is_sent_for_it() {
        let mut measure = Measure::default();
        for observed in (0..4).flat_map(|host| started(0, host)) {
            measure.observe(&observed);
        }
        let goes_by = |at, host, version| observed(at, host, Fact::Policy { version, text: [0; 32] });
        let told = |from, to, version, part| {
            observed(30, from, Fact::PolicyTold { to: HostId(to), version, part, bytes: 100 })
        };
        measure.observe(&goes_by(1, 0, 1));
        assert!(measure.policies.is_empty(), "nobody has ordered it");
        measure.ordered_policy(7, Moment::at(Duration::from_millis(10)));
        measure.observe(&goes_by(12, 0, 2));
        let shown = lanyard_protocol::control::PolicyShown { epoch: 2, text: String::new() };
        let result = Ok(Box::new(Answer::Policy(shown)));
        measure.observe(&observed(13, 0, Fact::Answered { order: 7, result, took: Duration::ZERO }));
        for host in [4, 5].into_iter().flat_map(|host| started(20, host)) {
            measure.observe(&host);
        }
        for told in [told(0, 1, 2, 5), told(2, 1, 2, 5), told(0, 1, 2, 3), told(0, 4, 2, 3), told(0, 2, 1, 0)]
        {
            measure.observe(&told);
        }
        measure.observe(&observed(31, 1, Fact::PolicyTaken { bytes: 60 }));
        measure.observe(&goes_by(40, 1, 2));
        let change = &measure.policies[&2];
        assert_eq!((change.reach.members(), &change.reach.after[..]), (3, &[Duration::from_millis(30)][..]));
        let cost = &change.costs[&HostId(1)];
        assert_eq!((cost.messages, cost.bytes, cost.parts.len()), (4, 360, 2));
        assert_eq!(
            change.costs.values().map(|cost| cost.messages).sum::<u64>(),
            4,
            "newcomers are no cost of it"
        );
    }
}
