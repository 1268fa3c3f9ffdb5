//! One file for each family of commands. A command asks a node and prints its answer.

mod admission;
mod audit;
mod certificate;
mod chat;
mod compare;
mod demo;
mod file;
mod get;
mod member;
mod node;
mod peer;
mod people;
mod policy;
mod revoke;
mod seal;
mod service;
mod shell;
mod state;
mod ticket;
mod why;

use core::time::Duration;
use std::path::PathBuf;

use lanyard_protocol::control::Code;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::{Command, Global};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::host;
use crate::printer::Printer;

/// What every command is given.
pub(crate) struct Context {
    pub(crate) printer: Printer,
    /// The node's state directory, as an absolute path.
    pub(crate) state: PathBuf,
    /// Whether it was named, so that the commands that are proposed must name it too.
    state_is_named: bool,
    pub(crate) timeout: Option<Duration>,
}

impl Context {
    /// The context that the flags describe.
    ///
    /// # Errors
    /// If nothing says where the state directory is.
    pub(crate) fn new(global: &Global) -> Result<Self> {
        let state = match &global.state {
            Some(state) => state.clone(),
            None => host::default_state()?,
        };
        let state = std::path::absolute(&state).map_err(|error| {
            let what = format!("{} is no state directory: {error}", state.display());
            Error::new(Code::Usage, what, "name another one: `--state DIR`")
        })?;
        Ok(Self {
            printer: Printer::new(global.json, global.quiet, global.no_progress),
            state,
            state_is_named: global.state.is_some(),
            timeout: global.timeout,
        })
    }

    /// The running node.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.state.clone(), self.timeout, self.command("up -d"))
    }

    /// A command of ours for this node, as a user may type it.
    pub(crate) fn command(&self, arguments: &str) -> String {
        if self.state_is_named {
            format!("lanyard {arguments} --state {}", quoted(&self.state.to_string_lossy()))
        } else {
            format!("lanyard {arguments}")
        }
    }
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@".contains(&byte);
    if text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Does what was asked, until it is done or interrupted.
pub(crate) async fn run(context: &Context, command: Command) -> Result {
    let mut signals = Signals::new()?;
    // A node that runs ends well when it is interrupted, and the demo cleans up: they catch signals themselves.
    // Where a join that waits for people is interrupted, it says how to go on.
    let stays = matches!(&command, Command::Up(_) | Command::Demo(_) | Command::Join(_));
    tokio::select! {
        ended = call(context, command) => ended,
        () = signals.next(), if !stays => Err(interrupted()),
    }
}

async fn call(context: &Context, command: Command) -> Result {
    match command {
        Command::Init(init) => member::init(context, init).await,
        Command::Up(up) => node::up(context, up).await,
        Command::Down => node::down(context).await,
        Command::Join(join) => member::join(context, join).await,
        Command::Invite(invite) => member::invite(context, invite).await,
        Command::Admission(change) => admission::admission(context, change).await,
        Command::Requests => admission::requests(context).await,
        Command::Approve(approve) => admission::approve(context, approve).await,
        Command::Deny(deny) => admission::deny(context, deny).await,
        Command::Status(args) => node::status(context, args).await,
        Command::Peers(peers) => peer::peers(context, peers).await,
        Command::Ping(ping) => peer::ping(context, ping).await,
        Command::Whois(whois) => peer::whois(context, whois).await,
        Command::Why(why) => why::why(context, why).await,
        Command::Login(login) => people::login(context, login).await,
        Command::Logout => people::logout(context).await,
        Command::Whoami => people::whoami(context).await,
        Command::User(user) => people::user(context, user).await,
        Command::Role(role) => people::role(context, role).await,
        Command::Policy(policy) => policy::policy(context, policy).await,
        Command::Revoke(revoke) => revoke::revoke(context, revoke).await,
        Command::Cert(cert) => certificate::cert(context, cert).await,
        Command::Ca(ca) => certificate::ca(context, ca).await,
        Command::Ticket(ticket) => ticket::ticket(context, ticket).await,
        Command::Chat(chat) => chat::chat(context, chat).await,
        Command::Send(send) => file::send(context, send).await,
        Command::Receive(receive) => file::receive(context, receive).await,
        Command::Expose(expose) => service::expose(context, expose).await,
        Command::Unexpose(unexpose) => service::unexpose(context, unexpose).await,
        Command::Service(service) => service::service(context, service).await,
        Command::Forward(forward) => service::forward(context, forward).await,
        Command::Get(get) => get::get(context, get).await,
        Command::State(state) => state::state(context, state).await,
        Command::Seal(seal) => seal::seal(context, seal).await,
        Command::Open(open) => seal::open(context, open).await,
        Command::Audit(wanted) => audit::audit(context, wanted).await,
        Command::Demo(demo) => demo::demo(context, demo).await,
        Command::Completions(completions) => shell::completions(&context.printer, &completions),
        Command::Man(man) => shell::man(&context.printer, &man),
    }
}

fn interrupted() -> Error {
    Error::new(Code::Interrupted, "interrupted", "give the command again to go on")
}

/// The signals that ask a program to end: Ctrl-C's and `kill`'s.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Catches them from now on.
    pub(crate) fn new() -> Result<Self> {
        let catch = |kind| {
            signal(kind).map_err(|error| {
                Error::new(
                    Code::Failed,
                    format!("signals cannot be caught: {error}"),
                    "end other programs first",
                )
            })
        };
        Ok(Self { interrupt: catch(SignalKind::interrupt())?, terminate: catch(SignalKind::terminate())? })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn proposes_commands_that_can_be_pasted() {
        assert_eq!(quoted("/var/lib/lanyard-1"), "/var/lib/lanyard-1");
        assert_eq!(quoted("/my state"), "'/my state'");
        assert_eq!(quoted("/ana's; rm"), r"'/ana'\''s; rm'");
    }
}
