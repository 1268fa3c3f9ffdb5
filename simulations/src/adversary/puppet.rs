//! One identity of an attacker's, and its connections.

use std::collections::BTreeMap;

use lanyard_protocol::identity::{NodeId, NodeKeys};
use lanyard_protocol::message::{self, Response};

use super::{Stage, Target};
use crate::event::{HostId, LinkId, Packet};

/// A connection, at the attacker's end.
struct Line {
    to: HostId,
    up: bool,
    /// What is to be said as soon as it is established.
    later: Vec<(u64, Vec<u8>)>,
}

/// What a puppet is told.
pub(super) enum Heard {
    /// The answer to what it has asked, with the number of the question; nothing for silence.
    Answer(HostId, u64, Option<Vec<u8>>),
    /// A question, to be answered over that connection.
    Question(HostId, Question, Vec<u8>),
}

/// A question that waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Question {
    link: LinkId,
    number: u64,
}

/// One identity, and its connections.
pub(super) struct Puppet {
    pub(super) keys: NodeKeys,
    lines: BTreeMap<LinkId, Line>,
    asked: u64,
}

impl Puppet {
    pub(super) const fn new(keys: NodeKeys) -> Self {
        Self { keys, lines: BTreeMap::new(), asked: 0 }
    }

    pub(super) fn id(&self) -> NodeId {
        self.keys.node_id()
    }

    /// Asks a host something, over a connection that there is or a new one; says under which number.
    pub(super) fn ask(&mut self, to: HostId, bytes: Vec<u8>, stage: &mut Stage<'_, '_>) -> u64 {
        self.asked += 1;
        let number = self.asked;
        let line = self.lines.iter_mut().rev().find(|(_, line)| line.to == to);
        match line {
            Some((link, line)) if line.up => stage.send(to, Packet::Request { link: *link, number, bytes }),
            Some((_, line)) => line.later.push((number, bytes)),
            None => {
                let link = stage.dial(&self.keys, to);
                self.lines.insert(link, Line { to, up: false, later: vec![(number, bytes)] });
            }
        }
        number
    }

    /// Answers a question, or does not.
    pub(super) fn answer(
        &self,
        to: HostId,
        question: Question,
        bytes: Option<Vec<u8>>,
        stage: &mut Stage<'_, '_>,
    ) {
        let Question { link, number } = question;
        stage.send(to, Packet::Response { link, number, bytes });
    }

    /// Ends every connection.
    pub(super) fn leave(&mut self, stage: &mut Stage<'_, '_>) {
        for (link, line) in core::mem::take(&mut self.lines) {
            stage.send(line.to, Packet::Close { link });
        }
    }

    /// Takes what has arrived, as far as it is this identity's.
    pub(super) fn hear(&mut self, from: HostId, packet: &Packet, stage: &mut Stage<'_, '_>) -> Option<Heard> {
        match packet {
            Packet::Dial { link, .. } => {
                stage.accept(&self.keys, from, *link);
                self.lines.insert(*link, Line { to: from, up: false, later: Vec::new() });
            }
            Packet::Accept { link, .. } => {
                if self.lines.contains_key(link) {
                    stage.send(from, Packet::Establish { link: *link });
                }
                self.established(*link, stage);
            }
            Packet::Establish { link } => self.established(*link, stage),
            Packet::Close { link } | Packet::Refuse { link } => drop(self.lines.remove(link)),
            Packet::Request { link, number, bytes } if self.lines.contains_key(link) => {
                self.established(*link, stage);
                let question = Question { link: *link, number: *number };
                return Some(Heard::Question(from, question, bytes.clone()));
            }
            Packet::Response { link, number, bytes } if self.lines.contains_key(link) => {
                return Some(Heard::Answer(from, *number, bytes.clone()));
            }
            Packet::Announce { .. }
            | Packet::Request { .. }
            | Packet::Response { .. }
            | Packet::Present { .. }
            | Packet::Presented { .. }
            | Packet::End { .. } => {}
        }
        None
    }

    fn established(&mut self, link: LinkId, stage: &mut Stage<'_, '_>) {
        let Some(line) = self.lines.get_mut(&link) else { return };
        line.up = true;
        for (number, bytes) in core::mem::take(&mut line.later) {
            stage.send(line.to, Packet::Request { link, number, bytes });
        }
    }

    /// Says to everybody by multicast that this identity is there.
    pub(super) fn announce(&self, target: &Target, stage: &mut Stage<'_, '_>) {
        let (node, addresses) = (self.id(), vec![stage.host().control()]);
        for to in (0..target.hosts).map(HostId) {
            stage.send(to, Packet::Announce { node, addresses: addresses.clone() });
        }
    }
}

/// What an answer gives away, if it is one that only members get.
pub(super) fn given_away(bytes: &[u8]) -> Option<&'static str> {
    match message::parse(bytes).ok()? {
        Response::Hello(_) => Some("a member's certificate"),
        Response::Found(_) => Some("where a member is"),
        Response::Status(_) => Some("the status of a certificate"),
        Response::Grant(_) => Some("a ticket"),
        Response::Pong => Some("an answer to a ping"),
        Response::Revocations(_) => Some("the state of a list of revocations"),
        Response::Policy(_) => Some("the version of a policy"),
        Response::Assertion(_) => Some("a log-in"),
        Response::Managed(_) => Some("what was managed"),
        Response::GuestHere => Some("the name of a node"),
        Response::GuestOffer(_) => Some("a share of a guest's password"),
        Response::Enrolled(_) => Some("a certificate"),
        Response::TicketRevoked => Some("the end of a ticket"),
        Response::WhoIs(_)
        | Response::AuthorityKey(_)
        | Response::Reject(_)
        | Response::Revoked(_)
        | Response::Waiting => None,
    }
}
