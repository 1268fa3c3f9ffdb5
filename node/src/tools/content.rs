//! The contents of a file on their way into a channel: read and hashed where they become records, in two threads,
//! one for the disk and the hash, one for the channel.

use std::fs::File;
use std::io::{self, Read as _};

use tokio::sync::mpsc;

use super::file::message::End;
use super::frame::{self, STALL_TIMEOUT};
use crate::channel::{AnyWire, Batch, ChannelError, Sender};

/// How many batches are on their way between disk and channel: one at each end and one between them.
const BATCHES: usize = 3;

/// Why a file was not sent whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContentError {
    /// The channel failed, or the other side took nothing for too long.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[source] io::Error),
    /// The disk's thread ended.
    #[error("the disk's thread ended: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// What the disk's thread hands to the channel's.
enum Piece {
    Data(Batch),
    End(End),
    /// The file ended before its size: what was promised cannot be sent.
    Short,
}

/// Sends `size` bytes of `file` and what ends them, and calls `sent` with how many are being sent; gives the hash, or
/// nothing if the file changed meanwhile.
///
/// # Errors
/// [`ContentError`].
pub(super) async fn send(
    to: &mut Sender<AnyWire>,
    file: File,
    size: u64,
    mut sent: impl FnMut(u64),
) -> Result<Option<blake3::Hash>, ContentError> {
    let (filled, mut pieces) = mpsc::channel(BATCHES);
    let (give_back, empty) = mpsc::channel(BATCHES);
    for _ in 0..BATCHES {
        // There is room for as many as there are.
        let _ = give_back.try_send(Batch::new());
    }
    let reading = tokio::task::spawn_blocking(move || read(file, size, &filled, empty));
    let mut hash = None;
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Data(mut batch) => {
                sent(batch.len() as u64);
                let taken = frame::within(STALL_TIMEOUT, to.send_batch(&mut batch)).await;
                let _ = give_back.try_send(batch);
                taken?;
            }
            Piece::End(end) => {
                if let End::Complete { blake3 } = end {
                    hash = Some(blake3::Hash::from_bytes(blake3));
                }
                frame::send(to, &end).await?;
            }
            Piece::Short => frame::close(to).await?,
        }
    }
    reading.await?.map_err(ContentError::Read)?;
    Ok(hash)
}

/// Reads and hashes the file, straight into records. Blocks. Ends early when the channel's side does.
fn read(
    mut file: File,
    size: u64,
    filled: &mpsc::Sender<Piece>,
    mut empty: mpsc::Receiver<Batch>,
) -> io::Result<()> {
    let mut hasher = blake3::Hasher::new();
    let mut left = size;
    while left > 0 {
        let Some(mut batch) = empty.blocking_recv() else { return Ok(()) };
        let read = fill(&mut file, &mut batch, left)?;
        batch.pieces().for_each(|piece| {
            hasher.update(piece);
        });
        left -= read;
        if filled.blocking_send(Piece::Data(batch)).is_err() {
            return Ok(());
        }
        if read == 0 {
            let _ = filled.blocking_send(Piece::Short);
            return Ok(());
        }
    }
    let end = match file.read(&mut [0])? {
        0 => End::Complete { blake3: *hasher.finalize().as_bytes() },
        _ => End::Changed,
    };
    let _ = filled.blocking_send(Piece::End(end));
    Ok(())
}

/// Fills the batch with at most `left` bytes, and says with how many; none if the file has ended.
fn fill(file: &mut File, batch: &mut Batch, left: u64) -> io::Result<u64> {
    let limit = usize::try_from(left).unwrap_or(usize::MAX).min(Batch::CAPACITY);
    while batch.len() < limit {
        let wanted = limit - batch.len();
        let room = batch.unfilled();
        let wanted = wanted.min(room.len());
        match file.read(&mut room[..wanted])? {
            0 => break,
            read => batch.advance(read),
        }
    }
    Ok(batch.len() as u64)
}
