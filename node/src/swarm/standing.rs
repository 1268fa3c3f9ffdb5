//! Who of those who are connected has proven its membership: told by the gate, asked by everybody else.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use lanyard_protocol::time::Timestamp;
use libp2p::PeerId;

/// What is known of a peer that has proven its membership and is connected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof {
    /// Where one of its connections leads.
    pub(super) remote: SocketAddr,
    /// Until when what it has proven holds.
    pub(super) until: Timestamp,
    /// Whether its connections stay though nobody uses them.
    pub(super) keep: bool,
}

/// The peers that have proven their membership and are connected. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing(Arc<RwLock<BTreeMap<PeerId, Proof>>>);

impl Standing {
    pub(super) fn set(&self, peer: PeerId, proof: Proof) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(peer, proof);
    }

    pub(super) fn remove(&self, peer: &PeerId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(peer);
    }

    /// Where `peer` is connected, if it has proven its membership.
    pub(super) fn of(&self, peer: &PeerId) -> Option<SocketAddr> {
        self.get(peer).map(|proof| proof.remote)
    }

    /// Until when what it has proven holds.
    pub(super) fn until(&self, peer: &PeerId) -> Option<Timestamp> {
        self.get(peer).map(|proof| proof.until)
    }

    /// Whether connections with `peer` stay though nobody uses them.
    pub(super) fn keeps(&self, peer: &PeerId) -> bool {
        self.get(peer).is_some_and(|proof| proof.keep)
    }

    fn get(&self, peer: &PeerId) -> Option<Proof> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(peer).copied()
    }
}
