//! `up`, `down` and `status`: the node itself.

mod detach;

use core::fmt::Write as _;
use core::time::Duration;
use std::io;
use std::net::SocketAddr;

use lanyard_protocol::control::{Code, Failure, Join, Joined, RoleName, State, Status};
use lanyard_protocol::identity::{NetworkName, NodeId, NodeName, ServiceName};
use serde::{Deserialize, Serialize};
use tokio::io::{BufReader, Lines};
use tokio::process::ChildStdout;
use tracing_subscriber::EnvFilter;

use super::compare::{Request, Teller};
use super::{Context, Signals, compare, file, member};
use crate::args::{self, Showing, Up};
use crate::error::{Error, Result};
use crate::host::{Hosted, Joiner};
use crate::input;

/// How long `up --join` rests before it looks for the authority again: it looks for 30 s each time.
const REST: Duration = Duration::from_secs(1);

/// What `up --json` reports on standard output as it comes up, one line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// The node runs and has no certificate yet.
    Waiting {
        /// What it waits for.
        message: String,
    },
    /// The node waits for two people, who compare words.
    Compare {
        /// The request's id.
        id: String,
        /// The node's id.
        node: Option<NodeId>,
        /// The words.
        words: String,
    },
    /// The node got its certificate.
    Joined(Joined),
    /// The node can be used.
    Ready {
        /// Its name, if it is a member of a network.
        name: Option<NodeName>,
        /// The network.
        network: Option<NetworkName>,
        /// Where it listens.
        addresses: Vec<SocketAddr>,
        /// Where it listens for channels.
        lane: Vec<SocketAddr>,
    },
}

/// A line of the standard output of `up --json`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Event(Event),
    Failed { error: Failure },
}

/// The next thing that a node which comes up in a process of its own reports; nothing if it has ended.
pub(super) async fn reported(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<Option<Event>> {
    let garbled = |error: &dyn core::fmt::Display| {
        Error::new(
            Code::Failed,
            format!("the node's report cannot be read: {error}"),
            "run `lanyard up` without -d",
        )
    };
    let Some(line) = lines.next_line().await.map_err(|error| garbled(&error))? else { return Ok(None) };
    match serde_json::from_str(&line).map_err(|error| garbled(&error))? {
        Line::Event(event) => Ok(Some(event)),
        Line::Failed { error } => Err(error.into()),
    }
}

/// `lanyard up`
pub(super) async fn up(context: &Context, mut up: Up) -> Result {
    // A detached node has another working directory.
    up.inbox = up.inbox.as_deref().map(file::absolute).transpose()?;
    let wish = match up.join.take() {
        Some(invite) => {
            let showing = core::mem::take(&mut up.showing);
            Some(member::wish(context, Some(invite), showing, up.name.take(), None).await?)
        }
        None if up.showing != Showing::default() => {
            let what = "--password-file, --trust-first, --yes and --replace are for a node that joins";
            return Err(Error::new(Code::Usage, what, "say what it joins with: `--join URI`"));
        }
        None => None,
    };
    if up.detach {
        return detach::detach(context, &up, wish.as_ref()).await;
    }
    stay(context, &up, wish).await
}

/// Runs the node until it is stopped.
pub(super) async fn stay(context: &Context, up: &Up, wish: Option<Join>) -> Result {
    let mut signals = Signals::new()?;
    refuse_a_second_node(context).await?;
    if up.detached {
        leave_session()?;
    }
    start_log();
    let node = Hosted::start(&context.state, up).await?;
    let ended = tokio::select! {
        ended = serve(context, &node, wish) => ended,
        () = signals.next() => Ok(()),
        () = node.stopped() => Ok(()),
        ended = input::end(), if up.leash => ended,
    };
    node.stop().await;
    ended
}

/// Brings the node up and says so; then there is nothing left to do here.
async fn serve(context: &Context, node: &Hosted, wish: Option<Join>) -> Result {
    let mut status = node.status().await?;
    match wish {
        Some(wish) if status.role == RoleName::None => {
            let message = "for a certificate of the network's authority".to_owned();
            report(context, &Event::Waiting { message })?;
            context.client().in_time(admission(context, node, wish)).await?;
            status = node.status().await?;
        }
        Some(_) => context.printer.say("the node is a member of a network already: nothing was joined"),
        None => {}
    }
    let listening = node.listening().await?;
    let (name, network) = (status.name, status.network);
    report(context, &Event::Ready { name, network, addresses: listening.control, lane: listening.lane })?;
    core::future::pending().await
}

/// Asks to be admitted until the authority is found and has decided.
async fn admission(context: &Context, node: &Hosted, wish: Join) -> Result {
    loop {
        match compare::join(context, Joiner::Hosted(node), wish.clone(), &Onlookers(context)).await {
            Ok(joined) => return report(context, &Event::Joined(joined)),
            Err(Error::Failure(failure)) if failure.code == Code::Unreachable => {
                report(
                    context,
                    &Event::Waiting { message: format!("for the authority: {}", failure.message) },
                )?;
                tokio::time::sleep(REST).await;
            }
            Err(refused) => return Err(refused),
        }
    }
}

/// Tells those who look at a node that comes up.
pub(super) struct Onlookers<'a>(pub(super) &'a Context);

