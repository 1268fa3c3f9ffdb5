//! D11: whole engines, to which strangers say anything in any order, while time passes and everything fails.
//!
//! The strangers have proven their own ids and nothing else; they know recordings of everything that was ever said.
//! Whatever they do, they become no members, get no ticket, and leave nothing behind in a store but a charge on an
//! invite's code.

use std::collections::VecDeque;
use std::time::Duration;

use lanyard_protocol::control::{Caller, Command, InviteRequest, Join};
use lanyard_protocol::engine::{
    CommandId, Connection, DialId, Engine, Finished, InboundId, Output, PersistId, RequestId, Setup, WorkId,
};
use lanyard_protocol::identity::{IdentityKey, NodeId, Secret};
use lanyard_protocol::message::{self, Response};
use lanyard_protocol::people::{Actor, Seat};
use lanyard_protocol::record::{Table, Write};
use lanyard_protocol::time::Timestamp;

use crate::input::Input;
use crate::world::{NOW, World, address, records, rng};

/// The most that happens in a run: what takes longer finds nothing more.
const STEPS: usize = 64;

/// An engine, what it waits for, and what it has been told.
struct Node {
    engine: Engine,
    now: Timestamp,
    next: u64,
    requests: VecDeque<(RequestId, NodeId)>,
    dials: VecDeque<(DialId, Option<NodeId>)>,
    persists: VecDeque<PersistId>,
    works: VecDeque<WorkId>,
}

/// Who is behind what happens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// A stranger: nothing that only members may do may come of it.
    Stranger,
    /// The owner of the node, the time, a member or the node's own store.
    Own,
}

/// Anything, in any order.
pub fn machine(data: &[u8]) {
    let mut input = Input::new(data);
    let mut node = Node::new(input.byte());
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        step(&mut node, &mut input);
    }
}

fn strangers() -> [NodeId; 3] {
    [40, 41, 42].map(|seed| IdentityKey::from_seed(&[seed; 32]).node_id())
}

impl Node {
    /// An authority, a member, or a node that is in no network.
    fn new(which: u8) -> Self {
        let world = World::get();
        let records = match which % 3 {
            0 => records(&world.authority),
            1 => records(&world.member),
            _ => Vec::new(),
        };
        let setup = Setup { records, has_aes: true, ..Setup::default() };
        let mut node = Self {
            engine: Engine::new(setup, NOW, Box::new(rng(8))).unwrap(),
            now: NOW,
            next: 0,
            requests: VecDeque::new(),
            dials: VecDeque::new(),
            persists: VecDeque::new(),
            works: VecDeque::new(),
        };
        node.engine.handle_listening(vec![address(0)], vec![address(0)], NOW);
        node.drain(Cause::Own);
        node
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Takes what the engine wants done, and looks at what it says and keeps because of `cause`.
    fn drain(&mut self, cause: Cause) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Request { id, to, message } => {
                    assert!(message.len() <= message::FRAME_MAX + 1);
                    self.requests.push_back((id, to));
                }
                Output::Respond { message, .. } => judge_answer(cause, &message),
                Output::Connect { id, peer, .. } => self.dials.push_back((id, peer)),
                Output::Persist { id, writes } => {
                    writes.iter().for_each(|write| judge_write(cause, write));
                    self.persists.push_back(id);
                }
                Output::Work { id, .. } => self.works.push_back(id),
                Output::Certified { peer, .. } => {
                    assert!(!strangers().contains(&peer), "a stranger is a member");
                }
                Output::Channel { result: Ok(grant), .. } => {
                    let known = World::get().channel.ticket.terms().id;
                    assert_eq!(grant.ticket.terms().id, known, "a ticket that nobody minted");
                }
                _ => {}
            }
        }
    }
}

/// What a stranger may be told.
fn judge_answer(cause: Cause, message: &[u8]) {
    let response = message::parse::<Response>(message).expect("what is answered decodes");
    if cause == Cause::Stranger {
        assert!(
            matches!(response, Response::WhoIs(_) | Response::AuthorityKey(_) | Response::Reject(_)),
            "a stranger is told {response:?}"
        );
    }
}

/// What may be kept because of a stranger.
fn judge_write(cause: Cause, write: &Write) {
    assert!(write.key.len() <= lanyard_protocol::record::KEY_MAX);
    if cause == Cause::Stranger {
        assert_eq!(write.table, Table::Invites, "a stranger changed the store");
        assert!(write.value.is_some(), "a stranger used an invite up");
    }
}

