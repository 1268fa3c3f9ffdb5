//! The lane: a plain TCP port on which tickets open channels, and nothing else happens.
//!
//! A stranger costs this node a slot for at most three seconds, and slots are scarce by address before they are
//! scarce in all ([`limits`]). What a connection may do is decided by its ticket; whom it reaches is decided by
//! the ticket's service ([`Services`]). No handler is called before the requester's first record has opened.

mod dial;
mod limits;
mod services;

use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use lanyard_protocol::channel::{Binding, ChannelReject, Responder};
use lanyard_protocol::identity::{NodeId, NodeName, ServiceName};
use lanyard_protocol::ticket::{self, SessionKeyCache, TicketError, ValidTicket};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::dial::{Dialled, open};
pub use self::limits::Limits;
use self::limits::{Proven, ProvenSlot, Unproven};
pub use self::services::Services;
use crate::ambient::{self, OsRng};
use crate::channel::handshake::{self, AcceptError};
use crate::channel::{AnyWire, Channel, Lease};
use crate::overlay::Overlay;

/// How long the listener waits when the system has no descriptor for the next connection.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// The lane's port cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on the lane address {address}: {source}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// A channel that a peer opened to a service here.
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
    /// Counts the channel for as long as this is kept.
    pub slot: ProvenSlot,
}

/// A bound lane port.
#[derive(Debug)]
pub struct Lane {
    listener: TcpListener,
    address: SocketAddr,
}

impl Lane {
    /// Binds `address`; port 0 picks one.
    ///
    /// # Errors
    /// [`BindError`], which names the address: another port is never taken silently.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The address, with the port that was picked.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled; then every connection is closed.
    pub async fn run(
        self,
        overlay: Arc<dyn Overlay>,
        services: Services,
        limits: Limits,
        stop: CancellationToken,
    ) {
        let cache = Arc::new(SessionKeyCache::default());
        let proven = Proven::new(limits);
        let gate = Arc::new(Gate { overlay, cache, services, proven, stop: stop.clone() });
        let unproven = Unproven::new(limits);
        let tasks = TaskTracker::new();
        while let Some(accepted) = stop.run_until_cancelled(self.listener.accept()).await {
            match accepted {
                Ok((stream, remote)) => admit(&gate, &unproven, &tasks, stream, remote),
                Err(error) => {
                    tracing::warn!(%error, "the lane takes no connection for a moment");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            }
        }
        tasks.close();
        tasks.wait().await;
    }
}

/// Gives the connection a slot and a task, or closes it.
fn admit(
    gate: &Arc<Gate>,
    unproven: &Unproven,
    tasks: &TaskTracker,
    stream: TcpStream,
    remote: SocketAddr,
) {
    let Some(slot) = unproven.take(remote.ip()) else {
        tracing::debug!(%remote, "too many unproven connections of this address");
        return;
    };
    let serving = Arc::clone(gate);
    let evicted = slot.evicted();
    tasks.spawn(async move {
        let handshake = tokio::time::timeout(handshake::TIMEOUT, serving.accept(stream, remote));
        let accepted = tokio::select! {
            () = evicted.cancelled() => return,
            () = serving.stop.cancelled() => return,
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
    overlay: Arc<dyn Overlay>,
    cache: Arc<SessionKeyCache>,
    services: Services,
    proven: Proven,
    stop: CancellationToken,
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
        let responder = Responder::read(
            &binding,
            ticket.psk(),
            key,
            preamble.offered,
            &preamble.message_1,
            &mut OsRng,
        )?;
        if let Some(reason) = refusal.or_else(|| self.refusal(&ticket)) {
            return Err(handshake::refuse(&mut stream, responder, reason).await);
        }
        let stream: AnyWire = Box::new(stream);
        let suites = self.overlay.snapshot().suites();
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
            slot,
        })
    }

    /// The ticket that is presented, and why it opens nothing all the same; nothing if it is no ticket here.
    fn present(&self, for_service: &[u8]) -> Option<(Arc<ValidTicket>, Option<ChannelReject>)> {
        let snapshot = self.overlay.snapshot();
        match ticket::validate(&snapshot, &self.cache, for_service, ambient::now()) {
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
        let (overlay, ticket) = (Arc::clone(&self.overlay), Arc::clone(ticket));
        Lease::new(move |now| match ticket::recheck(&overlay.snapshot(), Arc::clone(&ticket), now) {
            Ok(_) => Ok(()),
            Err(TicketError::NotAllowed(_)) => Err(ChannelReject::NotAllowed),
            Err(TicketError::Certificate(_)) => Err(ChannelReject::Revoked),
            Err(
                TicketError::Expired { .. }
                | TicketError::NoTicket(_)
                | TicketError::Content
                | TicketError::NotMember,
            ) => Err(ChannelReject::Expired),
        })
    }

    async fn dispatch(&self, session: Session) {
        let Some(handler) = self.services.handler(&session.service) else { return };
        tracing::debug!(peer = %session.peer.short(), service = %session.service, "channel opened");
        self.stop.run_until_cancelled(handler(session)).await;
    }
}
