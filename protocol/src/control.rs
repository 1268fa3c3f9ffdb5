//! What a node is asked from its own host, and what it answers: plain data, the body of the local API.
//!
//! The shapes are a contract with scripts: fields may be added, never renamed. Times are RFC 3339 in UTC.

mod admission;
mod envelope;
mod reference;
mod state;
mod tool;

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use self::admission::{
    AddGuid, Admission, AdmissionError, AdmissionStatus, ConfirmJoin, Decision, Guid, GuidRow, MachineId,
    Mode, Modes, Password, PasswordError, PasswordStatus, RequestRow, STRENGTH_MIN, SetPassword,
};
pub use self::envelope::{HeaderToOpen, HeaderToSeal, OpenedHeader, SealedHeader};
pub use self::reference::{PeerRef, ServiceRef};
pub use self::state::{ExportState, Exported, Passphrase};
pub use self::tool::{ChatLine, ChatSend, ChatSent, ChatState, Decide, Receive, SendFile, TransferEvent};
use crate::identity::{EntityName, Fingerprint, NetworkName, NodeId, NodeName, ServiceName};
use crate::time::Timestamp;

/// A time that is written as RFC 3339 text in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(pub Timestamp);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(|error| error.to_string())?;
        let millis =
            u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|error| error.to_string())?;
        Ok(Self(Timestamp::from_millis(millis)))
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.0.to_string()
    }
}

/// Why a command was not carried out, as its user is told: what happened, then what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure it is.
    pub code: Code,
    /// What happened, in one line.
    pub message: String,
    /// What to do about it, in one line.
    pub remedy: String,
    /// The rule by which the other side admits, where it was not met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Admission>,
}

impl Failure {
    /// A failure of kind `code`.
    pub fn new(code: Code, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, message: message.into(), remedy: remedy.into(), rule: None }
    }
}

/// The kinds of failure. Each is an exit code of the command line and a status of the local API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// It could not be done.
    Failed,
    /// It was asked wrongly.
    Usage,
    /// No node is running.
    NotRunning,
    /// Policy, admission or the other side said no.
    Denied,
    /// The other side was not reached in time.
    Unreachable,
    /// There is no such peer, ticket, service or file.
    NotFound,
    /// Data is at fault: corrupt, of the wrong hash, under the wrong key.
    Data,
    /// The user interrupted it.
    Interrupted,
}

impl Code {
    /// The exit code of a command that ends so.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotRunning => 3,
            Self::Denied => 4,
            Self::Unreachable => 5,
            Self::NotFound => 6,
            Self::Data => 7,
            Self::Interrupted => 130,
        }
    }
}

/// Who asks on the local socket. Decided from the peer credentials of the socket, never from what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The uid that runs the node: it administers this node.
    Owner,
    /// Any other uid: it sees a status without names and nothing else.
    Anonymous,
}

/// What a node is asked to do: one variant for each thing that the engine decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make this node the authority of a new network.
    Init(Init),
    /// Get a certificate from an authority.
    Join(Join),
    /// Give out an invite.
    Invite(InviteRequest),
    /// How the node is.
    Status,
    /// Who was seen.
    Peers,
    /// One round trip to a certified peer.
    Ping(PeerRef),
    /// Who a peer is.
    Whois(PeerRef),
    /// Get a ticket, or return the one that is held.
    GetTicket(ServiceRef),
    /// The tickets that are held.
    Tickets,
    /// Renew this node's certificate now.
    Renew,
    /// This node's certificate and its network's CA certificate.
    Certificates,
    /// Take a membership away.
    Revoke(Revoke),
    /// A certificate of a peer's, or of this node itself, that holds now: as it is known here, or else got from the
    /// authority.
    CertificateOf(PeerRef),
    /// How strangers get in.
    Admission,
    /// From now on they get in by this rule.
    SetAdmission(Admission),
    /// Set the network's password, and forget the wrong guesses at the old one.
    SetPassword(SetPassword),
    /// The machines on the list.
    Guids,
    /// Put a machine on the list.
    AddGuid(AddGuid),
    /// Take a machine off the list. A node that it has joined as stays a member.
    RemoveGuid(Guid),
    /// The nodes that wait for a person.
    Requests,
    /// Approve or deny one of them.
    Decide(Decision),
    /// On the joining node: whether both screens show the same words.
    ConfirmJoin(ConfirmJoin),
}

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
}

/// The answer to [`Command::Init`].
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

/// The answer to [`Command::Join`]: the certificate is installed.
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

/// The answer to [`Command::Invite`]. Both forms are one invite: what one uses up, the other has no more.
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

/// The answer to [`Command::Status`].
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
    /// This machine, as the network knows it that the node is a member of, is joining, or has in sight alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guid: Option<Guid>,
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

/// One row of the answer to [`Command::Peers`].
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

/// The answer to [`Command::Ping`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pong {
    /// Who answered.
    pub name: NodeName,
    /// Its id.
    pub id: NodeId,
    /// The round trip, in milliseconds.
    pub rtt_ms: f64,
}

/// A ticket, as its holder sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id: 32 hexadecimal digits.
    pub id: String,
    /// The service.
    pub service: ServiceName,
    /// Who provides the service: a name, or the beginning of an id where no name is known.
    pub provider: String,
    /// On whose behalf it was asked for, if anybody's.
    pub user: Option<String>,
    /// When it begins.
    pub not_before: Time,
    /// When it ends.
    pub expires: Time,
}

/// The answer to [`Command::Certificates`].
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

/// The answer to [`Command::Revoke`]: the membership has ended, here and at those who have confirmed it.
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

/// The answer to [`Command::CertificateOf`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerCertificate {
    /// The certificate in PEM (RFC 7468).
    pub certificate: String,
}

/// What a node answers to a [`Command`].
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To [`Command::Init`].
    Initialised(Initialised),
    /// To [`Command::Join`].
    Joined(Joined),
    /// To [`Command::Invite`].
    Invite(Invite),
    /// To [`Command::Status`].
    Status(Box<Status>),
    /// To [`Command::Peers`].
    Peers(Vec<Peer>),
    /// To [`Command::Ping`].
    Pong(Pong),
    /// To [`Command::Whois`].
    Peer(Box<Peer>),
    /// To [`Command::GetTicket`].
    Ticket(Ticket),
    /// To [`Command::Tickets`].
    Tickets(Vec<Ticket>),
    /// To [`Command::Certificates`] and [`Command::Renew`].
    Certificates(Box<Certificates>),
    /// To [`Command::Revoke`].
    Revoked(Revoked),
    /// To [`Command::CertificateOf`].
    CertificateOf(PeerCertificate),
    /// To [`Command::Admission`], and to what changes it.
    Admission(AdmissionStatus),
    /// To [`Command::Guids`], and to what changes them.
    Guids(Vec<GuidRow>),
    /// To [`Command::Requests`].
    Requests(Vec<RequestRow>),
    /// To [`Command::Decide`]: the request as it is now.
    Decided(Box<RequestRow>),
    /// To [`Command::ConfirmJoin`]: the words that were confirmed or refused.
    Confirmed(Pending),
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

    #[test]
    fn times_are_rfc_3339() {
        let json = serde_json::to_string(&Time(Timestamp::from_secs(0))).unwrap();
        assert_eq!(json, "\"1970-01-01T00:00:00Z\"");
        assert_eq!(serde_json::from_str::<Time>(&json).unwrap(), Time(Timestamp::from_secs(0)));
    }
}
