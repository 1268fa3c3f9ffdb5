//! Tickets with one fault each, for other implementations: `vectors/ticket/*.json`.

use core::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::*;
use crate::certificate::{self, BACKDATE, LEAF_LIFE, Role, Subject, TrustAnchor, Validity, Verified};
use crate::channel::{FOR_SERVICE_MAX, Suites};
use crate::identity::{CaKey, Fingerprint, IdentityKey, NetworkName, NodeKeys};
use crate::keyring::{KeyRing, RingError};
use crate::seal;
use crate::snapshot::{Member, Snapshot};
use crate::vectors::{Family, hex, unhex};
use std::sync::Arc;

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

pub(super) fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// A requester and a provider of one network, and a stranger of the same.
pub(crate) struct World {
    ca: CaKey,
    pub(crate) anchor: TrustAnchor,
    pub(crate) requester: NodeKeys,
    pub(crate) provider: NodeKeys,
    pub(super) other: NodeKeys,
    ring: Arc<KeyRing>,
    pub(crate) request: TicketRequest,
}

fn keys(seed: u8) -> NodeKeys {
    NodeKeys {
        identity: IdentityKey::from_seed(&[seed; 32]),
        sealing: SealingKey::from_bytes(&[seed + 1; 32]),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let ca = CaKey::from_seed(&[1; 32]);
        let network: NetworkName = "shop.lan".parse().unwrap();
        let der = certificate::issue_ca(&ca, &network, NOW, &mut rng(1)).unwrap();
        let anchor = TrustAnchor::new(der, Fingerprint::of(&ca.public_key()), network).unwrap();
        let (requester, provider, other) = (keys(10), keys(20), keys(30));
        let ring = Arc::new(KeyRing::new(NOW, &mut rng(2)));
        let request = TicketRequest {
            nonce: [7; 32],
            service: "chat".parse().unwrap(),
            certificate: Digest([0; 32]),
            assertion: None,
        };
        let mut world = Self { ca, anchor, requester, provider, other, ring, request };
        world.request.certificate = world.leaf(&world.requester, "till").digest();
        world
    }

    /// The same nodes in a network of the same name.
    pub(super) fn of_another_authority() -> Self {
        let world = Self::new();
        let ca = CaKey::from_seed(&[9; 32]);
        let der = certificate::issue_ca(&ca, world.anchor.network(), NOW, &mut rng(1)).unwrap();
        let pin = Fingerprint::of(&ca.public_key());
        let anchor = TrustAnchor::new(der, pin, world.anchor.network().clone()).unwrap();
        Self { ca, anchor, ..world }
    }

    /// The certificate of the node with these keys.
    pub(crate) fn leaf(&self, keys: &NodeKeys, name: &str) -> VerifiedCertificate {
        self.leaf_for(keys, name, "shop", NOW)
    }

    fn leaf_for(&self, keys: &NodeKeys, name: &str, entity: &str, from: Timestamp) -> VerifiedCertificate {
        let subject = Subject {
            name: name.parse().unwrap(),
            network: "shop.lan".parse().unwrap(),
            entity: entity.parse().unwrap(),
            role: Role::Member,
            node: keys.node_id(),
            sealing: keys.sealing.public_key(),
        };
        let validity = Validity::starting(from, LEAF_LIFE).unwrap();
        let der = certificate::issue_leaf(&self.ca, &self.anchor, subject, validity, &mut rng(3)).unwrap();
        certificate::verify(&self.anchor, &der, NOW).unwrap()
    }

    /// The provider as its data plane sees it.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let certificate = self.leaf(&self.provider, "nas");
        let anchor = self.anchor.clone();
        let member = Member::new(anchor, certificate, Verified::default());
        Snapshot {
            keys: Arc::new(keys(20)),
            ring: Arc::clone(&self.ring),
            suites: Suites::ALL,
            member: Some(Arc::new(member)),
            revoked_tickets: Arc::default(),
            guests: Arc::default(),
        }
    }

    pub(crate) fn terms(&self) -> Terms {
        Terms {
            id: TicketId([5; 16]),
            service: self.request.service.clone(),
            requester: self.requester.node_id(),
            provider: self.provider.node_id(),
            minter: self.provider.node_id(),
            entity: "shop".parse().unwrap(),
            user: None,
            not_before: NOW.before(BACKDATE),
            expires: NOW.after(TICKET_LIFE),
        }
    }

    /// The grant that a provider would give.
    pub(crate) fn grant(&self) -> TicketGrant {
        self.making().grant(self)
    }

    fn making(&self) -> Making {
        Making {
            terms: self.terms(),
            secret: [9; 32],
            request: self.request.clone(),
            to: self.requester.sealing.public_key(),
            info: client_info(self.requester.node_id(), self.provider.node_id()),
            label: Label::TicketGrant,
            for_service: b"opaque to the requester".to_vec(),
        }
    }

    /// What a provider seals to itself.
    fn half(&self) -> ServiceHalf {
        let certificate = self.leaf(&self.requester, "till").der().clone();
        self.half_with(certificate)
    }

    /// The same, of whoever has shown this certificate.
    fn half_with(&self, certificate: CertificateDer) -> ServiceHalf {
        let requester = Shown::Member { certificate, assertion: None };
        ServiceHalf { terms: self.terms(), secret: secret([9; 32]), requester }
    }

    pub(crate) fn for_service(&self) -> Vec<u8> {
        self.sealed(&codec::encode(&self.half()))
    }

    fn sealed(&self, plaintext: &[u8]) -> Vec<u8> {
        let service = self.ring.tag(Label::TicketService, b"chat");
        self.sealed_as(service, Label::TicketForService, plaintext)
    }

    fn sealed_as(&self, service: Tag, label: Label, plaintext: &[u8]) -> Vec<u8> {
        let sealed = self.ring.seal(label, &codec::encode(&service), plaintext, &mut rng(4));
        codec::encode(&SealedServiceHalf { service, sealed })
    }
}

