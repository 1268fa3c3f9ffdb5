//! A node of the run: the real engine, and what its host does around it.

mod plane;
mod wires;

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use lanyard_protocol::access::{Policy, PolicyPart};
use lanyard_protocol::certificate::VerifiedCertificate;
use lanyard_protocol::control::{Caller, Failure};
use lanyard_protocol::engine::{CommandId, Engine, Finished, Output, PersistId, Work};
use lanyard_protocol::enrolment::stretch;
use lanyard_protocol::identity::NodeId;
use lanyard_protocol::label::Digest;
use lanyard_protocol::message;
use lanyard_protocol::people::Actor;
use lanyard_protocol::record::Write;
use lanyard_protocol::snapshot::Snapshot;
use lanyard_protocol::time::Timestamp;

use self::plane::Plane;
use self::wires::Wires;
use crate::clock::HostClock;
use crate::disk::Disk;
use crate::event::{Entry, Event, FinishedWork, HostId, Local, Packet, Wish};
use crate::fact::{Certified, Fact};
use crate::moment::Moment;
use crate::port::{OVERHEAD, Port, Topology};

/// How long a disk takes to make a batch durable, at least and at most: a solid-state disk of a small machine.
const SYNC: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(4));

/// How long Argon2id takes.
const STRETCH: Duration = Duration::from_millis(150);

/// Of how many events one is followed by a look at whether deadlines come early.
const EARLY_LOOK: u64 = 64;

/// What a node works with while something happens to it.
pub(crate) struct Scene<'a> {
    pub(crate) at: Moment,
    pub(crate) port: &'a mut Port,
    pub(crate) disk: &'a mut dyn Disk,
    pub(crate) clock: &'a mut HostClock,
    pub(crate) topology: &'a Topology,
}

impl Scene<'_> {
    pub(crate) fn send(&mut self, to: HostId, packet: Packet) {
        self.port.send(self.at, to, packet, self.topology);
    }

    fn after(&mut self, wait: Duration, local: Local) {
        self.port.later(self.at.after(wait), local);
    }

    fn observe(&mut self, fact: Fact) {
        let now = self.clock.now(self.at);
        self.port.observe(self.at, now, fact);
    }

    fn now(&self) -> Timestamp {
        self.clock.now(self.at)
    }
}

/// Who waits for a command.
struct Order {
    number: u64,
    began: Moment,
    /// For a wish for a channel: what is wanted, and whether it was tried before.
    channel: Option<plane::Wanted>,
}

/// A running node.
pub(crate) struct Node {
    engine: Engine,
    wires: Wires,
    plane: Plane,
    orders: BTreeMap<CommandId, Order>,
    commands: u64,
    snapshot: Arc<Snapshot>,
    certified: Option<Digest>,
    epoch: u64,
    /// The version of the policy that it goes by.
    policy: u64,
    /// When the last batch becomes durable: they do in order.
    synced: Moment,
    events: u64,
    /// The next deadline.
    timer: Option<Moment>,
}

impl Node {
    /// A node that has just been started with `engine`.
    pub(crate) fn start(engine: Engine, scene: &mut Scene<'_>) -> Self {
        let (snapshot, node) = (engine.snapshot(), engine.node_id());
        let mut started = Self {
            engine,
            wires: Wires::default(),
            plane: Plane::default(),
            orders: BTreeMap::new(),
            commands: 0,
            certified: None,
            epoch: 0,
            policy: 0,
            synced: scene.at,
            events: 0,
            timer: None,
            snapshot,
        };
        let (member, epoch) = (started.snapshot.certificate().is_some(), started.list_epoch());
        let policy = started.snapshot.policy().map_or(0, Policy::epoch);
        scene.observe(Fact::Started { node, member, epoch, policy });
        started.drain(scene);
        let now = started.look_at_clock(scene);
        let host = scene.port.host;
        started.engine.handle_listening(vec![host.control()], vec![host.lane()], now);
        started.settle(scene);
        started
    }

    /// The node's id.
    pub(crate) fn id(&self) -> NodeId {
        self.engine.node_id()
    }

