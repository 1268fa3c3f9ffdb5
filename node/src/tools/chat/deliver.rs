//! The sending side of a conversation: one task for each peer, asleep while nothing waits.

use core::time::Duration;
use std::sync::Arc;

use lanyard_protocol::control::{ChatState, Failure};
use lanyard_protocol::people::Actor;

use super::message::{MESSAGE_MAX, ToReceiver, ToSender, WINDOW};
use super::{Chat, Conversation, chat_at};
use crate::channel::{AnyWire, ChannelError, Receiver, Sender};
use crate::lane;
use crate::store::StoreError;
use crate::tools::frame::{self, FrameError};

/// The pause after the first failure; it doubles with each one that follows.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause: a peer that comes back is noticed by then at the latest.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long a channel is kept for the next message.
const LINGER: Duration = Duration::from_secs(30);

/// How long the peer may take to store what it was sent.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);

/// Why nothing more was delivered for now.
#[derive(Debug, thiserror::Error)]
enum DeliverError {
    #[error("{0}")]
    Open(#[from] Failure),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the peer ended the conversation")]
    Ended,
    #[error("the peer said {0} where it may not")]
    Misbehaved(&'static str),
    #[error("the peer confirmed nothing for {} s", CONFIRM_TIMEOUT.as_secs())]
    Unconfirmed,
}

impl Chat {
    /// Delivers what waits for one peer, now and whenever something does, until the node stops.
    pub(super) async fn deliver(self: Arc<Self>, conversation: Arc<Conversation>) {
        self.tasks.until_stopping(self.deliver_forever(&conversation)).await;
    }

    async fn deliver_forever(&self, conversation: &Conversation) {
        let mut pause = FIRST_PAUSE;
        loop {
            if conversation.outbox.borrow().is_idle() {
                conversation.wake.notified().await;
                continue;
            }
            let before = conversation.outbox.borrow().delivered;
            let Err(error) = self.count_and_deliver(conversation).await else {
                pause = FIRST_PAUSE;
                continue;
            };
            if matches!(error, DeliverError::Store(_)) {
                conversation.outbox.send_modify(|outbox| outbox.doubtful = true);
            }
            tracing::debug!(peer = %conversation.peer.short(), %error, "messages wait");
            if conversation.outbox.borrow().delivered > before {
                pause = FIRST_PAUSE;
            }
            // A message that was just written, or a peer that was just seen, is a reason to try at once.
            let woken = tokio::time::timeout(pause, conversation.wake.notified()).await.is_ok();
            pause = if woken { FIRST_PAUSE } else { LONGEST_PAUSE.min(pause * 2) };
        }
    }

    async fn count_and_deliver(&self, conversation: &Conversation) -> Result<(), DeliverError> {
        if conversation.outbox.borrow().doubtful {
            self.count(conversation).await?;
        }
        if conversation.outbox.borrow().waiting == 0 {
            return Ok(());
        }
        self.deliver_waiting(conversation).await
    }

    /// Counts what waits. Nobody adds to it while the head is locked, and only the task that is here subtracts.
    async fn count(&self, conversation: &Conversation) -> Result<(), StoreError> {
        let mut head = conversation.head.lock().await;
        self.journal.recover(&conversation.peer, &mut head).await?;
        let (waiting, _) = self.journal.waiting(&conversation.peer)?;
        conversation.outbox.send_modify(|outbox| (outbox.waiting, outbox.doubtful) = (waiting, false));
        drop(head);
        Ok(())
    }

    /// One channel's worth: everything that waits, and what is written while the channel lingers.
    async fn deliver_waiting(&self, conversation: &Conversation) -> Result<(), DeliverError> {
        let Some(actor) = self.next_deliverable(conversation).await? else { return Ok(()) };
        let dialled = lane::open(&self.handle, &actor, &chat_at(&conversation.peer)).await?;
        let (mut to, mut from) = dialled.channel.split();
        let stream = conversation.head.lock().await.stream;
        frame::send(&mut to, &ToReceiver::Hello { stream }).await?;
        let ToSender::Welcome { received } = confirmation(&mut from).await? else {
            return Err(DeliverError::Misbehaved("no welcome"));
        };
        self.confirm_through(conversation, received).await?;
        loop {
            self.send_waiting(conversation, &actor, &mut to, &mut from).await?;
            if self.next_writer(conversation)?.is_some_and(|next| next != actor) {
                // What waits now is somebody else's, who has a ticket of their own.
                return Ok(frame::close(&mut to).await?);
            }
            let lingered = tokio::select! {
                woken = tokio::time::timeout(LINGER, conversation.wake.notified()) => woken.is_err(),
                _ = from.peek() => true,
            };
            if lingered {
                return Ok(frame::close(&mut to).await?);
            }
        }
    }

    /// On whose behalf the first message that waits is to be delivered.
    fn next_writer(&self, conversation: &Conversation) -> Result<Option<Actor>, StoreError> {
        let (_, first) = self.journal.waiting(&conversation.peer)?;
        let writer = first.map(|first| self.journal.writer(&conversation.peer, first)).transpose()?;
        Ok(writer.map(Option::unwrap_or_default))
    }

    /// As [`Self::next_writer`]. Messages of people who may not write any more, or not now, as they have logged out, let
    /// those go first that others have written since: they get later numbers.
    async fn next_deliverable(&self, conversation: &Conversation) -> Result<Option<Actor>, StoreError> {
        let peer = &conversation.peer;
        let waiting = self.journal.undelivered(peer, 1, WINDOW)?;
        let mut blocked = Vec::new();
        let mut free = None;
        for (number, line) in waiting {
            let writer = self.journal.writer(peer, number)?.unwrap_or_default();
            if self.handle.may_use(writer.clone(), chat_at(peer)).await.is_ok() {
                free = Some(writer);
                break;
            }
            blocked.extend(line.map(|line| (number, writer, line)));
        }
        if free.is_none() {
            return self.next_writer(conversation);
        }
        for (number, writer, line) in blocked {
            let mut head = conversation.head.lock().await;
            let later = self.journal.postpone(peer, &mut head, number, (&writer, &line)).await?;
            drop(head);
            tracing::debug!(peer = %peer.short(), number, later, "a message lets others go first");
            self.tell(peer, later, &line, ChatState::Queued);
        }
        Ok(free)
    }

    /// Sends what waits of one writer's, a window at a time, and waits until it is confirmed.
    async fn send_waiting(
        &self,
        conversation: &Conversation,
        actor: &Actor,
        to: &mut Sender<AnyWire>,
        from: &mut Receiver<AnyWire>,
    ) -> Result<(), DeliverError> {
        loop {
            let mut waiting = self.journal.undelivered(&conversation.peer, 1, WINDOW)?;
            let mut others = waiting.len();
            for (at, (number, _)) in waiting.iter().enumerate() {
                // A line whose writer is damaged is nobody's to say: it is passed over like one that is damaged itself.
                if self.journal.writer(&conversation.peer, *number)?.is_some_and(|writer| writer != *actor) {
                    others = at;
                    break;
                }
            }
            waiting.truncate(others);
            let Some(&(last, _)) = waiting.last() else { return Ok(()) };
            let mut sent = 0;
            for (number, line) in waiting {
                // A line that the disk has damaged is gone: what follows it goes on without it.
                let Some(line) = line else { continue };
                sent = number;
                frame::send(to, &ToReceiver::Text { number, at: line.at, text: line.text }).await?;
            }
            let mut confirmed = 0;
            while confirmed < sent {
                let ToSender::Stored { number } = confirmation(from).await? else {
                    return Err(DeliverError::Misbehaved("welcome twice"));
                };
                if number <= confirmed || number > sent {
                    return Err(DeliverError::Misbehaved("a confirmation of what was not sent"));
                }
                confirmed = number;
                self.confirm_through(conversation, number).await?;
            }
            self.confirm_through(conversation, last).await?;
        }
    }

    /// Everything up to `through` is durable at the peer: it waits no longer.
    async fn confirm_through(&self, conversation: &Conversation, through: u64) -> Result<(), DeliverError> {
        loop {
            let peer = &conversation.peer;
            let mut confirmed = self.journal.undelivered(peer, 1, WINDOW)?;
            confirmed.retain(|(number, _)| *number <= through);
            if confirmed.is_empty() {
                return Ok(());
            }
            let numbers: Vec<u64> = confirmed.iter().map(|(number, _)| *number).collect();
            self.journal.delivered(peer, &numbers).await?;
            let last = numbers.last().copied().unwrap_or_default();
            conversation.outbox.send_modify(|outbox| outbox.take(numbers.len(), last));
            for (number, line) in confirmed {
                if let Some(line) = line {
                    self.tell(peer, number, &line, ChatState::Delivered);
                }
            }
        }
    }
}

async fn confirmation(from: &mut Receiver<AnyWire>) -> Result<ToSender, DeliverError> {
    let message = frame::recv::<_, ToSender, MESSAGE_MAX>(from);
    let message =
        tokio::time::timeout(CONFIRM_TIMEOUT, message).await.map_err(|_| DeliverError::Unconfirmed)?;
    message?.ok_or(DeliverError::Ended)
}
