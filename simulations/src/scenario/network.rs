//! The network that the authority makes, and how hosts are attached to it.

use core::time::Duration;

use lanyard_protocol::control::Admission;
use lanyard_protocol::identity::NetworkName;
use serde::Deserialize;

use super::ScenarioError;
use crate::link::{Chance, LATENCY_MIN, Link};
use crate::units::{Size, Span};

/// What a network is called where a scenario does not say.
const NAME: &str = "shop.lan";

/// The network that the authority makes.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Its name; [`Network::name`] says it also where none is given.
    pub name: Option<NetworkName>,
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
            name: None,
            admission: Admission::default(),
            certificate_life: Span(Duration::from_hours(72)),
            discovery: Discovery::default(),
        }
    }
}

impl Network {
    /// Its name, or `shop.lan` if it has none.
    ///
    /// # Errors
    /// [`ScenarioError::Name`]
    pub fn name(&self) -> Result<NetworkName, ScenarioError> {
        self.name.clone().map_or_else(|| Ok(NAME.parse()?), Ok)
    }
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
