//! The lane: a plain TCP port on which tickets open channels, and nothing else happens. Beside it, for members
//! that cannot reach the port, streams of the connections that they have ([`run_streams`]): the same bytes, the same
//! code, the same limits.
//!
//! A stranger costs this node a slot for at most three seconds, and slots are scarce by address before they are
//! scarce in all ([`limits`]). What a connection may do is decided by its ticket; whom it reaches is decided by
//! the ticket's service ([`Services`]). No handler is called before the requester's first record has opened.

mod detour;
mod dial;
mod limits;
mod probe;
mod services;

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

use lanyard_protocol::channel::{Binding, ChannelReject, Responder};
use lanyard_protocol::identity::{NodeId, NodeName, ServiceName};
use lanyard_protocol::people::Principal;
use lanyard_protocol::ticket::{self, SessionKeyCache, TicketError, ValidTicket};
use tokio::net::{TcpListener, TcpStream};

pub(crate) use self::detour::Detour;
pub use self::dial::Dialled;
pub(crate) use self::dial::{open, visit};
use self::limits::{Proven, Unproven, UnprovenSlot};
pub(crate) use self::probe::{Probe, probe};
pub use self::services::Services;
use crate::ambient::OsRng;
use crate::channel::handshake::{self, AcceptError};
use crate::channel::{AnyWire, Channel, Lease, Wire};
use crate::config::LaneLimits;
use crate::handle::Handle;
use crate::origin::Origin;
use crate::swarm::{self, Incoming, Offered};
use crate::tasks::Tasks;

/// How long the listener waits when the system has no descriptor for the next connection.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Which way a channel runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A TCP connection of its own.
    Lane,
    /// A stream of a connection between the nodes: encrypted twice, and slower.
    Stream,
}

/// A channel that a peer opened to a service here. It counts as open until both its directions are dropped.
#[derive(Debug)]
pub struct Session {
    /// The channel.
    pub channel: Channel<AnyWire>,
    /// Who opened it.
    pub peer: NodeId,
    /// The peer's name, from its certificate. A guest has none.
    pub name: Option<NodeName>,
    /// On behalf of whom there, if of a person.
    pub user: Option<Principal>,
    /// The service that it was opened to.
    pub service: ServiceName,
    /// Where it came from: on a stream, where a connection with the peer leads.
    pub remote: SocketAddr,
    /// Which way it runs.
    pub way: Way,
}

