//! Attackers: hosts without an engine, which speak raw bytes.
//!
//! An adversary sends what it likes to whom it likes. What it cannot do is what no attacker can: speak as a node whose
//! key it does not have, or read what is sent to others.

use core::time::Duration;

use lanyard_protocol::identity::NodeKeys;
use lanyard_protocol::time::Timestamp;
use rand_chacha::ChaCha20Rng;

use crate::event::{HostId, LinkId, Local, Packet};
use crate::fact::Fact;
use crate::moment::Moment;
use crate::node::Scene;

/// Whoever wants what is not his.
pub trait Adversary: Send {
    /// Something has arrived for the adversary's host.
    fn receive(&mut self, from: HostId, packet: Packet, stage: &mut Stage<'_, '_>);

    /// The adversary has just come, or a time has come that it wanted to be woken at.
    fn wake(&mut self, stage: &mut Stage<'_, '_>);
}

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

    /// The adversary has got what it must not get: the run has failed.
    pub fn breach(&mut self, what: impl Into<String>) {
        let (at, now) = (self.scene.at, self.now());
        self.scene.port.observe(at, now, Fact::Breached(what.into()));
    }
}
