//! A network of an authority and a member, made once: what they keep, and what they said to each other.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lanyard_protocol::channel::Psk;
use lanyard_protocol::control::{Admission, Answer, Caller, Command, Failure, Init, InviteRequest, Join};
use lanyard_protocol::engine::{
    ChannelGrant, CommandId, Connection, DialId, Engine, InboundId, Output, RequestId, Setup, Work,
};
use lanyard_protocol::enrolment::stretch;
use lanyard_protocol::identity::NodeId;
use lanyard_protocol::message::{self, Lookup, Request, StatusRequest};
use lanyard_protocol::people::Actor;
use lanyard_protocol::record::{Record, Table};
use lanyard_protocol::snapshot::Snapshot;
use lanyard_protocol::time::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// 2026-11-21T09:30:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// What a node keeps, by table and key.
pub(crate) type Kept = BTreeMap<(u8, Vec<u8>), (Table, Vec<u8>)>;

pub(crate) fn records(kept: &Kept) -> Vec<Record> {
    let all = kept.iter();
    all.map(|((_, key), (table, value))| Record { table: *table, key: key.clone(), value: value.clone() })
        .collect()
}

/// The network.
pub(crate) struct World {
    /// The authority, which also provides the service of the ticket.
    pub(crate) authority: Kept,
    pub(crate) authority_id: NodeId,
    pub(crate) member: Kept,
    pub(crate) member_id: NodeId,
    /// Every request and every answer that one of them sent to the other.
    pub(crate) requests: Vec<Vec<u8>>,
    pub(crate) responses: Vec<Vec<u8>>,
    /// The provider of the ticket, with the ring that it was made under.
    pub(crate) provider: Arc<Snapshot>,
    pub(crate) requester: Arc<Snapshot>,
    /// A ticket in the hands of the member.
    pub(crate) channel: Box<ChannelGrant>,
    /// An invite's URI that nobody has used.
    pub(crate) uri: String,
}

impl World {
    pub(crate) fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(Self::new)
    }

    pub(crate) fn psk(&self) -> &Psk {
        self.channel.ticket.psk(self.requester.sealing_key()).unwrap()
    }

    fn new() -> Self {
        let mut lan = Lan::new();
        let (network, name) = ("shop.lan".parse().unwrap(), "office".parse().unwrap());
        lan.command(
            0,
            Command::Init(Init {
                network,
                name,
                admission: Admission::default(),
                password: None,
                weak: false,
                require_login: false,
            }),
        );
        let mut invite = || match lan.command(0, Command::Invite(InviteRequest { uses: 1, ttl_s: 86_400 })) {
            Answer::Invite(invite) => invite,
            other => panic!("{other:?}"),
        };
        let (used, unused) = (invite(), invite());
        // By code and by URI, for the recordings; only the second one joins.
        lan.see_each_other();
        let name: lanyard_protocol::identity::NodeName = "till".parse().unwrap();
        let wrong = format!("{}-violet-violet", used.code.split('-').next().unwrap());
        let refused = lan.give(1, Command::Join(Join::new(Some(wrong), name.clone(), None)));
        assert!(refused.is_err());
        lan.command(1, Command::Join(Join::new(Some(used.uri), name, None)));
        let id = CommandId(99);
        lan.hosts[1].engine.handle_open(id, Actor::Node, "chat@office".parse().unwrap(), lan.now);
        lan.drain(1);
        lan.run();
        let channel = lan.channel.take().unwrap();
        let [authority, member] = <[Host; 2]>::try_from(lan.hosts).ok().unwrap();
        lan.requests.extend(unasked(&member.engine));
        Self {
            authority_id: authority.engine.node_id(),
            provider: authority.engine.snapshot(),
            authority: authority.kept,
            member_id: member.engine.node_id(),
            requester: member.engine.snapshot(),
            member: member.kept,
            requests: lan.requests,
            responses: lan.responses,
            channel,
            uri: unused.uri,
        }
    }
}

/// What the two had no reason to ask each other.
fn unasked(member: &Engine) -> [Vec<u8>; 3] {
    let snapshot = member.snapshot();
    let certificate = snapshot.certificate().unwrap().digest();
    [
        Request::Ping,
        Request::Lookup(Lookup { peer: "till".to_owned() }),
        Request::Status(StatusRequest { node: member.node_id(), certificate }),
    ]
    .map(|request| message::frame(&request))
}

struct Host {
    engine: Engine,
    kept: Kept,
    answers: BTreeMap<CommandId, Result<Answer, Failure>>,
}

enum Event {
    Dial(usize, DialId),
    Request(usize, RequestId, Vec<u8>),
    Response(usize, RequestId, Option<Vec<u8>>),
}

/// Two hosts and what is on its way between them. Time passes only when nothing else happens.
struct Lan {
    hosts: Vec<Host>,
    events: VecDeque<Event>,
    inbound: BTreeMap<InboundId, (usize, RequestId)>,
    requests: Vec<Vec<u8>>,
    responses: Vec<Vec<u8>>,
    channel: Option<Box<ChannelGrant>>,
    now: Timestamp,
    next: u64,
}

