//! How much is read of exposed folders at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanyard_protocol::identity::NodeId;

/// What one peer reads at a time. 8: a person with a few windows.
const PER_PEER: usize = 8;

/// What is read in all. 64: each holds a thread and 768 KiB, whether its reader is fast or slow.
const IN_ALL: usize = 64;

/// Who reads how much. Clones count together.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Shares(Arc<Mutex<BTreeMap<NodeId, usize>>>);

/// Leave to read one thing, given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    shares: Shares,
    peer: NodeId,
}

impl Shares {
    /// Leave for `peer` to read one more, if there is room.
    pub(super) fn take(&self, peer: NodeId) -> Option<Share> {
        let mut reading = self.lock();
        let of_peer = reading.get(&peer).copied().unwrap_or_default();
        if of_peer >= PER_PEER || reading.values().sum::<usize>() >= IN_ALL {
            return None;
        }
        reading.insert(peer, of_peer + 1);
        Some(Share { shares: self.clone(), peer })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut reading = self.shares.lock();
        if let Some(count) = reading.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                reading.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lanyard_protocol::identity::IdentityKey;

    use super::*;

    /// D9, H5: a peer has its share of what is read at a time, and that has an end.
    #[test]
    fn what_is_read_at_a_time_is_bounded() {
        let shares = Shares::default();
        let peer = |seed| IdentityKey::from_seed(&[seed; 32]).node_id();
        let mut held: Vec<_> = (0..PER_PEER).map(|_| shares.take(peer(1)).unwrap()).collect();
        assert!(shares.take(peer(1)).is_none());
        for seed in 2..=8 {
            held.extend((0..PER_PEER).map(|_| shares.take(peer(seed)).unwrap()));
        }
        assert!(shares.take(peer(9)).is_none());
        held.clear();
        assert!(shares.lock().is_empty() && shares.take(peer(1)).is_some());
    }
}
