//! All hosts, and the order in which things happen to them.
//!
//! Hosts hear of each other only after a link's latency at least. So within a window as long as the least latency of
//! all links what happens at one host cannot matter to another, and hosts can be run on several threads: each does what
//! happens to it in the window, and what it has sent is handed over when all are done. Everything is ordered by time,
//! then by who caused it, then by that one's count; so the same seed gives the same run, with one thread or with many.

mod crew;
mod schedule;

use core::num::NonZeroUsize;
use core::time::Duration;
use std::sync::Arc;

use lanyard_protocol::certificate::Verified;
use lanyard_protocol::identity::NodeId;

use self::schedule::Schedule;
use crate::adversary::Adversary;
use crate::disk::Disk;
use crate::event::{Event, HostId, Packet, Wish};
use crate::fact::Observed;
use crate::host::{Host, NodeOptions};
use crate::link::{LATENCY_MIN, Link};
use crate::moment::Moment;
use crate::port::{Gate, Meter, Topology};
use crate::trace::Step;

/// How long a keep-alive takes to find that the other end of a connection is not there: two pings in vain.
const DEAD_AFTER: Duration = Duration::from_secs(40);

/// Certificates that the whole world need not verify again. What a node believes is the same whoever has verified it, and
/// ten thousand nodes that each meet ten others would verify each certificate twenty times.
const CERTIFICATES: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// What becomes of batches that a disk was given and has not confirmed, when its host ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// They are lost.
    None,
    /// The first few of them happen to be there.
    Some,
    /// They are there.
    All,
}

/// Some hosts on a network, in virtual time.
pub struct World {
    schedule: Schedule,
    topology: Arc<Topology>,
    now: Moment,
    /// The least latency of all links.
    horizon: Duration,
    /// When keep-alives find what is dead.
    probes: Vec<Moment>,
    seed: [u8; 32],
    verified: Verified,
    facts: Vec<Observed>,
    events: u64,
}

