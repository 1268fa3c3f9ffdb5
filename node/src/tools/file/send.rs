//! The sending side of a file transfer.

use core::time::Duration;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use lanyard_protocol::control::{Code, Failure, PeerRef, SendFile, ServiceRef, TransferEvent};
use lanyard_protocol::identity::NodeName;
use lanyard_protocol::people::Actor;
use rand_core::Rng as _;
use tokio::sync::mpsc;

use super::message::{Decline, MESSAGE_MAX, Offer, OfferId, Refusal, Reply, VERSION};
use super::name::{SafeName, safe_name};
use super::progress::Progress;
use super::{DECISION_TIMEOUT, EVENTS, Files, check_absolute, remedy_for, service, stopped};
use crate::ambient::OsRng;
use crate::channel::{AnyWire, ChannelError, Receiver, Sender};
use crate::lane;
use crate::tools::content::{self, ContentError};
use crate::tools::frame::{self, FrameError};

/// How long a decision may take before the user is told whom it waits for.
const WAITING_AFTER: Duration = Duration::from_millis(300);

/// How long the receiver may take to sync what it has.
const STORE_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// The receiver's side of the channel, as a stream of replies.
struct Replies {
    from: Receiver<AnyWire>,
    peer: PeerRef,
}

/// A file that is open and has a name to offer it by.
struct Source {
    file: File,
    name: SafeName,
    size: u64,
}

impl Files {
    /// Sends a file on behalf of `actor`, and tells how it goes; the last event is `Done` or `Failed`. Dropping the receiver stops it.
    #[must_use]
    pub fn send(self: &Arc<Self>, actor: Actor, request: SendFile) -> mpsc::Receiver<TransferEvent> {
        let (events, watched) = mpsc::channel(EVENTS);
        let files = Arc::clone(self);
        self.tasks.spawn(async move {
            files.tasks.until_stopping(files.send_watched(actor, request, events)).await;
        });
        watched
    }

    async fn send_watched(&self, actor: Actor, request: SendFile, events: mpsc::Sender<TransferEvent>) {
        tokio::select! {
            // Whoever asked went away: the channel is cut, and the receiver keeps nothing.
            () = events.closed() => {}
            result = self.send_file(&actor, request, &events) => {
                if let Err(failure) = result {
                    let _ = events.send(TransferEvent::Failed(failure)).await;
                }
            }
        }
    }

    async fn send_file(
        &self,
        actor: &Actor,
        request: SendFile,
        events: &mpsc::Sender<TransferEvent>,
    ) -> Result<(), Failure> {
        let SendFile { peer, path, name } = request;
        let opened = tokio::task::spawn_blocking(move || Source::open(&path, name)).await;
        let source = opened.map_err(|error| stopped(&error))??;
        let at = ServiceRef { service: service(), peer: peer.clone() };
        let dialled = lane::open(&self.handle, actor, &at).await?;
        let (mut to, from) = dialled.channel.split();
        let mut replies = Replies { from, peer: peer.clone() };
        let (name, size) = (source.name.to_string(), source.size);
        offer(&mut to, &name, size).await.map_err(|error| replies.cut(&error))?;
        replies.accepted(&dialled.name, &name, size, events).await?;
        let mut progress = Progress::new(events.clone(), name.clone(), size);
        let sending = send_contents(&mut to, source, &mut progress, &peer);
        let hash = stored_after(sending, replies.stored(), &peer, STORE_TIMEOUT).await?;
        progress.done(hash, name).await;
        // The receiver waits for nothing any more.
        let _ = frame::close(&mut to).await;
        Ok(())
    }
}

impl Source {
    fn open(path: &Path, name: Option<String>) -> Result<Self, Failure> {
        check_absolute(path)?;
        let name = match name {
            Some(name) => name,
            None => path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned(),
        };
        let name = safe_name(&name).map_err(|error| {
            Failure::new(
                Code::Usage,
                format!("cannot offer the file: {error}"),
                "give it another: --name NAME",
            )
        })?;
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
        if !metadata.is_file() {
            let remedy = "send regular files, one by one";
            return Err(Failure::new(Code::Usage, format!("{} is not a file", path.display()), remedy));
        }
        Ok(Self { file, name, size: metadata.len() })
    }
}

