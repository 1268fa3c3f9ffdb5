//! What is said to a network: made, joined, let in, taken away.

use core::time::Duration;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use lanyard_protocol::control::{Admission as Rule, Guid, PeerRef};
use lanyard_protocol::identity::{NetworkName, NodeName};

use super::mistake::duration;

#[derive(Args, Debug)]
pub(crate) struct Init {
    /// The network's name, as in shop.lan [default: <hostname>.lan]
    pub(crate) network: Option<NetworkName>,
    /// This node's name in it [default: the hostname]
    #[arg(long, value_name = "NODE")]
    pub(crate) name: Option<NodeName>,
    /// How strangers get in: '+' is all of, ',' any of open, guid, password, invite and approval
    #[arg(long, value_name = "EXPR", default_value_t)]
    pub(crate) admission: Rule,
    #[command(flatten)]
    pub(crate) password: NewPassword,
    /// Act for nobody who has not logged in, whoever runs the node: for a till or a shared desk
    #[arg(long)]
    pub(crate) require_login: bool,
}

/// A password that a network is given.
#[derive(Args, Debug)]
pub(crate) struct NewPassword {
    /// Take the network's password from the first line of this file, or of standard input if it is -
    #[arg(long, value_name = "F")]
    pub(crate) password_file: Option<PathBuf>,
    /// Take the password even if it can be guessed
    #[arg(long)]
    pub(crate) weak: bool,
}

/// What a node shows besides an invite, and how it answers for its user.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Showing {
    /// Show the network's password: the first line of this file, or of standard input if it is -
    #[arg(long, value_name = "F")]
    pub(crate) password_file: Option<PathBuf>,
    /// Show a password, asked for if no file has it, to the one network in sight, without a URI or a code that
    /// says which authority is the right one
    #[arg(long)]
    pub(crate) trust_first: bool,
    /// Ask nothing: take the words that should be compared for the same
    #[arg(long)]
    pub(crate) yes: bool,
    /// Take the place of the node that has the name, as a machine does that was set up anew; somebody at the
    /// authority has to approve that
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Join {
    /// What the authority's `lanyard invite` printed, or - to read it from standard input; nothing where the
    /// network asks for no invite
    #[arg(value_name = "URI|CODE|-")]
    pub(crate) invite: Option<String>,
    /// The name that this node wants [default: the hostname]
    #[arg(long, value_name = "NODE")]
    pub(crate) name: Option<NodeName>,
    /// Run the node afterwards
    #[arg(long)]
    pub(crate) up: bool,
    /// The network to join, where several are in sight
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<NetworkName>,
    #[command(flatten)]
    pub(crate) showing: Showing,
}

#[derive(Args, Debug)]
pub(crate) struct Invite {
    /// How many nodes may join with it; several need the URI
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) uses: u32,
    /// For how long, as in 90s, 10m, 24h or 7d
    #[arg(long, value_name = "D", default_value = "10m", value_parser = duration)]
    pub(crate) ttl: Duration,
    /// Print the URI, which also says where the authority is, instead of the code
    #[arg(long)]
    pub(crate) uri: bool,
    /// Print the URI as a QR code
    #[arg(long, conflicts_with = "uri")]
    pub(crate) qr: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Admission {
    /// Show the rule, and what is there to meet it
    Show,
    /// Change the rule, from now on
    Set {
        /// '+' is all of, ',' any of open, guid, password, invite and approval
        #[arg(value_name = "EXPR")]
        rule: Rule,
    },
    /// Set the network's password, and forget the wrong guesses at the old one
    Password(NewPassword),
    /// Change the list of machines that may join where the rule says guid
    #[command(subcommand)]
    Guid(GuidList),
}

#[derive(Debug, Subcommand)]
pub(crate) enum GuidList {
    /// Put a machine on the list
    Add {
        /// What `lanyard status --network NAME` shows on that machine
        guid: Guid,
        /// What to call it in the list
        #[arg(long, value_name = "N")]
        name: Option<NodeName>,
    },
    /// Take a machine off the list; a node that it has joined as stays a member
    Remove {
        /// The guid, its beginning, or what the machine is called in the list
        guid: String,
    },
    /// List the machines
    List,
}

#[derive(Args, Debug)]
pub(crate) struct Approve {
    /// The request's id, or its beginning
    pub(crate) id: String,
    /// Ask nothing: the words have been compared
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Deny {
    /// The request's id, or its beginning
    pub(crate) id: String,
}

#[derive(Args, Debug)]
pub(crate) struct Revoke {
    /// A node name, an id, or the beginning of an id
    pub(crate) peer: PeerRef,
    /// Why, for those who read the log
    #[arg(long, value_name = "R")]
    pub(crate) reason: Option<String>,
    /// Wait until every member that is there has confirmed, for at most this long
    #[arg(long, value_name = "D", num_args = 0..=1, require_equals = true, default_missing_value = "10s", value_parser = duration)]
    pub(crate) wait: Option<Duration>,
}
