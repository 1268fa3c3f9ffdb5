//! Wishes to connect: TCP before QUIC, several places at a time, one connection as the result.
//!
//! On a local network TCP is the faster transport, and what blocks one rarely blocks the other; so QUIC is
//! tried only where no TCP address answers.

use core::net::SocketAddr;
use std::collections::BTreeMap;

use lanyard_protocol::engine::DialId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, NetworkBehaviour, Swarm};
use libp2p::{Multiaddr, PeerId};

use super::address::{Transport, multiaddr, socket_addr};

/// Places that are tried for one wish, at most: more are not the address list of one host.
const MAX_PLACES: usize = 16;

/// The wishes that are being tried.
#[derive(Default)]
pub(super) struct Dials {
    wishes: BTreeMap<DialId, Wish>,
    attempts: BTreeMap<ConnectionId, DialId>,
}

struct Wish {
    peer: Option<PeerId>,
    running: usize,
    /// What is being tried.
    places: Vec<Multiaddr>,
    /// What to try when everything that runs has failed.
    then: Vec<Multiaddr>,
}

/// What a connection that was dialled means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Established {
    /// The wish is fulfilled.
    First(DialId),
    /// The wish was fulfilled already: the connection is one too many.
    Late,
    /// Nobody wished for it here.
    Unasked,
}

impl Dials {
    /// Starts to connect to `peer`, or to whoever is there. Returns whether there was anything to try.
    pub(super) fn begin<B: NetworkBehaviour>(
        &mut self,
        swarm: &mut Swarm<B>,
        id: DialId,
        peer: Option<PeerId>,
        places: &[SocketAddr],
    ) -> bool {
        let places = &places[..places.len().min(MAX_PLACES)];
        let all = |transport| places.iter().map(move |place| multiaddr(*place, transport)).collect();
        self.wishes.insert(id, Wish { peer, running: 0, places: Vec::new(), then: all(Transport::Quic) });
        self.attempt(swarm, id, peer, all(Transport::Tcp));
        self.settle(swarm, id).is_none()
    }

    /// A dialled connection is established.
    pub(super) fn established(&mut self, connection: ConnectionId) -> Established {
        match self.attempts.remove(&connection) {
            None => Established::Unasked,
            Some(id) if self.wishes.remove(&id).is_some() => Established::First(id),
            Some(_) => Established::Late,
        }
    }

    /// A dialled connection has failed. Returns the wish if there is nothing left to try for it.
    ///
    /// Of several places libp2p takes the first that answers, and gives up all of them if that is not who was looked
    /// for. Whoever is quick to answer for others would keep them from being reached, so the rest is tried again.
    pub(super) fn failed<B: NetworkBehaviour>(
        &mut self,
        swarm: &mut Swarm<B>,
        connection: ConnectionId,
        error: &DialError,
    ) -> Option<DialId> {
        let id = self.attempts.remove(&connection)?;
        let wish = self.wishes.get_mut(&id)?;
        wish.running -= 1;
        if let (DialError::WrongPeerId { address, .. }, Some(peer)) = (error, wish.peer) {
            let false_place = socket_addr(address);
            let mut others = core::mem::take(&mut wish.places);
            let before = others.len();
            others.retain(|place| socket_addr(place) != false_place);
            // Each time there is one fewer, or it ends.
            if others.len() < before {
                self.attempt(swarm, id, Some(peer), others);
            }
        }
        self.settle(swarm, id)
    }

    fn settle<B: NetworkBehaviour>(&mut self, swarm: &mut Swarm<B>, id: DialId) -> Option<DialId> {
        loop {
            let wish = self.wishes.get_mut(&id)?;
            if wish.running > 0 {
                return None;
            }
            if wish.then.is_empty() {
                self.wishes.remove(&id);
                return Some(id);
            }
            let (peer, then) = (wish.peer, core::mem::take(&mut wish.then));
            self.attempt(swarm, id, peer, then);
        }
    }

    fn attempt<B: NetworkBehaviour>(
        &mut self,
        swarm: &mut Swarm<B>,
        id: DialId,
        peer: Option<PeerId>,
        places: Vec<Multiaddr>,
    ) {
        if let Some(wish) = self.wishes.get_mut(&id) {
            wish.places.clone_from(&places);
        }
        for options in dials(peer, places) {
            let connection = options.connection_id();
            if let Err(error) = swarm.dial(options) {
                tracing::debug!(?error, "cannot dial");
                continue;
            }
            self.attempts.insert(connection, id);
            if let Some(wish) = self.wishes.get_mut(&id) {
                wish.running += 1;
            }
        }
    }
}

/// One dial for all places of a known peer, where libp2p takes the first that answers; one for each place
/// where nobody in particular is looked for.
fn dials(peer: Option<PeerId>, places: Vec<Multiaddr>) -> Vec<DialOpts> {
    match peer {
        _ if places.is_empty() => Vec::new(),
        Some(peer) => vec![
            DialOpts::peer_id(peer)
                .addresses(places)
                .condition(PeerCondition::Always)
                .allocate_new_port()
                .build(),
        ],
        None => places
            .into_iter()
            .map(|place| DialOpts::unknown_peer_id().address(place).allocate_new_port().build())
            .collect(),
    }
}
