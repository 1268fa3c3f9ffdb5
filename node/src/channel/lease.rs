//! How long a channel may live: as long as what it stands on.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use lanyard_protocol::channel::ChannelReject;
use lanyard_protocol::snapshot::Snapshot;
use lanyard_protocol::time::Timestamp;
use tokio::sync::watch;

use crate::ambient::Clock;

/// The longest sleep until a lease is looked at by itself: its end is by the wall clock, which may be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// The shortest sleep: a timer that is a millisecond early must not spin.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// Whether what opened a channel still holds.
///
/// It is asked whenever one of the channel's keys changes, which is at least once an hour while there is traffic;
/// and, whatever the channel does or waits for, at its end ([`Lease::ends_at`]) and at each change of what it
/// depends on ([`Lease::follows`]).
#[derive(Clone)]
pub struct Lease {
    clock: Clock,
    holds: Arc<dyn Fn(Timestamp) -> Result<(), ChannelReject> + Send + Sync>,
    ends: Option<Timestamp>,
    snapshots: Option<watch::Receiver<Arc<Snapshot>>>,
}

impl Lease {
    /// A lease that holds as long as `check` says so, by `clock`.
    pub fn new(
        clock: Clock,
        check: impl Fn(Timestamp) -> Result<(), ChannelReject> + Send + Sync + 'static,
    ) -> Self {
        Self { clock, holds: Arc::new(check), ends: None, snapshots: None }
    }

    /// A lease that ends when `clock` says `expires`.
    #[must_use]
    pub fn until(clock: Clock, expires: Timestamp) -> Self {
        let holds = move |now| if now < expires { Ok(()) } else { Err(ChannelReject::Expired) };
        Self::new(clock, holds).ends_at(expires)
    }

    /// This lease, which is also looked at when it is `expires`.
    #[must_use]
    pub fn ends_at(mut self, expires: Timestamp) -> Self {
        self.ends = Some(expires);
        self
    }

    /// This lease, which is also looked at whenever `snapshots` changes.
    #[must_use]
    pub fn follows(mut self, snapshots: watch::Receiver<Arc<Snapshot>>) -> Self {
        self.snapshots = Some(snapshots);
        self
    }

    pub(super) fn check(&self, now: Timestamp) -> Result<(), ChannelReject> {
        (self.holds)(now)
    }

    /// The time by which the lease is judged.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether there is anything to wait for.
    pub(super) const fn is_watched(&self) -> bool {
        self.ends.is_some() || self.snapshots.is_some()
    }

    /// Waits until the lease no longer holds, and says why.
    pub(super) async fn over(mut self) -> ChannelReject {
        loop {
            if let Err(reason) = self.check(self.now()) {
                return reason;
            }
            let end = sleep_until(self.ends, self.now());
            tokio::select! {
                () = changed(&mut self.snapshots) => {}
                () = end => {}
            }
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("ends", &self.ends).finish_non_exhaustive()
    }
}

async fn changed(snapshots: &mut Option<watch::Receiver<Arc<Snapshot>>>) {
    if let Some(receiver) = snapshots {
        if receiver.changed().await.is_ok() {
            return;
        }
        // The node has stopped: nothing changes any more.
        *snapshots = None;
    }
    core::future::pending().await
}

async fn sleep_until(end: Option<Timestamp>, now: Timestamp) {
    let Some(end) = end else { return core::future::pending().await };
    tokio::time::sleep(end.since(now).clamp(SHORTEST_SLEEP, LONGEST_SLEEP)).await;
}