impl Teller for Onlookers<'_> {
    fn tell(&self, request: &Request) -> Result {
        let Request { id, node, words } = request.clone();
        report(self.0, &Event::Compare { id, node, words })
    }

    fn nobody(&self, _: &Request) -> Result {
        // The node goes on waiting: whoever comes to it can still say so.
        let join = self.0.command("join");
        self.0.printer.say(&format!("compare the words on both screens, then `{join}` here"));
        Ok(())
    }
}

/// Tells a person, and with `--json` a program.
pub(super) fn report(context: &Context, event: &Event) -> Result {
    match event {
        Event::Waiting { message } => context.printer.say(&format!("waiting {message}")),
        Event::Compare { id, node, words } => {
            compare::say(context, &Request { id: id.clone(), node: *node, words: words.clone() });
        }
        Event::Joined(joined) => member::say_joined(context, joined),
        Event::Ready { name: Some(name), network: Some(network), addresses, .. } => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            context.printer.say(&format!("ready as {name}.{network} on {}", addresses.join(", ")));
        }
        Event::Ready { .. } => context.printer.say("ready (not a member of any network)"),
    }
    if context.printer.is_json() { context.printer.json(event) } else { Ok(()) }
}

async fn refuse_a_second_node(context: &Context) -> Result {
    if !context.client().is_running().await? {
        return Ok(());
    }
    Err(Error::new(
        Code::Failed,
        format!("a node is running in {} already", context.state.display()),
        format!("see it with `{}`", context.command("status")),
    ))
}

/// Leaves the terminal behind: neither Ctrl-C nor the terminal's end reaches the node any more.
fn leave_session() -> Result {
    rustix::process::setsid().map(drop).map_err(|error| {
        Error::new(
            Code::Failed,
            format!("the session cannot be left: {error}"),
            "run `lanyard up` without -d",
        )
    })
}

/// Writes the node's log to standard error: warnings, or what `$RUST_LOG` wants.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // Without a log the node runs just as well.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).try_init();
}

/// `lanyard down`
pub(super) async fn down(context: &Context) -> Result {
    let client = context.client();
    client.order("/v1/down", &serde_json::json!({})).await?;
    client.gone().await?;
    context.printer.say("stopped");
    Ok(())
}

/// `lanyard status`
pub(super) async fn status(context: &Context, args: args::Status) -> Result {
    // A network's name has no character that means anything in a query.
    let query = args.network.as_ref().map_or_else(String::new, |network| format!("?network={network}"));
    let status: Status = context.client().get(&format!("/v1/status{query}")).await?;
    if context.printer.is_json() {
        return context.printer.json(&status);
    }
    describe(context, &status, args.network.is_some())
        .iter()
        .try_for_each(|line| context.printer.line(line))?;
    for warning in &status.warnings {
        context.printer.stress(&format!("warning: {warning}"));
    }
    Ok(())
}

fn describe(context: &Context, status: &Status, asked: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut row = |what: &str, text: String| lines.push(format!("{what:<12} {text}"));
    if let (Some(name), Some(network)) = (&status.name, &status.network) {
        row("node", format!("{name}.{network}"));
    }
    row("role", role(status.role).to_owned());
    row("state", state(status.state).to_owned());
    if let Some(id) = &status.id {
        row("id", id.to_string());
    }
    if let Some(certificate) = &status.certificate {
        row("certificate", format!("{} until {}", certificate.serial, certificate.not_after.0));
    }
    if let Some(authority) = &status.authority {
        let reachable = if authority.reachable { "reachable" } else { "out of reach" };
        let seen = authority.last_seen.map(|at| format!(", last seen {}", at.0)).unwrap_or_default();
        row("authority", format!("{reachable}{seen}"));
    }
    row("epochs", format!("policy {}, revocations {}", status.epochs.policy, status.epochs.revocations));
    match &status.guid {
        Some(guid) if asked || status.role == RoleName::None => row("guid", guid.to_string()),
        // Who is told an id may know the guid.
        None if status.role == RoleName::None && status.id.is_some() => {
            row("guid", format!("of a network: `{}`", context.command("status --network NAME")));
        }
        Some(_) | None => {}
    }
    if !status.guests.is_empty() {
        let services: Vec<&str> = status.guests.iter().map(ServiceName::as_str).collect();
        row("guests use", services.join(", "));
    }
    for address in &status.addresses {
        row("listens on", address.to_string());
    }
    for pending in &status.pending {
        let mut text = format!("{} {} from {}", pending.kind, pending.id, pending.name);
        if let Some(words) = &pending.fingerprint {
            let _ = write!(text, " ({words})");
        }
        let next = match pending.kind.as_str() {
            "offer" => Some(("take it", context.command("receive"))),
            "request" => Some(("let it in", context.command(&format!("approve {}", pending.id)))),
            "join" => Some(("compare the words", context.command("join"))),
            _ => None,
        };
        if let Some((what, command)) = next {
            let _ = write!(text, ": {what} with `{command}`");
        }
        row("pending", text);
    }
    lines
}

/// A role in words.
pub(super) const fn role(role: RoleName) -> &'static str {
    match role {
        RoleName::Authority => "authority",
        RoleName::Member => "member",
        RoleName::None => "not a member of any network",
    }
}

const fn state(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Waiting => "waits to be admitted",
        State::Expired => "its certificate has expired",
        State::Revoked => "its certificate was revoked",
    }
}
