//! The receiving side of a file transfer.

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use lanyard_protocol::control::{Code, Failure, Receive, TransferEvent};
use lanyard_protocol::identity::NodeId;
use tokio::sync::mpsc;

use super::inbox::{Finished, Inbox, InboxError, Partial};
use super::message::{Decline, End, MESSAGE_MAX, Offer, Refusal, Reply, VERSION};
use super::name::safe_name;
use super::offers::{Offered, Verdict};
use super::progress::Progress;
use super::{DECISION_TIMEOUT, EVENTS, Files, check_absolute, open_inbox, stopped};
use crate::channel::{AnyWire, Batch, ChannelError, Receiver, Sender};
use crate::lane::Session;
use crate::tasks::Tasks;
use crate::tools::frame::{self, FrameError, STALL_TIMEOUT};

/// How long a sender may take from the channel to the offer, and from our last word to its close.
const PROMPT: Duration = Duration::from_secs(10);

/// How many pieces wait for the disk.
const PIECES: usize = 3;

/// Why a transfer failed, on this side.
#[derive(Debug, thiserror::Error)]
enum TransferError {
    #[error(transparent)]
    Inbox(#[from] InboxError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the sender's file changed while it was sent")]
    Changed,
    #[error("the sender sent nothing for {} s", STALL_TIMEOUT.as_secs())]
    Stalled,
    #[error("stopped here")]
    Stopped,
    #[error("the disk's thread ended: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl From<ChannelError> for TransferError {
    fn from(error: ChannelError) -> Self {
        Self::Frame(error.into())
    }
}

impl Files {
    /// Receives into a folder, and tells how it goes, until the receiver is dropped or one file has ended where
    /// only one is wanted.
    ///
    /// # Errors
    /// What the user is told: no such folder, no such peer.
    pub async fn receive(
        self: &Arc<Self>,
        request: Receive,
    ) -> Result<mpsc::Receiver<TransferEvent>, Failure> {
        check_absolute(&request.into)?;
        let mut trusted = BTreeSet::new();
        for peer in request.from {
            trusted.insert(self.handle.whois(peer).await?.id);
        }
        let inbox = open_inbox(request.into).await?;
        let (events, watched) = mpsc::channel(EVENTS);
        let reception = Reception {
            inbox,
            trusted,
            everyone: request.yes,
            once: request.once,
            events,
            tasks: self.tasks.clone(),
        };
        let files = Arc::clone(self);
        self.tasks.spawn(async move {
            files.tasks.until_stopping(files.receive_into(reception)).await;
        });
        Ok(watched)
    }

