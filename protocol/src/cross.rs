//! Nothing that is signed or sealed passes for anything else: every kind offered as every other kind.
//!
//! **A new [`Label`] needs a row in [`ROWS`]**, which says what it is for. If what is made with it travels or is
//! kept, its kind also needs an entry in [`kinds`]: the real bytes, and what takes them.

use core::time::Duration;

use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use zeroize::Zeroizing;

use crate::certificate::{self, CertificateDer, LEAF_LIFE, TrustAnchor, VerifiedCertificate, request};
use crate::channel::{Binding, Initiator, MESSAGE_1_LEN, MESSAGE_2_LEN, Psk, Responder, Suites};
use crate::codec;
use crate::control::{Admission, Guid, MachineId, Mode};
use crate::enrolment::{
    Answered, Asked, Authority, AuthorityKey, EnrolAnswer, EnrolRequest, Hope, KeyRequest, Origin, Prospect,
    Requested, Verdict,
};
use crate::identity::{CaKey, IdentityKey, NodeKeys, SealingKey, Secret, Signature};
use crate::keyring::KeyRing;
use crate::label::Label;
use crate::revocation::{Issuer, RevocationList, SignedHead, SignedRevocation, Update};
use crate::seal::{self, Sealed};
use crate::snapshot::{Member, Snapshot};
use crate::ticket::{self, HeldTicket, SessionKeyCache, TicketGrant, vectors::World};
use crate::time::Timestamp;
use crate::{envelope, message};

/// What is made with a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// A signature by an identity key.
    Signs,
    /// A message that is sealed to a public key, with the label in HPKE's info.
    Seals,
    /// The key of a cipher or of a message authentication code, or what comes before such a key.
    Keys,
    /// A hash, a salt or associated data: it opens nothing and proves nothing by itself.
    Names,
}

const ROWS: &[(Label, Use)] = &[
    (Label::AuthorityKey, Use::Signs),
    (Label::CertificateRequest, Use::Seals),
    (Label::CertificateAnswer, Use::Keys),
    (Label::RetryToken, Use::Keys),
    (Label::InviteCode, Use::Names),
    (Label::InviteSecret, Use::Names),
    (Label::Pake, Use::Keys),
    (Label::MessageHash, Use::Names),
    (Label::StoreKey, Use::Keys),
    (Label::StoreRecord, Use::Names),
    (Label::TicketGrant, Use::Signs),
    (Label::TicketCommitment, Use::Names),
    (Label::TicketForClient, Use::Seals),
    (Label::TicketForService, Use::Keys),
    (Label::TicketService, Use::Keys),
    (Label::TicketTerms, Use::Names),
    (Label::Channel, Use::Names),
    (Label::ChannelPsk, Use::Keys),
    (Label::ChannelRecord, Use::Keys),
    (Label::ChannelRatchet, Use::Keys),
    (Label::Revocation, Use::Signs),
    (Label::RevocationHead, Use::Signs),
    (Label::RevocationDigest, Use::Names),
    (Label::StateExport, Use::Keys),
    (Label::EnvelopeHeader, Use::Signs),
    (Label::EnvelopeKey, Use::Seals),
    (Label::EnvelopeCommitment, Use::Names),
    (Label::EnvelopeContent, Use::Keys),
    (Label::EnvelopeChunk, Use::Signs),
    (Label::Guid, Use::Names),
    (Label::Password, Use::Names),
    (Label::ApprovalCommitment, Use::Names),
    (Label::ApprovalWords, Use::Names),
];

const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([7; 32])
}

/// B14: whoever adds a label says here what it is for, and so that it is tried against all the others.
#[test]
fn every_label_is_tried_as_every_other() {
    let kinds = kinds();
    for label in Label::ALL {
        let rows: Vec<Use> = ROWS.iter().filter(|row| row.0 == label).map(|row| row.1).collect();
        let [use_] = rows.as_slice() else {
            panic!("Label::{label:?} has {} rows in ROWS of protocol/src/cross.rs; it needs one", rows.len());
        };
        if matches!(use_, Use::Signs | Use::Seals) {
            assert!(
                kinds.iter().any(|kind| kind.label == Some(label)),
                "Label::{label:?} signs or seals, and no entry in kinds() of protocol/src/cross.rs is made with it"
            );
        }
    }
    assert_eq!(ROWS.len(), Label::ALL.len());
}

