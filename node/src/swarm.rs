//! The network: libp2p over TCP and QUIC, told what to do and asked what has happened.
//!
//! It composes stock behaviours ([`behaviour`]) and adds one of its own, the [`gate`], which decides who may be
//! connected.
//! Everything that a peer says arrives as one [`Event::Request`], everything that it answers as one
//! [`Event::Response`]: what the bytes mean is not known here.

mod address;
mod behaviour;
mod dial;
mod frame;
mod gate;
mod handshakes;
mod lanes;
mod metered;
mod pulse;
mod rates;
mod slots;
mod standing;
mod streams;
mod transport;

use core::net::{IpAddr, SocketAddr};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures::StreamExt;
use lanyard_protocol::engine::{Connection, DialId, InboundId, RequestId};
use lanyard_protocol::identity::NodeId;
use lanyard_protocol::time::Timestamp;
use libp2p::core::ConnectedPoint;
use libp2p::request_response::{self, InboundRequestId, OutboundRequestId, ResponseChannel};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, identity, mdns, noise};
use zeroize::Zeroizing;

use self::address::Transport;
pub(crate) use self::address::is_attached;
use self::behaviour::{Behaviour, BehaviourEvent};
use self::dial::{Dials, Established};
use self::handshakes::Handshakes;
use self::pulse::Pulse;
use self::rates::Rates;
use self::standing::Standing;
#[cfg(test)]
pub(crate) use self::streams::MemberStream;
pub(crate) use self::streams::{Incoming, Offered, Streams, Turn};
use crate::ambient;
use crate::config::NetworkLimits;
use crate::origin::Origin;

/// Streams of one connection that may be agreeing on their protocol at a time. 16: the requests that a peer of
/// the default limits has open.
const NEGOTIATING_STREAMS: usize = 16;

/// What has happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The node listens here, and nowhere else.
    Listening(Vec<SocketAddr>),
    /// A new connection, one of maybe several with this peer.
    Connected { peer: NodeId, connection: Connection },
    /// The last connection with the peer has closed.
    Disconnected { peer: NodeId },
    /// Nobody was reached.
    DialFailed { dial: DialId },
    /// A request came in, of a peer that has proven its membership or does not ask too often.
    Request { from: NodeId, source: Connection, inbound: InboundId, bytes: Vec<u8> },
    /// A request was answered.
    Response { request: RequestId, bytes: Vec<u8> },
    /// A request will not be answered.
    RequestFailed { request: RequestId },
    /// A peer was seen by multicast DNS.
    Discovered { peer: NodeId, addresses: Vec<SocketAddr> },
}

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The identity key is none that libp2p takes.
    #[error("the identity key is damaged: {0}")]
    Identity(identity::DecodingError),
    /// The transport's encryption cannot be set up.
    #[error("cannot set up the transport: {0}")]
    Noise(#[from] noise::Error),
    /// A listener was refused.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The reason that was given.
        reason: String,
    },
}

/// A node's connections.
pub(crate) struct Network {
    swarm: Swarm<Behaviour>,
    streams: Streams,
    dials: Dials,
    listening: BTreeSet<SocketAddr>,
    connections: BTreeMap<ConnectionId, Connection>,
    pulse: Pulse,
    /// How many of them each peer has.
    peers: BTreeMap<NodeId, usize>,
    /// Those that wait for an answer, and whose.
    requests: BTreeMap<OutboundRequestId, (RequestId, NodeId)>,
    /// How many of them one peer may have.
    requests_per_peer: usize,
    inbound: BTreeMap<InboundId, (InboundRequestId, ResponseChannel<Vec<u8>>)>,
    inbound_ids: BTreeMap<InboundRequestId, InboundId>,
    next_inbound: u64,
    /// How often strangers ask.
    asked: Rates,
    events: VecDeque<Event>,
}