    async fn receive_into(&self, reception: Reception) {
        let mut changes = self.offers.changes();
        let (viewer, mut accepted) = mpsc::channel(EVENTS);
        let (ended, mut ends) = mpsc::channel(EVENTS);
        let mut busy = false;
        loop {
            if !(reception.once && busy) {
                for offered in self.offers.show(&viewer) {
                    if !reception.takes(&offered.peer) || (reception.once && busy) {
                        let _ = reception.events.send(offered.to_event()).await;
                    } else {
                        busy |= self.offers.settle(&offered.id, reception.verdict(&ended));
                    }
                }
            }
            tokio::select! {
                () = reception.events.closed() => return,
                Some(id) = accepted.recv() => busy |= self.offers.settle(&id, reception.verdict(&ended)),
                // Taken off also where many are wanted: whoever tells it waits for the room.
                Some(()) = ends.recv() => if reception.once { return },
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }

    /// One channel of a sender.
    pub(super) async fn take_offer(self: Arc<Self>, session: Session) {
        let peer = session.peer;
        // Who has no certificate offers nothing.
        let Some(name) = session.name else { return };
        let (mut to, mut from) = session.channel.split();
        let offer = tokio::time::timeout(PROMPT, frame::recv::<_, Offer, MESSAGE_MAX>(&mut from)).await;
        let Ok(Ok(Some(offer))) = offer else {
            tracing::debug!(peer = %peer.short(), "no offer came");
            return;
        };
        let reply = match check(&offer, peer, &name) {
            Ok(offered) => self.decide_and_store(offered, &mut to, &mut from).await,
            Err(why) => Some(Reply::Decline(why)),
        };
        let Some(reply) = reply else { return };
        tracing::debug!(peer = %peer.short(), ?reply, "offer ended");
        if frame::send(&mut to, &reply).await.is_ok() && frame::close(&mut to).await.is_ok() {
            // Closing while the sender still sends would reset the connection, and it would never read the reply.
            let _ = tokio::time::timeout(PROMPT, from.drain()).await;
        }
    }

    /// The last word to the sender; nothing if it went away.
    async fn decide_and_store(
        &self,
        offered: Offered,
        to: &mut Sender<AnyWire>,
        from: &mut Receiver<AnyWire>,
    ) -> Option<Reply> {
        let Some(mut standing) = self.offers.put(offered.clone()) else {
            return Some(Reply::Decline(Decline::Busy));
        };
        let verdict = tokio::select! {
            verdict = standing.decided() => verdict?,
            // A sender has nothing to say before it is answered: it went away, or breaks the rules.
            _ = from.peek() => return None,
            () = tokio::time::sleep(DECISION_TIMEOUT) => return Some(Reply::Decline(Decline::Undecided)),
        };
        drop(standing);
        match verdict {
            Verdict::Decline => Some(Reply::Decline(Decline::Denied)),
            Verdict::Take { inbox, events } => Some(take(offered, inbox, events, to, from).await),
        }
    }
}

/// What one call of [`Files::receive`] wants.
struct Reception {
    inbox: Arc<Inbox>,
    trusted: BTreeSet<NodeId>,
    everyone: bool,
    once: bool,
    events: mpsc::Sender<TransferEvent>,
    tasks: Tasks,
}

impl Reception {
    /// Whether a file of `peer` is taken without asking. Naming peers restricts `everyone` to them.
    fn takes(&self, peer: &NodeId) -> bool {
        self.trusted.contains(peer) || (self.everyone && self.trusted.is_empty())
    }

    /// Takes it, tells the client how it goes, and `ended` when it is over.
    fn verdict(&self, ended: &mpsc::Sender<()>) -> Verdict {
        let (events, mut told) = mpsc::channel(EVENTS);
        let (client, ended) = (self.events.clone(), ended.clone());
        self.tasks.spawn(async move {
            loop {
                let event = tokio::select! {
                    () = client.closed() => break,
                    event = told.recv() => event,
                };
                let Some(event) = event else { break };
                let _ = client.send(event).await;
            }
            let _ = ended.send(()).await;
        });
        Verdict::Take { inbox: Arc::clone(&self.inbox), events }
    }
}

fn check(
    offer: &Offer,
    peer: NodeId,
    from: &lanyard_protocol::identity::NodeName,
) -> Result<Offered, Decline> {
    if offer.version != VERSION {
        return Err(Decline::Version);
    }
    let name = safe_name(&offer.name).map_err(|error| {
        tracing::info!(peer = %peer.short(), %error, "offer refused");
        Decline::Name
    })?;
    Ok(Offered::new(peer, from.clone(), name, offer.size))
}

/// Receives an accepted file, tells whoever watches, and gives the last word to the sender.
async fn take(
    offered: Offered,
    inbox: Arc<Inbox>,
    events: mpsc::Sender<TransferEvent>,
    to: &mut Sender<AnyWire>,
    from: &mut Receiver<AnyWire>,
) -> Reply {
    let mut progress = Progress::new(events, offered.name.to_string(), offered.size);
    let begun = tokio::task::spawn_blocking(move || inbox.begin(offered.name, &offered.id, offered.size));
    let partial = match begun.await {
        Ok(Ok(partial)) => partial,
        Ok(Err(error)) => {
            progress.failed(failure(&error)).await;
            let full = matches!(error, InboxError::NoRoom { .. });
            return if full { Reply::Decline(Decline::NoRoom) } else { Reply::Failed(Refusal::Storage) };
        }
        Err(error) => {
            progress.failed(stopped(&error)).await;
            return Reply::Failed(Refusal::Storage);
        }
    };
    match receive_contents(partial, offered.size, to, from, &mut progress).await {
        Ok(finished) => {
            progress.done(finished.hash, finished.path.display().to_string()).await;
            Reply::Stored
        }
        Err(error) => {
            let reply = Reply::Failed(refusal(&error, offered.size));
            progress.failed(transfer_failure(&error)).await;
            reply
        }
    }
}

async fn receive_contents(
    partial: Partial,
    size: u64,
    to: &mut Sender<AnyWire>,
    from: &mut Receiver<AnyWire>,
    progress: &mut Progress,
) -> Result<Finished, TransferError> {
    frame::send(to, &Reply::Accept).await?;
    let watchers = progress.events().clone();
    let (pieces, written) = mpsc::channel(PIECES);
    let (give_back, mut empty) = mpsc::channel(PIECES + 1);
    let writing = tokio::task::spawn_blocking(move || write_contents(partial, written, &give_back));
    let copied = tokio::select! {
        copied = copy(size, from, &pieces, &mut empty, progress) => copied,
        () = watchers.closed() => Err(TransferError::Stopped),
    };
    drop(pieces);
    // The disk's own error explains why it took no more.
    outcome(copied, writing.await??)
}

/// What became of a file. One that has its name is there, even if whoever watched left at that moment.
fn outcome(copied: Result<(), TransferError>, stored: Option<Finished>) -> Result<Finished, TransferError> {
    match (stored, copied) {
        (Some(finished), _) => Ok(finished),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(TransferError::Stopped),
    }
}

/// What the channel's side hands to the disk's thread.
enum Piece {
    Data(Vec<u8>),
    End(blake3::Hash),
}

/// Moves the file's bytes and what ends them from the channel to the disk.
async fn copy(
    size: u64,
    from: &mut Receiver<AnyWire>,
    pieces: &mpsc::Sender<Piece>,
    empty: &mut mpsc::Receiver<Vec<u8>>,
    progress: &mut Progress,
) -> Result<(), TransferError> {
    let mut received = 0;
    while received < size {
        let mut piece = empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(Batch::CAPACITY));
        while piece.len() < Batch::CAPACITY && received < size {
            let bytes = tokio::time::timeout(STALL_TIMEOUT, from.peek()).await;
            let bytes = bytes.map_err(|_| TransferError::Stalled)??;
            if bytes.is_empty() {
                return Err(InboxError::Size { declared: size, actual: received }.into());
            }
            let room = (Batch::CAPACITY - piece.len()).min(bytes.len());
            let taken = room.min(usize::try_from(size - received).unwrap_or(usize::MAX));
            piece.extend_from_slice(&bytes[..taken]);
            from.consume_bytes(taken);
            received += taken as u64;
        }
        progress.advance(piece.len() as u64);
        if pieces.send(Piece::Data(piece)).await.is_err() {
            return Ok(());
        }
    }
    let end = tokio::time::timeout(STALL_TIMEOUT, frame::recv::<_, End, MESSAGE_MAX>(from)).await;
    match end.map_err(|_| TransferError::Stalled)? {
        Ok(Some(End::Complete { blake3 })) => {
            let _ = pieces.send(Piece::End(blake3::Hash::from_bytes(blake3))).await;
            Ok(())
        }
        Ok(Some(End::Changed)) => Err(TransferError::Changed),
        // More bytes than were declared, or none of what ends them.
        Ok(None) | Err(FrameError::Misbehaved(_)) => {
            Err(InboxError::Size { declared: size, actual: size.saturating_add(1) }.into())
        }
        Err(error @ FrameError::Channel(_)) => Err(error.into()),
    }
}

/// Writes and hashes what comes. Blocks. Without an end nothing is left behind.
fn write_contents(
    mut partial: Partial,
    mut pieces: mpsc::Receiver<Piece>,
    give_back: &mpsc::Sender<Vec<u8>>,
) -> Result<Option<Finished>, InboxError> {
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Data(mut bytes) => {
                partial.write(&bytes)?;
                bytes.clear();
                let _ = give_back.try_send(bytes);
            }
            Piece::End(hash) => return partial.finish(hash).map(Some),
        }
    }
    Ok(None)
}