/// B14: a signature for one purpose is none for another, over the same bytes, by the same key.
#[test]
fn a_signature_is_for_one_purpose() {
    let key = IdentityKey::from_seed(&[2; 32]);
    let value = vec![0x30_u8; 80];
    let mut refused = 0;
    for made in Label::ALL {
        let signature = key.sign(made, &value);
        for other in Label::ALL {
            let verifies = key.public_key().verify(other, &value, &signature).is_ok();
            assert_eq!(verifies, made == other, "{made:?} as {other:?}");
            refused += usize::from(!verifies);
        }
        // What certificate requests, certificates and libp2p's handshakes sign is bytes without a label.
        for bytes in [&value[..], &codec::encode(&value), &libp2p_input(), made.as_str().as_bytes()] {
            assert!(key.public_key().verify_bytes(bytes, &signature).is_err(), "{made:?} as bare bytes");
            let bare = Signature::from(key.sign_certificate_request(bytes));
            assert!(key.public_key().verify(made, &value, &bare).is_err(), "bare bytes as {made:?}");
        }
    }
    assert_eq!(refused, Label::ALL.len() * (Label::ALL.len() - 1));
}

/// B14: what is sealed to a key for one purpose opens for no other.
#[test]
fn a_sealed_message_is_for_one_purpose() {
    let (from, to) = (SealingKey::from_bytes(&[1; 32]), SealingKey::from_bytes(&[2; 32]));
    let parts: [&[u8]; 2] = [&[5; 32], &[6; 32]];
    for made in Label::ALL {
        let info = made.join(&parts);
        let base = seal::seal(&to.public_key(), &info, &[], b"badge", &mut rng()).unwrap();
        let (auth, ours) =
            seal::seal_authenticated(&from, &to.public_key(), &info, &[], b"badge", made, &mut rng())
                .unwrap();
        for other in Label::ALL {
            let info = other.join(&parts);
            assert_eq!(seal::open(&to, &base, &info, &[]).is_ok(), made == other, "{made:?} as {other:?}");
            let opened = seal::open_authenticated(&to, &from.public_key(), &auth, &info, &[], other);
            assert_eq!(opened.is_ok(), made == other, "{made:?} as {other:?}");
            // Without a sender's proof it is not taken as one with, nor the other way round.
            assert!(seal::open(&to, &auth, &info, &[]).is_err());
            assert!(seal::open_authenticated(&to, &from.public_key(), &base, &info, &[], other).is_err());
            let exported =
                seal::open_authenticated(&to, &from.public_key(), &auth, &made.join(&parts), &[], other);
            assert_eq!(exported.unwrap().1 == ours, made == other, "the secret of {made:?} as of {other:?}");
        }
    }
}

/// B14: a key that comes from a secret for one purpose opens nothing of another, and a ring has one key for each.
#[test]
fn a_derived_key_is_for_one_purpose() {
    let key = |label: Label| Secret::new(label.derive(b"salt", &[9; 32], &[b"context"]));
    let ring = KeyRing::new(NOW, &mut rng());
    for made in Label::ALL {
        let sealed = seal::seal_once(key(made), b"", b"badge");
        let kept = ring.seal(made, b"", b"badge", &mut rng());
        let tag = ring.tag(made, b"badge");
        for other in Label::ALL {
            assert_eq!(
                seal::open_once(key(other), b"", &sealed).is_ok(),
                made == other,
                "{made:?} as {other:?}"
            );
            assert_eq!(ring.open(other, b"", &kept).is_ok(), made == other, "{made:?} as {other:?}");
            assert_eq!(ring.tag(other, b"badge") == tag, made == other, "{made:?} as {other:?}");
            assert_eq!(made.hash(&[b"badge"]) == other.hash(&[b"badge"]), made == other);
        }
    }
}

/// A kind of object: what it looks like, and what takes it.
struct Kind {
    name: &'static str,
    label: Option<Label>,
    bytes: Vec<u8>,
    takes: Takes,
}

