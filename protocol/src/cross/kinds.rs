//! One object of every kind, and what takes it.

use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use zeroize::Zeroizing;

use super::enrolment::{Enrolment, enrolments};
use super::{NOW, libp2p_input, rng};
use crate::access::{Assembly, Notices, PublishedPolicy, STARTER, SignedPolicy};
use crate::certificate::{
    self, CertificateDer, LEAF_LIFE, TrustAnchor, Verified, VerifiedCertificate, request,
};
use crate::channel::{Binding, Initiator, MESSAGE_1_LEN, MESSAGE_2_LEN, Psk, Responder, Suites};
use crate::codec;
use crate::identity::{CaKey, PersonName, SealingKey, Secret, Signature, UserName};
use crate::keyring::KeyRing;
use crate::label::Label;
use crate::people::{ASSERTION_LIFE, Assertion, Home, Principal, SealedPassword, SignedAssertion};
use crate::revocation::{Issuer, RevocationList, SignedHead, SignedRevocation, Update};
use crate::seal::{self, Sealed};
use crate::snapshot::{Member, Snapshot};
use crate::ticket::{self, HeldTicket, SessionKeyCache, TicketGrant, vectors::World};
use crate::{envelope, message};

/// A kind of object: what it looks like, and what takes it.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) label: Option<Label>,
    pub(super) bytes: Vec<u8>,
    pub(super) takes: Takes,
}

type Takes = Box<dyn Fn(&[u8]) -> bool>;

/// One of each, and what takes it.
pub(super) fn kinds() -> Vec<Kind> {
    let mut kinds = Vec::new();
    certificates(&mut kinds);
    enrolments(&mut kinds);
    tickets(&mut kinds);
    channels(&mut kinds);
    revocations(&mut kinds);
    policies(&mut kinds);
    log_ins(&mut kinds);
    envelopes(&mut kinds);
    kinds
}

pub(super) fn add(
    kinds: &mut Vec<Kind>,
    name: &'static str,
    label: Option<Label>,
    bytes: Vec<u8>,
    takes: impl Fn(&[u8]) -> bool + 'static,
) {
    kinds.push(Kind { name, label, bytes, takes: Box::new(takes) });
}

/// The CA key is the identity key, which no network would do: so only the bytes that are signed are apart.
fn certificates(kinds: &mut Vec<Kind>) {
    let ca = CaKey::from_seed(&[20; 32]);
    let network: crate::identity::NetworkName = "shop.lan".parse().unwrap();
    let pin = crate::identity::Fingerprint::of(&ca.public_key());
    let der = certificate::issue_ca(&ca, &network, NOW, &mut rng()).unwrap();
    let anchor = TrustAnchor::new(der.clone(), pin, network.clone()).unwrap();
    let keys = Enrolment::authority_keys();
    let subject = certificate::Subject {
        name: "nas".parse().unwrap(),
        network: network.clone(),
        entity: "shop".parse().unwrap(),
        role: certificate::Role::Member,
        node: keys.node_id(),
        sealing: keys.sealing.public_key(),
    };
    let validity = certificate::Validity::starting(NOW, LEAF_LIFE).unwrap();
    let leaf = certificate::issue_leaf(&ca, &anchor, subject, validity, &mut rng()).unwrap();
    let csr = request::create(&keys.identity, &keys.sealing.public_key(), &"nas".parse().unwrap());
    add(kinds, "CA certificate", None, der.as_bytes().to_vec(), move |bytes| {
        CertificateDer::try_from(bytes.to_vec())
            .and_then(|der| TrustAnchor::new(der, pin, network.clone()))
            .is_ok()
    });
    add(kinds, "certificate", None, leaf.as_bytes().to_vec(), move |bytes| {
        CertificateDer::try_from(bytes.to_vec())
            .and_then(|der| certificate::verify(&anchor, &der, NOW))
            .is_ok()
    });
    add(kinds, "certificate request", None, csr, |bytes| request::verify(bytes).is_ok());
    let signature = keys.identity.sign_certificate_request(&libp2p_input());
    add(kinds, "libp2p signature", None, signature.to_vec(), move |bytes| {
        let signature = <[u8; 64]>::try_from(bytes).map(Signature::from);
        signature.is_ok_and(|bytes| keys.identity.public_key().verify_bytes(&libp2p_input(), &bytes).is_ok())
    });
}

