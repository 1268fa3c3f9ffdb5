//! How the rest of the process talks to the event loop.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use lanyard_protocol::control::{
    Answer, Caller, Code, Command, Failure, GuestStatus, Peer, PeerRef, ServiceRef, SetGuest, Visit,
};
use lanyard_protocol::engine::{ChannelGrant, CommandId};
use lanyard_protocol::identity::NodeId;
use lanyard_protocol::people::Actor;
use lanyard_protocol::snapshot::Snapshot;
use lanyard_protocol::ticket::TicketId;
use lanyard_protocol::time::Timestamp;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::ambient::Clock;
use crate::lane::Detour;
use crate::swarm::Streams;

/// Commands that wait for the loop. 64: it takes them as they come, and who finds it full waits.
const MAILBOX: usize = 64;
/// Peers that a slow listener may be behind with. 64: he who misses some looks at all of them.
const CERTIFIED: usize = 64;

/// The result of a local command.
pub(crate) type Answered = Result<Answer, Failure>;
/// The result of a wish to open a channel.
pub(crate) type Opened = Result<Box<ChannelGrant>, Failure>;

/// What a handle asks of the loop.
pub(crate) enum Message {
    /// A command of a local user.
    Command { id: CommandId, caller: Caller, command: Command, reply: oneshot::Sender<Answered> },
    /// A wish to open a channel.
    Open { id: CommandId, actor: Actor, service: ServiceRef, reply: oneshot::Sender<Opened> },
    /// A wish to open a channel as a guest.
    Visit { id: CommandId, visit: Visit, reply: oneshot::Sender<Opened> },
    /// A provider did not know this ticket.
    NoTicket(TicketId),
}

/// Where a node listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listening {
    /// For control connections, over TCP and QUIC: what others can be told.
    pub control: Vec<SocketAddr>,
    /// For lanes: what others can be told.
    pub lane: Vec<SocketAddr>,
}

/// Asks a running node. Clones ask the same one; when it has stopped, they say so.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    mailbox: mpsc::Sender<Message>,
    cancelled: mpsc::UnboundedSender<CommandId>,
    next_id: AtomicU64,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    listening: watch::Receiver<Option<Listening>>,
    certified: broadcast::WeakSender<NodeId>,
    detour: Detour,
    clock: Clock,
}

/// The loop's ends of what its handles hold.
pub(crate) struct Ends {
    pub(crate) mailbox: mpsc::Receiver<Message>,
    /// At most one for each command that waits for its answer, so the callers bound it.
    pub(crate) cancelled: mpsc::UnboundedReceiver<CommandId>,
    pub(crate) snapshot: watch::Sender<Arc<Snapshot>>,
    pub(crate) listening: watch::Sender<Option<Listening>>,
    pub(crate) certified: broadcast::Sender<NodeId>,
    pub(crate) clock: Clock,
}

/// A handle, and the ends for the loop that it is to.
pub(crate) fn handle(snapshot: Arc<Snapshot>, streams: Streams) -> (Handle, Ends) {
    let (mailbox, mailbox_end) = mpsc::channel(MAILBOX);
    let (cancelled, cancelled_end) = mpsc::unbounded_channel();
    let (snapshot_end, snapshot) = watch::channel(snapshot);
    let (listening_end, listening) = watch::channel(None);
    let (certified_end, _) = broadcast::channel(CERTIFIED);
    let certified = certified_end.downgrade();
    let next_id = AtomicU64::new(0);
    let detour = Detour::new(streams);
    let clock = Clock::default();
    let shared =
        Shared { mailbox, cancelled, next_id, snapshot, listening, certified, detour, clock: clock.clone() };
    let ends = Ends {
        mailbox: mailbox_end,
        cancelled: cancelled_end,
        snapshot: snapshot_end,
        listening: listening_end,
        certified: certified_end,
        clock,
    };
    (Handle { shared: Arc::new(shared) }, ends)
}

impl Handle {
    /// Carries out `command` for `caller`. Dropping the future takes the command back.
    ///
    /// # Errors
    /// The node's own [`Failure`], or one of kind [`Code::NotRunning`] if it has stopped.
    pub async fn command(&self, caller: Caller, command: Command) -> Result<Answer, Failure> {
        self.ask(|id, reply| Message::Command { id, caller, command, reply }).await?
    }

