//! Certificates that this process has verified, and need not again.

use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use super::{CertificateDer, VerifiedCertificate};
use crate::label::Digest;

/// Certificates that are remembered: about 2 KiB each, so at most 2 MiB, for a ticket is shown soon after it is minted.
const CAPACITY: usize = 1024;

/// Certificates that were verified of late, by their digests: what [`verify_again`](super::verify_again) compares with.
///
/// Bounded: the one that was not used for longest gives way, and is verified again. That one is here says nothing of
/// the time, nor of revocations.
pub(crate) struct Verified(Mutex<LruCache<Digest, Arc<VerifiedCertificate>>>);

impl Default for Verified {
    fn default() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }
}

impl Verified {
    /// Takes note of a certificate. That it is a [`VerifiedCertificate`] says that somebody has verified it.
    pub(crate) fn remember(&self, certificate: &VerifiedCertificate) {
        let mut verified = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = certificate.digest();
        if verified.get(&digest).is_some() {
            return;
        }
        if verified.len() >= CAPACITY {
            verified.pop_lru();
        }
        verified.put(digest, Arc::new(certificate.clone()));
    }

    /// The certificate that was once verified with the digest of `leaf`.
    pub(crate) fn get(&self, leaf: &CertificateDer) -> Option<Arc<VerifiedCertificate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&leaf.digest()).cloned()
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verified(..)")
    }
}
