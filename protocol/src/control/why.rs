//! Why a service can be used, or cannot: the links of the chain from a requester to a channel.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Failure, PeerRef, ServiceRef};
use crate::identity::ServiceName;
use crate::people::Actor;

/// Asks why a service can be used, or cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskWhy {
    /// The service, and who provides it.
    pub service: ServiceRef,
    /// Who wants to use it; this node, if nobody is named. On the provider, another one.
    #[serde(default)]
    pub from: Option<PeerRef>,
    /// The user who wants to: `ana`, or `ana%till`; whoever asks, if nobody is named.
    #[serde(default, rename = "as")]
    pub user: Option<String>,
}

/// The links of the chain, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkName {
    /// It is known which node is meant.
    Discovery,
    /// It answers.
    Reachability,
    /// Both are members of one network, now.
    Certificate,
    /// It is known on whose behalf.
    Login,
    /// The network's policy grants it.
    Policy,
    /// The provider has minted a ticket, or would.
    Ticket,
    /// The ticket opens a channel, and the service is there.
    Channel,
}

impl LinkName {
    /// Every link, in order.
    pub const ALL: [Self; 7] = [
        Self::Discovery,
        Self::Reachability,
        Self::Certificate,
        Self::Login,
        Self::Policy,
        Self::Ticket,
        Self::Channel,
    ];
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discovery => "discovery",
            Self::Reachability => "reachability",
            Self::Certificate => "certificate",
            Self::Login => "login",
            Self::Policy => "policy",
            Self::Ticket => "ticket",
            Self::Channel => "channel",
        })
    }
}

/// A link that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Which.
    pub link: LinkName,
    /// Whether it holds.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do about it, if it does not hold.
    pub remedy: Option<String>,
}

/// How far one gets: the answer to [`AskWhy`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// Whether every link that was tried holds.
    pub ok: bool,
    /// The links up to the first that fails, without those that were not tried.
    pub links: Vec<Link>,
    /// As using the service would fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

impl Default for Walk {
    fn default() -> Self {
        Self { ok: true, links: Vec::new(), error: None }
    }
}

impl Walk {
    /// A link holds.
    pub fn holds(&mut self, link: LinkName, detail: impl Into<String>) {
        self.links.push(Link { link, ok: true, detail: detail.into(), remedy: None });
    }

    /// A link fails, and the walk ends with it.
    pub fn fails(&mut self, link: LinkName, failure: Failure) {
        self.ok = false;
        let (detail, remedy) = (failure.message.clone(), Some(failure.remedy.clone()));
        self.links.push(Link { link, ok: false, detail, remedy });
        self.error = Some(failure);
    }
}

/// How far the engine has walked: the answer to [`Command::Why`](super::Command::Why).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    /// The links so far.
    pub walk: Walk,
    /// What is left to try, by whoever has the sockets.
    pub next: Onward,
}

/// The last link, which is not the engine's to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Onward {
    /// Nothing is left.
    Nowhere,
    /// A channel, on somebody's behalf, with the ticket that is held by now.
    Channel(Actor),
    /// Whether this node serves this service.
    Service(ServiceName),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Code;

    /// The contract of `why --json`.
    #[test]
    fn a_walk_has_the_shape_that_scripts_read() {
        let mut walk = Walk::default();
        walk.holds(LinkName::Discovery, "met before");
        walk.fails(LinkName::Policy, Failure::new(Code::Denied, "no", "ask"));
        let shown = serde_json::to_value(&walk).unwrap();
        let links = serde_json::json!([
            { "link": "discovery", "ok": true, "detail": "met before", "remedy": null },
            { "link": "policy", "ok": false, "detail": "no", "remedy": "ask" },
        ]);
        assert_eq!([&shown["ok"], &shown["links"]], [&serde_json::json!(false), &links]);
        assert_eq!(shown["error"]["code"], "denied");
        assert_eq!(serde_json::from_value::<Walk>(shown).unwrap(), walk);
    }

    #[test]
    fn a_link_is_called_the_same_everywhere() {
        for link in LinkName::ALL {
            assert_eq!(serde_json::to_value(link).unwrap(), link.to_string());
        }
    }
}
