//! Who of those who are connected has proven its membership: told by the gate, asked by everybody else.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use lanyard_protocol::time::Timestamp;
use libp2p::PeerId;

/// The peers that have proven their membership and are connected, and where one of their connections leads.
/// Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing(Arc<RwLock<BTreeMap<PeerId, (SocketAddr, Timestamp)>>>);

impl Standing {
    pub(super) fn set(&self, peer: PeerId, remote: SocketAddr, until: Timestamp) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(peer, (remote, until));
    }

    pub(super) fn remove(&self, peer: &PeerId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(peer);
    }

    /// Where `peer` is connected, if it has proven its membership.
    pub(super) fn of(&self, peer: &PeerId) -> Option<SocketAddr> {
        self.get(peer).map(|(remote, _)| remote)
    }

    /// Until when what it has proven holds.
    pub(super) fn until(&self, peer: &PeerId) -> Option<Timestamp> {
        self.get(peer).map(|(_, until)| until)
    }

    fn get(&self, peer: &PeerId) -> Option<(SocketAddr, Timestamp)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(peer).copied()
    }
}
