//! The figures of a run, as programs read them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Report;
use crate::event::HostId;
use crate::measure::{Change, Reach, Spread};
use crate::port::Meter;
use crate::reference::{Invariant, Violation};
use crate::run::Outcome;
use crate::scenario::Roster;

/// What scripts may rely on.
#[derive(Clone, Debug, Serialize)]
pub struct Brief {
    /// The hash of everything that has happened, as 64 hexadecimal digits.
    pub trace_hash: String,
    /// The seed.
    pub seed: u64,
    /// How many hosts there were.
    pub nodes: u32,
    /// How many things have happened.
    pub events: u64,
    /// What is not as it ought to be.
    pub violations: Vec<Found>,
    /// How many seconds the run took.
    pub wall_s: f64,
}

/// A violation, with names.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Which invariant does not hold.
    pub invariant: Invariant,
    /// When that was found, in seconds of virtual time.
    pub at: f64,
    /// What is wrong.
    pub what: String,
    /// At which hosts.
    pub hosts: Vec<String>,
}

/// All figures.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The program and its version: another one may not give the same run.
    pub program: String,
    /// The scenario's name.
    pub scenario: String,
    /// What scripts may rely on, and what is needed to run it again.
    #[serde(flatten)]
    pub brief: Brief,
    /// How long the run was, in seconds of virtual time.
    pub virtual_s: f64,
    /// How long users waited for their node's certificate, in milliseconds.
    pub enrolments: Spread,
    /// Channels.
    pub channels: Channels,
    /// How often nodes were started.
    pub starts: u64,
    /// How often certificates were renewed.
    pub renewals: u64,
    /// Revocations, in the order in which they were made.
    pub revocations: Vec<Revocation>,
    /// Changes of the policy, in the order of their versions.
    pub policies: Vec<PolicyChange>,
    /// What was sent.
    pub sent: Sent,
}

/// Channels.
#[derive(Clone, Debug, Serialize)]
pub struct Channels {
    /// How long users waited for those that were opened, in milliseconds.
    pub opened: Spread,
    /// How many were not, by why.
    pub failed: BTreeMap<&'static str, u64>,
}

/// How a revocation has spread.
#[derive(Clone, Debug, Serialize)]
pub struct Revocation {
    /// Whose membership was taken away.
    pub whose: Option<String>,
    /// When that was ordered, in seconds of virtual time.
    pub at: f64,
    /// How many other members ran then.
    pub members: usize,
    /// After how many milliseconds those of them that know of it did.
    pub reached: Spread,
}

/// How a change of the policy has spread.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyChange {
    /// The version that it made.
    pub version: u64,
    /// When it was ordered, in seconds of virtual time.
    pub at: f64,
    /// How many other members ran then.
    pub members: usize,
    /// After how many milliseconds those of them that go by it did.
    pub reached: Spread,
    /// The most parts that one of them was told.
    pub parts: usize,
    /// Messages that each of them was sent for it, and its answers.
    pub messages: Total,
    /// Their bytes, with headers.
    pub bytes: Total,
}

/// What was sent.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    /// Messages.
    pub messages: Total,
    /// Bytes, with headers.
    pub bytes: Total,
    /// Messages that never arrived.
    pub lost: u64,
}

/// How a total is made up.
#[derive(Clone, Debug, Serialize)]
pub struct Total {
    /// Of all hosts.
    pub total: u64,
    /// Half of the hosts have less.
    pub median: u64,
    /// Of the host with the most.
    pub most: u64,
    /// Which one that is.
    pub whose: String,
}

impl Brief {
    pub(super) fn of(report: &Report<'_>) -> Self {
        let outcome = report.outcome;
        let found = |violation: &Violation| Found {
            invariant: violation.invariant,
            at: violation.at.elapsed().as_secs_f64(),
            what: violation.what.clone(),
            hosts: violation.hosts.iter().map(|host| outcome.roster.name(*host)).collect(),
        };
        Self {
            trace_hash: outcome.trace_hash.clone(),
            seed: report.seed,
            nodes: outcome.roster.nodes(),
            events: outcome.events,
            violations: outcome.violations.iter().map(found).collect(),
            wall_s: report.wall.as_secs_f64(),
        }
    }
}

impl Summary {
    pub(super) fn of(report: &Report<'_>) -> Self {
        let (outcome, measure) = (report.outcome, &report.outcome.measure);
        Self {
            program: format!("lanyard-sim {}", env!("CARGO_PKG_VERSION")),
            scenario: report.scenario.name.clone(),
            brief: report.brief(),
            virtual_s: outcome.ended.elapsed().as_secs_f64(),
            enrolments: Spread::of(measure.enrolments.iter().map(|(_, took)| *took)),
            channels: Channels {
                opened: Spread::of(measure.opened.iter().map(|(_, took)| *took)),
                failed: measure.failed.clone(),
            },
            starts: measure.starts,
            renewals: measure.renewals,
            revocations: measure
                .revocations
                .values()
                .map(|reach| revocation(reach, &outcome.roster))
                .collect(),
            policies: measure
                .policies
                .iter()
                .map(|(version, change)| policy(*version, change, &outcome.roster))
                .collect(),
            sent: sent(outcome),
        }
    }
}

fn revocation(reach: &Reach, roster: &Roster) -> Revocation {
    Revocation {
        whose: reach.whose.map(|host| roster.name(host)),
        at: reach.began.elapsed().as_secs_f64(),
        members: reach.members(),
        reached: Spread::of(reach.after.iter().copied()),
    }
}

fn policy(version: u64, change: &Change, roster: &Roster) -> PolicyChange {
    let Change { reach, costs } = change;
    PolicyChange {
        version,
        at: reach.began.elapsed().as_secs_f64(),
        members: reach.members(),
        reached: Spread::of(reach.after.iter().copied()),
        parts: costs.values().map(|cost| cost.parts.len()).max().unwrap_or_default(),
        messages: Total::of(costs.iter().map(|(host, cost)| (*host, cost.messages)), roster),
        bytes: Total::of(costs.iter().map(|(host, cost)| (*host, cost.bytes)), roster),
    }
}

impl Total {
    fn of(values: impl Iterator<Item = (HostId, u64)>, roster: &Roster) -> Self {
        let values: Vec<(HostId, u64)> = values.collect();
        let most = values.iter().max_by_key(|(_, value)| *value);
        let (whose, most) = most.copied().unwrap_or((HostId(0), 0));
        let mut sorted: Vec<u64> = values.iter().map(|(_, value)| *value).collect();
        sorted.sort_unstable();
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        Self { total: sorted.iter().sum(), median, most, whose: roster.name(whose) }
    }
}

fn sent(outcome: &Outcome) -> Sent {
    let total = |of: fn(&Meter) -> u64| {
        Total::of((0..).map(HostId).zip(outcome.meters.iter().map(of)), &outcome.roster)
    };
    Sent {
        messages: total(|meter| meter.messages),
        bytes: total(|meter| meter.bytes),
        lost: outcome.meters.iter().map(|meter| meter.lost).sum(),
    }
}
