//! `up -d`: the node in a process of its own, awaited until it is ready.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::process::Stdio;

use lanyard_protocol::control::{Code, Join, Password};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use zeroize::Zeroizing;

use super::super::compare::{self, Request};
use super::super::{Context, Signals, interrupted};
use super::{Event, Onlookers, report, reported};
use crate::args::Up;
use crate::error::{Error, Result};
use crate::host::Joiner;

/// Starts the node in another process and waits until it is ready, or until it has said why it is not.
pub(super) async fn detach(context: &Context, up: &Up, wish: Option<&Join>) -> Result {
    super::refuse_a_second_node(context).await?;
    let mut signals = Signals::new()?;
    let log = context.state.join("node.log");
    let mut child = spawn(context, up, wish, log_file(context)?)?;
    if let (Some(mut stdin), Some(wish)) = (child.stdin.take(), wish) {
        // A node that is gone already says why on its standard output.
        let _ = stdin.write_all(secrets(wish).as_bytes()).await;
    }
    let Some(stdout) = child.stdout.take() else { return Err(unstarted(&"it has no standard output")) };
    let ready = tokio::select! {
        ready = ready(context, stdout, wish.is_some_and(|wish| wish.yes)) => ready,
        () = signals.next() => Err(interrupted()),
    };
    match ready {
        Ok(true) => Ok(()),
        Ok(false) => {
            let status = child.wait().await.map_err(|error| unstarted(&error))?;
            let what = format!("the node ended before it was ready: {status}");
            Err(Error::new(Code::Failed, what, format!("its log is {}", log.display())))
        }
        Err(error) => {
            // It may be waiting for an authority still.
            let _ = child.kill().await;
            Err(error)
        }
    }
}

/// What goes through standard input, a line each: any user may read arguments.
fn secrets(wish: &Join) -> Zeroizing<String> {
    let invite = wish.invite.as_deref().unwrap_or_default();
    let password = wish.password.as_ref().map_or("", Password::as_str);
    Zeroizing::new(format!("{invite}\n{password}\n"))
}

/// Passes on what the node reports, and asks what it cannot: whether it was ready in the end.
async fn ready(context: &Context, stdout: ChildStdout, yes: bool) -> Result<bool> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(event) = reported(&mut lines).await? {
        report(context, &event)?;
        if let (Event::Compare { id, node, words }, false) = (&event, yes) {
            let request = Request { id: id.clone(), node: *node, words: words.clone() };
            let client = context.client();
            compare::ask(context, Joiner::Running(&client), &request, &Onlookers(context)).await?;
        }
        if matches!(event, Event::Ready { .. }) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn spawn(context: &Context, up: &Up, wish: Option<&Join>, log: File) -> Result<Child> {
    let program = std::env::current_exe().map_err(|error| unstarted(&error))?;
    Command::new(program)
        .arg("--state")
        .arg(&context.state)
        .args(["--json", "up", "--detached"])
        .args(arguments(up, wish))
        .args(context.timeout.iter().map(|limit| format!("--timeout={}s", limit.as_secs())))
        // It must not keep the place where it was started from being unmounted.
        .current_dir(&context.state)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|error| unstarted(&error))
}

/// The arguments once more, but for the secrets, which go through standard input.
fn arguments(up: &Up, wish: Option<&Join>) -> Vec<OsString> {
    // Each by its name: what is added is passed on, or said here why it is not.
    let Up {
        listen,
        lane,
        no_mdns,
        inbox,
        require_login,
        advertise,
        advertise_lane,
        // In the wish.
        join: _,
        name: _,
        showing: _,
        // Of the process that starts it.
        detach: _,
        detached: _,
        leash: _,
    } = up;
    let mut arguments: Vec<OsString> = Vec::new();
    let mut flag = |name: &str, value: String| arguments.extend([name.into(), value.into()]);
    for address in listen {
        flag("--listen", address.to_string());
    }
    for address in advertise {
        flag("--advertise", address.to_string());
    }
    if let Some(address) = lane {
        flag("--lane", address.to_string());
    }
    if let Some(address) = advertise_lane {
        flag("--advertise-lane", address.to_string());
    }
    if let Some(wish) = wish {
        flag("--join", "-".to_owned());
        flag("--name", wish.name.to_string());
        if wish.password.is_some() {
            flag("--password-file", "-".to_owned());
        }
    }
    if let Some(inbox) = inbox {
        arguments.extend(["--inbox".into(), inbox.into()]);
    }
    let flags = wish
        .map(|wish| [(wish.trust_first, "--trust-first"), (wish.yes, "--yes"), (wish.replace, "--replace")]);
    arguments.extend(flags.into_iter().flatten().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag.into()));
    let flags = [(*no_mdns, "--no-mdns"), (*require_login, "--require-login")];
    arguments.extend(flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag.into()));
    arguments
}

/// The file that the node's log goes to, in the state directory, which is made if need be.
fn log_file(context: &Context) -> Result<File> {
    let log = context.state.join("node.log");
    let opened = DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(&context.state)
        .and_then(|()| OpenOptions::new().append(true).create(true).mode(0o600).open(&log));
    opened.map_err(|error: io::Error| {
        let what = format!("{} cannot be written: {error}", log.display());
        Error::new(Code::Failed, what, "use a state directory of your own: `--state DIR`")
    })
}

fn unstarted(error: &impl ToString) -> Error {
    let what = format!("the node was not started: {}", error.to_string());
    Error::new(Code::Failed, what, "run `lanyard up` without -d to see more")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command as Parsed};

    /// G6: the invite is no argument of the process that is started, and everything else is.
    #[test]
    fn passes_on_all_arguments_but_the_invite() {
        let given = [
            "lanyard",
            "up",
            "--listen",
            "[::1]:1",
            "--listen",
            "127.0.0.1:2",
            "--advertise",
            "10.0.0.1:3",
            "--lane",
            "127.0.0.1:4",
            "--advertise-lane",
            "10.0.0.1:5",
            "--inbox",
            "/srv/in box",
            "--join",
            "-",
            "--name",
            "till",
            "--no-mdns",
            "--require-login",
        ];
        let Parsed::Up(up) = Cli::try_parse_from(given).unwrap().command else { panic!("not up") };
        let wish = Join::new(Some("7-a-b".into()), "till".parse().unwrap(), None);
        let passed = arguments(&up, Some(&wish));
        assert!(passed.iter().all(|argument| !argument.to_string_lossy().contains("7-a-b")));
        let parsed =
            Cli::try_parse_from(["lanyard", "up"].map(OsString::from).into_iter().chain(passed)).unwrap();
        assert_eq!(format!("{:?}", parsed.command), format!("{:?}", Parsed::Up(up)));
    }
}
