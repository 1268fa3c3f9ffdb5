//! A network is made, joined, and left.

use serde::{Deserialize, Serialize};

use super::{Admission, Password, PeerRef, RoleName, Time};
use crate::identity::{Fingerprint, NetworkName, NodeId, NodeName};

/// Asks for a new network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Init {
    /// The network's name.
    pub network: NetworkName,
    /// This node's name in it.
    pub name: NodeName,
    /// How strangers get in.
    #[serde(default)]
    pub admission: Admission,
    /// The network's password, which a rule with `password` in it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// Takes the password also if it is weak.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub weak: bool,
    /// Whether people have to log in at this node before anything leaves it on their behalf, also whoever runs it.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub require_login: bool,
}

/// The answer to [`Command::Init`](super::Command::Init).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Initialised {
    /// The network's name.
    pub network: NetworkName,
    /// This node's name in it.
    pub name: NodeName,
    /// This node's id.
    pub id: NodeId,
    /// The pin of the network's CA key.
    pub fingerprint: Fingerprint,
    /// How strangers get in.
    pub admission: Admission,
}

/// Asks for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// What the node was given, in the text that a person passes on: a code `7-harbour-violet`, a URI, or nothing
    /// for open admission.
    pub invite: Option<String>,
    /// The name that the node wants.
    pub name: NodeName,
    /// The network to join, where several are in sight.
    pub network: Option<NetworkName>,
    /// The network's password. It admits; it does not say who the authority is, for every member knows it. So it
    /// wants a URI or a code beside it, or `trust_first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// Tries the password at the one network in sight, without a pin.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub trust_first: bool,
    /// Takes the words that are to be compared for the same.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub yes: bool,
    /// Asks to take the place of the node that has the name, as a machine does that was set up anew. The authority's
    /// owner has to approve that, whatever the rule.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub replace: bool,
}

impl Join {
    /// Asks for a certificate with what was given, and for nothing out of the ordinary.
    #[must_use]
    pub const fn new(invite: Option<String>, name: NodeName, network: Option<NetworkName>) -> Self {
        Self { invite, name, network, password: None, trust_first: false, yes: false, replace: false }
    }
}

/// The answer to [`Command::Join`](super::Command::Join): the certificate is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The network's name.
    pub network: NetworkName,
    /// This node's name in it.
    pub name: NodeName,
    /// This node's id.
    pub id: NodeId,
    /// The pin of the network's CA key.
    pub fingerprint: Fingerprint,
    /// Whether the pin was known beforehand, by a URI or a code, or people have compared the words; otherwise it was
    /// trusted on first use.
    pub pinned: bool,
    /// When the certificate ends.
    pub not_after: Time,
}

/// Asks for an invite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteRequest {
    /// How many nodes may join with it: 1 to 1,000.
    pub uses: u32,
    /// For how long, in seconds: 10 s to 7 days.
    pub ttl_s: u64,
}

/// The answer to [`Command::Invite`](super::Command::Invite). Both forms are one invite: what one uses up, the other
/// has no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// The code that a person types.
    pub code: String,
    /// The URI that a person copies.
    pub uri: String,
    /// When it ends.
    pub expires: Time,
    /// How many nodes may join with it.
    pub uses: u32,
}

/// The answer to [`Command::Certificates`](super::Command::Certificates).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificates {
    /// This node's certificate in PEM (RFC 7468).
    pub certificate: String,
    /// The network's CA certificate in PEM.
    pub ca: String,
    /// The pin of the CA key.
    pub fingerprint: Fingerprint,
    /// The SPIFFE id in the certificate.
    pub spiffe_id: String,
    /// Its serial number: hexadecimal digits.
    pub serial: String,
    /// What the node is in its network.
    pub role: RoleName,
    /// When it begins.
    pub not_before: Time,
    /// When it ends.
    pub not_after: Time,
}

/// Asks for a membership to be taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoke {
    /// Whose.
    pub peer: PeerRef,
    /// For how long to wait for the others to confirm that they know, in milliseconds; 0 waits for nobody.
    #[serde(default)]
    pub wait_ms: u64,
    /// Why, for those who read the log: at most 200 characters of it are kept.
    #[serde(default)]
    pub reason: Option<String>,
}

/// The answer to [`Command::Revoke`](super::Command::Revoke): the membership has ended, here and at those who have
/// confirmed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Whose: its name, or the beginning of its id.
    pub peer: String,
    /// How many members were connected.
    pub live: u32,
    /// How many of them have confirmed.
    pub confirmed: u32,
    /// After how long the last of them did, in milliseconds.
    pub last_ms: Option<u64>,
    /// Those that have not.
    pub missing: Vec<String>,
    /// Members that were not connected. They are told when they come back, and by whoever meets them before.
    pub offline: Vec<String>,
}
