//! Channels between members who cannot reach each other's lanes, and channels whose ticket ends.

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use lanyard_node::channel::ChannelError;
use lanyard_node::lane::{Session, Way};
use lanyard_node::{Config, Node};
use lanyard_protocol::channel::ChannelReject;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::{config, init, invite, join, owner};

/// An authority `office` that offers `chat`, and a member `till`.
struct Pair {
    office: Node,
    till: Node,
    _states: [TempDir; 2],
}

impl Pair {
    async fn new(office: impl FnOnce(&mut Config), till: impl FnOnce(&mut Config)) -> Self {
        let states = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [mut of_office, mut of_till] = states.each_ref().map(|state| config(state.path()));
        office(&mut of_office);
        till(&mut of_till);
        let office = Node::start(of_office).await.unwrap();
        office.handle().listening().await.unwrap();
        init(&office).await;
        let till = Node::start(of_till).await.unwrap();
        let invite = invite(&office).await;
        owner(&till, join(invite.uri, "till")).await;
        Self { office, till, _states: states }
    }

    /// With a lane that is told to be at `lane`.
    async fn with_lane_at(lane: SocketAddr) -> Self {
        Self::new(|office| office.advertise_lane = Some(lane), |_| {}).await
    }

    /// Answers every channel with what comes, until it ends.
    fn serve_echo(&self) {
        self.office.serve("chat".parse().unwrap(), |mut session: Session| async move {
            while let Ok(Some(bytes)) = session.channel.receiver.recv().await {
                if session.channel.sender.send(bytes).await.is_err() {
                    return;
                }
            }
            let _ = session.channel.sender.close().await;
        });
    }

    async fn stop(self) {
        self.till.stop().await;
        self.office.stop().await;
    }
}

/// Says `text`, hears it again and ends, cleanly on both sides.
async fn converse(node: &Node, text: &[u8]) -> Way {
    let mut dialled = node.open(&"chat@office".parse().unwrap()).await.unwrap();
    let (sender, receiver) = (&mut dialled.channel.sender, &mut dialled.channel.receiver);
    let saying = async {
        sender.send(text).await.unwrap();
        sender.close().await.unwrap();
    };
    let hearing = async {
        let mut heard = Vec::new();
        while let Some(bytes) = receiver.recv().await.unwrap() {
            heard.extend_from_slice(bytes);
        }
        heard
    };
    let ((), heard) = tokio::join!(saying, hearing);
    assert!(heard == text, "heard {} bytes of {}", heard.len(), text.len());
    dialled.way
}

/// An address at which nothing answers, and says so.
async fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// R-T8: where the lane refuses, a channel runs on a stream, with the same bytes; where it works, on the lane.
#[tokio::test]
async fn a_channel_runs_on_a_stream_where_the_lane_is_refused() {
    let pair = Pair::with_lane_at(refusing().await).await;
    pair.serve_echo();
    let text = vec![0x5a; 1 << 20];
    assert_eq!(converse(&pair.till, &text).await, Way::Stream);
    pair.stop().await;

    let pair = Pair::new(|_| {}, |_| {}).await;
    pair.serve_echo();
    assert_eq!(converse(&pair.till, &text).await, Way::Lane);
    pair.stop().await;
}

/// R-L9: where somebody else answers on the lane, the channel goes another way, and the impostor learns nothing
/// that it could use.
#[tokio::test]
async fn a_channel_runs_on_a_stream_where_somebody_else_has_the_lane() {
    let impostor = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pair = Pair::with_lane_at(impostor.local_addr().unwrap()).await;
    pair.serve_echo();
    let answering = async {
        loop {
            let (mut stream, _): (TcpStream, _) = impostor.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        }
    };
    tokio::select! {
        way = converse(&pair.till, b"over there") => assert_eq!(way, Way::Stream),
        () = answering => {}
    }
    pair.stop().await;
}

