//! What a sealed file withstands, with every key at hand.

mod frozen;
mod insiders;

use core::time::Duration;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::*;
use crate::certificate::{
    CertificateError, Role, Subject, TrustAnchor, Validity, Verified, VerifiedCertificate, issue_ca,
    issue_leaf, verify,
};
use crate::channel::Suites;
use crate::identity::{CaKey, Fingerprint, NodeKeys};
use crate::keyring::KeyRing;
use crate::revocation::{Issuer, RevocationList};
use crate::snapshot::{Member, Snapshot};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);
const HOUR: Duration = Duration::from_hours(1);

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// A network, by the seed of its CA key.
struct Network {
    key: CaKey,
    anchor: TrustAnchor,
}

impl Network {
    fn new(seed: u8) -> Self {
        let key = CaKey::from_seed(&[seed; 32]);
        let name = "shop.lan".parse().unwrap();
        let der = issue_ca(&key, &name, NOW.before(HOUR * 24 * 365), &mut rng(seed)).unwrap();
        let anchor = TrustAnchor::new(der, Fingerprint::of(&key.public_key()), name).unwrap();
        Self { key, anchor }
    }

    /// The member `name`, whose keys and certificate come from `seed`.
    fn member(&self, name: &str, seed: u8) -> Node {
        let keys = NodeKeys::generate(&mut rng(seed));
        let subject = Subject {
            name: name.parse().unwrap(),
            network: self.anchor.network().clone(),
            entity: "shop".parse().unwrap(),
            role: Role::Member,
            node: keys.node_id(),
            sealing: keys.sealing.public_key(),
        };
        let validity = Validity::starting(NOW, HOUR * 72).unwrap();
        let leaf = issue_leaf(&self.key, &self.anchor, subject, validity, &mut rng(seed)).unwrap();
        let certificate = verify(&self.anchor, &leaf, NOW).unwrap();
        let member = Member::new(self.anchor.clone(), certificate.clone(), Verified::default());
        let snapshot = Snapshot {
            keys: Arc::new(keys),
            ring: Arc::new(KeyRing::new(NOW, &mut rng(seed))),
            suites: Suites::PORTABLE,
            member: Some(Arc::new(member)),
            revoked_tickets: Arc::default(),
            guests: Arc::default(),
        };
        Node { snapshot, certificate }
    }
}

struct Node {
    snapshot: Snapshot,
    certificate: VerifiedCertificate,
}

impl Node {
    /// The same node, which knows of these revocations.
    fn knowing(mut self, revocations: RevocationList) -> Self {
        let member = self.snapshot.member.as_deref().unwrap().clone();
        self.snapshot.member = Some(Arc::new(Member { revocations: Arc::new(revocations), ..member }));
        self
    }

    fn seal_to(&self, receivers: &[&Self], now: Timestamp) -> Result<SealedHeader, HeaderError> {
        let receivers: Vec<_> = receivers.iter().map(|node| node.certificate.clone()).collect();
        seal(&self.snapshot, &receivers, now, &mut rng(99))
    }

    /// A whole sealed file.
    fn file(&self, receivers: &[&Self], content: &[u8]) -> Vec<u8> {
        let SealedHeader { header, key, signer } = self.seal_to(receivers, NOW).unwrap();
        let mut file = header.clone();
        file.extend(chunks(&mut ContentSealer::new(&header, &key, signer), content).concat());
        file
    }

    fn open(&self, file: &[u8]) -> Result<Vec<u8>, Fault> {
        let length = header_len(file.first_chunk().ok_or(HeaderError::Magic)?)?;
        let header = file.get(..length).ok_or(HeaderError::Magic)?;
        let (key, signer) = open(&self.snapshot, header, NOW)?.into_keys();
        Ok(opened(&mut ContentOpener::new(header, &key, signer), &file[length..])?)
    }
}

/// Why a whole file does not open.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error(transparent)]
    Content(#[from] ContentError),
}

