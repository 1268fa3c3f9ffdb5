//! Every host, and which of them has something to do next.

use core::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex};

use super::crew::{Crew, Done, Hosts, lock};
use crate::event::HostId;
use crate::fact::Observed;
use crate::host::Host;
use crate::moment::Moment;
use crate::port::{Sent, Topology};

/// What happened in a window.
#[derive(Default)]
pub(super) struct Happened {
    pub(super) events: u64,
    pub(super) facts: Vec<Observed>,
}

/// All hosts.
pub(super) struct Schedule {
    hosts: Arc<Hosts>,
    ready: Ready,
    crew: Crew,
}

/// When each host has something to do. What has become untrue is mended when it comes up.
#[derive(Default)]
struct Ready {
    heap: BinaryHeap<Reverse<(Moment, HostId)>>,
    /// The first entry of each host in the heap, so that none is put in behind another of the same host.
    first: Vec<Option<Moment>>,
}

impl Ready {
    /// A host has something to do at a moment.
    fn add(&mut self, at: Moment, host: HostId) {
        let first = &mut self.first[host.index()];
        if first.is_none_or(|first| at < first) {
            *first = Some(at);
            self.heap.push(Reverse((at, host)));
        }
    }

    /// When something happens next.
    fn next(&self) -> Option<Moment> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Who has something to do before `until`.
    fn take(&mut self, until: Moment) -> Vec<HostId> {
        let mut due = Vec::new();
        while self.next().is_some_and(|next| next < until) {
            if let Some(Reverse((_, host))) = self.heap.pop()
                && self.first[host.index()].take_if(|first| *first < until).is_some()
            {
                due.push(host);
            }
        }
        // The authority first, which has most to do.
        due.sort_unstable();
        due
    }
}

impl Schedule {
    /// No hosts, to be run by so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self { hosts: Arc::default(), ready: Ready::default(), crew: Crew::new(threads) }
    }

    /// One more host.
    #[expect(clippy::expect_used, reason = "outside of a window nobody else has the hosts")]
    pub(super) fn add(&mut self, host: Host) {
        Arc::get_mut(&mut self.hosts).expect("hosts are added between windows").push(Mutex::new(host));
        self.ready.first.push(None);
    }

    /// Looks at a host.
    pub(super) fn look<T>(&self, host: HostId, f: impl FnOnce(&Host) -> T) -> T {
        f(&lock(&self.hosts[host.index()]))
    }

    /// Does something with a host, which may then have something to do.
    pub(super) fn with<T>(&mut self, host: HostId, f: impl FnOnce(&mut Host) -> T) -> T {
        let mut changed = lock(&self.hosts[host.index()]);
        let before = changed.next();
        let result = f(&mut changed);
        if let Some(next) = changed.next().filter(|next| Some(*next) != before) {
            self.ready.add(next, host);
        }
        result
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Moment> {
        self.ready.next()
    }

    /// Everything that happens before `until`; what is sent meanwhile arrives later.
    pub(super) fn run(&mut self, until: Moment, topology: &Arc<Topology>) -> Happened {
        let due = self.ready.take(until);
        let Done { events, facts, sent, next } = self.crew.run(until, topology, &self.hosts, due);
        for (at, host) in next {
            self.ready.add(at, host);
        }
        self.deliver(sent);
        Happened { events, facts }
    }

    /// What a host did outside of any window.
    pub(super) fn collect(&mut self, host: HostId) -> Vec<Observed> {
        let (sent, facts) = self.with(host, |host| {
            (core::mem::take(&mut host.port.outbox), core::mem::take(&mut host.port.facts))
        });
        self.deliver(sent);
        facts
    }

    fn deliver(&mut self, sent: Vec<Sent>) {
        for Sent { to, entry } in sent {
            // An address at which there is no host.
            let Some(host) = self.hosts.get(to.index()) else { continue };
            let mut host = lock(host);
            self.ready.add(entry.at, to);
            host.port.queue.push(Reverse(entry));
        }
    }
}
