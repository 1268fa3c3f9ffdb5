//! What lanes and tools need of the control plane, and nothing else of it.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use lanyard_protocol::channel::{Binding, ChannelReject, Psk, Suites};
use lanyard_protocol::control::{Failure, Peer, PeerRef, ServiceRef};
use lanyard_protocol::identity::{NodeId, NodeName, SealingKey, SealingPublicKey, ServiceName};
use lanyard_protocol::time::Timestamp;
use tokio::sync::broadcast;

/// The control plane, as lanes and tools see it.
pub trait Overlay: Send + Sync + 'static {
    /// A ticket for `service` and where to present it: a held one, or a new one.
    fn grant<'a>(&'a self, service: &'a ServiceRef) -> BoxFuture<'a, Result<Grant, Failure>>;

    /// The provider did not know the ticket: the next [`Overlay::grant`] gets a new one.
    fn forget(&self, ticket: [u8; 16]);

    /// What a ticket that is presented here says, if it is one.
    fn admit(&self, for_service: &[u8], now: Timestamp) -> Option<Arc<Presented>>;

    /// The ciphers that this processor is good at.
    fn suites(&self) -> Suites;

    /// Who a peer is.
    fn whois<'a>(&'a self, peer: &'a PeerRef) -> BoxFuture<'a, Result<Peer, Failure>>;

    /// This node's own name, once it has a certificate.
    fn own_name(&self) -> Option<NodeName>;

    /// Peers, as they are authenticated: what waits for one may go on.
    fn certified(&self) -> broadcast::Receiver<NodeId>;
}

/// The requester's side of a ticket.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The ticket's id.
    pub ticket: [u8; 16],
    /// The half that is for the provider.
    pub for_service: Arc<[u8]>,
    /// The ticket's terms, encoded.
    pub terms: Arc<[u8]>,
    /// This node.
    pub requester: NodeId,
    /// The other one.
    pub provider: NodeId,
    /// The other one's name.
    pub provider_name: NodeName,
    /// The service.
    pub service: ServiceName,
    /// When the ticket ends.
    pub expires: Timestamp,
    /// The ticket's key.
    pub psk: Arc<Psk>,
    /// This node's sealing key.
    pub key: Arc<SealingKey>,
    /// The provider's lane, best address first.
    pub lanes: Vec<SocketAddr>,
}

impl Grant {
    /// What both sides of a channel must agree on.
    #[must_use]
    pub fn binding(&self) -> Binding<'_> {
        Binding {
            for_service: &self.for_service,
            terms: &self.terms,
            requester: self.requester,
            provider: self.provider,
            service: &self.service,
        }
    }
}

/// A ticket that was presented to this node and verified.
#[derive(Debug)]
pub struct Presented {
    /// The ticket's id.
    pub ticket: [u8; 16],
    /// The ticket's terms, encoded.
    pub terms: Vec<u8>,
    /// Who presents it.
    pub requester: NodeId,
    /// The requester's name, from its certificate.
    pub requester_name: NodeName,
    /// The requester's sealing key, from its certificate.
    pub requester_key: SealingPublicKey,
    /// This node.
    pub provider: NodeId,
    /// The service.
    pub service: ServiceName,
    /// When the ticket ends.
    pub expires: Timestamp,
    /// The ticket's key.
    pub psk: Psk,
    /// Why the ticket opens nothing all the same: told to its proven holder alone.
    pub refusal: Option<ChannelReject>,
}

impl Presented {
    /// What both sides of a channel must agree on, where this node was sent `for_service`.
    #[must_use]
    pub fn binding<'a>(&'a self, for_service: &'a [u8]) -> Binding<'a> {
        Binding {
            for_service,
            terms: &self.terms,
            requester: self.requester,
            provider: self.provider,
            service: &self.service,
        }
    }
}