type Takes = Box<dyn Fn(&[u8]) -> bool>;

/// B14: every object of every kind, offered where every other kind is expected, is refused; and so is each kind's
/// object in every other's place when only its signature is put there.
#[test]
fn every_kind_of_object_is_refused_as_every_other() {
    let kinds = kinds();
    let mut refused = 0;
    for made in &kinds {
        for place in &kinds {
            let taken = (place.takes)(&made.bytes);
            assert_eq!(taken, made.name == place.name, "a {} as a {}", made.name, place.name);
            refused += usize::from(!taken);
        }
    }
    assert_eq!((kinds.len(), refused), (21, 21 * 20), "a new kind is counted here");
}

/// B14: one Ed25519 key for everything: even then each signature fits its own object only.
#[test]
fn a_signature_put_into_another_object_is_refused() {
    let kinds = kinds();
    // Each ends with its signature, or is nothing else.
    let signed = ["CA certificate", "certificate", "certificate request", "authority's key", "ticket grant"];
    let of = |name: &str| kinds.iter().find(|kind| kind.name == name).unwrap();
    let tail = |bytes: &[u8]| bytes[bytes.len() - 64..].to_vec();
    let mut signatures: Vec<(&str, Vec<u8>)> =
        signed.iter().map(|name| (*name, tail(&of(name).bytes))).collect();
    signatures.push((
        "libp2p signature",
        Enrolment::authority_keys().identity.sign_certificate_request(&libp2p_input()).to_vec(),
    ));
    let mut refused = 0;
    for place in signed {
        let kind = of(place);
        for (made, signature) in &signatures {
            let mut bytes = kind.bytes.clone();
            let start = bytes.len() - 64;
            bytes[start..].copy_from_slice(signature);
            assert_eq!((kind.takes)(&bytes), *made == place, "the signature of a {made} in a {place}");
            refused += usize::from(*made != place);
        }
    }
    assert_eq!(refused, 5 * 5);
}

/// What libp2p's Noise handshake signs with the identity key.
fn libp2p_input() -> Vec<u8> {
    [b"noise-libp2p-static-key:".as_slice(), &[0x41; 32]].concat()
}

/// One of each, and what takes it.
fn kinds() -> Vec<Kind> {
    let mut kinds = Vec::new();
    certificates(&mut kinds);
    enrolments(&mut kinds);
    tickets(&mut kinds);
    channels(&mut kinds);
    revocations(&mut kinds);
    envelopes(&mut kinds);
    kinds
}

