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
    /// When each has something to do. What has become untrue is mended when it comes up.
    ready: BinaryHeap<Reverse<(Moment, HostId)>>,
    crew: Crew,
}

impl Schedule {
    /// No hosts, to be run by so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self { hosts: Arc::default(), ready: BinaryHeap::new(), crew: Crew::new(threads) }
    }

    /// One more host.
    #[expect(clippy::expect_used, reason = "outside of a window nobody else has the hosts")]
    pub(super) fn add(&mut self, host: Host) {
        Arc::get_mut(&mut self.hosts).expect("hosts are added between windows").push(Mutex::new(host));
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
            self.ready.push(Reverse((next, host)));
        }
        result
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Moment> {
        self.ready.peek().map(|Reverse((at, _))| *at)
    }

    /// Everything that happens before `until`; what is sent meanwhile arrives later.
    pub(super) fn run(&mut self, until: Moment, topology: &Arc<Topology>) -> Happened {
        let due = self.take_due(until);
        let Done { events, facts, sent, next } = self.crew.run(until, topology, &self.hosts, due);
        self.ready.extend(next.into_iter().map(Reverse));
        self.deliver(sent);
        Happened { events, facts }
    }

    /// Who has something to do before `until`.
    fn take_due(&mut self, until: Moment) -> Vec<HostId> {
        let mut due = Vec::new();
        while self.next().is_some_and(|next| next < until) {
            due.extend(self.ready.pop().map(|Reverse((_, host))| host));
        }
        // The authority first, which has most to do.
        due.sort_unstable();
        due.dedup();
        due
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
            let at = entry.at;
            let sooner = host.next().is_none_or(|next| at < next);
            host.port.queue.push(Reverse(entry));
            if sooner {
                self.ready.push(Reverse((at, to)));
            }
        }
    }
}
