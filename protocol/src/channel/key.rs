//! The key of one direction, and the one that follows it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{HEADER_LEN, Suite, TAG_LEN};
use crate::label::Label;

/// Who sends what is sealed with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Direction {
    FromRequester = 0,
    FromProvider = 1,
}

/// The record key of one direction.
///
/// Beside the cipher it holds only the secret that the *next* key comes from: the secrets before it are erased,
/// so that what was sealed under them stays closed to whoever takes this one.
pub(super) struct RecordKey {
    suite: Suite,
    cipher: LessSafeKey,
    next: Zeroizing<[u8; 32]>,
}

impl RecordKey {
    /// The first key of `direction`, from the handshake's split key and hash.
    pub(super) fn first(
        suite: Suite,
        direction: Direction,
        split: &[u8; 32],
        handshake_hash: &[u8; 32],
    ) -> Self {
        let context: [&[u8]; 3] = [&[suite.to_byte()], &[direction as u8], handshake_hash];
        Self::expand(suite, &Label::ChannelRecord.derive(&[], split, &context))
    }

    /// Goes on to the next key.
    pub(super) fn ratchet(&mut self) {
        *self = Self::expand(self.suite, &self.next);
    }

    /// A secret gives 64 bytes: the key, and the next secret.
    #[expect(clippy::expect_used, reason = "both ciphers take keys of 32 bytes")]
    fn expand(suite: Suite, secret: &[u8; 32]) -> Self {
        let derived = Label::ChannelRatchet.derive::<64>(&[], secret, &[]);
        let (key, secret) = derived.split_at(32);
        let mut next = Zeroizing::new([0; 32]);
        next.copy_from_slice(secret);
        let cipher = UnboundKey::new(algorithm(suite), key).map(LessSafeKey::new).expect("32 bytes");
        Self { suite, cipher, next }
    }

    /// Encrypts `payload` in place and gives its tag.
    #[expect(clippy::expect_used, reason = "a payload of at most 64 KiB is within both ciphers' limits")]
    pub(super) fn seal(
        &self,
        nonce: [u8; 12],
        header: &[u8; HEADER_LEN],
        payload: &mut [u8],
    ) -> [u8; TAG_LEN] {
        let tag = self
            .cipher
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(header), payload)
            .expect("at most 64 KiB are sealed at a time");
        tag.as_ref().try_into().expect("both ciphers have tags of 16 bytes")
    }

    /// Opens `body`, a ciphertext and its tag, in place.
    pub(super) fn open<'a>(
        &self,
        nonce: [u8; 12],
        header: &[u8; HEADER_LEN],
        body: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        self.cipher.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(header), body).ok()
    }
}

const fn algorithm(suite: Suite) -> &'static Algorithm {
    match suite {
        Suite::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        Suite::Aes256Gcm => &AES_256_GCM,
    }
}
