//! The data plane beside what bounds it, on loopback, in one process and in the same run: a lane beside plain TCP
//! and a bare pipe of one cipher pass, opening a channel beside connecting and two key exchanges, a file transfer
//! beside a plain copy over TCP.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails has no result")]

mod shop;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use lanyard_node::ambient::{self, Clock, OsRng};
use lanyard_node::channel::handshake::{self, Requester};
use lanyard_node::channel::{Channel, Lease};
use lanyard_protocol::channel::{Binding, Psk, Responder, Suites};
use lanyard_protocol::identity::{IdentityKey, NodeId, SealingKey, Secret, ServiceName};
use lanyard_protocol::time::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What an application writes at a time.
const WRITE: usize = 64 << 10;
/// How much goes through a pipe for one measurement.
const PIPED: usize = 256 << 20;
/// The size of the file that is sent.
const FILE: usize = 512 << 20;

type Walltime<'a> = BenchmarkGroup<'a, criterion::measurement::WallTime>;

struct Ends {
    requester: NodeId,
    provider: NodeId,
    key: SealingKey,
    psk: Psk,
    service: ServiceName,
}

impl Ends {
    fn new() -> Self {
        let (key, provider) = (SealingKey::from_bytes(&[3; 32]), SealingKey::from_bytes(&[4; 32]));
        let shared = key.agree(&provider.public_key()).unwrap();
        Self {
            requester: IdentityKey::from_seed(&[1; 32]).node_id(),
            provider: IdentityKey::from_seed(&[2; 32]).node_id(),
            psk: Psk::derive(&Secret::new([5; 32].into()), &shared, b"terms"),
            key,
            service: "bench".parse().unwrap(),
        }
    }

    fn binding(&self) -> Binding<'_> {
        Binding {
            for_service: &[7; 700],
            terms: b"terms",
            requester: self.requester,
            provider: self.provider,
            service: &self.service,
        }
    }

    async fn open(&self, stream: TcpStream, suites: Suites) -> Channel<TcpStream> {
        let requester = Requester { binding: self.binding(), psk: &self.psk, key: &self.key, suites };
        requester.open(stream, forever()).await.unwrap()
    }

    async fn accept(&self, mut stream: TcpStream) -> Channel<TcpStream> {
        let preamble = handshake::read_preamble(&mut stream).await.unwrap();
        let key = self.key.public_key();
        let message = &preamble.message_1;
        let responder =
            Responder::read(&self.binding(), &self.psk, &key, preamble.offered, message, &mut OsRng).unwrap();
        handshake::confirm(stream, responder, Suites::ALL, forever()).await.unwrap()
    }
}

fn forever() -> Lease {
    Lease::until(Clock::default(), Timestamp::from_millis(u64::MAX))
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (near, (far, _)) = (near.unwrap(), far.unwrap());
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    (near, far)
}

async fn plain_pipe() {
    let (mut near, mut far) = tcp_pair().await;
    let receiving = tokio::spawn(async move {
        let (mut buffer, mut total) = (vec![0; 256 << 10], 0);
        while total < PIPED {
            total += far.read(&mut buffer).await.unwrap();
        }
    });
    let bytes = vec![0x5a; WRITE];
    for _ in 0..PIPED / WRITE {
        near.write_all(&bytes).await.unwrap();
    }
    receiving.await.unwrap();
}

/// One pass of the cipher over every 64 KiB, with a length and a counter, and nothing else.
async fn bare_pipe() {
    let key = || LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &[9; 32]).unwrap());
    let nonce = |number: u64| {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&number.to_le_bytes());
        Nonce::assume_unique_for_key(nonce)
    };
    let (mut near, mut far) = tcp_pair().await;
    let opening = key();
    let receiving = tokio::spawn(async move {
        let mut record = vec![0; WRITE + 20];
        for number in 0..(PIPED / WRITE) as u64 {
            far.read_exact(&mut record).await.unwrap();
            let (header, body) = record.split_at_mut(4);
            opening.open_in_place(nonce(number), Aad::from(&*header), body).unwrap();
        }
    });
    let (sealing, bytes) = (key(), vec![0x5a; WRITE]);
    let mut record = vec![0; WRITE + 20];
    for number in 0..(PIPED / WRITE) as u64 {
        let (header, body) = record.split_at_mut(4);
        header.copy_from_slice(&(WRITE as u32).to_le_bytes());
        let (payload, tag) = body.split_at_mut(WRITE);
        payload.copy_from_slice(&bytes);
        let sealed = sealing.seal_in_place_separate_tag(nonce(number), Aad::from(&*header), payload);
        tag.copy_from_slice(sealed.unwrap().as_ref());
        near.write_all(&record).await.unwrap();
    }
    receiving.await.unwrap();
}

