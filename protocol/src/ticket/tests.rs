//! What is put off until it is needed, and what is not done twice: neither believes anything else.

use core::time::Duration;

use super::vectors::{NOW, World, rng};
use super::*;
use crate::access::Policy;
use crate::certificate::{CertificateError, LEAF_LIFE, SKEW};
use crate::channel::{Binding, HandshakeError, Initiator, Responder, Suites};

/// A ticket, minted and accepted: the provider as its data plane sees it, and what the requester holds.
fn minted(world: &World) -> (Snapshot, HeldTicket) {
    let snapshot = world.snapshot();
    let (requester, provider) = (world.leaf(&world.requester, "till"), world.leaf(&world.provider, "nas"));
    let granted = Policy::starter().grant(&requester, None, &world.request.service, provider.name()).unwrap();
    let minted = mint(&snapshot, &world.request, &granted, NOW, &mut rng(6)).unwrap();
    let held = accept(minted.grant, &world.request, &provider, &world.requester, NOW).unwrap();
    (snapshot, held)
}

#[test]
fn both_ends_have_the_same_key_and_make_it_once() {
    let world = World::new();
    let (snapshot, held) = minted(&world);
    let valid = validate(&snapshot, &SessionKeyCache::default(), held.for_service(), NOW).unwrap();
    let (requester, provider) = (&world.requester.sealing, &world.provider.sealing);
    let (ours, theirs) = (held.psk(requester).unwrap(), valid.psk(provider).unwrap());
    let terms = held.terms();
    let binding = Binding {
        for_service: held.for_service(),
        terms: &terms.encoded(),
        requester: terms.requester,
        provider: terms.provider,
        service: &terms.service,
    };
    let handshake = |psk: &Psk| {
        let (_, message_1) = Initiator::start(&binding, psk, requester, Suites::ALL, &mut rng(7));
        let key = requester.public_key();
        Responder::read(&binding, theirs, &key, Suites::ALL, &message_1, &mut rng(8)).map(drop)
    };
    assert_eq!(handshake(ours), Ok(()));
    assert!(handshake(&Psk::derive(&Secret::new([1; 32].into()), &[2; 32], b"")).is_err());
    assert!(core::ptr::eq(ours, held.psk(requester).unwrap()));
    assert!(core::ptr::eq(theirs, valid.psk(provider).unwrap()));
    let again = HeldTicket::from_record(&held.to_record(), world.requester.node_id()).unwrap();
    assert_eq!(handshake(again.psk(requester).unwrap()), Ok(()));
}

/// B10: no ticket is read back for a key of small order, and none gives a channel's key with one.
#[test]
fn no_key_comes_of_a_point_of_small_order() {
    let world = World::new();
    let (_, held) = minted(&world);
    for small in [[0; 32], core::array::from_fn(|at| u8::from(at == 0))] {
        let terms = held.terms().clone();
        let secret = Secret::new([9; 32].into());
        let broken = HeldTicket::new(terms, secret, SealingPublicKey(small), held.for_service().to_vec());
        assert_eq!(
            broken.psk(&world.requester.sealing).map(drop).unwrap_err(),
            HandshakeError::NonContributory
        );
        assert!(HeldTicket::from_record(&broken.to_record(), world.requester.node_id()).is_none());
    }
}

/// B4, B3: the certificate in a ticket of this node's own is not verified twice, and is asked for its time all the same;
/// under another CA key it is verified as any other.
#[test]
fn a_remembered_certificate_is_believed_for_its_bytes_its_time_and_its_anchor() {
    let world = World::new();
    let (snapshot, held) = minted(&world);
    let member = snapshot.member.as_ref().unwrap();
    let leaf = world.leaf(&world.requester, "till");
    assert_eq!(member.verify(leaf.der(), NOW), Ok(leaf.clone()));
    let stranger = world.leaf(&world.other, "till");
    assert_eq!(member.verify(stranger.der(), NOW), Ok(stranger));

    let early = NOW.before(Duration::from_hours(24));
    let opened = validate(&snapshot, &SessionKeyCache::default(), held.for_service(), early);
    assert!(matches!(
        opened.unwrap_err(),
        TicketError::Certificate(
            CertificateError::NotYetValid { .. } | CertificateError::AuthorityNotYetValid { .. }
        )
    ));
    let late = NOW.after(LEAF_LIFE + SKEW + SKEW);
    assert!(matches!(member.verify(leaf.der(), late), Err(CertificateError::Expired { .. })));

    let elsewhere = World::of_another_authority();
    let other = crate::snapshot::Member { anchor: elsewhere.anchor.clone(), ..(**member).clone() };
    assert!(matches!(other.verify(leaf.der(), NOW), Err(CertificateError::OtherAuthority { .. })));
}