/// The chunks of `content`, as whoever writes a file cuts it.
fn chunks(sealer: &mut ContentSealer, content: &[u8]) -> Vec<Vec<u8>> {
    let parts: Vec<&[u8]> =
        if content.is_empty() { vec![content] } else { content.chunks(CHUNK_PAYLOAD).collect() };
    let last = parts.len() - 1;
    let seal = |(at, part): (usize, &&[u8])| {
        let mut buffer = [0; CHUNK_MAX];
        buffer[CHUNK_HEAD..CHUNK_HEAD + part.len()].copy_from_slice(part);
        let length = sealer.seal(&mut buffer, part.len(), at == last).unwrap();
        buffer[..length].to_vec()
    };
    parts.iter().enumerate().map(seal).collect()
}

/// What is given out of the chunks in `bytes`, if it is whole.
fn opened(opener: &mut ContentOpener, mut bytes: &[u8]) -> Result<Vec<u8>, ContentError> {
    let mut content = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_first_chunk().ok_or_else(|| opener.cut())?;
        let head = opener.head(*head)?;
        let (body, rest) = rest.split_at_checked(head.body_len()).ok_or_else(|| opener.cut())?;
        content.extend_from_slice(opener.open(head, &mut body.to_vec())?);
        bytes = rest;
    }
    if opener.ended() { Ok(content) } else { Err(opener.cut()) }
}

fn three() -> [Node; 3] {
    let network = Network::new(1);
    [network.member("ana", 2), network.member("bob", 3), network.member("carol", 4)]
}

/// R-L6: every receiver opens it, of whatever length it is, and knows who sealed it and when.
#[test]
fn each_receiver_opens_it_and_knows_the_sender() {
    let [ana, bob, carol] = three();
    for length in [0, 1, CHUNK_PAYLOAD - 1, CHUNK_PAYLOAD, CHUNK_PAYLOAD + 1, 3 * CHUNK_PAYLOAD] {
        let content: Vec<u8> = (0..length).map(|at| at as u8).collect();
        let file = ana.file(&[&bob, &carol], &content);
        assert!(bob.open(&file).unwrap() == content && carol.open(&file).unwrap() == content, "{length}");
    }
    let header = ana.seal_to(&[&bob, &carol], NOW).unwrap().header;
    let read = open(&bob.snapshot, &header, NOW.after(HOUR * 24 * 365)).unwrap();
    assert_eq!((read.sender(), read.sealed_at()), (&ana.certificate, NOW));
    assert_eq!(read.receivers(), [&bob, &carol].map(|node| node.certificate.node_id()));
}

/// R-L6: nobody else opens it, the sender included, unless it is named; who is named twice counts once.
#[test]
fn only_receivers_open_it() {
    let [ana, bob, carol] = three();
    let file = ana.file(&[&bob], b"takings");
    let sender = ana.certificate.name().clone();
    let refusal = Err(Fault::Header(HeaderError::NotForThisNode { sender, receivers: 1 }));
    assert_eq!(carol.open(&file), refusal);
    assert_eq!(ana.open(&file), refusal);
    assert_eq!(ana.open(&ana.file(&[&ana], b"takings")).unwrap(), b"takings");
    let twice = ana.seal_to(&[&bob, &bob], NOW).unwrap();
    assert_eq!(open(&bob.snapshot, &twice.header, NOW).unwrap().receivers().len(), 1);
}

#[test]
fn seals_to_one_to_sixty_four() {
    let network = Network::new(1);
    let nodes: Vec<Node> = (0..65).map(|at| network.member(&format!("n{at}"), at + 100)).collect();
    let all: Vec<&Node> = nodes.iter().collect();
    let header = all[0].seal_to(&all[..RECEIVERS_MAX], NOW).unwrap().header;
    assert!(header.len() < HEADER_MAX, "{} bytes", header.len());
    for node in &all[..RECEIVERS_MAX] {
        assert!(open(&node.snapshot, &header, NOW).is_ok());
    }
    assert_eq!(all[0].seal_to(&all, NOW).unwrap_err(), HeaderError::Receivers(65));
    assert_eq!(all[0].seal_to(&[], NOW).unwrap_err(), HeaderError::Receivers(0));
}

