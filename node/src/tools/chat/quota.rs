//! How much of what others have written is kept: so much of one peer, and so much in all.
//!
//! At its share the oldest of a peer's conversation gives way to what it writes now. At the limit of all of them, the
//! oldest of the longest one does. So a peer that writes without end pushes out what it wrote itself, and nobody else's.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lanyard_protocol::identity::NodeId;

use super::journal::Line;
use crate::config::ChatLimits;

/// What a message counts beside its text: the rest of its record, its key and its place in the database.
const OVERHEAD: u64 = 256;

/// What is kept of each peer's messages, in bytes, and how much that may be.
#[derive(Debug)]
pub(super) struct Quota {
    per_peer: u64,
    in_all: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    total: u64,
    peers: BTreeMap<NodeId, u64>,
}

impl Quota {
    pub(super) fn new(limits: &ChatLimits) -> Self {
        let bytes = |kib: core::num::NonZeroU32| u64::from(kib.get()) << 10;
        Self { per_peer: bytes(limits.per_peer), in_all: bytes(limits.in_all), kept: Mutex::default() }
    }

    /// How much may be kept of one peer before a message of that size is.
    pub(super) const fn before(&self, size: u64) -> u64 {
        self.per_peer.saturating_sub(size)
    }

    /// So much is kept of that peer's messages.
    pub(super) fn set(&self, peer: NodeId, bytes: u64) {
        let mut kept = self.lock();
        let before = kept.peers.insert(peer, bytes).unwrap_or_default();
        kept.total = kept.total - before + bytes;
    }

    /// The peer of whose messages most are kept, if there is no room for one more of that size in all.
    pub(super) fn fullest_without_room(&self, size: u64) -> Option<NodeId> {
        let kept = self.lock();
        if kept.total + size <= self.in_all {
            return None;
        }
        let (peer, bytes) = kept.peers.iter().max_by_key(|(_, bytes)| **bytes)?;
        (*bytes > 0).then_some(*peer)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a message that was received counts.
pub(super) fn size(line: &Line) -> u64 {
    line.text.len() as u64 + OVERHEAD
}