/// A network whose CA key is the identity key, and a member of it that is the same node.
fn selfsame() -> (CaKey, TrustAnchor, VerifiedCertificate) {
    selfsame_as(certificate::Role::Member)
}

fn selfsame_as(role: certificate::Role) -> (CaKey, TrustAnchor, VerifiedCertificate) {
    let ca = CaKey::from_seed(&[20; 32]);
    let network: crate::identity::NetworkName = "shop.lan".parse().unwrap();
    let pin = crate::identity::Fingerprint::of(&ca.public_key());
    let der = certificate::issue_ca(&ca, &network, NOW, &mut rng()).unwrap();
    let anchor = TrustAnchor::new(der, pin, network.clone()).unwrap();
    let keys = Enrolment::authority_keys();
    let subject = certificate::Subject {
        name: "nas".parse().unwrap(),
        entity: network.default_entity(),
        network,
        role,
        node: keys.node_id(),
        sealing: keys.sealing.public_key(),
    };
    let validity = certificate::Validity::starting(NOW, LEAF_LIFE).unwrap();
    let leaf = certificate::issue_leaf(&ca, &anchor, subject, validity, &mut rng()).unwrap();
    let leaf = certificate::verify(&anchor, &leaf, NOW).unwrap();
    (ca, anchor, leaf)
}

fn revocations(kinds: &mut Vec<Kind>) {
    let (key, anchor, leaf) = selfsame();
    let issuer = Issuer { key: &key, anchor: &anchor };
    let list = issuer.revoke(&RevocationList::default(), &leaf, leaf.not_after(), NOW).unwrap().list;
    let update = list.since(0);
    let (entry, head) = (update.revocations[0], update.head.unwrap());
    add(kinds, "revocation", Some(Label::Revocation), codec::encode(&entry), |bytes| {
        let (_, anchor, _) = selfsame();
        let update =
            decode::<SignedRevocation>(bytes).map(|entry| Update { revocations: vec![entry], head: None });
        update.is_some_and(|update| RevocationList::default().merge(&update, &anchor).is_ok())
    });
    add(kinds, "revocations' head", Some(Label::RevocationHead), codec::encode(&head), |bytes| {
        let (_, anchor, _) = selfsame();
        let update =
            decode::<SignedHead>(bytes).map(|head| Update { revocations: Vec::new(), head: Some(head) });
        update.is_some_and(|update| RevocationList::default().merge(&update, &anchor).is_ok())
    });
}

fn policies(kinds: &mut Vec<Kind>) {
    let (key, anchor, _) = selfsame();
    let published = PublishedPolicy::sign(&key, &anchor, (STARTER, Notices::default()), 1).unwrap();
    let signed = published.part(0).unwrap().policy;
    add(kinds, "policy's head", Some(Label::Policy), codec::encode(&signed), |bytes| {
        let (_, anchor, _) = selfsame();
        decode::<SignedPolicy>(bytes).is_some_and(|signed| Assembly::new(signed, &anchor, None).is_ok())
    });
}

/// What the authority says of somebody who has logged in at its own node.
fn log_ins(kinds: &mut Vec<Kind>) {
    let (_, anchor, leaf) = selfsame_as(certificate::Role::Authority);
    let user: UserName = "ana".parse().unwrap();
    let assertion = Assertion {
        principal: Principal { person: user.clone().into(), user, home: Home::Network },
        roles: std::collections::BTreeSet::new(),
        entity: leaf.entity().clone(),
        node: leaf.node_id(),
        authenticated: NOW,
        issued: NOW,
        epoch: 0,
        expires: NOW.after(ASSERTION_LIFE),
    };
    let key = &Enrolment::authority_keys().identity;
    let signed = SignedAssertion::sign(key, anchor.fingerprint(), Some(leaf.der().clone()), assertion);
    add(kinds, "log-in", Some(Label::UserAssertion), codec::encode(&signed), |bytes| {
        let (_, anchor, leaf) = selfsame_as(certificate::Role::Authority);
        let member = Member::new(anchor, leaf.clone(), Verified::default());
        decode::<SignedAssertion>(bytes).is_some_and(|signed| signed.verify(&member, &leaf, NOW).is_ok())
    });
    let keys = Enrolment::authority_keys();
    let (node, sealing) = (keys.node_id(), keys.sealing.public_key());
    let whose: (UserName, PersonName) = ("ana".parse().unwrap(), "ana".parse().unwrap());
    let sealed =
        SealedPassword::seal((node, (node, &sealing)), (&whose.0, &whose.1), b"violet", &mut rng()).unwrap();
    add(kinds, "user's password", Some(Label::UserPassword), codec::encode(&sealed), move |bytes| {
        let keys = Enrolment::authority_keys();
        let own = (keys.node_id(), &keys.sealing);
        decode::<SealedPassword>(bytes)
            .is_some_and(|sealed| sealed.open((own.0, own), (&whose.0, &whose.1)).is_ok())
    });
}

