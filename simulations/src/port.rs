//! Where a host is attached to the network: what waits for it, and what it sends.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BinaryHeap;

use lanyard_protocol::time::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::event::{Entry, Event, HostId, Local, Packet};
use crate::fact::{Fact, Observed};
use crate::link::{Journey, Link};
use crate::moment::Moment;
use crate::trace::{Step, Trace};

/// Bytes around a message: headers of all layers below.
pub(crate) const OVERHEAD: usize = 60;

/// How hosts are attached, and who is on which side of a cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topology {
    pub(crate) links: Vec<Link>,
    pub(crate) sides: Vec<u16>,
}

impl Topology {
    /// The path between two hosts, unless the network is cut between them.
    pub(crate) fn path(&self, one: HostId, other: HostId) -> Option<Link> {
        let (a, b) = (self.links.get(one.index())?, self.links.get(other.index())?);
        (self.sides[one.index()] == self.sides[other.index()]).then(|| a.and(b))
    }
}

/// What a host has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// Messages.
    pub messages: u64,
    /// Bytes, with headers.
    pub bytes: u64,
    /// Messages that never arrived.
    pub lost: u64,
}

/// A message on its way.
pub(crate) struct Sent {
    pub(crate) to: HostId,
    pub(crate) entry: Entry,
}

/// Stands between a host and the network, as a test puts it there to see whether what it does is found.
pub trait Gate: Send {
    /// What becomes of a packet for another host: what is sent, and how much later; nothing if it is not sent.
    fn pass(&mut self, to: HostId, packet: Packet) -> Option<(Packet, Duration)>;
}

/// A host's port.
pub(crate) struct Port {
    pub(crate) host: HostId,
    /// Counts up with every restart: what belongs to an earlier life is dropped.
    pub(crate) life: u32,
    pub(crate) queue: BinaryHeap<Reverse<Entry>>,
    pub(crate) outbox: Vec<Sent>,
    pub(crate) facts: Vec<Observed>,
    pub(crate) trace: Trace,
    pub(crate) meter: Meter,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) gate: Option<Box<dyn Gate>>,
    entries: u64,
    links: u64,
    /// When the last byte has left that was sent so far.
    free: Moment,
}

impl Port {
    pub(crate) fn new(host: HostId, seed: [u8; 32]) -> Self {
        Self {
            host,
            life: 0,
            queue: BinaryHeap::new(),
            outbox: Vec::new(),
            facts: Vec::new(),
            trace: Trace::default(),
            meter: Meter::default(),
            rng: ChaCha20Rng::from_seed(seed),
            gate: None,
            entries: 0,
            links: 0,
            free: Moment::default(),
        }
    }

    /// A number that no other connection of this host has.
    pub(crate) const fn next_link(&mut self) -> u64 {
        self.links += 1;
        self.links
    }

    /// Has something of the host's own happen.
    pub(crate) fn later(&mut self, at: Moment, local: Local) {
        self.put(at, Event::Local(self.life, local));
    }

    /// Sends a packet to another host, if there is a way.
    pub(crate) fn send(&mut self, at: Moment, to: HostId, packet: Packet, topology: &Topology) {
        let passed = match &mut self.gate {
            Some(gate) => gate.pass(to, packet),
            None => Some((packet, Duration::ZERO)),
        };
        let Some((packet, late)) = passed else { return };
        let size = packet.bytes().len();
        self.note(at, packet.name(), Some(to), packet.bytes());
        self.meter.messages += 1;
        self.meter.bytes += (size + OVERHEAD) as u64;
        let Some(path) = topology.path(self.host, to) else {
            self.meter.lost += 1;
            return;
        };
        let leaves = self.free.max(at).after(path.occupies(size + OVERHEAD));
        self.free = leaves;
        // A connection ends after what was said on it.
        let last = matches!(packet, Packet::Close { .. } | Packet::End { .. });
        let leaves = if last { leaves.after(path.spread()) } else { leaves };
        let journey = if matches!(packet, Packet::Announce { .. }) {
            path.cast(size, &mut self.rng)
        } else {
            path.carry(size, &mut self.rng)
        };
        self.forward(to, packet, leaves.after(late), journey);
    }

    fn forward(&mut self, to: HostId, packet: Packet, leaves: Moment, journey: Journey) {
        let Some(first) = journey.first else {
            self.meter.lost += 1;
            return;
        };
        let again =
            journey.second.filter(|_| packet.may_repeat()).and_then(|after| Some((after, packet.copy()?)));
        for (after, packet) in [(first, packet)].into_iter().chain(again) {
            let event = Event::Arrived(self.host, packet);
            let entry = self.entry(leaves.after(after), event);
            self.outbox.push(Sent { to, entry });
        }
    }

    /// Has an event happen at this host.
    pub(crate) fn put(&mut self, at: Moment, event: Event) {
        let entry = self.entry(at, event);
        self.queue.push(Reverse(entry));
    }

    fn entry(&mut self, at: Moment, event: Event) -> Entry {
        self.entries += 1;
        Entry { at, source: self.host, number: self.entries, event }
    }

    /// Takes note of a step.
    pub(crate) fn note(&mut self, at: Moment, what: &'static str, with: Option<HostId>, bytes: &[u8]) {
        self.trace.note(Step { at, host: self.host, what, with, size: bytes.len() }, bytes);
    }

    /// Takes note of a step that has a number and no bytes.
    pub(crate) fn count(&mut self, at: Moment, what: &'static str, number: u64) {
        let size = usize::try_from(number).unwrap_or(usize::MAX);
        self.trace.note(Step { at, host: self.host, what, with: None, size }, &number.to_le_bytes());
    }

    /// Takes note of a fact.
    pub(crate) fn observe(&mut self, at: Moment, now: Timestamp, fact: Fact) {
        self.facts.push(Observed { at, host: self.host, now, fact });
    }

    /// When the next thing of those that wait happens.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.queue.peek().map(|Reverse(entry)| entry.at)
    }

    /// The next thing of those that wait, if it happens before `until`.
    pub(crate) fn pop(&mut self, until: Moment) -> Option<Entry> {
        if self.next()? >= until {
            return None;
        }
        self.queue.pop().map(|Reverse(entry)| entry)
    }

    /// A number less than `count`, and 0 if there is none.
    pub(crate) fn pick(&mut self, count: usize) -> usize {
        crate::link::pick(count, &mut self.rng)
    }

    /// A duration of at most `most`.
    pub(crate) fn up_to(&mut self, most: Duration) -> Duration {
        crate::link::up_to(most, &mut self.rng)
    }
}
