//! Conversations between two nodes that outlast both of them being away.
//!
//! A message is durable in the writer's store before anybody is told that it is queued, and durable in the
//! reader's store before the writer is told that it is delivered ([`journal`]). Until then it stays in the
//! writer's outbox, and is sent whenever the peer is there ([`deliver`]); numbers tell repetitions from new
//! messages ([`message`]). So a message arrives exactly once and in order, whichever side restarts when. What a peer
//! writes is kept within a bound, at which its oldest messages give way ([`quota`]).

mod deliver;
mod journal;
pub mod message;
mod quota;
mod receive;

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::tasks::Tasks;
use lanyard_protocol::control::{
    ChatLine, ChatSend, ChatSent, ChatState, Code, Failure, PeerRef, PeerState, ServiceRef, Time,
};
use lanyard_protocol::identity::{NodeId, NodeName, ServiceName};
use lanyard_protocol::people::Actor;
use tokio::sync::{Notify, broadcast, watch};

pub(crate) use self::journal::is_head;
use self::journal::{Direction, Head, Journal, Line};
use self::message::TEXT_MAX;
use crate::config::ChatLimits;
use crate::handle::Handle;
use crate::lane::Services;
use crate::store::{Store, StoreError};

/// How many messages may wait for one peer.
pub const OUTBOX_MAX: usize = 10_000;

/// The most lines of a conversation that are read at once.
pub const LOG_MAX: usize = 1_000;

/// How long [`Chat::send`] waits whether the peer is there.
const PROMPT: Duration = Duration::from_secs(1);

/// How many lines a slow listener may be behind before it misses some.
const EVENTS: usize = 256;

/// One line of the conversation with `peer`, as it happens.
#[derive(Clone, Debug)]
pub struct Heard {
    /// With whom.
    pub peer: NodeId,
    /// The line.
    pub line: ChatLine,
}

/// The conversations of this node.
pub struct Chat {
    handle: Handle,
    journal: Journal,
    conversations: Mutex<BTreeMap<NodeId, Arc<Conversation>>>,
    events: broadcast::Sender<Heard>,
    tasks: Tasks,
}

/// The conversation with one peer. There is one for every peer that was ever talked to since the start: no more
/// than the network has members.
struct Conversation {
    peer: NodeId,
    /// What the journal's head says. Locked while a line is written, so that lines have one order, and while the
    /// outbox is counted.
    head: tokio::sync::Mutex<Head>,
    /// How many messages wait in the outbox, and up to which number everything is delivered.
    outbox: watch::Sender<Outbox>,
    /// Wakes the task that delivers.
    wake: Notify,
}

#[derive(Clone, Copy, Debug)]
struct Outbox {
    waiting: usize,
    delivered: u64,
    /// Whether a commit failed or was left alone: the store alone knows what waits.
    doubtful: bool,
}

/// Leaves the outbox in doubt when dropped, and has the task that delivers look.
struct Doubt<'a>(Option<&'a Conversation>);

impl Chat {
    /// Serves `chat`, and sends what waited for its peers when the node was stopped, until the node stops.
    ///
    /// # Errors
    /// [`StoreError`] if the conversations cannot be read.
    pub(crate) fn start(
        handle: Handle,
        store: Store,
        services: &Services,
        limits: &ChatLimits,
        tasks: Tasks,
    ) -> Result<Arc<Self>, StoreError> {
        let (events, _) = broadcast::channel(EVENTS);
        let chat = Arc::new(Self {
            handle,
            journal: Journal::open(store, limits)?,
            conversations: Mutex::default(),
            events,
            tasks,
        });
        for peer in chat.journal.waiting_peers()? {
            chat.conversation(peer)?.wake.notify_one();
        }
        let serving = Arc::clone(&chat);
        services.serve(service(), move |session| Arc::clone(&serving).receive(session));
        chat.tasks.spawn(Arc::clone(&chat).wake_for_the_certified());
        Ok(chat)
    }