/// A sealed file of the node to itself.
fn sealed_file() -> (Snapshot, Vec<u8>, Vec<u8>) {
    let (_, anchor, leaf) = selfsame();
    let snapshot = Snapshot {
        keys: std::sync::Arc::new(Enrolment::authority_keys()),
        ring: std::sync::Arc::new(KeyRing::new(NOW, &mut rng())),
        suites: Suites::PORTABLE,
        member: Some(std::sync::Arc::new(Member::new(anchor, leaf.clone(), Verified::default()))),
        revoked_tickets: std::sync::Arc::default(),
        guests: std::sync::Arc::default(),
    };
    let sealed = envelope::seal(&snapshot, core::slice::from_ref(&leaf), NOW, &mut rng()).unwrap();
    let mut chunk = [0; envelope::CHUNK_MAX];
    let mut sealer = envelope::ContentSealer::new(&sealed.header, &sealed.key, sealed.signer);
    let length = sealer.seal(&mut chunk, 0, true).unwrap();
    (snapshot, sealed.header, chunk[..length].to_vec())
}

fn envelopes(kinds: &mut Vec<Kind>) {
    let (_, header, chunk) = sealed_file();
    let read: envelope::Header = decode(&header[envelope::PREFIX_LEN..]).unwrap();
    let key = codec::encode(&read.terms.receivers[0].key);
    add(kinds, "sealed file's header", Some(Label::EnvelopeHeader), header, |bytes| {
        let (snapshot, ..) = sealed_file();
        envelope::open(&snapshot, bytes, NOW).is_ok()
    });
    add(kinds, "sealed file's key", Some(Label::EnvelopeKey), key, move |bytes| {
        let (keys, terms) = (Enrolment::authority_keys(), &read.terms);
        let info = envelope::key_info(terms.network, keys.node_id(), keys.node_id(), &terms.content_key);
        decode::<Sealed>(bytes).is_some_and(|key| seal::open(&keys.sealing, &key, &info, &[]).is_ok())
    });
    add(kinds, "sealed file's chunk", Some(Label::EnvelopeChunk), chunk, |bytes| {
        let (snapshot, header, _) = sealed_file();
        let (key, signer) = envelope::open(&snapshot, &header, NOW).unwrap().into_keys();
        let mut opener = envelope::ContentOpener::new(&header, &key, signer);
        bytes.split_first_chunk().is_some_and(|(head, body)| {
            opener.head(*head).is_ok_and(|head| opener.open(head, &mut body.to_vec()).is_ok())
        })
    });
}

pub(super) fn decode<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    codec::decode::<T, { message::FRAME_MAX }>(bytes).ok()
}

