//! Tickets that are taken back one by one, between whole engines.

use std::time::Duration;

use lanyard_protocol::control::{Answer, Code, Command, Failure, RevokedTicket, Ticket, TicketKind};
use lanyard_protocol::keyring::ROTATION;
use lanyard_protocol::message::{Request, Response};
use lanyard_protocol::reject::Reject;
use lanyard_protocol::ticket::{SessionKeyCache, TicketError, TicketId, validate};

use crate::pair::Lan;

fn tickets(lan: &mut Lan, host: usize) -> Vec<Ticket> {
    let Ok(Answer::Tickets(tickets)) = lan.command(host, Command::Tickets) else { panic!() };
    tickets
}

fn revoke(lan: &mut Lan, host: usize, id: TicketId) -> Result<RevokedTicket, Failure> {
    match lan.command(host, Command::RevokeTicket(id.to_string())) {
        Ok(Answer::TicketRevoked(revoked)) => Ok(revoked),
        Err(failure) => Err(failure),
        other => panic!("{other:?}"),
    }
}

/// What the provider makes of a ticket that it is shown.
fn shown(lan: &Lan, provider: usize, for_service: &[u8]) -> Result<(), TicketError> {
    let snapshot = lan.hosts[provider].engine.snapshot();
    validate(&snapshot, &SessionKeyCache::default(), for_service, lan.now).map(drop)
}

/// C4: a provider refuses a ticket that it has taken back, also from the cache; another of the same member goes on.
#[test]
fn a_provider_takes_a_ticket_back() {
    let mut lan = Lan::network(900, 2);
    let [chat, file] = ["chat@till-2", "file@till-2"].map(|service| lan.open(1, service).unwrap().ticket);
    let (id, blob) = (chat.terms().id, chat.for_service().to_vec());
    let minted = tickets(&mut lan, 2);
    assert_eq!(minted.len(), 2);
    assert!(
        minted.iter().all(|row| row.kind == TicketKind::Minted && row.requester.as_deref() == Some("till-1"))
    );
    let cache = SessionKeyCache::default();
    let before = lan.hosts[2].engine.snapshot();
    validate(&before, &cache, &blob, lan.now).unwrap();

    let report = revoke(&mut lan, 2, id).unwrap();
    assert!(report.confirmed && report.ticket.revoked && report.ticket.id == id.to_string());
    let after = lan.hosts[2].engine.snapshot();
    for cache in [cache, SessionKeyCache::default()] {
        assert!(matches!(validate(&after, &cache, &blob, lan.now), Err(TicketError::TakenBack(_))));
    }
    shown(&lan, 2, file.for_service()).unwrap();
    let revoked: Vec<bool> = tickets(&mut lan, 2).iter().map(|row| row.revoked).collect();
    assert_eq!(revoked.iter().filter(|revoked| **revoked).count(), 1);
}

/// C4: whoever gives a ticket up holds it no more, not even after a restart, and its provider refuses it.
#[test]
fn a_holder_gives_a_ticket_up() {
    let mut lan = Lan::network(901, 2);
    let held = lan.open(1, "chat@till-2").unwrap().ticket;
    let report = revoke(&mut lan, 1, held.terms().id).unwrap();
    assert!(report.confirmed && report.ticket.kind == TicketKind::Held);
    assert!(matches!(shown(&lan, 2, held.for_service()), Err(TicketError::TakenBack(_))));
    let own = lan.hosts[1].engine.snapshot();
    assert!(matches!(held.check(&own, lan.now), Err(TicketError::GivenUp)), "its own channels end too");
    lan.restart(1, 901_001);
    assert!(tickets(&mut lan, 1).is_empty());
    let new = lan.open(1, "chat@till-2").unwrap().ticket;
    assert_ne!(new.terms().id, held.terms().id);
    shown(&lan, 2, new.for_service()).unwrap();
}

