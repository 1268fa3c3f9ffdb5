//! How many streams a peer may have open on a connection: few for a stranger, more for a member.
//!
//! Each stream can make this node keep what fits its window and nobody has read. The multiplexers count streams,
//! too, but all peers alike and, Yamux, those of both sides together.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use futures::{AsyncRead, AsyncWrite};
use libp2p::PeerId;
use libp2p::core::StreamMuxer;
use libp2p::core::muxing::StreamMuxerEvent;

use super::standing::Standing;

/// How many streams of the other side may be open at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamLimits {
    pub(super) stranger: usize,
    pub(super) member: usize,
}

/// A connection whose peer loses it when it opens more streams than it may.
pub(super) struct Metered<M: StreamMuxer> {
    inner: M,
    peer: PeerId,
    standing: Standing,
    limits: StreamLimits,
    /// Held once by each stream of the other side.
    open: Arc<()>,
    /// Streams that were opened and not yet asked for.
    waiting: VecDeque<Counted<M::Substream>>,
}

impl<M: StreamMuxer> Metered<M> {
    pub(super) fn new(inner: M, peer: PeerId, standing: Standing, limits: StreamLimits) -> Self {
        Self { inner, peer, standing, limits, open: Arc::default(), waiting: VecDeque::new() }
    }
}

impl<M> Metered<M>
where
    M: StreamMuxer + Unpin,
    M::Error: Send + Sync + 'static,
{
    fn most(&self) -> usize {
        if self.standing.of(&self.peer).is_some() { self.limits.member } else { self.limits.stranger }
    }

    /// Takes what the other side has opened, whether or not anybody wants it yet: what is not counted is not
    /// bounded.
    fn take_opened(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Poll::Ready(stream) = Pin::new(&mut self.inner).poll_inbound(cx) {
            let stream = stream.map_err(io::Error::other)?;
            let (open, most) = (Arc::strong_count(&self.open), self.most());
            if open > most {
                tracing::debug!(peer = %self.peer, most, "too many streams");
                return Err(io::Error::other(format!("more than {most} streams")));
            }
            self.waiting.push_back(Counted { stream, _open: Some(Arc::clone(&self.open)) });
        }
        Ok(())
    }
}

impl<M> StreamMuxer for Metered<M>
where
    M: StreamMuxer + Unpin,
    M::Substream: Unpin,
    M::Error: Send + Sync + 'static,
{
    type Substream = Counted<M::Substream>;
    type Error = io::Error;

    fn poll_inbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
        let this = self.get_mut();
        this.take_opened(cx)?;
        this.waiting.pop_front().map_or(Poll::Pending, |stream| Poll::Ready(Ok(stream)))
    }

    fn poll_outbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
        let opened = Pin::new(&mut self.get_mut().inner).poll_outbound(cx);
        opened.map_ok(|stream| Counted { stream, _open: None }).map_err(io::Error::other)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_close(cx).map_err(io::Error::other)
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        let this = self.get_mut();
        let before = this.waiting.len();
        this.take_opened(cx)?;
        if this.waiting.len() > before {
            // Whoever waits for streams is the task that asks for events.
            cx.waker().wake_by_ref();
        }
        Pin::new(&mut this.inner).poll(cx).map_err(io::Error::other)
    }
}

/// A stream, counted as open until it is dropped if the other side has opened it.
pub(super) struct Counted<S> {
    stream: S,
    _open: Option<Arc<()>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, bytes)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
