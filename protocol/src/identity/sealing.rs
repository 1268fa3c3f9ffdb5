//! The key pair to which others seal.

use core::fmt;

use data_encoding::HEXLOWER;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use super::KeyError;

/// The public half of a sealing key: an X25519 public key (RFC 7748), any 32 bytes.
///
/// Whether an exchange with it is contributory is known only once it is made: see [`SealingKey::agree`]. A certificate
/// has none with which it never is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SealingPublicKey(pub [u8; 32]);

/// The encodings below 2^255 of the X25519 points whose order divides eight, which give every exchange the result
/// zero: 0, 1, the two of order eight, and the prime and its neighbours, which stand for -1, 0 and 1.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    small_order(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    small_order(0xec, 0xff, 0x7f),
    small_order(0xed, 0xff, 0x7f),
    small_order(0xee, 0xff, 0x7f),
];

const fn small_order(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

impl SealingPublicKey {
    /// The key's 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether no exchange with this key can succeed. The highest bit does not count (RFC 7748, section 5).
    pub(crate) fn has_small_order(&self) -> bool {
        let mut point = self.0;
        point[31] &= 0x7f;
        SMALL_ORDER.contains(&point)
    }
}

impl fmt::Debug for SealingPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingPublicKey({})", HEXLOWER.encode(&self.0))
    }
}

/// The secret half of an X25519 key pair, to which others seal.
///
/// Zeroized on drop, cannot be copied, and prints as `SealingKey(..)`.
pub struct SealingKey(StaticSecret);

impl SealingKey {
    /// A new key from `rng`.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self::from_bytes(&bytes)
    }

    /// The key with these bytes, clamped when used (RFC 7748, section 5).
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(StaticSecret::from(*bytes))
    }

    /// The key's bytes, for the node's store. Whoever holds them opens what is sealed to the node.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> SealingPublicKey {
        SealingPublicKey(x25519_dalek::PublicKey::from(&self.0).to_bytes())
    }

    /// X25519 with `peer`'s public key (RFC 7748, section 6.1).
    ///
    /// # Errors
    /// [`KeyError::NonContributory`] if the result is all zeros, which gives away nothing and proves nothing.
    pub fn agree(&self, peer: &SealingPublicKey) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let shared = self.0.diffie_hellman(&x25519_dalek::PublicKey::from(peer.0));
        if shared.was_contributory() {
            Ok(Zeroizing::new(shared.to_bytes()))
        } else {
            Err(KeyError::NonContributory)
        }
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7748, section 6.1.
    #[test]
    fn sealing_key_follows_rfc_7748() {
        let bytes = |hex: &[u8]| -> [u8; 32] { HEXLOWER.decode(hex).unwrap().try_into().unwrap() };
        let bob = SealingKey::from_bytes(&bytes(
            b"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        ));
        let bob_public = bytes(b"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        assert_eq!(bob.public_key(), SealingPublicKey(bob_public));
        let alice_public = bytes(b"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        let shared = bytes(b"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!(bob.agree(&SealingPublicKey(alice_public)).as_deref(), Ok(&shared));
    }

    /// B10: an all-zero shared secret is refused.
    #[test]
    fn refuses_non_contributory_exchanges() {
        let key = SealingKey::from_bytes(&[7; 32]);
        assert_eq!(key.agree(&SealingPublicKey([0; 32])).map(|_| ()), Err(KeyError::NonContributory));
    }
}
