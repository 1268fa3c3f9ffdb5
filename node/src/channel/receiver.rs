//! The receiving direction of a channel.

use core::fmt;
use core::future::poll_fn;
use core::ops::Range;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use lanyard_protocol::channel::{ChannelReject, HEADER_LEN, Opener, RECORD_MAX, REKEY_AFTER, Record};
use lanyard_protocol::time::Timestamp;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use super::line::Half;
use super::{BUFFER, ChannelError, Lease, Wire};

/// Reads from the stream and opens what comes, in place.
///
/// Every call may be cancelled: nothing that was read is lost.
pub struct Receiver<S> {
    stream: Half<S>,
    opener: Opener,
    watch: Watch,
    buffer: Vec<u8>,
    /// What was read and not yet opened.
    sealed: Range<usize>,
    /// What was opened and not yet consumed; it lies before `sealed`.
    plain: Range<usize>,
    /// The close record came.
    ended: bool,
}

impl<S: Wire> Receiver<S> {
    pub(super) fn new(stream: Half<S>, opener: Opener, lease: Lease) -> Self {
        let now = lease.now();
        let watch = Watch::new(lease, now);
        // Zeroed by the system on first use: a channel that is quiet takes a few pages.
        Self { stream, opener, watch, buffer: vec![0; BUFFER], sealed: 0..0, plain: 0..0, ended: false }
    }

    pub(super) fn keep(&self, kept: impl Send + Sync + 'static) {
        self.stream.keep(kept);
    }

    /// What a record gave before this receiver existed comes first.
    pub(super) fn unread(&mut self, plain: &[u8]) {
        self.buffer[..plain.len()].copy_from_slice(plain);
        self.plain = 0..plain.len();
        self.sealed = plain.len()..plain.len();
    }

    /// The close record came before this receiver existed.
    pub(super) const fn end(&mut self) {
        self.ended = true;
    }

