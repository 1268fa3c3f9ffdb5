//! On whose behalf a node acts.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::identity::{NameError, NodeName, PersonName, UserName};

/// Where somebody of this host sits: a uid of the operating system and one of its sessions. Decided from the peer
/// credentials of the local socket; a program may tell apart the sessions of its own uid, and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat {
    /// The uid.
    pub uid: u32,
    /// A hash of the session's leader and when it began, or of the name that a script gives to its session.
    pub session: u64,
}

impl Seat {
    /// The seat of the node itself, at which nobody logs in.
    pub const NODE: Self = Self { uid: u32::MAX, session: 0 };
}

/// Which directory a user is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Home {
    /// The network's, which the authority keeps.
    Network,
    /// That of the node with this name.
    Node(NodeName),
}

/// A person who has logged in as a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Principal {
    /// The user.
    pub user: UserName,
    /// Of which directory.
    pub home: Home,
    /// Which of the people who use it.
    pub person: PersonName,
}

impl Principal {
    /// The user as policy calls it: `ana`, or `ana%till` for a user of one node's own.
    #[must_use]
    pub fn user_text(&self) -> String {
        match &self.home {
            Home::Network => self.user.to_string(),
            Home::Node(node) => format!("{}%{node}", self.user),
        }
    }
}

/// The user, and in brackets the person where that is somebody else: `cashier (ben)`.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.user_text())?;
        if self.user.as_str() == self.person.as_str() { Ok(()) } else { write!(f, " ({})", self.person) }
    }
}

/// A user as somebody names it: `ana`, or `ana%till`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UserRef {
    pub(crate) user: UserName,
    pub(crate) home: Home,
}

impl fmt::Display for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.home {
            Home::Network => self.user.fmt(f),
            Home::Node(node) => write!(f, "{}%{node}", self.user),
        }
    }
}

impl FromStr for UserRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (user, home) = match text.split_once('%') {
            Some((user, node)) => (user, Home::Node(node.parse()?)),
            None => (text, Home::Network),
        };
        Ok(Self { user: user.parse()?, home })
    }
}

/// On whose behalf something leaves this host.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Actor {
    /// The node's own: whoever runs it, where it was not set up to ask for log-ins.
    #[default]
    Node,
    /// A person's.
    Person(Principal),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("this node"),
            Self::Person(principal) => principal.fmt(f),
        }
    }
}