    /// Queues a message of `actor` durably, and waits for a moment whether it is delivered.
    ///
    /// # Errors
    /// What the user is told: no such peer, not granted, too long, too many waiting, no room on the disk.
    pub async fn send(self: &Arc<Self>, actor: Actor, request: ChatSend) -> Result<ChatSent, Failure> {
        check_text(&request.text)?;
        let peer = self.handle.whois(request.peer.clone()).await?;
        if peer.state == PeerState::Revoked {
            let remedy = "see who is there: `lanyard peers`";
            let message = format!("the membership of {} was revoked: nothing would arrive", request.peer);
            return Err(Failure::new(Code::Denied, message, remedy));
        }
        self.handle.may_use(actor.clone(), chat_at(&peer.id)).await?;
        let conversation = self.conversation(peer.id).map_err(storage)?;
        check_room(&conversation, &request.peer)?;
        let line = Line {
            direction: Direction::Sent,
            at: self.handle.now(),
            name: peer.name.clone(),
            text: request.text,
        };
        let number = self.append(&conversation, &actor, &line).await?;
        let id = line_id(&conversation.peer, peer.name.as_ref(), number);
        let mut outbox = conversation.outbox.subscribe();
        let delivered = outbox.wait_for(|outbox| outbox.delivered >= number);
        let state = match tokio::time::timeout(PROMPT, delivered).await {
            Ok(Ok(_)) => ChatState::Delivered,
            Ok(Err(_)) | Err(_) => ChatState::Queued,
        };
        Ok(ChatSent { id, state })
    }

    async fn append(&self, conversation: &Conversation, actor: &Actor, line: &Line) -> Result<u64, Failure> {
        let mut head = conversation.head.lock().await;
        // Counted before it can be seen in the store: what is delivered meanwhile is subtracted.
        conversation.outbox.send_modify(|outbox| outbox.waiting += 1);
        let mut doubt = Doubt(Some(conversation));
        let appended = self.journal.append_sent(&conversation.peer, &mut head, actor, line).await;
        let number = appended.map_err(storage)?;
        doubt.0 = None;
        drop(head);
        self.tell(&conversation.peer, number, line, ChatState::Queued);
        conversation.wake.notify_one();
        Ok(number)
    }

    /// The last lines of the conversation with `peer`, oldest first: at most [`LOG_MAX`].
    ///
    /// # Errors
    /// What the user is told: no such peer, a damaged store.
    pub async fn log(self: &Arc<Self>, peer: &PeerRef, limit: usize) -> Result<Vec<ChatLine>, Failure> {
        let peer = self.handle.whois(peer.clone()).await?;
        let conversation = self.conversation(peer.id).map_err(storage)?;
        let next = conversation.head.lock().await.next;
        let from = next.saturating_sub(limit.min(LOG_MAX) as u64);
        let lines = self.journal.lines(&peer.id, from, limit.min(LOG_MAX)).map_err(storage)?;
        let delivered = conversation.outbox.borrow().delivered;
        Ok(lines
            .into_iter()
            .map(|(number, line)| {
                let state = if number <= delivered { ChatState::Delivered } else { ChatState::Queued };
                self.show(&peer.id, number, &line, state)
            })
            .collect())
    }

    /// The id of the peer that `peer` names.
    ///
    /// # Errors
    /// What the user is told: no such peer.
    pub async fn resolve(&self, peer: &PeerRef) -> Result<NodeId, Failure> {
        Ok(self.handle.whois(peer.clone()).await?.id)
    }