/// C11: every flipped bit and every cut of a header is refused, and nothing panics.
#[test]
fn refuses_altered_headers() {
    let [ana, bob, _] = three();
    let header = ana.seal_to(&[&bob], NOW).unwrap().header;
    assert!(open(&bob.snapshot, &header, NOW).is_ok());
    for bit in 0..header.len() * 8 {
        let mut altered = header.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&bob.snapshot, &altered, NOW).is_err(), "bit {bit}");
    }
    for length in 0..header.len() {
        assert!(open(&bob.snapshot, &header[..length], NOW).is_err(), "length {length}");
    }
    let longer = [header.as_slice(), &[0]].concat();
    let (expected, actual) = (header.len(), longer.len());
    assert_eq!(open(&bob.snapshot, &longer, NOW).unwrap_err(), HeaderError::Cut { expected, actual });
}

/// D4: a length that no header has is refused before anything is read for it.
#[test]
fn refuses_lengths_that_no_header_has() {
    let mut prefix = *b"lanyard/sealed/1\0\0\0\0";
    for (length, fits) in [(0, true), (HEADER_MAX - PREFIX_LEN, true), (HEADER_MAX - PREFIX_LEN + 1, false)] {
        prefix[16..].copy_from_slice(&(length as u32).to_le_bytes());
        assert_eq!(header_len(&prefix).is_ok(), fits, "{length}");
    }
    prefix[16..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(header_len(&prefix), Err(HeaderError::Length(_))));
    prefix[15] = b'2';
    assert_eq!(header_len(&prefix), Err(HeaderError::Magic));
}

/// C11, D2, D3: cut, flipped, dropped, repeated, swapped or followed by something, the content is refused.
#[test]
fn refuses_altered_contents() {
    let [ana, bob, _] = three();
    let SealedHeader { header, key, signer } = ana.seal_to(&[&bob], NOW).unwrap();
    let seed = signer.seed();
    let content = vec![7; 3 * CHUNK_PAYLOAD];
    let good = chunks(&mut ContentSealer::new(&header, &key, signer), &content);
    let open = |chunks: &[&[u8]]| {
        let signer = crate::identity::ContentKey::from_seed(&seed).public_key();
        opened(&mut ContentOpener::new(&header, &key, signer), &chunks.concat())
    };
    let [a, b, c] = [0, 1, 2].map(|at| good[at].as_slice());
    assert_eq!(open(&[a, b, c]).unwrap(), content);
    let altered = |number| Err(ContentError::Altered { number });
    assert_eq!(open(&[b, a, c]), altered(0));
    assert_eq!(open(&[a, c]), altered(1));
    assert_eq!(open(&[a, a, b, c]), altered(1));
    assert_eq!(open(&[b, c]), altered(0));
    assert_eq!(open(&[c]), altered(0));
    assert_eq!(open(&[a, b, c, c]), Err(ContentError::Trailing));
    assert_eq!(open(&[a, b, c, b"more"]), Err(ContentError::Trailing));
    for (cut, number) in [(&[] as &[&[u8]], 0), (&[a], 1), (&[a, b], 2), (&[a, b, &c[..c.len() - 1]], 2)] {
        assert_eq!(open(cut), Err(ContentError::Truncated { number }), "{number}");
    }
    // The mark of the last chunk is part of what is signed.
    let mut early = b.to_vec();
    early[3] ^= 0x80;
    assert_eq!(open(&[a, &early]), altered(1));
    let places = [CHUNK_HEAD, CHUNK_HEAD + CHUNK_PAYLOAD, CHUNK_HEAD + CHUNK_PAYLOAD + 16, CHUNK_MAX - 1];
    for place in places {
        let mut flipped = b.to_vec();
        flipped[place] ^= 1;
        assert_eq!(open(&[a, &flipped, c]), altered(1), "byte {place}");
    }
}

