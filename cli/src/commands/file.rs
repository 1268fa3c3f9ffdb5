//! `send` and `receive`: files, verified on arrival.

use core::time::Duration;
use std::path::{Path, PathBuf};

use lanyard_protocol::control::{Code, Decide, Failure, Receive, SendFile, TransferEvent};

use super::Context;
use crate::args;
use crate::client::{Client, Events, segment};
use crate::error::{Error, Result};
use crate::input;
use crate::progress::{Progress, size};

/// How long `send` waits for a decision unless `--timeout` says otherwise.
const DECISION: Duration = Duration::from_secs(10 * 60);

/// `lanyard send`
pub(super) async fn send(context: &Context, send: args::Send) -> Result {
    let path = sendable(&send.path)?;
    let order = SendFile { peer: send.peer, path, name: send.name };
    let mut events = context.client().post_events::<TransferEvent>("/v1/send", &order).await?;
    let mut view = View::new(context);
    let limit = context.timeout.unwrap_or(DECISION);
    let decided = tokio::time::timeout(limit, decision(&mut events, &mut view)).await;
    let mut next = decided.unwrap_or_else(|_| Err(undecided(limit)))?;
    while let Some(event) = next {
        if view.sending(&event)? {
            return Ok(());
        }
        next = events.next().await?;
    }
    Err(cut())
}

/// The first event after the other side has decided.
async fn decision(events: &mut Events<TransferEvent>, view: &mut View<'_>) -> Result<Option<TransferEvent>> {
    loop {
        match events.next().await? {
            Some(event @ TransferEvent::Waiting { .. }) => view.sending(&event)?,
            other => return Ok(other),
        };
    }
}

fn sendable(path: &Path) -> Result<PathBuf> {
    let refused = |code, what: String| Error::new(code, what, "name a file that this user may read");
    let found = std::fs::metadata(path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            refused(Code::NotFound, format!("there is no file {}", path.display()))
        } else {
            refused(Code::Failed, format!("{} cannot be read: {error}", path.display()))
        }
    })?;
    if !found.is_file() {
        return Err(refused(Code::Usage, format!("{} is no file", path.display())));
    }
    absolute(path)
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| {
        Error::new(Code::Usage, format!("{} is no path: {error}", path.display()), "name another one")
    })
}

/// `lanyard receive`
pub(super) async fn receive(context: &Context, receive: args::Receive) -> Result {
    let asks = !receive.yes && receive.from.is_empty();
    if asks && !input::is_terminal() {
        return Err(Error::new(
            Code::Usage,
            "nobody can be asked: standard input is no terminal",
            "say beforehand what to take: `--from PEER` or `--yes`",
        ));
    }
    let once = receive.once;
    let order = Receive { into: absolute(&receive.into)?, from: receive.from, yes: receive.yes, once };
    let client = context.client();
    let mut events = client.post_events::<TransferEvent>("/v1/receive", &order).await?;
    context.printer.say(&format!("waiting for files, which go to {}", order.into.display()));
    let mut view = View::new(context);
    while let Some(event) = events.next().await? {
        if let (TransferEvent::Offer { id, .. }, true) = (&event, asks) {
            decide(context, &client, id, &event).await?;
        } else if let (TransferEvent::Failed(failure), false) = (&event, once) {
            // One file's end is not the others': whoever sends could otherwise stop this at will.
            view.failed(failure);
        } else if view.receiving(&event)? && once {
            return Ok(());
        }
    }
    Err(cut())
}

async fn decide(context: &Context, client: &Client, id: &str, event: &TransferEvent) -> Result {
    let TransferEvent::Offer { from, path, total, .. } = event else { return Ok(()) };
    let question = format!("{from} offers {path} ({}): take it?", size(*total));
    let accept = input::confirm(&context.printer, &question).await?;
    match client.order(&format!("/v1/offers/{}", segment(id)), &Decide { accept }).await {
        // It was withdrawn in the meantime, or somebody else has decided.
        Err(Error::Failure(failure)) if failure.code == Code::NotFound => {
            context.printer.say(&failure.message);
            Ok(())
        }
        other => other,
    }
}

/// What a person sees of a transfer, and with `--json` a program.
struct View<'a> {
    context: &'a Context,
    bar: Progress,
}

impl<'a> View<'a> {
    fn new(context: &'a Context) -> Self {
        Self { context, bar: Progress::new(&context.printer) }
    }

    /// Shows an event of a file that is sent; whether it was the last one.
    fn sending(&mut self, event: &TransferEvent) -> Result<bool> {
        if let TransferEvent::Waiting { peer, path, total } = event {
            let what = format!("{path} ({})", size(*total));
            self.context.printer.say(&format!("{peer} has to take {what}; over there: `lanyard receive`"));
            self.json(event)?;
            return Ok(false);
        }
        self.moving(event, "sent")
    }

    /// Shows an event of files that are received; whether a file is complete.
    fn receiving(&mut self, event: &TransferEvent) -> Result<bool> {
        if let TransferEvent::Offer { from, path, total, .. } = event {
            let what = format!("{path} ({})", size(*total));
            self.context
                .printer
                .say(&format!("{from} offers {what}: left alone, as it is from nobody named"));
            self.json(event)?;
            return Ok(false);
        }
        self.moving(event, "received")
    }

    /// Shows that a file failed where others may follow.
    fn failed(&mut self, failure: &Failure) {
        self.bar.clear();
        self.context.printer.failure(failure);
    }

    fn moving(&mut self, event: &TransferEvent, verb: &str) -> Result<bool> {
        match event {
            TransferEvent::Progress { path, bytes, total, rate, .. } => {
                self.bar.show(path, *bytes, *total, *rate);
                self.json(event)?;
                Ok(false)
            }
            TransferEvent::Done { bytes, seconds, path, blake3, .. } => {
                self.bar.clear();
                let rate = size((*bytes as f64 / seconds.max(0.001)) as u64);
                let text = format!("{verb} {path}: {} in {seconds:.2} s, {rate}/s", size(*bytes));
                self.context.printer.say(&text);
                self.context.printer.say(&format!("verified: BLAKE3 {blake3}"));
                self.json(event)?;
                Ok(true)
            }
            TransferEvent::Failed(failure) => {
                self.bar.clear();
                Err(failure.clone().into())
            }
            TransferEvent::Waiting { .. } | TransferEvent::Offer { .. } => Ok(false),
        }
    }

    fn json(&self, event: &TransferEvent) -> Result {
        if self.context.printer.is_json() { self.context.printer.json(event) } else { Ok(()) }
    }
}

fn undecided(limit: Duration) -> Error {
    Error::new(
        Code::Unreachable,
        format!("nobody took the file within {} s", limit.as_secs()),
        "have `lanyard receive` typed on the other side, then send it again",
    )
}

fn cut() -> Error {
    Error::new(Code::Failed, "the node stopped in the middle of it", "see whether it runs: `lanyard status`")
}
