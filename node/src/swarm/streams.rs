//! Streams for channels between members: where a channel runs when the lane cannot be reached.
//!
//! A stream begins with a byte of whoever was asked for it. A stream that comes in where there is no room for it is
//! dropped, which its opener cannot tell from one that is taken. Whoever opened a stream sends nothing before the
//! byte, so a stream that ends without one is opened again.

use core::fmt;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use lanyard_protocol::identity::NodeId;
use lanyard_protocol::time::Timestamp;
use libp2p::PeerId;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _};

use super::address;
use super::lanes::{Ends, Reply};
use super::standing::Standing;

/// What the provider sends first.
const READY: u8 = 1;

/// Streams for channels that one peer may have open, each way. 224: with those of both sides and all else, a
/// connection stays below 512; with 256 KiB each, a member makes this node keep 56 MiB unread.
pub(super) const LANE_STREAMS: usize = 224;

/// Channels with one peer that are being opened at a time. 4: half of what the peer lets be unproven, and streams
/// that come one at a time are not lost.
const OPENING: usize = 4;

/// How long to wait before a stream that was lost is opened again. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// How long a stream may be waited for in all, a turn not included.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a turn may be waited for. 10 seconds: as long as a command waits.
const TURN: Duration = Duration::from_secs(10);

/// Peers whose turns are remembered before it is looked whether somebody still wants one.
const REMEMBERED: usize = 64;

/// Streams that members have opened, and who.
type Arriving = mpsc::Receiver<(PeerId, libp2p::Stream)>;

/// Opens streams to members, and takes theirs. Clones are the same.
#[derive(Clone)]
pub(crate) struct Streams {
    wishes: mpsc::Sender<(PeerId, Reply)>,
    incoming: Arc<Mutex<Option<Arriving>>>,
    standing: Standing,
    turns: Arc<Mutex<BTreeMap<NodeId, Arc<Turns>>>>,
}

/// What one peer has room for.
#[derive(Debug)]
struct Turns {
    live: Arc<Semaphore>,
    opening: Arc<Semaphore>,
}

/// Leave to open one channel, given back when it is open.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    _opening: OwnedSemaphorePermit,
}

impl Streams {
    pub(super) fn new(ends: Ends, standing: Standing) -> Self {
        let incoming = Arc::new(Mutex::new(Some(ends.incoming)));
        Self { wishes: ends.wishes, incoming, standing, turns: Arc::default() }
    }

    /// Whether there is a connection with `peer`, and it has proven its membership.
    pub(crate) fn has(&self, peer: &NodeId) -> bool {
        address::peer_id(peer).is_some_and(|peer| self.standing.of(&peer).is_some())
    }

    /// Waits until a channel with `peer` may be opened.
    ///
    /// # Errors
    /// As many are being opened or open as a peer may have, and none ends.
    pub(crate) async fn turn(&self, peer: NodeId) -> io::Result<Turn> {
        let turns = self.turns_of(peer);
        let opening = tokio::time::timeout(TURN, Arc::clone(&turns.opening).acquire_owned()).await;
        let _opening = opening?.map_err(io::Error::other)?;
        Ok(Turn { turns, _opening })
    }

    fn turns_of(&self, peer: NodeId) -> Arc<Turns> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= REMEMBERED {
            turns.retain(|_, held| Arc::strong_count(held) > 1);
        }
        let fresh = || Arc::new(Turns { live: semaphore(LANE_STREAMS), opening: semaphore(OPENING) });
        Arc::clone(turns.entry(peer).or_insert_with(fresh))
    }

    /// Opens a stream to `peer`, which is connected and has proven its membership.
    ///
    /// # Errors
    /// There is none, because the peer does not want one or the connection fails.
    pub(crate) async fn open(&self, peer: NodeId, turn: &Turn) -> io::Result<MemberStream> {
        let live = tokio::time::timeout(TURN, Arc::clone(&turn.turns.live).acquire_owned()).await;
        let live = live?.map_err(io::Error::other)?;
        let stream = tokio::time::timeout(PATIENCE, self.open_until_ready(peer)).await??;
        Ok(MemberStream { stream, _turns: Some((Arc::clone(&turn.turns), live)) })
    }

    async fn open_until_ready(&self, peer: NodeId) -> io::Result<Raw> {
        let mut pause = FIRST_PAUSE;
        loop {
            if !self.has(&peer) {
                return Err(io::ErrorKind::NotConnected.into());
            }
            match self.open_once(peer).await {
                Err(error) if error.kind() != io::ErrorKind::Unsupported => {
                    tracing::trace!(peer = %peer.short(), %error, "a stream was lost");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                decided => return decided,
            }
        }
    }

    async fn open_once(&self, peer: NodeId) -> io::Result<Raw> {
        let peer = address::peer_id(&peer).ok_or(io::ErrorKind::Unsupported)?;
        let (reply, opened) = oneshot::channel();
        self.wishes.send((peer, reply)).await.map_err(|_| io::ErrorKind::Unsupported)?;
        let mut stream = opened.await.map_err(|_| io::ErrorKind::ConnectionReset)??.compat();
        match stream.read_u8().await? {
            READY => Ok(stream),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The streams that members open, for the one who takes them.
    pub(crate) fn incoming(&self) -> Option<Incoming> {
        let streams = self.incoming.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Incoming { streams, standing: self.standing.clone() })
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("standing", &self.standing).finish_non_exhaustive()
    }
}

/// Streams that nobody opens or takes, for a handle without a network.
#[cfg(test)]
impl Default for Streams {
    fn default() -> Self {
        Self::new(super::lanes::Behaviour::new(Standing::default()).1, Standing::default())
    }
}

fn semaphore(permits: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(permits))
}

/// The streams that come in.
pub(crate) struct Incoming {
    streams: mpsc::Receiver<(PeerId, libp2p::Stream)>,
    standing: Standing,
}

/// A stream that a member has opened.
pub(crate) struct Offered {
    pub(crate) peer: NodeId,
    pub(crate) remote: SocketAddr,
    /// Until when it is a member.
    pub(crate) until: Timestamp,
    stream: Raw,
}

impl Incoming {
    /// The next stream, of a peer that had proven its membership when it asked for it.
    pub(crate) async fn next(&mut self) -> Option<Offered> {
        loop {
            let (peer, stream) = self.streams.recv().await?;
            // It may be gone by now.
            let standing = (self.standing.of(&peer), self.standing.until(&peer));
            if let (Some(peer), (Some(remote), Some(until))) = (address::node_id(&peer), standing) {
                return Some(Offered { peer, remote, until, stream: stream.compat() });
            }
        }
    }
}

impl Offered {
    /// Says that this side is ready.
    ///
    /// # Errors
    /// The connection fails.
    pub(crate) async fn take(self) -> io::Result<MemberStream> {
        let mut stream = self.stream;
        stream.write_u8(READY).await?;
        stream.flush().await?;
        Ok(MemberStream { stream, _turns: None })
    }
}

type Raw = Compat<libp2p::Stream>;

/// A stream between two members, on which both are ready.
pub(crate) struct MemberStream {
    stream: Raw,
    /// Counts the stream of an opener.
    _turns: Option<(Arc<Turns>, OwnedSemaphorePermit)>,
}

impl AsyncRead for MemberStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, room)
    }
}

impl AsyncWrite for MemberStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
