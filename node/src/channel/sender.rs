//! The sending direction of a channel.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use lanyard_protocol::channel::{PAYLOAD_MAX, RECORD_MAX, Sealer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use super::line::Half;
use super::{BUFFER, Batch, ChannelError, Lease, Wire};

/// Seals what this side says and writes it to the stream.
///
/// Every call may be cancelled: what was sealed stays here and goes out before anything later, so the order of
/// records never breaks.
pub struct Sender<S> {
    stream: Half<S>,
    state: State,
    /// Sealed records, and behind `end` what a buffer that was lent has beyond them.
    sealed: Vec<u8>,
    /// Where the sealed records end; those before `written` are on their way.
    end: usize,
    written: usize,
    lease: Lease,
}

#[derive(Debug)]
enum State {
    Open(Sealer),
    /// The close record is sealed; nothing can be after it.
    Closed,
}

impl<S: Wire> Sender<S> {
    pub(super) const fn new(stream: Half<S>, sealer: Sealer, lease: Lease) -> Self {
        Self { stream, state: State::Open(sealer), sealed: Vec::new(), end: 0, written: 0, lease }
    }

    /// Sends `bytes` and waits until the stream has taken them. No bytes are one empty record.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), ChannelError> {
        let mut rest = bytes;
        loop {
            let sealed = poll_fn(|cx| self.poll_seal(cx, rest)).await?;
            rest = &rest[sealed..];
            if rest.is_empty() {
                return self.flush().await;
            }
        }
    }

    /// Sends what `batch` was filled with, encrypted where it lies, and waits until the stream has taken it.
    /// The batch is empty afterwards.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub async fn send_batch(&mut self, batch: &mut Batch) -> Result<(), ChannelError> {
        self.flush().await?;
        let mut filled = batch.take_filled();
        let mut records = 0;
        while !filled.is_empty() && !self.rekey_due()? {
            let payload = filled.len().min(PAYLOAD_MAX);
            self.sealer()?.seal_in_place(batch.slot(records), payload)?;
            records += 1;
            filled.start += payload;
        }
        // A key that wears out within a batch is the one case in which bytes are copied.
        let later = batch.payload(filled.clone());
        core::mem::swap(&mut self.sealed, batch.records_mut());
        self.end = Batch::sealed_len(records, filled.start);
        self.flush().await?;
        core::mem::swap(&mut self.sealed, batch.records_mut());
        batch.restore();
        if later.is_empty() { Ok(()) } else { self.send(&later).await }
    }

    /// Sends what `reader` gives until it ends, and says how much that was. Bytes are read straight into the
    /// records.
    ///
    /// # Errors
    /// [`ChannelError`], also for what the reader reports.
    pub async fn send_from(&mut self, reader: &mut (impl AsyncRead + Unpin)) -> Result<u64, ChannelError> {
        let mut batch = Batch::new();
        let mut total = 0;
        loop {
            let read = reader.read(batch.unfilled()).await?;
            if read == 0 {
                return Ok(total);
            }
            batch.advance(read);
            total += read as u64;
            self.send_batch(&mut batch).await?;
        }
    }

    /// Waits until the stream has taken everything.
    ///
    /// # Errors
    /// [`ChannelError::Io`], [`ChannelError::Ended`].
    pub async fn flush(&mut self) -> Result<(), ChannelError> {
        poll_fn(|cx| {
            ready!(self.poll_drain(cx))?;
            self.stream.poll_flush(cx)
        })
        .await
    }

    /// Says that this side has said everything. The other direction goes on.
    ///
    /// # Errors
    /// [`ChannelError::Io`] if the stream did not take it, [`ChannelError::Ended`].
    pub async fn close(&mut self) -> Result<(), ChannelError> {
        poll_fn(|cx| self.poll_close(cx)).await
    }

    fn sealer(&mut self) -> Result<&mut Sealer, ChannelError> {
        match &mut self.state {
            State::Open(sealer) => Ok(sealer),
            State::Closed => Err(ChannelError::Closed),
        }
    }

    fn rekey_due(&mut self) -> Result<bool, ChannelError> {
        let now = self.lease.now();
        Ok(self.sealer()?.rekey_due(now))
    }

    /// Changes the key when it is time to, if the lease still holds.
    fn keep_fresh(&mut self) -> Result<(), ChannelError> {
        let now = self.lease.now();
        let State::Open(sealer) = &mut self.state else { return Err(ChannelError::Closed) };
        if sealer.rekey_due(now) {
            self.lease.check(now).or_else(|reason| self.stream.cut(reason))?;
            self.sealed.truncate(self.end);
            sealer.rekey(now, &mut self.sealed)?;
            self.end = self.sealed.len();
        }
        Ok(())
    }

    /// Seals the first of `bytes` into one record behind those that wait, and says how many.
    fn poll_seal(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, ChannelError>> {
        self.stream.check()?;
        let payload = &bytes[..bytes.len().min(PAYLOAD_MAX)];
        if self.end + payload.len() + RECORD_MAX - PAYLOAD_MAX > BUFFER {
            ready!(self.poll_drain(cx))?;
        }
        self.keep_fresh()?;
        let State::Open(sealer) = &mut self.state else { return Poll::Ready(Err(ChannelError::Closed)) };
        self.sealed.truncate(self.end);
        sealer.seal_into(payload, &mut self.sealed)?;
        self.end = self.sealed.len();
        Poll::Ready(Ok(payload.len()))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ChannelError>> {
        if let State::Open(sealer) = core::mem::replace(&mut self.state, State::Closed) {
            self.sealed.truncate(self.end);
            sealer.close(&mut self.sealed)?;
            self.end = self.sealed.len();
        }
        ready!(self.poll_drain(cx))?;
        self.stream.poll_shutdown(cx)
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ChannelError>> {
        while self.written < self.end {
            match ready!(self.stream.poll_write(cx, &self.sealed[self.written..self.end]))? {
                0 => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
                written => self.written += written,
            }
        }
        // A buffer that was lent keeps its length: it goes back and is filled again.
        self.end = 0;
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S> fmt::Debug for Sender<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("stream", &self.stream)
            .field("state", &self.state)
            .field("sealed", &self.end)
            .finish_non_exhaustive()
    }
}

/// What is written is sealed at once and goes out as fast as the stream takes it; a flush waits for that.
impl<S: Wire> AsyncWrite for Sender<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let sealed = ready!(this.poll_seal(cx, bytes))?;
        if let Poll::Ready(Err(error)) = this.poll_drain(cx) {
            return Poll::Ready(Err(error.into()));
        }
        Poll::Ready(Ok(sealed))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        this.stream.poll_flush(cx).map_err(io::Error::from)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_close(cx).map_err(io::Error::from)
    }
}
