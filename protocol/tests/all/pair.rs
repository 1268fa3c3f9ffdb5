//! Engines that talk to each other in virtual time: no socket, no store, no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use lanyard_protocol::audit::Entry;
use lanyard_protocol::control::{
    Answer, Caller, Command, Failure, Init, InviteRequest, Join, Password, Visit,
};
use lanyard_protocol::engine::{
    ChannelGrant, CommandId, Connection, DialId, Engine, Finished, InboundId, OnlineCheck, Output, RequestId,
    Setup, Work, WorkId,
};
use lanyard_protocol::enrolment::stretch;
use lanyard_protocol::identity::{NodeId, Secret};
use lanyard_protocol::message::{self, Request, Response};
use lanyard_protocol::people::Actor;
use lanyard_protocol::record::{Record, Table};
use lanyard_protocol::time::{Mark, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// 2026-11-21T09:30:00Z.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_795_253_400);

/// One way between any two hosts.
const LATENCY: Duration = Duration::from_millis(1);

/// What a link carries, or what becomes of it.
enum Event {
    Dial { from: usize, dial: DialId, peer: Option<NodeId>, addresses: Vec<SocketAddr> },
    Request { from: usize, to: NodeId, request: RequestId, bytes: Vec<u8> },
    Response { to: usize, request: RequestId, bytes: Option<Vec<u8>> },
}

pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) address: SocketAddr,
    pub(crate) records: BTreeMap<(u8, Vec<u8>), (Table, Vec<u8>)>,
    pub(crate) answers: BTreeMap<CommandId, Result<Answer, Failure>>,
    pub(crate) channels: BTreeMap<CommandId, Result<Box<ChannelGrant>, Failure>>,
    /// What it had written into its audit log.
    pub(crate) audit: Vec<Entry>,
    /// Whether the store takes writes.
    pub(crate) store_works: bool,
    mark: Mark,
    inbound: BTreeMap<InboundId, (usize, RequestId)>,
    connected: BTreeSet<NodeId>,
}

/// What an answer becomes, given who answers, who asked, and the answer; nothing if it is lost.
pub(crate) type Tamper = Box<dyn FnMut(usize, usize, Vec<u8>) -> Option<Vec<u8>>>;

/// Hosts on one network, and everything that was ever sent between them.
pub(crate) struct Lan {
    pub(crate) hosts: Vec<Host>,
    pub(crate) now: Timestamp,
    /// By how many seconds hosts' wall clocks are wrong.
    pub(crate) skew: BTreeMap<usize, i64>,
    pub(crate) wire: Vec<u8>,
    /// Hosts that answer nothing.
    pub(crate) away: BTreeSet<usize>,
    /// What is done to an answer on its way from one host to another.
    pub(crate) tamper: Option<Tamper>,
    /// Hosts whose answers take so much longer.
    pub(crate) slow: BTreeMap<usize, Duration>,
    /// Answers of slow hosts, by when they arrive.
    late: Vec<(Timestamp, Event)>,
    /// What short secrets come to: to stretch one takes a tenth of a second, and always gives the same.
    known: BTreeMap<(Vec<u8>, [u8; 32]), [u8; 32]>,
    /// Secrets that are stretched only when the test says so, if they are to be.
    pub(crate) held_work: Option<Vec<(usize, WorkId, Work)>>,
    /// How many short secrets were stretched.
    pub(crate) stretched: usize,
    /// Every request: how many bytes had been on the wire before it, to whom it went, and what it was.
    requests: Vec<(usize, usize, Vec<u8>)>,
    events: VecDeque<Event>,
    next: u64,
}

