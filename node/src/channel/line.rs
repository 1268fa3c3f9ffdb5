//! The byte stream below a channel: its two directions share it, and its lease cuts it.

use core::any::Any;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use futures::task::AtomicWaker;
use lanyard_protocol::channel::ChannelReject;
use tokio::io::ReadBuf;
use tokio::task::AbortHandle;

use super::{ChannelError, Lease, Wire};

/// A stream that can be taken away from whoever reads it, writes it or holds it without doing either.
struct Line<S> {
    stream: Mutex<Option<S>>,
    ended: OnceLock<ChannelReject>,
    reader: AtomicWaker,
    writer: AtomicWaker,
    guard: OnceLock<Guard>,
    kept: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// One direction of a line. The stream is closed when both are gone, or when the lease is over.
pub(super) struct Half<S>(Arc<Line<S>>);

/// The two directions of `stream`, until `lease` is over.
pub(super) fn split<S: Wire>(stream: S, lease: Lease) -> (Half<S>, Half<S>) {
    let line = Arc::new(Line {
        stream: Mutex::new(Some(stream)),
        ended: OnceLock::new(),
        reader: AtomicWaker::new(),
        writer: AtomicWaker::new(),
        guard: OnceLock::new(),
        kept: OnceLock::new(),
    });
    if lease.is_watched() {
        // A task of its own: a channel that nobody reads or writes has to end as well.
        let task = tokio::spawn(cut_when_over(Arc::downgrade(&line), lease));
        let _ = line.guard.set(Guard(task.abort_handle()));
    }
    (Half(Arc::clone(&line)), Half(line))
}

async fn cut_when_over<S: Wire>(line: Weak<Line<S>>, lease: Lease) {
    let reason = lease.over().await;
    if let Some(line) = line.upgrade() {
        line.cut(reason);
    }
}

/// Nobody waits for the end of a lease whose channel is gone.
struct Guard(AbortHandle);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<S: Wire> Line<S> {
    /// Closes the stream without a word, so that the peer sees a cut, and tells those who wait for it.
    fn cut(&self, reason: ChannelReject) {
        let _ = self.ended.set(reason);
        drop(self.stream.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.reader.wake();
        self.writer.wake();
    }

    fn with<T>(
        &self,
        poll: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>,
    ) -> Poll<Result<T, ChannelError>> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        match stream.as_mut() {
            Some(stream) => poll(Pin::new(stream)).map_err(ChannelError::Io),
            None => Poll::Ready(Err(self.end())),
        }
    }

    fn end(&self) -> ChannelError {
        self.ended.get().map_or(ChannelError::Closed, |reason| ChannelError::Ended(*reason))
    }
}

impl<S: Wire> Half<S> {
    /// Whether the lease still holds, as far as it was looked at.
    pub(super) fn check(&self) -> Result<(), ChannelError> {
        self.0.ended.get().map_or(Ok(()), |reason| Err(ChannelError::Ended(*reason)))
    }

    /// Keeps `kept`, the first that is given, until both directions are gone.
    pub(super) fn keep(&self, kept: impl Send + Sync + 'static) {
        let _ = self.0.kept.set(Box::new(kept));
    }

    /// Ends both directions, for the lease was found to be over.
    ///
    /// # Errors
    /// What the channel ends with.
    pub(super) fn cut(&self, reason: ChannelReject) -> Result<(), ChannelError> {
        self.0.cut(reason);
        self.check()
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), ChannelError>> {
        self.0.reader.register(cx.waker());
        self.0.with(|stream| stream.poll_read(cx, room))
    }

    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, ChannelError>> {
        self.0.writer.register(cx.waker());
        self.0.with(|stream| stream.poll_write(cx, bytes))
    }

    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), ChannelError>> {
        self.0.writer.register(cx.waker());
        self.0.with(|stream| stream.poll_flush(cx))
    }

    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<Result<(), ChannelError>> {
        self.0.writer.register(cx.waker());
        self.0.with(|stream| stream.poll_shutdown(cx))
    }
}

impl<S> fmt::Debug for Half<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Half").field("ended", &self.0.ended.get()).finish_non_exhaustive()
    }
}
