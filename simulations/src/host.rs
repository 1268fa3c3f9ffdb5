//! A host: a port, a disk, clocks, and whoever runs on it.

use std::collections::BTreeMap;

use core::time::Duration;
use lanyard_protocol::certificate::Verified;
use lanyard_protocol::control::MachineId;
use lanyard_protocol::engine::{Engine, OnlineCheck, Setup};
use lanyard_protocol::identity::NodeId;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::adversary::{Adversary, Stage};
use crate::clock::HostClock;
use crate::disk::{Disk, MemoryDisk};
use crate::event::{Event, HostId, LinkId, Local, Packet, Wish};
use crate::fact::Fact;
use crate::moment::Moment;
use crate::node::{Node, Scene};
use crate::port::{Port, Topology};

/// How a host's node is set up.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Milliseconds that the wall clock is ahead; behind if negative.
    pub ahead: i64,
    /// Millionths that it is too fast; too slow if negative.
    pub drift: i32,
    /// Whether the processor has AES instructions.
    pub has_aes: bool,
    /// How far it asks the authority before it mints.
    pub online_check: OnlineCheck,
    /// How long the certificates live that it issues as an authority.
    pub leaf_life: Option<Duration>,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self { ahead: 0, drift: 0, has_aes: true, online_check: OnlineCheck::Never, leaf_life: None }
    }
}

/// Who runs on a host.
enum Tenant {
    Nobody,
    Node(Box<Node>),
    Adversary(Box<dyn Adversary>),
}

/// A host of the run.
pub(crate) struct Host {
    pub(crate) port: Port,
    tenant: Tenant,
    disk: Box<dyn Disk>,
    clock: HostClock,
    options: NodeOptions,
    verified: Verified,
    seed: [u8; 32],
    /// Whether packets that come to a host on which nobody runs are refused, or go unanswered.
    powered: bool,
}

impl Host {
    pub(crate) fn new(id: HostId, seed: &[u8; 32], options: NodeOptions, verified: Verified) -> Self {
        let own = |purpose: &str| {
            let mut hasher = blake3::Hasher::new_keyed(seed);
            hasher.update(purpose.as_bytes()).update(&id.0.to_le_bytes());
            *hasher.finalize().as_bytes()
        };
        Self {
            port: Port::new(id, own("port")),
            tenant: Tenant::Nobody,
            disk: Box::new(MemoryDisk::default()),
            clock: HostClock::new(options.ahead, options.drift),
            options,
            verified,
            seed: own("node"),
            powered: true,
        }
    }

