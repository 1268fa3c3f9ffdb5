//! What somebody tries who may read the file, or who sends it: each has more than a stranger to try it with.

use super::*;
use crate::codec;
use crate::envelope::header::{Header, commitment, key_info, with_prefix};
use crate::identity::{ContentKey, Secret};
use crate::label::Label;

/// The header of `file`, to be taken apart.
fn header_of(file: &[u8]) -> Header {
    let length = header_len(file.first_chunk().unwrap()).unwrap();
    codec::decode::<_, HEADER_MAX>(&file[PREFIX_LEN..length]).unwrap()
}

/// `header`, signed again by `node` as if it had written it.
fn resigned(mut header: Header, node: &Node) -> Vec<u8> {
    header.signature = node.snapshot.keys.identity.sign(Label::EnvelopeHeader, &header.terms);
    with_prefix(&codec::encode(&header))
}

fn keys(node: &Node, file: &[u8]) -> (Secret, crate::identity::PublicKey) {
    let length = header_len(file.first_chunk().unwrap()).unwrap();
    open(&node.snapshot, &file[..length], NOW).unwrap().into_keys()
}

/// C9, C10: a receiver passes the file on to somebody whom the sender did not name, in the sender's name.
#[test]
fn a_receiver_cannot_add_a_receiver() {
    let [ana, bob, carol] = three();
    let file = ana.file(&[&bob], b"you are fired");
    let (key, _) = keys(&bob, &file);
    let mut header = header_of(&file);
    let network = header.terms.network;
    let info =
        key_info(network, ana.certificate.node_id(), carol.certificate.node_id(), &header.terms.content_key);
    let wrapped =
        crate::seal::seal(carol.certificate.sealing_key(), &info, &[], key.expose(), &mut rng(5)).unwrap();
    header.terms.receivers[0].node = carol.certificate.node_id();
    header.terms.receivers[0].key = wrapped;
    let forged = with_prefix(&codec::encode(&header));
    let error = open(&carol.snapshot, &forged, NOW).unwrap_err();
    assert_eq!(error, HeaderError::Signature(ana.certificate.name().clone()));
}

/// C9: a receiver changes what another receiver reads: it has the key that encrypts, and not the one that signs.
#[test]
fn a_receiver_cannot_change_the_content_for_another() {
    let [ana, bob, carol] = three();
    let file = ana.file(&[&bob, &carol], b"pay bob 10");
    let (key, _) = keys(&bob, &file);
    let length = header_len(file.first_chunk().unwrap()).unwrap();
    let mut sealer = ContentSealer::new(&file[..length], &key, ContentKey::generate(&mut rng(6)));
    let forged = [&file[..length], chunks(&mut sealer, b"pay bob 99").concat().as_slice()].concat();
    assert_eq!(carol.open(&forged), Err(Fault::Content(ContentError::Altered { number: 0 })));
}

/// C10: somebody puts his own name on what he cannot read: the wrapped keys are for the old sender's name.
#[test]
fn nobody_takes_over_what_another_sealed() {
    let [ana, bob, carol] = three();
    let mut header = header_of(&ana.file(&[&bob], b"a proposal"));
    header.terms.sender = carol.certificate.der().clone();
    let stolen = resigned(header, &carol);
    let error = open(&bob.snapshot, &stolen, NOW).unwrap_err();
    assert_eq!(error, HeaderError::Key(carol.certificate.name().clone()));
}

/// C11: one file's content behind another file's header, of the same sender to the same receiver.
#[test]
fn a_content_belongs_to_its_header() {
    let [ana, bob, carol] = three();
    let (one, two) = (ana.file(&[&bob], b"yes"), ana.file(&[&bob, &carol], b"no"));
    let cut = |file: &[u8]| header_len(file.first_chunk().unwrap()).unwrap();
    let mixed = [&one[..cut(&one)], &two[cut(&two)..]].concat();
    assert_eq!(bob.open(&mixed), Err(Fault::Content(ContentError::Altered { number: 0 })));
}

/// C9: a sender gives two receivers different keys, for a content that opens under both.
#[test]
fn a_sender_has_one_key_for_all() {
    let [ana, bob, _] = three();
    let mut header = header_of(&ana.file(&[&bob], b"yes"));
    let (me, other) = (bob.certificate.node_id(), Secret::generate(&mut rng(8)));
    let info = key_info(header.terms.network, ana.certificate.node_id(), me, &header.terms.content_key);
    let to = bob.certificate.sealing_key();
    header.terms.receivers[0].key = crate::seal::seal(to, &info, &[], other.expose(), &mut rng(5)).unwrap();
    let error = open(&bob.snapshot, &resigned(header, &ana), NOW).unwrap_err();
    assert_eq!(error, HeaderError::Key(ana.certificate.name().clone()));
}

/// B14, D4: a signed header without receivers, or with too many, is none.
#[test]
fn refuses_a_number_of_receivers_that_cannot_be() {
    let [ana, bob, _] = three();
    let mut header = header_of(&ana.file(&[&bob], b"yes"));
    header.terms.receivers.clear();
    assert_eq!(open(&bob.snapshot, &resigned(header, &ana), NOW).unwrap_err(), HeaderError::Receivers(0));
}

/// B14: the sender's certificate in a header is verified for the time of sealing, and is the signer's.
#[test]
fn refuses_another_members_signature() {
    let [ana, bob, carol] = three();
    let header = header_of(&ana.file(&[&bob], b"yes"));
    let error = open(&bob.snapshot, &resigned(header, &carol), NOW).unwrap_err();
    assert_eq!(error, HeaderError::Signature(ana.certificate.name().clone()));
    let mut early = header_of(&ana.file(&[&bob], b"yes"));
    early.terms.sealed_at = NOW.before(HOUR);
    let error = open(&bob.snapshot, &resigned(early, &ana), NOW).unwrap_err();
    assert!(matches!(error, HeaderError::Sender(CertificateError::NotYetValid { .. })), "{error}");
}

/// A commitment is to the key alone, whatever it opens.
#[test]
fn commitments_differ_by_key() {
    assert_ne!(commitment(&Secret::generate(&mut rng(1))), commitment(&Secret::generate(&mut rng(2))));
}
