//! How a person names a peer and a service.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::identity::{NameError, NodeName, ServiceName};

/// A peer as a person names it: a node name, a full id, or an unambiguous prefix of an id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerRef(String);

impl PeerRef {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PeerRef {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        // An id is 64 digits, one more than a label may have; otherwise ids, prefixes and names look alike.
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f')) {
            return Ok(Self(text));
        }
        text.parse::<NodeName>().map(|name| Self(name.into()))
    }
}

impl From<PeerRef> for String {
    fn from(peer: PeerRef) -> Self {
        peer.0
    }
}

impl FromStr for PeerRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::try_from(text.to_owned())
    }
}

impl fmt::Display for PeerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A service at a peer: `NAME@PEER`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceRef {
    /// The service.
    pub service: ServiceName,
    /// Who provides it.
    pub peer: PeerRef,
}

impl TryFrom<String> for ServiceRef {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        let (service, peer) =
            text.split_once('@').ok_or_else(|| NameError::Service(text.chars().take(80).collect()))?;
        Ok(Self { service: service.parse()?, peer: peer.parse()? })
    }
}

impl From<ServiceRef> for String {
    fn from(service: ServiceRef) -> Self {
        service.to_string()
    }
}

impl FromStr for ServiceRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::try_from(text.to_owned())
    }
}

impl fmt::Display for ServiceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.service, self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_peer_by_name_prefix_or_id() {
        for good in ["till", "0a1b", &"a".repeat(64)] {
            assert!(good.parse::<PeerRef>().is_ok(), "{good}");
        }
        for bad in ["", "Till", "a b", &"g".repeat(64), &"a".repeat(65)] {
            assert!(bad.parse::<PeerRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_a_service_at_a_peer() {
        assert_eq!(
            "chat@bob".parse::<ServiceRef>().map(|service| service.to_string()),
            Ok("chat@bob".to_owned())
        );
        for bad in ["chat", "@bob", "chat@", "chat@bob@x", "CHAT@bob"] {
            assert!(bad.parse::<ServiceRef>().is_err(), "{bad}");
        }
    }
}