impl World {
    /// A network without hosts, on so many threads.
    #[must_use]
    pub fn new(seed: u64, threads: usize) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"lanyard simulation").update(&seed.to_le_bytes());
        Self {
            schedule: Schedule::new(threads),
            topology: Arc::default(),
            now: Moment::default(),
            horizon: Duration::from_secs(1),
            probes: Vec::new(),
            seed: *hasher.finalize().as_bytes(),
            verified: Verified::with_capacity(CERTIFICATES),
            facts: Vec::new(),
            events: 0,
        }
    }

    /// The seed, for whoever draws besides.
    #[must_use]
    pub const fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The moment.
    #[must_use]
    pub const fn now(&self) -> Moment {
        self.now
    }

    /// How many hosts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.topology.links.len()
    }

    /// Whether there is no host.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many things have happened.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Every host.
    pub fn hosts(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).map(HostId)
    }

    /// One more host, on which nobody runs yet.
    pub fn add(&mut self, link: Link, options: NodeOptions) -> HostId {
        let id = HostId(u32::try_from(self.len()).unwrap_or(u32::MAX));
        let topology = Arc::make_mut(&mut self.topology);
        topology.links.push(link);
        topology.sides.push(0);
        self.horizon = self.horizon.min(link.latency.max(LATENCY_MIN));
        self.schedule.add(Host::new(id, &self.seed, options, self.verified.clone()));
        id
    }

    /// Puts another disk into a host that does not run.
    pub fn set_disk(&mut self, host: HostId, disk: Box<dyn Disk>) {
        self.schedule.with(host, |host| host.set_disk(disk));
    }

    /// Puts something between a host and the network.
    pub fn set_gate(&mut self, host: HostId, gate: Box<dyn Gate>) {
        self.schedule.with(host, |host| host.port.gate = Some(gate));
    }

    /// Starts a host's node, unless it runs.
    pub fn start(&mut self, host: HostId) {
        let (now, topology) = (self.now, Arc::clone(&self.topology));
        self.schedule.with(host, |host| host.start(now, &topology));
        self.collect(host);
    }

    /// Lets an adversary in on a host of its own.
    pub fn admit(&mut self, host: HostId, adversary: Box<dyn Adversary>) {
        let (now, topology) = (self.now, Arc::clone(&self.topology));
        self.schedule.with(host, |host| host.admit(adversary, now, &topology));
        self.collect(host);
    }

    /// Ends a host's node at once: as `kill -9` does, or as a power cut does, of which nobody is told.
    pub fn crash(&mut self, host: HostId, kept: Kept, power_cut: bool) {
        let (now, topology) = (self.now, Arc::clone(&self.topology));
        self.schedule.with(host, |host| {
            let unsynced = host.unsynced();
            let kept = match kept {
                Kept::None => 0,
                Kept::Some => host.port.pick(unsynced + 1),
                Kept::All => unsynced,
            };
            host.crash(kept, !power_cut, now, &topology);
        });
        self.collect(host);
        if power_cut {
            self.probe_later();
        }
    }

    /// Cuts the network: each host is on the side that it is given, and hears of no other.
    pub fn cut(&mut self, side: impl Fn(HostId) -> u16) {
        let hosts = self.hosts();
        let topology = Arc::make_mut(&mut self.topology);
        for host in hosts {
            topology.sides[host.index()] = side(host);
        }
        self.probe_later();
    }

    /// On which side of a cut a host is.
    #[must_use]
    pub fn side(&self, host: HostId) -> u16 {
        self.topology.sides[host.index()]
    }

    /// Attaches a host in another way. Its latency is no less than the least that the run began with.
    pub fn set_link(&mut self, host: HostId, link: Link) {
        let latency = link.latency.max(self.horizon);
        Arc::make_mut(&mut self.topology).links[host.index()] = Link { latency, ..link };
    }

    /// How a host is attached.
    #[must_use]
    pub fn link(&self, host: HostId) -> Link {
        self.topology.links[host.index()]
    }

    /// Sets a host's wall clock by so many milliseconds.
    pub fn set_clock(&mut self, host: HostId, by: i64) {
        let now = self.now;
        self.schedule.with(host, |host| host.set_clock(by, now));
    }

    /// By how much a host's wall clock is wrong.
    #[must_use]
    pub fn clock_error(&self, host: HostId) -> Duration {
        let now = self.now;
        self.schedule.look(host, |host| host.clock_error(now))
    }

    /// Fills a host's disk, or makes room on it.
    pub fn set_room(&mut self, host: HostId, room: bool) {
        self.schedule.with(host, |host| host.set_room(room));
    }

    /// A user of a host will want something at the moment `at`, which has the number `order`. Says whether a node runs
    /// there now; if it has ended by then, nothing comes of it.
    pub fn order(&mut self, host: HostId, at: Moment, order: u64, wish: Wish) -> bool {
        let at = at.max(self.now);
        self.schedule.with(host, |host| host.order(at, order, wish))
    }

    /// A host's node, if one runs there.
    #[must_use]
    pub fn node(&self, host: HostId) -> Option<NodeId> {
        self.schedule.look(host, |host| host.node())
    }

    /// Whether a host's node lists `node` as one whose membership was taken away; nothing if none runs.
    #[must_use]
    pub fn denies(&self, host: HostId, node: NodeId) -> Option<bool> {
        self.schedule.look(host, |host| host.snapshot().map(|snapshot| snapshot.denies(node)))
    }

    /// What a host has sent.
    #[must_use]
    pub fn meter(&self, host: HostId) -> Meter {
        self.schedule.look(host, |host| host.port.meter)
    }

    /// `to` sees by multicast that the node of `from` is there.
    pub fn announce(&mut self, from: HostId, to: HostId) {
        let (Some(node), Some(path)) = (self.node(from), self.topology.path(from, to)) else { return };
        let now = self.now;
        self.schedule.with(to, |host| {
            let journey = path.cast(100, &mut host.port.rng);
            for after in journey.first.into_iter().chain(journey.second) {
                let packet = Packet::Announce { node, addresses: vec![from.control()] };
                host.port.put(now.after(after), Event::Arrived(from, packet));
            }
        });
    }

    /// Runs until `end`, or for one window if that is sooner; says whether it is `end` now. What has been observed is to
    /// be taken before the next.
    pub fn advance(&mut self, end: Moment) -> bool {
        let next = self.schedule.next().into_iter().chain(self.probes.iter().copied()).min();
        let Some(next) = next.filter(|next| *next < end) else {
            self.now = end;
            return true;
        };
        if self.probes.iter().any(|probe| *probe <= next) {
            self.now = self.now.max(next);
            self.probe();
            return false;
        }
        // Hosts may differ by less than the latency of the links between them.
        let until = next.after(self.horizon).min(end);
        let done = self.schedule.run(until, &self.topology);
        self.events += done.events;
        self.facts.extend(done.facts);
        self.now = self.now.max(until);
        false
    }

    /// What was observed since the last time, by when it was.
    pub fn observed(&mut self) -> Vec<Observed> {
        let mut facts = core::mem::take(&mut self.facts);
        facts.sort_by_key(|fact| (fact.at, fact.host));
        facts
    }

    /// The hash of everything that has happened, as 64 hexadecimal digits.
    #[must_use]
    pub fn trace_hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for host in self.hosts() {
            hasher.update(&self.schedule.look(host, |host| host.port.trace.digest()));
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The last steps of some hosts, by when they were.
    #[must_use]
    pub fn recent(&self, hosts: &[HostId]) -> Vec<Step> {
        let mut steps: Vec<Step> = hosts
            .iter()
            .flat_map(|host| {
                self.schedule.look(*host, |host| host.port.trace.recent().cloned().collect::<Vec<_>>())
            })
            .collect();
        steps.sort_by_key(|step| (step.at, step.host));
        steps
    }

    /// Keeps every step of every host from now on.
    pub fn keep_all_steps(&mut self) {
        for host in self.hosts() {
            self.schedule.with(host, |host| host.port.trace.keep_all());
        }
    }

    /// What was observed while a host was started or ended, and what it then sent.
    fn collect(&mut self, host: HostId) {
        let facts = self.schedule.collect(host);
        self.facts.extend(facts);
    }

    fn probe_later(&mut self) {
        self.probes.push(self.now.after(DEAD_AFTER));
    }

    /// Connections whose other end is gone or out of reach end.
    fn probe(&mut self) {
        let now = self.now;
        self.probes.retain(|probe| *probe > now);
        for host in self.hosts() {
            for (link, with) in self.schedule.look(host, |host| host.links()) {
                let there = self.schedule.look(with, |host| host.has(link));
                if !there || self.topology.path(host, with).is_none() {
                    self.schedule.with(host, |host| host.lose(link, with, now));
                }
            }
        }
    }
}