impl Network {
    /// A network for the node with this identity seed, which listens nowhere yet.
    ///
    /// # Errors
    /// [`NetworkError`] if the key or the transport is unusable.
    pub(crate) fn new(
        seed: &Zeroizing<[u8; 32]>,
        limits: &NetworkLimits,
        mdns: bool,
    ) -> Result<Self, NetworkError> {
        // libp2p erases the copy that it is given.
        let mut copy = seed.clone();
        let keypair =
            identity::Keypair::ed25519_from_bytes(copy.as_mut_slice()).map_err(NetworkError::Identity)?;
        let handshakes = Handshakes::default();
        let standing = Standing::default();
        let (lanes, ends) = lanes::Behaviour::new(standing.clone());
        let members = (standing.clone(), lanes);
        let behaviour = Behaviour::new(&keypair.public(), limits, handshakes.clone(), members, mdns);
        let transport = transport::build(&keypair, limits, handshakes, &standing)?;
        let streams = Streams::new(ends, standing);
        let config = libp2p::swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(limits.idle)
            .with_max_negotiating_inbound_streams(NEGOTIATING_STREAMS);
        let swarm = Swarm::new(transport, behaviour, keypair.public().to_peer_id(), config);
        Ok(Self {
            swarm,
            streams,
            dials: Dials::default(),
            listening: BTreeSet::new(),
            connections: BTreeMap::new(),
            pulse: Pulse::default(),
            peers: BTreeMap::new(),
            requests: BTreeMap::new(),
            // The other half of what a connection may have open is the peer's.
            requests_per_peer: limits.requests_per_connection.get().div_ceil(2) as usize,
            inbound: BTreeMap::new(),
            inbound_ids: BTreeMap::new(),
            next_inbound: 0,
            asked: Rates::new(limits.stranger_requests_per_second, limits.stranger_request_burst),
            events: VecDeque::new(),
        })
    }

    /// Listens on `addresses` over TCP and QUIC. [`Event::Listening`] follows at once, and whenever an interface
    /// comes or goes.
    ///
    /// # Errors
    /// [`NetworkError::Listen`] if the system refuses one of them: then the node listens on none.
    pub(crate) fn listen(&mut self, addresses: &[SocketAddr]) -> Result<(), NetworkError> {
        let mut listeners = Vec::new();
        for &address in addresses {
            for transport in [Transport::Tcp, Transport::Quic] {
                match self.swarm.listen_on(address::multiaddr(address, transport)) {
                    Ok(listener) => listeners.push(listener),
                    Err(error) => {
                        for listener in listeners {
                            self.swarm.remove_listener(listener);
                        }
                        return Err(NetworkError::Listen { address, reason: error.to_string() });
                    }
                }
            }
        }
        self.listening.extend(addresses.iter().flat_map(|address| address::places(*address)));
        self.events.push_back(Event::Listening(reachable(&self.listening)));
        Ok(())
    }

