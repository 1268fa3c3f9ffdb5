//! Secret bytes.

use core::fmt;

use data_encoding::HEXLOWER;
use rand_core::CryptoRng;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// 32 secret bytes of no other type: a ticket's secret, a channel's key.
///
/// Zeroized on drop, cannot be copied, compared in constant time, and prints as `Secret(..)`.
///
/// Its 32 bytes in a record, their digits in JSON: the local API hands its owner the keys of a sealed file.
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// New bytes from `rng`.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(bytes)
    }

    /// The secret with these bytes.
    #[must_use]
    pub const fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The bytes, for a key derivation or a store.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&Zeroizing::new(HEXLOWER.encode(self.expose())))
        } else {
            self.expose().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Zeroizing::deserialize(deserializer).map(Self);
        }
        let refused = || D::Error::custom("not 64 lower-case hexadecimal digits");
        let digits = Zeroizing::new(String::deserialize(deserializer)?);
        let decoded = HEXLOWER.decode(digits.as_bytes()).map(Zeroizing::new).map_err(|_| refused())?;
        let mut bytes = Zeroizing::new([0; 32]);
        if decoded.len() != bytes.len() {
            return Err(refused());
        }
        bytes.copy_from_slice(&decoded);
        Ok(Self(bytes))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