async fn offer(to: &mut Sender<AnyWire>, name: &str, size: u64) -> Result<(), ChannelError> {
    let mut id = OfferId([0; 16]);
    OsRng.fill_bytes(&mut id.0);
    frame::send(to, &Offer { version: VERSION, id, name: name.to_owned(), size }).await
}

/// Sends everything and waits, for at most `limit`, until it is stored; gives the hash of what is.
async fn stored_after(
    sending: impl Future<Output = Result<Option<blake3::Hash>, Failure>>,
    stored: impl Future<Output = Result<(), Failure>>,
    peer: &PeerRef,
    limit: Duration,
) -> Result<blake3::Hash, Failure> {
    let (mut sending, mut stored) = (core::pin::pin!(sending), core::pin::pin!(stored));
    let sent = tokio::select! {
        early = &mut stored => {
            // A refusal ends the sending. A confirmation may overtake the end of it: the last byte is with the
            // receiver before the disk's thread is done here.
            early?;
            sending.await?
        }
        sent = &mut sending => {
            // If the channel broke, the receiver may still have said why.
            let sent = match sent {
                Err(failure) if failure.code == Code::Unreachable => {
                    let said = tokio::time::timeout(WAITING_AFTER, &mut stored).await;
                    return Err(said.ok().and_then(Result::err).unwrap_or(failure));
                }
                sent => sent?,
            };
            let confirmed = tokio::time::timeout(limit, &mut stored).await;
            confirmed.map_err(|_| unconfirmed(peer, limit))??;
            sent
        }
    };
    sent.ok_or_else(unexpected)
}

/// Sends the file's bytes and what ends them; gives the hash, or nothing if the file changed meanwhile.
async fn send_contents(
    to: &mut Sender<AnyWire>,
    source: Source,
    progress: &mut Progress,
    peer: &PeerRef,
) -> Result<Option<blake3::Hash>, Failure> {
    let Source { file, name, size } = source;
    let sent = content::send(to, file, size, |bytes| progress.advance(bytes)).await;
    sent.map_err(|error| match error {
        ContentError::Channel(error) => cut(peer, &error),
        ContentError::Read(error) => unreadable(Path::new(name.as_str()), &error),
        ContentError::Thread(error) => stopped(&error),
    })
}

impl Replies {
    /// Waits until the offer is accepted, and says whom it waits for if that takes a while.
    async fn accepted(
        &mut self,
        peer: &NodeName,
        name: &str,
        size: u64,
        events: &mpsc::Sender<TransferEvent>,
    ) -> Result<(), Failure> {
        let waiting = TransferEvent::Waiting { peer: peer.clone(), path: name.to_owned(), total: size };
        let remedy = remedy_for(&self.peer);
        let decision = async {
            let mut decision = core::pin::pin!(self.next());
            if let Ok(decided) = tokio::time::timeout(WAITING_AFTER, &mut decision).await {
                return decided;
            }
            let _ = events.send(waiting).await;
            decision.await
        };
        let decided = tokio::time::timeout(DECISION_TIMEOUT, decision).await.map_err(|_| {
            Failure::new(Code::Unreachable, format!("{peer} has not decided in time"), remedy)
        })?;
        match decided? {
            Reply::Accept => Ok(()),
            Reply::Decline(why) => Err(declined(why, &self.peer)),
            Reply::Failed(why) => Err(refused(why, &self.peer)),
            Reply::Stored => Err(unexpected()),
        }
    }

    /// Waits until the file is stored.
    async fn stored(&mut self) -> Result<(), Failure> {
        match self.next().await? {
            Reply::Stored => Ok(()),
            Reply::Failed(why) => Err(refused(why, &self.peer)),
            Reply::Accept | Reply::Decline(_) => Err(unexpected()),
        }
    }

    async fn next(&mut self) -> Result<Reply, Failure> {
        match frame::recv::<_, Reply, MESSAGE_MAX>(&mut self.from).await {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => {
                Err(Failure::new(Code::Failed, format!("{} ended the transfer", self.peer), "try again"))
            }
            Err(FrameError::Channel(error)) => Err(self.cut(&error)),
            Err(FrameError::Misbehaved(error)) => {
                Err(Failure::new(Code::Data, format!("{} said {error}", self.peer), "update both nodes"))
            }
        }
    }

    fn cut(&self, error: &ChannelError) -> Failure {
        cut(&self.peer, error)
    }
}

