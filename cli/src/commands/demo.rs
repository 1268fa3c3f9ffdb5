//! `demo`: an authority and two members as three real processes on loopback, and a listener between them.
//!
//! Nothing in it is canned: each step runs this program as a user would, and fails the demo if it fails. The
//! bytes that are shown are those that passed; what must not be among them is searched for.

mod machine;
mod relay;
mod story;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Instant;

use lanyard_protocol::control::Code;

use self::machine::Machine;
use super::{Context, Signals, interrupted};
use crate::args;
use crate::error::{Error, Result};
use crate::host;
use crate::printer::Printer;

/// `lanyard demo`
pub(super) async fn demo(context: &Context, demo: args::Demo) -> Result {
    let mut signals = Signals::new()?;
    let private = Permissions::from_mode(0o700);
    let directory = tempfile::Builder::new().prefix("lanyard-demo-").permissions(private).tempdir();
    let directory = directory.map_err(|error| {
        Error::new(
            Code::Failed,
            format!("no directory for the demo: {error}"),
            "make room there, or set $TMPDIR",
        )
    })?;
    let mut machines = ["authority", "alice", "bob"].map(|name| Machine::new(directory.path(), name));
    let mut tale = Tale::new(context.printer);
    let told = tokio::select! {
        told = story::tell(&mut tale, directory.path(), &mut machines) => told,
        () = signals.next() => Err(interrupted()),
    };
    for machine in &mut machines {
        machine.kill().await;
    }
    if demo.keep {
        let kept: PathBuf = directory.keep();
        context.printer.say(&format!("the nodes' states are in {}", kept.display()));
    }
    told
}

/// The steps as they are told: for people in words, for programs a line of JSON each.
struct Tale {
    printer: Printer,
    step: u32,
    started: Instant,
    stepped: Instant,
}

impl Tale {
    fn new(printer: Printer) -> Self {
        let now = host::monotonic();
        Self { printer, step: 0, started: now, stepped: now }
    }

    /// Begins a step.
    fn step(&mut self, title: &str) -> Result {
        self.step += 1;
        self.stepped = host::monotonic();
        if self.printer.is_json() {
            return self
                .printer
                .json(&serde_json::json!({ "event": "step", "step": self.step, "title": title }));
        }
        self.printer.heading(&format!("{}. {title}", self.step))
    }

    /// Explains something.
    fn tell(&self, text: &str) -> Result {
        if self.printer.is_json() { Ok(()) } else { self.printer.line(&format!("   {text}")) }
    }

    /// Ends a step that went well.
    fn done(&self) -> Result {
        let took = host::monotonic().duration_since(self.stepped);
        if self.printer.is_json() {
            let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            return self.printer.json(&serde_json::json!({ "event": "done", "step": self.step, "ms": ms }));
        }
        self.printer.line(&format!("   done in {took:.1?}"))?;
        self.printer.line("")
    }

    /// Ends the tale.
    fn end(&self) -> Result {
        let took = host::monotonic().duration_since(self.started);
        if self.printer.is_json() {
            return Ok(());
        }
        self.printer
            .heading(&format!("All {} steps worked, in {took:.1?}. Now on your machines:", self.step))?;
        self.tell("lanyard init shop.lan && lanyard up -d && lanyard invite")
    }
}
