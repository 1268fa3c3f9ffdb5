//! Channels whose ticket ends while nobody looks.

use core::time::Duration;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lanyard_node::ambient::{self, Clock, OsRng};
use lanyard_node::channel::{Channel, ChannelError, Lease};
use lanyard_protocol::channel::{ChannelReject, Suites};
use lanyard_protocol::engine::{Engine, Setup};
use lanyard_protocol::snapshot::Snapshot;
use lanyard_protocol::time::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::watch;

use crate::channel::{Ends, forever};

/// Something that a channel stands on, and that can be taken away.
struct Ground {
    stands: Arc<AtomicBool>,
    snapshots: watch::Sender<Arc<Snapshot>>,
}

impl Ground {
    fn new() -> Self {
        let engine = Engine::new(Setup::default(), Timestamp::from_secs(1), Box::new(OsRng)).unwrap();
        Self { stands: Arc::new(AtomicBool::new(true)), snapshots: watch::channel(engine.snapshot()).0 }
    }

    fn lease(&self) -> Lease {
        let stands = Arc::clone(&self.stands);
        let holds =
            move |_| if stands.load(Ordering::Relaxed) { Ok(()) } else { Err(ChannelReject::NotAllowed) };
        Lease::new(Clock::default(), holds).follows(self.snapshots.subscribe())
    }

    /// What is published is the same, and says nothing about what stands: everybody has to look again.
    fn publish(&self) {
        self.snapshots.send_modify(|_| {});
    }

    fn give_way(&self) {
        self.stands.store(false, Ordering::Relaxed);
        self.publish();
    }
}

/// The side whose lease it is, and the other one.
async fn pair(lease: Lease, of_requester: bool) -> [Channel<DuplexStream>; 2] {
    let (near, far) = tokio::io::duplex(1 << 16);
    let ends = Ends::new();
    if of_requester {
        let (near, far) = tokio::join!(ends.open_with(near, Suites::ALL, lease), ends.accept(far, forever()));
        [near.unwrap(), far.unwrap()]
    } else {
        let (near, far) = tokio::join!(ends.open(near, Suites::ALL), ends.accept(far, lease));
        [far.unwrap(), near.unwrap()]
    }
}

fn is_ended(error: &ChannelError, with: ChannelReject) -> bool {
    matches!(error, ChannelError::Ended(reason) if *reason == with)
}

/// C4: a channel on which both sides wait ends with what it stands on, on either side; the peer sees a cut.
#[tokio::test]
async fn a_channel_ends_with_its_ground_though_both_sides_only_wait() {
    for of_requester in [true, false] {
        let ground = Ground::new();
        let [mut own, mut peer] = pair(ground.lease(), of_requester).await;
        own.sender.send(b"still there").await.unwrap();
        ground.publish();
        assert_eq!(peer.receiver.recv().await.unwrap(), Some(&b"still there"[..]));
        let (own_end, peer_end, ()) = tokio::join!(
            async { own.receiver.recv().await.map(drop).unwrap_err() },
            async { peer.receiver.recv().await.map(drop).unwrap_err() },
            async { ground.give_way() },
        );
        assert!(is_ended(&own_end, ChannelReject::NotAllowed), "{own_end}");
        assert!(peer_end.is_cut(), "{peer_end}");
        // Neither direction ever goes on, and no end is said that was none.
        for _ in 0..2 {
            let sent = own.sender.send(b"more").await.unwrap_err();
            assert!(is_ended(&sent, ChannelReject::NotAllowed), "{sent}");
            let closed = own.sender.close().await.unwrap_err();
            assert!(is_ended(&closed, ChannelReject::NotAllowed), "{closed}");
        }
    }
}

/// C4: what came before the end and was not read yet is not read any more.
#[tokio::test]
async fn nothing_that_waits_to_be_read_is_read_after_the_end() {
    let ground = Ground::new();
    let [mut own, mut peer] = pair(ground.lease(), false).await;
    peer.sender.send(b"too late").await.unwrap();
    assert_eq!(own.receiver.peek().await.unwrap(), b"too late");
    ground.give_way();
    let cut = peer.receiver.recv().await.map(drop).unwrap_err();
    assert!(cut.is_cut(), "{cut}");
    let ended = own.receiver.recv().await.map(drop).unwrap_err();
    assert!(is_ended(&ended, ChannelReject::NotAllowed), "{ended}");
    let mut bytes = [0; 8];
    assert_eq!(own.read(&mut bytes).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

/// C4: a handler that holds a channel and does nothing with it keeps it open no longer.
#[tokio::test]
async fn a_channel_that_nobody_touches_is_cut() {
    let ground = Ground::new();
    let [own, mut peer] = pair(ground.lease(), false).await;
    ground.give_way();
    let cut = peer.receiver.recv().await.map(drop).unwrap_err();
    assert!(cut.is_cut(), "{cut}");
    drop(own);
}

/// C4: a side that waits because the peer does not read is told as well.
#[tokio::test]
async fn a_blocked_write_ends() {
    let ground = Ground::new();
    let [mut own, peer] = pair(ground.lease(), true).await;
    let stuck = async {
        loop {
            if let Err(error) = own.write_all(&[0; 4096]).await {
                return error;
            }
        }
    };
    let mut stuck = Box::pin(stuck);
    assert!(futures::poll!(&mut stuck).is_pending());
    ground.give_way();
    assert_eq!(stuck.await.kind(), ErrorKind::PermissionDenied);
    drop(peer);
}

/// C4: a ticket that ends while its channel is in use ends the channel at that moment.
#[tokio::test]
async fn a_lease_ends_by_the_clock_without_a_record_or_a_change() {
    for of_requester in [true, false] {
        let expires = ambient::now().after(Duration::from_millis(300));
        let [mut own, mut peer] = pair(Lease::until(Clock::default(), expires), of_requester).await;
        own.sender.send(b"in time").await.unwrap();
        assert_eq!(peer.receiver.recv().await.unwrap(), Some(&b"in time"[..]));
        let (own_end, peer_end) =
            tokio::join!(async { own.receiver.recv().await.map(drop).unwrap_err() }, async {
                peer.receiver.recv().await.map(drop).unwrap_err()
            },);
        assert!(is_ended(&own_end, ChannelReject::Expired), "{own_end}");
        assert!(peer_end.is_cut(), "{peer_end}");
        assert!(ambient::now() >= expires);
    }
}

/// What watches over a channel goes with it: nothing is left that could be asked.
#[tokio::test]
async fn a_channel_that_is_dropped_leaves_no_watch_behind() {
    let ground = Ground::new();
    let [own, peer] = pair(ground.lease(), false).await;
    drop((own, peer));
    ground.snapshots.closed().await;
}