fn secret(bytes: [u8; 32]) -> Secret {
    Secret::new(zeroize::Zeroizing::new(bytes))
}

/// What goes into a grant, to be spoilt before it is sealed and signed.
struct Making {
    terms: Terms,
    secret: [u8; 32],
    request: TicketRequest,
    to: SealingPublicKey,
    info: Vec<u8>,
    label: Label,
    for_service: Vec<u8>,
}

impl Making {
    fn grant(&self, world: &World) -> TicketGrant {
        self.sign(world, self.seal(&codec::encode(&(&self.terms, &self.secret))))
    }

    fn seal(&self, half: &[u8]) -> Sealed {
        seal::seal(&self.to, &self.info, &[], half, &mut rng(5)).unwrap()
    }

    fn sign(&self, world: &World, for_client: Sealed) -> TicketGrant {
        let for_service = self.for_service.clone();
        let (request, secret) = (self.request.digest(), secret(self.secret));
        let signed = SignedGrant::new(request, &self.terms, &secret, &for_client, &for_service);
        let signature = world.provider.identity.sign(self.label, &signed);
        TicketGrant { for_client, for_service, signature }
    }
}

/// B10, B14, C2, C3, C9, C10, C11: a requester takes the one grant that answers its request, and no other.
#[test]
fn grants_with_one_fault_are_refused_for_it() {
    let world = World::new();
    let request = &world.request;
    let mut family = Family::new(
        "ticket/grant.json",
        "Answers to a request for a ticket, each with one fault: encodings of a TicketGrant, to be refused at the \
         time now (Unix seconds) by the requester, whose two secret keys are given, on its connection with the \
         provider. The error says why; null: accepted.",
        json!({
            "requester_identity_seed": hex(&*world.requester.identity.seed()),
            "requester_sealing_key": hex(&*world.requester.sealing.to_bytes()),
            "provider_certificate": hex(world.leaf(&world.provider, "nas").der().as_bytes()),
            "ca": hex(world.anchor.der().as_bytes()), "pin": world.anchor.fingerprint().to_string(),
            "request": hex(&codec::encode(request)), "now": NOW.as_secs(),
        }),
    );
    family.accept("the unbroken grant", input(&world.grant()));
    let latest = Making {
        terms: Terms { expires: NOW.after(Duration::from_secs(12 * 3600 + 300)), ..world.terms() },
        ..world.making()
    };
    family.accept("the latest end", input(&latest.grant(&world)));
    sealings(&mut family, &world);
    terms(&mut family, &world);
    signatures(&mut family, &world);
    family.check((39, 2), |case| judge_grant(&world, case));
}

