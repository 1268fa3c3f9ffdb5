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
mod select;

use core::time::Duration;

use lanyard_protocol::control::Admission;
use lanyard_protocol::identity::NetworkName;
use serde::Deserialize;

pub use self::built_in::{BUILT_IN, built_in};
pub use self::select::{Group, Roster, SelectError, Who};
use crate::adversary::KINDS;
use crate::link::{Chance, LATENCY_MIN, Link};
use crate::units::{Shift, Size, Span};

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

/// The network that the authority makes.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Its name.
    pub name: NetworkName,
    /// How strangers get in: `invite`, `open`, or another rule that no person has to be asked for.
    pub admission: Admission,
    /// How long certificates live.
    pub certificate_life: Span,
    /// Who hears whose multicast announcements.
    pub discovery: Discovery,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            name: "shop.lan".parse().unwrap_or_else(|_| unreachable_name()),
            admission: Admission::default(),
            certificate_life: Span(Duration::from_hours(72)),
            discovery: Discovery::default(),
        }
    }
}

#[expect(clippy::panic, reason = "the name is written here")]
fn unreachable_name() -> NetworkName {
    panic!("shop.lan is a network's name")
}

/// Who hears whose multicast announcements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discovery {
    /// All of all: in small networks. The cost grows with the square.
    All,
    /// Each and the authority, of each other.
    Authority,
    /// Nobody: who joins is told where the authority is.
    #[default]
    None,
}

/// How a host is attached.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkSpec {
    /// One way, at least.
    pub latency: Span,
    /// As much more at the most.
    pub jitter: Span,
    /// The probability that a packet is lost, 0 to 0.9.
    pub loss: f64,
    /// The probability that a message arrives twice.
    pub duplicate: f64,
    /// The probability that others overtake a message.
    pub reorder: f64,
    /// By how much it is then late at the most.
    pub reorder_by: Span,
    /// Bytes a second; no limit if 0.
    pub rate: Size,
}

impl Default for LinkSpec {
    fn default() -> Self {
        let Link { latency, jitter, loss, duplicate, reorder, reorder_by, rate } = Link::default();
        Self {
            latency: Span(latency),
            jitter: Span(jitter),
            loss: loss.as_f64(),
            duplicate: duplicate.as_f64(),
            reorder: reorder.as_f64(),
            reorder_by: Span(reorder_by),
            rate: Size(rate),
        }
    }
}

impl LinkSpec {
    /// The link.
    ///
    /// # Errors
    /// [`ScenarioError::Range`].
    pub fn link(&self) -> Result<Link, ScenarioError> {
        if self.latency.0 < LATENCY_MIN {
            let (what, value) = ("a link's latency", self.latency.to_string());
            return Err(ScenarioError::Range { what, value, range: "50us or more" });
        }
        if self.loss > 0.9 {
            let (what, value) = ("a link's loss", self.loss.to_string());
            return Err(ScenarioError::Range { what, value, range: "between 0 and 0.9" });
        }
        let chance = |what, value: f64| {
            let error = || ScenarioError::Range { what, value: value.to_string(), range: "between 0 and 1" };
            Chance::new(value).ok_or_else(error)
        };
        Ok(Link {
            latency: self.latency.0,
            jitter: self.jitter.0,
            loss: chance("a link's loss", self.loss)?,
            duplicate: chance("a link's duplicate", self.duplicate)?,
            reorder: chance("a link's reorder", self.reorder)?,
            reorder_by: self.reorder_by.0,
            rate: self.rate.0,
        })
    }
}

/// Hosts of one kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostGroup {
    /// The hosts are called by it and their number.
    pub name: String,
    /// How many; as many as are left if nothing is said.
    #[serde(default)]
    pub count: Option<u32>,
    /// By how much their wall clocks are wrong.
    #[serde(default)]
    pub clock: Shift,
    /// By how many millionths their clocks are too fast.
    #[serde(default)]
    pub drift: i32,
    /// How they are attached.
    #[serde(default)]
    pub link: Option<LinkSpec>,
    /// Until when they are started and join, evenly spread.
    #[serde(default = "ten_seconds")]
    pub join_within: Span,
    /// When the first of them is started.
    #[serde(default)]
    pub join_from: Span,
    /// Whether their processors have AES instructions.
    #[serde(default = "yes")]
    pub aes: bool,
}