    /// Puts another disk in, as a test does that has one which fails.
    pub(crate) fn set_disk(&mut self, disk: Box<dyn Disk>) {
        self.disk = disk;
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.tenant, Tenant::Node(_))
    }

    pub(crate) fn node(&self) -> Option<NodeId> {
        match &self.tenant {
            Tenant::Node(node) => Some(node.id()),
            Tenant::Nobody | Tenant::Adversary(_) => None,
        }
    }

    pub(crate) fn snapshot(&self) -> Option<&lanyard_protocol::snapshot::Snapshot> {
        match &self.tenant {
            Tenant::Node(node) => Some(node.snapshot()),
            Tenant::Nobody | Tenant::Adversary(_) => None,
        }
    }

    pub(crate) fn links(&self) -> BTreeMap<LinkId, HostId> {
        match &self.tenant {
            Tenant::Node(node) => node.links().collect(),
            Tenant::Nobody | Tenant::Adversary(_) => BTreeMap::new(),
        }
    }

    /// Whether this end of a connection is there. An adversary's always is.
    pub(crate) fn has(&self, link: LinkId) -> bool {
        match &self.tenant {
            Tenant::Node(node) => node.links().any(|(own, _)| own == link),
            Tenant::Nobody => false,
            Tenant::Adversary(_) => true,
        }
    }

    /// When something happens here next.
    pub(crate) fn next(&self) -> Option<Moment> {
        let own = match &self.tenant {
            Tenant::Node(node) => node.next(),
            Tenant::Nobody | Tenant::Adversary(_) => None,
        };
        own.into_iter().chain(self.port.next()).min()
    }

    /// Everything that happens here before `until`, in order; how much it was.
    pub(crate) fn run(&mut self, until: Moment, topology: &Topology) -> u64 {
        let mut events = 0;
        while let Some(next) = self.next().filter(|next| *next < until) {
            self.step(next, topology);
            events += 1;
        }
        events
    }

    fn step(&mut self, at: Moment, topology: &Topology) {
        let entry = match self.port.next() {
            Some(next) if next <= at => self.port.pop(at.after(Duration::from_micros(1))),
            Some(_) | None => None,
        };
        let Self { port, tenant, disk, clock, powered, .. } = self;
        let mut scene = Scene { at, port, disk: disk.as_mut(), clock, topology };
        match (tenant, entry) {
            (Tenant::Node(node), Some(entry)) => node.feed(entry, &mut scene),
            (Tenant::Node(node), None) => node.tick(&mut scene),
            (Tenant::Adversary(adversary), Some(entry)) => match entry.event {
                Event::Arrived(from, packet) => {
                    adversary.receive(from, packet, &mut Stage::new(&mut scene));
                }
                Event::Local(..) => adversary.wake(&mut Stage::new(&mut scene)),
            },
            (Tenant::Nobody, Some(entry)) => {
                if let (Event::Arrived(from, packet), true) = (entry.event, *powered) {
                    nobody_there(from, &packet, &mut scene);
                }
            }
            (Tenant::Adversary(_) | Tenant::Nobody, None) => {}
        }
    }

    /// Starts the node with what its disk holds.
    pub(crate) fn start(&mut self, at: Moment, topology: &Topology) {
        if !matches!(self.tenant, Tenant::Nobody) {
            return;
        }
        self.port.life += 1;
        self.powered = true;
        self.clock.forget();
        let mut seed = self.seed;
        for (byte, life) in seed.iter_mut().zip(self.port.life.to_le_bytes()) {
            *byte ^= life;
        }
        let setup = Setup {
            records: self.disk.records(),
            online_check: self.options.online_check,
            leaf_life: self.options.leaf_life,
            has_aes: self.options.has_aes,
            steady: HostClock::steady(at),
            verified: self.verified.clone(),
            machine: MachineId::new(&format!("machine {}", self.port.host.0)),
            ..Setup::default()
        };
        self.port.count(at, "start", self.port.life.into());
        let engine = Engine::new(setup, self.clock.wall(at), Box::new(ChaCha20Rng::from_seed(seed)));
        let Self { port, tenant, disk, clock, .. } = self;
        let mut scene = Scene { at, port, disk: disk.as_mut(), clock, topology };
        match engine {
            Ok(engine) => *tenant = Tenant::Node(Box::new(Node::start(engine, &mut scene))),
            Err(error) => {
                let now = scene.clock.now(at);
                scene.port.observe(at, now, Fact::Broken(format!("the node does not start: {error}")));
            }
        }
    }

    /// Lets an adversary in.
    pub(crate) fn admit(&mut self, mut adversary: Box<dyn Adversary>, at: Moment, topology: &Topology) {
        let Self { port, disk, clock, .. } = self;
        let mut scene = Scene { at, port, disk: disk.as_mut(), clock, topology };
        adversary.wake(&mut Stage::new(&mut scene));
        self.tenant = Tenant::Adversary(adversary);
    }

    /// The node is gone at once. Of what its disk was given and did not confirm, `kept` batches happen to be there. The
    /// kernel of a host whose process was killed closes its connections; one without power says nothing.
    pub(crate) fn crash(&mut self, kept: usize, powered: bool, at: Moment, topology: &Topology) {
        let links = self.links();
        let Tenant::Node(_) = core::mem::replace(&mut self.tenant, Tenant::Nobody) else { return };
        self.powered = powered;
        self.disk.crash(kept);
        self.port.count(at, "crash", kept as u64);
        for (link, host) in links.into_iter().filter(|_| powered) {
            self.port.send(at, host, Packet::Close { link }, topology);
        }
        let now = self.clock.now(at);
        self.port.observe(at, now, Fact::Stopped);
        // What belongs to the life that has ended.
        self.port.life += 1;
    }

    pub(crate) fn unsynced(&self) -> usize {
        self.disk.unsynced()
    }

    pub(crate) fn set_room(&mut self, room: bool) {
        self.disk.set_room(room);
    }

    /// Somebody sets the wall clock; the node looks at it within half a minute.
    pub(crate) fn set_clock(&mut self, by: i64, at: Moment) {
        self.clock.set(by);
        let wait = self.port.up_to(Duration::from_secs(30));
        self.port.later(at.after(wait), Local::Look);
    }

    /// By how much the wall clock is wrong.
    pub(crate) fn clock_error(&self, at: Moment) -> Duration {
        let (wall, right) = (self.clock.wall(at), at.wall());
        wall.since(right).max(right.since(wall))
    }

    /// A user of the host wants something; says whether there is a node that can be asked.
    pub(crate) fn order(&mut self, at: Moment, order: u64, wish: Wish) -> bool {
        if self.is_up() {
            self.port.later(at, Local::Order { order, wish });
        }
        self.is_up()
    }

    /// A keep-alive has found that the other end of a connection does not answer.
    pub(crate) fn lose(&mut self, link: LinkId, with: HostId, at: Moment) {
        let entry = Event::Arrived(with, Packet::Close { link });
        self.port.put(at, entry);
    }
}

/// What a host's kernel answers for nobody.
fn nobody_there(from: HostId, packet: &Packet, scene: &mut Scene<'_>) {
    match packet {
        Packet::Dial { link, .. } => scene.send(from, Packet::Refuse { link: *link }),
        Packet::Request { link, .. } | Packet::Response { link, .. } => {
            scene.send(from, Packet::Close { link: *link });
        }
        Packet::Announce { .. }
        | Packet::Accept { .. }
        | Packet::Refuse { .. }
        | Packet::Establish { .. }
        | Packet::Close { .. }
        | Packet::Present { .. }
        | Packet::Presented { .. }
        | Packet::End { .. } => {}
    }
}