fn add(
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
        role: certificate::Role::Member,
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

/// A sealed file of the node to itself.
fn sealed_file() -> (Snapshot, Vec<u8>, Vec<u8>) {
    let (_, anchor, leaf) = selfsame();
    let snapshot = Snapshot {
        keys: std::sync::Arc::new(Enrolment::authority_keys()),
        ring: std::sync::Arc::new(KeyRing::new(NOW, &mut rng())),
        suites: Suites::PORTABLE,
        member: Some(std::sync::Arc::new(Member::new(anchor, leaf.clone()))),
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

/// A stranger that has nothing.
fn hope(keys: &NodeKeys) -> Hope {
    let network = "shop.lan".parse().unwrap();
    Hope {
        name: "till".parse().unwrap(),
        pinned: false,
        invite: None,
        password: None,
        guid: Guid::of(&MachineId::default(), keys.node_id(), &network),
        replace: false,
        own: None,
        confirmed: false,
    }
}

/// A candidate on its way into a network: made anew for each attempt, for every step consumes the one before.
struct Enrolment {
    authority: Authority,
    leaf: VerifiedCertificate,
    candidate: NodeKeys,
    asked: Asked,
    key_request: KeyRequest,
}

impl Enrolment {
    /// The node that is authority, provider and minter.
    fn authority_keys() -> NodeKeys {
        NodeKeys { identity: IdentityKey::from_seed(&[20; 32]), sealing: SealingKey::from_bytes(&[21; 32]) }
    }

    fn new() -> Self {
        let keys = Self::authority_keys();
        let candidate = NodeKeys {
            identity: IdentityKey::from_seed(&[10; 32]),
            sealing: SealingKey::from_bytes(&[11; 32]),
        };
        let (network, name) = ("shop.lan".parse().unwrap(), "office".parse().unwrap());
        let how = (Admission::only(Mode::Open), LEAF_LIFE);
        let (authority, issued) = Authority::create(network, name, how, &keys, NOW, &mut rng()).unwrap();
        let prospect = Prospect {
            network: authority.anchor().network().clone(),
            root: authority.anchor().fingerprint(),
            node: keys.node_id(),
        };
        let (asked, key_request) = Asked::stranger(&candidate, hope(&candidate), prospect, &mut rng());
        Self { authority, leaf: issued.answer, candidate, asked, key_request }
    }

    fn origin(&self) -> Origin {
        let address = core::net::IpAddr::from([10, 77, 0, 2]);
        Origin { node: self.candidate.node_id(), address, attached: true }
    }

    fn key(&mut self) -> AuthorityKey {
        let (origin, keys) = (self.origin(), Self::authority_keys());
        let answer =
            self.authority.key_request(&self.key_request, origin, &keys, &self.leaf, NOW, &mut rng());
        answer.unwrap().answer
    }

    /// What the candidate makes of an answer to its request for the key.
    fn believe(self, answer: AuthorityKey) -> Option<(Authority, NodeKeys, Requested, EnrolRequest)> {
        let Answered { requested, request, .. } =
            self.asked.answered(answer, &self.candidate, (NOW, Duration::ZERO), &mut rng()).ok()?;
        Some((self.authority, self.candidate, requested, request))
    }

    fn admit(mut self, offered: Option<&[u8]>) -> Option<(EnrolRequest, EnrolAnswer, Requested, NodeKeys)> {
        let (origin, key) = (self.origin(), self.key());
        let (mut authority, candidate, requested, request) = self.believe(key)?;
        let request = match offered {
            Some(bytes) => codec::decode::<_, { message::FRAME_MAX }>(bytes).ok()?,
            None => request,
        };
        let issued = authority.enrol(&request, origin, &Self::authority_keys(), NOW, &mut rng()).ok()?;
        let Verdict::Admitted(answer, _) = issued.answer else { return None };
        Some((request, answer, requested, candidate))
    }
}

fn decode<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    codec::decode::<T, { message::FRAME_MAX }>(bytes).ok()
}

fn enrolments(kinds: &mut Vec<Kind>) {
    let key = Enrolment::new().key();
    add(kinds, "authority's key", Some(Label::AuthorityKey), codec::encode(&key), |bytes| {
        decode(bytes).is_some_and(|key| {
            let mut enrolment = Enrolment::new();
            enrolment.key();
            enrolment.believe(key).is_some()
        })
    });
    add(kinds, "retry token", Some(Label::RetryToken), key.token, |bytes| {
        let mut enrolment = Enrolment::new();
        let (origin, mut key) = (enrolment.origin(), enrolment.key());
        // The authority's own answer with this token in it, so that everything else fits.
        key.token = bytes.to_vec();
        let digest = enrolment.key_request.digest();
        key.signature = Enrolment::authority_keys().identity.sign(Label::AuthorityKey, &key.signed(digest));
        enrolment.believe(key).is_some_and(|(mut authority, _, _, request)| {
            authority.enrol(&request, origin, &Enrolment::authority_keys(), NOW, &mut rng()).is_ok()
        })
    });
    let (request, answer, _, _) = Enrolment::new().admit(None).unwrap();
    add(kinds, "sealed request", Some(Label::CertificateRequest), codec::encode(&request), |bytes| {
        Enrolment::new().admit(Some(bytes)).is_some()
    });
    add(kinds, "sealed certificate", Some(Label::CertificateAnswer), answer.ciphertext, |bytes| {
        let (_, _, requested, candidate) = Enrolment::new().admit(None).unwrap();
        requested.answered(&EnrolAnswer { ciphertext: bytes.to_vec() }, &candidate, NOW).is_ok()
    });
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
        HeldTicket::from_record(bytes, keys.node_id(), &keys.sealing).is_some()
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
