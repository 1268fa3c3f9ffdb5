//! Says everything that can be said, with made-up content, in every state; and signs its own certificates.

use core::time::Duration;

use lanyard_protocol::certificate::{
    CertificateDer, LEAF_LIFE, Role, Serial, Subject, TrustAnchor, Validity, issue_ca, issue_leaf,
};
use lanyard_protocol::enrolment::{EnrolAnswer, EnrolRequest, WhoIsAnswer};
use lanyard_protocol::hello::{Addresses, Hello};
use lanyard_protocol::identity::{CaKey, Fingerprint, IdentityKey, NetworkName, NodeId, NodeKeys};
use lanyard_protocol::label::{Digest, Label};
use lanyard_protocol::message::{Lookup, Request, Response, StatusRequest, frame};
use lanyard_protocol::reject::Reject;
use lanyard_protocol::revocation::{Revocation, SignedRevocation, Update};
use lanyard_protocol::seal::Sealed;
use lanyard_protocol::ticket::{TicketGrant, TicketId, TicketRequest};
use lanyard_protocol::time::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use serde::Serialize;

use super::flood::key_request;
use super::puppet::{Heard, Puppet, given_away};
use super::{Adversary, Stage, Target};
use crate::event::{HostId, Packet};

/// How often something is said.
const EVERY: Duration = Duration::from_millis(300);

/// Random bytes.
pub(super) fn bytes<const N: usize>(stage: &mut Stage<'_, '_>) -> [u8; N] {
    let mut bytes = [0; N];
    stage.rng().fill_bytes(&mut bytes);
    bytes
}

/// A host that is not an adversary's.
pub(super) fn victim(target: &Target, stage: &mut Stage<'_, '_>) -> HostId {
    HostId(u32::try_from(stage.rng().next_u64() % u64::from(target.hosts.max(1))).unwrap_or(0))
}

/// A CA of the attacker's own, for a network of the same name.
pub(super) struct Forgery {
    pub(super) key: CaKey,
    /// The same key, which the attacker signs anything with.
    signer: IdentityKey,
    pub(super) anchor: Option<TrustAnchor>,
    network: NetworkName,
}

/// What a signature on a statement about a revocation covers.
#[derive(Serialize)]
struct Signed<T> {
    root: Fingerprint,
    statement: T,
}

impl Forgery {
    pub(super) fn new(network: NetworkName, now: Timestamp, rng: &mut ChaCha20Rng) -> Self {
        let signer = IdentityKey::generate(rng);
        let key = CaKey::from_seed(&signer.seed());
        let pin = Fingerprint::of(&key.public_key());
        let ca = issue_ca(&key, &network, now, rng).ok();
        let anchor = ca.and_then(|ca| TrustAnchor::new(ca, pin, network.clone()).ok());
        Self { key, signer, anchor, network }
    }

    /// A certificate for `keys`, as good as the attacker's CA can make it.
    pub(super) fn leaf(
        &self,
        keys: &NodeKeys,
        name: &str,
        role: Role,
        now: Timestamp,
        rng: &mut ChaCha20Rng,
    ) -> Option<CertificateDer> {
        let subject = Subject {
            name: name.parse().ok()?,
            network: self.network.clone(),
            entity: "shop".parse().ok()?,
            role,
            node: keys.node_id(),
            sealing: keys.sealing.public_key(),
        };
        let validity = Validity::starting(now, LEAF_LIFE).ok()?;
        issue_leaf(&self.key, self.anchor.as_ref()?, subject, validity, rng).ok()
    }

    /// A greeting with such a certificate.
    pub(super) fn hello(&self, keys: &NodeKeys, now: Timestamp, stage: &mut Stage<'_, '_>) -> Hello {
        let certificate = self
            .leaf(keys, "node-1", Role::Member, now, stage.rng())
            .or_else(|| self.anchor.as_ref().map(|anchor| anchor.der().clone()))
            .unwrap_or_else(unreachable_certificate);
        let here = stage.host();
        let addresses = Addresses { control: vec![here.control()], lane: vec![here.lane()] };
        let (revocations, policy) = (stage.rng().next_u64() % 5, stage.rng().next_u64() % 5);
        Hello { certificate, addresses, revocations, policy }
    }

    /// A revocation of `node` that the attacker's CA has signed, as of the network with the pin `root`.
    pub(super) fn revocation(
        &self,
        node: NodeId,
        root: Fingerprint,
        stage: &mut Stage<'_, '_>,
    ) -> SignedRevocation {
        let now = stage.now();
        let (serial, until) = (Serial::generate(stage.rng()), now.after(LEAF_LIFE));
        let epoch = 1 + stage.rng().next_u64() % 9;
        let revocation = Revocation { node, serial, epoch, at: now, until };
        let signature = self.signer.sign(Label::Revocation, &Signed { root, statement: revocation });
        SignedRevocation { revocation, signature }
    }
}

#[expect(clippy::panic, reason = "a CA certificate for a name that is one is always made")]
fn unreachable_certificate() -> CertificateDer {
    panic!("a CA certificate is made of any network's name")
}

/// Whoever says anything, in any order.
pub(super) struct Forger {
    target: Target,
    puppet: Puppet,
    forgery: Forgery,
    /// Whom it has met.
    met: Vec<NodeId>,
    woken: u64,
}

