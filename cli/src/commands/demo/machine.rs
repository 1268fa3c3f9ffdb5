//! A node of the demo: a process of this program with a state directory of its own.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use lanyard_protocol::control::{Code, Failure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::super::node::{Event, reported};
use crate::error::{Error, Result};

/// A node's home, whether it runs or not.
pub(super) struct Machine {
    pub(super) name: &'static str,
    state: PathBuf,
    node: Option<Child>,
    /// The running node's standard input, whose end stops it: also when this process is killed.
    leash: Option<ChildStdin>,
}

/// Where a running node listens.
pub(super) struct Place {
    pub(super) control: SocketAddr,
    pub(super) lane: SocketAddr,
}

/// How a command of ours refuses.
#[derive(Deserialize)]
struct Refusal {
    error: Failure,
}

impl Machine {
    pub(super) fn new(directory: &Path, name: &'static str) -> Self {
        Self { name, state: directory.join(name), node: None, leash: None }
    }

    /// Runs the node on loopback ports of its own, and waits until it can be used.
    pub(super) async fn up(
        &mut self,
        invite: Option<&str>,
        advertise: &[(&str, SocketAddr)],
    ) -> Result<Place> {
        let mut command = self.command()?;
        command.args([
            "--quiet",
            "up",
            "--leash",
            "--no-mdns",
            "--listen",
            "127.0.0.1:0",
            "--lane",
            "127.0.0.1:0",
        ]);
        for (flag, address) in advertise {
            command.args([flag, address.to_string().as_str()]);
        }
        if invite.is_some() {
            command.args(["--join", "-", "--name", self.name]);
        }
        let mut child = command.stdin(Stdio::piped()).spawn().map_err(|error| self.broken(&error))?;
        let stdout = child.stdout.take();
        self.leash = child.stdin.take();
        // From here on it is stopped with the rest, however this ends.
        self.node = Some(child);
        if let (Some(stdin), Some(invite)) = (&mut self.leash, invite) {
            let written = stdin.write_all(format!("{invite}\n").as_bytes()).await;
            written.map_err(|error| self.broken(&error))?;
        }
        let Some(stdout) = stdout else { return Err(self.broken(&"it has no standard output")) };
        let mut lines = BufReader::new(stdout).lines();
        while let Some(event) = reported(&mut lines).await? {
            if let Event::Ready { addresses, lane, .. } = event
                && let ([control, ..], [lane, ..]) = (addresses.as_slice(), lane.as_slice())
            {
                return Ok(Place { control: *control, lane: *lane });
            }
        }
        Err(self.broken(&"it ended before it was ready"))
    }

    /// Has a command of ours answer for this node.
    pub(super) async fn ask<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let lines = self.lines(arguments).await?;
        lines.lines().last().and_then(|line| serde_json::from_str(line).ok()).ok_or_else(|| {
            self.broken(&format!("`lanyard {}` said something else: {lines}", arguments.join(" ")))
        })
    }

    /// What a command of ours prints for this node.
    pub(super) async fn lines(&self, arguments: &[impl AsRef<OsStr>]) -> Result<String> {
        let output = self.command()?.args(arguments).stderr(Stdio::null()).output();
        let output = output.await.map_err(|error| self.broken(&error))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        match text.lines().last().map(serde_json::from_str) {
            Some(Ok(Refusal { error })) => {
                Err(Error::new(error.code, format!("{}: {}", self.name, error.message), error.remedy))
            }
            _ => Err(self.broken(&output.status)),
        }
    }

    /// What a command of ours says that has to be refused.
    pub(super) async fn refused(&self, arguments: &[&str]) -> Result<Failure> {
        match self.lines(arguments).await {
            Err(Error::Failure(mut failure)) => {
                // Who said so is plain from the story.
                let own = format!("{}: ", self.name);
                failure.message = failure.message.trim_start_matches(own.as_str()).to_owned();
                Ok(failure)
            }
            Err(other) => Err(other),
            Ok(lines) => Err(self.broken(&format!("`lanyard {}` did: {lines}", arguments.join(" ")))),
        }
    }

    /// Stops the node as its user would, and waits until the process has ended well.
    pub(super) async fn down(&mut self) -> Result {
        let Some(mut node) = self.node.take() else { return Ok(()) };
        self.lines(&["down"]).await?;
        let status = node.wait().await.map_err(|error| self.broken(&error))?;
        if status.success() { Ok(()) } else { Err(self.broken(&status)) }
    }

    /// Ends the process, whatever it does.
    pub(super) async fn kill(&mut self) {
        if let Some(mut node) = self.node.take() {
            // It may have ended by itself.
            let _ = node.kill().await;
        }
    }

    fn command(&self) -> Result<Command> {
        let program = std::env::current_exe().map_err(|error| self.broken(&error))?;
        let mut command = Command::new(program);
        command.arg("--json").arg("--state").arg(&self.state);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        Ok(command)
    }

    fn broken(&self, error: &dyn core::fmt::Display) -> Error {
        let what = format!("the demo's node {} is at fault: {error}", self.name);
        Error::new(Code::Failed, what, "run `lanyard demo --keep` and see the log above")
    }
}
