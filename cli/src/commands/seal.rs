//! `seal` and `open`: a file for some peers, from this node, with no connection between them.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use lanyard_protocol::control::{Code, HeaderToOpen, HeaderToSeal, OpenedHeader, PeerRef};
use serde_json::json;

use super::{Context, certificate};
use crate::args;
use crate::error::{Error, Result};
use crate::host::{self, StreamError};
use crate::output::{Output, Readable};
use crate::progress::{follow, size};

/// `lanyard seal`
pub(super) async fn seal(context: &Context, seal: args::Seal) -> Result {
    let wanted = seal.output.as_deref();
    check_json(context, wanted)?;
    let (peers, file) = split(&seal.peers)?;
    let mut source = Source::open(file.as_deref())?;
    let (output, mut to) = Output::begin(wanted, seal.force, Readable::AsUsual)?;
    let anywhere = certificate::member_here(context).await?;
    let header = anywhere.seal_header(HeaderToSeal { to: peers.clone() }).await;
    anywhere.close().await;
    let header = header?;
    let (name, bar, named) = (source.name.clone(), source.bar(context), !Output::is_stdout(wanted));
    let bytes = in_background(move || {
        let bytes = host::seal(header, &mut source.file, &mut to, bar)?;
        on_disk(&to, named).map(|()| bytes)
    })
    .await?
    .map_err(|error| explained(error, &name))?;
    output.keep()?;
    let to = peers.iter().map(ToString::to_string).collect::<Vec<_>>();
    context.printer.say(&format!("sealed {name} to {} ({})", to.join(", "), size(bytes)));
    if context.printer.is_json() {
        context.printer.json(&json!({ "path": wanted, "to": to, "bytes": bytes }))?;
    }
    Ok(())
}

/// `lanyard open`
pub(super) async fn open(context: &Context, open: args::Open) -> Result {
    let wanted = open.output.as_deref();
    check_json(context, wanted)?;
    let mut source = Source::open(open.file.as_deref())?;
    let (output, mut to) = Output::begin(wanted, open.force, Readable::ByOwner)?;
    let name = source.name.clone();
    let header = host::read_header(&mut source.file).map_err(|error| explained(error, &name))?;
    let anywhere = certificate::member_here(context).await?;
    let opened = anywhere.open_header(HeaderToOpen { header: header.clone() }).await;
    anywhere.close().await;
    let opened = opened?;
    let (bar, named) = (source.bar(context), !Output::is_stdout(wanted));
    let (bytes, opened) = in_background(move || {
        let bytes = host::open(&header, &opened, &mut source.file, &mut to, bar)?;
        on_disk(&to, named).map(|()| (bytes, opened))
    })
    .await?
    .map_err(|error| explained(error, &name))?;
    output.keep()?;
    show(context, &opened, wanted, bytes)
}

/// Says who sealed it. The keys of the file are nobody's to see.
fn show(context: &Context, opened: &OpenedHeader, path: Option<&Path>, bytes: u64) -> Result {
    let OpenedHeader { name, id, network, sealed_at, not_after, .. } = opened;
    let role = super::node::role(opened.role);
    let sealed_at = String::from(*sealed_at);
    context.printer.say(&format!(
        "sealed by {name} ({}), {role} of {network}, at {sealed_at} by its own clock",
        id.short()
    ));
    if opened.expired {
        let ended = String::from(*not_after);
        context.printer.say(&format!("the certificate that {name} had then has ended at {ended}"));
    }
    if !context.printer.is_json() {
        return Ok(());
    }
    context.printer.json(&json!({
        "path": path, "bytes": bytes, "name": name, "id": id, "entity": opened.entity, "network": network,
        "role": opened.role, "sealed_at": sealed_at, "not_after": not_after, "expired": opened.expired,
        "receivers": opened.receivers,
    }))
}

/// What is asked for in JSON must not stand in the middle of what is sealed or opened.
fn check_json(context: &Context, output: Option<&Path>) -> Result {
    if context.printer.is_json() && Output::is_stdout(output) {
        return Err(Error::new(
            Code::Usage,
            "standard output cannot hold both the file and JSON",
            "name a file: `-o F`",
        ));
    }
    Ok(())
}

/// The peers, and the file behind them: of several arguments the last one, of one argument none.
fn split(arguments: &[String]) -> Result<(Vec<PeerRef>, Option<PathBuf>)> {
    let (peers, file) = match arguments {
        [peers @ .., file] if !peers.is_empty() => (peers, Some(PathBuf::from(file))),
        peers => (peers, None),
    };
    let parsed = peers.iter().map(|peer| {
        peer.parse::<PeerRef>().map_err(|error| {
            Error::new(Code::Usage, error.to_string(), "usage: lanyard seal <PEER>... [FILE]")
        })
    });
    Ok((parsed.collect::<Result<_>>()?, file))
}

/// What is read.
struct Source {
    file: File,
    /// As people call it.
    name: String,
    /// If it is known beforehand.
    size: Option<u64>,
}

impl Source {
    /// The file at `path`, or standard input for `-` or nothing.
    fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            let stdin = io::stdin().as_fd().try_clone_to_owned();
            let file = stdin.map_err(|error| unreadable("standard input", &error))?.into();
            return Ok(Self { file, name: "standard input".to_owned(), size: None });
        };
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| unreadable(&name, &error))?;
        let found = file.metadata().map_err(|error| unreadable(&name, &error))?;
        if found.is_dir() {
            return Err(Error::new(
                Code::Usage,
                format!("{name} is no file"),
                "name a file, or pack it first",
            ));
        }
        Ok(Self { file, name, size: found.is_file().then_some(found.len()) })
    }

    /// Moves a bar on a terminal, if this is large.
    fn bar(&self, context: &Context) -> impl FnMut(u64) + Send + use<> {
        follow(&context.printer, self.name.clone(), self.size)
    }
}

/// Waits until a file that is about to get its name is on disk.
fn on_disk(file: &File, named: bool) -> core::result::Result<(), StreamError> {
    if named { file.sync_all().map_err(StreamError::Write) } else { Ok(()) }
}

/// Reads and writes off the loop, so that an interruption is noticed at once.
async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Error::new(Code::Failed, format!("it ended early: {error}"), "please report this as a defect")
    })
}

fn explained(error: StreamError, name: &str) -> Error {
    match error {
        StreamError::Read(error) => unreadable(name, &error),
        StreamError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => Error::Closed,
        StreamError::Write(error) => Error::new(
            Code::Failed,
            format!("the output cannot be written: {error}"),
            "write it somewhere with room: `-o F`",
        ),
        StreamError::Header(error) => {
            let mut failure = host::header_failure(&error);
            failure.message = format!("{name}: {}", failure.message);
            failure.into()
        }
        StreamError::Content(error) => Error::new(
            Code::Data,
            format!("{name}: {error}"),
            "do not trust it: ask its sender for the file once more",
        ),
    }
}

fn unreadable(name: &str, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return Error::new(
            Code::NotFound,
            format!("there is no file {name}"),
            "the last argument names the file, `-` is standard input",
        );
    }
    let what = format!("{name} cannot be read: {error}");
    Error::new(Code::Failed, what, "name a file that this user may read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_arguments_is_the_file() {
        let split = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            let (peers, file) = split(&arguments).unwrap();
            (peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(","), file)
        };
        assert_eq!(split(&["bob"]), ("bob".to_owned(), None));
        assert_eq!(split(&["bob", "x.csv"]), ("bob".to_owned(), Some("x.csv".into())));
        assert_eq!(split(&["bob", "carol", "-"]), ("bob,carol".to_owned(), Some("-".into())));
    }
}