async fn lane_pipe(ends: &Ends, suites: Suites) {
    let (near, far) = tcp_pair().await;
    let (mut near, mut far) = tokio::join!(ends.open(near, suites), ends.accept(far));
    let receiving = tokio::spawn(async move {
        let mut total = 0;
        while let Some(bytes) = far.receiver.recv().await.unwrap() {
            total += bytes.len();
        }
        assert_eq!(total, PIPED);
    });
    let bytes = vec![0x5a; WRITE];
    for _ in 0..PIPED / WRITE {
        near.sender.send(&bytes).await.unwrap();
    }
    near.sender.close().await.unwrap();
    receiving.await.unwrap();
}

fn pipes(c: &mut Criterion) {
    let (runtime, ends) = (Runtime::new().unwrap(), Ends::new());
    let mut group = c.benchmark_group("pipe_64KiB_writes");
    prepare(&mut group);
    group.throughput(Throughput::Bytes(PIPED as u64));
    group.bench_function("plain_tcp", |b| b.iter(|| runtime.block_on(plain_pipe())));
    group.bench_function("lane_aes_256_gcm", |b| b.iter(|| runtime.block_on(lane_pipe(&ends, Suites::ALL))));
    group.bench_function("bare_chacha20_poly1305", |b| b.iter(|| runtime.block_on(bare_pipe())));
    group.bench_function("lane_chacha20_poly1305", |b| {
        b.iter(|| runtime.block_on(lane_pipe(&ends, Suites::PORTABLE)));
    });
    group.finish();
}

fn opens(c: &mut Criterion) {
    let (runtime, ends) = (Runtime::new().unwrap(), Ends::new());
    let (ours, theirs) = (SealingKey::from_bytes(&[3; 32]), SealingKey::from_bytes(&[4; 32]).public_key());
    let mut group = c.benchmark_group("open");
    group.bench_function("tcp_connect_and_two_x25519", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let pair = tcp_pair().await;
                let agreed = (ours.agree(&theirs).unwrap(), ours.agree(&theirs).unwrap());
                (pair, agreed)
            })
        });
    });
    group.bench_function("channel_with_a_held_ticket", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let (near, far) = tcp_pair().await;
                tokio::join!(ends.open(near, Suites::ALL), ends.accept(far))
            })
        });
    });
    group.finish();
}

fn prepare(group: &mut Walltime<'_>) {
    group.sample_size(10).measurement_time(Duration::from_secs(5));
}

/// A file, read, sent over TCP, written and synced: two threads and no hash, no cipher, no check.
fn plain_copy(from: &Path, to: &Path) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let target = to.to_owned();
    let receiving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut file, mut buffer) = (File::create(target).unwrap(), vec![0; 256 << 10]);
        loop {
            match stream.read(&mut buffer).unwrap() {
                0 => break file.sync_all().unwrap(),
                read => file.write_all(&buffer[..read]).unwrap(),
            }
        }
    });
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let (mut file, mut buffer) = (File::open(from).unwrap(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => break,
            read => stream.write_all(&buffer[..read]).unwrap(),
        }
    }
    drop(stream);
    receiving.join().unwrap();
}

/// Asks for a stream of events and reads it to its end, which must be a good one.
async fn until_done(state: &Path, request: &str, body: serde_json::Value) {
    shop::ask(state, request, &body, r#""event":"done""#).await;
}

fn sends(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (office_state, till_state) = (dir.path().join("office"), dir.path().join("till"));
    let (from, into) = (dir.path().join("file"), dir.path().join("in"));
    std::fs::write(&from, vec![0xa5; FILE]).unwrap();
    std::fs::create_dir(&into).unwrap();
    let nodes = runtime.block_on(async { shop::open(&office_state, &till_state).await });
    let mut group = c.benchmark_group("file_512MiB");
    prepare(&mut group);
    group.throughput(Throughput::Bytes(FILE as u64));
    group.bench_function("plain_copy_over_tcp", |b| {
        b.iter_custom(|rounds| measured(rounds, &into, || plain_copy(&from, &into.join("copy"))));
    });
    group.bench_function("send", |b| {
        b.iter_custom(|rounds| {
            measured(rounds, &into, || {
                runtime.block_on(async {
                    let receive = serde_json::json!({ "into": into, "from": [], "yes": true, "once": true });
                    let send = serde_json::json!({ "peer": "office", "path": from, "name": "sent" });
                    tokio::join!(
                        until_done(&office_state, "POST /v1/receive", receive),
                        until_done(&till_state, "POST /v1/send", send)
                    );
                });
            })
        });
    });
    group.finish();
    drop(nodes);
}

/// The time that `rounds` rounds take, without the time to clear up behind them.
fn measured(rounds: u64, into: &Path, round: impl Fn()) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let begin = ambient::monotonic();
        round();
        total += begin.elapsed();
        for entry in std::fs::read_dir(into).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
    total
}

criterion_group!(benches, pipes, opens, sends);
criterion_main!(benches);
