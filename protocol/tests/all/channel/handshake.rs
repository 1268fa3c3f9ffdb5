//! Who gets a channel, and who does not.

use lanyard_protocol::channel::{
    ChannelReject, HandshakeError, Initiator, Psk, ReceiveError, Responder, Suite, Suites,
};
use lanyard_protocol::identity::{SealingKey, Secret};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{NOW, View, channel, node, public, receive, rng};

/// R-T7: what the two sides send is opened by the other, in both directions.
#[test]
fn a_ticket_opens_a_channel_both_ways() {
    let (mut requester, mut provider) = channel(Suites::ALL, Suites::ALL);
    for (sender, receiver) in
        [(&mut requester.sealer, &mut provider.opener), (&mut provider.sealer, &mut requester.opener)]
    {
        let mut stream = Vec::new();
        sender.seal_into(b"two crates", &mut stream).unwrap();
        let cut = Err(ReceiveError::Truncated { records: receiver_records(receiver) + 1 });
        assert_eq!(receive(receiver, &stream), (b"two crates".to_vec(), cut));
    }
}

/// AES only when both sides offer it.
#[test]
fn both_sides_name_the_same_suite() {
    for (offered, supported, suite) in [
        (Suites::ALL, Suites::ALL, Suite::Aes256Gcm),
        (Suites::ALL, Suites::PORTABLE, Suite::ChaCha20Poly1305),
        (Suites::PORTABLE, Suites::ALL, Suite::ChaCha20Poly1305),
        (Suites::PORTABLE, Suites::PORTABLE, Suite::ChaCha20Poly1305),
    ] {
        let (requester, provider) = channel(offered, supported);
        assert_eq!((requester.suite, provider.suite), (suite, suite));
    }
}

/// C2, C3, C10: whatever the two sides see differently, message 1 is refused.
#[test]
fn refuses_a_message_1_that_was_made_for_something_else() {
    let (_, message_1) = View::new().start();
    assert!(View::new().read(&message_1).is_ok());
    for (what, view) in [
        ("another ticket", View { for_service: b"other".to_vec(), ..View::new() }),
        ("other terms", View { terms: b"other".to_vec(), ..View::new() }),
        ("another requester", View { requester: node(9), ..View::new() }),
        ("another provider", View { provider: node(9), ..View::new() }),
        ("swapped roles", View { requester: node(2), provider: node(1), ..View::new() }),
        ("another service", View { service: "backup".parse().unwrap(), ..View::new() }),
        ("another secret", View { secret: [9; 32], ..View::new() }),
        ("another requester key", View { requester_key: [9; 32], ..View::new() }),
        ("another provider key", View { provider_key: [9; 32], ..View::new() }),
        ("fewer suites", View { offered: Suites::PORTABLE, ..View::new() }),
    ] {
        assert_eq!(view.read(&message_1).map(|_| ()), Err(HandshakeError::Unproven), "{what}");
    }
}

/// C14: whoever knows the ticket's secret and the provider's key, and so the pre-shared key, but not the
/// requester's key, neither gets a message 1 of its own accepted nor reads the answer to the requester's.
#[test]
fn a_minter_cannot_pass_for_the_requester() {
    let view = View::new();
    let own = SealingKey::from_bytes(&[9; 32]);
    let (_, honest) = view.start();
    let (forger, message_1) =
        Initiator::start(&view.binding(), &view.provider_psk(), &own, view.offered, &mut rng(8));
    assert_eq!(view.read(&message_1).map(|_| ()), Err(HandshakeError::Unproven));
    let (_, message_2) = view.read(&honest).unwrap().accept(Suites::ALL, NOW).unwrap();
    assert_eq!(forger.finish(&message_2, NOW).map(|_| ()), Err(HandshakeError::Unproven));
}

/// C14: a minter, who knows the ticket's secret, cannot answer in the provider's name.
#[test]
fn a_minter_cannot_pass_for_the_provider() {
    let view = View::new();
    let (_, message_1) = view.start();
    let own = SealingKey::from_bytes(&[9; 32]);
    let shared = own.agree(&public(&view.requester_key)).unwrap();
    let psk = Psk::derive(&Secret::new(Zeroizing::new(view.secret)), &shared, &view.terms);
    let read = Responder::read(
        &view.binding(),
        &psk,
        &public(&view.requester_key),
        view.offered,
        &message_1,
        &mut rng(8),
    );
    assert_eq!(read.map(|_| ()), Err(HandshakeError::Unproven));
}