fn tickets(kinds: &mut Vec<Kind>) {
    let world = World::new();
    let provider = world.leaf(&world.provider, "nas");
    let grant = world.grant();
    let held =
        ticket::accept(world.grant(), &world.request, &provider, &world.requester, NOW).unwrap().to_record();
    let for_service = world.for_service();
    add(kinds, "ticket grant", Some(Label::TicketGrant), codec::encode(&grant), |bytes| {
        let world = World::new();
        let provider = world.leaf(&world.provider, "nas");
        decode::<TicketGrant>(bytes).is_some_and(|grant| {
            ticket::accept(grant, &world.request, &provider, &world.requester, NOW).is_ok()
        })
    });
    add(kinds, "ticket's half", Some(Label::TicketForClient), codec::encode(&grant.for_client), |bytes| {
        let world = World::new();
        let info = Label::TicketForClient
            .join(&[world.requester.node_id().as_bytes(), world.provider.node_id().as_bytes()]);
        decode::<Sealed>(bytes)
            .is_some_and(|sealed| seal::open(&world.requester.sealing, &sealed, &info, &[]).is_ok())
    });
    add(kinds, "ticket as it is shown", Some(Label::TicketForService), for_service, |bytes| {
        let world = World::new();
        ticket::validate(&world.snapshot(), &SessionKeyCache::default(), bytes, NOW).is_ok()
    });
    add(kinds, "kept ticket", None, held, |bytes| {
        let keys = World::new().requester;
        HeldTicket::from_record(bytes, keys.node_id()).is_some()
    });
    let record = |row: &[u8], bytes: &[u8]| stored(&Label::StoreRecord.join(&[&[1], row]), bytes);
    add(kinds, "stored record", Some(Label::StoreKey), record(b"peers", b"badge"), |bytes| {
        let aad = Label::StoreRecord.join(&[&[1], b"peers"]);
        bytes.split_first_chunk().is_some_and(|(nonce, sealed)| {
            let payload = chacha20poly1305::aead::Payload { msg: sealed, aad: &aad };
            store_cipher().decrypt(nonce.into(), payload).is_ok()
        })
    });
}

/// The cipher of a store whose key is a secret that other things come from as well.
fn store_cipher() -> chacha20poly1305::XChaCha20Poly1305 {
    let key = Label::StoreKey.derive(&[], &[9; 32], &[b"record"]);
    chacha20poly1305::XChaCha20Poly1305::new((&*key).into())
}

fn stored(aad: &[u8], value: &[u8]) -> Vec<u8> {
    let nonce = [3; 24];
    let payload = chacha20poly1305::aead::Payload { msg: value, aad };
    [&nonce[..], &store_cipher().encrypt(&nonce.into(), payload).unwrap()].concat()
}

/// Both ends of a handshake, made anew for each attempt.
fn handshake<T>(run: impl FnOnce(&Binding<'_>, &Psk, &SealingKey) -> T) -> T {
    let world = World::new();
    let (for_service, terms) = (world.for_service(), codec::encode(&world.terms()));
    let binding = Binding {
        for_service: &for_service,
        terms: &terms,
        requester: world.requester.node_id(),
        provider: world.provider.node_id(),
        service: &world.request.service,
    };
    let shared = world.requester.sealing.agree(&world.provider.sealing.public_key()).unwrap();
    let psk = Psk::derive(&Secret::new(Zeroizing::new([9; 32])), &shared, &terms);
    run(&binding, &psk, &world.requester.sealing)
}

fn begin() -> (Initiator, [u8; MESSAGE_1_LEN]) {
    handshake(|binding, psk, key| Initiator::start(binding, psk, key, Suites::ALL, &mut rng()))
}

fn read(message_1: &[u8; MESSAGE_1_LEN]) -> Option<Responder> {
    handshake(|binding, psk, key| {
        Responder::read(binding, psk, &key.public_key(), Suites::ALL, message_1, &mut rng()).ok()
    })
}

fn channels(kinds: &mut Vec<Kind>) {
    let (initiator, message_1) = begin();
    let (_, message_2) = read(&message_1).unwrap().accept(Suites::ALL, NOW).unwrap();
    let mut record = Vec::new();
    initiator.finish(&message_2, NOW).unwrap().sealer.seal_into(b"order", &mut record).unwrap();
    add(kinds, "first message", Some(Label::Channel), message_1.to_vec(), |bytes| {
        <[u8; MESSAGE_1_LEN]>::try_from(bytes).is_ok_and(|message| read(&message).is_some())
    });
    add(kinds, "second message", Some(Label::ChannelPsk), message_2.to_vec(), |bytes| {
        <[u8; MESSAGE_2_LEN]>::try_from(bytes).is_ok_and(|message| begin().0.finish(&message, NOW).is_ok())
    });
    add(kinds, "record", Some(Label::ChannelRecord), record, |bytes| {
        let (_, message_1) = begin();
        let (mut provider, _) = read(&message_1).unwrap().accept(Suites::ALL, NOW).unwrap();
        bytes.split_first_chunk().is_some_and(|(head, body)| {
            provider.header(head).is_ok_and(|header| {
                header.body_len() == body.len() && provider.confirm(header, &mut body.to_vec()).is_ok()
            })
        })
    });
}
