//! Networks by their CA key.

use core::fmt;

use data_encoding::HEXLOWER;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{NameError, PublicKey};
use crate::label::Digest;

/// A network's pin: the SHA-256 of its first CA certificate's SubjectPublicKeyInfo (RFC 7469's form of pin).
///
/// Two networks with the same name are told apart by it, and a joiner that was given it out of band believes
/// no other authority.
///
/// Its 32 bytes on the wire, its digits in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub Digest);

impl Fingerprint {
    /// The pin of an Ed25519 CA key.
    #[must_use]
    pub fn of(key: &PublicKey) -> Self {
        let mut spki = ED25519_SPKI_PREFIX.to_vec();
        spki.extend_from_slice(key.as_bytes());
        Self(Digest::of(&spki))
    }
}

/// The DER of an Ed25519 SubjectPublicKeyInfo up to the key itself (RFC 8410, section 4).
const ED25519_SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            Digest::deserialize(deserializer).map(Self)
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::str::FromStr for Fingerprint {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bytes = HEXLOWER.decode(text.to_ascii_lowercase().as_bytes()).ok();
        let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(|bytes| Self(Digest(bytes)))
            .ok_or_else(|| NameError::Fingerprint(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::CaKey;

    #[test]
    fn fingerprint_is_the_hash_of_the_public_key_info() {
        let key = CaKey::from_seed(&[7; 32]).public_key();
        let text = Fingerprint::of(&key).to_string();
        assert_eq!(text.parse(), Ok(Fingerprint::of(&key)));
        assert_eq!(text.to_uppercase().parse(), Ok(Fingerprint::of(&key)));
        assert!("12".parse::<Fingerprint>().is_err());
    }
}
