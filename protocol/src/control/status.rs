//! How a node is.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Guid, Time};
use crate::identity::{NetworkName, NodeId, NodeName, ServiceName};

/// The answer to [`Command::Status`](super::Command::Status).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The node's name, unless it is a member of no network or the caller may not know.
    pub name: Option<NodeName>,
    /// The node's id, unless the caller may not know.
    pub id: Option<NodeId>,
    /// The network's name, unless it is a member of none or the caller may not know.
    pub network: Option<NetworkName>,
    /// What the node is in its network.
    pub role: RoleName,
    /// How the node is.
    pub state: State,
    /// Its certificate, if it has one.
    pub certificate: Option<CertificateStatus>,
    /// Its authority, if it has one.
    pub authority: Option<AuthorityStatus>,
    /// The versions of what the authority signs for all.
    pub epochs: Epochs,
    /// What waits for a person.
    pub pending: Vec<Pending>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Where the node listens.
    #[serde(default)]
    pub addresses: Vec<SocketAddr>,
    /// This machine, as a network knows it: the one that was asked about, else the one that the node is a member of,
    /// asks to join, or was turned away by last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guid: Option<Guid>,
    /// The services that guests may use by a password.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guests: Vec<ServiceName>,
}

/// What a node is in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    /// It enrols others.
    Authority,
    /// It has a certificate.
    Member,
    /// It has none.
    None,
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It runs.
    Running,
    /// It waits to be admitted.
    Waiting,
    /// Its certificate has ended.
    Expired,
    /// Its certificate was revoked.
    Revoked,
}

/// A certificate in a [`Status`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// The serial number: hexadecimal digits.
    pub serial: String,
    /// When it ends.
    pub not_after: Time,
}

/// The authority in a [`Status`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityStatus {
    /// Whether there is a certified connection to it now.
    pub reachable: bool,
    /// When there last was one.
    pub last_seen: Option<Time>,
}

/// The versions of what the authority signs for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epochs {
    /// The policy's version.
    pub policy: u64,
    /// The revocation list's version.
    pub revocations: u64,
}

/// Something that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What it is: `offer` (a file), `request` (a node that asks this authority), `join` (this node's own request).
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Who or what it is about.
    pub name: String,
    /// Its fingerprint words, where it has any.
    pub fingerprint: Option<String>,
}
