//! A member that betrays its network: it has joined by rights, and wants what membership does not give.

use core::time::Duration;
use std::collections::BTreeMap;

use lanyard_protocol::certificate::{CertificateDer, Role, TrustAnchor};
use lanyard_protocol::codec;
use lanyard_protocol::control::{Guid, MachineId};
use lanyard_protocol::enrolment::{
    Asked, Enrolled, Hope, HopeInvite, InviteUri, Prospect, Requested, WhoIsAnswer,
};
use lanyard_protocol::hello::{Addresses, Hello};
use lanyard_protocol::identity::{NodeId, NodeKeys, Secret, ServiceName};
use lanyard_protocol::keyring::{KeyRing, Tag};
use lanyard_protocol::label::{Digest, Label};
use lanyard_protocol::message::{self, Lookup, Request, Response, frame};
use lanyard_protocol::people::SignedAssertion;
use lanyard_protocol::revocation::Update;
use lanyard_protocol::ticket::{Terms, TicketId, TicketRequest};
use lanyard_protocol::time::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use serde::Serialize;

use super::forger::{Forgery, bytes, victim};
use super::puppet::{Heard, Puppet, given_away};
use super::{Adversary, Stage, Target};
use crate::event::{HostId, Packet};
use crate::fact::Certified;
use crate::link::pick;

/// How often it tries something.
const EVERY: Duration = Duration::from_millis(400);

/// How far it has come.
enum Progress {
    Outside,
    Asked(Box<Asked>),
    Requested(Box<Requested>),
    Inside(Box<Inside>),
}

/// What it has by rights.
struct Inside {
    anchor: TrustAnchor,
    certificate: CertificateDer,
    /// Tickets that it was given, by the host of their provider.
    tickets: Vec<(HostId, Vec<u8>)>,
    /// Members, and what they have shown.
    met: Vec<(NodeId, Hello)>,
}

/// What a question was for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// What every member may ask.
    Rightful,
    /// A ticket for a service that policy grants.
    Ticket,
    /// What nobody may have: any answer but a refusal is a breach.
    Forbidden(&'static str),
}

/// The inner part of a ticket, as a provider would seal it.
#[derive(Serialize)]
struct ServiceHalf {
    terms: Terms,
    secret: Secret,
    certificate: CertificateDer,
    assertion: Option<SignedAssertion>,
}

#[derive(Serialize)]
struct SealedServiceHalf {
    service: Tag,
    sealed: Vec<u8>,
}

/// The traitor.
pub(super) struct Insider {
    target: Target,
    invite: String,
    puppet: Puppet,
    /// An identity without a certificate, which shows those of others.
    mask: Puppet,
    forgery: Forgery,
    progress: Progress,
    aims: BTreeMap<u64, Aim>,
    /// Whose ticket was shown at which channel, or nobody's.
    shown: BTreeMap<u64, Option<HostId>>,
    channels: u64,
}

impl Insider {
    pub(super) fn new(target: Target, rng: &mut ChaCha20Rng) -> Option<Self> {
        let invite = target.invite.clone()?;
        let [puppet, mask] = [(); 2].map(|()| Puppet::new(NodeKeys::generate(rng)));
        let forgery = Forgery::new(target.network.clone(), crate::moment::EPOCH, rng);
        let (progress, aims, shown) = (Progress::Outside, BTreeMap::new(), BTreeMap::new());
        Some(Self { target, invite, puppet, mask, forgery, progress, aims, shown, channels: 0 })
    }

    fn join(&mut self, told: WhoIsAnswer, stage: &mut Stage<'_, '_>) {
        let Ok(InviteUri { root, secret: Some(secret), .. }) = self.invite.parse() else { return };
        let Ok(name) = format!("stranger-{}", stage.host().0).parse() else { return };
        let prospect = Prospect { network: told.network, root, node: told.authority };
        let guid = Guid::of(&MachineId::new("insider"), self.puppet.id(), &prospect.network);
        let invite = Some(HopeInvite::Secret(secret));
        let hope = Hope {
            name,
            pinned: true,
            invite,
            password: None,
            guid,
            replace: false,
            own: None,
            confirmed: false,
        };
        let (asked, request) = Asked::stranger(&self.puppet.keys, hope, prospect, stage.rng());
        self.progress = Progress::Asked(Box::new(asked));
        self.puppet.ask(HostId(0), frame(&Request::KeyRequest(request)), stage);
    }