    /// What its data plane works by.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Its connections: which, and with which host.
    pub(crate) fn links(&self) -> impl Iterator<Item = (crate::event::LinkId, HostId)> {
        self.wires.links()
    }

    /// When something happens here that nobody sends.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.timer.into_iter().chain(self.wires.overdue()).min()
    }

    /// Something has happened.
    pub(crate) fn feed(&mut self, entry: Entry, scene: &mut Scene<'_>) {
        let now = self.look_at_clock(scene);
        match entry.event {
            Event::Arrived(from, packet) => {
                scene.port.note(scene.at, packet.name(), Some(from), packet.bytes());
                self.arrived(from, packet, now, scene);
            }
            Event::Local(life, local) if life == scene.port.life => self.local(local, now, scene),
            Event::Local(..) => return,
        }
        self.settle(scene);
    }

    /// A deadline has come, of the engine's or of the transport's.
    pub(crate) fn tick(&mut self, scene: &mut Scene<'_>) {
        let now = self.look_at_clock(scene);
        while let Some(request) = self.wires.take_overdue(scene.at) {
            scene.port.count(scene.at, "no answer", request.0);
            self.engine.handle_request_failed(request, now);
            self.drain(scene);
        }
        if self.timer.is_some_and(|timer| timer <= scene.at) {
            scene.port.note(scene.at, "deadline", None, &[]);
            self.engine.handle_timeout(now);
            if let Some((deadline, why)) = self.engine.poll_timeout().filter(|(deadline, _)| *deadline <= now)
            {
                let broken = format!("at {now} the deadline of {deadline} ({why}) was not acted on");
                scene.observe(Fact::Broken(broken));
            }
        }
        self.settle(scene);
    }

    /// Carries out what the engine wants, and sets the next alarm.
    fn settle(&mut self, scene: &mut Scene<'_>) {
        self.drain(scene);
        self.events += 1;
        if self.events.is_multiple_of(EARLY_LOOK) {
            self.look_early(scene);
        }
        let now = scene.now();
        let deadline = self.engine.poll_timeout().map(|(deadline, _)| deadline);
        self.timer = deadline.map(|deadline| {
            let wait = u64::try_from(deadline.since(now).as_millis()).unwrap_or(u64::MAX);
            // One that stands still has been reported; it must not stop the run.
            scene.at.after_millis(wait.max(1))
        });
    }

    /// Whatever `handle_timeout` would do before the next deadline is a deadline that `poll_timeout` does not tell.
    fn look_early(&mut self, scene: &mut Scene<'_>) {
        let (now, before) = (scene.now(), self.engine.poll_timeout());
        if before.is_some_and(|(deadline, _)| deadline <= now) {
            return;
        }
        self.engine.handle_timeout(now);
        let output = self.engine.poll_output();
        if output.is_some() || self.engine.poll_timeout() != before {
            let broken = format!("at {now}, before its deadline {before:?}, a timeout did {output:?}");
            scene.observe(Fact::Broken(broken));
        }
        self.carry_out(output, scene);
        self.drain(scene);
    }

    fn look_at_clock(&mut self, scene: &mut Scene<'_>) -> Timestamp {
        self.engine.handle_clock(scene.clock.wall(scene.at), HostClock::steady(scene.at));
        self.drain(scene);
        scene.now()
    }

    fn local(&mut self, local: Local, now: Timestamp, scene: &mut Scene<'_>) {
        match local {
            Local::Synced(id) => {
                let durable = scene.disk.sync();
                scene.port.count(scene.at, "synced", id.0);
                self.engine.handle_persisted(id, durable, now);
            }
            Local::Unwritten(id) => {
                scene.port.count(scene.at, "not written", id.0);
                self.engine.handle_persisted(id, false, now);
            }
            Local::Worked(id, FinishedWork(finished)) => self.engine.handle_work(id, finished, now),
            Local::Unsent(request) => self.engine.handle_request_failed(request, now),
            Local::DialOver(dial) => {
                if self.wires.give_up(dial, scene) {
                    self.engine.handle_dial_failed(dial, now);
                }
            }
            Local::Gone(node) => self.engine.handle_disconnected(node, now),
            Local::Idle(link) => self.wires.look_whether_idle(link, scene),
            Local::Order { order, wish } => self.order(order, wish, now, scene),
            Local::Lapse { requester, channel } => self.lapse(requester, channel, now, scene),
            Local::Leave { channel } => self.plane.leave(channel, scene),
            Local::Unpresented { channel } => self.not_presented(channel, scene),
            Local::Look => {}
        }
    }

    fn order(&mut self, number: u64, wish: Wish, now: Timestamp, scene: &mut Scene<'_>) {
        self.commands += 1;
        let id = CommandId(self.commands);
        scene.port.count(scene.at, "order", number);
        let order = |channel| Order { number, began: scene.at, channel };
        match wish {
            Wish::Command(command) => {
                self.orders.insert(id, order(None));
                self.engine.handle_command(id, Caller::NODE, *command, now);
            }
            Wish::Open(service, hold) => {
                let wanted = plane::Wanted { service: service.clone(), hold, retried: false };
                self.orders.insert(id, order(Some(wanted)));
                self.engine.handle_open(id, Actor::Node, service, now);
            }
        }
    }

    fn drain(&mut self, scene: &mut Scene<'_>) {
        while let Some(output) = self.engine.poll_output() {
            self.carry_out(Some(output), scene);
        }
    }

    fn carry_out(&mut self, output: Option<Output>, scene: &mut Scene<'_>) {
        let Some(output) = output else { return };
        match output {
            Output::Request { id, to, message } => {
                self.count_told(to, &message, scene);
                self.wires.request(id, to, message, scene);
            }
            Output::Respond { to, message } => {
                if let Some(heard) = heard(&message)
                    && let Some(peer) = self.wires.asker(to)
                {
                    if heard == REVOCATIONS {
                        self.confirmed(&message, scene);
                    }
                    if heard == POLICY {
                        scene.observe(Fact::PolicyTaken { bytes: size(&message) });
                    }
                    scene.observe(Fact::Heard { peer, what: heard });
                }
                self.wires.respond(to, Some(message), scene);
            }
            Output::Ignore { to } => self.wires.respond(to, None, scene),
            Output::Connect { id, peer, addresses } => {
                let node = self.id();
                self.wires.dial(id, node, peer, &addresses, scene);
            }
            Output::Persist { id, writes } => self.persist(id, writes, scene),
            Output::Work { id, work: Work::Stretch { secret, salt } } => {
                let finished = FinishedWork(Finished::Stretched(stretch(&secret, &salt)));
                scene.after(STRETCH, Local::Worked(id, finished));
            }
            Output::Answer { to, result } => {
                if let Some(Order { number, began, .. }) = self.orders.remove(&to) {
                    let (took, result) = (scene.at.since(began), result.map(Box::new));
                    scene.observe(Fact::Answered { order: number, result, took });
                }
            }
            Output::Channel { to, result } => self.granted(to, result, scene),
            Output::Snapshot(snapshot) => self.publish(snapshot, scene),
            Output::SignedTime(signed) => scene.clock.raise(signed, scene.at),
            // What was decided is observed by its effects.
            Output::Audit(_) => {}
            // The limits of the transport are not simulated.
            Output::Certified { peer, keep, .. } => self.wires.keep(peer, keep),
            Output::Disconnect { peer } => self.wires.disconnect(peer, scene),
        }
    }

    fn persist(&mut self, id: PersistId, writes: Vec<Write>, scene: &mut Scene<'_>) {
        let bytes = writes.iter().map(|write| write.value.as_ref().map_or(0, Vec::len)).sum::<usize>();
        scene.port.count(scene.at, "persist", bytes as u64);
        if scene.disk.write(writes) {
            let sync = SYNC.0 + scene.port.up_to(SYNC.1 - SYNC.0);
            self.synced = self.synced.max(scene.at).max(scene.at.after(sync));
            scene.port.later(self.synced, Local::Synced(id));
        } else {
            scene.after(SYNC.0, Local::Unwritten(id));
        }
    }

    fn publish(&mut self, snapshot: Arc<Snapshot>, scene: &mut Scene<'_>) {
        self.snapshot = snapshot;
        let epoch = self.list_epoch();
        if epoch != self.epoch {
            self.epoch = epoch;
            scene.observe(Fact::Epoch(epoch));
        }
        if let Some(policy) = self.snapshot.policy().filter(|policy| policy.epoch() != self.policy) {
            self.policy = policy.epoch();
            let text = blake3::hash(policy.text().as_bytes()).into();
            scene.observe(Fact::Policy { version: self.policy, text });
        }
        let digest = self.snapshot.certificate().map(VerifiedCertificate::digest);
        if let Some(certified) = Certified::of(&self.snapshot).filter(|_| digest != self.certified) {
            self.certified = digest;
            scene.observe(Fact::Certified(certified));
        }
        self.plane.recheck(&self.snapshot, scene);
    }

    /// The node has told another that its list is durable so far.
    fn confirmed(&self, message: &[u8], scene: &mut Scene<'_>) {
        if let Ok(message::Response::Revocations(epoch)) = message::parse(message) {
            scene.observe(Fact::Confirmed(epoch));
        }
    }

    /// A part of the policy is told to another, if that is what the frame is.
    fn count_told(&self, to: NodeId, frame: &[u8], scene: &mut Scene<'_>) {
        if let (Some(part), Some(to)) = (told(frame), self.wires.host(to)) {
            let (version, part) = (part.policy.head.epoch, part.number);
            scene.observe(Fact::PolicyTold { to, version, part, bytes: size(frame) });
        }
    }

    fn list_epoch(&self) -> u64 {
        self.snapshot.revocations().map_or(0, lanyard_protocol::revocation::RevocationList::epoch)
    }

    fn failed(&mut self, order: &Order, failure: Failure, scene: &mut Scene<'_>) {
        let took = scene.at.since(order.began);
        scene.observe(Fact::Opened { order: order.number, result: Err(failure), took });
    }
}

