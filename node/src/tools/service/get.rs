//! Getting a file or a listing from a folder that another node exposes.

use std::io;

use hyper::body::Bytes;
use lanyard_protocol::control::{Code, Failure, FolderItem, Listing, ServiceRef};
use lanyard_protocol::people::Actor;
use tokio::sync::mpsc;

use super::folder::message::{ENTRIES_MAX, PATH_MAX, REPLY_MAX, Refusal, Reply, Request, VERSION, Want};
use crate::channel::{AnyWire, ChannelError, Receiver, Sender};
use crate::handle::Handle;
use crate::lane;
use crate::tasks::Tasks;
use crate::tools::file::message::{End, MESSAGE_MAX};
use crate::tools::frame::{self, FrameError, STALL_TIMEOUT};

/// Pieces that wait for a slow reader: 4 of at most 64 KiB.
const PIECES: usize = 4;

/// A file that is on its way.
pub(in crate::tools) struct Fetched {
    /// How many bytes it has.
    pub(in crate::tools) size: u64,
    /// The bytes. The last ones come only when all are verified; when they cannot be, an error comes in their place.
    pub(in crate::tools) pieces: mpsc::Receiver<io::Result<Bytes>>,
}

/// Begins to get a file.
///
/// # Errors
/// What the user is told: denied, unreachable, no such file.
pub(in crate::tools) async fn get(
    handle: &Handle,
    tasks: &Tasks,
    actor: &Actor,
    item: FolderItem,
) -> Result<Fetched, Failure> {
    let mut asked = Asked::ask(handle, actor, item, |path| Want::File { path }).await?;
    let size = match asked.next().await? {
        Reply::File { size } => size,
        Reply::Refused(why) => return Err(refused(&asked.item, why)),
        Reply::Entries(_) | Reply::Listed { .. } => return Err(asked.unexpected()),
    };
    let (pieces, coming) = mpsc::channel(PIECES);
    if size == 0 {
        // There is no last byte to hold back.
        let empty = blake3::Hasher::new();
        asked.verify(&empty).await?;
        return Ok(Fetched { size, pieces: coming });
    }
    let stopping = tasks.clone();
    tasks.spawn(async move {
        let receiving = async {
            tokio::select! {
                () = pieces.closed() => Ok(()),
                received = asked.receive(size, &pieces) => received,
            }
        };
        let received = stopping.until_stopping(receiving).await;
        if let Some(Err(failure)) = received {
            tracing::debug!(item = %asked.item, %failure, "not got to its end");
            let _ = pieces.send(Err(io::Error::other(failure))).await;
        }
    });
    Ok(Fetched { size, pieces: coming })
}

/// Gets a listing.
///
/// # Errors
/// What the user is told: denied, unreachable, no such folder.
pub(in crate::tools) async fn list(
    handle: &Handle,
    actor: &Actor,
    item: FolderItem,
) -> Result<Listing, Failure> {
    let mut asked = Asked::ask(handle, actor, item, |path| Want::List { path }).await?;
    let mut entries = Vec::new();
    loop {
        match asked.next().await? {
            Reply::Entries(page) if page.is_empty() || entries.len() + page.len() > ENTRIES_MAX => {
                return Err(asked.unexpected());
            }
            Reply::Entries(page) => entries.extend(page),
            Reply::Listed { more, left_out } => return Ok(Listing { entries, more, left_out }),
            Reply::Refused(why) => return Err(refused(&asked.item, why)),
            Reply::File { .. } => return Err(asked.unexpected()),
        }
    }
}

/// A request that was made, and its answer to come.
struct Asked {
    item: FolderItem,
    from: Receiver<AnyWire>,
    /// Kept: a channel whose one direction is dropped goes on, and one whose both are is cut.
    _to: Sender<AnyWire>,
}

impl Asked {
    async fn ask(
        handle: &Handle,
        actor: &Actor,
        item: FolderItem,
        want: impl FnOnce(String) -> Want,
    ) -> Result<Self, Failure> {
        let dialled = lane::open(handle, actor, &item.service).await?;
        let (mut to, from) = dialled.channel.split();
        if item.path.len() > PATH_MAX {
            // Nobody would read a request with it.
            return Err(refused(&item, Refusal::NoSuch));
        }
        let request = Request { version: VERSION, want: want(item.path.clone()) };
        frame::send(&mut to, &request).await.map_err(|error| cut(&item.service, &error))?;
        Ok(Self { item, from, _to: to })
    }

    async fn next(&mut self) -> Result<Reply, Failure> {
        let next = frame::recv::<_, Reply, REPLY_MAX>(&mut self.from);
        let came = tokio::time::timeout(STALL_TIMEOUT, next).await;
        self.message(came)
    }