/// D9, R-T8: two hundred channels that are opened at once by streams are all opened, and all live at a time.
#[tokio::test]
async fn a_burst_of_streams_loses_none() {
    const BURST: usize = 200;
    let pair = Arc::new(Pair::with_lane_at(refusing().await).await);
    pair.serve_echo();
    let mut opened = tokio::task::JoinSet::new();
    for _ in 0..BURST {
        let pair = Arc::clone(&pair);
        opened.spawn(async move {
            let mut dialled = pair.till.open(&"chat@office".parse().unwrap()).await.unwrap();
            dialled.channel.sender.send(b"hello").await.unwrap();
            assert_eq!(dialled.channel.receiver.recv().await.unwrap(), Some(&b"hello"[..]));
            dialled
        });
    }
    let live = opened.join_all().await;
    assert_eq!(live.len(), BURST);
    assert!(live.iter().all(|dialled| dialled.way == Way::Stream));
    for mut dialled in live {
        dialled.channel.sender.send(b"still there").await.unwrap();
        assert_eq!(dialled.channel.receiver.recv().await.unwrap(), Some(&b"still there"[..]));
    }
    // All were given back.
    assert_eq!(converse(&pair.till, b"again").await, Way::Stream);
}

/// D9: of more channels than a peer may have on streams, the rest waits for those that end.
#[tokio::test]
async fn channels_beyond_those_that_a_connection_bears_wait() {
    const MORE: usize = 300;
    let pair = Arc::new(Pair::with_lane_at(refusing().await).await);
    pair.serve_echo();
    let mut opened = tokio::task::JoinSet::new();
    for _ in 0..MORE {
        let pair = Arc::clone(&pair);
        opened.spawn(async move { converse(&pair.till, b"in turn").await });
    }
    let ways = opened.join_all().await;
    assert_eq!(ways.len(), MORE);
    assert!(ways.iter().all(|way| *way == Way::Stream));
}

/// R-T7: on a stream, too, no handler is called before the requester's first record, and a session is counted for
/// its peer.
#[tokio::test]
async fn a_session_on_a_stream_names_its_peer() {
    let pair = Pair::with_lane_at(refusing().await).await;
    let (sender, mut sessions) = mpsc::channel(4);
    pair.office.serve("chat".parse().unwrap(), move |session: Session| {
        let sender = sender.clone();
        async move {
            let _ = sender.send((session.peer, session.way, session.remote.ip())).await;
        }
    });
    let _dialled = pair.till.open(&"chat@office".parse().unwrap()).await.unwrap();
    let (peer, way, remote) = sessions.recv().await.unwrap();
    assert_eq!(peer, pair.till.handle().snapshot().node_id());
    assert_eq!(way, Way::Stream);
    assert!(remote.is_loopback());
    pair.stop().await;
}

/// C4: a ticket that ends while both sides wait ends the channel on both, on the lane.
#[tokio::test]
async fn a_ticket_that_ends_ends_its_lanes() {
    a_ticket_that_ends_ends_its_channels(None).await;
}

/// C4: a ticket that ends while both sides wait ends the channel on both, on a stream.
#[tokio::test]
async fn a_ticket_that_ends_ends_its_streams() {
    a_ticket_that_ends_ends_its_channels(Some(refusing().await)).await;
}

async fn a_ticket_that_ends_ends_its_channels(lane: Option<SocketAddr>) {
    // A ticket lives no longer than a certificate, and no certificate is shorter than a minute.
    let short = |office: &mut Config| {
        office.certificate_life = Some(Duration::from_secs(60));
        office.advertise_lane = lane;
    };
    let pair = Pair::new(short, |_| {}).await;
    let (sender, mut ends) = mpsc::channel(4);
    pair.office.serve("chat".parse().unwrap(), move |mut session: Session| {
        let sender = sender.clone();
        async move {
            let end = session.channel.receiver.recv().await.map(drop);
            let _ = sender.send(end).await;
        }
    });
    let mut dialled = pair.till.open(&"chat@office".parse().unwrap()).await.unwrap();
    let here = dialled.channel.receiver.recv().await.map(drop).unwrap_err();
    let there = ends.recv().await.unwrap().unwrap_err();
    let is_over = |error: &ChannelError| matches!(error, ChannelError::Ended(ChannelReject::Expired));
    assert!(is_over(&here) || is_over(&there), "{here}, {there}");
    for end in [here, there] {
        assert!(is_over(&end) || end.is_cut(), "{end}");
    }
    pair.stop().await;
}