/// The answers that only members get, by the number that stands in their frames.
const REVOCATIONS: &str = "revocations";
const POLICY: &str = "policy";
const MEMBERS_ONLY: [(u8, &str); 7] =
    [(3, "hello"), (4, "found"), (5, "status"), (6, "grant"), (7, "pong"), (9, REVOCATIONS), (13, POLICY)];

/// The number of a request that tells a part of the policy.
const TELLS_POLICY: u8 = 10;

/// The part of the policy that a request tells, if it tells one.
fn told(frame: &[u8]) -> Option<PolicyPart> {
    if frame.get(1) != Some(&TELLS_POLICY) {
        return None;
    }
    match message::parse(frame) {
        Ok(message::Request::Policy(part)) => Some(part),
        Ok(_) | Err(_) => None,
    }
}

/// The bytes of a frame with headers.
fn size(frame: &[u8]) -> u64 {
    (frame.len() + OVERHEAD) as u64
}

/// What an answer tells, if it is one that only members get.
fn heard(frame: &[u8]) -> Option<&'static str> {
    let kind = *frame.get(1)?;
    MEMBERS_ONLY.iter().find(|(number, _)| *number == kind).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use lanyard_protocol::message::{PolicyTaken, Response, frame};
    use lanyard_protocol::reject::Reject;

    use super::*;

    #[test]
    fn tells_the_answers_that_only_members_get_from_the_rest() {
        assert_eq!(heard(&frame(&Response::Pong)), Some("pong"));
        assert_eq!(heard(&frame(&Response::Status(true))), Some("status"));
        assert_eq!(heard(&frame(&Response::Revocations(7))), Some(REVOCATIONS));
        let taken = PolicyTaken { epoch: 1, wants: None };
        assert_eq!(heard(&frame(&Response::Policy(taken))), Some("policy"));
        assert_eq!(heard(&frame(&Response::Reject(Reject::NotMember))), None);
        assert_eq!(heard(&frame(&Response::Waiting)), None);
        assert_eq!(heard(&[]), None);
    }
}
