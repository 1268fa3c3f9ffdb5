//! The key of a ticket's channels, on either side: made when the first of them is opened, and kept for the others.

use std::sync::OnceLock;

use crate::channel::{HandshakeError, Psk};
use crate::identity::{SealingKey, SealingPublicKey, Secret};

/// A ticket's secret, and the key that comes of it and of both ends' sealing keys.
///
/// That exchange is the dearest part of a ticket that is held or shown and then never used: those that a start reads
/// back, and whatever is refused before its handshake.
#[derive(Debug)]
pub(super) struct ChannelKey {
    secret: Secret,
    psk: OnceLock<Psk>,
}

impl ChannelKey {
    pub(super) const fn new(secret: Secret) -> Self {
        Self { secret, psk: OnceLock::new() }
    }

    pub(super) const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The key, where `ours` and `theirs` are the ends' sealing keys: always the same two for a ticket.
    ///
    /// # Errors
    /// [`HandshakeError::NonContributory`], which no sealing key that a certificate can have gives.
    pub(super) fn psk(
        &self,
        ours: &SealingKey,
        theirs: &SealingPublicKey,
        terms: impl FnOnce() -> Vec<u8>,
    ) -> Result<&Psk, HandshakeError> {
        if let Some(psk) = self.psk.get() {
            return Ok(psk);
        }
        let shared = ours.agree(theirs).map_err(|_| HandshakeError::NonContributory)?;
        Ok(self.psk.get_or_init(|| Psk::derive(&self.secret, &shared, &terms())))
    }
}