/// What the sender is told.
fn refusal(error: &TransferError, declared: u64) -> Refusal {
    match error {
        TransferError::Inbox(InboxError::Size { declared, actual }) => {
            Refusal::Size { declared: *declared, actual: *actual }
        }
        TransferError::Inbox(InboxError::Hash { .. }) => Refusal::Hash,
        TransferError::Inbox(InboxError::NoRoom { .. }) => Refusal::NoRoom,
        TransferError::Inbox(InboxError::Io { .. } | InboxError::SameName { .. })
        | TransferError::Thread(_) => Refusal::Storage,
        TransferError::Changed => Refusal::Size { declared, actual: declared.saturating_add(1) },
        TransferError::Stalled => Refusal::Stalled,
        TransferError::Stopped | TransferError::Frame(_) => Refusal::Stopped,
    }
}

/// What the user here is told about the channel's side.
fn transfer_failure(error: &TransferError) -> Failure {
    match error {
        TransferError::Inbox(error) => failure(error),
        TransferError::Changed => Failure::new(Code::Data, error.to_string(), "have it sent again"),
        TransferError::Frame(FrameError::Misbehaved(_)) => {
            Failure::new(Code::Data, error.to_string(), "update both nodes")
        }
        TransferError::Frame(FrameError::Channel(_)) => {
            Failure::new(Code::Unreachable, format!("the transfer was cut: {error}"), "have it sent again")
        }
        TransferError::Stalled => Failure::new(Code::Unreachable, error.to_string(), "have it sent again"),
        TransferError::Stopped | TransferError::Thread(_) => {
            Failure::new(Code::Failed, error.to_string(), "have it sent again")
        }
    }
}

/// What the user here is told about the disk's side.
pub(super) fn failure(error: &InboxError) -> Failure {
    let (code, remedy) = match error {
        InboxError::Size { .. } | InboxError::Hash { .. } => (Code::Data, "have it sent again"),
        InboxError::NoRoom { .. } => (Code::Failed, "free some room, or receive into another folder"),
        InboxError::Io { .. } => (Code::Failed, "check that the node may write to the folder"),
        InboxError::SameName { .. } => (Code::Failed, "clear the folder up, or receive into another one"),
    };
    Failure::new(code, error.to_string(), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D3: the sender is never told that nothing is kept of a file that has its name.
    #[test]
    fn a_file_that_is_there_is_not_denied() {
        let finished = || Finished { path: "/in/a.txt".into(), hash: blake3::hash(b"hello") };
        assert!(outcome(Ok(()), Some(finished())).is_ok());
        assert!(outcome(Err(TransferError::Stopped), Some(finished())).is_ok());
        assert!(matches!(outcome(Err(TransferError::Stalled), None), Err(TransferError::Stalled)));
        assert!(matches!(outcome(Ok(()), None), Err(TransferError::Stopped)));
    }
}
