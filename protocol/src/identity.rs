//! Who a node is: its two key pairs, and the names that people give to nodes, networks and services.
//!
//! A node has an Ed25519 *identity key*, which is its [`NodeId`] and its libp2p identity, and an X25519
//! *sealing key*, to which certificates, tickets and files are sealed. A network has an authority with an
//! Ed25519 *CA key* of its own, which is never a node's identity.

mod fingerprint;
mod name;
mod node_id;
mod public_key;
mod sealing;
mod secret;
mod signing;
mod ticket_id;

use rand_core::CryptoRng;

pub use self::fingerprint::Fingerprint;
pub use self::name::{
    EntityName, NameError, NetworkName, NodeName, PersonName, ServiceName, UserName, UserRole,
};
pub use self::node_id::NodeId;
pub(crate) use self::node_id::id_range;
pub use self::public_key::{PublicKey, Signature};
pub use self::sealing::{SealingKey, SealingPublicKey};
pub use self::secret::Secret;
pub use self::signing::{CaKey, ContentKey, IdentityKey};
pub use self::ticket_id::{NoTicketId, TicketId};

/// A key or a signature that cannot be right, whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a point on the curve, or one of small order.
    #[error("not a usable Ed25519 public key")]
    PublicKey,
    /// The signature does not fit the key, the purpose and the bytes.
    #[error("the signature does not verify")]
    Signature,
    /// An X25519 exchange gave all zeros: the other side's point has small order (RFC 7748, section 6.1).
    #[error("the key exchange is non-contributory")]
    NonContributory,
}

/// A node's two key pairs.
#[derive(Debug)]
pub struct NodeKeys {
    /// The identity key.
    pub identity: IdentityKey,
    /// The sealing key.
    pub sealing: SealingKey,
}

impl NodeKeys {
    /// New keys from `rng`.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { identity: IdentityKey::generate(rng), sealing: SealingKey::generate(rng) }
    }

    /// The node whose keys these are.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.identity.node_id()
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::codec;

    /// G6: a secret never prints itself.
    #[test]
    fn secrets_print_nothing() {
        let secret = Secret::new(Zeroizing::new([0x41; 32]));
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(format!("{:?}", IdentityKey::from_seed(&[0x41; 32])), "IdentityKey(..)");
        assert_eq!(format!("{:?}", SealingKey::from_bytes(&[0x41; 32])), "SealingKey(..)");
        assert_eq!(format!("{:?}", CaKey::from_seed(&[0x41; 32])), "CaKey(..)");
    }

    #[test]
    fn ids_and_fingerprints_are_digits_in_json_and_bytes_on_the_wire() {
        let id = IdentityKey::from_seed(&[7; 32]).node_id();
        let pin = Fingerprint::of(id.public_key());
        let json = serde_json::to_string(&(id, pin)).unwrap();
        assert_eq!(json, format!("[\"{id}\",\"{pin}\"]"));
        assert_eq!(serde_json::from_str::<(NodeId, Fingerprint)>(&json).unwrap(), (id, pin));
        assert!(serde_json::from_str::<NodeId>(&format!("\"{}\"", "0".repeat(64))).is_err());
        assert_eq!(codec::encode(&(id, pin)).len(), 64);
    }
}