    /// Lines of all conversations from now on, as they are written, delivered and received.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Heard> {
        self.events.subscribe()
    }

    /// The conversation with `peer`, whose delivering task is started with it.
    fn conversation(self: &Arc<Self>, peer: NodeId) -> Result<Arc<Conversation>, StoreError> {
        let mut conversations = self.conversations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(conversation) = conversations.get(&peer) {
            return Ok(Arc::clone(conversation));
        }
        let head = self.journal.head(&peer)?;
        let (waiting, first) = self.journal.waiting(&peer)?;
        let outbox = Outbox { waiting, delivered: first.unwrap_or(head.next) - 1, doubtful: false };
        let conversation = Arc::new(Conversation {
            peer,
            head: tokio::sync::Mutex::new(head),
            outbox: watch::Sender::new(outbox),
            wake: Notify::new(),
        });
        conversations.insert(peer, Arc::clone(&conversation));
        self.tasks.spawn(Arc::clone(self).deliver(Arc::clone(&conversation)));
        Ok(conversation)
    }

    /// A peer that has just been authenticated is there: what waits for it is tried at once.
    async fn wake_for_the_certified(self: Arc<Self>) {
        let mut certified = self.handle.certified();
        loop {
            match self.tasks.until_stopping(certified.recv()).await {
                Some(Ok(peer)) => self.wake(|conversation| conversation.peer == peer),
                Some(Err(broadcast::error::RecvError::Lagged(_))) => self.wake(|_| true),
                Some(Err(broadcast::error::RecvError::Closed)) | None => return,
            }
        }
    }

    fn wake(&self, whom: impl Fn(&Conversation) -> bool) {
        let conversations = self.conversations.lock().unwrap_or_else(PoisonError::into_inner);
        conversations.values().filter(|it| whom(it)).for_each(|it| it.wake.notify_one());
    }

    fn tell(&self, peer: &NodeId, number: u64, line: &Line, state: ChatState) {
        // Nobody listening is not an error.
        let _ = self.events.send(Heard { peer: *peer, line: self.show(peer, number, line, state) });
    }

    fn own_name(&self) -> Option<NodeName> {
        self.handle.snapshot().certificate().map(|certificate| certificate.name().clone())
    }

    /// A line as its reader sees it; `state` is that of a message that was sent.
    fn show(&self, peer: &NodeId, number: u64, line: &Line, state: ChatState) -> ChatLine {
        let own = self.own_name().unwrap_or_else(unnamed);
        let other = line.name.clone().unwrap_or_else(unnamed);
        let (from, to, state) = match line.direction {
            Direction::Sent => (own, other, state),
            Direction::Received => (other, own, ChatState::Received),
        };
        let id = line_id(peer, line.name.as_ref(), number);
        ChatLine { id, from, to, at: Time(line.at), text: line.text.clone(), state }
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(conversation) = self.0 {
            conversation.outbox.send_modify(|outbox| outbox.doubtful = true);
            conversation.wake.notify_one();
        }
    }
}

/// `<peer>-<number>`: by name where it is known, otherwise by the first digits of the id.
fn line_id(peer: &NodeId, name: Option<&NodeName>, number: u64) -> String {
    name.map_or_else(|| format!("{}-{number}", peer.short()), |name| format!("{name}-{number}"))
}

#[expect(clippy::expect_used, reason = "a constant label")]
fn service() -> ServiceName {
    "chat".parse().expect("a label")
}

#[expect(clippy::expect_used, reason = "a constant label")]
fn unnamed() -> NodeName {
    "unnamed".parse().expect("a label")
}

/// `chat` at the node `peer`, named by its full id.
#[expect(clippy::expect_used, reason = "64 digits are a reference to a peer")]
fn chat_at(peer: &NodeId) -> ServiceRef {
    ServiceRef { service: service(), peer: peer.to_string().parse().expect("an id") }
}

fn check_text(text: &str) -> Result<(), Failure> {
    if text.is_empty() {
        return Err(Failure::new(Code::Usage, "the message is empty", "write something"));
    }
    if text.len() > TEXT_MAX {
        return Err(Failure::new(
            Code::Usage,
            format!("the message has {} bytes where at most {TEXT_MAX} are allowed", text.len()),
            "send it as a file: lanyard send",
        ));
    }
    Ok(())
}

fn check_room(conversation: &Conversation, peer: &PeerRef) -> Result<(), Failure> {
    if conversation.outbox.borrow().waiting < OUTBOX_MAX {
        return Ok(());
    }
    Err(Failure::new(
        Code::Failed,
        format!("{OUTBOX_MAX} messages already wait for {peer}"),
        format!("wait until {peer} is back"),
    ))
}

#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
fn storage(error: StoreError) -> Failure {
    Failure::new(Code::Failed, format!("the message store: {error}"), error.remedy())
}
