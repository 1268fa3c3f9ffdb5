//! Attackers: hosts without an engine, which speak raw bytes.
//!
//! An adversary sends what it likes to whom it likes. What it cannot do is what no attacker can: speak as a node whose
//! key it does not have, or read what is sent to others.

mod flood;
mod forger;
mod insider;
mod puppet;
mod relay;
mod replayer;
mod rogue_authority;

use core::time::Duration;

use lanyard_protocol::identity::{NetworkName, NodeKeys};
use lanyard_protocol::time::Timestamp;
use rand_chacha::ChaCha20Rng;

use crate::event::{HostId, LinkId, Local, Packet};
use crate::fact::{Certified, Fact};
use crate::moment::Moment;
use crate::node::Scene;

/// Whoever wants what is not his.
pub trait Adversary: Send {
    /// Something has arrived for the adversary's host.
    fn receive(&mut self, from: HostId, packet: Packet, stage: &mut Stage<'_, '_>);

    /// The adversary has just come, or a time has come that it wanted to be woken at.
    fn wake(&mut self, stage: &mut Stage<'_, '_>);
}

/// What is attacked: what anybody on the network can know, and for who is let in, an invite.
#[derive(Debug)]
pub struct Target {
    /// The network's name.
    pub network: NetworkName,
    /// How many hosts there are that are not adversaries'; the first of them is the authority's.
    pub hosts: u32,
    /// What lets an insider in: the URI.
    pub invite: Option<String>,
}

/// The adversaries that a scenario can name.
pub const KINDS: [&str; 7] =
    ["flood", "replayer", "forger", "relay", "rogue-authority", "clock-liar", "insider"];

/// Whether an adversary of this kind is let in first, as who betrays his network.
#[must_use]
pub fn is_insider(kind: &str) -> bool {
    kind == "insider"
}

/// An adversary of a kind; nothing if there is none such, or if an insider has no invite.
#[must_use]
pub fn of_kind(kind: &str, target: Target, rng: &mut ChaCha20Rng) -> Option<Box<dyn Adversary>> {
    Some(match kind {
        "flood" => Box::new(flood::Flood::new(target)),
        "replayer" => Box::new(replayer::Replayer::new(target, rng)),
        "forger" => Box::new(forger::Forger::new(target, rng)),
        "relay" => Box::new(relay::Relay::new(target, rng)),
        "rogue-authority" => Box::new(rogue_authority::RogueAuthority::new(target, Duration::ZERO, rng)),
        "clock-liar" => Box::new(rogue_authority::RogueAuthority::new(target, TEN_YEARS, rng)),
        "insider" => Box::new(insider::Insider::new(target, rng)?),
        _ => return None,
    })
}

/// By how much a liar's clock is ahead.
const TEN_YEARS: Duration = Duration::from_hours(10 * 365 * 24);

/// What an adversary can do.
pub struct Stage<'a, 'b> {
    scene: &'a mut Scene<'b>,
}

impl<'a, 'b> Stage<'a, 'b> {
    pub(crate) const fn new(scene: &'a mut Scene<'b>) -> Self {
        Self { scene }
    }

    /// The moment.
    #[must_use]
    pub const fn at(&self) -> Moment {
        self.scene.at
    }

    /// The time, by a clock that is right.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.scene.at.wall()
    }

    /// The adversary's host.
    #[must_use]
    pub const fn host(&self) -> HostId {
        self.scene.port.host
    }

    /// Randomness.
    pub const fn rng(&mut self) -> &mut ChaCha20Rng {
        &mut self.scene.port.rng
    }

    /// Begins a connection as the node whose keys these are. The other side answers by [`Packet::Accept`]; then
    /// [`Packet::Establish`] has to follow.
    pub fn dial(&mut self, keys: &NodeKeys, to: HostId) -> LinkId {
        let link = LinkId { dialler: self.host(), number: self.scene.port.next_link() };
        let from = self.host().control();
        self.scene.send(to, Packet::Dial { link, node: keys.node_id(), from });
        link
    }

    /// Answers a [`Packet::Dial`] as the node whose keys these are.
    pub fn accept(&mut self, keys: &NodeKeys, to: HostId, link: LinkId) {
        self.scene.send(to, Packet::Accept { link, node: keys.node_id() });
    }

    /// Sends anything but what proves a key.
    pub fn send(&mut self, to: HostId, packet: Packet) {
        if !matches!(packet, Packet::Dial { .. } | Packet::Accept { .. }) {
            self.scene.send(to, packet);
        }
    }

    /// Wants to be woken.
    pub fn wake_after(&mut self, wait: Duration) {
        let at = self.scene.at.after(wait);
        self.scene.port.later(at, Local::Look);
    }

    /// The adversary has got a certificate by rights: who hears it does nothing wrong.
    pub fn certified(&mut self, certified: Certified) {
        let (at, now) = (self.scene.at, self.now());
        self.scene.port.observe(at, now, Fact::Certified(certified));
    }

    /// The adversary has got what it must not get: the run has failed.
    pub fn breach(&mut self, what: impl Into<String>) {
        let (at, now) = (self.scene.at, self.now());
        self.scene.port.observe(at, now, Fact::Breached(what.into()));
    }
}
