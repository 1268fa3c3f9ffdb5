//! People at a node: logging in and out, and the users of a directory.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Password, Time};
use crate::identity::{PersonName, UserName, UserRole};
use crate::people::UserRow;

/// Asks to log in at the caller's seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIn {
    /// As whom: `ana` of the network, `ana%till` of this node's own.
    pub user: String,
    /// Who, where several people use the user; the one who is called like the user if nobody is named.
    #[serde(default)]
    pub person: Option<PersonName>,
    /// The password.
    pub password: Password,
}

/// Who the caller is to the network: the answer to [`Command::WhoAmI`](super::Command::WhoAmI), and to a log-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoAmI {
    /// As policy knows it: `ana`, `ana%till`; `owner` for whoever runs the node and has not logged in, where that is
    /// not asked for; nothing if nobody is logged in.
    pub user: Option<String>,
    /// Which of the people who use it.
    pub person: Option<PersonName>,
    /// What the user does.
    pub roles: BTreeSet<UserRole>,
    /// When the log-in ends.
    pub expires: Option<Time>,
}

/// Asks for the users of a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListUsers {
    /// This node's own, instead of the network's.
    #[serde(default)]
    pub local: bool,
}

/// The answer to [`ListUsers`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// In the order of their names.
    pub users: Vec<UserRow>,
}

/// Asks for a change of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeUser {
    /// Which user.
    pub user: UserName,
    /// Of this node's own, instead of the network's.
    #[serde(default)]
    pub local: bool,
    /// What changes.
    pub change: UserChange,
}

/// A change of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum UserChange {
    /// The user is new.
    Add {
        /// What it does: roles of the network's policy.
        #[serde(default)]
        roles: BTreeSet<UserRole>,
        /// Who uses it; one who is called like the user if nobody is named.
        #[serde(default)]
        person: Option<PersonName>,
        /// With which password.
        password: Password,
        /// Takes the password also if it is weak.
        #[serde(default)]
        weak: bool,
    },
    /// The user is gone.
    Remove,
    /// Another password.
    SetPassword {
        /// Whose; of the one who is called like the user if nobody is named.
        #[serde(default)]
        person: Option<PersonName>,
        /// The password.
        password: Password,
        /// Whether the person may be new.
        #[serde(default)]
        new: bool,
        /// Takes the password also if it is weak.
        #[serde(default)]
        weak: bool,
    },
    /// Somebody uses the user no more.
    RemovePerson {
        /// Who.
        person: PersonName,
    },
    /// Gives or takes a role.
    SetRole {
        /// Which.
        role: UserRole,
        /// Given or taken.
        given: bool,
    },
}

/// The answer to [`ChangeUser`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserChanged {
    /// The version of the policy that tells everybody; 0 where nobody has to know.
    pub epoch: u64,
}
