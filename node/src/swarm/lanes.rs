//! Streams for channels, as a behaviour: whom to open one to comes from a queue, what comes in goes to another.

use core::convert::Infallible;
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::io;

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, Stream, StreamProtocol, StreamUpgradeError, SubstreamProtocol, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use tokio::sync::{mpsc, oneshot};

use super::standing::Standing;

/// The protocol that channels run by.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/lanyard/lane/1");

/// Wishes and streams that wait to be taken. 64: whoever takes them does nothing else, and what is beyond is opened
/// again.
const WAITING: usize = 64;

/// Who waits for a stream. It hears nothing if the connection ends before there is one.
pub(super) type Reply = oneshot::Sender<io::Result<Stream>>;

/// The other ends of a [`Behaviour`].
pub(super) struct Ends {
    pub(super) wishes: mpsc::Sender<(PeerId, Reply)>,
    pub(super) incoming: mpsc::Receiver<(PeerId, Stream)>,
}

/// Opens streams on the connections that there are, and takes those of peers that have proven their membership.
pub(super) struct Behaviour {
    wishes: mpsc::Receiver<(PeerId, Reply)>,
    incoming: mpsc::Sender<(PeerId, Stream)>,
    standing: Standing,
}

impl Behaviour {
    pub(super) fn new(standing: Standing) -> (Self, Ends) {
        let (wishes, wished) = mpsc::channel(WAITING);
        let (offers, incoming) = mpsc::channel(WAITING);
        (Self { wishes: wished, incoming: offers, standing }, Ends { wishes, incoming })
    }

    fn handler(&self, peer: PeerId) -> Handler {
        let (incoming, standing) = (self.incoming.clone(), self.standing.clone());
        Handler { peer, incoming, standing, wishes: VecDeque::new() }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _id: ConnectionId,
        peer: PeerId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _id: ConnectionId,
        peer: PeerId,
        _address: &Multiaddr,
        _role: Endpoint,
        _port: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn on_swarm_event(&mut self, _event: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _peer: PeerId,
        _id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        match self.wishes.poll_recv(cx) {
            Poll::Ready(Some((peer_id, event))) => {
                Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::Any, event })
            }
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// The same for one connection.
pub(super) struct Handler {
    peer: PeerId,
    incoming: mpsc::Sender<(PeerId, Stream)>,
    standing: Standing,
    wishes: VecDeque<Reply>,
}

impl Handler {
    fn offered(&self, stream: Stream) {
        if self.standing.of(&self.peer).is_none() {
            tracing::debug!(peer = %self.peer, "a stranger asks for a channel");
        } else if self.incoming.try_send((self.peer, stream)).is_err() {
            tracing::debug!(peer = %self.peer, "too many streams at once");
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Reply;
    type ToBehaviour = Infallible;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Reply;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Reply, Infallible>> {
        match self.wishes.pop_front() {
            Some(reply) => Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), reply),
            }),
            // A wish wakes the connection by itself.
            None => Poll::Pending,
        }
    }

    fn connection_keep_alive(&self) -> bool {
        self.standing.keeps(&self.peer)
    }

    fn on_behaviour_event(&mut self, reply: Reply) {
        self.wishes.push_back(reply);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the enum grows with libp2p")]
    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol, (), Reply>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. }) => {
                self.offered(protocol);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }) => {
                // Whoever wished for it may be gone.
                let _ = info.send(Ok(protocol));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                let _ = info.send(Err(failed(error)));
            }
            _ => {}
        }
    }
}

fn failed(error: StreamUpgradeError<Infallible>) -> io::Error {
    match error {
        StreamUpgradeError::Timeout => io::ErrorKind::TimedOut.into(),
        StreamUpgradeError::NegotiationFailed => io::ErrorKind::Unsupported.into(),
        StreamUpgradeError::Io(error) => error,
        StreamUpgradeError::Apply(never) => match never {},
    }
}