/// C4: with its provider away a ticket is gone here all the same, and the answer says that it could not be told.
#[test]
fn a_ticket_is_given_up_though_its_provider_is_away() {
    let mut lan = Lan::network(902, 2);
    let held = lan.open(1, "chat@till-2").unwrap().ticket;
    lan.away.insert(2);
    lan.disconnect_all(2);
    let report = revoke(&mut lan, 1, held.terms().id).unwrap();
    assert!(!report.confirmed);
    lan.restart(1, 902_001);
    assert!(tickets(&mut lan, 1).is_empty());
    shown(&lan, 2, held.for_service()).unwrap();
}

/// What could not be erased is not said to be.
#[test]
fn a_ticket_that_cannot_be_erased_is_not_reported_as_gone() {
    let mut lan = Lan::network(903, 2);
    let held = lan.open(1, "chat@till-2").unwrap().ticket;
    lan.hosts[1].store_works = false;
    assert_eq!(revoke(&mut lan, 1, held.terms().id).unwrap_err().code, Code::Failed);
}

/// C4: nobody ends another's ticket, and nobody learns by trying that there is one.
#[test]
fn a_ticket_is_given_up_by_its_requester_alone() {
    let mut lan = Lan::network(904, 3);
    let held = lan.open(1, "chat@till-2").unwrap().ticket;
    let _ = lan.open(3, "chat@till-2").unwrap();
    for id in [held.terms().id, TicketId([7; 16])] {
        assert_eq!(lan.ask(3, 2, &Request::RevokeTicket(id)), Response::Reject(Reject::Unknown));
        assert_eq!(revoke(&mut lan, 3, id).unwrap_err().code, Code::NotFound);
    }
    shown(&lan, 2, held.for_service()).unwrap();
    assert_eq!(lan.ask(1, 2, &Request::RevokeTicket(held.terms().id)), Response::TicketRevoked);
    assert!(matches!(shown(&lan, 2, held.for_service()), Err(TicketError::TakenBack(_))));
    let nonsense = lan.command(1, Command::RevokeTicket("../status".into())).unwrap_err();
    assert_eq!(nonsense.code, Code::NotFound);
}

/// C4: a provider that was restarted knows no tickets and opens none: to its holder that is as good as revoked.
#[test]
fn a_ticket_of_a_restarted_provider_is_given_up() {
    let mut lan = Lan::network(905, 2);
    let held = lan.open(1, "chat@till-2").unwrap().ticket;
    lan.restart(2, 905_002);
    assert!(tickets(&mut lan, 2).is_empty());
    assert!(revoke(&mut lan, 1, held.terms().id).unwrap().confirmed);
    assert!(matches!(shown(&lan, 2, held.for_service()), Err(TicketError::NoTicket(_))));
}

/// D4: a member that keeps asking has 64 live tickets at a provider; it is told to wait, and nobody else is.
#[test]
fn one_member_has_so_many_tickets_and_no_more() {
    let mut lan = Lan::network(906, 3);
    let mut ids = Vec::new();
    for _ in 0..64 {
        let id = lan.open(1, "chat@till-2").unwrap().ticket.terms().id;
        ids.push(id);
        let now = lan.now;
        lan.hosts[1].engine.handle_no_ticket(&id, now);
        lan.drain(1);
    }
    assert!(lan.open(1, "chat@till-2").unwrap_err().message.contains("too busy"));
    lan.open(3, "chat@till-2").unwrap();
    // Not one of them has been forgotten: each could be taken back.
    assert_eq!(
        tickets(&mut lan, 2).iter().filter(|row| row.requester.as_deref() == Some("till-1")).count(),
        64
    );
    revoke(&mut lan, 2, ids[0]).unwrap();
    // What is taken back makes room for another, so often.
    lan.open(1, "chat@till-2").unwrap();
    assert!(lan.open(3, "chat@till-2").is_ok());
    lan.pass(ROTATION - Duration::from_secs(60));
    lan.open(1, "chat@till-2").unwrap();
}
