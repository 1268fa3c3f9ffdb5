//! Hosts in as many parts as there are threads.

use core::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::event::HostId;
use crate::fact::Observed;
use crate::host::Host;
use crate::moment::Moment;
use crate::port::{Sent, Topology};

/// Hosts with something to do in a window, up to which it is not worth to wake another thread.
const ALONE: usize = 6;

/// What happened in a window.
#[derive(Default)]
pub(super) struct Done {
    pub(super) events: u64,
    pub(super) facts: Vec<Observed>,
}

/// Some hosts, and which of them has something to do next.
#[derive(Default)]
struct Shard {
    hosts: Vec<Host>,
    /// When each has something to do, by its place in `hosts`. What has become untrue is mended when it comes up.
    ready: BinaryHeap<Reverse<(Moment, usize)>>,
    /// Those that have something to do in the window.
    due: Vec<usize>,
    sent: Vec<Sent>,
    done: Done,
}

impl Shard {
    fn next(&self) -> Option<Moment> {
        self.ready.peek().map(|Reverse((at, _))| *at)
    }

    /// Finds out who has something to do before `until`.
    fn gather(&mut self, until: Moment) -> usize {
        self.due.clear();
        while self.next().is_some_and(|next| next < until) {
            if let Some(Reverse((_, place))) = self.ready.pop() {
                self.due.push(place);
            }
        }
        self.due.sort_unstable();
        self.due.dedup();
        self.due.len()
    }

    fn run(&mut self, until: Moment, topology: &Topology) {
        for place in core::mem::take(&mut self.due) {
            let host = &mut self.hosts[place];
            self.done.events += host.run(until, topology);
            self.sent.append(&mut host.port.outbox);
            self.done.facts.append(&mut host.port.facts);
            self.schedule(place);
        }
    }

    fn schedule(&mut self, place: usize) {
        if let Some(next) = self.hosts[place].next() {
            self.ready.push(Reverse((next, place)));
        }
    }
}

/// One window's work for a thread.
struct Job {
    until: Moment,
    topology: Arc<Topology>,
}

/// A thread with a shard of its own.
struct Worker {
    jobs: Sender<Job>,
    done: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// All hosts.
pub(super) struct Shards {
    shards: Vec<Arc<Mutex<Shard>>>,
    /// One for each shard but the first, which the caller's thread runs.
    workers: Vec<Worker>,
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shards {
    pub(super) fn new(threads: usize) -> Self {
        let shards: Vec<Arc<Mutex<Shard>>> = (0..threads.max(1)).map(|_| Arc::default()).collect();
        let workers = shards.iter().skip(1).map(|shard| Worker::new(Arc::clone(shard))).collect();
        Self { shards, workers }
    }

    const fn place(&self, host: HostId) -> (usize, usize) {
        let threads = self.shards.len();
        (host.index() % threads, host.index() / threads)
    }

    pub(super) fn add(&self, host: Host) {
        let (shard, _) = self.place(host.port.host);
        lock(&self.shards[shard]).hosts.push(host);
    }

    /// Does something with a host, which may then have something to do.
    pub(super) fn with<T>(&self, host: HostId, f: impl FnOnce(&mut Host) -> T) -> T {
        let (shard, place) = self.place(host);
        let mut shard = lock(&self.shards[shard]);
        let before = shard.hosts[place].next();
        let result = f(&mut shard.hosts[place]);
        if shard.hosts[place].next() != before {
            shard.schedule(place);
        }
        result
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Moment> {
        self.shards.iter().filter_map(|shard| lock(shard).next()).min()
    }

    /// Everything that happens before `until`; what is sent meanwhile arrives later.
    pub(super) fn run(&self, until: Moment, topology: &Arc<Topology>) -> Done {
        let due: Vec<usize> = self.shards.iter().map(|shard| lock(shard).gather(until)).collect();
        let together = due.iter().filter(|due| **due > 0).count() > 1 && due.iter().sum::<usize>() > ALONE;
        if together {
            for worker in &self.workers {
                worker.begin(Job { until, topology: Arc::clone(topology) });
            }
            lock(&self.shards[0]).run(until, topology);
            for worker in &self.workers {
                worker.wait();
            }
        } else {
            for shard in &self.shards {
                lock(shard).run(until, topology);
            }
        }
        let mut done = Done::default();
        let mut sent = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            sent.append(&mut shard.sent);
            done.events += core::mem::take(&mut shard.done.events);
            done.facts.append(&mut shard.done.facts);
        }
        self.deliver(sent);
        done
    }

    /// What a host did outside of any window.
    pub(super) fn collect(&self, host: HostId) -> Vec<Observed> {
        let (sent, facts) = self.with(host, |host| {
            (core::mem::take(&mut host.port.outbox), core::mem::take(&mut host.port.facts))
        });
        self.deliver(sent);
        facts
    }

    fn deliver(&self, sent: Vec<Sent>) {
        for Sent { to, entry } in sent {
            let (shard, place) = self.place(to);
            let mut shard = lock(&self.shards[shard]);
            // An address at which there is no host.
            if let Some(host) = shard.hosts.get_mut(place) {
                let at = entry.at;
                let sooner = host.next().is_none_or(|next| at < next);
                host.port.queue.push(Reverse(entry));
                if sooner {
                    shard.ready.push(Reverse((at, place)));
                }
            }
        }
    }
}

impl Worker {
    fn new(shard: Arc<Mutex<Shard>>) -> Self {
        let (jobs, todo) = channel::<Job>();
        let (report, done) = channel();
        let thread = std::thread::spawn(move || {
            while let Ok(Job { until, topology }) = todo.recv() {
                lock(&shard).run(until, &topology);
                if report.send(()).is_err() {
                    break;
                }
            }
        });
        Self { jobs, done, thread: Some(thread) }
    }

    fn begin(&self, job: Job) {
        // A thread that has panicked is found by `wait`.
        let _ = self.jobs.send(job);
    }

    #[expect(clippy::panic, reason = "a thread that is gone has panicked, and so does the run")]
    fn wait(&self) {
        if self.done.recv().is_err() {
            panic!("a thread of the simulation has panicked");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let (jobs, _) = channel();
        self.jobs = jobs;
        if let Some(thread) = self.thread.take() {
            // Its panic was reported where it was waited for.
            let _ = thread.join();
        }
    }
}
