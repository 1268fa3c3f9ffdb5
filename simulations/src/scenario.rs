//! What is to happen, as a file that a person writes.
//!
//! ```toml
//! name     = "lunch"
//! about    = "The tills lose the network for five minutes; one of them is taken away meanwhile."
//! nodes    = 20
//! duration = "30m"
//!
//! [[hosts]]                # the first host is the authority; groups follow in this order
//! name  = "till"           # till-1, till-2, …: as many as `nodes` leaves
//! clock = "-2m"
//!
//! [[load]]
//! who   = "till"
//! to    = "till"
//! every = "1m"             # each of them, on average
//!
//! [[at]]
//! time = "10m"
//! do   = "cut"
//! who  = "till"
//! for  = "5m"
//!
//! [[at]]
//! time = "12m"
//! do   = "revoke"
//! who  = "till-3"
//! ```

mod built_in;
mod hosts;
mod network;
mod policy;
mod select;
mod step;

use core::time::Duration;

use lanyard_protocol::access::PolicyError;
use lanyard_protocol::identity::NameError;
use serde::Deserialize;

pub use self::built_in::{BUILT_IN, built_in};
pub use self::hosts::{AdversarySpec, Churn, HostGroup, Load};
pub use self::network::{Discovery, LinkSpec, Network};
pub use self::policy::PolicyChange;
pub use self::select::{Group, Roster, SelectError, Who};
pub use self::step::{Ending, Step, What};
use crate::adversary::KINDS;
use crate::units::Span;

/// The most hosts of a run: an address of 10.0.0.0/8 for each, and memory for none that many.
pub const NODES_MAX: u32 = 100_000;

/// A scenario that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Not a scenario at all.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A number out of range.
    #[error("{what} is {value}, which is not {range}")]
    Range {
        /// Which.
        what: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// Names a group or a host that there is none of.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// A policy that cannot be read.
    #[error("a step's policy cannot be read: {0}")]
    Policy(#[from] PolicyError),
    /// A name that the network cannot have.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// A scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it is about, in a sentence or two.
    #[serde(default)]
    pub about: String,
    /// How many hosts there are, with the authority, unless the command line says otherwise.
    #[serde(default = "twenty")]
    pub nodes: u32,
    /// How long it lasts, in virtual time.
    pub duration: Span,
    /// The network.
    #[serde(default)]
    pub network: Network,
    /// How hosts are attached whose group says nothing else.
    #[serde(default)]
    pub link: LinkSpec,
    /// The groups of hosts; one of members, `node`, if there is none.
    #[serde(default)]
    pub hosts: Vec<HostGroup>,
    /// What members ask of each other.
    #[serde(default)]
    pub load: Vec<Load>,
    /// Who comes and goes.
    #[serde(default)]
    pub churn: Vec<Churn>,
    /// What happens when.
    #[serde(default)]
    pub at: Vec<Step>,
    /// Who attacks.
    #[serde(default)]
    pub adversary: Vec<AdversarySpec>,
    /// What is demanded besides what always holds.
    #[serde(default)]
    pub demand: Demand,
}

/// What is demanded besides what always holds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Demand {
    /// How long after a revocation a node that is in touch may hear the revoked one.
    pub revocation: Span,
    /// How long after a change of the policy a member that is in touch may go by an older one.
    pub policy: Span,
    /// Whether who ought to reach whom must: not where the network loses more than its transport can mend in time.
    pub reach: bool,
    /// Whether everybody who was to join has, at the end.
    pub joined: bool,
}

impl Default for Demand {
    fn default() -> Self {
        let (revocation, policy) = (Span(Duration::from_secs(5)), Span(Duration::from_secs(5)));
        Self { revocation, policy, reach: true, joined: true }
    }
}

