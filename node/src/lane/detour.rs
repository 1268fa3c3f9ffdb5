//! The way around a lane that does not work, and how long that is remembered.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use lanyard_protocol::identity::NodeId;

use crate::swarm::Streams;

/// How long a lane that did not work is not tried again. 10 seconds: whoever opens channels one after the other
/// waits for it once, and a firewall that was put right is noticed soon.
const AVOIDED: Duration = Duration::from_secs(10);

/// Lanes that are remembered. 1,024: the peers that a node remembers.
const REMEMBERED: usize = 1024;

/// Streams to members, and the lanes to avoid.
#[derive(Debug)]
pub(crate) struct Detour {
    streams: Streams,
    avoided: Mutex<BTreeMap<NodeId, Instant>>,
}

impl Detour {
    pub(crate) fn new(streams: Streams) -> Self {
        Self { streams, avoided: Mutex::default() }
    }

    pub(crate) const fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Whether the lane of `provider` did not work a moment ago.
    pub(super) fn avoids(&self, provider: NodeId, now: Instant) -> bool {
        let mut avoided = self.avoided.lock().unwrap_or_else(PoisonError::into_inner);
        let avoids = avoided.get(&provider).is_some_and(|until| now < *until);
        if !avoids {
            avoided.remove(&provider);
        }
        avoids
    }

    /// The lane of `provider` did not work.
    pub(super) fn avoid(&self, provider: NodeId, now: Instant) {
        let mut avoided = self.avoided.lock().unwrap_or_else(PoisonError::into_inner);
        if avoided.len() >= REMEMBERED {
            avoided.retain(|_, until| now < *until);
        }
        if avoided.len() < REMEMBERED {
            avoided.insert(provider, now + AVOIDED);
        }
    }
}

#[cfg(test)]
mod tests {
    use lanyard_protocol::identity::IdentityKey;

    use super::*;
    use crate::ambient;

    #[tokio::test]
    async fn a_lane_is_avoided_for_a_while() {
        let (detour, now) = (Detour::new(Streams::default()), ambient::monotonic());
        assert!(!detour.avoids(id(1), now));
        detour.avoid(id(1), now);
        assert!(detour.avoids(id(1), now) && !detour.avoids(id(2), now));
        assert!(!detour.avoids(id(1), now + AVOIDED));
        assert!(!detour.avoids(id(1), now), "it works again: that is known from then on");
    }

    #[tokio::test]
    async fn no_more_lanes_are_remembered_than_peers() {
        let (detour, now) = (Detour::new(Streams::default()), ambient::monotonic());
        for number in 0..REMEMBERED + 10 {
            detour.avoid(id(number), now);
        }
        assert_eq!(detour.avoided.lock().unwrap().len(), REMEMBERED);
        detour.avoid(id(REMEMBERED), now + AVOIDED);
        assert!(detour.avoids(id(REMEMBERED), now + AVOIDED));
    }

    fn id(number: usize) -> NodeId {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        IdentityKey::from_seed(&seed).node_id()
    }
}
