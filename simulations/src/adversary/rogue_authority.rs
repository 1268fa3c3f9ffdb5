//! An authority of the attacker's own, for a network of the same name; its clock may lie, too.

use core::time::Duration;

use lanyard_protocol::certificate::Role;
use lanyard_protocol::control::Admission;
use lanyard_protocol::enrolment::{AuthorityKey, KeyRequest, PakeAnswer, Way, WhoIsAnswer};
use lanyard_protocol::identity::{Fingerprint, NodeKeys};
use lanyard_protocol::label::{Digest, Label};
use lanyard_protocol::message::{self, Request, Response, frame};
use lanyard_protocol::time::Timestamp;
use rand_chacha::ChaCha20Rng;
use serde::Serialize;

use super::forger::{Forgery, bytes};
use super::puppet::{Heard, Puppet};
use super::{Adversary, Stage, Target};
use crate::event::{HostId, Packet};

/// How often it announces itself, and greets everybody.
const EVERY: Duration = Duration::from_secs(2);

/// What the signature of an authority's answer covers.
#[derive(Serialize)]
struct SignedAnswer<'a> {
    request: Digest,
    leaf: Digest,
    ca: Digest,
    admission: Admission,
    way: Way,
    token: &'a [u8],
    nonce: &'a Option<[u8; 32]>,
    code: &'a Option<PakeAnswer>,
    password: &'a Option<PakeAnswer>,
    now: Timestamp,
}

/// The false authority.
pub(super) struct RogueAuthority {
    target: Target,
    puppet: Puppet,
    forgery: Forgery,
    ahead: Duration,
}

impl RogueAuthority {
    /// One whose clock is ahead by so much.
    pub(super) fn new(target: Target, ahead: Duration, rng: &mut ChaCha20Rng) -> Self {
        let puppet = Puppet::new(NodeKeys::generate(rng));
        let forgery = Forgery::new(target.network.clone(), crate::moment::EPOCH.after(ahead), rng);
        Self { target, puppet, forgery, ahead }
    }

    fn key(&self, request: &KeyRequest, stage: &mut Stage<'_, '_>) -> Option<AuthorityKey> {
        let now = stage.now().after(self.ahead);
        let leaf = self.forgery.leaf(&self.puppet.keys, "authority", Role::Authority, now, stage.rng())?;
        let ca = self.forgery.anchor.as_ref()?.der().clone();
        let admission: Admission = "invite".parse().ok()?;
        // Whatever the newcomer has is what this authority asks for.
        let way = Way::By(*admission.alternatives().first()?);
        let token = bytes::<64>(stage).to_vec();
        let signed = SignedAnswer {
            request: request.digest(),
            leaf: leaf.digest(),
            ca: ca.digest(),
            admission,
            way,
            token: &token,
            nonce: &None,
            code: &None,
            password: &None,
            now,
        };
        let signature = self.puppet.keys.identity.sign(Label::AuthorityKey, &signed);
        let (nonce, code, password) = (None, None, None);
        Some(AuthorityKey { leaf, ca, admission, way, token, nonce, code, password, now, signature })
    }

    fn response(&self, from: HostId, asked: &[u8], stage: &mut Stage<'_, '_>) -> Option<Response> {
        match message::parse(asked).ok()? {
            Request::WhoIs => {
                let root = Fingerprint::of(&self.forgery.key.public_key());
                let (network, addresses) = (self.target.network.clone(), vec![stage.host().control()]);
                Some(Response::WhoIs(WhoIsAnswer { network, root, authority: self.puppet.id(), addresses }))
            }
            Request::KeyRequest(request) => {
                Some(Response::AuthorityKey(Box::new(self.key(&request, stage)?)))
            }
            Request::Enrol(_) => {
                stage.breach(format!("{from} takes another authority than its own for it"));
                None
            }
            Request::Hello(_) => {
                let now = stage.now().after(self.ahead);
                Some(Response::Hello(self.forgery.hello(&self.puppet.keys, now, stage)))
            }
            Request::Lookup(_)
            | Request::Status(_)
            | Request::Ticket(_)
            | Request::Ping
            | Request::Revocations(_)
            | Request::RevokeTicket(_)
            | Request::Policy(_)
            | Request::LogIn(_)
            | Request::Manage(_)
            | Request::GuestSearch(_)
            | Request::Guest(_)
            | Request::GuestProof(_) => None,
        }
    }
}

impl Adversary for RogueAuthority {
    fn receive(&mut self, from: HostId, packet: Packet, stage: &mut Stage<'_, '_>) {
        if let Some(Heard::Question(from, question, asked)) = self.puppet.hear(from, &packet, stage) {
            let response = self.response(from, &asked, stage).map(|response| frame(&response));
            self.puppet.answer(from, question, response, stage);
        }
    }

    fn wake(&mut self, stage: &mut Stage<'_, '_>) {
        self.puppet.announce(&self.target, stage);
        let now = stage.now().after(self.ahead);
        let hello = frame(&Request::Hello(self.forgery.hello(&self.puppet.keys, now, stage)));
        let to = super::forger::victim(&self.target, stage);
        self.puppet.ask(to, hello, stage);
        stage.wake_after(EVERY);
    }
}
