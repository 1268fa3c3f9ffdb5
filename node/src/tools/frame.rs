//! Messages within a channel: four bytes of length, little-endian, then the message's canonical encoding.

use lanyard_protocol::codec::{self, DecodeError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::channel::{ChannelError, Receiver, Sender, Wire};

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

/// Seals `message` behind those that wait to be flushed.
pub(crate) async fn send<W: Wire, T: Serialize>(to: &mut Sender<W>, message: &T) -> Result<(), ChannelError> {
    let encoded = codec::encode(message);
    let mut frame = Vec::with_capacity(4 + encoded.len());
    frame.extend_from_slice(&(encoded.len() as u32).to_le_bytes());
    frame.extend_from_slice(&encoded);
    to.send(&frame).await
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
    let mut length = [0; 4];
    from.read_exact(&mut length).await.map_err(ChannelError::from)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX {
        return Err(DecodeError::TooLong { actual: length, max: MAX }.into());
    }
    let mut message = vec![0; length];
    from.read_exact(&mut message).await.map_err(ChannelError::from)?;
    Ok(Some(codec::decode::<T, MAX>(&message)?))
}