/// C11: every flipped bit of message 1 and message 2 is refused.
#[test]
fn refuses_altered_messages() {
    let view = View::new();
    let (_, message_1) = view.start();
    for bit in 0..message_1.len() * 8 {
        let mut altered = message_1;
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(view.read(&altered).is_err(), "message 1, bit {bit}");
    }
    let (_, message_2) = view.read(&message_1).unwrap().accept(Suites::ALL, NOW).unwrap();
    for bit in 0..message_2.len() * 8 {
        let mut altered = message_2;
        altered[bit / 8] ^= 1 << (bit % 8);
        let (initiator, _) = view.start();
        assert!(initiator.finish(&altered, NOW).is_err(), "message 2, bit {bit}");
    }
}

/// B10: a message 2 with an ephemeral key of small order is refused for that, not for its tag.
#[test]
fn refuses_an_all_zero_ephemeral_key() {
    let (initiator, _) = View::new().start();
    assert_eq!(initiator.finish(&[0; 49], NOW).map(|_| ()), Err(HandshakeError::NonContributory));
}

/// C4: a refusal reaches the holder of the ticket with its reason, and tells anyone else nothing.
#[test]
fn a_refusal_is_for_the_holder_alone() {
    let view = View::new();
    for reason in ChannelReject::ALL {
        let (initiator, message_1) = view.start();
        let message_2 = view.read(&message_1).unwrap().refuse(reason).unwrap();
        let stranger = View { requester_key: [9; 32], ..View::new() };
        let (stranger, _) = stranger.start();
        assert_eq!(stranger.finish(&message_2, NOW).map(|_| ()), Err(HandshakeError::Unproven));
        assert_eq!(initiator.finish(&message_2, NOW).map(|_| ()), Err(HandshakeError::Refused(reason)));
    }
}

/// C1: a replayed message 1 gets a message 2 under a fresh key, which the recorded first record does not fit.
#[test]
fn a_replayed_handshake_is_never_confirmed() {
    let view = View::new();
    let (initiator, message_1) = view.start();
    let (_, message_2) = view.read(&message_1).unwrap().accept(Suites::ALL, NOW).unwrap();
    let mut first = Vec::new();
    initiator.finish(&message_2, NOW).unwrap().sealer.seal_into(b"order", &mut first).unwrap();

    let replayed = Responder::read(
        &view.binding(),
        &view.provider_psk(),
        &public(&view.requester_key),
        view.offered,
        &message_1,
        &mut rng(10),
    );
    let (mut unconfirmed, _) = replayed.unwrap().accept(Suites::ALL, NOW).unwrap();
    let (head, body) = first.split_first_chunk_mut().unwrap();
    let header = unconfirmed.header(head).unwrap();
    assert_eq!(unconfirmed.confirm(header, body).map(|_| ()), Err(ReceiveError::Forged { number: 0 }));
}

#[test]
fn every_step_may_move_between_threads_and_takes_any_generator() {
    fn sendable<T: Send>(_: &T) {}
    let view = View::new();
    let mut generator = rng(1);
    let generator: &mut dyn CryptoRng = &mut generator;
    let key = SealingKey::generate(generator);
    let (initiator, _) =
        Initiator::start(&view.binding(), &view.requester_psk(), &key, view.offered, generator);
    sendable(&initiator);
    let (_, message_1) = view.start();
    let responder = view.read(&message_1).unwrap();
    sendable(&responder);
    sendable(&responder.accept(Suites::ALL, NOW).unwrap());
}

/// G6: no state prints a key.
#[test]
fn states_print_no_key() {
    let view = View::new();
    let (initiator, message_1) = view.start();
    assert_eq!(format!("{initiator:?}"), "Initiator(..)");
    let responder = view.read(&message_1).unwrap();
    assert_eq!(format!("{responder:?}"), "Responder(..)");
    let (unconfirmed, _) = responder.accept(Suites::PORTABLE, NOW).unwrap();
    assert_eq!(
        format!("{unconfirmed:?}"),
        "Unconfirmed(Opened { suite: ChaCha20Poly1305, sealer: Sealer(at record 0, ..), opener: Opener(at record 0, ..) })"
    );
}

fn receiver_records(opener: &lanyard_protocol::channel::Opener) -> u64 {
    match opener.end() {
        Err(ReceiveError::Truncated { records }) => records,
        other => panic!("an open channel that says {other:?}"),
    }
}
