//! Other nodes, and the tickets for what they provide.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Time;
use crate::identity::{EntityName, NodeId, NodeName, ServiceName};

/// One row of the answer to [`Command::Peers`](super::Command::Peers).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// Its name, once its certificate has been seen.
    pub name: Option<NodeName>,
    /// Its id.
    pub id: NodeId,
    /// Its entity, once its certificate has been seen.
    pub entity: Option<EntityName>,
    /// What is known of it.
    pub state: PeerState,
    /// Where it was seen.
    pub addresses: Vec<SocketAddr>,
    /// The last round trip, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// When its certificate ends.
    pub not_after: Option<Time>,
}

/// What is known of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// It was seen on the network.
    Seen,
    /// It has shown its certificate.
    Certified,
    /// It has shown its certificate and is connected.
    Connected,
    /// Its certificate has ended.
    Expired,
    /// Its certificate was revoked.
    Revoked,
}

/// The answer to [`Command::Ping`](super::Command::Ping).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pong {
    /// Who answered.
    pub name: NodeName,
    /// Its id.
    pub id: NodeId,
    /// The round trip, in milliseconds.
    pub rtt_ms: f64,
}

/// The answer to [`Command::CertificateOf`](super::Command::CertificateOf).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerCertificate {
    /// The certificate in PEM (RFC 7468).
    pub certificate: String,
}

/// On which side of a ticket a node stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketKind {
    /// The node may use it.
    #[default]
    Held,
    /// The node provides the service, and has minted it.
    Minted,
}

/// A ticket, as its holder or its provider sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id: 32 hexadecimal digits.
    pub id: String,
    /// Whether this node holds it or has minted it.
    #[serde(default)]
    pub kind: TicketKind,
    /// The service.
    pub service: ServiceName,
    /// Who provides the service: a name, or the beginning of an id where no name is known.
    pub provider: String,
    /// Who may use it, in the same way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// On whose behalf it was asked for, if anybody's.
    pub user: Option<String>,
    /// When it begins.
    pub not_before: Time,
    /// When it ends.
    pub expires: Time,
    /// Whether it was taken back, as far as this node knows.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub revoked: bool,
}

/// The answer to [`Command::RevokeTicket`](super::Command::RevokeTicket).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedTicket {
    /// The ticket. If this node held it, it holds it no more.
    #[serde(flatten)]
    pub ticket: Ticket,
    /// Whether its provider refuses it from now on. Otherwise the provider could not be told, and the ticket is good
    /// there until its end, for whoever has a copy of it.
    pub confirmed: bool,
}
