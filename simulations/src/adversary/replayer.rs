//! Sends again whatever it was ever sent or has sent, to everybody, later, and on other connections.

use core::time::Duration;
use std::collections::VecDeque;

use lanyard_protocol::identity::NodeKeys;
use lanyard_protocol::message::{Request, frame};
use rand_chacha::ChaCha20Rng;

use super::flood::key_request;
use super::forger::victim;
use super::puppet::{Heard, Puppet, given_away};
use super::{Adversary, Stage, Target};
use crate::event::{HostId, Packet};
use crate::link::pick;

/// How often something is sent again.
const EVERY: Duration = Duration::from_millis(250);

/// Frames that are remembered.
const KEPT: usize = 256;

/// Whoever repeats.
pub(super) struct Replayer {
    target: Target,
    /// Two identities, so that what one was told the other says.
    puppets: [Puppet; 2],
    frames: VecDeque<Vec<u8>>,
    woken: u64,
}

impl Replayer {
    pub(super) fn new(target: Target, rng: &mut ChaCha20Rng) -> Self {
        let puppets = [(); 2].map(|()| Puppet::new(NodeKeys::generate(rng)));
        Self { target, puppets, frames: VecDeque::new(), woken: 0 }
    }

    fn remember(&mut self, frame: &[u8]) {
        if !self.frames.iter().any(|known| known == frame) {
            self.frames.push_back(frame.to_vec());
            if self.frames.len() > KEPT {
                self.frames.pop_front();
            }
        }
    }

    fn any(&self, stage: &mut Stage<'_, '_>) -> Option<Vec<u8>> {
        self.frames.get(pick(self.frames.len(), stage.rng())).cloned()
    }
}

impl Adversary for Replayer {
    fn receive(&mut self, from: HostId, packet: Packet, stage: &mut Stage<'_, '_>) {
        // Whoever dials is answered by one of them.
        let listener =
            usize::from(matches!(packet, Packet::Dial { link, .. } if link.number.is_multiple_of(2)));
        for place in 0..self.puppets.len() {
            if matches!(packet, Packet::Dial { .. }) && place != listener {
                continue;
            }
            match self.puppets[place].hear(from, &packet, stage) {
                Some(Heard::Answer(_, _, Some(answer))) => {
                    if let Some(what) = given_away(&answer) {
                        stage.breach(format!("a stranger has got {what} from {from}"));
                    }
                    self.remember(&answer);
                }
                Some(Heard::Question(from, question, asked)) => {
                    self.remember(&asked);
                    let answer = self.any(stage);
                    self.puppets[place].answer(from, question, answer, stage);
                }
                Some(Heard::Answer(..)) | None => {}
            }
        }
    }

    fn wake(&mut self, stage: &mut Stage<'_, '_>) {
        self.woken += 1;
        let place = pick(2, stage.rng());
        if self.woken % 100 == 1 {
            self.puppets[place].announce(&self.target, stage);
            let request = Request::KeyRequest(key_request(&self.target, &self.puppets[place].keys, stage));
            self.remember(&frame(&request));
            self.remember(&frame(&Request::WhoIs));
        }
        if let Some(again) = self.any(stage) {
            let to = victim(&self.target, stage);
            self.puppets[place].ask(to, again, stage);
        }
        stage.wake_after(EVERY);
    }
}
