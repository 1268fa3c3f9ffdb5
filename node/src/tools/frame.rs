//! Messages within a channel: four bytes of length, little-endian, then the message's canonical encoding.

use core::time::Duration;
use std::io;

use lanyard_protocol::codec::{self, DecodeError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::channel::{ChannelError, Receiver, Sender, Wire};

/// How long the other side may take nothing, or move nothing at all, before a tool gives the channel up.
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Why no message was read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The channel failed.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The other side sent what is no message.
    #[error("not a message: {0}")]
    Misbehaved(#[from] DecodeError),
}

/// Seals `message` behind those that wait to be flushed, unless the other side takes nothing for too long.
pub(crate) async fn send<W: Wire, T: Serialize>(to: &mut Sender<W>, message: &T) -> Result<(), ChannelError> {
    let encoded = codec::encode(message);
    let mut frame = Vec::with_capacity(4 + encoded.len());
    frame.extend_from_slice(&(encoded.len() as u32).to_le_bytes());
    frame.extend_from_slice(&encoded);
    within(STALL_TIMEOUT, to.send(&frame)).await
}

/// Closes the channel, unless the other side takes nothing for too long.
pub(crate) async fn close<W: Wire>(to: &mut Sender<W>) -> Result<(), ChannelError> {
    within(STALL_TIMEOUT, to.close()).await
}

/// What `call` gives, unless it takes longer than `limit`: a peer that reads nothing holds no task of this node.
pub(crate) async fn within(
    limit: Duration,
    call: impl Future<Output = Result<(), ChannelError>>,
) -> Result<(), ChannelError> {
    let stalled = || ChannelError::Io(io::ErrorKind::TimedOut.into());
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| Err(stalled()))
}

/// The next message of at most `MAX` bytes, or nothing if the other side closed the channel instead.
///
/// A length beyond `MAX` is refused before anything is allocated.
pub(crate) async fn recv<W: Wire, T: Serialize + DeserializeOwned, const MAX: usize>(
    from: &mut Receiver<W>,
) -> Result<Option<T>, FrameError>
where
    Receiver<W>: AsyncRead,
{
    if from.peek().await?.is_empty() {
        return Ok(None);
    }
    let mut head = [0; 4];
    from.read_exact(&mut head).await.map_err(ChannelError::from)?;
    let mut message = vec![0; length(head, MAX)?];
    from.read_exact(&mut message).await.map_err(ChannelError::from)?;
    Ok(Some(codec::decode::<T, MAX>(&message)?))
}

/// How many bytes follow the four in front of a message, if they may be as many.
const fn length(head: [u8; 4], max: usize) -> Result<usize, DecodeError> {
    let actual = u32::from_le_bytes(head) as usize;
    if actual > max { Err(DecodeError::TooLong { actual, max }) } else { Ok(actual) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D4: the longest message is read; of one more byte, or of 4 GiB, there is nothing to wait for.
    #[test]
    fn refuses_a_length_beyond_the_longest_message() {
        for len in [0, 1, 1024] {
            assert_eq!(length(u32::to_le_bytes(len), 1024), Ok(len as usize));
        }
        for len in [1025, u32::MAX] {
            let actual = len as usize;
            assert_eq!(length(len.to_le_bytes(), 1024), Err(DecodeError::TooLong { actual, max: 1024 }));
        }
    }

    /// D7: whoever takes nothing does not hold the task that writes.
    #[tokio::test]
    async fn a_call_that_stalls_ends() {
        let ended = within(Duration::from_millis(1), core::future::pending()).await;
        assert!(
            matches!(&ended, Err(ChannelError::Io(error)) if error.kind() == io::ErrorKind::TimedOut),
            "{ended:?}"
        );
        assert!(within(STALL_TIMEOUT, async { Ok(()) }).await.is_ok());
    }
}
