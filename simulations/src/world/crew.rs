//! Threads that share the work of a window.
//!
//! Each takes the next host that has something to do until none is left, so that all are done at the same time, whatever
//! each host costs. A window is short, so whoever waits looks out for a while before it goes to sleep.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};

use crate::event::HostId;
use crate::fact::Observed;
use crate::host::Host;
use crate::moment::Moment;
use crate::port::{Sent, Topology};

/// How often somebody looks out before it goes to sleep: for about a tenth of a millisecond, some times as long as waking it takes.
const LOOKS: u32 = 8_000;

/// Every host, to be worked on by one thread at a time.
pub(super) type Hosts = Vec<Mutex<Host>>;

/// What happened in a window.
#[derive(Default)]
pub(super) struct Done {
    pub(super) events: u64,
    pub(super) facts: Vec<Observed>,
    pub(super) sent: Vec<Sent>,
    /// When each host that was run has something to do again.
    pub(super) next: Vec<(Moment, HostId)>,
}

impl Done {
    fn add(&mut self, mut other: Self) {
        self.events += other.events;
        self.facts.append(&mut other.facts);
        self.sent.append(&mut other.sent);
        self.next.append(&mut other.next);
    }
}

/// Hosts that have something to do before a moment.
struct Window {
    until: Moment,
    topology: Arc<Topology>,
    hosts: Arc<Hosts>,
    due: Vec<HostId>,
    /// The place of the next one that nobody has taken.
    cursor: AtomicUsize,
}

impl Window {
    /// Takes hosts until none is left.
    fn work(&self) -> Done {
        let mut done = Done::default();
        while let Some(id) = self.due.get(self.cursor.fetch_add(1, Ordering::Relaxed)) {
            let mut host = lock(&self.hosts[id.index()]);
            done.events += host.run(self.until, &self.topology);
            done.sent.append(&mut host.port.outbox);
            done.facts.append(&mut host.port.facts);
            done.next.extend(host.next().map(|next| (next, *id)));
        }
        done
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a crew has in common.
struct Board {
    /// Counts up with each window.
    windows: AtomicU64,
    window: Mutex<Option<Arc<Window>>>,
    /// What those who have done their part have to hand in.
    done: Mutex<Done>,
    /// How many have.
    finished: AtomicUsize,
    over: AtomicBool,
    leader: Thread,
}

/// Some threads beside the caller's.
pub(super) struct Crew {
    board: Arc<Board>,
    hands: Vec<JoinHandle<()>>,
}

impl Crew {
    /// So many threads, with the caller's.
    pub(super) fn new(threads: usize) -> Self {
        let board = Arc::new(Board {
            windows: AtomicU64::new(0),
            window: Mutex::new(None),
            done: Mutex::default(),
            finished: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            leader: thread::current(),
        });
        let hand = |_| {
            let board = Arc::clone(&board);
            thread::spawn(move || board.lend_a_hand())
        };
        let hands = (1..threads).map(hand).collect();
        Self { board, hands }
    }

    /// Runs the hosts that are due, each until `until`.
    #[expect(clippy::panic, reason = "a thread that is gone has panicked, and so does the run")]
    pub(super) fn run(
        &self,
        until: Moment,
        topology: &Arc<Topology>,
        hosts: &Arc<Hosts>,
        due: Vec<HostId>,
    ) -> Done {
        let alone = due.len() < 2 || self.hands.is_empty();
        let (topology, hosts) = (Arc::clone(topology), Arc::clone(hosts));
        let window = Arc::new(Window { until, topology, hosts, due, cursor: AtomicUsize::new(0) });
        if alone {
            return window.work();
        }
        let board = &self.board;
        board.finished.store(0, Ordering::Relaxed);
        *lock(&board.window) = Some(Arc::clone(&window));
        board.windows.fetch_add(1, Ordering::Release);
        for hand in &self.hands {
            hand.thread().unpark();
        }
        let mut done = window.work();
        wait_until(|| {
            if self.hands.iter().any(JoinHandle::is_finished) {
                panic!("a thread of the simulation has panicked");
            }
            board.finished.load(Ordering::Acquire) == self.hands.len()
        });
        *lock(&board.window) = None;
        done.add(core::mem::take(&mut *lock(&board.done)));
        done
    }
}

impl Board {
    fn lend_a_hand(&self) {
        let mut seen = 0;
        loop {
            wait_until(|| self.windows.load(Ordering::Acquire) != seen || self.over.load(Ordering::Acquire));
            if self.over.load(Ordering::Acquire) {
                return;
            }
            seen = self.windows.load(Ordering::Acquire);
            let window = lock(&self.window).clone();
            if let Some(window) = window {
                let done = window.work();
                lock(&self.done).add(done);
            }
            self.finished.fetch_add(1, Ordering::Release);
            self.leader.unpark();
        }
    }
}

/// Waits for something that is about to be; whoever brings it about wakes this thread.
fn wait_until(mut there: impl FnMut() -> bool) {
    let mut looks = 0;
    while !there() {
        if looks < LOOKS {
            looks += 1;
            spin_loop();
        } else {
            thread::park_timeout(core::time::Duration::from_millis(100));
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.board.over.store(true, Ordering::Release);
        for hand in self.hands.drain(..) {
            hand.thread().unpark();
            // Its panic was reported where it was waited for.
            let _ = hand.join();
        }
    }
}