/// Serves the lane, and the streams beside it, until the node stops; then every connection is closed.
pub(crate) async fn run(
    listener: TcpListener,
    handle: Handle,
    services: Services,
    limits: LaneLimits,
    tasks: Tasks,
) {
    let unproven = Unproven::new(&limits);
    let proven = Proven::new(&limits);
    let cache = SessionKeyCache::default();
    let handshake = limits.handshake;
    let incoming = handle.detour().streams().incoming();
    let gate = Arc::new(Gate { handle, cache, services, proven, handshake, tasks: tasks.clone() });
    if let Some(incoming) = incoming {
        tasks.spawn(run_streams(incoming, Arc::clone(&gate), unproven.clone()));
    }
    while let Some(accepted) = tasks.until_stopping(listener.accept()).await {
        match accepted {
            Ok((stream, remote)) => admit(&gate, &unproven, stream, remote),
            Err(error) => {
                tracing::warn!(%error, "the lane takes no connection for a moment");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}

/// Takes the streams that members open. It does nothing else: what comes meanwhile is lost.
async fn run_streams(mut incoming: Incoming, gate: Arc<Gate>, unproven: Unproven) {
    while let Some(Some(offered)) = gate.tasks.until_stopping(incoming.next()).await {
        if gate.handle.now() > offered.until {
            tracing::debug!(peer = %offered.peer.short(), "no member any more");
            continue;
        }
        let from = Source { remote: offered.remote, member: Some(offered.peer) };
        match unproven.take(Origin::Member(offered.peer)) {
            Some(slot) => admit_stream(&gate, slot, offered, from),
            None => tracing::debug!(peer = %offered.peer.short(), "too many unproven streams of this peer"),
        }
    }
}

fn admit_stream(gate: &Arc<Gate>, slot: UnprovenSlot, offered: Offered, from: Source) {
    let serving = Arc::clone(gate);
    gate.tasks.spawn(async move {
        let accepting = async { serving.accept(offered.take().await?, from).await };
        serving.serve(slot, from, accepting).await;
    });
}

/// Gives the connection a slot and a task, or closes it.
fn admit(gate: &Arc<Gate>, unproven: &Unproven, stream: TcpStream, remote: SocketAddr) {
    let Some(slot) = unproven.take(Origin::of(remote.ip(), swarm::is_attached)) else {
        tracing::debug!(%remote, "too many unproven connections of this address");
        return;
    };
    let (serving, from) = (Arc::clone(gate), Source { remote, member: None });
    gate.tasks.spawn(async move {
        let accepting = async {
            stream.set_nodelay(true)?;
            serving.accept(stream, from).await
        };
        serving.serve(slot, from, accepting).await;
    });
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
struct Source {
    remote: SocketAddr,
    /// Who is there, if that is known: nobody knows on the lane.
    member: Option<NodeId>,
}

impl Source {
    const fn way(&self) -> Way {
        if self.member.is_some() { Way::Stream } else { Way::Lane }
    }
}

/// What a connection passes on its way to a handler.
struct Gate {
    handle: Handle,
    cache: SessionKeyCache,
    services: Services,
    proven: Proven,
    handshake: Duration,
    tasks: Tasks,
}

impl Gate {
    /// From the first byte to the end of the service's handler, as long as the slot and the time suffice.
    async fn serve(
        &self,
        slot: UnprovenSlot,
        from: Source,
        accepting: impl Future<Output = Result<Session, AcceptError>>,
    ) {
        let (remote, way) = (from.remote, from.way());
        let evicted = slot.evicted();
        let accepted = tokio::select! {
            () = evicted.cancelled() => return,
            () = self.tasks.stopping() => return,
            accepted = tokio::time::timeout(self.handshake, accepting) => {
                accepted.unwrap_or(Err(AcceptError::TimedOut))
            }
        };
        drop(slot);
        match accepted {
            Ok(session) => {
                tracing::debug!(
                    peer = %session.peer.short(), service = %session.service, ?way, "channel opened"
                );
                self.dispatch(session).await;
            }
            Err(error) => tracing::debug!(%remote, ?way, %error, "no channel"),
        }
    }

    async fn accept<S: Wire>(&self, mut stream: S, from: Source) -> Result<Session, AcceptError> {
        let preamble = handshake::read_preamble(&mut stream).await?;
        let Some((ticket, refusal)) = self.present(&preamble.for_service) else {
            return Err(handshake::refuse_ticket(&mut stream).await);
        };
        let terms = ticket.terms();
        if from.member.is_some_and(|member| member != terms.requester) {
            // Members bring their own tickets.
            return Err(handshake::refuse_ticket(&mut stream).await);
        }
        let binding = Binding {
            for_service: &preamble.for_service,
            terms: ticket.encoded_terms(),
            requester: terms.requester,
            provider: terms.provider,
            service: &terms.service,
        };
        let psk = ticket.psk(self.handle.snapshot().sealing_key())?;
        let key = ticket.sealing_key();
        let responder =
            Responder::read(&binding, psk, key, preamble.offered, &preamble.message_1, &mut OsRng)?;
        if let Some(reason) = refusal.or_else(|| self.refusal(&ticket)) {
            return Err(handshake::refuse(&mut stream, responder, reason).await);
        }
        let stream: AnyWire = Box::new(stream);
        let suites = self.handle.snapshot().suites();
        let channel = handshake::confirm(stream, responder, suites, self.lease(&ticket)).await?;
        // Only now is it known that the requester itself is there, so only now is anything counted.
        let slot = self.proven.take(terms.id, terms.requester);
        // Kept with the channel: a handler may take a session apart and drop what it has no use for.
        channel.keep(slot.ok_or(AcceptError::Refused(ChannelReject::Busy))?);
        Ok(Session {
            channel,
            peer: terms.requester,
            name: ticket.requester().map(|requester| requester.name().clone()),
            user: terms.user.clone(),
            service: terms.service.clone(),
            remote: from.remote,
            way: from.way(),
        })
    }

    /// The ticket that is presented, and why it opens nothing all the same; nothing if it is no ticket here.
    fn present(&self, for_service: &[u8]) -> Option<(Arc<ValidTicket>, Option<ChannelReject>)> {
        let snapshot = self.handle.snapshot();
        match ticket::validate(&snapshot, &self.cache, for_service, self.handle.now()) {
            Ok(ticket) => Some((ticket, None)),
            Err(TicketError::Expired { ticket, .. } | TicketError::LoggedOut(ticket)) => {
                Some((ticket, Some(ChannelReject::Expired)))
            }
            Err(TicketError::NotAllowed(ticket)) => Some((ticket, Some(ChannelReject::NotAllowed))),
            Err(TicketError::Revoked(ticket) | TicketError::TakenBack(ticket)) => {
                Some((ticket, Some(ChannelReject::Revoked)))
            }
            Err(
                error @ (TicketError::NoTicket(_)
                | TicketError::Content
                | TicketError::Certificate(_)
                | TicketError::NotMember
                | TicketError::Over { .. }
                | TicketError::ProviderRevoked
                | TicketError::GivenUp),
            ) => {
                tracing::debug!(%error, "refused on the lane");
                None
            }
        }
    }

    fn refusal(&self, ticket: &ValidTicket) -> Option<ChannelReject> {
        let terms = ticket.terms();
        if !self.services.has(&terms.service) {
            return Some(ChannelReject::Unavailable);
        }
        (!self.proven.has_room(terms.id, terms.requester)).then_some(ChannelReject::Busy)
    }

    /// Holds as long as the ticket would be let in again.
    fn lease(&self, ticket: &Arc<ValidTicket>) -> Lease {
        let (snapshots, ticket, expires) =
            (self.handle.snapshots(), Arc::clone(ticket), ticket.terms().expires);
        let changes = snapshots.clone();
        let holds = move |now| {
            let snapshot = Arc::clone(&snapshots.borrow());
            let held = ticket::recheck(&snapshot, Arc::clone(&ticket), now);
            held.map(drop).map_err(|error| error.ending())
        };
        Lease::new(self.handle.clock(), holds).ends_at(expires).follows(changes)
    }

    async fn dispatch(&self, session: Session) {
        let Some(handler) = self.services.handler(&session.service) else { return };
        self.tasks.until_stopping(handler(session)).await;
    }
}

#[cfg(test)]
mod tests;