impl Scenario {
    /// The scenario in a file.
    ///
    /// # Errors
    /// [`ScenarioError`], with the line.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)?;
        scenario.roster(scenario.nodes)?;
        Ok(scenario)
    }

    /// Who is who, with so many hosts.
    ///
    /// # Errors
    /// [`ScenarioError`] if that many cannot be, or a selector names nobody.
    pub fn roster(&self, nodes: u32) -> Result<Roster, ScenarioError> {
        if !(2..=NODES_MAX).contains(&nodes) {
            let (what, value) = ("the number of nodes", nodes.to_string());
            return Err(ScenarioError::Range { what, value, range: "between 2 and 100000" });
        }
        let roster = Roster::new(&self.hosts, nodes)?;
        self.network.name()?;
        self.link.link()?;
        for group in &self.hosts {
            group.link.map(|link| link.link()).transpose()?;
        }
        if let Some(unknown) = self.adversary.iter().find(|spec| !KINDS.contains(&spec.kind.as_str())) {
            return Err(ScenarioError::Range {
                what: "an adversary's kind",
                value: unknown.kind.clone(),
                range: "flood, replayer, forger, relay, rogue-authority, clock-liar or insider",
            });
        }
        for step in &self.at {
            if let What::Policy(change) = &step.what {
                change.check()?;
            }
        }
        for who in self.selectors() {
            roster.check(who)?;
        }
        Ok(roster)
    }

    fn selectors(&self) -> impl Iterator<Item = &Who> {
        let load = self.load.iter().flat_map(|load| [&load.who, &load.to]);
        let churn = self.churn.iter().map(|churn| &churn.who);
        let steps = self.at.iter().filter_map(|step| match &step.what {
            What::Cut { who, .. }
            | What::Revoke { who }
            | What::End { who, .. }
            | What::Start { who }
            | What::Clock { who, .. }
            | What::Link { who, .. }
            | What::Full { who, .. }
            | What::Renew { who }
            | What::Reach { who, .. } => Some(who),
            What::Heal | What::Policy(_) | What::User { .. } | What::Role { .. } => None,
        });
        load.chain(churn).chain(steps)
    }
}

const fn twenty() -> u32 {
    20
}

#[cfg(test)]
mod tests {
    use super::*;

    const LUNCH: &str = r#"
        name = "lunch"
        nodes = 5
        duration = "30m"
        [[hosts]]
        name = "till"
        clock = "-2m"
        [[at]]
        time = "10m"
        do = "cut"
        who = "till"
        for = "5m"
        [[at]]
        time = "12m"
        do = "revoke"
        who = "till-3"
    "#;

    #[test]
    fn a_scenario_is_read() {
        let scenario = Scenario::parse(LUNCH).unwrap();
        assert_eq!(scenario.hosts[0].clock.millis, -120_000);
        assert!(
            matches!(&scenario.at[0].what, What::Cut { lasts: Some(Span(lasts)), .. } if lasts.as_secs() == 300)
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (find, replace, named) in [
            ("till-3", "till-9", "till-9"),
            ("\"10m\"", "\"10 minutes\"", "10 minutes"),
            ("do = \"cut\"", "do = \"slice\"", "slice"),
            ("nodes = 5", "nodes = 1", "number of nodes is 1"),
            ("nodes = 5", "nodez = 5", "nodez"),
            (
                "do = \"revoke\"\n        who = \"till-3\"",
                "do = \"policy\"\n        size = \"1MiB\"",
                "policy",
            ),
            (
                "do = \"revoke\"\n        who = \"till-3\"",
                "do = \"policy\"\n        sizes = \"1KiB\"",
                "sizes",
            ),
            ("nodes = 5", "nodes = 5\nlink = { loss = 1.5 }", "loss is 1.5"),
            ("nodes = 5", "nodes = 5\nlink = { latency = \"1us\" }", "latency is 1us"),
        ] {
            let text = LUNCH.replace(find, replace);
            let error = Scenario::parse(&text).unwrap_err().to_string();
            assert!(error.contains(named), "{named}: {error}");
        }
    }
}
