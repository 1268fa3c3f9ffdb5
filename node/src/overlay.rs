//! What lanes and tools need of the control plane, and nothing else of it.

use std::sync::Arc;

use futures::future::BoxFuture;
use lanyard_protocol::control::{Failure, Peer, PeerRef, ServiceRef};
use lanyard_protocol::engine::ChannelGrant;
use lanyard_protocol::identity::NodeId;
use lanyard_protocol::snapshot::Snapshot;
use lanyard_protocol::ticket::TicketId;
use tokio::sync::broadcast;

/// The control plane, as lanes and tools see it.
pub trait Overlay: Send + Sync + 'static {
    /// A ticket for `service` and where to present it: a held one, or a new one.
    fn grant(&self, service: ServiceRef) -> BoxFuture<'_, Result<Box<ChannelGrant>, Failure>>;

    /// The provider did not know the ticket: the next [`Overlay::grant`] gets a new one.
    fn no_ticket(&self, ticket: TicketId) -> BoxFuture<'_, Result<(), Failure>>;

    /// Who a peer is.
    fn whois(&self, peer: PeerRef) -> BoxFuture<'_, Result<Peer, Failure>>;

    /// What tickets are validated by, as it is now.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Peers, as they are authenticated from now on: what waits for one may go on.
    fn certified(&self) -> broadcast::Receiver<NodeId>;
}
