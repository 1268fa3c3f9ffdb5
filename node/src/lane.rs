//! The lane: a plain TCP port on which tickets open channels, and nothing else happens.
//!
//! A stranger costs this node a slot for at most three seconds, and slots are scarce by address before they are
//! scarce in all ([`limits`]). What a connection may do is decided by its ticket; whom it reaches is decided by
//! the ticket's service ([`Services`]). No handler is called before the requester's first record has opened.

mod dial;
mod limits;
mod services;

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

use lanyard_protocol::channel::{Binding, ChannelReject, Responder};
use lanyard_protocol::identity::{NodeId, NodeName, ServiceName};
use lanyard_protocol::ticket::{self, SessionKeyCache, TicketError, ValidTicket};
use tokio::net::{TcpListener, TcpStream};

pub use self::dial::Dialled;
pub(crate) use self::dial::open;
use self::limits::{Proven, ProvenSlot, Unproven};
pub use self::services::Services;
use crate::ambient::OsRng;
use crate::channel::handshake::{self, AcceptError};
use crate::channel::{AnyWire, Channel, Lease};
use crate::config::LaneLimits;
use crate::handle::Handle;
use crate::origin::Origin;
use crate::swarm;
use crate::tasks::Tasks;

/// How long the listener waits when the system has no descriptor for the next connection.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// A channel that a peer opened to a service here. It counts as open until the handler is done with all of it.
#[derive(Debug)]
pub struct Session {
    /// The channel.
    pub channel: Channel<AnyWire>,
    /// Who opened it.
    pub peer: NodeId,
    /// The peer's name, from its certificate.
    pub name: NodeName,
    /// The service that it was opened to.
    pub service: ServiceName,
    /// Where it came from.
    pub remote: SocketAddr,
    /// Counts the channel for as long as the session lives.
    _slot: ProvenSlot,
}

/// Serves the lane until the node stops; then every connection is closed.
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
    let gate = Arc::new(Gate { handle, cache, services, proven, handshake, tasks: tasks.clone() });
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

/// Gives the connection a slot and a task, or closes it.
fn admit(gate: &Arc<Gate>, unproven: &Unproven, stream: TcpStream, remote: SocketAddr) {
    let Some(slot) = unproven.take(Origin::of(remote.ip(), swarm::is_attached)) else {
        tracing::debug!(%remote, "too many unproven connections of this address");
        return;
    };
    let serving = Arc::clone(gate);
    let evicted = slot.evicted();
    gate.tasks.spawn(async move {
        let handshake = tokio::time::timeout(serving.handshake, serving.accept(stream, remote));
        let accepted = tokio::select! {
            () = evicted.cancelled() => return,
            () = serving.tasks.stopping() => return,
            accepted = handshake => accepted.unwrap_or(Err(AcceptError::TimedOut)),
        };
        drop(slot);
        match accepted {
            Ok(session) => serving.dispatch(session).await,
            Err(error) => tracing::debug!(%remote, %error, "no channel"),
        }
    });
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
    async fn accept(&self, mut stream: TcpStream, remote: SocketAddr) -> Result<Session, AcceptError> {
        stream.set_nodelay(true)?;
        let preamble = handshake::read_preamble(&mut stream).await?;
        let Some((ticket, refusal)) = self.present(&preamble.for_service) else {
            return Err(handshake::refuse_ticket(&mut stream).await);
        };
        let terms = ticket.terms();
        let binding = Binding {
            for_service: &preamble.for_service,
            terms: ticket.encoded_terms(),
            requester: terms.requester,
            provider: terms.provider,
            service: &terms.service,
        };
        let key = ticket.requester().sealing_key();
        let responder =
            Responder::read(&binding, ticket.psk(), key, preamble.offered, &preamble.message_1, &mut OsRng)?;
        if let Some(reason) = refusal.or_else(|| self.refusal(&ticket)) {
            return Err(handshake::refuse(&mut stream, responder, reason).await);
        }
        let stream: AnyWire = Box::new(stream);
        let suites = self.handle.snapshot().suites();
        let channel = handshake::confirm(stream, responder, suites, self.lease(&ticket)).await?;
        // Only now is it known that the requester itself is there, so only now is anything counted.
        let slot = self.proven.take(terms.id, terms.requester);
        let slot = slot.ok_or(AcceptError::Refused(ChannelReject::Busy))?;
        Ok(Session {
            channel,
            peer: terms.requester,
            name: ticket.requester().name().clone(),
            service: terms.service.clone(),
            remote,
            _slot: slot,
        })
    }

    /// The ticket that is presented, and why it opens nothing all the same; nothing if it is no ticket here.
    fn present(&self, for_service: &[u8]) -> Option<(Arc<ValidTicket>, Option<ChannelReject>)> {
        let snapshot = self.handle.snapshot();
        match ticket::validate(&snapshot, &self.cache, for_service, self.handle.now()) {
            Ok(ticket) => Some((ticket, None)),
            Err(TicketError::Expired { ticket, .. }) => Some((ticket, Some(ChannelReject::Expired))),
            Err(TicketError::NotAllowed(ticket)) => Some((ticket, Some(ChannelReject::NotAllowed))),
            Err(
                error @ (TicketError::NoTicket(_)
                | TicketError::Content
                | TicketError::Certificate(_)
                | TicketError::NotMember),
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
        let (handle, ticket) = (self.handle.clone(), Arc::clone(ticket));
        Lease::new(self.handle.clock(), move |now| {
            match ticket::recheck(&handle.snapshot(), Arc::clone(&ticket), now) {
                Ok(_) => Ok(()),
                Err(TicketError::NotAllowed(_)) => Err(ChannelReject::NotAllowed),
                Err(TicketError::Certificate(_)) => Err(ChannelReject::Revoked),
                Err(
                    TicketError::Expired { .. }
                    | TicketError::NoTicket(_)
                    | TicketError::Content
                    | TicketError::NotMember,
                ) => Err(ChannelReject::Expired),
            }
        })
    }

    async fn dispatch(&self, session: Session) {
        let Some(handler) = self.services.handler(&session.service) else { return };
        tracing::debug!(peer = %session.peer.short(), service = %session.service, "channel opened");
        self.tasks.until_stopping(handler(session)).await;
    }
}
