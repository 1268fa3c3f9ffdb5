//! A peer that speaks the transport correctly, and then says whatever it likes.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{self, Codec, Event, Message, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// How long a node may take to answer, or to say that it does not.
const PATIENCE: Duration = Duration::from_secs(12);

/// Somebody who asks and is asked, in bytes.
pub(crate) type Talker = Swarm<request_response::Behaviour<Raw>>;

/// A libp2p peer with a key of its own and no certificate.
pub struct Stranger {
    runtime: Runtime,
    swarm: Talker,
    address: Multiaddr,
    peer: Option<PeerId>,
}

impl Stranger {
    /// A stranger to the node at `target`.
    ///
    /// # Panics
    /// When the system gives it no thread.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self::speaking(target, "/lanyard/control/1")
    }

    /// A stranger that wants to speak `protocol` with the node at `target`.
    ///
    /// # Panics
    /// When the system gives it no thread.
    #[must_use]
    pub fn speaking(target: SocketAddr, protocol: &'static str) -> Self {
        Self::with_key(Keypair::generate_ed25519(), target, protocol)
    }

    /// As [`Stranger::speaking`], as the node whose identity key has this seed.
    ///
    /// # Panics
    /// When the system gives it no thread.
    #[must_use]
    pub fn with_seed(seed: &[u8; 32], target: SocketAddr, protocol: &'static str) -> Self {
        let key = Keypair::ed25519_from_bytes(*seed).expect("any seed is a key");
        Self::with_key(key, target, protocol)
    }

    fn with_key(key: Keypair, target: SocketAddr, protocol: &'static str) -> Self {
        let runtime = Runtime::new().expect("there are threads");
        let guard = runtime.enter();
        let swarm = talker(key, protocol, PATIENCE);
        drop(guard);
        let mut address = Multiaddr::from(target.ip());
        address.push(Protocol::Tcp(target.port()));
        Self { runtime, swarm, address, peer: None }
    }

    /// Sends `frame` on a stream of its own, of whatever length; returns the answer, if there is one.
    ///
    /// # Panics
    /// When the node does not even take a connection.
    pub fn ask(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let Self { runtime, swarm, address, peer } = self;
        runtime.block_on(async {
            let node = match *peer {
                Some(node) if swarm.is_connected(&node) => node,
                _ => connect(swarm, address).await,
            };
            *peer = Some(node);
            swarm.behaviour_mut().send_request(&node, frame.to_vec());
            timeout(PATIENCE, answer(swarm)).await.ok().flatten()
        })
    }

    /// Sends `frame` on `many` streams, each its own, of which so many are open at a time; says how many were taken,
    /// which is to say answered with anything.
    ///
    /// # Panics
    /// When the node takes no connection any more.
    pub fn flood(&mut self, frame: &[u8], many: usize, at_a_time: usize) -> usize {
        let Self { runtime, swarm, address, peer } = self;
        runtime.block_on(async {
            let (mut begun, mut open, mut taken) = (0, 0, 0);
            while begun < many || open > 0 {
                match peer.filter(|node| swarm.is_connected(node)) {
                    Some(node) => {
                        while begun < many && open < at_a_time {
                            swarm.behaviour_mut().send_request(&node, frame.to_vec());
                            (begun, open) = (begun + 1, open + 1);
                        }
                    }
                    None if open == 0 => {
                        *peer = Some(connect(swarm, address).await);
                        continue;
                    }
                    // Those that were open have failed, which is still to be heard.
                    None => {}
                }
                if let Some(answered) = fate(swarm).await {
                    open -= 1;
                    taken += usize::from(answered);
                }
            }
            taken
        })
    }
}

/// What became of a stream, if the next event is about one.
#[expect(clippy::wildcard_enum_match_arm, reason = "a swarm tells of much that does not matter here")]
async fn fate(swarm: &mut Talker) -> Option<bool> {
    match swarm.select_next_some().await {
        SwarmEvent::Behaviour(Event::Message { message: Message::Response { response, .. }, .. }) => {
            Some(!response.is_empty())
        }
        SwarmEvent::Behaviour(Event::OutboundFailure { .. }) => Some(false),
        _ => None,
    }
}

/// A swarm that speaks `protocol` and keeps a connection that is not used for `idle`. Needs a Tokio runtime.
pub(crate) fn talker(key: Keypair, protocol: &'static str, idle: Duration) -> Talker {
    SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .expect("the transport is sound")
        .with_behaviour(|_| {
            request_response::Behaviour::with_codec(Raw, protocols(protocol), configuration())
        })
        .expect("the behaviour is sound")
        .with_swarm_config(|config| config.with_idle_connection_timeout(idle))
        .build()
}

/// The address and port of an address of the transport.
pub(crate) fn address_of(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    match (parts.next()?, parts.next()?) {
        (Protocol::Ip4(ip), Protocol::Tcp(port)) => Some((ip, port).into()),
        _ => None,
    }
}

/// Connects, again and again: nodes limit how often an address may.
#[expect(clippy::wildcard_enum_match_arm, reason = "a swarm tells of much that does not matter here")]
async fn connect(swarm: &mut Talker, address: &Multiaddr) -> PeerId {
    let connected = async {
        loop {
            swarm.dial(address.clone()).expect("the address is sound");
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::ConnectionEstablished { peer_id, .. } => return peer_id,
                    SwarmEvent::OutgoingConnectionError { .. } => break,
                    _ => {}
                }
            }
        }
    };
    timeout(PATIENCE, connected).await.expect("the node takes connections")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a swarm tells of much that does not matter here")]
async fn answer(swarm: &mut Talker) -> Option<Vec<u8>> {
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(Event::Message { message: Message::Response { response, .. }, .. }) => {
                return Some(response);
            }
            SwarmEvent::Behaviour(Event::OutboundFailure { .. }) | SwarmEvent::ConnectionClosed { .. } => {
                return None;
            }
            _ => {}
        }
    }
}

pub(crate) fn protocols(protocol: &'static str) -> [(StreamProtocol, ProtocolSupport); 1] {
    [(StreamProtocol::new(protocol), ProtocolSupport::Full)]
}

pub(crate) fn configuration() -> request_response::Config {
    request_response::Config::default().with_request_timeout(PATIENCE)
}

/// Bytes as they are, of any number.
#[derive(Clone, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, frame: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&frame).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, frame: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&frame).await
    }
}

async fn read<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.read_to_end(&mut bytes).await?;
    Ok(bytes)
}