fn judge_grant(world: &World, case: &Value) -> Result<(), String> {
    let provider = world.leaf(&world.provider, "nas");
    let grant: TicketGrant =
        codec::decode::<_, { 16 * 1024 }>(&unhex(&case["grant"])).map_err(|e| e.to_string())?;
    accept(grant, &world.request, &provider, &world.requester, NOW).map(drop).map_err(|e| e.to_string())
}

fn input(grant: &TicketGrant) -> Value {
    json!({ "grant": hex(&codec::encode(grant)) })
}

fn sealings(family: &mut Family, world: &World) {
    let sealed = GrantError::Sealed;
    let (requester, provider) = (world.requester.node_id(), world.provider.node_id());
    let other = world.other.node_id();
    let mut make = |name: &str, ids, making: Making| {
        family.refuse(name, ids, input(&making.grant(world)), &sealed);
    };
    let to = world.other.sealing.public_key();
    make("sealed to another node", "C2", Making { to, ..world.making() });
    let info = client_info(other, provider);
    make("sealed for another requester", "C10", Making { info, ..world.making() });
    let info = client_info(requester, other);
    make("sealed for another minter", "C10", Making { info, ..world.making() });
    let info = Label::CertificateRequest.join(&[requester.as_bytes(), provider.as_bytes()]);
    make("sealed as a certificate request", "B14", Making { info, ..world.making() });
    make("sealed for no purpose", "B14", Making { info: Vec::new(), ..world.making() });
    let making = world.making();
    let half = codec::encode(&(&making.terms, &making.secret));
    for (name, half) in [
        ("a byte behind the sealed half", [&half[..], &[0]].concat()),
        ("a sealed half that is cut", half[..half.len() - 1].to_vec()),
        ("nothing sealed", Vec::new()),
        ("a sealed half of 5,000 bytes", vec![0; 5000]),
        ("a service without a name", [&[5; 16], &[0][..], &half[21..]].concat()),
        ("a service in capitals", [&half[..17], b"CHAT", &half[21..]].concat()),
        ("a requester of small order", [&half[..21], &[0; 32], &half[53..]].concat()),
    ] {
        family.refuse(name, "C11, B10", input(&making.sign(world, making.seal(&half))), &sealed);
    }
    let good = world.grant();
    let mut altered = |name: &str, ids, alter: &dyn Fn(&mut Sealed)| {
        let mut grant = good.clone();
        alter(&mut grant.for_client);
        let grant = making.sign(world, grant.for_client);
        family.refuse(name, ids, input(&grant), &sealed);
    };
    altered("an encapsulated key of zeros", "B10", &|half| half.encapped = [0; 32]);
    altered("the ignored bit of the encapsulated key", "B10", &|half| half.encapped[31] ^= 0x80);
    altered("a flipped bit of the ciphertext", "C11", &|half| half.ciphertext[3] ^= 1);
    altered("a cut tag", "C11", &|half| half.ciphertext.truncate(half.ciphertext.len() - 1));
    altered("no ciphertext", "C11", &|half| half.ciphertext.clear());
    let encoded = codec::encode(&good);
    for (name, bytes, error) in [
        ("a byte behind the grant", [&encoded[..], &[0]].concat(), "not the canonical encoding"),
        ("a grant that is cut", encoded[..encoded.len() - 1].to_vec(), "malformed"),
        (
            "a length that is padded",
            [&encoded[..32], &[251, encoded[32], 0], &encoded[33..]].concat(),
            "not the canonical encoding",
        ),
        (
            "a ciphertext of 2^62 bytes",
            [&encoded[..32], &[253, 0, 0, 0, 0, 0, 0, 0, 0x40]].concat(),
            "malformed",
        ),
        ("nothing", Vec::new(), "malformed"),
    ] {
        family.refuse(name, "D4, C11", json!({ "grant": hex(&bytes) }), error);
    }
}

