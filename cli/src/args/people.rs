//! The grammar of people: log-ins, users and roles.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lanyard_protocol::identity::{PersonName, UserName, UserRole};

#[derive(Args, Debug)]
pub(crate) struct Login {
    /// A user of the network, as in ana, or of this node's own, as in ana%till
    #[arg(value_name = "USER")]
    pub(crate) user: String,
    /// Who you are, where several people use the user [default: called like the user]
    #[arg(long, value_name = "NAME")]
    pub(crate) person: Option<PersonName>,
    /// Take the password from the first line of this file, or of standard input if it is -
    #[arg(long, value_name = "F")]
    pub(crate) password_file: Option<PathBuf>,
}

/// A password that somebody is given.
#[derive(Args, Debug)]
pub(crate) struct UserPassword {
    /// Take the password from the first line of this file, or of standard input if it is -
    #[arg(long, value_name = "F")]
    pub(crate) password_file: Option<PathBuf>,
    /// Take the password even if it can be guessed
    #[arg(long)]
    pub(crate) weak: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Add a user, with a password for the first person who uses it
    Add {
        /// One label, lower case, as in ana or cashier
        #[arg(value_name = "NAME")]
        user: UserName,
        /// What the user does: a role of the policy; may be given several times
        #[arg(long = "role", value_name = "R")]
        roles: Vec<UserRole>,
        /// Who uses it at first [default: called like the user]
        #[arg(long, value_name = "NAME")]
        person: Option<PersonName>,
        /// Of this node alone, not of the network
        #[arg(long)]
        local: bool,
        #[command(flatten)]
        password: UserPassword,
    },
    /// Remove a user; its log-ins end everywhere
    Remove {
        #[arg(value_name = "NAME")]
        user: UserName,
        /// Of this node alone, not of the network
        #[arg(long)]
        local: bool,
    },
    /// Set a password; log-ins with the old one end
    Passwd {
        #[arg(value_name = "NAME")]
        user: UserName,
        /// Whose, where several people use the user [default: called like the user]
        #[arg(long, value_name = "NAME")]
        person: Option<PersonName>,
        /// Of this node alone, not of the network
        #[arg(long)]
        local: bool,
        #[command(flatten)]
        password: UserPassword,
    },
    /// List the users, what they do and who uses them
    List {
        /// Of this node alone, not of the network
        #[arg(long)]
        local: bool,
    },
    /// Say who uses a user
    #[command(subcommand)]
    Credential(PersonOf),
}

#[derive(Debug, Subcommand)]
pub(crate) enum PersonOf {
    /// Let somebody else use the user too, with a password of their own
    Add {
        #[arg(value_name = "NAME")]
        user: UserName,
        #[arg(value_name = "PERSON")]
        person: PersonName,
        /// Of this node alone, not of the network
        #[arg(long)]
        local: bool,
        #[command(flatten)]
        password: UserPassword,
    },
    /// Let somebody use the user no more
    Remove {
        #[arg(value_name = "NAME")]
        user: UserName,
        #[arg(value_name = "PERSON")]
        person: PersonName,
        /// Of this node alone, not of the network
        #[arg(long)]
        local: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// List the policy's roles and what each may do
    List {
        /// List what a role can be allowed to do
        #[arg(long)]
        privileges: bool,
    },
    /// Give a user a role of the policy
    Grant {
        /// ana, or user:ana
        #[arg(value_name = "WHO", value_parser = user)]
        user: UserName,
        #[arg(value_name = "ROLE")]
        role: UserRole,
    },
    /// Take a role from a user, now and everywhere
    Revoke {
        /// ana, or user:ana
        #[arg(value_name = "WHO", value_parser = user)]
        user: UserName,
        #[arg(value_name = "ROLE")]
        role: UserRole,
    },
}

/// A user, as policy calls it or by the name alone.
fn user(text: &str) -> Result<UserName, String> {
    let name = text.strip_prefix("user:").unwrap_or(text);
    name.parse().map_err(|error: lanyard_protocol::identity::NameError| error.to_string())
}
