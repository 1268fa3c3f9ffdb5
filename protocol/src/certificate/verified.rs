//! Certificates that this process has verified, and need not again.

use core::fmt;
use core::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::{CertificateDer, CertificateError, TrustAnchor, VerifiedCertificate, verify};
use crate::label::Digest;
use crate::time::Timestamp;

/// Certificates that are remembered unless another number is said: as many as a member remembers peers, about 2 KiB
/// each.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Certificates that were verified of late, by their digests: whoever comes back shows what it has shown before, and the
/// ticket that it uses has the certificate in it with which it asked.
///
/// Bounded: the one that was not used for longest gives way, and is verified again. Only what holds is remembered, so a
/// stranger fills it with nothing. That one is here says nothing of the time, nor of revocations: these are looked at
/// each time. Clones share what they remember, also between engines of one process: what was verified is the same bytes
/// under the same CA key, whoever did it.
#[derive(Clone)]
pub struct Verified(Arc<Mutex<LruCache<Digest, VerifiedCertificate>>>);

impl Default for Verified {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Verified {
    /// Room for `capacity` certificates. It takes memory as it fills.
    #[must_use]
    pub fn with_capacity(capacity: NonZeroUsize) -> Self {
        let mut cache = LruCache::unbounded();
        cache.resize(capacity);
        Self(Arc::new(Mutex::new(cache)))
    }

    /// As [`verify()`]; of a certificate that was verified before, under the same CA key, only the time is looked at.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify(
        &self,
        anchor: &TrustAnchor,
        leaf: &CertificateDer,
        now: Timestamp,
    ) -> Result<VerifiedCertificate, CertificateError> {
        let known = self.lock().get(&leaf.digest()).filter(|known| known.is(anchor, leaf)).cloned();
        if let Some(known) = known {
            anchor.check_time(now)?;
            known.check_time(now)?;
            return Ok(known);
        }
        let verified = verify(anchor, leaf, now)?;
        self.remember(&verified);
        Ok(verified)
    }

    /// Takes note of a certificate. That it is a [`VerifiedCertificate`] says that somebody has verified it.
    pub(crate) fn remember(&self, certificate: &VerifiedCertificate) {
        self.lock().put(certificate.digest(), certificate.clone());
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Digest, VerifiedCertificate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verified(..)")
    }
}
