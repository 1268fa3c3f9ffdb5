//! One message on a stream: its bytes, then the end of the stream.
//!
//! A frame has no header: whoever sends it closes its half of the stream behind it. What is longer than a
//! frame may be is refused as soon as that is known, so a stream never makes a node keep more than one frame.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use lanyard_protocol::message::FRAME_MAX;
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;

/// The one protocol that control messages arrive by.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/lanyard/control/1");

/// The longest frame in bytes: the longest message behind the byte that says its version.
pub(super) const MAX_FRAME: usize = FRAME_MAX + 1;

/// Reads and writes frames.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frames;

impl Codec for Frames {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        read(io).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        read(io).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        frame: Vec<u8>,
    ) -> io::Result<()> {
        write(io, &frame).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        frame: Vec<u8>,
    ) -> io::Result<()> {
        write(io, &frame).await
    }
}

/// An empty stream is no frame: it is how a node says that it does not answer.
async fn read<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut frame = Vec::new();
    io.take(MAX_FRAME as u64 + 1).read_to_end(&mut frame).await?;
    match frame.len() {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no frame")),
        1..=MAX_FRAME => Ok(frame),
        _ => {
            let message = format!("more than {MAX_FRAME} bytes in a frame");
            Err(io::Error::new(io::ErrorKind::InvalidData, message))
        }
    }
}

async fn write<T: AsyncWrite + Unpin>(io: &mut T, frame: &[u8]) -> io::Result<()> {
    if frame.len() > MAX_FRAME {
        let message = format!("a frame of {} bytes where at most {MAX_FRAME} are allowed", frame.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    io.write_all(frame).await
}

#[cfg(test)]
mod tests {
    use core::pin::Pin;
    use core::task::{Context, Poll};

    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;

    #[test]
    fn frames_of_every_allowed_length_pass() {
        for length in [1, 2, MAX_FRAME - 1, MAX_FRAME] {
            let mut stream = Cursor::new(Vec::new());
            block_on(write(&mut stream, &vec![7; length])).unwrap();
            stream.set_position(0);
            assert_eq!(block_on(read(&mut stream)).unwrap(), vec![7; length]);
        }
    }

    /// D4: what is too long is refused, and what is empty.
    #[test]
    fn refuses_frames_too_long_or_empty() {
        let error = block_on(read(&mut Cursor::new(vec![0; FRAME_MAX + 2]))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let error = block_on(read(&mut Cursor::new(Vec::new()))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let error = block_on(write(&mut Cursor::new(Vec::new()), &vec![0; MAX_FRAME + 1])).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    /// D4: a stream without an end is read no further than one byte past the longest frame.
    #[test]
    fn stops_reading_where_a_frame_must_have_ended() {
        let mut endless = Endless { given: 0 };
        assert!(block_on(read(&mut endless)).is_err());
        assert_eq!(endless.given, MAX_FRAME + 1);
    }

    struct Endless {
        given: usize,
    }

    impl AsyncRead for Endless {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            buffer.fill(0);
            self.given += buffer.len();
            Poll::Ready(Ok(buffer.len()))
        }
    }
}
