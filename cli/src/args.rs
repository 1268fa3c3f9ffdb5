//! The command line's grammar, and how a mistake in it is told.

use core::time::Duration;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use lanyard_protocol::control::{Admission as Rule, Code, Failure, Guid, PeerRef, ServiceRef};
use lanyard_protocol::identity::{NetworkName, NodeName};

/// A badge for every machine on the local network: certificates, tickets and encrypted channels between them.
#[derive(Debug, Parser)]
#[command(name = "lanyard", version, subcommand_required = true, disable_help_subcommand = true)]
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
    Status,
    /// List the nodes that were seen
    Peers(Peers),
    /// Measure round trips to a peer
    Ping(Ping),
    /// Show who a peer is
    Whois(OnePeer),
    /// Take a node's membership away, now and everywhere
    Revoke(Revoke),
    /// Show this node's certificate
    #[command(subcommand)]
    Cert(Cert),
    /// Show the certificate of the network's authority
    #[command(subcommand)]
    Ca(Ca),
    /// Get session tickets and show those that are held
    #[command(subcommand)]
    Ticket(Ticket),
    /// Talk to a peer
    Chat(Chat),
    /// Send a file to a peer
    Send(Send),
    /// Take the files that peers send
    Receive(Receive),
    /// Export this node's state, verify an export, restore one
    #[command(subcommand)]
    State(State),
    /// Encrypt a file to peers and prove that it comes from this node; works off-line
    Seal(Seal),
    /// Open a file that was sealed to this node, and say who sealed it; works off-line
    Open(Open),
    /// See it all at work: an authority and two members on this machine, then gone again
    Demo(Demo),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print the manual page
    Man(Man),
}

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

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Up {
    /// Detach once the node is ready
    #[arg(short = 'd', long)]
    pub(crate) detach: bool,
    /// Where to listen, TCP and QUIC on the same port; may be given several times [default: [::]:4610]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Where to listen for channels [default: [::]:4611]
    #[arg(long, value_name = "ADDR")]
    pub(crate) lane: Option<SocketAddr>,
    /// Neither announce this node on the local network nor look for others there
    #[arg(long)]
    pub(crate) no_mdns: bool,
    /// Where files go that are accepted while nobody runs `lanyard receive`; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(crate) inbox: Option<PathBuf>,
    /// Get a certificate first, if there is none: a single-use URI or code, or - to read it from standard input
    #[arg(long, value_name = "URI|CODE|-")]
    pub(crate) join: Option<String>,
    /// The name to join with [default: the hostname]
    #[arg(long, value_name = "NODE", requires = "join")]
    pub(crate) name: Option<NodeName>,
    #[command(flatten)]
    pub(crate) showing: Showing,
    /// Tell others this address instead of those listened on, where something forwards it; may be repeated
    #[arg(long, value_name = "ADDR", hide = true)]
    pub(crate) advertise: Vec<SocketAddr>,
    /// Tell others this address for channels, where something forwards it
    #[arg(long, value_name = "ADDR", hide = true)]
    pub(crate) advertise_lane: Option<SocketAddr>,
    /// Stop when standard input ends: a program that started the node and is killed takes it along
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(crate) leash: bool,
    /// Leave the session of the terminal: set by --detach for the process that it starts
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(crate) detached: bool,
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
        /// What `lanyard status` on that machine shows as its guid
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

#[derive(Debug, Subcommand)]
pub(crate) enum Cert {
    /// Say what is in it
    Show,
    /// Print it as PEM
    Export(Export),
    /// Renew it now; the running node does so by itself in good time
    Renew,
    /// Verify somebody's certificate against the network's authority
    Verify(Verify),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ca {
    /// Say what is in it, with the fingerprint that others may compare
    Show,
    /// Print it as PEM
    Export(Export),
}

#[derive(Args, Debug)]
pub(crate) struct Export {
    /// Write it to this file instead
    #[arg(short, long, value_name = "F")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// A certificate as PEM, or - for standard input
    pub(crate) file: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ticket {
    /// Get a ticket for a service, or say which one is held
    Get {
        /// NAME@PEER, as in chat@till
        service: ServiceRef,
    },
    /// List the tickets that are held
    List,
    /// Show one ticket
    Show {
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

#[derive(Debug, Subcommand)]
pub(crate) enum State {
    /// Write all that makes this node itself into a new file
    Export(StateFile),
    /// Read all of an export and say whose it is
    Verify(StateFile),
    /// Make a state of an export, where there is none
    Restore(StateFile),
}

#[derive(Args, Debug)]
pub(crate) struct StateFile {
    /// The export
    #[arg(value_name = "F")]
    pub(crate) file: PathBuf,
    /// The export is sealed with the passphrase in the first line of this file, or of standard input if it is -
    #[arg(long, value_name = "F")]
    pub(crate) passphrase_file: Option<PathBuf>,
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

#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Keep the directory with the three nodes' states
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// bash, elvish, fish, powershell or zsh
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args, Debug)]
pub(crate) struct Man {
    /// The command to print the page of, as in `ticket get` [default: lanyard itself]
    pub(crate) command: Vec<String>,
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

/// The parser's page as the two lines of every error: what is wrong, then its tip or the command's usage.
fn usage(page: &str) -> Failure {
    let mut paragraphs = page.split("\n\n").map(|lines| {
        let words = lines.lines().map(str::trim).filter(|line| !line.is_empty());
        words.collect::<Vec<_>>().join(" ")
    });
    let message = paragraphs.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    let rest: Vec<String> = paragraphs.collect();
    let line = |prefix: &str| rest.iter().find_map(|text| text.strip_prefix(prefix)).map(str::to_owned);
    let remedy = line("tip: ")
        .or_else(|| line("Usage: ").map(|usage| format!("usage: {usage}")))
        .unwrap_or_else(|| "`--help` says what there is".to_owned());
    Failure::new(Code::Usage, message, remedy)
}

/// A duration in one unit: `90s`, `10m`, `24h`, `7d`.
fn duration(text: &str) -> Result<Duration, String> {
    let refused = || "use a number and a unit, as in 90s, 10m, 24h or 7d".to_owned();
    let unit = text.chars().last().ok_or_else(refused)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(refused()),
    };
    let digits = &text[..text.len() - unit.len_utf8()];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused());
    }
    let number: u64 = digits.parse().map_err(|_| refused())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn reads_durations_in_one_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("10m", 600), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in
            ["", "s", "10", "1w", "-1s", "+1s", "1.5h", "1h30m", " 1s", "1 s", "1é", "99999999999999999999d"]
        {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tells_a_mistake_in_two_lines() {
        for arguments in [
            &["lanyard", "stauts"][..],
            &["lanyard", "status", "--jsno"],
            &["lanyard", "ping"],
            &["lanyard", "ping", "Not A Name"],
            &["lanyard", "invite", "--ttl", "soon"],
            &["lanyard", "init", "--admission", "wep"],
            &["lanyard", "admission", "guid", "add", "00"],
            &["lanyard"],
        ] {
            let error = Cli::try_parse_from(arguments).unwrap_err();
            let failure = usage(&error.render().to_string());
            assert!(!failure.message.contains('\n') && !failure.message.is_empty(), "{failure:?}");
            assert!(!failure.remedy.contains('\n') && !failure.remedy.is_empty(), "{failure:?}");
        }
    }
}
