//! A forwarded port beside the same path through two plain TCP proxies, on loopback, in one process and in the same run:
//! the throughput of one connection, that of a thousand in sum, and a round trip.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails has no result")]

mod shop;

use std::net::SocketAddr;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lanyard_node::Node;
use lanyard_protocol::control::{Answer, ApplyPolicy, Command};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::Runtime;

/// How much one connection sends for one measurement.
const ONE: usize = 256 << 20;
/// How many connections there are at once, and how much each of them sends.
const MANY: usize = 1000;
const EACH: usize = 256 << 10;
/// What a program writes at a time.
const WRITE: usize = 64 << 10;
/// How much a proxy copies at a time.
const COPY: usize = 128 << 10;
/// What goes back and forth in a round trip.
const PING: [u8; 16] = [7; 16];

const POLICY: &str = r#"version = 1
[roles]
member = ["service.use"]
[[grant]]
to      = ["role:member"]
service = ["sink@office", "echo@office"]
"#;

/// Two nodes, and the ports of one that lead to servers beside the other.
struct Forwarded {
    sink: SocketAddr,
    echo: SocketAddr,
    _nodes: (Node, Node),
    /// The ports are there as long as somebody reads their events.
    _events: Vec<BufReader<UnixStream>>,
    _states: [TempDir; 2],
}

impl Forwarded {
    async fn new(sink: SocketAddr, echo: SocketAddr) -> Self {
        let states = [TempDir::new().unwrap(), TempDir::new().unwrap()];
        let nodes = shop::open(states[0].path(), states[1].path()).await;
        let policy = Command::ApplyPolicy(ApplyPolicy { text: POLICY.to_owned(), based_on: None });
        shop::command(&nodes.0, policy).await;
        let mut changes = nodes.1.handle().snapshots();
        while !matches!(shop::command(&nodes.1, Command::Status).await, Answer::Status(status) if status.epochs.policy == 1)
        {
            changes.changed().await.unwrap();
        }
        let (mut ports, mut events) = (Vec::new(), Vec::new());
        for (name, target) in [("sink", sink), ("echo", echo)] {
            let expose = json!({ "name": name, "target": { "tcp": target } });
            shop::ask(states[0].path(), "POST /v1/services", &expose, "\"opened\"").await;
            let forward = json!({ "service": format!("{name}@office"), "listen": "127.0.0.1:0" });
            let (line, rest) = shop::ask(states[1].path(), "POST /v1/forward", &forward, "listening").await;
            let event: serde_json::Value =
                serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap();
            ports.push(event["address"].as_str().unwrap().parse().unwrap());
            events.push(rest);
        }
        Self { sink: ports[0], echo: ports[1], _nodes: nodes, _events: events, _states: states }
    }
}

/// Takes connections at an address of its own, for as long as there is a runtime.
async fn serve<F: Future<Output = ()> + Send>(
    each: impl Fn(TcpStream) -> F + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let each = each.clone();
            tokio::spawn(async move { each(stream).await });
        }
    });
    address
}

/// For each time that the program says how many bytes follow: reads as many, and confirms them with one.
async fn sink(mut stream: TcpStream) {
    let mut buffer = vec![0; COPY];
    while let Ok(mut left) = stream.read_u64_le().await {
        while left > 0 {
            let wanted = usize::try_from(left).unwrap().min(buffer.len());
            left -= stream.read(&mut buffer[..wanted]).await.unwrap() as u64;
        }
        stream.write_u8(1).await.unwrap();
    }
}

async fn echo(mut stream: TcpStream) {
    let mut ping = PING;
    while stream.read_exact(&mut ping).await.is_ok() {
        stream.write_all(&ping).await.unwrap();
    }
}

/// A plain proxy behind another one: the same path without a node.
async fn two_proxies(target: SocketAddr) -> SocketAddr {
    let mut target = target;
    for _ in 0..2 {
        let to = target;
        target = serve(move |mut near| async move {
            let mut far = TcpStream::connect(to).await.unwrap();
            far.set_nodelay(true).unwrap();
            let _ = tokio::io::copy_bidirectional_with_sizes(&mut near, &mut far, COPY, COPY).await;
        })
        .await;
    }
    target
}

async fn connect(port: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(port).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends `length` bytes, and waits until they are confirmed.
async fn send(stream: &mut TcpStream, length: usize) {
    stream.write_u64_le(length as u64).await.unwrap();
    let bytes = vec![0x5a; WRITE];
    for _ in 0..length / WRITE {
        stream.write_all(&bytes).await.unwrap();
    }
    assert_eq!(stream.read_u8().await.unwrap(), 1);
}

async fn send_all(streams: &mut Vec<TcpStream>) {
    let mut sending = tokio::task::JoinSet::new();
    for mut stream in streams.drain(..) {
        sending.spawn(async move {
            send(&mut stream, EACH).await;
            stream
        });
    }
    streams.extend(sending.join_all().await);
}

fn forwards(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (ports, echo_server) = runtime.block_on(async {
        let (sink, echo) = (serve(sink).await, serve(echo).await);
        let (plain_sink, plain_echo) = (two_proxies(sink).await, two_proxies(echo).await);
        let forwarded = Forwarded::new(sink, echo).await;
        let ways =
            [("two_plain_proxies", plain_sink, plain_echo), ("forward", forwarded.sink, forwarded.echo)];
        ((ways, forwarded), echo)
    });
    let (ways, forwarded) = ports;

    let mut group = c.benchmark_group("one_connection");
    group.sample_size(10).measurement_time(Duration::from_secs(10)).throughput(Throughput::Bytes(ONE as u64));
    for (name, sink, _) in ways {
        let mut stream = runtime.block_on(connect(sink));
        group.bench_function(name, |b| b.iter(|| runtime.block_on(send(&mut stream, ONE))));
    }
    group.finish();

    let mut group = c.benchmark_group("a_thousand_connections_in_sum");
    let sum = (MANY * EACH) as u64;
    group.sample_size(10).measurement_time(Duration::from_secs(10)).throughput(Throughput::Bytes(sum));
    for (name, sink, _) in ways {
        let mut streams: Vec<TcpStream> =
            runtime.block_on(futures::future::join_all((0..MANY).map(|_| connect(sink))));
        // The first bytes wait until each has its channel.
        runtime.block_on(send_all(&mut streams));
        group.bench_function(name, |b| b.iter(|| runtime.block_on(send_all(&mut streams))));
    }
    group.finish();

    let mut group = c.benchmark_group("round_trip");
    for (name, echo) in [("direct", echo_server)].into_iter().chain(ways.map(|(name, _, echo)| (name, echo)))
    {
        let mut stream = runtime.block_on(connect(echo));
        group.bench_function(name, |b| {
            b.iter(|| {
                runtime.block_on(async {
                    stream.write_all(&PING).await.unwrap();
                    stream.read_exact(&mut PING.clone()).await.unwrap();
                });
            });
        });
    }
    group.finish();
    drop(forwarded);
}

criterion_group!(benches, forwards);
criterion_main!(benches);