/// What members ask of each other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Who asks.
    pub who: Who,
    /// Whom.
    pub to: Who,
    /// How often each asks, on average.
    pub every: Span,
    /// For what.
    #[serde(default = "chat")]
    pub service: String,
    /// How long the channel is then used.
    #[serde(default = "one_second")]
    pub hold: Span,
    /// From when on.
    #[serde(default)]
    pub from: Span,
    /// Until when; to the end if nothing is said.
    #[serde(default)]
    pub until: Option<Span>,
}

/// Hosts that come and go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// Who.
    pub who: Who,
    /// How long each is up, on average.
    pub up: Span,
    /// How long it is then down, on average.
    pub down: Span,
    /// How it ends.
    #[serde(default)]
    pub how: Ending,
    /// From when on.
    #[serde(default)]
    pub from: Span,
}

/// How a node ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// As it should: everything is written, and connections are closed.
    #[default]
    Stop,
    /// `kill -9`: some of what was not confirmed may be written.
    Kill,
    /// A power cut: what was not confirmed is lost, and nobody is told.
    PowerCut,
}

/// Something that happens at a time.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    /// When.
    pub time: Span,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum What {
    /// These hosts are cut off from all others, and see each other.
    Cut {
        /// Who.
        who: Who,
        /// For how long; until `heal` if nothing is said.
        #[serde(default, rename = "for")]
        lasts: Option<Span>,
    },
    /// The network is whole again.
    Heal,
    /// The authority takes memberships away.
    Revoke {
        /// Whose.
        who: Who,
    },
    /// Nodes end.
    End {
        /// Whose.
        who: Who,
        /// How.
        #[serde(default)]
        how: Ending,
        /// After how long they are started again; never if nothing is said.
        #[serde(default)]
        back: Option<Span>,
    },
    /// Nodes are started.
    Start {
        /// Whose.
        who: Who,
    },
    /// Wall clocks are set.
    Clock {
        /// Whose.
        who: Who,
        /// By how much.
        by: Shift,
    },
    /// Hosts are attached in another way.
    Link {
        /// Which.
        who: Who,
        /// How.
        link: LinkSpec,
    },
    /// Disks are full.
    Full {
        /// Whose.
        who: Who,
        /// For how long.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// Members renew their certificates now.
    Renew {
        /// Who.
        who: Who,
    },
    /// Each opens a channel to some others, picked at random: all of which has to work.
    Reach {
        /// Who.
        who: Who,
        /// To how many.
        others: u32,
        /// Spread over how long.
        within: Span,
    },
}

/// Who attacks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdversarySpec {
    /// What kind.
    pub kind: String,
    /// From when on.
    #[serde(default)]
    pub from: Span,
    /// How many hosts it has.
    #[serde(default = "one")]
    pub hosts: u32,
}

/// What is demanded besides what always holds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Demand {
    /// How long after a revocation a node that is in touch may hear the revoked one.
    pub revocation: Span,
    /// Whether who ought to reach whom must: not where the network loses more than its transport can mend in time.
    pub reach: bool,
    /// Whether everybody who was to join has, at the end.
    pub joined: bool,
}

impl Default for Demand {
    fn default() -> Self {
        Self { revocation: Span(Duration::from_secs(5)), reach: true, joined: true }
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
            What::Heal => None,
        });
        load.chain(churn).chain(steps)
    }
}

const fn twenty() -> u32 {
    20
}

const fn one() -> u32 {
    1
}

const fn yes() -> bool {
    true
}

const fn ten_seconds() -> Span {
    Span(Duration::from_secs(10))
}

const fn one_second() -> Span {
    Span(Duration::from_secs(1))
}

fn chat() -> String {
    "chat".to_owned()
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
            ("nodes = 5", "nodes = 5\nlink = { loss = 1.5 }", "loss is 1.5"),
            ("nodes = 5", "nodes = 5\nlink = { latency = \"1us\" }", "latency is 1us"),
        ] {
            let text = LUNCH.replace(find, replace);
            let error = Scenario::parse(&text).unwrap_err().to_string();
            assert!(error.contains(named), "{named}: {error}");
        }
    }
}
