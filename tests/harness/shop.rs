//! A network on loopback: an authority and those that it let in.

use serde_json::Value;

use crate::wait::{SOON, wait_for};
use crate::{Host, RunningNode};

/// A member of a network whose node runs.
pub struct Member {
    // Before its host: fields are dropped in order.
    /// Its node.
    pub node: RunningNode,
    /// The host.
    pub host: Host,
}

impl Member {
    /// The authority of a new network `shop.lan`.
    #[track_caller]
    #[must_use]
    pub fn authority(name: &str) -> Self {
        Self::authority_on(Host::new(name))
    }

    /// The authority of a new network `shop.lan` on this host.
    #[track_caller]
    #[must_use]
    pub fn authority_on(host: Host) -> Self {
        let _ = host.run(["init", "shop.lan", "--name", host.name()]).ok();
        let node = host.up();
        Self { node, host }
    }

    /// A new member that this authority let in by URI.
    #[track_caller]
    #[must_use]
    pub fn admit(&self, name: &str) -> Self {
        self.admit_host(Host::new(name))
    }

    /// This host as a member that this authority let in by URI.
    #[track_caller]
    #[must_use]
    pub fn admit_host(&self, host: Host) -> Self {
        let node = host.up_with(&["--join", &self.invite_uri(), "--name", host.name()]);
        let member = Self { node, host };
        member.meets(&self.host);
        member
    }

    /// A fresh invite as a URI.
    #[track_caller]
    #[must_use]
    pub fn invite_uri(&self) -> String {
        self.host.run(["invite", "--uri"]).ok().line()
    }

    /// Waits until `peer` is connected.
    #[track_caller]
    pub fn meets(&self, peer: &Host) {
        wait_for(&format!("{} sees {}", self.host.name(), peer.name()), SOON, || {
            (self.peer(peer.name())?["state"] == "connected").then_some(())
        });
    }

    /// What it knows of the peer of this name.
    #[track_caller]
    #[must_use]
    pub fn peer(&self, name: &str) -> Option<Value> {
        let peers = self.host.run(["peers", "--json"]).ok().json();
        peers.as_array().expect("peers are a list").iter().find(|peer| peer["name"] == name).cloned()
    }
}