/// C11: every cut and every flipped byte of a small file is refused.
#[test]
fn refuses_every_cut_and_flip_of_a_small_file() {
    let [ana, bob, _] = three();
    let file = ana.file(&[&bob], b"takings");
    let start = ana.seal_to(&[&bob], NOW).unwrap().header.len();
    for at in start..file.len() {
        assert!(bob.open(&file[..at]).is_err(), "cut at {at}");
        let mut flipped = file.clone();
        flipped[at] ^= 0x10;
        assert!(bob.open(&flipped).is_err(), "byte {at}");
    }
}

/// One content has one form: no chunk in the middle is short, and only nothing at all is an empty chunk.
#[test]
fn refuses_other_cuts_of_the_same_content() {
    let [ana, bob, _] = three();
    let new = || {
        let SealedHeader { header, key, signer } = ana.seal_to(&[&bob], NOW).unwrap();
        ContentSealer::new(&header, &key, signer)
    };
    let mut buffer = [0; CHUNK_MAX];
    assert_eq!(new().seal(&mut buffer, 5, false), Err(ContentError::Length { number: 0, len: 5 }));
    let mut sealer = new();
    assert!(sealer.seal(&mut buffer, CHUNK_PAYLOAD, false).is_ok());
    assert_eq!(sealer.seal(&mut buffer, 0, true), Err(ContentError::Length { number: 1, len: 0 }));
    assert!(sealer.seal(&mut buffer, 1, true).is_ok());
    assert_eq!(sealer.seal(&mut buffer, 1, true), Err(ContentError::Trailing));
}

/// B3, B4: the sender was a member of this very network when it sealed. That its certificate has ended is no fault.
#[test]
fn believes_who_was_a_member_then() {
    let [ana, bob, _] = three();
    let header = ana.seal_to(&[&bob], NOW.after(HOUR)).unwrap().header;
    assert!(open(&bob.snapshot, &header, NOW.after(HOUR * 1000)).is_ok(), "it has ended since");
    let early = open(&bob.snapshot, &header, NOW).unwrap_err();
    assert_eq!(early, HeaderError::Future { sealed_at: NOW.after(HOUR), now: NOW });
    let late = ana.seal_to(&[&bob], NOW.after(HOUR * 73)).unwrap_err();
    assert!(matches!(late, HeaderError::Own(CertificateError::Expired { .. })), "{late}");
    let other = Network::new(9).member("bob", 3);
    let error = open(&other.snapshot, &header, NOW.after(HOUR)).unwrap_err();
    assert!(matches!(error, HeaderError::Network { .. }), "{error}");
}

/// B3, B4: nothing is sealed to a certificate of another network, or one that has ended.
#[test]
fn seals_to_members_alone() {
    let [ana, ..] = three();
    let foreign = Network::new(9).member("bob", 3);
    let refused = ana.seal_to(&[&foreign], NOW).unwrap_err();
    assert!(matches!(refused, HeaderError::Receiver { .. }), "{refused}");
    let stranger = Snapshot { member: None, ..ana.snapshot.clone() };
    let receivers = [ana.certificate.clone()];
    assert_eq!(seal(&stranger, &receivers, NOW, &mut rng(1)).unwrap_err(), HeaderError::NotMember);
}

/// B7: nothing is sealed to a node whose membership was taken away, and nothing is believed of it.
#[test]
fn refuses_the_revoked_on_either_side() {
    let network = Network::new(1);
    let (till, desk) = (network.member("till", 2), network.member("desk", 3));
    let file = till.file(&[&desk], b"before it was lost, it says");
    let issuer = Issuer { key: &network.key, anchor: &network.anchor };
    let until = till.certificate.not_after();
    let revoked = issuer.revoke(&RevocationList::default(), &till.certificate, until, NOW).unwrap();
    let refused = HeaderError::Revoked("till".parse().unwrap());
    let desk = desk.knowing(revoked.list);
    assert_eq!(desk.open(&file), Err(refused.clone().into()));
    assert_eq!(desk.seal_to(&[&till], NOW).map(drop), Err(refused));
}
