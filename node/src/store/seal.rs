//! Sealed records: each says on its own whether it is what was written, and where.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use lanyard_protocol::label::Label;
use rand_core::Rng as _;
use zeroize::Zeroizing;

use super::key::StoreKey;
use crate::ambient::OsRng;

/// The version of the layout `version ‖ nonce ‖ ciphertext ‖ tag`.
const VERSION: u8 = 1;
const NONCE: usize = 24;

/// Seals records under a key derived from the store key: XChaCha20-Poly1305 with a random 192-bit nonce.
///
/// A nonce is never counted, so a copied or restored disk repeats none (C13).
pub(super) struct Sealer {
    cipher: XChaCha20Poly1305,
    tip: Zeroizing<[u8; 32]>,
}

impl Sealer {
    pub(super) fn new(key: &StoreKey) -> Self {
        let record = key.derive(b"record");
        Self { cipher: XChaCha20Poly1305::new(&(*record).into()), tip: key.derive(b"tip") }
    }

    /// The record to store under `row`.
    #[expect(clippy::expect_used, reason = "a record has at most 64 KiB, the cipher takes 256 GiB")]
    pub(super) fn seal(&self, row: &[u8], value: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        OsRng.fill_bytes(&mut nonce);
        let aad = associated(row);
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: value, aad: &aad })
            .expect("XChaCha20-Poly1305 seals up to 256 GiB");
        let mut record = Vec::with_capacity(1 + NONCE + sealed.len());
        record.push(VERSION);
        record.extend_from_slice(&nonce);
        record.extend_from_slice(&sealed);
        record
    }

    /// The value that was sealed for `row`, or nothing if this record is not the one.
    pub(super) fn open(&self, row: &[u8], record: &[u8]) -> Option<Vec<u8>> {
        let (&version, rest) = record.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        if version != VERSION {
            return None;
        }
        let aad = associated(row);
        self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad }).ok()
    }

    /// The tag that proves a tip: nobody without the store key writes one.
    pub(super) fn tip_tag(&self, sequence: u64) -> [u8; 32] {
        *blake3::keyed_hash(&self.tip, &sequence.to_le_bytes()).as_bytes()
    }
}

/// The row is the table's number and the key, so a record fits one place only.
fn associated(row: &[u8]) -> Vec<u8> {
    Label::StoreRecord.join(&[&[VERSION], row])
}
