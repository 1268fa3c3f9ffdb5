//! Who may be connected: the limits on connections as a behaviour of the swarm.

use core::convert::Infallible;
use core::net::{IpAddr, SocketAddr};
use core::task::{Context, Poll};
use std::collections::{BTreeMap, VecDeque};

use lanyard_protocol::time::Timestamp;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionClosed, FromSwarm, ListenFailure};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

use super::address;
use super::handshakes::Handshakes;
use super::slots::Slots;
use super::standing::{Proof, Standing};
use crate::ambient;
use crate::config::NetworkLimits;
use crate::origin::Origin;

/// Refuses connections beyond the limits, and whoever is no node.
pub(super) struct Gate {
    per_peer: usize,
    slots: Slots,
    peers: BTreeMap<PeerId, Peer>,
    closing: VecDeque<(PeerId, ConnectionId)>,
    /// Where the connections come from whose handshake goes on.
    pending: BTreeMap<ConnectionId, Multiaddr>,
    handshakes: Handshakes,
    standing: Standing,
}

#[derive(Default)]
struct Peer {
    /// And where they lead.
    connections: BTreeMap<ConnectionId, SocketAddr>,
    proven: bool,
}

/// Why a connection is closed once it is known who is there.
#[derive(Debug, thiserror::Error)]
enum Refused {
    /// The address is of no transport of ours.
    #[error("{0} is no address of TCP or QUIC")]
    Address(Multiaddr),
    /// The peer's key is not Ed25519.
    #[error("{0} is no node: its key is not Ed25519")]
    NoNode(PeerId),
}

impl Gate {
    pub(super) fn new(limits: NetworkLimits, handshakes: Handshakes, standing: Standing) -> Self {
        Self {
            per_peer: limits.connections_per_peer.get() as usize,
            slots: Slots::new(limits),
            peers: BTreeMap::new(),
            closing: VecDeque::new(),
            pending: BTreeMap::new(),
            handshakes,
            standing,
        }
    }

    /// `peer` has proven its membership, as it is `until` then: its connections, these and later ones, take no slots.
    pub(super) fn prove(&mut self, peer: &PeerId, until: Timestamp, keep: bool) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.proven = true;
            for id in known.connections.keys() {
                self.slots.prove(*id);
            }
            if let Some(remote) = known.connections.values().next() {
                self.standing.set(*peer, Proof { remote: *remote, until, keep });
            }
        }
    }

    /// What `peer` has proven counts no longer: neither it nor its addresses are let in before others.
    pub(super) fn disprove(&mut self, peer: &PeerId) {
        self.standing.remove(peer);
        if let Some(known) = self.peers.get_mut(peer) {
            known.proven = false;
            for remote in known.connections.values() {
                self.slots.forget(Origin::of(remote.ip(), address::is_attached));
            }
        }
    }

    /// Whether `peer` has proven its membership on the connections that it has.
    pub(super) fn is_proven(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|known| known.proven)
    }

    fn established(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        if address::node_id(&peer).is_none() {
            return Err(ConnectionDenied::new(Refused::NoNode(peer)));
        }
        let place = address::socket_addr(remote);
        let (place, _) = place.ok_or_else(|| ConnectionDenied::new(Refused::Address(remote.clone())))?;
        self.slots.check(id).map_err(ConnectionDenied::new)?;
        let known = self.peers.entry(peer).or_default();
        known.connections.insert(id, place);
        if known.proven {
            self.slots.prove(id);
        }
        // The oldest gives way: after a crash of the peer they are dead, and only he knows.
        if known.connections.len() > self.per_peer
            && let Some((oldest, _)) = known.connections.first_key_value()
        {
            self.closing.push_back((peer, *oldest));
        }
        Ok(())
    }

    fn closed(&mut self, id: ConnectionId, peer: &PeerId) {
        self.slots.release(id);
        self.closing.retain(|(_, closing)| *closing != id);
        if let Some(known) = self.peers.get_mut(peer) {
            known.connections.remove(&id);
            if known.connections.is_empty() {
                self.peers.remove(peer);
                self.standing.remove(peer);
            }
        }
    }

    /// Closes the connection that gave its slot up, or cuts its handshake short.
    fn close(&mut self, id: ConnectionId) {
        if let Some(remote) = self.pending.get(&id) {
            self.handshakes.cut(remote);
            return;
        }
        let owner = self.peers.iter().find(|(_, known)| known.connections.contains_key(&id));
        if let Some((peer, _)) = owner {
            self.closing.push_back((*peer, id));
        }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let remote_ip = ip(remote).ok_or_else(|| ConnectionDenied::new(Refused::Address(remote.clone())))?;
        let origin = Origin::of(remote_ip, address::is_attached);
        let given_up = self.slots.take(id, origin, ambient::monotonic()).map_err(ConnectionDenied::new)?;
        if let Some(given_up) = given_up {
            self.close(given_up);
        }
        self.pending.insert(id, remote.clone());
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(&id);
        self.established(id, peer, remote).inspect_err(|_| self.slots.release(id))?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _role: Endpoint,
        _port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.established(id, peer, address)?;
        Ok(dummy::ConnectionHandler)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only the end of a connection matters here")]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) => {
                self.closed(connection_id, &peer_id);
            }
            FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => {
                self.pending.remove(&connection_id);
                self.slots.release(connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _peer: PeerId,
        _id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        match self.closing.pop_front() {
            Some((peer_id, id)) => {
                Poll::Ready(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::One(id) })
            }
            None => Poll::Pending,
        }
    }
}

fn ip(address: &Multiaddr) -> Option<IpAddr> {
    address::socket_addr(address).map(|(place, _)| place.ip())
}
