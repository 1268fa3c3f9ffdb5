//! The receiving side of a conversation.

use core::time::Duration;
use std::sync::Arc;

use lanyard_protocol::control::ChatState;

use super::journal::{Direction, Line};
use super::message::{MESSAGE_MAX, StreamId, TEXT_MAX, ToReceiver, ToSender};
use super::{Chat, Conversation};
use crate::channel::{AnyWire, ChannelError, Receiver, Sender};
use crate::lane::Session;
use crate::store::StoreError;
use crate::tools::frame::{self, FrameError};

/// How long a channel may be silent: its sender closes it sooner.
const IDLE: Duration = Duration::from_secs(120);

/// Why a receiving channel ended before its sender closed it.
#[derive(Debug, thiserror::Error)]
enum ReceiveError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the peer said {0} where it may not")]
    Misbehaved(&'static str),
    #[error("the peer said nothing for {} s", IDLE.as_secs())]
    Idle,
}

impl Chat {
    /// Stores what the peer sends, and confirms it once it is durable.
    pub(super) async fn receive(self: Arc<Self>, session: Session) {
        let peer = session.peer;
        if let Err(error) = self.receive_all(session).await {
            tracing::debug!(peer = %peer.short(), %error, "chat ended");
        }
    }

    async fn receive_all(self: Arc<Self>, session: Session) -> Result<(), ReceiveError> {
        if session.name.is_none() {
            return Err(ReceiveError::Misbehaved("somebody without a certificate"));
        }
        let conversation = self.conversation(session.peer)?;
        let (mut to, mut from) = session.channel.split();
        let Some(ToReceiver::Hello { stream }) = next(&mut from).await? else {
            return Err(ReceiveError::Misbehaved("no hello"));
        };
        let received = {
            let mut head = conversation.head.lock().await;
            self.journal.settle(&conversation.peer, &mut head).await?;
            head.received(stream)
        };
        frame::send(&mut to, &ToSender::Welcome { received }).await?;
        while let Some(message) = next(&mut from).await? {
            let ToReceiver::Text { number, at, text } = message else {
                return Err(ReceiveError::Misbehaved("hello twice"));
            };
            if text.is_empty() || text.len() > TEXT_MAX || number == 0 {
                return Err(ReceiveError::Misbehaved("a text of no allowed length or number"));
            }
            let name = session.name.clone();
            let line = Line { direction: Direction::Received, at, name, text };
            self.store(&conversation, stream, number, line, &mut to).await?;
        }
        Ok(frame::close(&mut to).await?)
    }

    /// Stores the line unless it is a repetition, and confirms it either way.
    async fn store(
        self: &Arc<Self>,
        conversation: &Conversation,
        stream: StreamId,
        number: u64,
        line: Line,
        to: &mut Sender<AnyWire>,
    ) -> Result<(), ReceiveError> {
        self.make_room(&line).await?;
        let mut head = conversation.head.lock().await;
        self.journal.settle(&conversation.peer, &mut head).await?;
        if number > head.received(stream) {
            let peer = &conversation.peer;
            let here = self.journal.append_received(peer, &mut head, stream, number, &line).await?;
            self.tell(peer, here, &line, ChatState::Received);
        }
        drop(head);
        Ok(frame::send(to, &ToSender::Stored { number }).await?)
    }

    /// Has the longest conversations give way until there is room for the line in all. No head is locked meanwhile but
    /// the one that gives way: of messages that come at the same time each may be beyond the limit.
    async fn make_room(self: &Arc<Self>, line: &Line) -> Result<(), StoreError> {
        while let Some(peer) = self.journal.fullest_without_room(line) {
            let conversation = self.conversation(peer)?;
            let mut head = conversation.head.lock().await;
            self.journal.make_room(&peer, &mut head, line).await?;
        }
        Ok(())
    }
}

async fn next(from: &mut Receiver<AnyWire>) -> Result<Option<ToReceiver>, ReceiveError> {
    let message = frame::recv::<_, ToReceiver, MESSAGE_MAX>(from);
    Ok(tokio::time::timeout(IDLE, message).await.map_err(|_| ReceiveError::Idle)??)
}
