//! What a node is asked about sealed files: their headers, for which its keys are needed. The contents never pass
//! through it.

use serde::{Deserialize, Serialize};

use super::{PeerRef, RoleName, Time};
use crate::identity::{EntityName, NetworkName, NodeId, NodeName, PublicKey, Secret};

/// Asks for the header of a file to seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderToSeal {
    /// To whom: 1 to 64, the node itself among them if it shall be able to open the file.
    pub to: Vec<PeerRef>,
}

/// The answer to a [`HeaderToSeal`]. It opens the file: it is for the owner's eyes, and to be forgotten when the file
/// is written.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedHeader {
    /// What the file begins with, in base64.
    #[serde(with = "base64")]
    pub header: Vec<u8>,
    /// The key that encrypts the content.
    pub key: Secret,
    /// The seed of the key that signs its chunks.
    pub signer: Secret,
}

/// Asks what a sealed file's header says, and for the keys of its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderToOpen {
    /// What the file begins with, in base64.
    #[serde(with = "base64")]
    pub header: Vec<u8>,
}

/// The answer to a [`HeaderToOpen`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedHeader {
    /// The name of the node that sealed it.
    pub name: NodeName,
    /// Its id.
    pub id: NodeId,
    /// Its entity.
    pub entity: EntityName,
    /// Its network, which is this node's.
    pub network: NetworkName,
    /// What it was to the network then.
    pub role: RoleName,
    /// When it sealed it, by its own word alone.
    pub sealed_at: Time,
    /// When the certificate that it had then ends, or has ended.
    pub not_after: Time,
    /// Whether that certificate has ended.
    pub expired: bool,
    /// To whom it was sealed.
    pub receivers: Vec<NodeId>,
    /// The key that encrypts the content.
    pub key: Secret,
    /// The public half of the key that signs its chunks.
    pub signer: PublicKey,
}

/// Bytes as base64 (RFC 4648, section 4).
mod base64 {
    use data_encoding::BASE64;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        BASE64.decode(String::deserialize(deserializer)?.as_bytes()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn keys_and_headers_are_text_in_json() {
        let secret = |byte: u8| Secret::new(Zeroizing::new([byte; 32]));
        let answer = SealedHeader { header: vec![0, 255], key: secret(0xab), signer: secret(1) };
        let json = serde_json::to_string(&answer).unwrap();
        let (key, signer) = ("ab".repeat(32), "01".repeat(32));
        assert_eq!(json, format!(r#"{{"header":"AP8=","key":"{key}","signer":"{signer}"}}"#));
        assert_eq!(serde_json::from_str::<SealedHeader>(&json).unwrap(), answer);
        for bad in [&key[2..], &key.to_uppercase(), "", &format!("{key}ab")] {
            assert!(serde_json::from_str::<Secret>(&format!("{bad:?}")).is_err(), "{bad}");
        }
        assert!(!format!("{answer:?}").contains("171"), "no secret is printed");
    }
}
