//! Nodes by their identity.

use core::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::{KeyError, PublicKey};

/// A node's identity: the public half of its identity key.
///
/// Whoever is connected to a node knows this for certain; a name is believed only from a certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(PublicKey);

impl NodeId {
    /// The node whose identity key has this public half.
    #[must_use]
    pub const fn new(key: PublicKey) -> Self {
        Self(key)
    }

    /// The public half of the node's identity key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.0
    }

    /// The key's 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The digits of [`NodeId::short`].
    pub const SHORT_DIGITS: usize = 8;

    /// The first eight digits, for people to tell nodes apart; never for a decision.
    #[must_use]
    pub fn short(&self) -> String {
        HEXLOWER.encode(&self.as_bytes()[..Self::SHORT_DIGITS / 2])
    }
}

impl TryFrom<[u8; 32]> for NodeId {
    type Error = KeyError;

    fn try_from(bytes: [u8; 32]) -> Result<Self, KeyError> {
        PublicKey::try_from(bytes).map(Self)
    }
}

impl core::str::FromStr for NodeId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        text.parse().map(Self)
    }
}

/// The full id: 64 lower-case hexadecimal digits.
impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", self.short())
    }
}

/// The ids that begin with the hexadecimal digits `prefix`, as bytes, or nothing if those are not digits of an id.
pub(crate) fn id_range(prefix: &str) -> Option<core::ops::RangeInclusive<[u8; 32]>> {
    let bound = |fill: &str| -> Option<[u8; 32]> {
        let digits = format!("{prefix}{}", fill.repeat(64_usize.checked_sub(prefix.len())?));
        HEXLOWER.decode(digits.as_bytes()).ok()?.try_into().ok()
    };
    Some(bound("0")?..=bound("f")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentityKey;

    /// B10: points of small order are no identities.
    #[test]
    fn refuses_small_order_identities() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(NodeId::try_from(identity), Err(KeyError::PublicKey));
        assert_eq!(NodeId::try_from([0; 32]), Err(KeyError::PublicKey));
    }

    #[test]
    fn a_prefix_selects_the_ids_that_begin_with_it() {
        let id = *IdentityKey::from_seed(&[7; 32]).node_id().as_bytes();
        let text = HEXLOWER.encode(&id);
        for prefix in ["", &text[..1], &text[..7], &text] {
            assert!(id_range(prefix).is_some_and(|range| range.contains(&id)), "{prefix}");
        }
        let other = if text.starts_with('0') { "1" } else { "0" };
        assert!(id_range(other).is_some_and(|range| !range.contains(&id)));
        assert!(id_range("till").is_none() && id_range(&"0".repeat(65)).is_none());
    }
}