    /// Goes on joining with what the authority answers.
    fn go_on(&mut self, answer: Response, stage: &mut Stage<'_, '_>) {
        let now = stage.now();
        match (core::mem::replace(&mut self.progress, Progress::Outside), answer) {
            (Progress::Outside, Response::WhoIs(told)) => self.join(told, stage),
            (Progress::Asked(asked), Response::AuthorityKey(key)) => {
                let lead = Duration::from_hours(1);
                if let Ok(answered) = asked.answered(*key, &self.puppet.keys, (now, lead), stage.rng()) {
                    self.progress = Progress::Requested(Box::new(answered.requested));
                    self.puppet.ask(HostId(0), frame(&Request::Enrol(answered.request)), stage);
                }
            }
            (Progress::Requested(requested), Response::Enrolled(answer)) => {
                if let Ok(enrolled) = requested.answered(&answer, &self.puppet.keys, now) {
                    self.get_in(enrolled, stage);
                }
            }
            (before, _) => self.progress = before,
        }
    }

    fn get_in(&mut self, enrolled: Enrolled, stage: &mut Stage<'_, '_>) {
        let Enrolled { leaf, anchor, .. } = enrolled;
        stage.certified(Certified {
            node: leaf.node_id(),
            name: leaf.name().clone(),
            network: anchor.fingerprint().0.0,
            issued: leaf.issued(),
            not_after: leaf.not_after(),
            authority: leaf.role() == Role::Authority,
        });
        let certificate = leaf.der().clone();
        let inside = Inside { anchor, certificate, tickets: Vec::new(), met: Vec::new() };
        self.progress = Progress::Inside(Box::new(inside));
        for to in (0..self.target.hosts).map(HostId) {
            self.greet(to, stage);
        }
    }

    /// Shows its certificate, and says that it is where somebody else is.
    fn greet(&mut self, to: HostId, stage: &mut Stage<'_, '_>) {
        let Progress::Inside(inside) = &self.progress else { return };
        let other = victim(&self.target, stage);
        let addresses = Addresses { control: vec![other.control()], lane: vec![other.lane()] };
        let hello = Hello { certificate: inside.certificate.clone(), addresses, revocations: 0, policy: 0 };
        self.ask(to, Request::Hello(hello), Aim::Rightful, stage);
    }

    fn ask(&mut self, to: HostId, request: Request, aim: Aim, stage: &mut Stage<'_, '_>) {
        let number = self.puppet.ask(to, frame(&request), stage);
        self.aims.insert(number, aim);
    }

    fn show(&mut self, to: HostId, ticket: Vec<u8>, of: Option<HostId>, stage: &mut Stage<'_, '_>) {
        self.channels += 1;
        self.shown.insert(self.channels, of);
        stage.send(to, Packet::Present { channel: self.channels, ticket });
    }

    fn betray(&mut self, stage: &mut Stage<'_, '_>) {
        let Progress::Inside(inside) = &self.progress else { return };
        let to = victim(&self.target, stage);
        let (certificate, root) = (inside.certificate.digest(), inside.anchor.fingerprint());
        let somebody = inside.met.get(pick(inside.met.len(), stage.rng())).cloned();
        match (stage.rng().next_u64() % 9, somebody) {
            (0, _) => self.greet(to, stage),
            (1, _) => self.want("chat", certificate, Aim::Ticket, to, stage),
            (2, _) => {
                let aim = Aim::Forbidden("a ticket for a service that policy does not grant");
                self.want("backup", certificate, aim, to, stage);
            }
            // Another one's certificate, as its own.
            (3, Some((_, hello))) => drop(self.mask.ask(to, frame(&Request::Hello(hello)), stage)),
            (4, Some((node, _))) => {
                let entry = self.forgery.revocation(node, root, stage);
                let update = Update { revocations: vec![entry], head: None };
                self.ask(to, Request::Revocations(update), Aim::Rightful, stage);
            }
            (5, _) => {
                if let Some((provider, ticket)) =
                    inside.tickets.get(pick(inside.tickets.len(), stage.rng())).cloned()
                {
                    self.show(to, ticket, Some(provider), stage);
                }
            }
            (6, Some((provider, _))) => {
                if let Some(ticket) = self.minted(provider, stage) {
                    self.show(to, ticket, None, stage);
                }
            }
            (7, _) => self.ask(
                HostId(0),
                Request::Lookup(Lookup { peer: "authority".to_owned() }),
                Aim::Rightful,
                stage,
            ),
            (8, _) => {
                let aim = Aim::Forbidden("a ticket for another certificate than its own");
                self.want("chat", Digest(bytes(stage)), aim, to, stage);
            }
            _ => {}
        }
    }

    fn want(&mut self, service: &str, certificate: Digest, aim: Aim, to: HostId, stage: &mut Stage<'_, '_>) {
        let Ok(service) = service.parse::<ServiceName>() else { return };
        let request = TicketRequest { nonce: bytes(stage), service, certificate, assertion: None };
        self.ask(to, Request::Ticket(request), aim, stage);
    }