    /// Gets the ticket for a service on behalf of `actor`, and the place to present it. Dropping the future takes the
    /// wish back.
    ///
    /// # Errors
    /// The node's own [`Failure`], or one of kind [`Code::NotRunning`] if it has stopped.
    pub async fn open(&self, actor: Actor, service: ServiceRef) -> Result<Box<ChannelGrant>, Failure> {
        self.ask(|id, reply| Message::Open { id, actor, service, reply }).await?
    }

    /// Gets the ticket for a service by its password, as somebody without a certificate does, and the place to present
    /// it. Dropping the future takes the wish back.
    ///
    /// # Errors
    /// The node's own [`Failure`], or one of kind [`Code::NotRunning`] if it has stopped.
    pub async fn visit(&self, visit: Visit) -> Result<Box<ChannelGrant>, Failure> {
        self.ask(|id, reply| Message::Visit { id, visit, reply }).await?
    }

    /// How the services stand that have a password for guests.
    ///
    /// # Errors
    /// A [`Failure`] of kind [`Code::NotRunning`] if the node has stopped.
    pub async fn guests(&self) -> Result<Vec<GuestStatus>, Failure> {
        self.ask_for_guests(Command::Guests).await
    }

    /// Lets guests use a service by a password, or not any more.
    ///
    /// # Errors
    /// The node's own [`Failure`], or one of kind [`Code::NotRunning`] if it has stopped.
    pub async fn set_guest(&self, set: SetGuest) -> Result<Vec<GuestStatus>, Failure> {
        self.ask_for_guests(Command::SetGuest(set)).await
    }

    async fn ask_for_guests(&self, command: Command) -> Result<Vec<GuestStatus>, Failure> {
        let answer = self.command(Caller::NODE, command).await?;
        let Answer::Guests(guests) = answer else {
            return Err(Failure::new(Code::Failed, format!("no answer to that: {answer:?}"), "report it"));
        };
        Ok(guests)
    }

    /// Whether `actor` may use the service, as far as that is decided here. Nothing leaves this host for it.
    ///
    /// # Errors
    /// Why not.
    pub async fn may_use(&self, actor: Actor, service: ServiceRef) -> Result<(), Failure> {
        self.command(Caller::NODE, Command::MayUse(actor, service)).await.map(drop)
    }

    /// On whose behalf the caller acts.
    ///
    /// # Errors
    /// Why on nobody's.
    pub async fn actor(&self, caller: Caller) -> Result<Actor, Failure> {
        let answer = self.command(caller, Command::Actor).await?;
        let Answer::Actor(actor) = answer else {
            return Err(Failure::new(Code::Failed, format!("no answer to that: {answer:?}"), "report it"));
        };
        Ok(actor)
    }

    /// Who the peer is that a user names.
    ///
    /// # Errors
    /// The node's own [`Failure`], or one of kind [`Code::NotRunning`] if it has stopped.
    pub async fn whois(&self, peer: PeerRef) -> Result<Peer, Failure> {
        let answer = self.command(Caller::NODE, Command::Whois(peer)).await?;
        let Answer::Peer(peer) = answer else {
            return Err(Failure::new(Code::Failed, format!("no answer to whois: {answer:?}"), "report it"));
        };
        Ok(*peer)
    }

    /// Says that a provider did not know this ticket, so that [`Self::open`] gets a new one.
    ///
    /// # Errors
    /// A [`Failure`] of kind [`Code::NotRunning`] if the node has stopped.
    pub async fn no_ticket(&self, ticket: TicketId) -> Result<(), Failure> {
        self.send(Message::NoTicket(ticket)).await
    }

