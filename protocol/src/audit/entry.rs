//! One thing that a node has decided.

use core::fmt;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::control::{DecisionName, Time};
use crate::identity::NodeId;
use crate::time::Timestamp;

/// Characters of a reason: two sentences.
const REASON_MAX: usize = 300;

/// Characters of what it was about: a service and the longest name of its provider.
const ABOUT_MAX: usize = 160;

/// Characters of somebody's name: what a label has at most.
const NAME_MAX: usize = 63;

/// What was decided: a closed list, so that whoever filters a log knows all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A node got a certificate of this authority, the first or a new one.
    Admitted,
    /// A node was not let in.
    AdmissionRefused,
    /// A person let a node in that had asked.
    RequestApproved,
    /// A person turned a node away that had asked.
    RequestDenied,
    /// The rule by which strangers get in was changed.
    AdmissionChanged,
    /// An invite was given out.
    InviteMade,
    /// The network's password was set.
    PasswordChanged,
    /// A machine was put on the list.
    GuidAdded,
    /// A machine was taken off the list.
    GuidRemoved,
    /// A membership was taken away, here or as another node told.
    Revoked,
    /// From then on the node went by another policy.
    PolicyApplied,
    /// A member got a ticket for a service of this node's.
    TicketMinted,
    /// This node got a ticket for a service of a member's.
    TicketReceived,
    /// Somebody got no ticket: here, or this node elsewhere.
    TicketRefused,
    /// A ticket was ended before its time.
    TicketRevoked,
    /// A person has logged in.
    LoggedIn,
    /// A person has logged out.
    LoggedOut,
    /// Somebody was not logged in.
    LoginRefused,
    /// A user was added, removed or given another password.
    UserChanged,
    /// A role was given to somebody or taken away.
    RoleChanged,
    /// A service was offered from then on.
    Exposed,
    /// A service was not offered any more.
    Unexposed,
    /// This node became a member of a network.
    MembershipGained,
    /// This node's membership was taken away.
    MembershipLost,
    /// A clock is wrong, or is right again.
    ClockFault,
    /// What was decided before could not be written to the store.
    NotKept,
    /// Records are missing here, because they could not be written.
    LogGap,
    /// The oldest records gave way to new ones.
    LogDropped,
    /// What a crash had left behind the last record was cut off, or the log had been damaged.
    LogMended,
}

impl What {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::AdmissionRefused => "admission_refused",
            Self::RequestApproved => "request_approved",
            Self::RequestDenied => "request_denied",
            Self::AdmissionChanged => "admission_changed",
            Self::InviteMade => "invite_made",
            Self::PasswordChanged => "password_changed",
            Self::GuidAdded => "guid_added",
            Self::GuidRemoved => "guid_removed",
            Self::Revoked => "revoked",
            Self::PolicyApplied => "policy_applied",
            Self::TicketMinted => "ticket_minted",
            Self::TicketReceived => "ticket_received",
            Self::TicketRefused => "ticket_refused",
            Self::TicketRevoked => "ticket_revoked",
            Self::LoggedIn => "logged_in",
            Self::LoggedOut => "logged_out",
            Self::LoginRefused => "login_refused",
            Self::UserChanged => "user_changed",
            Self::RoleChanged => "role_changed",
            Self::Exposed => "exposed",
            Self::Unexposed => "unexposed",
            Self::MembershipGained => "membership_gained",
            Self::MembershipLost => "membership_lost",
            Self::ClockFault => "clock_fault",
            Self::NotKept => "not_kept",
            Self::LogGap => "log_gap",
            Self::LogDropped => "log_dropped",
            Self::LogMended => "log_mended",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who it was: as much as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The node that asked, by its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// What the network calls that node, or it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The person who was logged in there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The user of one node's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Of somebody at this host: the uid that the kernel told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

impl Actor {
    /// The node with this key.
    #[must_use]
    pub fn node(node: NodeId, name: Option<impl ToString>) -> Self {
        let name = name.map(|name| bounded(&name.to_string(), NAME_MAX));
        Self { node: Some(node), name, ..Self::default() }
    }
}

/// From where it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Origin {
    /// From nowhere: the node did it by itself.
    Node,
    /// Over the socket of this host.
    Local,
    /// Over the network.
    Remote(SocketAddr),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("node"),
            Self::Local => f.write_str("local"),
            Self::Remote(address) => address.fmt(f),
        }
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

