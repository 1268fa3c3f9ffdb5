//! A channel over any byte stream: sealed both ways, opened by a ticket.
//!
//! The handshake ([`handshake`]) turns a stream into a [`Channel`]; from then on its [`Sender`] and its
//! [`Receiver`] know nothing of each other and may live in two tasks. Both work in place: what is sent is
//! encrypted in the buffer that goes to the socket, what comes is decrypted in the buffer that it was read
//! into, and a buffer holds several records, so that a system call moves 256 KiB.
//!
//! A channel ends with a close record in each direction. A stream that ends without one was cut, and that is an
//! error for whoever reads ([`ChannelError::Record`]), never an end.

mod batch;
pub mod handshake;
mod receiver;
mod sender;

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::sync::Arc;

use lanyard_protocol::channel::{ChannelReject, Opened, RECORD_MAX, ReceiveError, SendError, Suite};
use lanyard_protocol::time::Timestamp;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

pub use self::batch::Batch;
pub use self::receiver::Receiver;
pub use self::sender::Sender;
use crate::ambient::Clock;

/// How many full records a buffer holds: a system call for each record costs a fifth of the throughput, more
/// than four of them no longer fit the processor's cache beside the rest.
pub(crate) const RECORDS: usize = 4;

/// The size of a buffer for records.
const BUFFER: usize = RECORDS * RECORD_MAX;

/// A byte stream that a channel runs over: a TCP connection, or anything like it.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Wire for S {}

/// A byte stream of whatever kind.
pub type AnyWire = Box<dyn Wire>;

impl fmt::Debug for dyn Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire(..)")
    }
}

/// Why a channel does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The stream below failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The peer, or whoever sits between, sent what is no next record, or the stream was cut.
    #[error(transparent)]
    Record(#[from] ReceiveError),
    /// The ticket that opened the channel no longer holds.
    #[error("the channel ends: {0}")]
    Ended(ChannelReject),
    /// This side already closed its direction.
    #[error("this side has closed the channel")]
    Closed,
    /// This side asked for what no record can hold.
    #[error(transparent)]
    Misuse(#[from] SendError),
}

impl ChannelError {
    /// Whether the stream ended where a channel does not: something that the peer sent is missing.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        match self {
            Self::Record(error) => matches!(error, ReceiveError::Truncated { .. }),
            Self::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof
            ),
            Self::Ended(_) | Self::Closed | Self::Misuse(_) => false,
        }
    }
}

impl From<ChannelError> for io::Error {
    fn from(error: ChannelError) -> Self {
        let kind = match &error {
            ChannelError::Io(_) => {
                let ChannelError::Io(error) = error else { return Self::other(error) };
                return error;
            }
            ChannelError::Record(ReceiveError::Truncated { .. }) => io::ErrorKind::UnexpectedEof,
            ChannelError::Record(_) => io::ErrorKind::InvalidData,
            ChannelError::Ended(_) => io::ErrorKind::PermissionDenied,
            ChannelError::Closed => io::ErrorKind::BrokenPipe,
            ChannelError::Misuse(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// Whether what opened a channel still holds: asked whenever one of its keys changes, which is at least once an
/// hour while there is traffic. With it comes the clock by which that is judged.
#[derive(Clone)]
pub struct Lease {
    clock: Clock,
    check: Arc<dyn Fn(Timestamp) -> Result<(), ChannelReject> + Send + Sync>,
}

impl Lease {
    /// A lease that holds as long as `check` says so, by `clock`.
    pub fn new(
        clock: Clock,
        check: impl Fn(Timestamp) -> Result<(), ChannelReject> + Send + Sync + 'static,
    ) -> Self {
        Self { clock, check: Arc::new(check) }
    }

    /// A lease that ends when `clock` says `expires`.
    #[must_use]
    pub fn until(clock: Clock, expires: Timestamp) -> Self {
        Self::new(clock, move |now| if now < expires { Ok(()) } else { Err(ChannelReject::Expired) })
    }

    fn check(&self, now: Timestamp) -> Result<(), ChannelError> {
        (self.check)(now).map_err(ChannelError::Ended)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lease(..)")
    }
}

/// One end of a channel.
///
/// As a byte stream it is `AsyncRead` (also `AsyncBufRead`, without a copy) and `AsyncWrite`; shutting it down
/// sends the close record. [`Channel::split`] gives the two directions to two tasks.
#[derive(Debug)]
pub struct Channel<S> {
    suite: Suite,
    /// What this side sends.
    pub sender: Sender<S>,
    /// What this side receives.
    pub receiver: Receiver<S>,
}

impl<S: Wire> Channel<S> {
    /// The channel that `opened` is, over `stream`, for as long as `lease` holds.
    pub fn new(stream: S, opened: Opened, lease: Lease) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self {
            suite: opened.suite,
            sender: Sender::new(write, opened.sealer, lease.clone()),
            receiver: Receiver::new(read, opened.opener, lease),
        }
    }

    /// The cipher that both sides chose.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The two directions.
    #[must_use]
    pub fn split(self) -> (Sender<S>, Receiver<S>) {
        (self.sender, self.receiver)
    }
}

impl<S: Wire> AsyncRead for Channel<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.receiver).poll_read(cx, buffer)
    }
}

impl<S: Wire> AsyncBufRead for Channel<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut self.get_mut().receiver).poll_fill_buf(cx)
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        Pin::new(&mut self.receiver).consume(amount);
    }
}

impl<S: Wire> AsyncWrite for Channel<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.sender).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.sender).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.sender).poll_shutdown(cx)
    }
}
