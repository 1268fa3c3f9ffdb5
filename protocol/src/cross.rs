//! Nothing that is signed or sealed passes for anything else: every kind offered as every other kind.
//!
//! **A new [`Label`] needs a row in [`ROWS`]**, which says what it is for. If what is made with it travels or is
//! kept, its kind also needs an entry in [`kinds`](kinds()): the real bytes, and what takes them.

mod enrolment;
mod kinds;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use self::enrolment::Enrolment;
use self::kinds::kinds;
use crate::codec;
use crate::identity::{IdentityKey, SealingKey, Secret, Signature};
use crate::keyring::KeyRing;
use crate::label::Label;
use crate::seal;
use crate::time::Timestamp;

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
    (Label::Policy, Use::Signs),
    (Label::PolicyPart, Use::Names),
    (Label::UserAssertion, Use::Signs),
    (Label::UserPassword, Use::Seals),
    (Label::Audit, Use::Names),
    (Label::GuestPassword, Use::Names),
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
                "Label::{label:?} signs or seals, and no entry in kinds() of protocol/src/cross/kinds.rs is made with it"
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
    assert_eq!((kinds.len(), refused), (24, 24 * 23), "a new kind is counted here");
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