fn terms(family: &mut Family, world: &World) {
    let good = world.terms();
    let other = world.other.node_id();
    for (name, ids, error, terms) in [
        ("another requester", "C10", "requester", Terms { requester: other, ..good.clone() }),
        ("another provider", "C10", "provider", Terms { provider: other, ..good.clone() }),
        ("another minter", "C14", "provider", Terms { minter: other, ..good.clone() }),
        ("another service", "C3", "service", Terms { service: "file".parse().unwrap(), ..good.clone() }),
    ] {
        let grant = Making { terms, ..world.making() }.grant(world);
        family.refuse(name, ids, input(&grant), format!("the grant is for another {error}"));
    }
    let hour = Duration::from_secs(3600);
    let longest = NOW.after(Duration::from_secs(12 * 3600 + 300));
    for (name, not_before, expires) in [
        ("an end that has come", good.not_before, NOW),
        ("an end in the past", good.not_before, NOW.before(hour)),
        ("an end that is too late", good.not_before, longest.after(Duration::from_millis(1))),
        ("an end that never comes", good.not_before, Timestamp::from_millis(u64::MAX)),
        ("a beginning in 301 seconds", NOW.after(Duration::from_secs(301)), good.expires),
    ] {
        let terms = Terms { not_before, expires, ..good.clone() };
        let grant = Making { terms, ..world.making() }.grant(world);
        family.refuse(name, "C4", input(&grant), GrantError::Time { not_before, expires, now: NOW });
    }
    let long = Making { for_service: vec![7; FOR_SERVICE_MAX + 1], ..world.making() };
    family.refuse(
        "a half for the service that is too long",
        "D4",
        input(&long.grant(world)),
        GrantError::Terms("size"),
    );
}

fn signatures(family: &mut Family, world: &World) {
    let error = "the grant is not signed by nas's key for this request";
    let request = TicketRequest { nonce: [8; 32], ..world.request.clone() };
    let old = Making { request, ..world.making() };
    family.refuse("the answer to another request", "C1", input(&old.grant(world)), error);
    for label in [Label::AuthorityKey, Label::TicketTerms] {
        let signed = Making { label, ..world.making() };
        let name = format!("signed for {}", label.as_str());
        family.refuse(&name, "B14", input(&signed.grant(world)), error);
    }
    let mut grant = world.grant();
    grant.for_service[0] ^= 1;
    family.refuse("another half for the service", "C11", input(&grant), error);
    let theirs = Making { secret: [8; 32], ..world.making() };
    let sealed = theirs.seal(&codec::encode(&(&theirs.terms, &theirs.secret)));
    let swapped = TicketGrant { for_client: sealed, ..world.grant() };
    family.refuse("a half that an attacker sealed", "C9", input(&swapped), error);
    let mut signature = world.grant().signature.to_bytes();
    signature[40] ^= 1;
    let flipped = TicketGrant { signature: signature.into(), ..world.grant() };
    family.refuse("a flipped bit of the signature", "C11", input(&flipped), error);
    let zero = TicketGrant { signature: [0; 64].into(), ..world.grant() };
    family.refuse("a signature of zeros", "B10", input(&zero), error);
}

