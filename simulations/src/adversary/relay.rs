//! A man in the middle: says that he is where the authority is, and passes on what both sides say, under a key of his
//! own.

use core::time::Duration;
use std::collections::BTreeMap;

use lanyard_protocol::enrolment::WhoIsAnswer;
use lanyard_protocol::identity::{Fingerprint, NodeKeys};
use lanyard_protocol::message::{self, Request, Response, frame};
use rand_chacha::ChaCha20Rng;

use super::puppet::{Heard, Puppet, Question};
use super::{Adversary, Stage, Target};
use crate::event::{HostId, Packet};

/// How often he announces himself.
const EVERY: Duration = Duration::from_secs(2);

/// The man in the middle.
pub(super) struct Relay {
    target: Target,
    puppet: Puppet,
    /// The pin of the real network, once a member has told it.
    root: Option<Fingerprint>,
    /// Who waits for what the authority answers.
    passed_on: BTreeMap<u64, (HostId, Question)>,
}

impl Relay {
    pub(super) fn new(target: Target, rng: &mut ChaCha20Rng) -> Self {
        let puppet = Puppet::new(NodeKeys::generate(rng));
        Self { target, puppet, root: None, passed_on: BTreeMap::new() }
    }

    fn asked(&mut self, from: HostId, question: Question, asked: Vec<u8>, stage: &mut Stage<'_, '_>) {
        match (message::parse(&asked), self.root) {
            (Ok(Request::WhoIs), Some(root)) => {
                let (network, addresses) = (self.target.network.clone(), vec![stage.host().control()]);
                let answer = WhoIsAnswer { network, root, authority: self.puppet.id(), addresses };
                self.puppet.answer(from, question, Some(frame(&Response::WhoIs(answer))), stage);
                return;
            }
            (Ok(Request::Enrol(_)), _) => {
                stage.breach(format!("{from} takes a man in the middle for the authority"));
            }
            _ => {}
        }
        let number = self.puppet.ask(HostId(0), asked, stage);
        self.passed_on.insert(number, (from, question));
    }
}

impl Adversary for Relay {
    fn receive(&mut self, from: HostId, packet: Packet, stage: &mut Stage<'_, '_>) {
        match self.puppet.hear(from, &packet, stage) {
            Some(Heard::Question(from, question, asked)) => self.asked(from, question, asked, stage),
            Some(Heard::Answer(_, number, answer)) => {
                if let Some(Ok(Response::WhoIs(told))) = answer.as_deref().map(message::parse) {
                    self.root = Some(told.root);
                }
                if let Some((to, question)) = self.passed_on.remove(&number) {
                    self.puppet.answer(to, question, answer, stage);
                }
            }
            None => {}
        }
    }

    fn wake(&mut self, stage: &mut Stage<'_, '_>) {
        if self.root.is_none() {
            self.puppet.ask(HostId(0), frame(&Request::WhoIs), stage);
        }
        self.puppet.announce(&self.target, stage);
        stage.wake_after(EVERY);
    }
}
