//! One peer, one ticket or one recording that would take everything.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lanyard_node::lane::{Dialled, Session, Way};
use lanyard_node::{Config, Node};
use lanyard_protocol::control::{Code, Command};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;

use crate::{config, init, invite, join, owner};

/// An authority `office` that offers `chat`, and members.
struct Shop {
    office: Node,
    /// Channels that the handler was called for.
    called: Arc<AtomicUsize>,
    states: Vec<TempDir>,
}

impl Shop {
    async fn new(change: impl FnOnce(&mut Config)) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut config = config(state.path());
        change(&mut config);
        let office = Node::start(config).await.unwrap();
        office.handle().listening().await.unwrap();
        init(&office).await;
        let called = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&called);
        office.serve("chat".parse().unwrap(), move |mut session: Session| {
            count.fetch_add(1, Ordering::Relaxed);
            async move {
                let _ = session.channel.sender.send(b"welcome").await;
                session.channel.receiver.drain().await;
            }
        });
        Self { office, called, states: vec![state] }
    }

    async fn member(&mut self, name: &str) -> Node {
        let state = tempfile::tempdir().unwrap();
        let node = Node::start(config(state.path())).await.unwrap();
        self.states.push(state);
        owner(&node, join(invite(&self.office).await.uri, name)).await;
        node
    }
}

async fn open(node: &Node) -> Dialled {
    let mut dialled = node.open(&"chat@office".parse().unwrap()).await.unwrap();
    assert_eq!(dialled.channel.receiver.recv().await.unwrap(), Some(&b"welcome"[..]));
    dialled
}

/// R-C7, D7: many channels that one member opens at once are not taken for a flood: all of them run by the lane.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_channels_runs_by_the_lane() {
    let mut shop = Shop::new(|_| {}).await;
    let till = shop.member("till").await;
    let live = futures::future::join_all((0..600).map(|_| open(&till))).await;
    assert!(live.iter().all(|dialled| dialled.way == Way::Lane));
    till.stop().await;
    shop.office.stop().await;
}

/// D12: a ticket opens so many channels at a time and no more; others are not kept out, and when one ends there is
/// room again.
#[tokio::test]
async fn a_ticket_opens_so_many_channels() {
    const MOST: usize = 16;
    let mut shop = Shop::new(|office| office.limits.lanes.per_ticket = NonZeroU32::new(16).unwrap()).await;
    let (till, desk) = (shop.member("till").await, shop.member("desk").await);
    let mut live = Vec::new();
    for _ in 0..MOST {
        live.push(open(&till).await);
    }
    for _ in 0..500 {
        let refused = till.open(&"chat@office".parse().unwrap()).await.unwrap_err();
        assert_eq!(refused.code, Code::Failed);
        assert!(refused.message.contains("too many channels"), "{refused:?}");
    }
    for _ in 0..MOST {
        live.push(open(&desk).await);
    }
    assert_eq!(shop.called.load(Ordering::Relaxed), 2 * MOST);
    drop(live.remove(0));
    // The provider learns of the end in its own time.
    loop {
        match till.open(&"chat@office".parse().unwrap()).await {
            Ok(_) => break,
            Err(refused) => assert!(refused.message.contains("too many channels"), "{refused:?}"),
        }
    }
}

/// C1, D12: a recorded beginning that is replayed without end, from many addresses, calls no handler and locks no
/// ticket: the requester opens all the channels that it wants.
#[tokio::test]
async fn a_recording_replayed_without_end_harms_nobody() {
    const OPENED: usize = 100;
    let recorder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let told = recorder.local_addr().unwrap();
    let mut shop = Shop::new(|office| office.advertise_lane = Some(told)).await;
    let lane = shop.office.handle().listening().await.unwrap().lane[0];
    let till = shop.member("till").await;

    let (recorded, mut recordings) = mpsc::unbounded_channel();
    tokio::spawn(pass_on(recorder, lane, recorded));
    drop(open(&till).await);
    let recording = Arc::new(recordings.recv().await.unwrap());

    let replayed = Arc::new(AtomicUsize::new(0));
    let mut attackers = tokio::task::JoinSet::new();
    for host in 1..=50 {
        let (recording, replayed) = (Arc::clone(&recording), Arc::clone(&replayed));
        attackers.spawn(async move {
            for _ in 0..40 {
                replay(Ipv4Addr::new(127, 99, 0, host), lane, &recording).await;
                replayed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for _ in 0..OPENED {
        drop(open(&till).await);
    }
    attackers.join_all().await;
    drop(open(&till).await);
    assert_eq!(replayed.load(Ordering::Relaxed), 50 * 40);
    assert_eq!(shop.called.load(Ordering::Relaxed), OPENED + 2, "a recording called the handler");
}

/// Stands between a requester and the lane, and keeps everything that the first one says.
async fn pass_on(listener: TcpListener, lane: SocketAddr, recorded: mpsc::UnboundedSender<Vec<u8>>) {
    while let Ok((mut near, _)) = listener.accept().await {
        let recorded = recorded.clone();
        tokio::spawn(async move {
            let mut far = TcpStream::connect(lane).await.unwrap();
            let (mut from_near, mut to_near) = near.split();
            let (mut from_far, mut to_far) = far.split();
            let mut said = Vec::new();
            let forth = async {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = from_near.read(&mut bytes).await {
                    said.extend_from_slice(&bytes[..read]);
                    to_far.write_all(&bytes[..read]).await.unwrap();
                }
            };
            tokio::select! {
                () = forth => {}
                _ = tokio::io::copy(&mut from_far, &mut to_near) => {}
            }
            let _ = recorded.send(said);
        });
    }
}

/// Says what was recorded, and waits for the end: the provider answers what fits its ticket, and never more.
async fn replay(from: Ipv4Addr, lane: SocketAddr, recording: &[u8]) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0)).unwrap();
    let Ok(mut stream) = socket.connect(lane).await else { return };
    let _ = stream.write_all(recording).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.len() <= 50, "a recording was answered with {} bytes", answer.len());
}

/// D9: a peer that says very much in very small pieces, and asks without end, keeps no other peer from anything.
#[tokio::test]
async fn a_peer_that_talks_without_end_harms_nobody() {
    const RECORDS: usize = 100_000;
    let mut shop = Shop::new(|_| {}).await;
    let (till, desk) = (shop.member("till").await, shop.member("desk").await);
    let mut talker = open(&till).await;
    let talking = async {
        for _ in 0..RECORDS {
            talker.channel.sender.send(b"x").await.unwrap();
        }
    };
    let asking = async {
        let asked = (0..2000).map(|_| till.handle()).map(|handle| async move {
            let ping = Command::Ping("office".parse().unwrap());
            handle.command(lanyard_protocol::control::Caller::NODE, ping).await.is_ok()
        });
        futures::future::join_all(asked).await.into_iter().filter(|answered| *answered).count()
    };
    let others = async {
        for _ in 0..100 {
            drop(open(&desk).await);
            owner(&desk, Command::Ping("office".parse().unwrap())).await;
        }
    };
    let ((), answered, ()) = tokio::join!(talking, asking, others);
    // What is beyond the limits fails at its sender.
    assert!((1..2000).contains(&answered), "{answered} pings were answered");
    assert_eq!(shop.called.load(Ordering::Relaxed), 101);
    owner(&till, Command::Ping("office".parse().unwrap())).await;
}
