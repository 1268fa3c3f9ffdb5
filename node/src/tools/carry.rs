//! Bytes both ways between a local connection and a channel, as they come.
//!
//! Each direction ends by itself: what one side says last still reaches the other (half-close). Nothing is read faster
//! than it is taken on the other side. A channel that is cut is no end, and a connection to a program that ends so is
//! reset ([`Connection`]): the program must not take what it has for all that there was.

use core::sync::atomic::{AtomicU64, Ordering};
use std::io;
use std::sync::Arc;

use futures::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::channel::{AnyWire, Batch, Channel, ChannelError, Receiver, Sender};

/// How much was carried. Clones count together.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Tally {
    /// Bytes that came out of channels.
    pub(super) fn received(&self) -> u64 {
        self.0.received.load(Ordering::Relaxed)
    }

    /// Bytes that went into channels.
    pub(super) fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// `bytes` more came out of a channel.
    pub(super) fn add_received(&self, bytes: u64) {
        self.0.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// `bytes` more went into a channel.
    pub(super) fn add_sent(&self, bytes: u64) {
        self.0.sent.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Why less was carried than there was.
#[derive(Debug, thiserror::Error)]
pub(super) enum CarryError {
    /// The channel failed or was cut.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The program's connection failed.
    #[error("the program's connection failed: {0}")]
    Program(#[source] io::Error),
}

/// Carries bytes both ways until both have ended.
///
/// # Errors
/// [`CarryError`] as soon as one direction fails; the other one ends with it.
pub(super) async fn carry(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    channel: Channel<AnyWire>,
    tally: &Tally,
) -> Result<(), CarryError> {
    let (sender, receiver) = channel.split();
    tokio::try_join!(send_all(reader, sender, tally), receive_all(receiver, writer, tally)).map(drop)
}

async fn send_all(
    mut reader: impl AsyncRead + Unpin,
    mut sender: Sender<AnyWire>,
    tally: &Tally,
) -> Result<(), CarryError> {
    let mut batch = Batch::new();
    loop {
        let read = reader.read(batch.unfilled()).await;
        let mut ended = !fill(&mut batch, read)?;
        // What is there already goes along with it.
        while !ended && batch.len() < Batch::CAPACITY {
            let Some(read) = reader.read(batch.unfilled()).now_or_never() else { break };
            ended = !fill(&mut batch, read)?;
        }
        let filled = batch.len() as u64;
        if filled > 0 {
            sender.send_batch(&mut batch).await?;
            tally.add_sent(filled);
        }
        if ended {
            return Ok(sender.close().await?);
        }
    }
}

/// Counts what was read into the batch; whether there may be more.
fn fill(batch: &mut Batch, read: io::Result<usize>) -> Result<bool, CarryError> {
    let read = read.map_err(CarryError::Program)?;
    batch.advance(read);
    Ok(read > 0)
}

async fn receive_all(
    mut receiver: Receiver<AnyWire>,
    mut writer: impl AsyncWrite + Unpin,
    tally: &Tally,
) -> Result<(), CarryError> {
    while let Some(bytes) = receiver.recv().await? {
        writer.write_all(bytes).await.map_err(CarryError::Program)?;
        tally.add_received(bytes.len() as u64);
    }
    writer.shutdown().await.or_else(already_ended).map_err(CarryError::Program)
}

/// A program that has closed its connection needs not be told that nothing more comes.
fn already_ended(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotConnected { Ok(()) } else { Err(error) }
}

/// A TCP connection with a program, which is reset unless it has ended well: whenever it is dropped before, the program
/// reads an error and no end.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    ended: bool,
}

impl Connection {
    /// This connection, on which small messages do not wait for larger ones.
    pub(super) fn new(stream: TcpStream) -> Self {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small messages will wait");
        }
        Self { stream, ended: false }
    }

    /// Carries its bytes to and from `channel` until both directions have ended.
    ///
    /// # Errors
    /// As [`carry`]; the connection is reset then.
    pub(super) async fn carry(mut self, channel: Channel<AnyWire>, tally: &Tally) -> Result<(), CarryError> {
        let (reader, writer) = self.stream.split();
        carry(reader, writer, channel, tally).await?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.ended {
            // One that has failed is no longer there to be reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// D3, H5: a connection that is dropped in the middle is no end for whoever reads it.
    #[tokio::test]
    async fn a_connection_that_is_dropped_is_reset() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for well in [false, true] {
            let (near, far) =
                tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
            let mut connection = Connection::new(near.unwrap());
            connection.ended = well;
            drop(connection);
            let read = far.unwrap().0.read(&mut [0]).await;
            assert_eq!(
                read.map_err(|error| error.kind()),
                if well { Ok(0) } else { Err(io::ErrorKind::ConnectionReset) }
            );
        }
    }
}
