//! A listener on the wire: it forwards TCP connections and keeps what passes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use lanyard_protocol::control::Code;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

/// How much of each direction of a connection is kept: everything but the later parts of a big file.
const KEPT: usize = 1 << 20;

/// A forwarder of TCP connections, until it is dropped.
pub(super) struct Relay {
    address: SocketAddr,
    upstream: watch::Sender<Option<SocketAddr>>,
    record: Arc<Mutex<Record>>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Listens on a port of its own. Connections wait until it is known where they go.
    pub(super) async fn start() -> Result<Self> {
        let failed = |error| {
            Error::new(
                Code::Failed,
                format!("no port on loopback: {error}"),
                "see whether 127.0.0.1 is up: `ip a`",
            )
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (upstream, wanted) = watch::channel(None);
        let record = Arc::new(Mutex::new(Record::default()));
        let task = tokio::spawn(accept(listener, wanted, Arc::clone(&record)));
        Ok(Self { address, upstream, record, task })
    }

    /// Where to connect to.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says where connections go.
    pub(super) fn forward_to(&self, upstream: SocketAddr) {
        self.upstream.send_replace(Some(upstream));
    }

    /// What has passed so far.
    pub(super) fn record(&self) -> Record {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a listener saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    streams: Vec<Stream>,
}

/// One direction of a connection.
#[derive(Clone, Debug, Default)]
struct Stream {
    kept: Vec<u8>,
    total: u64,
}

impl Record {
    /// How many bytes passed, both ways.
    pub(super) fn total(&self) -> u64 {
        self.streams.iter().map(|stream| stream.total).sum()
    }

    /// How many of them were kept, and can be searched.
    pub(super) fn kept(&self) -> usize {
        self.streams.iter().map(|stream| stream.kept.len()).sum()
    }

    /// Whether `needle` is in what was kept of one direction of one connection.
    pub(super) fn contains(&self, needle: &[u8]) -> bool {
        !needle.is_empty()
            && self
                .streams
                .iter()
                .any(|stream| stream.kept.windows(needle.len()).any(|window| window == needle))
    }

    /// `length` bytes from the middle of what was kept of the busiest direction.
    pub(super) fn excerpt(&self, length: usize) -> &[u8] {
        let busiest = self.streams.iter().max_by_key(|stream| stream.kept.len());
        let kept = busiest.map(|stream| stream.kept.as_slice()).unwrap_or_default();
        let start = kept.len().saturating_sub(length) / 2;
        &kept[start..kept.len().min(start + length)]
    }

    fn open(&mut self) -> usize {
        self.streams.push(Stream::default());
        self.streams.len() - 1
    }

    fn push(&mut self, stream: usize, bytes: &[u8]) {
        if let Some(stream) = self.streams.get_mut(stream) {
            let room = KEPT.saturating_sub(stream.kept.len()).min(bytes.len());
            stream.kept.extend_from_slice(&bytes[..room]);
            stream.total += bytes.len() as u64;
        }
    }
}

async fn accept(
    listener: TcpListener,
    mut upstream: watch::Receiver<Option<SocketAddr>>,
    record: Arc<Mutex<Record>>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(Some(to)) = upstream.wait_for(Option::is_some).await.map(|address| *address) else { return };
        tokio::spawn(forward(client, to, Arc::clone(&record)));
    }
}

async fn forward(client: TcpStream, to: SocketAddr, record: Arc<Mutex<Record>>) {
    // A connection that cannot be made is closed, as it would be without a listener in between.
    let Ok(server) = TcpStream::connect(to).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(copy(from_client, to_server, &record), copy(from_server, to_client, &record));
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, record: &Mutex<Record>) {
    let stream = record.lock().unwrap_or_else(PoisonError::into_inner).open();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        record.lock().unwrap_or_else(PoisonError::into_inner).push(stream, &buffer[..length]);
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Bytes as a listener looks at them: offset, hexadecimal digits, and the characters that are some.
pub(super) fn dump(bytes: &[u8]) -> Vec<String> {
    let line = |(at, row): (usize, &[u8])| {
        let digits: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        let character = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
        let characters: String = row.iter().map(character).collect();
        format!("{:04x}  {:<47}  {characters}", at * 16, digits.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn forwards_and_keeps_both_directions() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Relay::start().await.unwrap();
        let mut client = TcpStream::connect(relay.address()).await.unwrap();
        relay.forward_to(server.local_addr().unwrap());
        let (mut served, _) = server.accept().await.unwrap();
        client.write_all(b"a question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut question = String::new();
        served.read_to_string(&mut question).await.unwrap();
        served.write_all(b"the answer").await.unwrap();
        drop(served);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!((question.as_str(), answer.as_str()), ("a question", "the answer"));
        let record = relay.record();
        assert_eq!((record.total(), record.kept()), (20, 20));
        assert!(record.contains(b"question") && record.contains(b"answer"));
        assert!(!record.contains(b"questionthe") && !record.contains(b""));
    }

    #[test]
    fn keeps_the_beginning_of_a_long_stream_and_counts_the_rest() {
        let mut record = Record::default();
        let stream = record.open();
        record.push(stream, &vec![1; KEPT - 1]);
        record.push(stream, &[2, 3]);
        assert_eq!((record.total(), record.kept()), (KEPT as u64 + 1, KEPT));
        assert!(record.contains(&[1, 2]) && !record.contains(&[3]));
    }

    #[test]
    fn dumps_bytes_as_a_listener_sees_them() {
        let bytes: Vec<u8> = (0x1e..0x30).collect();
        assert_eq!(
            dump(&bytes),
            [
                "0000  1e 1f 20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d  .. !\"#$%&'()*+,-",
                "0010  2e 2f                                            ./",
            ]
        );
    }
}
