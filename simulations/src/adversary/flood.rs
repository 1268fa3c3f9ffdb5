//! Comes again and again under another name, and asks to be let in.

use core::time::Duration;
use std::collections::VecDeque;

use lanyard_protocol::enrolment::{Credentials, EnrolRequest, KeyRequest, Offer};
use lanyard_protocol::identity::NodeKeys;
use lanyard_protocol::label::Digest;
use lanyard_protocol::message::{Request, frame};
use lanyard_protocol::seal::Sealed;
use rand_core::Rng as _;

use super::forger::{Forgery, bytes, victim};
use super::puppet::{Heard, Puppet, given_away};
use super::{Adversary, Stage, Target};
use crate::event::{HostId, Packet};

/// How often a host of the flood has a new identity ask something.
const EVERY: Duration = Duration::from_millis(500);

/// Identities that a host keeps at the same time.
const KEPT: usize = 64;

/// Many identities, each of which wants something once.
pub(super) struct Flood {
    target: Target,
    puppets: VecDeque<Puppet>,
    forgery: Option<Forgery>,
}

impl Flood {
    pub(super) const fn new(target: Target) -> Self {
        Self { target, puppets: VecDeque::new(), forgery: None }
    }

    /// What a newcomer asks: mostly to be let in, at the authority.
    fn question(&mut self, puppet: &Puppet, stage: &mut Stage<'_, '_>) -> (HostId, Request) {
        match stage.rng().next_u64() % 8 {
            0 => {
                let network = self.target.network.clone();
                let now = stage.now();
                let forgery = self.forgery.get_or_insert_with(|| Forgery::new(network, now, stage.rng()));
                let hello = forgery.hello(&puppet.keys, now, stage);
                (victim(&self.target, stage), Request::Hello(hello))
            }
            1 => {
                let sealed = Sealed { encapped: bytes(stage), ciphertext: bytes::<200>(stage).to_vec() };
                (HostId(0), Request::Enrol(EnrolRequest { token: bytes::<64>(stage).to_vec(), sealed }))
            }
            2 => (victim(&self.target, stage), Request::WhoIs),
            _ => (HostId(0), Request::KeyRequest(key_request(&self.target, &puppet.keys, stage))),
        }
    }
}

/// A stranger's wish to be let in who has nothing to show for it.
pub(super) fn key_request(target: &Target, keys: &NodeKeys, stage: &mut Stage<'_, '_>) -> KeyRequest {
    let commitment = Digest(bytes(stage));
    KeyRequest {
        network: target.network.clone(),
        offer: Offer::Stranger(Credentials { invite: None, password: None, replace: false, commitment }),
        nonce: bytes(stage),
        identity: keys.node_id(),
        sealing: keys.sealing.public_key(),
    }
}

impl Adversary for Flood {
    fn receive(&mut self, from: HostId, packet: Packet, stage: &mut Stage<'_, '_>) {
        for puppet in &mut self.puppets {
            if let Some(Heard::Answer(_, _, Some(answer))) = puppet.hear(from, &packet, stage)
                && let Some(what) = given_away(&answer)
            {
                stage.breach(format!("a stranger has got {what} from {from}"));
            }
        }
    }

    fn wake(&mut self, stage: &mut Stage<'_, '_>) {
        let mut puppet = Puppet::new(NodeKeys::generate(stage.rng()));
        let (to, request) = self.question(&puppet, stage);
        puppet.ask(to, frame(&request), stage);
        self.puppets.push_back(puppet);
        if self.puppets.len() > KEPT
            && let Some(mut oldest) = self.puppets.pop_front()
        {
            oldest.leave(stage);
        }
        stage.wake_after(EVERY);
    }
}
