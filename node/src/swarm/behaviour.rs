//! What runs on every connection: libp2p's stock behaviours behind one gate.

use core::time::Duration;

use libp2p::core::transport::ListenerId;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::behaviour::{FromSwarm, NewListenAddr};
use libp2p::{Multiaddr, PeerId, identify, identity, mdns, ping, request_response};

use super::frame::{self, Frames};
use super::gate::Gate;
use super::handshakes::Handshakes;
use super::lanes;
use super::standing::Standing;
use crate::config::NetworkLimits;

/// Peers that multicast DNS remembers. Whoever fakes more makes it start afresh, and grow no further.
const MAX_DISCOVERED: usize = 1024;
/// How often to ask who is there, in case an answer was lost.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(60);

/// The gate comes first: whom it refuses the others never meet.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) gate: Gate,
    pub(super) control: request_response::Behaviour<Frames>,
    lanes: lanes::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    discovery: Toggle<mdns::tokio::Behaviour>,
}

impl Behaviour {
    pub(super) fn new(
        key: &identity::PublicKey,
        limits: &NetworkLimits,
        handshakes: Handshakes,
        (standing, lanes): (Standing, lanes::Behaviour),
        mdns: bool,
    ) -> Self {
        let control = request_response::Config::default()
            .with_request_timeout(limits.request)
            .with_max_concurrent_streams(limits.requests_per_connection.get() as usize);
        // What a stranger does not need to know is not in it.
        let identify = identify::Config::new("/lanyard/1".to_owned(), key.clone())
            .with_agent_version("lanyard".to_owned())
            .with_hide_listen_addrs(true)
            .with_push_listen_addr_updates(false)
            .with_cache_size(0);
        let discovery = if mdns { start_mdns(key.to_peer_id()) } else { None };
        let protocols = [(frame::PROTOCOL, request_response::ProtocolSupport::Full)];
        Self {
            gate: Gate::new(limits.clone(), handshakes, standing),
            control: request_response::Behaviour::new(protocols, control),
            lanes,
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(
                ping::Config::new().with_interval(limits.ping).with_timeout(limits.ping),
            ),
            discovery: discovery.into(),
        }
    }

    /// E2: forgets whom multicast DNS has seen if that is more than a local network has. What starts afresh has to be
    /// told where this node is `listening`: nobody would find it otherwise.
    pub(super) fn bound_discovery(&mut self, local: PeerId, listening: &[Multiaddr]) {
        let discovered = self.discovery.as_ref().map_or(0, |mdns| mdns.discovered_nodes().len());
        if discovered > MAX_DISCOVERED {
            tracing::warn!(discovered, "too many peers by multicast DNS: it starts afresh");
            let mut discovery = start_mdns(local);
            for addr in listening {
                let known = NewListenAddr { listener_id: ListenerId::next(), addr };
                if let Some(discovery) = &mut discovery {
                    discovery.on_swarm_event(FromSwarm::NewListenAddr(known));
                }
            }
            self.discovery = discovery.into();
        }
    }
}

/// A host without multicast is no reason not to run: addresses can be given.
fn start_mdns(local: PeerId) -> Option<mdns::tokio::Behaviour> {
    let config = mdns::Config { query_interval: DISCOVERY_INTERVAL, ..mdns::Config::default() };
    mdns::tokio::Behaviour::new(config, local)
        .inspect_err(|error| tracing::warn!(?error, "no multicast DNS"))
        .ok()
}
