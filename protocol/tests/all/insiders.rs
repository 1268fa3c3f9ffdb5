//! Members who misuse what they are given, against whole engines.

use std::time::Duration;

use lanyard_protocol::channel::{Binding, HandshakeError, Initiator, Responder, Suites};
use lanyard_protocol::control::{Answer, Code, Command, Revoke};
use lanyard_protocol::message::{self, Request, Response};
use lanyard_protocol::ticket::{SessionKeyCache, TicketError, ValidTicket, validate};

use crate::pair::{Lan, rng};

/// What the provider makes of a ticket that it is shown.
fn shown(lan: &Lan, provider: usize, for_service: &[u8]) -> Result<std::sync::Arc<ValidTicket>, TicketError> {
    let snapshot = lan.hosts[provider].engine.snapshot();
    validate(&snapshot, &SessionKeyCache::default(), for_service, lan.now)
}

/// B13: what a member has minted is worth nothing within five seconds of its revocation: its holders open no channel
/// by it and end those that they have, and neither it nor anybody else takes it.
#[test]
fn what_a_revoked_minter_has_given_out_is_refused_in_time() {
    let mut lan = Lan::network(48, 3);
    let held = lan.open(2, "chat@till-1").unwrap().ticket;
    let cache = SessionKeyCache::default();
    let minter = lan.hosts[1].engine.snapshot();
    validate(&minter, &cache, held.for_service(), lan.now).unwrap();
    held.check(&lan.hosts[2].engine.snapshot(), lan.now).unwrap();

    let began = lan.now;
    let revoke = Revoke { peer: "till-1".parse().unwrap(), reason: None, wait_ms: 5000 };
    let Ok(Answer::Revoked(report)) = lan.command(0, Command::Revoke(revoke)) else { panic!() };
    assert!(report.missing.is_empty() && lan.now.since(began) < Duration::from_secs(5), "{report:?}");
    lan.pass(Duration::from_secs(5).saturating_sub(lan.now.since(began)));

    let holder = lan.hosts[2].engine.snapshot();
    assert!(matches!(held.check(&holder, lan.now), Err(TicketError::ProviderRevoked)));
    assert_eq!(lan.open(2, "chat@till-1").unwrap_err().code, Code::Denied);
    let minter = lan.hosts[1].engine.snapshot();
    for cache in [cache, SessionKeyCache::default()] {
        assert!(validate(&minter, &cache, held.for_service(), lan.now).is_err());
    }
    for other in [0, 2, 3] {
        assert!(shown(&lan, other, held.for_service()).is_err(), "{other}");
    }
}

/// C9: a member answers a request that was made to another with a grant of its own: the secret is its own, and it is
/// sealed to the requester. Nobody whose signature is wanted has signed it, so it opens nothing.
#[test]
fn a_grant_that_another_member_has_sealed_is_refused() {
    let acquainted = || {
        let mut lan = Lan::network(49, 3);
        for peer in ["till-2", "till-3"] {
            lan.command(1, Command::Ping(peer.parse().unwrap())).unwrap();
        }
        lan
    };
    // The same seed asks with the same nonce, so the attacker can answer the very request.
    let mut twin = acquainted();
    let since = twin.wire.len();
    twin.open(1, "chat@till-2").unwrap();
    let asks = |request: &Request| matches!(request, Request::Ticket(_));
    let request = twin.requests_to(2, since).into_iter().find(asks).unwrap();
    let theirs = twin.ask(1, 3, &request);
    assert!(matches!(theirs, Response::Grant(_)), "{theirs:?}");

    let mut lan = acquainted();
    let (since, forged) = (lan.wire.len(), message::frame(&theirs));
    lan.tamper = Some(Box::new(move |from, _, bytes| {
        let grants = matches!(message::parse(&bytes), Ok(Response::Grant(_)));
        Some(if from == 2 && grants { forged.clone() } else { bytes })
    }));
    lan.open(1, "chat@till-2").unwrap_err();
    assert_eq!(lan.requests_to(2, since).into_iter().find(asks), Some(request), "it answers this request");
    let Ok(Answer::Tickets(tickets)) = lan.command(1, Command::Tickets) else { panic!() };
    assert!(tickets.is_empty(), "{tickets:?}");
    lan.tamper = None;
    lan.open(1, "chat@till-2").unwrap();
}

/// C10: somebody who is asked for a channel passes its beginning on to a third, as if it were his own. The requester
/// means one peer and the third another, so there is no channel.
#[test]
fn a_beginning_that_is_passed_on_to_another_provider_is_refused() {
    let mut lan = Lan::network(50, 3);
    let meant = lan.open(1, "chat@till-3").unwrap().ticket;
    let own = lan.open(3, "chat@till-2").unwrap().ticket;
    let begin = |lan: &Lan, host: usize, ticket: &lanyard_protocol::ticket::HeldTicket| {
        let snapshot = lan.hosts[host].engine.snapshot();
        let terms = ticket.terms();
        let binding = Binding {
            for_service: ticket.for_service(),
            terms: &terms.encoded(),
            requester: terms.requester,
            provider: terms.provider,
            service: &terms.service,
        };
        let key = snapshot.sealing_key();
        let (_, message_1) =
            Initiator::start(&binding, ticket.psk(key).unwrap(), key, Suites::ALL, &mut rng(51));
        message_1
    };
    let read = |lan: &Lan, for_service: &[u8], message_1: &[u8; 48]| {
        let ticket = shown(lan, 2, for_service).map_err(|_| HandshakeError::Unproven)?;
        let snapshot = lan.hosts[2].engine.snapshot();
        let terms = ticket.terms();
        let binding = Binding {
            for_service,
            terms: ticket.encoded_terms(),
            requester: terms.requester,
            provider: terms.provider,
            service: &terms.service,
        };
        let psk = ticket.psk(snapshot.sealing_key())?;
        let key = ticket.sealing_key();
        Responder::read(&binding, psk, key, Suites::ALL, message_1, &mut rng(52)).map(drop)
    };
    let (victims, attackers) = (begin(&lan, 1, &meant), begin(&lan, 3, &own));
    assert_eq!(read(&lan, own.for_service(), &attackers), Ok(()), "his own ticket opens his own channel");
    assert_eq!(read(&lan, own.for_service(), &victims), Err(HandshakeError::Unproven));
    assert!(matches!(shown(&lan, 2, meant.for_service()), Err(TicketError::NoTicket(_))));
}