/// C2–C7, C11, B14: a provider believes what it sealed to itself, while it holds, and nothing else.
#[test]
fn tickets_with_one_fault_are_refused_for_it() {
    let world = World::new();
    let mut generator = rng(2);
    let generation = generator.next_u32() >> 1;
    let mut ring = [0; 32];
    generator.fill_bytes(&mut ring);
    let mut family = Family::new(
        "ticket/for_service.json",
        "What a requester shows of a ticket, each with one fault: to be refused at the time now (Unix seconds) by \
         the provider, who has this one generation in its key ring and grants chat and file. A case may name \
         another now. The error says why; null: accepted.",
        json!({
            "ring": { "generation": generation, "secret": hex(&ring) },
            "provider_identity_seed": hex(&*world.provider.identity.seed()),
            "provider_sealing_key": hex(&*world.provider.sealing.to_bytes()),
            "ca": hex(world.anchor.der().as_bytes()), "pin": world.anchor.fingerprint().to_string(),
            "now": NOW.as_secs(),
        }),
    );
    assert_eq!(world.ring.generation(), generation);
    family.accept("the unbroken ticket", shown(&world.for_service()));
    let last = NOW.after(TICKET_LIFE).before(Duration::from_secs(1));
    family.accept(
        "a second before its end",
        json!({ "for_service": hex(&world.for_service()), "now": last.as_secs() }),
    );
    envelopes(&mut family, &world);
    contents(&mut family, &world);
    family.check((33, 2), |case| {
        let now = case["now"].as_u64().map_or(NOW, Timestamp::from_secs);
        validate(&world.snapshot(), &SessionKeyCache::default(), &unhex(&case["for_service"]), now)
            .map(drop)
            .map_err(|error| error.to_string())
    });
}

fn shown(for_service: &[u8]) -> Value {
    json!({ "for_service": hex(for_service) })
}

fn envelopes(family: &mut Family, world: &World) {
    let forged = "the message was not sealed by this key ring";
    let good = world.for_service();
    // tag (16) ‖ length (3) ‖ generation (4) ‖ nonce (24) ‖ ciphertext
    let sealed = 16 + 3;
    let mut flip = |name: &str, at: usize| {
        let mut altered = good.clone();
        altered[at] ^= 1;
        family.refuse(name, "C11", shown(&altered), forged);
    };
    flip("a flipped bit of the service's tag", 0);
    flip("a flipped bit of the nonce", sealed + 4);
    flip("a flipped bit of the ciphertext", sealed + 28);
    flip("a flipped bit of the last byte", good.len() - 1);
    for (name, bytes) in [
        ("nothing", Vec::new()),
        ("a byte behind it", [&good[..], &[0]].concat()),
        ("the last byte missing", good[..good.len() - 1].to_vec()),
        ("a length that is padded", [&good[..16], &[252, good[17], good[18], 0, 0], &good[19..]].concat()),
        ("an announced length of 2^62", [&good[..16], &[253, 0, 0, 0, 0, 0, 0, 0, 0x40]].concat()),
        ("6,145 bytes", vec![7; FOR_SERVICE_MAX + 1]),
        ("zeros", vec![0; 600]),
        ("two of them", good.repeat(2)),
    ] {
        family.refuse(name, "C11, D4", shown(&bytes), forged);
    }
    let empty = |sealed: Vec<u8>| {
        let service = world.ring.tag(Label::TicketService, b"chat");
        codec::encode(&SealedServiceHalf { service, sealed })
    };
    family.refuse("nothing sealed", "C11", shown(&empty(Vec::new())), forged);
    let header = empty(world.ring.generation().to_le_bytes().to_vec());
    family.refuse("a generation and no more", "C11", shown(&header), forged);
    let generation = world.ring.generation() + 1;
    let unknown = empty([&generation.to_le_bytes()[..], &[0; 60]].concat());
    family.refuse(
        "a generation that is not held",
        "C5, C7",
        shown(&unknown),
        RingError::UnknownGeneration { generation },
    );
    for (name, label) in [("a retry token's key", Label::RetryToken), ("the tags' key", Label::TicketService)]
    {
        let service = world.ring.tag(Label::TicketService, b"chat");
        let other = world.sealed_as(service, label, &codec::encode(&world.half()));
        family.refuse(&format!("sealed under {name}"), "B14", shown(&other), forged);
    }
    let (late, expires) = (NOW.after(TICKET_LIFE), NOW.after(TICKET_LIFE));
    let at_its_end = json!({ "for_service": hex(&good), "now": late.as_secs() });
    family.refuse("at its end", "C4", at_its_end, format!("the ticket expired at {expires}, it is {late}"));
}

