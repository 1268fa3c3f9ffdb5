//! The command line's grammar, and how a mistake in it is told.

mod membership;
mod mistake;
mod node;
mod peer;
mod people;
mod policy;
mod service;

use core::time::Duration;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use lanyard_protocol::control::{Code, Failure};

pub(crate) use self::membership::{
    Admission, Approve, Deny, GuidList, Init, Invite, Join, NewPassword, Revoke, Showing,
};
use self::mistake::{duration, usage};
pub(crate) use self::node::{
    Audit, Ca, Cert, Completions, Demo, Export, Man, State, StateFile, Status, Up, Verify,
};
pub(crate) use self::peer::{Chat, OnePeer, Open, Peers, Ping, Receive, Seal, Send, Ticket, Why};
pub(crate) use self::people::{Login, PersonOf, Role, User, UserPassword};
pub(crate) use self::policy::{Policy, PolicyEdit};
pub(crate) use self::service::{Expose, Forward, Get, Service, Unexpose};

/// A badge for every machine on the local network: certificates, tickets and encrypted channels between them.
#[derive(Debug, Parser)]
#[command(
    name = "lanyard",
    version,
    subcommand_required = true,
    arg_required_else_help = false,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The node's state directory [default: $LANYARD_STATE, else /var/lib/lanyard for root and
    /// $XDG_STATE_HOME/lanyard for others]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Print data as JSON, errors too
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing beside the data
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Draw no progress bars
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    /// Give up after this long, as in 90s, 10m, 24h or 7d
    #[arg(long, global = true, value_name = "D", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make this node the authority of a new network
    Init(Init),
    /// Run the node
    Up(Up),
    /// Stop the running node
    Down,
    /// Get a certificate from a network's authority
    Join(Join),
    /// Let another node in: print a code for it to join with
    Invite(Invite),
    /// Say how strangers get in
    #[command(subcommand)]
    Admission(Admission),
    /// List the nodes that ask to be let in and wait for a person
    Requests,
    /// Let in a node that asks, after comparing the words
    Approve(Approve),
    /// Turn away a node that asks
    Deny(Deny),
    /// Show how this node is
    Status(Status),
    /// List the nodes that were seen
    Peers(Peers),
    /// Measure round trips to a peer
    Ping(Ping),
    /// Show who a peer is
    Whois(OnePeer),
    /// Say why a service can be used, or what stands in the way and what to do about it
    Why(Why),
    /// Log in at this node: what leaves it from here is on your behalf then
    Login(Login),
    /// Log out, and end what was opened on your behalf
    Logout,
    /// Print who is logged in here
    Whoami,
    /// Show and change the users of the network, or of this node
    #[command(subcommand)]
    User(User),
    /// Show the policy's roles, give and take them
    #[command(subcommand)]
    Role(Role),
    /// Show and change who may do what
    #[command(subcommand)]
    Policy(Policy),
    /// Take a node's membership away, now and everywhere
    Revoke(Revoke),
    /// Show this node's certificate
    #[command(subcommand)]
    Cert(Cert),
    /// Show the certificate of the network's authority
    #[command(subcommand)]
    Ca(Ca),
    /// Get session tickets, show those that are held or minted, end one
    #[command(subcommand)]
    Ticket(Ticket),
    /// Talk to a peer
    Chat(Chat),
    /// Send a file to a peer
    Send(Send),
    /// Take the files that peers send
    Receive(Receive),
    /// Let others use a TCP port or read a folder of this host, by a name; policy says who may
    Expose(Expose),
    /// Take a name back that was exposed
    Unexpose(Unexpose),
    /// Show what this node exposes
    #[command(subcommand)]
    Service(Service),
    /// Open a port on this host that leads to a service of another, until interrupted
    Forward(Forward),
    /// Get a file from a folder that another node exposes, or list it
    Get(Get),
    /// Export this node's state, verify an export, restore one
    #[command(subcommand)]
    State(State),
    /// Encrypt a file to peers and prove that it comes from this node; works off-line
    Seal(Seal),
    /// Open a file that was sealed to this node, and say who sealed it; works off-line
    Open(Open),
    /// Show what this node has decided, and verify that nothing of it was altered
    Audit(Audit),
    /// See it all at work: an authority and two members on this machine, then gone again
    Demo(Demo),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print the manual page
    Man(Man),
}

/// What became of the arguments that make no command.
pub(crate) enum Stop {
    /// Help or the version was asked for: this is it.
    Help(String),
    /// The arguments are wrong.
    Usage(Failure),
}

/// The command that the program was called with.
///
/// # Errors
/// [`Stop`] if there is none.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "clap may add kinds of mistakes: they are all usage errors"
)]
pub(crate) fn parse() -> Result<Cli, Stop> {
    Cli::try_parse().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Help(error.render().to_string()),
        ErrorKind::MissingSubcommand => Stop::Usage(Failure::new(
            Code::Usage,
            "there is no command",
            "`lanyard --help` lists them; `lanyard demo` shows them at work",
        )),
        _ => Stop::Usage(usage(&error.render().to_string())),
    })
}

/// Whether `--json` is among arguments that could not be parsed.
pub(crate) fn wants_json() -> bool {
    std::env::args_os().take_while(|argument| argument != "--").any(|argument| argument == "--json")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn grammar_is_consistent() {
        Cli::command().debug_assert();
    }
}