impl TryFrom<String> for Origin {
    type Error = core::net::AddrParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "node" => Ok(Self::Node),
            "local" => Ok(Self::Local),
            address => address.parse().map(Self::Remote),
        }
    }
}

/// One thing that was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, by the node's clock.
    pub at: Time,
    /// What.
    pub what: What,
    /// How.
    pub decision: DecisionName,
    /// By whom it was asked or done.
    pub who: Actor,
    /// From where.
    pub from: Origin,
    /// Of what: a node, a service and its provider, a version.
    pub about: String,
    /// Why, or within which bounds.
    pub reason: String,
    /// How many more of the same are not written one by one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Entry {
    /// What the node did or allowed by itself at `at`, about nothing yet.
    #[must_use]
    pub fn new(at: Timestamp, what: What) -> Self {
        Self {
            at: Time(at),
            what,
            decision: DecisionName::Allow,
            who: Actor::default(),
            from: Origin::Node,
            about: String::new(),
            reason: String::new(),
            more: 0,
        }
    }

    /// The same as a refusal.
    #[must_use]
    pub fn denied(self) -> Self {
        Self { decision: DecisionName::Deny, ..self }
    }

    /// The same as somebody's doing.
    #[must_use]
    pub fn by(self, who: Actor, from: Origin) -> Self {
        Self { who, from, ..self }
    }

    /// The same, about that; what is longer than such a thing is cut.
    #[must_use]
    pub fn about(self, about: impl ToString) -> Self {
        Self { about: bounded(&about.to_string(), ABOUT_MAX), ..self }
    }

    /// The same, for that reason; what is longer is cut.
    #[must_use]
    pub fn because(self, reason: impl ToString) -> Self {
        Self { reason: bounded(&reason.to_string(), REASON_MAX), ..self }
    }
}

/// At most so many characters of a text, none of which steers a terminal: others may have written it.
fn bounded(text: &str, most: usize) -> String {
    text.chars().take(most).map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentityKey;

    fn entry() -> Entry {
        let who = Actor::node(IdentityKey::from_seed(&[7; 32]).node_id(), Some("till"));
        let from = Origin::Remote("10.0.0.7:4610".parse().unwrap());
        Entry::new(Timestamp::from_secs(1), What::TicketMinted).by(who, from).about("chat@office")
    }

    /// H4: what others wrote is cut, and steers nothing.
    #[test]
    fn texts_are_bounded_and_steer_nothing() {
        let entry = entry().because("\u{1b}[2J".repeat(1000)).about("x\n".repeat(1000));
        assert_eq!(entry.reason.chars().count(), REASON_MAX);
        assert_eq!(entry.about.chars().count(), ABOUT_MAX);
        assert!(!entry.reason.chars().chain(entry.about.chars()).any(char::is_control));
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let entry = Entry { more: 3, ..entry().denied().because("grant 1 (line 8)") };
        let json = serde_json::to_string(&entry).unwrap();
        assert!(
            json.contains("\"from\":\"10.0.0.7:4610\"") && json.contains("\"decision\":\"deny\""),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
        for from in [Origin::Node, Origin::Local] {
            assert_eq!(Origin::try_from(String::from(from)), Ok(from));
        }
    }

    #[test]
    fn what_was_decided_has_one_spelling() {
        for what in [What::Admitted, What::TicketRefused, What::LogMended, What::GuidAdded] {
            assert_eq!(serde_json::to_string(&what).unwrap(), format!("\"{what}\""));
        }
    }
}
