//! What the store keeps of a peer, and when that is written anew.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::certificate::{CertificateDer, VerifiedCertificate};
use crate::hello::Addresses;
use crate::label::Digest;
use crate::record::{Table, Write};
use crate::time::Timestamp;

/// How long a record of a peer stays as it is, though the peer is greeted again and again: one write a day for each.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// How long after its certificate's end a peer is remembered: as long as the authority remembers it.
pub(super) const FORGOTTEN_AFTER: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What is kept of a peer that has proven its membership.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) certificate: CertificateDer,
    pub(super) addresses: Addresses,
    pub(super) last_seen: Timestamp,
}

/// What a record says, as far as it decides whether another is to be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Keeping {
    certificate: Digest,
    addresses: Addresses,
    since: Timestamp,
}

impl Keeping {
    pub(super) fn of(kept: &Kept, certificate: &VerifiedCertificate) -> Self {
        Self { certificate: certificate.digest(), addresses: kept.addresses.clone(), since: kept.last_seen }
    }

    /// Whether the record still says what `now` would be written. One from the future is written anew.
    pub(super) fn holds(&self, now: &Self) -> bool {
        let fresh = self.since <= now.since && now.since < self.since.after(KEPT_FOR);
        fresh && self.certificate == now.certificate && self.addresses == now.addresses
    }
}

/// What became of a kept record.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) enum Remembered {
    /// The peer is known by it.
    Known,
    /// It is of no use any more and to be erased: it ended long ago, or there is no room for it.
    Spent,
    /// It cannot be read, or does not hold.
    Damaged,
}

pub(super) fn erase(id: &[u8; 32]) -> Write {
    Write::erase(Table::Peers, id.as_slice())
}