    /// The next bytes, as many as a record has left, or nothing when the peer has closed its direction.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub async fn recv(&mut self) -> Result<Option<&[u8]>, ChannelError> {
        poll_fn(|cx| self.poll_plain(cx)).await?;
        let plain = core::mem::replace(&mut self.plain, 0..0);
        Ok(if plain.is_empty() { None } else { Some(&self.buffer[plain]) })
    }

    /// As [`Receiver::recv`], without taking the bytes: empty when the peer has closed its direction.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub async fn peek(&mut self) -> Result<&[u8], ChannelError> {
        poll_fn(|cx| self.poll_plain(cx)).await?;
        Ok(&self.buffer[self.plain.clone()])
    }

    /// Takes the first `amount` of the bytes that [`Receiver::peek`] gave.
    pub const fn consume_bytes(&mut self, amount: usize) {
        let start = self.plain.start + amount;
        self.plain.start = if start < self.plain.end { start } else { self.plain.end };
    }

    /// Reads and drops whatever comes, until the peer closes or the stream fails.
    pub async fn drain(&mut self) {
        while let Ok(Some(_)) = self.recv().await {}
    }

    /// Opens records until one gives bytes, or the channel ended.
    fn poll_plain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ChannelError>> {
        self.stream.check()?;
        while self.plain.is_empty() && !self.ended {
            match self.missing()? {
                0 => self.open_next()?,
                missing => ready!(self.poll_more(cx, missing))?,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// How many bytes the next record lacks.
    fn missing(&mut self) -> Result<usize, ChannelError> {
        let sealed = &self.buffer[self.sealed.clone()];
        let Some(header) = sealed.first_chunk::<HEADER_LEN>() else { return Ok(HEADER_LEN - sealed.len()) };
        let header = self.opener.header(header)?;
        Ok((HEADER_LEN + header.body_len()).saturating_sub(sealed.len()))
    }

    /// Opens the next record, all of which is there.
    fn open_next(&mut self) -> Result<(), ChannelError> {
        let sealed = &mut self.buffer[self.sealed.clone()];
        let Some((header, rest)) = sealed.split_first_chunk_mut::<HEADER_LEN>() else { return Ok(()) };
        let header = self.opener.header(header)?;
        let body_len = header.body_len();
        let body = self.sealed.start + HEADER_LEN;
        let record = self.opener.open_in_place(header, &mut rest[..body_len])?;
        self.sealed.start = body + body_len;
        match record {
            Record::Data(payload) => {
                let plain = body..body + payload.len();
                let held = self.watch.data(self.watch.lease.now());
                self.still(held)?;
                self.plain = plain;
            }
            Record::Rekey => {
                let held = self.watch.rekey(self.watch.lease.now());
                self.still(held)?;
            }
            Record::Close => self.ended = true,
        }
        Ok(())
    }

    /// What this direction finds out is the end of both.
    fn still(&self, held: Result<(), ChannelReject>) -> Result<(), ChannelError> {
        held.or_else(|reason| self.stream.cut(reason))
    }

    /// Reads as much as comes, where the `missing` bytes of the next record have room.
    fn poll_more(&mut self, cx: &mut Context<'_>, missing: usize) -> Poll<Result<(), ChannelError>> {
        if self.sealed.is_empty() {
            self.sealed = 0..0;
        } else if self.buffer.len() - self.sealed.end < missing.max(RECORD_MAX - self.sealed.len()) {
            self.buffer.copy_within(self.sealed.clone(), 0);
            self.sealed = 0..self.sealed.len();
        }
        let mut room = ReadBuf::new(&mut self.buffer[self.sealed.end..]);
        ready!(self.stream.poll_read(cx, &mut room))?;
        match room.filled().len() {
            0 => self.opener.end()?,
            read => self.sealed.end += read,
        }
        Poll::Ready(Ok(()))
    }
}

/// What was said is not shown.
impl<S> fmt::Debug for Receiver<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("stream", &self.stream)
            .field("opener", &self.opener)
            .field("sealed", &self.sealed.len())
            .field("plain", &self.plain.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Looks at the lease again when the peer changes its key, and when it should have and did not: a peer that
/// keeps its key past the end of its ticket gains nothing.
#[derive(Debug)]
struct Watch {
    lease: Lease,
    /// When the lease last held; nothing if it did not.
    held: Option<Timestamp>,
}

impl Watch {
    const fn new(lease: Lease, now: Timestamp) -> Self {
        Self { lease, held: Some(now) }
    }

    fn rekey(&mut self, now: Timestamp) -> Result<(), ChannelReject> {
        self.held = None;
        self.lease.check(now)?;
        self.held = Some(now);
        Ok(())
    }

    fn data(&mut self, now: Timestamp) -> Result<(), ChannelReject> {
        match self.held {
            // A lease that was looked at in the future was so before the clock was set right.
            Some(held) if held <= now && now.since(held) < REKEY_AFTER => Ok(()),
            Some(_) | None => self.rekey(now),
        }
    }
}

impl<S: Wire> AsyncRead for Receiver<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_plain(cx))?;
        let taken = this.plain.len().min(buffer.remaining());
        buffer.put_slice(&this.buffer[this.plain.start..this.plain.start + taken]);
        this.plain.start += taken;
        Poll::Ready(Ok(()))
    }
}

impl<S: Wire> AsyncBufRead for Receiver<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_plain(cx))?;
        Poll::Ready(Ok(&this.buffer[this.plain.clone()]))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        self.consume_bytes(amount);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::ambient::Clock;

    const OPENED: Timestamp = Timestamp::from_secs(1_000_000);

    /// C4: a peer that never changes its key is held to its ticket all the same.
    #[test]
    fn a_lease_is_looked_at_though_the_peer_keeps_its_key() {
        let expires = OPENED.after(REKEY_AFTER + Duration::from_secs(60));
        let mut watch = Watch::new(Lease::until(Clock::default(), expires), OPENED);
        let hour = OPENED.after(REKEY_AFTER);
        for now in [OPENED, hour, expires, hour.after(REKEY_AFTER).before(Duration::from_millis(1))] {
            watch.data(now).unwrap();
        }
        for _ in 0..2 {
            let ended = watch.data(hour.after(REKEY_AFTER));
            assert_eq!(ended, Err(ChannelReject::Expired));
        }
    }

    /// C4: what comes after a change of keys that the lease did not survive is not taken.
    #[test]
    fn nothing_is_taken_after_the_lease_has_ended() {
        let mut watch = Watch::new(Lease::until(Clock::default(), OPENED), OPENED);
        watch.data(OPENED).unwrap();
        assert_eq!(watch.rekey(OPENED), Err(ChannelReject::Expired));
        assert_eq!(watch.data(OPENED), Err(ChannelReject::Expired));
    }
}
