//! Strangers who ask to be admitted, over and over.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use lanyard_protocol::enrolment::{Credentials, InviteOffer, KeyRequest, Offer};
use lanyard_protocol::identity::{NodeId, SealingPublicKey};
use lanyard_protocol::label::Digest;
use lanyard_protocol::message::{self, Request};
use libp2p::Multiaddr;
use libp2p::identity::Keypair;
use libp2p::request_response::{Event, Message};
use libp2p::swarm::SwarmEvent;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::time::interval;

use crate::Attacker;
use crate::stranger::{Talker, talker};

/// The answer that costs the authority a signature: variant 1 of the responses, in version 1 of the frames.
const AUTHORITY_KEY: [u8; 2] = [1, 1];

/// How long an applicant keeps a connection that it does not use.
const IDLE: Duration = Duration::from_secs(60);

/// A flood of requests to enrol, which goes on until this is dropped.
pub struct Applicants {
    asked: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
}

impl Applicants {
    /// Each of the crowd asks the authority of `network` at `target` for its key, together `a_second` times a second,
    /// whatever becomes of it.
    ///
    /// # Panics
    /// When the system gives them no thread.
    #[must_use]
    pub fn new(crowd: &[Attacker], target: SocketAddr, network: &str, a_second: u32) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("there are threads");
        let [asked, answered] = [(); 2].map(|()| Arc::<AtomicUsize>::default());
        let each = u32::try_from(crowd.len()).expect("a crowd is small");
        for attacker in crowd {
            let key = Keypair::generate_ed25519();
            let request = key_request(&key, network);
            let guard = runtime.enter();
            let swarm = talker(key, "/lanyard/control/1", IDLE);
            drop(guard);
            let target = runtime.block_on(way_from(attacker.address(), target)).expect("there are ports");
            let pace = Duration::from_secs(1) * each / a_second;
            let counters = (Arc::clone(&asked), Arc::clone(&answered));
            runtime.spawn(apply(swarm, multiaddr(target), request, pace, counters));
        }
        Self { asked, answered, runtime: Some(runtime) }
    }

    /// How often they have asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// How often the authority has signed an answer.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }
}

impl Drop for Applicants {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An address at which connections are passed on to `target`, which sees them come from `source`: libp2p does not let
/// its users choose that.
async fn way_from(source: Ipv4Addr, target: SocketAddr) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let socket = TcpSocket::new_v4()?;
                socket.bind((source, 0).into())?;
                let mut far = socket.connect(target).await?;
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    Ok(address)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a swarm tells of much that does not matter here")]
async fn apply(
    mut swarm: Talker,
    target: Multiaddr,
    request: Vec<u8>,
    pace: Duration,
    (asked, answered): (Arc<AtomicUsize>, Arc<AtomicUsize>),
) {
    let mut pace = interval(pace);
    let mut node = None;
    loop {
        tokio::select! {
            _ = pace.tick() => {
                asked.fetch_add(1, Ordering::Relaxed);
                match node.filter(|node| swarm.is_connected(node)) {
                    Some(node) => {
                        swarm.behaviour_mut().send_request(&node, request.clone());
                    }
                    // It may be dialling already.
                    None => {
                        let _ = swarm.dial(target.clone());
                    }
                }
            }
            event = swarm.select_next_some() => match event {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => node = Some(peer_id),
                SwarmEvent::Behaviour(Event::Message { message: Message::Response { response, .. }, .. })
                    if response.starts_with(&AUTHORITY_KEY) =>
                {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                _ => {}
            }
        }
    }
}

/// A request for the authority's key, by whoever claims to have an invite's secret.
fn key_request(key: &Keypair, network: &str) -> Vec<u8> {
    let node = key.public().try_into_ed25519().expect("it was made as one").to_bytes();
    let credentials = Credentials {
        invite: Some(InviteOffer::Secret),
        password: None,
        replace: false,
        commitment: Digest([1; 32]),
    };
    message::frame(&Request::KeyRequest(KeyRequest {
        network: network.parse().expect("it is a name"),
        offer: Offer::Stranger(credentials),
        nonce: [7; 32],
        identity: NodeId::try_from(node).expect("it is a key"),
        sealing: SealingPublicKey(node),
    }))
}

fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(libp2p::multiaddr::Protocol::Tcp(address.port()))
}
