//! Public keys and the signatures that they verify.

use core::fmt;

use data_encoding::HEXLOWER;
use ed25519_dalek::VerifyingKey;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::KeyError;
use crate::codec;
use crate::label::Label;

/// An Ed25519 public key that is on the curve and not of small order (RFC 8032).
///
/// Its 32 bytes on the wire, its digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub(super) [u8; 32]);

impl PublicKey {
    /// The key's 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Verifies `signature` over `value` for `purpose`, strictly: the canonical equation, no small-order point.
    ///
    /// # Errors
    /// [`KeyError::Signature`].
    pub fn verify<T: Serialize>(
        &self,
        purpose: Label,
        value: &T,
        signature: &Signature,
    ) -> Result<(), KeyError> {
        self.verify_bytes(&signing_input(purpose, value), signature)
    }

    /// Verifies a signature over bytes that have a format of their own, as a certificate request has.
    ///
    /// # Errors
    /// [`KeyError::Signature`].
    pub(crate) fn verify_bytes(&self, bytes: &[u8], signature: &Signature) -> Result<(), KeyError> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| KeyError::PublicKey)?;
        key.verify_strict(bytes, &ed25519_dalek::Signature::from_bytes(&signature.to_bytes()))
            .map_err(|_| KeyError::Signature)
    }
}

impl TryFrom<[u8; 32]> for PublicKey {
    type Error = KeyError;

    fn try_from(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::PublicKey)?;
        if key.is_weak() || key.to_bytes() != bytes { Err(KeyError::PublicKey) } else { Ok(Self(bytes)) }
    }
}

impl From<PublicKey> for [u8; 32] {
    fn from(key: PublicKey) -> Self {
        key.0
    }
}

impl core::str::FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| KeyError::PublicKey)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::PublicKey)?;
        Self::try_from(bytes)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse()
        } else {
            <[u8; 32]>::deserialize(deserializer)?.try_into()
        };
        key.map_err(D::Error::custom)
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// An Ed25519 signature, unchecked until [`PublicKey::verify`] says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    r: [u8; 32],
    s: [u8; 32],
}

impl Signature {
    /// The 64 bytes `R ‖ S` of RFC 8032.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.r);
        bytes[32..].copy_from_slice(&self.s);
        bytes
    }
}

impl From<[u8; 64]> for Signature {
    fn from(bytes: [u8; 64]) -> Self {
        let mut signature = Self { r: [0; 32], s: [0; 32] };
        signature.r.copy_from_slice(&bytes[..32]);
        signature.s.copy_from_slice(&bytes[32..]);
        signature
    }
}

/// `label ‖ 0x00 ‖ encoding`: what a signature over `value` signs. Built here and nowhere else.
pub(super) fn signing_input<T: Serialize>(purpose: Label, value: &T) -> Vec<u8> {
    let mut bytes = purpose.as_str().as_bytes().to_vec();
    bytes.push(0);
    codec::encode_behind(&bytes, value)
}
