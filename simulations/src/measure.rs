//! What a run took.

use core::time::Duration;
use std::collections::BTreeMap;

use lanyard_protocol::control::{Answer, Code};
use serde::Serialize;

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
    /// Renewals of certificates.
    pub renewals: u64,
    /// Revocations, by their number on the list.
    pub revocations: BTreeMap<u64, Reach>,
    /// Starts of nodes.
    pub starts: u64,
    certified: BTreeMap<HostId, u64>,
}

/// How a revocation has spread.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// When the authority had it.
    pub began: Moment,
    /// After how long each other node had it.
    pub after: Vec<Duration>,
}

impl Measure {
    /// Something was observed.
    pub fn observe(&mut self, observed: &Observed) {
        let Observed { at, host, fact, .. } = observed;
        match fact {
            Fact::Started { .. } => self.starts += 1,
            Fact::Certified(_) => {
                let times = self.certified.entry(*host).or_default();
                *times += 1;
                self.renewals += u64::from(*times > 1);
            }
            Fact::Answered { result, took, .. } => {
                if let Ok(Answer::Joined(_)) = result.as_deref() {
                    self.enrolments.push((*at, *took));
                }
            }
            Fact::Opened { result, took, .. } => match result {
                Ok(_) => self.opened.push((*at, *took)),
                Err(failure) => *self.failed.entry(code(failure.code)).or_default() += 1,
            },
            Fact::Epoch(epoch) => self.spread(*at, *host, *epoch),
            Fact::Stopped
            | Fact::Confirmed(_)
            | Fact::Heard { .. }
            | Fact::Channel { .. }
            | Fact::ChannelEnded { .. }
            | Fact::Broken(_)
            | Fact::Breached(_) => {}
        }
    }

    fn spread(&mut self, at: Moment, host: HostId, epoch: u64) {
        if host == HostId(0) {
            self.revocations.entry(epoch).or_default().began = at;
        } else if let Some(reach) = self.revocations.get_mut(&epoch) {
            reach.after.push(at.since(reach.began));
        }
    }
}

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
    use super::*;

    #[test]
    fn a_spread_has_a_middle_and_ends() {
        let spread = Spread::of((1..=200).map(Duration::from_millis));
        assert_eq!((spread.count, spread.median, spread.p99, spread.max), (200, 101.0, 199.0, 200.0));
        assert_eq!(Spread::of(core::iter::empty()), Spread::default());
    }
}