/// What was sealed for somebody without a certificate, to a service that has no password and is not granted to guests.
fn guests(family: &mut Family, world: &World) {
    let terms = world.terms();
    let sealing = world.requester.sealing.public_key();
    let half = |terms: Terms, sealing: SealingPublicKey| {
        let requester = Shown::Guest { sealing, password: PasswordMark::from_bytes([6; 16]) };
        let half = ServiceHalf { terms, secret: secret([9; 32]), requester };
        shown(&world.sealed(&codec::encode(&half)))
    };
    let content = "its content is not one";
    let bank = Terms { entity: "bank".parse().unwrap(), ..terms.clone() };
    family.refuse("a guest of another entity than the provider", "R-L7", half(bank, sealing), content);
    let ana: crate::identity::UserName = "ana".parse().unwrap();
    let user = Principal { person: ana.clone().into(), user: ana, home: crate::people::Home::Network };
    let user = Terms { user: Some(user), ..terms.clone() };
    family.refuse("a guest for a user", "R-L7, I3", half(user, sealing), content);
    family.refuse("a guest by a password that is none", "C4", half(terms, sealing), "the ticket was revoked");
}

/// What only the holder of the ring could have sealed: a replica, or an implementation with a fault.
fn contents(family: &mut Family, world: &World) {
    let good = world.half();
    let content = "its content is not one";
    let half = |terms: Terms| ServiceHalf { terms, ..world.half() };
    let terms = world.terms();
    let other = world.other.node_id();
    for (name, ids, half) in [
        (
            "another service than its tag",
            "C3",
            half(Terms { service: "file".parse().unwrap(), ..terms.clone() }),
        ),
        ("another provider", "C3, C10", half(Terms { provider: other, ..terms.clone() })),
        ("another requester than its certificate", "C10", half(Terms { requester: other, ..terms.clone() })),
        (
            "another entity than its certificate",
            "B2",
            half(Terms { entity: "bank".parse().unwrap(), ..terms.clone() }),
        ),
        (
            "another certificate than its requester",
            "C10",
            world.half_with(world.leaf(&world.other, "till").der().clone()),
        ),
        (
            "a certificate of another entity",
            "B2",
            world.half_with(world.leaf_for(&world.requester, "till", "bank", NOW).der().clone()),
        ),
    ] {
        family.refuse(name, ids, shown(&world.sealed(&codec::encode(&half))), content);
    }
    guests(family, world);
    let encoded = codec::encode(&good);
    for (name, plaintext) in [
        ("a byte behind what is sealed", [&encoded[..], &[0]].concat()),
        ("what is sealed is cut", encoded[..encoded.len() - 1].to_vec()),
        ("an empty plaintext", Vec::new()),
    ] {
        family.refuse(name, "C11", shown(&world.sealed(&plaintext)), content);
    }
    let file =
        world.sealed_as(world.ring.tag(Label::TicketService, b"file"), Label::TicketForService, &encoded);
    family.refuse("another service's tag", "C3", shown(&file), content);
    let denied = Terms { service: "backup".parse().unwrap(), ..terms.clone() };
    let tag = world.ring.tag(Label::TicketService, b"backup");
    let denied = world.sealed_as(tag, Label::TicketForService, &codec::encode(&half(denied)));
    family.refuse("a service that policy does not grant", "C3", shown(&denied), "policy no longer grants it");
    let certificate = World::of_another_authority().leaf(&world.requester, "till").der().clone();
    let stranger = world.half_with(certificate);
    family.refuse(
        "a certificate of another authority",
        "B3",
        shown(&world.sealed(&codec::encode(&stranger))),
        "issued by an authority other than",
    );
}
