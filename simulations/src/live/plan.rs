//! What happens in a live run, and when: as much of a scenario as real nodes on one machine can be made to do.

use core::time::Duration;
use std::collections::BTreeSet;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::event::HostId;
use crate::link::{pick, up_to};
use crate::scenario::{Load, Roster, Scenario, ScenarioError, What};

/// The most nodes of a live run: each has a store, sockets and threads.
pub const NODES_MAX: u32 = 64;

/// Something that is made to happen.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Join(HostId),
    Open(HostId, HostId, String),
    Revoke(HostId),
    Renew(HostId),
    Start(HostId),
    Stop(HostId),
}

/// Everything that is made to happen, in order.
pub(super) struct Plan {
    pub(super) roster: Roster,
    pub(super) duration: Duration,
    pub(super) acts: Vec<(Duration, Act)>,
    pub(super) left_out: BTreeSet<&'static str>,
}

impl Plan {
    pub(super) fn of(scenario: &Scenario, nodes: u32, seed: u64) -> Result<Self, ScenarioError> {
        let roster = scenario.roster(nodes)?;
        let mut plan =
            Self { roster, duration: scenario.duration.0, acts: Vec::new(), left_out: BTreeSet::new() };
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        plan.joins(scenario);
        for load in &scenario.load {
            plan.load(load, &mut rng);
        }
        for step in &scenario.at {
            plan.step(step.time.0, &step.what, &mut rng);
        }
        if !scenario.churn.is_empty() {
            plan.left_out.insert("churn");
        }
        if !scenario.adversary.is_empty() {
            plan.left_out.insert("adversaries");
        }
        let duration = plan.duration;
        plan.acts.retain(|(at, _)| *at < duration);
        // What happens at the same time does in the order in which it was thought of.
        plan.acts.sort_by_key(|(at, _)| *at);
        Ok(plan)
    }

    fn joins(&mut self, scenario: &Scenario) {
        for group in self.roster.groups().to_vec() {
            let spec = group.place.and_then(|place| scenario.hosts.get(place));
            let (from, within) = spec.map_or((Duration::ZERO, Duration::from_secs(9)), |spec| {
                (spec.join_from.0, spec.join_within.0)
            });
            if spec.is_some_and(|spec| spec.clock.millis != 0 || spec.drift != 0) {
                self.left_out.insert("clocks");
            }
            if spec.is_some_and(|spec| spec.link.is_some()) {
                self.left_out.insert("links");
            }
            let gap = within / u32::try_from(group.hosts.len()).unwrap_or(u32::MAX).max(1);
            for (number, host) in (0_u32..).zip(group.hosts) {
                self.acts.push((from + gap * number, Act::Join(HostId(host))));
            }
        }
    }

    fn load(&mut self, load: &Load, rng: &mut ChaCha20Rng) {
        let (from, to) = (self.select(&load.who, rng), self.select(&load.to, rng));
        let gap = load.every.0 / u32::try_from(from.len().max(1)).unwrap_or(u32::MAX);
        let until = load.until.map_or(self.duration, |until| until.0);
        let mut at = load.from.0 + up_to(gap * 2, rng);
        while at < until {
            let (host, peer) = (from[pick(from.len(), rng)], to[pick(to.len(), rng)]);
            if host != peer {
                self.acts.push((at, Act::Open(host, peer, load.service.clone())));
            }
            at += up_to(gap * 2, rng).max(Duration::from_millis(1));
        }
    }

    fn step(&mut self, at: Duration, what: &What, rng: &mut ChaCha20Rng) {
        match what {
            What::Revoke { who } => self.each(at, who, rng, Act::Revoke),
            What::Renew { who } => self.each(at, who, rng, Act::Renew),
            What::Start { who } => self.each(at, who, rng, Act::Start),
            What::End { who, back, .. } => {
                for host in self.select(who, rng) {
                    self.acts.push((at, Act::Stop(host)));
                    self.acts.extend(back.map(|back| (at + back.0, Act::Start(host))));
                }
            }
            What::Reach { who, others, within } => {
                let hosts = self.select(who, rng);
                for host in hosts.iter().copied() {
                    for _ in 0..*others {
                        let peer = hosts[pick(hosts.len(), rng)];
                        let when = at + up_to(within.0, rng);
                        if peer != host {
                            self.acts.push((when, Act::Open(host, peer, "chat".to_owned())));
                        }
                    }
                }
            }
            What::Cut { .. } | What::Heal => {
                self.left_out.insert("cuts");
            }
            What::Clock { .. } => {
                self.left_out.insert("clocks");
            }
            What::Link { .. } => {
                self.left_out.insert("links");
            }
            What::Policy(_) | What::User { .. } | What::Role { .. } => {
                self.left_out.insert("changes of the policy");
            }
            What::Full { .. } => {
                self.left_out.insert("full disks");
            }
        }
    }

    fn each(
        &mut self,
        at: Duration,
        who: &crate::scenario::Who,
        rng: &mut ChaCha20Rng,
        act: impl Fn(HostId) -> Act,
    ) {
        for host in self.select(who, rng) {
            self.acts.push((at, act(host)));
        }
    }

    fn select(&self, who: &crate::scenario::Who, rng: &mut ChaCha20Rng) -> Vec<HostId> {
        self.roster.select(who, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_real_nodes_cannot_be_made_to_do_is_named() {
        let scenario = Scenario::parse(
            r#"
            name = "live"
            nodes = 4
            duration = "10s"
            [[hosts]]
            name = "till"
            clock = "-2m"
            [[at]]
            time = "2s"
            do = "cut"
            who = "till"
            [[at]]
            time = "3s"
            do = "end"
            who = "till-1"
            back = "1s"
            [[at]]
            time = "20s"
            do = "revoke"
            who = "till-2"
            "#,
        )
        .unwrap();
        let plan = Plan::of(&scenario, 4, 1).unwrap();
        assert_eq!(plan.left_out.iter().copied().collect::<Vec<_>>(), ["clocks", "cuts"]);
        let acts: Vec<&Act> = plan.acts.iter().map(|(_, act)| act).collect();
        assert!(
            matches!(acts[..], [Act::Join(_), Act::Stop(_), Act::Join(_), Act::Start(_), Act::Join(_)]),
            "{acts:?}"
        );
    }
}
