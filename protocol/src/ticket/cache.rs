//! The session-key cache: tickets that were opened once and need no public-key work again.

use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use super::ValidTicket;
use crate::label::Digest;

/// Tickets in a cache: about 2 KiB each, so at most 8 MiB, and only once 4,096 peers have come.
const CAPACITY: usize = 4096;

/// The tickets that a provider has opened of late, by the hash of what was shown.
///
/// Bounded: the one that was not used for longest gives way. Whether a ticket still holds is asked at each use.
pub struct SessionKeyCache(Mutex<LruCache<Digest, Arc<ValidTicket>>>);

impl Default for SessionKeyCache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }
}

impl SessionKeyCache {
    pub(super) fn get(&self, digest: &Digest) -> Option<Arc<ValidTicket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    pub(super) fn insert(&self, digest: Digest, ticket: Arc<ValidTicket>) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CAPACITY {
            cache.pop_lru();
        }
        cache.put(digest, ticket);
    }
}

impl fmt::Debug for SessionKeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeyCache(..)")
    }
}