fn cut(peer: &PeerRef, error: &ChannelError) -> Failure {
    let remedy = format!("check that {peer} runs, and send it again");
    Failure::new(Code::Unreachable, format!("the channel to {peer} broke: {error}"), remedy)
}

fn unexpected() -> Failure {
    Failure::new(Code::Data, "the other side broke the rules of the transfer", "update both nodes")
}

fn unconfirmed(peer: &PeerRef, limit: Duration) -> Failure {
    let seconds = limit.as_secs();
    Failure::new(
        Code::Unreachable,
        format!("{peer} was sent the whole file and did not say within {seconds} s that it is stored"),
        format!("see on {peer} whether it is there, and send it again if not"),
    )
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let code = if error.kind() == io::ErrorKind::NotFound { Code::NotFound } else { Code::Failed };
    let message = format!("cannot read {}: {error}", path.display());
    Failure::new(code, message, "check that the node may read the file")
}

fn declined(why: Decline, peer: &PeerRef) -> Failure {
    let (code, what, remedy) = match why {
        Decline::Denied => (Code::Denied, "declined the file", "ask there why".to_owned()),
        Decline::Undecided => (Code::Unreachable, "has not decided in time", remedy_for(peer)),
        Decline::Busy => (Code::Failed, "has too many offers waiting", remedy_for(peer)),
        Decline::Name => {
            (Code::Usage, "does not take a file of this name", "give another: --name NAME".into())
        }
        Decline::Version => (Code::Failed, "speaks another version", "update both nodes".to_owned()),
        Decline::NoRoom => (Code::Failed, "has no room for the file", format!("free some room on {peer}")),
    };
    Failure::new(code, format!("{peer} {what}"), remedy)
}

fn refused(why: Refusal, peer: &PeerRef) -> Failure {
    let again = || "send it again".to_owned();
    let (code, message, remedy) = match why {
        Refusal::Size { declared, actual } => (
            Code::Data,
            format!("the file changed while it was sent: {declared} bytes were offered and {actual} sent"),
            again(),
        ),
        Refusal::Hash => (Code::Data, format!("{peer} got other bytes than were sent"), again()),
        Refusal::NoRoom => {
            (Code::Failed, format!("the disk of {peer} is full"), format!("free some room on {peer}"))
        }
        Refusal::Stopped => (Code::Failed, format!("{peer} stopped the transfer"), again()),
        Refusal::Stalled => (Code::Unreachable, format!("{peer} received nothing for too long"), again()),
        Refusal::Storage => {
            (Code::Failed, format!("{peer} could not store the file"), format!("look at {peer}"))
        }
    };
    Failure::new(code, message, remedy)
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn peer() -> PeerRef {
        "office".parse().unwrap()
    }

    /// R-C6: the receiver may confirm the file before the sender's own threads have ended.
    #[tokio::test]
    async fn a_confirmation_may_overtake_the_end_of_the_sending() {
        let (confirm, confirmed) = oneshot::channel();
        let hash = blake3::hash(b"hello");
        let sending = async {
            confirmed.await.unwrap();
            Ok(Some(hash))
        };
        let stored = async {
            confirm.send(()).unwrap();
            Ok(())
        };
        assert_eq!(stored_after(sending, stored, &peer(), STORE_TIMEOUT).await, Ok(hash));
    }

    /// A file that changed was not sent, whatever the receiver claims to have stored.
    #[tokio::test]
    async fn a_confirmation_of_what_was_not_sent_breaks_the_rules() {
        let ended = stored_after(async { Ok(None) }, async { Ok(()) }, &peer(), STORE_TIMEOUT).await;
        assert_eq!(ended, Err(unexpected()));
    }

    /// A refusal ends the sending at once.
    #[tokio::test]
    async fn a_refusal_is_told_before_everything_is_sent() {
        let refused = || refused(Refusal::NoRoom, &peer());
        let ended =
            stored_after(core::future::pending(), async { Err(refused()) }, &peer(), STORE_TIMEOUT).await;
        assert_eq!(ended, Err(refused()));
    }

    /// A receiver that never confirms has broken no rule: the user is told what is not known.
    #[tokio::test]
    async fn a_missing_confirmation_is_told_as_such() {
        let sending = async { Ok(Some(blake3::hash(b"hello"))) };
        let ended = stored_after(sending, core::future::pending(), &peer(), Duration::ZERO).await;
        assert_eq!(ended, Err(unconfirmed(&peer(), Duration::ZERO)));
    }
}
