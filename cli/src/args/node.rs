//! What is said to this node: its run, its certificates, its state.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use lanyard_protocol::identity::{NetworkName, NodeName};

use super::Showing;

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
    /// Act for nobody who has not logged in, whoever runs the node; `require_login = true` in config.toml says so for good
    #[arg(long)]
    pub(crate) require_login: bool,
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
pub(crate) struct Status {
    /// Show the guid by which this network knows this machine, for `lanyard admission guid add` at its authority;
    /// nothing is sent
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<NetworkName>,
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
pub(crate) struct Audit {
    /// Go on with what is decided from now on
    #[arg(long, conflicts_with = "verify")]
    pub(crate) follow: bool,
    /// Find any record that was altered, removed, moved or added: ends with 0 if there is none, else with 7
    #[arg(long)]
    pub(crate) verify: bool,
    /// Begin with this record
    #[arg(long, value_name = "N", default_value = "1", conflicts_with = "verify")]
    pub(crate) from: u64,
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