impl Forger {
    pub(super) fn new(target: Target, rng: &mut ChaCha20Rng) -> Self {
        let puppet = Puppet::new(NodeKeys::generate(rng));
        let forgery = Forgery::new(target.network.clone(), crate::moment::EPOCH, rng);
        Self { target, puppet, forgery, met: Vec::new(), woken: 0 }
    }

    fn somebody(&self, stage: &mut Stage<'_, '_>) -> NodeId {
        let place = crate::link::pick(self.met.len(), stage.rng());
        self.met.get(place).copied().unwrap_or_else(|| self.puppet.id())
    }

    fn request(&self, stage: &mut Stage<'_, '_>) -> Request {
        let node = self.somebody(stage);
        match stage.rng().next_u64() % 9 {
            0 => Request::WhoIs,
            1 => Request::KeyRequest(key_request(&self.target, &self.puppet.keys, stage)),
            2 => {
                let sealed = Sealed { encapped: bytes(stage), ciphertext: bytes::<300>(stage).to_vec() };
                Request::Enrol(EnrolRequest { token: bytes::<48>(stage).to_vec(), sealed })
            }
            3 => Request::Hello(self.forgery.hello(&self.puppet.keys, stage.now(), stage)),
            4 => Request::Lookup(Lookup { peer: "authority".to_owned() }),
            5 => Request::Status(StatusRequest { node, certificate: Digest(bytes(stage)) }),
            6 => match "chat".parse() {
                Ok(service) => {
                    let (nonce, certificate) = (bytes(stage), Digest(bytes(stage)));
                    Request::Ticket(TicketRequest { nonce, service, certificate, assertion: None })
                }
                Err(_) => Request::Ping,
            },
            7 => {
                let root = Fingerprint::of(&self.forgery.key.public_key());
                let entry = self.forgery.revocation(node, root, stage);
                Request::Revocations(Update { revocations: vec![entry], head: None })
            }
            _ => Request::RevokeTicket(TicketId(bytes(stage))),
        }
    }

    fn response(&self, stage: &mut Stage<'_, '_>) -> Response {
        match stage.rng().next_u64() % 8 {
            0 => Response::Hello(self.forgery.hello(&self.puppet.keys, stage.now(), stage)),
            1 => Response::Pong,
            2 => {
                let network = self.target.network.clone();
                let root = Fingerprint::of(&self.forgery.key.public_key());
                let (authority, addresses) = (self.puppet.id(), vec![stage.host().control()]);
                Response::WhoIs(WhoIsAnswer { network, root, authority, addresses })
            }
            3 => Response::Enrolled(EnrolAnswer { ciphertext: bytes::<400>(stage).to_vec() }),
            4 => Response::Reject(Reject::Revoked),
            5 => {
                let for_client = Sealed { encapped: bytes(stage), ciphertext: bytes::<200>(stage).to_vec() };
                let nothing = bytes::<32>(stage);
                let signature = self.puppet.keys.identity.sign(Label::TicketGrant, &nothing);
                Response::Grant(TicketGrant {
                    for_client,
                    for_service: bytes::<500>(stage).to_vec(),
                    signature,
                })
            }
            6 => {
                let (node, root) = (self.somebody(stage), Fingerprint::of(&self.forgery.key.public_key()));
                Response::Revoked(self.forgery.revocation(node, root, stage))
            }
            _ => Response::Revocations(stage.rng().next_u64()),
        }
    }
}

/// Changes one bit, adds or takes bytes.
fn damaged(mut frame: Vec<u8>, stage: &mut Stage<'_, '_>) -> Vec<u8> {
    let place = crate::link::pick(frame.len(), stage.rng());
    match stage.rng().next_u64() % 8 {
        0 => frame.truncate(place),
        1 => frame.extend(bytes::<3>(stage)),
        2 | 3 => frame[place] ^= 1 << (stage.rng().next_u64() % 8),
        _ => {}
    }
    frame
}

impl Adversary for Forger {
    fn receive(&mut self, from: HostId, packet: Packet, stage: &mut Stage<'_, '_>) {
        if let Packet::Accept { node, .. } | Packet::Dial { node, .. } = &packet
            && !self.met.contains(node)
        {
            self.met.push(*node);
        }
        match self.puppet.hear(from, &packet, stage) {
            Some(Heard::Answer(_, _, Some(answer))) => {
                if let Some(what) = given_away(&answer) {
                    stage.breach(format!("a stranger has got {what} from {from}"));
                }
            }
            Some(Heard::Question(from, question, _)) => {
                let response = frame(&self.response(stage));
                let response = damaged(response, stage);
                self.puppet.answer(from, question, Some(response), stage);
            }
            Some(Heard::Answer(..)) | None => {}
        }
    }

    fn wake(&mut self, stage: &mut Stage<'_, '_>) {
        self.woken += 1;
        if self.woken % 50 == 1 {
            self.puppet.announce(&self.target, stage);
        }
        let request = frame(&self.request(stage));
        let request = damaged(request, stage);
        let to = victim(&self.target, stage);
        self.puppet.ask(to, request, stage);
        stage.wake_after(EVERY);
    }
}
