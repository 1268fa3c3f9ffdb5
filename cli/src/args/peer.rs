//! What is said about peers and to them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lanyard_protocol::control::{PeerRef, ServiceRef};

#[derive(Args, Debug)]
pub(crate) struct Peers {
    /// Show every change until interrupted
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Ping {
    /// A node name, an id, or the beginning of an id
    pub(crate) peer: PeerRef,
    /// How many round trips
    #[arg(short = 'c', long, value_name = "N", default_value_t = 1)]
    pub(crate) count: u32,
}

#[derive(Args, Debug)]
pub(crate) struct OnePeer {
    /// A node name, an id, or the beginning of an id
    pub(crate) peer: PeerRef,
}

#[derive(Args, Debug)]
pub(crate) struct Why {
    /// NAME@PEER, as in chat@till
    pub(crate) service: ServiceRef,
    /// Who wants to use it; on the node that provides it, another one [default: this node]
    #[arg(long, value_name = "PEER")]
    pub(crate) from: Option<PeerRef>,
    /// For this user, as in ana or ana%till, and no further than what is known without them
    #[arg(long = "as", value_name = "USER")]
    pub(crate) user: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ticket {
    /// Get a ticket for a service, or say which one is held
    Get {
        /// NAME@PEER, as in chat@till
        service: ServiceRef,
    },
    /// List the tickets that are held, and those that this node has minted since its start
    List,
    /// Show one ticket
    Show {
        /// The ticket's id
        id: String,
    },
    /// End a ticket now: one that this node has minted, with its channels, or one that it holds
    Revoke {
        /// The ticket's id
        id: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Chat {
    /// A node name, an id, or the beginning of an id
    pub(crate) peer: PeerRef,
    /// Send this, and end once it is durably queued
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Print the last 1000 messages of the conversation, one line for each
    #[arg(long, conflicts_with = "message")]
    pub(crate) log: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Send {
    /// The file
    pub(crate) path: PathBuf,
    /// A node name, an id, or the beginning of an id
    pub(crate) peer: PeerRef,
    /// The name to offer it by [default: its own]
    #[arg(long, value_name = "N")]
    pub(crate) name: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Receive {
    /// The folder to put files into; made if it is not there
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) into: PathBuf,
    /// Take what this peer sends without asking, and nothing else; may be given several times
    #[arg(long, value_name = "PEER")]
    pub(crate) from: Vec<PeerRef>,
    /// Take everything without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// End after one file
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Args, Debug)]
#[command(override_usage = "lanyard seal [OPTIONS] <PEER>... [FILE]")]
pub(crate) struct Seal {
    /// Node names, ids, or beginnings of ids; then the file, or - for standard input, which is also what a single
    /// argument means. This node can open it only if it is named too
    #[arg(value_name = "PEER|FILE", required = true)]
    pub(crate) peers: Vec<String>,
    /// Write to this file instead of standard output; there once it is whole
    #[arg(short, long, value_name = "F")]
    pub(crate) output: Option<PathBuf>,
    /// Replace that file if it is there, and write to a terminal
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Open {
    /// The sealed file, or - for standard input [default: -]
    pub(crate) file: Option<PathBuf>,
    /// Write to this file instead of standard output; there once all of it is verified, for this user alone
    #[arg(short, long, value_name = "F")]
    pub(crate) output: Option<PathBuf>,
    /// Replace that file if it is there, and write to a terminal
    #[arg(long)]
    pub(crate) force: bool,
}