    /// Takes the file's bytes, hashes them, and passes them on; the last ones when all are verified.
    async fn receive(&mut self, size: u64, pieces: &mpsc::Sender<io::Result<Bytes>>) -> Result<(), Failure> {
        let (mut hasher, mut left, mut held) = (blake3::Hasher::new(), size, None::<Bytes>);
        while left > 0 {
            let coming = tokio::time::timeout(STALL_TIMEOUT, self.from.peek()).await;
            let bytes = match coming {
                Ok(Ok(bytes)) => bytes,
                Ok(Err(error)) => return Err(cut(&self.item.service, &error)),
                Err(_) => return Err(stalled(&self.item.service)),
            };
            if bytes.is_empty() {
                return Err(self.changed());
            }
            // What follows the file is a message.
            let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let piece = Bytes::copy_from_slice(&bytes[..taken]);
            self.from.consume_bytes(taken);
            left -= taken as u64;
            hasher.update(&piece);
            if let Some(before) = held.replace(piece) {
                let _ = pieces.send(Ok(before)).await;
            }
        }
        self.verify(&hasher).await?;
        if let Some(last) = held {
            let _ = pieces.send(Ok(last)).await;
        }
        Ok(())
    }

    /// Reads what ends the file, and compares.
    async fn verify(&mut self, hasher: &blake3::Hasher) -> Result<(), Failure> {
        let end = frame::recv::<_, End, MESSAGE_MAX>(&mut self.from);
        let came = tokio::time::timeout(STALL_TIMEOUT, end).await;
        match self.message(came)? {
            End::Complete { blake3 } if hasher.finalize() == blake3::Hash::from_bytes(blake3) => Ok(()),
            End::Complete { .. } => Err(Failure::new(
                Code::Data,
                format!("{} came with another hash than it was sent with", self.item),
                "get it again",
            )),
            End::Changed => Err(self.changed()),
        }
    }

    fn message<T>(
        &self,
        came: Result<Result<Option<T>, FrameError>, tokio::time::error::Elapsed>,
    ) -> Result<T, Failure> {
        match came {
            Ok(Ok(Some(message))) => Ok(message),
            Ok(Ok(None)) => Err(self.unexpected()),
            Ok(Err(FrameError::Channel(error))) => Err(cut(&self.item.service, &error)),
            Ok(Err(FrameError::Misbehaved(_))) => Err(self.unexpected()),
            Err(_) => Err(stalled(&self.item.service)),
        }
    }

    fn changed(&self) -> Failure {
        Failure::new(Code::Data, format!("{} changed while it was read", self.item), "get it again")
    }

    fn unexpected(&self) -> Failure {
        let service = &self.item.service;
        let message = format!("{service} does not answer as a folder does");
        Failure::new(
            Code::Data,
            message,
            format!("is it a port? then `lanyard forward {service}`; else update both nodes"),
        )
    }
}

fn refused(item: &FolderItem, why: Refusal) -> Failure {
    let FolderItem { service, path } = item;
    let (code, message, remedy) = match why {
        Refusal::NoSuch => {
            let what = if item.is_folder() { "folder" } else { "file" };
            let remedy = format!("see what there is: `lanyard get {service}/`");
            (Code::NotFound, format!("there is no {what} {path:?} in {service}"), remedy)
        }
        Refusal::IsFolder => {
            let remedy = format!("list it: `lanyard get {service}/{path}/`");
            (Code::Usage, format!("{path:?} in {service} is a folder"), remedy)
        }
        Refusal::Unreadable => {
            let remedy = format!("ask whoever runs {}", service.peer);
            (Code::Failed, format!("{} may not read {path:?} itself", service.peer), remedy)
        }
        Refusal::Busy => {
            let remedy = "wait until others have ended".to_owned();
            (Code::Failed, format!("too much is being read of {service}"), remedy)
        }
        Refusal::Version => {
            (Code::Failed, format!("{} speaks another version", service.peer), "update both nodes".to_owned())
        }
    };
    Failure::new(code, message, remedy)
}

/// What comes of a service may be cut at any time: what is there then is not all of it.
fn cut(service: &ServiceRef, error: &ChannelError) -> Failure {
    let remedy = format!("check that {} runs, and get it again", service.peer);
    Failure::new(Code::Data, format!("the channel to {service} broke: {error}"), remedy)
}

fn stalled(service: &ServiceRef) -> Failure {
    let message = format!("{service} sent nothing for {} s", STALL_TIMEOUT.as_secs());
    Failure::new(Code::Unreachable, message, format!("check that {} runs, and get it again", service.peer))
}
