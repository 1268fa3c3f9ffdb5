//! The peers by id, and what would otherwise have to be looked for among all of them.

use core::ops::RangeBounds;
use std::collections::BTreeMap;

use super::peer::{Greeting, Peer};
use crate::certificate::VerifiedCertificate;
use crate::identity::{NodeId, NodeName};

/// The peers. Every change goes through here, so that the counts and the names are right.
#[derive(Default)]
pub(super) struct Table {
    peers: BTreeMap<[u8; 32], (NodeId, Peer)>,
    names: BTreeMap<NodeName, NodeId>,
    counts: Counts,
}

/// How many peers are in a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Are being dialled or greeted.
    pub(super) busy: usize,
    /// Have proven that they are members.
    pub(super) greeted: usize,
}

impl Counts {
    fn of(peer: &Peer) -> Self {
        Self {
            busy: usize::from(peer.dialling || matches!(peer.greeting, Greeting::Sent)),
            greeted: usize::from(matches!(peer.greeting, Greeting::Done(_))),
        }
    }

    const fn replace(&mut self, before: Self, after: Self) {
        self.busy = self.busy + after.busy - before.busy;
        self.greeted = self.greeted + after.greeted - before.greeted;
    }
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn get(&self, id: NodeId) -> Option<&Peer> {
        self.peers.get(id.as_bytes()).map(|(_, peer)| peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.peers.values().map(|(id, peer)| (*id, peer))
    }

    /// The peers whose ids are in `range`.
    pub(super) fn range(&self, range: impl RangeBounds<[u8; 32]>) -> impl Iterator<Item = NodeId> {
        self.peers.range(range).map(|(_, (id, _))| *id)
    }

    /// The peer whose certificate has the name; of several, the one whose certificate was set last.
    pub(super) fn by_name(&self, name: &NodeName) -> Option<NodeId> {
        self.names.get(name).copied()
    }

    /// Changes what is known of a peer, but for its certificate.
    pub(super) fn change<T>(&mut self, id: NodeId, change: impl FnOnce(&mut Peer) -> T) -> Option<T> {
        let (_, peer) = self.peers.get_mut(id.as_bytes())?;
        let before = Counts::of(peer);
        let result = change(peer);
        self.counts.replace(before, Counts::of(peer));
        Some(result)
    }

    /// Changes what is known of every peer, but for its certificate.
    pub(super) fn change_all(&mut self, mut change: impl FnMut(NodeId, &mut Peer)) {
        for (id, peer) in self.peers.values_mut() {
            let before = Counts::of(peer);
            change(*id, peer);
            self.counts.replace(before, Counts::of(peer));
        }
    }

    /// Sets the certificate of a peer that is known.
    pub(super) fn set_certificate(&mut self, id: NodeId, certificate: Option<VerifiedCertificate>) {
        let Some((_, peer)) = self.peers.get_mut(id.as_bytes()) else { return };
        let name = certificate.as_ref().map(|certificate| certificate.name().clone());
        let old = core::mem::replace(&mut peer.certificate, certificate);
        self.forget_name(id, old.as_ref());
        if let Some(name) = name {
            self.names.insert(name, id);
        }
    }

    /// Takes in a peer, or has another state known of it.
    pub(super) fn insert(&mut self, id: NodeId, mut peer: Peer) {
        self.remove(id);
        let certificate = peer.certificate.take();
        self.counts.replace(Counts::default(), Counts::of(&peer));
        self.peers.insert(*id.as_bytes(), (id, peer));
        self.set_certificate(id, certificate);
    }

    pub(super) fn remove(&mut self, id: NodeId) -> Option<Peer> {
        let (_, peer) = self.peers.remove(id.as_bytes())?;
        self.counts.replace(Counts::of(&peer), Counts::default());
        self.forget_name(id, peer.certificate.as_ref());
        Some(peer)
    }

    fn forget_name(&mut self, id: NodeId, certificate: Option<&VerifiedCertificate>) {
        if let Some(certificate) = certificate
            && self.names.get(certificate.name()) == Some(&id)
        {
            self.names.remove(certificate.name());
        }
    }
}