pub(crate) fn address(host: usize) -> SocketAddr {
    SocketAddr::from(([10, 77, 0, u8::try_from(host + 1).unwrap()], 4610))
}

impl Lan {
    fn new() -> Self {
        let mut lan = Self {
            hosts: Vec::new(),
            events: VecDeque::new(),
            inbound: BTreeMap::new(),
            requests: Vec::new(),
            responses: Vec::new(),
            channel: None,
            now: NOW,
            next: 0,
        };
        for host in 0..2 {
            let setup = Setup { has_aes: true, ..Setup::default() };
            let engine = Engine::new(setup, NOW, Box::new(rng(host as u64))).unwrap();
            lan.hosts.push(Host { engine, kept: Kept::new(), answers: BTreeMap::new() });
            lan.hosts[host].engine.handle_listening(vec![address(host)], vec![address(host)], NOW);
            lan.drain(host);
        }
        lan
    }

    fn see_each_other(&mut self) {
        for (host, other) in [(0, 1), (1, 0)] {
            let id = self.hosts[other].engine.node_id();
            self.hosts[host].engine.handle_discovered(id, vec![address(other)], self.now);
            self.drain(host);
        }
        self.run();
    }

    /// Gives a command and lets time pass until it is answered.
    fn give(&mut self, host: usize, command: Command) -> Result<Answer, Failure> {
        self.next += 1;
        let id = CommandId(self.next);
        self.hosts[host].engine.handle_command(id, Caller::NODE, command, self.now);
        self.drain(host);
        loop {
            self.run();
            if let Some(answer) = self.hosts[host].answers.remove(&id) {
                return answer;
            }
            let next =
                self.hosts.iter().filter_map(|host| host.engine.poll_timeout()).map(|(time, _)| time).min();
            self.now = next.unwrap();
            for host in 0..2 {
                self.hosts[host].engine.handle_timeout(self.now);
                self.drain(host);
            }
        }
    }

    fn command(&mut self, host: usize, command: Command) -> Answer {
        self.give(host, command).unwrap()
    }

    fn run(&mut self) {
        while let Some(event) = self.events.pop_front() {
            self.deliver(event);
        }
    }

    fn deliver(&mut self, event: Event) {
        match event {
            Event::Dial(from, dial) => {
                let to = 1 - from;
                let [here, there] = [from, to].map(|host| self.hosts[host].engine.node_id());
                let connection =
                    |host, dialled| Connection { remote: address(host), attached: true, dialled };
                self.hosts[to].engine.handle_connected(here, connection(from, None), self.now);
                self.drain(to);
                self.hosts[from].engine.handle_connected(there, connection(to, Some(dial)), self.now);
                self.drain(from);
            }
            Event::Request(from, request, bytes) => {
                let to = 1 - from;
                self.next += 1;
                let inbound = InboundId(self.next);
                self.inbound.insert(inbound, (from, request));
                let sender = self.hosts[from].engine.node_id();
                let source = Connection { remote: address(from), attached: true, dialled: None };
                self.requests.push(bytes.clone());
                self.hosts[to].engine.handle_request(sender, source, inbound, &bytes, self.now);
                self.drain(to);
            }
            Event::Response(to, request, bytes) => {
                match bytes {
                    Some(bytes) => {
                        self.hosts[to].engine.handle_response(request, &bytes, Duration::ZERO, self.now);
                        self.responses.push(bytes);
                    }
                    None => self.hosts[to].engine.handle_request_failed(request, self.now),
                }
                self.drain(to);
            }
        }
    }

    fn respond(&mut self, to: InboundId, bytes: Option<Vec<u8>>) {
        let (host, request) = self.inbound.remove(&to).unwrap();
        self.events.push_back(Event::Response(host, request, bytes));
    }

    fn drain(&mut self, host: usize) {
        while let Some(output) = self.hosts[host].engine.poll_output() {
            match output {
                Output::Request { id, message, .. } => {
                    self.events.push_back(Event::Request(host, id, message));
                }
                Output::Respond { to, message } => self.respond(to, Some(message)),
                Output::Ignore { to } => self.respond(to, None),
                Output::Connect { id, .. } => self.events.push_back(Event::Dial(host, id)),
                Output::Persist { id, writes } => {
                    for write in writes {
                        let key = (write.table as u8, write.key);
                        match write.value {
                            Some(value) => self.hosts[host].kept.insert(key, (write.table, value)),
                            None => self.hosts[host].kept.remove(&key),
                        };
                    }
                    self.hosts[host].engine.handle_persisted(id, true, self.now);
                }
                Output::Work { id, work } => {
                    let finished = match work {
                        Work::Stretch { secret, salt } => stretch(&secret, &salt),
                    };
                    let finished = lanyard_protocol::engine::Finished::Stretched(finished);
                    self.hosts[host].engine.handle_work(id, finished, self.now);
                }
                Output::Answer { to, result } => {
                    self.hosts[host].answers.insert(to, result);
                }
                Output::Channel { result, .. } => self.channel = result.ok(),
                _ => {}
            }
        }
    }
}
