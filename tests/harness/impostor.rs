//! Somebody whom others turn to, and who answers as he is told: any bytes to any request.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use lanyard_protocol::identity::NodeId;
use lanyard_protocol::message::{self, Request, Response};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{Event, Message};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::stranger::{Talker, address_of, talker};

/// What comes from whom, and what is answered to it: nothing is silence.
type Answer = dyn FnMut(NodeId, &Request) -> Option<Response> + Send;

/// A peer on loopback that speaks the transport correctly and, as for the rest, is whoever it says it is.
pub struct Impostor {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Request>>>,
    runtime: Option<Runtime>,
}

impl Impostor {
    /// A peer with the identity key of this seed, which gives `answer` to what it is asked.
    ///
    /// # Panics
    /// When the system gives it no thread or no port.
    #[must_use]
    pub fn new(
        seed: &[u8; 32],
        answer: impl FnMut(NodeId, &Request) -> Option<Response> + Send + 'static,
    ) -> Self {
        let runtime = Runtime::new().expect("there are threads");
        let key = Keypair::ed25519_from_bytes(*seed).expect("any seed is a key");
        let guard = runtime.enter();
        let mut swarm = talker(key, "/lanyard/control/1", Duration::from_secs(60));
        let loopback = Multiaddr::from(Ipv4Addr::LOCALHOST).with(Protocol::Tcp(0));
        swarm.listen_on(loopback).expect("loopback is there");
        drop(guard);
        let heard = Arc::<Mutex<Vec<Request>>>::default();
        let (listens, listening) = oneshot::channel();
        runtime.spawn(serve(swarm, Box::new(answer), Arc::clone(&heard), listens));
        let address = runtime.block_on(listening).expect("it listens");
        Self { address, heard, runtime: Some(runtime) }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked so far.
    #[must_use]
    pub fn heard(&self) -> Vec<Request> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a swarm tells of much that does not matter here")]
async fn serve(
    mut swarm: Talker,
    mut answer: Box<Answer>,
    heard: Arc<Mutex<Vec<Request>>>,
    listens: oneshot::Sender<SocketAddr>,
) {
    let mut listens = Some(listens);
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => {
                if let (Some(address), Some(listens)) = (address_of(&address), listens.take()) {
                    // Whoever waits for it is gone if nobody wants an impostor any more.
                    let _ = listens.send(address);
                }
            }
            SwarmEvent::Behaviour(Event::Message {
                peer,
                message: Message::Request { request, channel, .. },
                ..
            }) => {
                let asked = node_of(&peer).zip(message::parse::<Request>(&request).ok());
                let Some((from, request)) = asked else { continue };
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
                if let Some(response) = answer(from, &request) {
                    let _ = swarm.behaviour_mut().send_response(channel, message::frame(&response));
                }
            }
            _ => {}
        }
    }
}

/// The node that a peer of the transport is: the digest in its name is its key.
fn node_of(peer: &PeerId) -> Option<NodeId> {
    let bytes = peer.to_bytes();
    let key: [u8; 32] = bytes.get(bytes.len().checked_sub(32)?..)?.try_into().ok()?;
    NodeId::try_from(key).ok()
}
