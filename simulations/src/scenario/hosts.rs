//! The hosts that there are, and what they do of themselves.

use core::time::Duration;

use serde::Deserialize;

use super::{Ending, LinkSpec, Who};
use crate::units::{Shift, Span};

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