    /// What the data plane validates by, as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.shared.snapshot.borrow())
    }

    /// What the data plane validates by, and when it changes.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.shared.snapshot.clone()
    }

    /// The node's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.shared.clock.clone()
    }

    /// The time by the node's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Peers as they are authenticated, from now on. Whoever lags behind misses some and is told so. Closed
    /// when the node stops.
    #[must_use]
    pub fn certified(&self) -> broadcast::Receiver<NodeId> {
        match self.shared.certified.upgrade() {
            Some(sender) => sender.subscribe(),
            // The loop has ended: so does the receiver.
            None => broadcast::channel(1).1,
        }
    }

    /// Where the node listens, as soon as it does. Nowhere, for one that was started without listeners.
    ///
    /// # Errors
    /// A [`Failure`] of kind [`Code::NotRunning`] if the node has stopped.
    pub async fn listening(&self) -> Result<Listening, Failure> {
        let mut listening = self.shared.listening.clone();
        let known = listening.wait_for(Option::is_some).await.map_err(|_| stopping())?;
        known.clone().ok_or_else(stopping)
    }

    /// The way around lanes that do not work.
    pub(crate) fn detour(&self) -> &Detour {
        &self.shared.detour
    }

    async fn ask<T>(
        &self,
        message: impl FnOnce(CommandId, oneshot::Sender<T>) -> Message,
    ) -> Result<T, Failure> {
        let id = CommandId(self.shared.next_id.fetch_add(1, Ordering::Relaxed));
        let (reply, answer) = oneshot::channel();
        self.send(message(id, reply)).await?;
        let guard = Cancel { id, cancelled: Some(&self.shared.cancelled) };
        let answer = answer.await;
        guard.disarm();
        answer.map_err(|_| stopping())
    }

    async fn send(&self, message: Message) -> Result<(), Failure> {
        self.shared.mailbox.send(message).await.map_err(|_| stopping())
    }
}

/// Tells the loop that nobody waits any longer, unless it was disarmed.
struct Cancel<'a> {
    id: CommandId,
    cancelled: Option<&'a mpsc::UnboundedSender<CommandId>>,
}

impl Cancel<'_> {
    fn disarm(mut self) {
        self.cancelled = None;
    }
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        if let Some(cancelled) = self.cancelled {
            // A loop that has ended has nothing to take back.
            let _ = cancelled.send(self.id);
        }
    }
}

fn stopping() -> Failure {
    Failure::new(Code::NotRunning, "the node is stopping", "start it again: `lanyard up`")
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use lanyard_protocol::engine::{Engine, Setup};

    use super::*;
    use crate::ambient::OsRng;

    #[tokio::test]
    async fn a_caller_that_goes_away_takes_its_command_back() {
        let (handle, mut ends) = handle_and_ends();
        let mut command = Box::pin(handle.command(Caller::NODE, Command::Status));
        assert!((&mut command).now_or_never().is_none());
        let Some(Message::Command { id, .. }) = ends.mailbox.recv().await else {
            panic!("expected a command")
        };
        drop(command);
        assert_eq!(ends.cancelled.recv().await, Some(id));
    }

    #[tokio::test]
    async fn a_caller_that_is_answered_takes_nothing_back() {
        let (handle, mut ends) = handle_and_ends();
        let answer = async {
            let Some(Message::Command { reply, .. }) = ends.mailbox.recv().await else {
                panic!("expected a command")
            };
            assert!(reply.send(Ok(Answer::Peers(Vec::new()))).is_ok());
        };
        let (result, ()) = tokio::join!(handle.command(Caller::NODE, Command::Peers), answer);
        assert_eq!(result, Ok(Answer::Peers(Vec::new())));
        assert!(ends.cancelled.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_command_that_the_loop_left_unanswered_fails() {
        let (handle, mut ends) = handle_and_ends();
        let (result, message) = tokio::join!(handle.command(Caller::NODE, Command::Peers), async {
            ends.mailbox.recv().await.map(drop)
        });
        assert_eq!(message, Some(()));
        assert_eq!(result.unwrap_err().code, Code::NotRunning);
    }

    #[tokio::test]
    async fn where_a_node_listens_is_waited_for() {
        let (handle, ends) = handle_and_ends();
        let mut listening = Box::pin(handle.listening());
        assert!((&mut listening).now_or_never().is_none());
        let place = Listening { control: vec!["127.0.0.1:4610".parse().unwrap()], lane: Vec::new() };
        ends.listening.send_replace(Some(place.clone()));
        assert_eq!(listening.await, Ok(place));
    }

    fn handle_and_ends() -> (Handle, Ends) {
        let engine = Engine::new(Setup::default(), Timestamp::from_secs(1), Box::new(OsRng)).unwrap();
        handle(engine.snapshot(), Streams::default())
    }
}
