//! What a node is asked from its own host, and what it answers: plain data, the body of the local API.
//!
//! The shapes are a contract with scripts: fields may be added, never renamed. Times are RFC 3339 in UTC.

mod admission;
mod envelope;
mod failure;
mod guest;
mod membership;
mod peer;
mod people;
mod policy;
mod reference;
mod service;
mod state;
mod status;
mod time;
mod tool;
mod why;

pub use self::admission::{
    AddGuid, Admission, AdmissionError, AdmissionStatus, ConfirmJoin, Decision, Guid, GuidRow, MachineId,
    Mode, Modes, Password, PasswordError, PasswordStatus, RequestRow, STRENGTH_MIN, SetPassword,
};
pub use self::envelope::{HeaderToOpen, HeaderToSeal, OpenedHeader, SealedHeader};
pub use self::failure::{Code, Failure};
pub use self::guest::{GuestPassword, GuestStatus, SetGuest, Visit};
pub use self::membership::{
    Certificates, Init, Initialised, Invite, InviteRequest, Join, Joined, Revoke, Revoked,
};
pub use self::peer::{Peer, PeerCertificate, PeerState, Pong, RevokedTicket, Ticket, TicketKind};
pub use self::people::{ChangeUser, ListUsers, LogIn, UserChange, UserChanged, Users, WhoAmI};
pub use self::policy::{ApplyPolicy, DecisionName, ExplainPolicy, Explained, PolicyShown};
pub use self::reference::{PeerRef, ServiceRef};
pub use self::service::{
    Expose, Exposed, FolderEntry, FolderItem, Forward, ForwardEvent, HostPort, HostPortError, Listing, Target,
};
pub use self::state::{ExportState, Exported, Passphrase};
pub use self::status::{AuthorityStatus, CertificateStatus, Epochs, Pending, RoleName, State, Status};
pub use self::time::Time;
pub use self::tool::{ChatLine, ChatSend, ChatSent, ChatState, Decide, Receive, SendFile, TransferEvent};
pub use self::why::{AskWhy, Link, LinkName, Onward, Walk, Walked};
use crate::identity::NetworkName;
use crate::people::{Actor, Seat};

/// Who asks on the local socket. Decided from the peer credentials of the socket, never from what it sends.
///
/// Administering a node is one thing, and acting on behalf of a person another: for that it matters who has logged in
/// at the caller's [`Seat`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The uid that runs the node: it administers this node.
    Owner(Seat),
    /// Any other uid: without a log-in it sees a status without names and nothing else.
    Other(Seat),
}

impl Caller {
    /// The node itself.
    pub const NODE: Self = Self::Owner(Seat::NODE);

    /// Where the caller sits.
    #[must_use]
    pub const fn seat(self) -> Seat {
        match self {
            Self::Owner(seat) | Self::Other(seat) => seat,
        }
    }

    /// Whether the caller administers the node.
    #[must_use]
    pub const fn is_owner(self) -> bool {
        matches!(self, Self::Owner(_))
    }
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
    /// How the node is, and what this machine is called in the network with this name, which it need not have seen.
    StatusIn(NetworkName),
    /// Who was seen.
    Peers,
    /// One round trip to a certified peer.
    Ping(PeerRef),
    /// Who a peer is.
    Whois(PeerRef),
    /// Get a ticket, or return the one that is held.
    GetTicket(ServiceRef),
    /// The tickets that are held, and those that were minted since the node's start.
    Tickets,
    /// End the ticket with this id, which is held or was minted here.
    RevokeTicket(String),
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
    /// Who may do what.
    Policy,
    /// From now on this is who may do what.
    ApplyPolicy(ApplyPolicy),
    /// What policy decides for somebody, and why.
    ExplainPolicy(ExplainPolicy),
    /// Why a service can be used, or cannot.
    Why(AskWhy),
    /// Log in at the caller's seat.
    LogIn(LogIn),
    /// Log out there.
    LogOut,
    /// Who is logged in there.
    WhoAmI,
    /// On whose behalf the caller acts.
    Actor,
    /// Whether that may use a service, as far as this node decides: the answer is the actor, or why not.
    MayUse(Actor, ServiceRef),
    /// The users of a directory.
    Users(ListUsers),
    /// Change a user.
    ChangeUser(ChangeUser),
    /// Let guests use a service by a password, or not any more.
    SetGuest(SetGuest),
    /// How the services stand that have a password for guests.
    Guests,
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
    /// To [`Command::Status`] and [`Command::StatusIn`].
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
    /// To [`Command::RevokeTicket`].
    TicketRevoked(RevokedTicket),
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
    /// To [`Command::Policy`] and [`Command::ApplyPolicy`].
    Policy(PolicyShown),
    /// To [`Command::ExplainPolicy`].
    Explained(Explained),
    /// To [`Command::Why`].
    Why(Box<Walked>),
    /// To [`Command::LogIn`], [`Command::LogOut`] and [`Command::WhoAmI`].
    WhoAmI(WhoAmI),
    /// To [`Command::Actor`] and [`Command::MayUse`].
    Actor(Actor),
    /// To [`Command::Users`].
    Users(Users),
    /// To [`Command::ChangeUser`].
    UserChanged(UserChanged),
    /// To [`Command::Guests`] and [`Command::SetGuest`].
    Guests(Vec<GuestStatus>),
}