    /// Waits for the next thing to happen. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let event = self.swarm.select_next_some().await;
            self.handle(event);
        }
    }

    /// Sends a request to a connected peer. It fails at once if the peer has too many to answer already.
    pub(crate) fn request(&mut self, id: RequestId, to: &NodeId, message: Vec<u8>) {
        let open = self.requests.values().filter(|(_, peer)| peer == to).count();
        let peer = address::peer_id(to)
            .filter(|peer| open < self.requests_per_peer && self.swarm.is_connected(peer));
        match peer {
            Some(peer) => {
                let request = self.swarm.behaviour_mut().control.send_request(&peer, message);
                self.requests.insert(request, (id, *to));
            }
            None => self.events.push_back(Event::RequestFailed { request: id }),
        }
    }

    /// Answers a request, if its sender still waits.
    pub(crate) fn respond(&mut self, to: InboundId, message: Vec<u8>) {
        if let Some(channel) = self.take_inbound(to)
            && self.swarm.behaviour_mut().control.send_response(channel, message).is_err()
        {
            tracing::debug!("the asker is gone");
        }
    }

    /// Closes a request without an answer.
    pub(crate) fn ignore(&mut self, to: InboundId) {
        drop(self.take_inbound(to));
    }

    /// Connects to the first of `addresses` that answers, as `peer` if one is named.
    pub(crate) fn connect(&mut self, id: DialId, peer: Option<&NodeId>, addresses: &[SocketAddr]) {
        let expected = peer.map(address::peer_id);
        let begun = match expected {
            Some(None) => false,
            expected => self.dials.begin(&mut self.swarm, id, expected.flatten(), addresses),
        };
        if !begun {
            self.events.push_back(Event::DialFailed { dial: id });
        }
    }

    /// `peer` has proven its membership, as it is `until` then: it is no longer counted among strangers. Its connections
    /// stay though nobody uses them if they are to be kept.
    pub(crate) fn prove(&mut self, peer: &NodeId, until: Timestamp, keep: bool) {
        if let Some(peer) = address::peer_id(peer) {
            self.swarm.behaviour_mut().gate.prove(&peer, until, keep);
        }
    }

    /// `peer` is to be a member no longer: all connections with it end, and what it has proven is forgotten.
    pub(crate) fn disconnect(&mut self, peer: &NodeId) {
        if let Some(peer) = address::peer_id(peer) {
            self.swarm.behaviour_mut().gate.disprove(&peer);
            // It fails only if there is no connection.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    /// Streams for channels with those who have proven their membership.
    pub(crate) fn streams(&self) -> Streams {
        self.streams.clone()
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the enum grows with libp2p")]
    fn handle(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Control(event)) => self.handle_control(event),
            SwarmEvent::Behaviour(BehaviourEvent::Discovery(mdns::Event::Discovered(found))) => {
                self.handle_discovered(found);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) if self.pulse.is_lost(&event) => {
                tracing::debug!(peer = %event.peer, "the other end of a connection does not answer");
                self.swarm.close_connection(event.connection);
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.handle_established(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                self.handle_closed(&peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                tracing::debug!(?error, "dial failed");
                if let Some(dial) = self.dials.failed(&mut self.swarm, connection_id, &error) {
                    self.events.push_back(Event::DialFailed { dial });
                }
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(from = %send_back_addr, ?error, "refused a connection");
            }
            SwarmEvent::NewListenAddr { address, .. } => self.handle_listening(&address, true),
            SwarmEvent::ExpiredListenAddr { address, .. } => self.handle_listening(&address, false),
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(?error, "a listener has failed"),
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::warn!(?addresses, ?reason, "a listener has closed");
                for address in addresses {
                    self.handle_listening(&address, false);
                }
            }
            _ => {}
        }
    }

    fn handle_established(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let dialled = match self.dials.established(id) {
            Established::First(dial) => Some(dial),
            Established::Unasked => None,
            Established::Late => {
                self.swarm.close_connection(id);
                return;
            }
        };
        let place = address::socket_addr(endpoint.get_remote_address());
        let (Some(from), Some((remote, _))) = (address::node_id(&peer), place) else {
            // The gate lets neither in.
            self.swarm.close_connection(id);
            return;
        };
        let connection = Connection { remote, attached: is_attached(remote.ip()), dialled };
        self.connections.insert(id, connection);
        *self.peers.entry(from).or_default() += 1;
        self.events.push_back(Event::Connected { peer: from, connection });
    }

    fn handle_closed(&mut self, peer: &PeerId, id: ConnectionId) {
        self.pulse.forget(id);
        // A connection that was never reported does not end either.
        let (Some(peer), Some(_)) = (address::node_id(peer), self.connections.remove(&id)) else { return };
        let left = self.peers.get(&peer).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            self.peers.remove(&peer);
            self.events.push_back(Event::Disconnected { peer });
        } else {
            self.peers.insert(peer, left);
        }
    }

    fn handle_control(&mut self, event: request_response::Event<Vec<u8>, Vec<u8>>) {
        use request_response::{Event as Control, Message};
        match event {
            Control::Message { peer, connection_id, message } => match message {
                Message::Request { request_id, request, channel } => {
                    self.handle_request(&peer, connection_id, request_id, request, channel);
                }
                Message::Response { request_id, response } => {
                    if let Some((request, _)) = self.requests.remove(&request_id) {
                        self.events.push_back(Event::Response { request, bytes: response });
                    }
                }
            },
            Control::OutboundFailure { request_id, error, .. } => {
                tracing::debug!(?error, "a request has failed");
                if let Some((request, _)) = self.requests.remove(&request_id) {
                    self.events.push_back(Event::RequestFailed { request });
                }
            }
            Control::InboundFailure { request_id, .. } | Control::ResponseSent { request_id, .. } => {
                self.forget_inbound(request_id);
            }
        }
    }

    fn handle_request(
        &mut self,
        peer: &PeerId,
        connection: ConnectionId,
        request: InboundRequestId,
        bytes: Vec<u8>,
        channel: ResponseChannel<Vec<u8>>,
    ) {
        let source = self.connections.get(&connection).copied();
        let (Some(from), Some(source)) = (address::node_id(peer), source) else { return };
        if !self.may_ask(peer, source.remote.ip()) {
            tracing::debug!(%peer, remote = %source.remote, "a stranger asks too often");
            return;
        }
        let inbound = InboundId(self.next_inbound);
        self.next_inbound += 1;
        self.inbound.insert(inbound, (request, channel));
        self.inbound_ids.insert(request, inbound);
        self.events.push_back(Event::Request { from, source, inbound, bytes });
    }

    /// Whether a request is worth an answer: whoever has proven nothing asks so often, whatever its node id.
    fn may_ask(&mut self, peer: &PeerId, address: IpAddr) -> bool {
        self.swarm.behaviour().gate.is_proven(peer)
            || self.asked.charge(Origin::of(address, is_attached), ambient::monotonic())
    }

    fn take_inbound(&mut self, id: InboundId) -> Option<ResponseChannel<Vec<u8>>> {
        let (request, channel) = self.inbound.remove(&id)?;
        self.inbound_ids.remove(&request);
        Some(channel)
    }

    fn forget_inbound(&mut self, request: InboundRequestId) {
        if let Some(id) = self.inbound_ids.remove(&request) {
            self.inbound.remove(&id);
        }
    }

    fn handle_discovered(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        let mut places: BTreeMap<NodeId, BTreeSet<SocketAddr>> = BTreeMap::new();
        for (peer, place) in found {
            if let (Some(node), Some((place, _))) = (address::node_id(&peer), address::socket_addr(&place)) {
                places.entry(node).or_default().insert(place);
            }
        }
        for (peer, addresses) in places {
            self.events.push_back(Event::Discovered { peer, addresses: addresses.into_iter().collect() });
        }
        let local = *self.swarm.local_peer_id();
        let listening: Vec<_> = self.swarm.listeners().cloned().collect();
        self.swarm.behaviour_mut().bound_discovery(local, &listening);
    }

    fn handle_listening(&mut self, address: &Multiaddr, new: bool) {
        // QUIC has the same addresses.
        let Some((place, Transport::Tcp)) = address::socket_addr(address) else { return };
        let changed = if new { self.listening.insert(place) } else { self.listening.remove(&place) };
        if changed {
            self.events.push_back(Event::Listening(reachable(&self.listening)));
        }
    }
}

/// What others may be told. Loopback addresses only if there is nothing else: to others they are themselves;
/// and no address that means something only together with an interface.
fn reachable(listening: &BTreeSet<SocketAddr>) -> Vec<SocketAddr> {
    let (loopback, others): (Vec<_>, Vec<_>) =
        listening.iter().filter(|place| !is_link_local(place)).partition(|place| place.ip().is_loopback());
    if others.is_empty() { loopback } else { others }
}

fn is_link_local(place: &SocketAddr) -> bool {
    matches!(place, SocketAddr::V6(place) if place.ip().is_unicast_link_local())
}

#[cfg(test)]
mod tests;