/// A wish for the network `shop.lan`.
pub(crate) fn found(admission: &str) -> Init {
    Init {
        network: "shop.lan".parse().unwrap(),
        name: "office".parse().unwrap(),
        admission: admission.parse().unwrap(),
        password: None,
        weak: false,
        require_login: false,
    }
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

impl Lan {
    /// `hosts` hosts that have never been started before.
    pub(crate) fn new(seed: u64, hosts: usize) -> Self {
        let mut lan = Self {
            hosts: Vec::new(),
            now: START,
            skew: BTreeMap::new(),
            wire: Vec::new(),
            away: BTreeSet::new(),
            tamper: None,
            slow: BTreeMap::new(),
            late: Vec::new(),
            known: BTreeMap::new(),
            held_work: None,
            stretched: 0,
            requests: Vec::new(),
            events: VecDeque::new(),
            next: 0,
        };
        for host in 0..hosts {
            lan.start(host, seed * 1000 + host as u64, Vec::new(), OnlineCheck::Never);
        }
        lan
    }

    /// Starts host number `host`, or starts it again with what its store holds.
    pub(crate) fn start(&mut self, host: usize, seed: u64, records: Vec<Record>, online_check: OnlineCheck) {
        let setup = Setup { records, online_check, has_aes: true, ..Setup::default() };
        self.start_with(host, seed, setup);
    }

    pub(crate) fn start_with(&mut self, host: usize, seed: u64, setup: Setup) {
        let address: SocketAddr = format!("10.77.0.{}:4610", host + 1).parse().unwrap();
        let lane: SocketAddr = format!("10.77.0.{}:4611", host + 1).parse().unwrap();
        let kept = setup
            .records
            .iter()
            .map(|record| ((record.table as u8, record.key.clone()), (record.table, record.value.clone())))
            .collect();
        let setup = Setup { steady: self.steady(), ..setup };
        let engine = Engine::new(setup, self.wall(host), Box::new(rng(seed))).unwrap();
        let started = Host {
            engine,
            address,
            records: kept,
            answers: BTreeMap::new(),
            channels: BTreeMap::new(),
            audit: Vec::new(),
            store_works: true,
            mark: Mark::default(),
            inbound: BTreeMap::new(),
            connected: BTreeSet::new(),
        };
        if host < self.hosts.len() {
            self.hosts[host] = started;
        } else {
            self.hosts.push(started);
        }
        self.drain(host);
        let now = self.time(host);
        self.hosts[host].engine.handle_listening(vec![address], vec![lane], now);
        self.drain(host);
    }

    /// What the host's wall clock says.
    fn wall(&self, host: usize) -> Timestamp {
        let skew = self.skew.get(&host).copied().unwrap_or_default();
        let by = Duration::from_secs(skew.unsigned_abs());
        if skew < 0 { self.now.before(by) } else { self.now.after(by) }
    }

    /// What everybody's steady clock says.
    fn steady(&self) -> Duration {
        self.now.since(START)
    }

    /// The time as the host takes it, who has just looked at its clocks.
    pub(crate) fn time(&mut self, host: usize) -> Timestamp {
        let (wall, steady) = (self.wall(host), self.steady());
        let host = &mut self.hosts[host];
        host.engine.handle_clock(wall, steady);
        host.mark.now(wall, steady)
    }

    /// What every host does within half a minute, whatever happens.
    fn look_at_clocks(&mut self) {
        for host in 0..self.hosts.len() {
            let _ = self.time(host);
            self.drain(host);
        }
    }

    /// When the host has to be called again at the latest.
    fn deadline(&self, host: usize) -> Option<Timestamp> {
        let now = self.hosts[host].mark.now(self.wall(host), self.steady());
        let (deadline, _) = self.hosts[host].engine.poll_timeout()?;
        Some(self.now.after(deadline.since(now)))
    }

    /// Stops a host and starts it again with what its store holds.
    pub(crate) fn restart(&mut self, host: usize, seed: u64) {
        let records = self.hosts[host]
            .records
            .iter()
            .map(|((_, key), (table, value))| Record {
                table: *table,
                key: key.clone(),
                value: value.clone(),
            })
            .collect();
        let id = self.hosts[host].engine.node_id();
        for other in 0..self.hosts.len() {
            if other != host && self.hosts[other].connected.remove(&id) {
                let now = self.time(other);
                self.hosts[other].engine.handle_disconnected(id, now);
            }
        }
        self.start(host, seed, records, OnlineCheck::Never);
    }

    /// What the host's store holds.
    pub(crate) fn kept(&self, host: usize) -> Vec<Record> {
        let records = self.hosts[host].records.iter();
        records
            .map(|((_, key), (table, value))| Record {
                table: *table,
                key: key.clone(),
                value: value.clone(),
            })
            .collect()
    }

    pub(crate) fn id(&self, host: usize) -> NodeId {
        self.hosts[host].engine.node_id()
    }

    fn host_of(&self, id: NodeId) -> Option<usize> {
        (0..self.hosts.len()).find(|host| self.id(*host) == id)
    }

    /// The requests that came to `host` since so many bytes had been on the wire.
    pub(crate) fn requests_to(&self, host: usize, since: usize) -> Vec<Request> {
        let later = self.requests.iter().filter(|(at, to, _)| *at >= since && *to == host);
        later.filter_map(|(_, _, bytes)| message::parse(bytes).ok()).collect()
    }

    /// Every host sees every other one, as by multicast DNS.
    pub(crate) fn discover(&mut self) {
        for host in 0..self.hosts.len() {
            for other in (0..self.hosts.len()).filter(|other| *other != host) {
                let (id, address) = (self.id(other), self.hosts[other].address);
                let now = self.time(host);
                self.hosts[host].engine.handle_discovered(id, vec![address], now);
                self.drain(host);
            }
        }
    }

    /// Gives a command and waits for its answer, for at most 40 virtual seconds.
    pub(crate) fn command(&mut self, host: usize, command: Command) -> Result<Answer, Failure> {
        let id = self.give(host, command);
        self.run_until(|lan| lan.hosts[host].answers.contains_key(&id));
        self.hosts[host].answers.remove(&id).expect("the engine answers every command in time")
    }

    pub(crate) fn give(&mut self, host: usize, command: Command) -> CommandId {
        self.give_as(host, Caller::NODE, command)
    }

    pub(crate) fn give_as(&mut self, host: usize, caller: Caller, command: Command) -> CommandId {
        self.next += 1;
        let id = CommandId(self.next);
        let now = self.time(host);
        self.hosts[host].engine.handle_command(id, caller, command, now);
        self.drain(host);
        id
    }

    /// As [`Lan::command`], from somebody who may not be whoever runs the node.
    pub(crate) fn command_as(
        &mut self,
        host: usize,
        caller: Caller,
        command: Command,
    ) -> Result<Answer, Failure> {
        let id = self.give_as(host, caller, command);
        self.run_until(|lan| lan.hosts[host].answers.contains_key(&id));
        self.hosts[host].answers.remove(&id).expect("the engine answers every command in time")
    }

    pub(crate) fn open(&mut self, host: usize, service: &str) -> Result<Box<ChannelGrant>, Failure> {
        self.open_for(host, Actor::Node, service)
    }

    /// Opens a channel on somebody's behalf.
    pub(crate) fn open_for(
        &mut self,
        host: usize,
        actor: Actor,
        service: &str,
    ) -> Result<Box<ChannelGrant>, Failure> {
        let id = self.begin_open(host, actor, service);
        self.run_until(|lan| lan.hosts[host].channels.contains_key(&id));
        self.hosts[host].channels.remove(&id).expect("the engine answers every command in time")
    }

    /// Wants a channel on somebody's behalf, and waits for nothing.
    pub(crate) fn begin_open(&mut self, host: usize, actor: Actor, service: &str) -> CommandId {
        self.next += 1;
        let id = CommandId(self.next);
        let now = self.time(host);
        self.hosts[host].engine.handle_open(id, actor, service.parse().unwrap(), now);
        self.drain(host);
        id
    }

    /// Opens a channel as a guest.
    pub(crate) fn visit(
        &mut self,
        host: usize,
        service: &str,
        password: &str,
    ) -> Result<Box<ChannelGrant>, Failure> {
        let id = self.begin_visit(host, service, password);
        self.run_until(|lan| lan.hosts[host].channels.contains_key(&id));
        self.hosts[host].channels.remove(&id).expect("the engine answers every command in time")
    }

    /// Begins to, and waits for nothing.
    pub(crate) fn begin_visit(&mut self, host: usize, service: &str, password: &str) -> CommandId {
        self.next += 1;
        let id = CommandId(self.next);
        let password = Password::new(password).unwrap();
        let visit = Visit { service: service.parse().unwrap(), password };
        let now = self.time(host);
        self.hosts[host].engine.handle_open_guest(id, visit, now);
        self.drain(host);
        id
    }

    /// Opens `number` channels at once, and takes the wish for the first back if it is to be `cancelled`. The
    /// others' results.
    pub(crate) fn open_at_once(
        &mut self,
        host: usize,
        service: &str,
        number: u64,
        cancelled: bool,
    ) -> Vec<Result<Box<ChannelGrant>, Failure>> {
        let (first, now) = (self.next + 1, self.now);
        self.next += number;
        for id in first..first + number {
            self.hosts[host].engine.handle_open(CommandId(id), Actor::Node, service.parse().unwrap(), now);
            self.drain(host);
        }
        if cancelled {
            self.hosts[host].engine.handle_cancel(CommandId(first), now);
            self.drain(host);
        }
        let waited = first + u64::from(cancelled)..first + number;
        self.run_until(|lan| waited.clone().all(|id| lan.hosts[host].channels.contains_key(&CommandId(id))));
        waited.map(|id| self.hosts[host].channels.remove(&CommandId(id)).expect("answered in time")).collect()
    }

    pub(crate) fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        self.look_at_clocks();
        let end = self.now.after(Duration::from_secs(40));
        while !done(self) && self.now < end && self.step() {}
    }

    /// Lets `time` pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.look_at_clocks();
        let end = self.now.after(time);
        while self.next_time().is_some_and(|next| next <= end) && self.step() {}
        self.now = end;
        for host in 0..self.hosts.len() {
            let now = self.time(host);
            self.hosts[host].engine.handle_timeout(now);
            self.drain(host);
        }
    }

    fn next_time(&self) -> Option<Timestamp> {
        if !self.events.is_empty() {
            return Some(self.now.after(LATENCY));
        }
        let late = self.late.iter().map(|(time, _)| *time);
        (0..self.hosts.len()).filter_map(|host| self.deadline(host)).chain(late).min()
    }

    /// The next thing that happens; false if nothing ever will.
    fn step(&mut self) -> bool {
        if let Some(due) = self.late.iter().position(|(time, _)| *time <= self.now) {
            let (_, event) = self.late.remove(due);
            self.deliver(event);
            return true;
        }
        if let Some(event) = self.events.pop_front() {
            self.now = self.now.after(LATENCY);
            self.deliver(event);
            return true;
        }
        let Some(next) = self.next_time() else { return false };
        self.now = self.now.max(next);
        for host in 0..self.hosts.len() {
            let now = self.time(host);
            if self.hosts[host].engine.poll_timeout().is_some_and(|(time, _)| time <= now) {
                self.hosts[host].engine.handle_timeout(now);
                let again = self.hosts[host].engine.poll_timeout();
                assert!(again.is_none_or(|(time, _)| time > now), "{again:?} was not acted on");
                self.drain(host);
            }
        }
        true
    }

    fn deliver(&mut self, event: Event) {
        match event {
            Event::Dial { from, dial, peer, addresses } => self.dial(from, dial, peer, &addresses),
            Event::Request { from, to, request, bytes } => {
                let there = self.host_of(to).filter(|host| !self.away.contains(host));
                let Some(host) = there else {
                    let now = self.time(from);
                    self.hosts[from].engine.handle_request_failed(request, now);
                    self.drain(from);
                    return;
                };
                self.requests.push((self.wire.len(), host, bytes.clone()));
                self.wire.extend(&bytes);
                self.next += 1;
                let inbound = InboundId(self.next);
                self.hosts[host].inbound.insert(inbound, (from, request));
                let source = Connection { remote: self.hosts[from].address, attached: true, dialled: None };
                let (sender, now) = (self.id(from), self.time(host));
                self.hosts[host].engine.handle_request(sender, source, inbound, &bytes, now);
                self.drain(host);
            }
            Event::Response { to, request, bytes } => {
                let now = self.time(to);
                match bytes {
                    Some(bytes) => {
                        self.wire.extend(&bytes);
                        self.hosts[to].engine.handle_response(request, &bytes, LATENCY + LATENCY, now);
                    }
                    None => self.hosts[to].engine.handle_request_failed(request, now),
                }
                self.drain(to);
            }
        }
    }

    fn dial(&mut self, from: usize, dial: DialId, peer: Option<NodeId>, addresses: &[SocketAddr]) {
        let there = (0..self.hosts.len()).find(|host| {
            addresses.contains(&self.hosts[*host].address)
                && !self.away.contains(host)
                && peer.is_none_or(|peer| peer == self.id(*host))
        });
        let Some(to) = there else {
            let now = self.time(from);
            self.hosts[from].engine.handle_dial_failed(dial, now);
            self.drain(from);
            return;
        };
        let (here, there) = (self.id(from), self.id(to));
        let connection = |remote, dialled| Connection { remote, attached: true, dialled };
        let (near, far) = (self.hosts[from].address, self.hosts[to].address);
        self.hosts[from].connected.insert(there);
        self.hosts[to].connected.insert(here);
        let now = self.time(to);
        self.hosts[to].engine.handle_connected(here, connection(near, None), now);
        self.drain(to);
        let now = self.time(from);
        self.hosts[from].engine.handle_connected(there, connection(far, Some(dial)), now);
        self.drain(from);
    }

    /// Carries out what a host's engine wants done.
    pub(crate) fn drain(&mut self, host: usize) {
        while let Some(output) = self.hosts[host].engine.poll_output() {
            let now = self.hosts[host].mark.now(self.wall(host), self.steady());
            match output {
                Output::Request { id, to, message } => {
                    self.events.push_back(Event::Request { from: host, to, request: id, bytes: message });
                }
                Output::Respond { to, message } => self.respond(host, to, Some(message)),
                Output::Ignore { to } => self.respond(host, to, None),
                Output::Connect { id, peer, addresses } => {
                    self.events.push_back(Event::Dial { from: host, dial: id, peer, addresses });
                }
                Output::Persist { id, writes } => {
                    let works = self.hosts[host].store_works;
                    for write in writes.into_iter().filter(|_| works) {
                        let key = (write.table as u8, write.key);
                        match write.value {
                            Some(value) => self.hosts[host].records.insert(key, (write.table, value)),
                            None => self.hosts[host].records.remove(&key),
                        };
                    }
                    self.hosts[host].engine.handle_persisted(id, works, now);
                }
                Output::Work { id, work } if self.held_work.is_some() => {
                    self.held_work.get_or_insert_default().push((host, id, work));
                }
                Output::Work { id, work: Work::Stretch { secret, salt } } => {
                    self.stretched += 1;
                    let known = self.known.entry((secret.to_vec(), salt));
                    let stretched = *known.or_insert_with(|| *stretch(&secret, &salt).expose());
                    let stretched = Secret::new(stretched.into());
                    self.hosts[host].engine.handle_work(id, Finished::Stretched(stretched), now);
                }
                Output::Answer { to, result } => {
                    self.hosts[host].answers.insert(to, result);
                }
                Output::Channel { to, result } => {
                    self.hosts[host].channels.insert(to, result);
                }
                Output::SignedTime(signed) => {
                    let steady = self.steady();
                    self.hosts[host].mark.raise(signed, steady);
                }
                Output::Audit(entry) => self.hosts[host].audit.push(*entry),
                Output::Snapshot(_) | Output::Certified { .. } => {}
                Output::Disconnect { peer } => self.disconnect(host, peer),
            }
        }
    }

    /// Stretches what was held, and no longer holds any.
    pub(crate) fn release_work(&mut self) {
        for (host, id, Work::Stretch { secret, salt }) in self.held_work.take().unwrap_or_default() {
            let now = self.time(host);
            self.hosts[host].engine.handle_work(id, Finished::Stretched(stretch(&secret, &salt)), now);
            self.drain(host);
        }
    }

    /// Every connection of a host ends.
    pub(crate) fn disconnect_all(&mut self, host: usize) {
        let connected: Vec<NodeId> = self.hosts[host].connected.iter().copied().collect();
        for peer in connected {
            self.disconnect(host, peer);
        }
        self.drain(host);
    }

    /// Makes the same request so often without `from`'s engine, and waits for no answer.
    pub(crate) fn flood(&mut self, from: usize, to: usize, request: &Request, times: usize) {
        let (sender, now, message) = (self.id(from), self.time(to), message::frame(request));
        let source = Connection { remote: self.hosts[from].address, attached: true, dialled: None };
        for _ in 0..times {
            self.next += 1;
            let inbound = InboundId(self.next);
            // No engine waits for the answer: it knows no such request.
            self.hosts[to].inbound.insert(inbound, (from, RequestId(u64::MAX - 1)));
            self.hosts[to].engine.handle_request(sender, source, inbound, &message, now);
            self.drain(to);
        }
    }

    /// What `to` answers to a request that `from` makes without its engine.
    pub(crate) fn ask(&mut self, from: usize, to: usize, request: &Request) -> Response {
        self.next += 1;
        let inbound = InboundId(self.next);
        let (sender, now) = (self.id(from), self.time(to));
        let source = Connection { remote: self.hosts[from].address, attached: true, dialled: None };
        // No engine waits for the answer: it knows no such request.
        self.hosts[to].inbound.insert(inbound, (from, RequestId(u64::MAX)));
        let before = self.events.len();
        self.hosts[to].engine.handle_request(sender, source, inbound, &message::frame(request), now);
        self.drain(to);
        let answer = self.events.iter().skip(before).find_map(|event| match event {
            Event::Response { request: RequestId(u64::MAX), bytes: Some(bytes), .. } => Some(bytes.clone()),
            Event::Response { .. } | Event::Request { .. } | Event::Dial { .. } => None,
        });
        message::parse(&answer.expect("the request is answered at once")).unwrap()
    }

    /// Every connection between a host and a peer ends, for both.
    fn disconnect(&mut self, host: usize, peer: NodeId) {
        let here = self.id(host);
        if self.hosts[host].connected.remove(&peer) {
            self.hosts[host].engine.handle_disconnected(peer, self.now);
        }
        if let Some(other) = self.host_of(peer)
            && self.hosts[other].connected.remove(&here)
        {
            self.hosts[other].engine.handle_disconnected(here, self.now);
            self.drain(other);
        }
    }

    fn respond(&mut self, host: usize, to: InboundId, bytes: Option<Vec<u8>>) {
        let (to, request) = self.hosts[host].inbound.remove(&to).expect("a request is answered once");
        let bytes = match (&mut self.tamper, bytes) {
            (Some(tamper), Some(bytes)) => tamper(host, to, bytes),
            (_, bytes) => bytes,
        };
        let answer = Event::Response { to, request, bytes };
        match self.slow.get(&host) {
            Some(lag) => self.late.push((self.now.after(*lag), answer)),
            None => self.events.push_back(answer),
        }
    }

    /// Host 0 makes a network.
    pub(crate) fn init(&mut self, admission: &str) {
        self.command(0, Command::Init(found(admission))).unwrap();
    }

    /// A code and a URI that host 0 gives out.
    pub(crate) fn invite(&mut self, uses: u32) -> (String, String) {
        let invite = self.command(0, Command::Invite(InviteRequest { uses, ttl_s: 600 }));
        let Ok(Answer::Invite(invite)) = invite else { panic!("{invite:?}") };
        (invite.code, invite.uri)
    }

    pub(crate) fn join(
        &mut self,
        host: usize,
        name: &str,
        invite: Option<String>,
    ) -> Result<Answer, Failure> {
        self.command(host, Command::Join(Join::new(invite, name.parse().unwrap(), None)))
    }

    /// A network of an authority, `office`, and members `till-1` and so on.
    pub(crate) fn network(seed: u64, members: usize) -> Self {
        let mut lan = Self::new(seed, members + 1);
        lan.init("invite");
        for host in 1..=members {
            let (_, uri) = lan.invite(1);
            lan.join(host, &format!("till-{host}"), Some(uri)).unwrap();
        }
        lan
    }
}