    /// A ticket of `provider`'s, minted by the traitor under a ring of its own.
    fn minted(&self, provider: NodeId, stage: &mut Stage<'_, '_>) -> Option<Vec<u8>> {
        let Progress::Inside(inside) = &self.progress else { return None };
        let (now, me) = (stage.now(), self.puppet.id());
        let terms = Terms {
            id: TicketId(bytes(stage)),
            service: "chat".parse().ok()?,
            requester: me,
            provider,
            minter: provider,
            entity: "shop".parse().ok()?,
            user: None,
            not_before: now,
            expires: now.after(Duration::from_hours(8)),
        };
        let secret = Secret::generate(stage.rng());
        let half = ServiceHalf { terms, secret, certificate: inside.certificate.clone(), assertion: None };
        let ring = KeyRing::new(now, stage.rng());
        let service = ring.tag(Label::TicketService, b"chat");
        let plaintext = codec::encode(&half);
        let sealed = ring.seal(Label::TicketForService, &codec::encode(&service), &plaintext, stage.rng());
        Some(codec::encode(&SealedServiceHalf { service, sealed }))
    }

    fn answered(&mut self, from: HostId, number: u64, answer: Response, stage: &mut Stage<'_, '_>) {
        let Some(aim) = self.aims.remove(&number) else {
            self.go_on(answer, stage);
            return;
        };
        let Progress::Inside(inside) = &mut self.progress else { return };
        match (aim, answer) {
            (Aim::Forbidden(what), answer) if !matches!(answer, Response::Reject(_)) => {
                stage.breach(format!("a member has got {what} from {from}"));
            }
            (Aim::Ticket, Response::Grant(grant)) => inside.tickets.push((from, grant.for_service)),
            (Aim::Rightful, Response::Hello(hello)) => remember(inside, hello, stage.now()),
            _ => {}
        }
    }
}

fn remember(inside: &mut Inside, hello: Hello, now: Timestamp) {
    let verified = lanyard_protocol::certificate::verify(&inside.anchor, &hello.certificate, now);
    if let Ok(certificate) = verified {
        inside.met.retain(|(node, _)| *node != certificate.node_id());
        inside.met.push((certificate.node_id(), hello));
    }
}

impl Adversary for Insider {
    fn receive(&mut self, from: HostId, packet: Packet, stage: &mut Stage<'_, '_>) {
        if let Packet::Presented { channel, verdict: Ok(_) } = &packet {
            match self.shown.remove(channel) {
                Some(None) => stage.breach(format!("{from} has taken a ticket that it did not mint")),
                Some(Some(provider)) if provider != from => {
                    stage.breach(format!("{from} has taken a ticket that {provider} minted"));
                }
                _ => {}
            }
        }
        if !matches!(packet, Packet::Dial { .. })
            && let Some(Heard::Answer(_, _, Some(answer))) = self.mask.hear(from, &packet, stage)
            && let Some(what) = given_away(&answer)
        {
            stage.breach(format!("another member's certificate has got {what} from {from}"));
        }
        match self.puppet.hear(from, &packet, stage) {
            Some(Heard::Answer(from, number, Some(answer))) => {
                if let Ok(answer) = message::parse(&answer) {
                    self.answered(from, number, answer, stage);
                }
            }
            Some(Heard::Question(from, question, asked)) => {
                let answer = match (message::parse(&asked), &self.progress) {
                    (Ok(Request::Hello(_)), Progress::Inside(inside)) => {
                        let (certificate, addresses) = (inside.certificate.clone(), Addresses::default());
                        Some(frame(&Response::Hello(Hello {
                            certificate,
                            addresses,
                            revocations: 7,
                            policy: 7,
                        })))
                    }
                    (Ok(Request::Ping), _) => Some(frame(&Response::Pong)),
                    // As if it had the whole list, and more.
                    (Ok(Request::Revocations(_)), _) => Some(frame(&Response::Revocations(u64::MAX))),
                    _ => None,
                };
                self.puppet.answer(from, question, answer, stage);
            }
            Some(Heard::Answer(..)) | None => {}
        }
    }

    fn wake(&mut self, stage: &mut Stage<'_, '_>) {
        match &self.progress {
            Progress::Outside => drop(self.puppet.ask(HostId(0), frame(&Request::WhoIs), stage)),
            Progress::Inside(_) => self.betray(stage),
            Progress::Asked(_) | Progress::Requested(_) => {}
        }
        stage.wake_after(EVERY);
    }
}