fn step(node: &mut Node, input: &mut Input<'_>) {
    let now = node.now;
    let stranger = *input.pick(&strangers());
    let source =
        Connection { remote: address(usize::from(input.byte() % 200)), attached: true, dialled: None };
    match input.byte() % 12 {
        0 => {
            node.engine.handle_connected(stranger, source, now);
            node.drain(Cause::Stranger);
        }
        1 => {
            node.engine.handle_disconnected(stranger, now);
            node.drain(Cause::Stranger);
        }
        2 => {
            node.engine.handle_discovered(stranger, vec![source.remote], now);
            node.drain(Cause::Stranger);
        }
        3 | 4 => request(node, stranger, source, input, Cause::Stranger),
        5 => request(node, World::get().member_id, source, input, Cause::Own),
        6 | 7 => respond(node, input),
        8 => dial(node, stranger, source, input),
        9 => pass(node, input),
        10 => command(node, input),
        _ => finish(node, input),
    }
}

fn request(node: &mut Node, from: NodeId, source: Connection, input: &mut Input<'_>, cause: Cause) {
    let message = input_message(input, &World::get().requests);
    let message = input.altered(message);
    let inbound = InboundId(node.id());
    if from == node.engine.node_id() {
        return;
    }
    node.engine.handle_request(from, source, inbound, &message, node.now);
    node.drain(cause);
}

/// A recording, or anything.
fn input_message(input: &mut Input<'_>, recorded: &[Vec<u8>]) -> Vec<u8> {
    match input.byte() {
        255 => input.bytes().to_vec(),
        which => recorded[usize::from(which) % recorded.len()].clone(),
    }
}

/// The answer to the request that has waited for longest. Who is no stranger gives none: nobody else can give it.
fn respond(node: &mut Node, input: &mut Input<'_>) {
    let Some((request, to)) = node.requests.pop_front() else { return };
    let now = node.now;
    if strangers().contains(&to) {
        let message = input_message(input, &World::get().responses);
        let message = input.altered(message);
        node.engine.handle_response(request, &message, Duration::from_millis(2), now);
        node.drain(Cause::Stranger);
    } else {
        node.engine.handle_request_failed(request, now);
        node.drain(Cause::Own);
    }
}

/// A stranger answers where nobody in particular was looked for; elsewhere nobody does.
fn dial(node: &mut Node, stranger: NodeId, source: Connection, input: &mut Input<'_>) {
    let Some((dial, peer)) = node.dials.pop_front() else { return };
    let there = match peer {
        None => Some(stranger),
        Some(peer) => strangers().contains(&peer).then_some(peer),
    };
    match there.filter(|_| !input.byte().is_multiple_of(4)) {
        Some(peer) => {
            node.engine.handle_connected(peer, Connection { dialled: Some(dial), ..source }, node.now);
            node.drain(Cause::Stranger);
        }
        None => {
            node.engine.handle_dial_failed(dial, node.now);
            node.drain(Cause::Own);
        }
    }
}

fn pass(node: &mut Node, input: &mut Input<'_>) {
    let seconds = *input.pick(&[0, 1, 5, 31, 60, 600, 3_600, 43_200, 90_000, 400_000]);
    node.now = node.now.after(Duration::from_secs(seconds));
    node.engine.handle_timeout(node.now);
    node.drain(Cause::Own);
    let next = node.engine.poll_timeout().expect("the key ring is always to be rotated");
    assert!(next.0 > node.now, "{next:?} was not acted on");
}

fn command(node: &mut Node, input: &mut Input<'_>) {
    let id = CommandId(node.id());
    let world = World::get();
    let join = |invite| Command::Join(Join::new(invite, "nas".parse().unwrap(), None));
    let command = match input.byte() % 12 {
        0 => Command::Status,
        1 => Command::Peers,
        2 => Command::Tickets,
        3 => Command::Renew,
        4 => Command::Certificates,
        5 => Command::Invite(InviteRequest { uses: 1, ttl_s: 600 }),
        6 => Command::Whois("till".parse().unwrap()),
        7 => Command::Ping("office".parse().unwrap()),
        8 => join(Some(world.uri.clone())),
        9 => join(Some("1-harbour-violet".to_owned())),
        10 => Command::GetTicket("chat@office".parse().unwrap()),
        _ => {
            node.engine.handle_open(id, Actor::Node, "chat@office".parse().unwrap(), node.now);
            return node.drain(Cause::Own);
        }
    };
    let caller = *input.pick(&[Caller::NODE, Caller::Other(Seat::NODE)]);
    node.engine.handle_command(id, caller, command, node.now);
    node.drain(Cause::Own);
}

/// Something that the engine had asked for is done, or has failed.
fn finish(node: &mut Node, input: &mut Input<'_>) {
    let now = node.now;
    let well = !input.byte().is_multiple_of(4);
    if let Some(persist) = node.persists.pop_front() {
        node.engine.handle_persisted(persist, well, now);
    } else if let Some(work) = node.works.pop_front() {
        let secret = Secret::generate(&mut rng(9));
        node.engine.handle_work(work, Finished::Stretched(secret), now);
    }
    node.drain(Cause::Own);
}
