//! A peer that speaks the transport up to its multiplexer, and then writes the multiplexer's frames by hand.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::iter::{Once, once};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p::core::muxing::StreamMuxerEvent;
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo, Version};
use libp2p::core::{Endpoint, StreamMuxer, Transport as _};
use libp2p::{Multiaddr, identity, noise, tcp};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// How long a node may take to do something.
const PATIENCE: Duration = Duration::from_secs(12);
/// How long bytes may wait for a node that does not take them.
const BLOCKED: Duration = Duration::from_secs(1);

/// The kinds of frames that are read here.
const DATA: u8 = 0;
const PING: u8 = 2;
const GO_AWAY: u8 = 3;

/// An encrypted connection to a node, on which Yamux has been agreed upon and nothing is spoken yet.
pub struct Frames {
    runtime: Runtime,
    stream: Bare,
}

impl Frames {
    /// A connection to the node at `target`, under a key of its own.
    ///
    /// # Errors
    /// The node does not take it.
    ///
    /// # Panics
    /// When the system gives no thread.
    pub fn connect(target: SocketAddr) -> io::Result<Self> {
        Self::with_key(&identity::Keypair::generate_ed25519(), target)
    }

    /// As [`Frames::connect`], as the node whose identity key has this seed.
    pub(crate) fn with_seed(seed: &[u8; 32], target: SocketAddr) -> io::Result<Self> {
        let key = identity::Keypair::ed25519_from_bytes(*seed).map_err(io::Error::other)?;
        Self::with_key(&key, target)
    }

    fn with_key(key: &identity::Keypair, target: SocketAddr) -> io::Result<Self> {
        let runtime = Runtime::new().expect("there are threads");
        let stream = runtime.block_on(async {
            let mut transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
                .upgrade(Version::V1)
                .authenticate(noise::Config::new(key).map_err(io::Error::other)?)
                .multiplex(ByHand);
            let mut address = Multiaddr::from(target.ip());
            address.push(libp2p::multiaddr::Protocol::Tcp(target.port()));
            let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
            let dialled = transport.dial(address, options).map_err(io::Error::other)?;
            let (_, stream) = timeout(PATIENCE, dialled).await?.map_err(io::Error::other)?;
            Ok::<_, io::Error>(stream)
        })?;
        Ok(Self { runtime, stream })
    }

    /// Sends bytes; false if the node does not take them.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        let Self { runtime, stream } = self;
        let sending = async {
            stream.0.write_all(bytes).await?;
            stream.0.flush().await
        };
        runtime.block_on(async { matches!(timeout(BLOCKED, sending).await, Ok(Ok(()))) })
    }

    /// Asks for an answer of the multiplexer, and reads whatever comes until there is one; false if the node ends the
    /// connection instead, or does neither.
    pub fn is_answered(&mut self) -> bool {
        let sent = self.send(&frame(PING, 1, 0, 7, &[]));
        let Self { runtime, stream } = self;
        sent && runtime.block_on(async { matches!(timeout(PATIENCE, next(stream, PING)).await, Ok(true)) })
    }

    /// Reads whatever comes until the node ends the connection, or says that it is at an end; false if it does
    /// neither.
    pub fn is_refused(&mut self) -> bool {
        let Self { runtime, stream } = self;
        runtime.block_on(async { timeout(PATIENCE, next(stream, GO_AWAY)).await.is_ok() })
    }
}

/// Reads up to the next frame of `kind`; false if the connection ends before, or is said to.
async fn next(stream: &mut Bare, kind: u8) -> bool {
    loop {
        let mut header = [0; 12];
        if stream.0.read_exact(&mut header).await.is_err() {
            return false;
        }
        let [_, found, _, _, _, _, _, _, length @ ..] = header;
        if found == DATA {
            let mut body = vec![0; u32::from_be_bytes(length) as usize];
            if stream.0.read_exact(&mut body).await.is_err() {
                return false;
            }
        }
        if found == kind {
            return true;
        }
        if found == GO_AWAY {
            return false;
        }
    }
}

/// A frame of Yamux: its header, and whatever body is given with it.
#[must_use]
pub fn frame(kind: u8, flags: u16, stream: u32, length: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, kind];
    frame.extend(flags.to_be_bytes());
    frame.extend(stream.to_be_bytes());
    frame.extend(length.to_be_bytes());
    frame.extend(body);
    frame
}

trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<C: AsyncRead + AsyncWrite + Send + Unpin> Bytes for C {}

/// What is agreed upon as Yamux, and is none.
struct Bare(Pin<Box<dyn Bytes>>);

#[derive(Clone, Copy)]
struct ByHand;

impl UpgradeInfo for ByHand {
    type Info = &'static str;
    type InfoIter = Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        once("/yamux/1.0.0")
    }
}

impl<C: Bytes + 'static> OutboundConnectionUpgrade<C> for ByHand {
    type Output = Bare;
    type Error = Infallible;
    type Future = Ready<Result<Bare, Infallible>>;

    fn upgrade_outbound(self, connection: C, _: &'static str) -> Self::Future {
        ready(Ok(Bare(Box::pin(connection))))
    }
}

impl<C: Bytes + 'static> InboundConnectionUpgrade<C> for ByHand {
    type Output = Bare;
    type Error = Infallible;
    type Future = Ready<Result<Bare, Infallible>>;

    fn upgrade_inbound(self, connection: C, _: &'static str) -> Self::Future {
        ready(Ok(Bare(Box::pin(connection))))
    }
}

/// Asked for by the types, and never used.
impl StreamMuxer for Bare {
    type Substream = Pin<Box<dyn Bytes>>;
    type Error = io::Error;

    fn poll_inbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
        Poll::Pending
    }

    fn poll_outbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
        Poll::Pending
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Poll::Pending
    }
}
