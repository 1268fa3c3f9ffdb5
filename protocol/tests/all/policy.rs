//! Who may do what, between whole engines.

use std::time::Duration;

use lanyard_protocol::access::{PART_MAX, PolicyPart, STARTER};
use lanyard_protocol::control::{
    Answer, ApplyPolicy, Code, Command, DecisionName, ExplainPolicy, Explained, Failure, PolicyShown,
};
use lanyard_protocol::engine::{OnlineCheck, Setup, restored_mark};
use lanyard_protocol::message::{PolicyTaken, Request, Response};
use lanyard_protocol::record::{Record, Table};
use lanyard_protocol::reject::Reject;
use lanyard_protocol::ticket::{SessionKeyCache, TicketError, validate};

use crate::pair::Lan;

/// Members may send each other files, and no more.
const FILES_ONLY: &str = "version = 1 # no chat\n[roles]\nmember = [\"service.use\"]\n[[grant]]\nto = [\"role:member\"]\nservice = [\"file@*\"]\n";

fn apply(lan: &mut Lan, host: usize, text: &str) -> Result<u64, Failure> {
    match lan.command(host, Command::ApplyPolicy(ApplyPolicy { text: text.to_owned(), based_on: None })) {
        Ok(Answer::Policy(PolicyShown { epoch, text: shown })) => {
            assert_eq!(shown, text);
            Ok(epoch)
        }
        Err(failure) => Err(failure),
        other => panic!("{other:?}"),
    }
}

fn shown(lan: &mut Lan, host: usize) -> (u64, String) {
    let Ok(Answer::Policy(PolicyShown { epoch, text })) = lan.command(host, Command::Policy) else {
        panic!()
    };
    (epoch, text)
}

fn explain(lan: &mut Lan, host: usize, who: &str, service: &str) -> Explained {
    let explain = ExplainPolicy { who: who.to_owned(), service: service.parse().unwrap() };
    let Ok(Answer::Explained(explained)) = lan.command(host, Command::ExplainPolicy(explain)) else {
        panic!()
    };
    explained
}

/// A network of `members` who have met each other.
fn acquainted(seed: u64, members: usize) -> Lan {
    let mut lan = Lan::network(seed, members);
    lan.discover();
    lan.pass(Duration::from_secs(1));
    lan
}

/// The parts of a policy that a host was told.
fn told(lan: &Lan, host: usize, since: usize) -> Vec<PolicyPart> {
    let requests = lan.requests_to(host, since).into_iter();
    requests
        .filter_map(|request| if let Request::Policy(part) = request { Some(part) } else { None })
        .collect()
}

/// R-T14: what the authority applies holds at every member at once, word for word, also when it has several parts.
#[test]
fn a_policy_gets_to_every_member() {
    let mut lan = acquainted(700, 3);
    assert_eq!(shown(&mut lan, 1), (0, STARTER.to_owned()));
    let long = format!("{FILES_ONLY}{}", "# who may do what\n".repeat(2 * PART_MAX / 18 + 10));
    let since = lan.wire.len();
    assert_eq!(apply(&mut lan, 0, &long), Ok(1));
    lan.pass(Duration::from_secs(1));
    assert_eq!(told(&lan, 1, since).iter().map(|part| part.number).max(), Some(3));
    for host in 0..=3 {
        assert_eq!(shown(&mut lan, host), (1, long.clone()), "{host}");
        let Ok(Answer::Status(status)) = lan.command(host, Command::Status) else { panic!() };
        assert_eq!(status.epochs.policy, 1, "{host}");
    }
    assert_eq!(apply(&mut lan, 0, &long), Ok(1), "the same again is nothing new");
    assert_eq!(apply(&mut lan, 0, FILES_ONLY), Ok(2));
    lan.pass(Duration::from_secs(1));
    assert_eq!(shown(&mut lan, 3), (2, FILES_ONLY.to_owned()));
}

/// R-T1, R-T9: what policy no longer grants causes no packet, with a ticket that was held or without; and a refusal says
/// what is missing. What it grants again works again.
#[test]
fn what_is_no_longer_granted_leaves_no_packet() {
    let mut lan = acquainted(701, 2);
    let held = lan.open(1, "chat@till-2").unwrap();
    assert!(held.ticket.check(&lan.hosts[1].engine.snapshot(), lan.now).is_ok());
    apply(&mut lan, 0, FILES_ONLY).unwrap();
    lan.pass(Duration::from_secs(1));
    assert!(!lan.kept(1).iter().any(|record| record.table == Table::Tickets), "the ticket is forgotten");
    let before = lan.wire.len();
    let failure = lan.open(1, "chat@till-2").unwrap_err();
    assert_eq!(failure.code, Code::Denied);
    assert!(
        failure.message.contains("it lacks service.use on chat@till-2, which no grant gives"),
        "{failure:?}"
    );
    for service in ["chat@till-2", "chat@nobody", "chat@office"] {
        let failure = lan.command(1, Command::GetTicket(service.parse().unwrap())).unwrap_err();
        assert_eq!(failure.code, Code::Denied, "{service}");
    }
    assert_eq!(lan.wire.len(), before);
    assert!(lan.open(1, "file@till-2").is_ok());
    apply(&mut lan, 0, STARTER).unwrap();
    lan.pass(Duration::from_secs(1));
    let again = lan.open(1, "chat@till-2").unwrap();
    assert_ne!(again.ticket.terms().id, held.ticket.terms().id);
}

/// R-T14: a channel's lease ends on both sides with the policy that granted it, though only one of them knows it.
#[test]
fn a_lease_ends_with_what_granted_it() {
    let mut lan = acquainted(702, 2);
    let held = lan.open(1, "chat@till-2").unwrap();
    let cache = SessionKeyCache::default();
    let provider = lan.hosts[2].engine.snapshot();
    assert!(validate(&provider, &cache, held.ticket.for_service(), lan.now).is_ok());
    apply(&mut lan, 0, FILES_ONLY).unwrap();
    lan.pass(Duration::from_secs(1));
    let (requester, provider) = (lan.hosts[1].engine.snapshot(), lan.hosts[2].engine.snapshot());
    let refused = validate(&provider, &cache, held.ticket.for_service(), lan.now);
    assert!(matches!(refused, Err(TicketError::NotAllowed(_))), "{refused:?}");
    assert!(matches!(held.ticket.check(&requester, lan.now), Err(TicketError::GivenUp)));
}

/// A provider decides for itself: a requester that asks all the same is denied.
#[test]
fn a_provider_denies_what_its_policy_does_not_grant() {
    let mut lan = acquainted(703, 2);
    let since = lan.wire.len();
    lan.command(1, Command::GetTicket("chat@till-2".parse().unwrap())).unwrap();
    let asked = lan.requests_to(2, since).into_iter().find(|request| matches!(request, Request::Ticket(_)));
    let asked = asked.unwrap();
    assert!(matches!(lan.ask(1, 2, &asked), Response::Grant(_)));
    let only = |who: &str| FILES_ONLY.replace("[\"role:member\"]", who).replace("file@*", "chat@till-2");
    for (who, granted) in [
        ("[\"node:till-1\"]", true),
        ("[\"node:till-3\", \"node:till-1\"]", true),
        ("[\"node:till-3\"]", false),
        ("[\"node:till-1\", \"entity:bank\"]", false),
        ("[\"node:till-1\", \"entity:shop\"]", true),
        ("[\"user:till-1\"]", false),
        ("[\"guest\"]", false),
    ] {
        apply(&mut lan, 0, &only(who)).unwrap();
        lan.pass(Duration::from_secs(1));
        let answer = lan.ask(1, 2, &asked);
        assert_eq!(matches!(answer, Response::Grant(_)), granted, "{who}: {answer:?}");
        assert!(granted || answer == Response::Reject(Reject::Denied), "{answer:?}");
    }
}

/// R-T14: a grant's limits bind the provider: a ticket's life, and the authority's word first.
#[test]
fn a_grant_has_limits() {
    let mut lan = acquainted(704, 2);
    let limited = FILES_ONLY
        .replace("file@*\"]", "chat@*\"]\nlimits = { max_ticket = \"30m\", online_check = \"require\" }");
    apply(&mut lan, 0, &limited).unwrap();
    lan.pass(Duration::from_secs(1));
    let grant = lan.open(1, "chat@till-2").unwrap();
    assert_eq!(grant.ticket.terms().expires.since(lan.now).as_secs().div_ceil(60), 30);
    let since = lan.wire.len();
    lan.pass(Duration::from_secs(1800));
    lan.open(1, "chat@till-2").unwrap();
    let asked = lan.requests_to(0, since).into_iter().any(|request| matches!(request, Request::Status(_)));
    assert!(asked, "the authority was asked");
    lan.away.insert(0);
    lan.pass(Duration::from_secs(1800));
    assert_eq!(lan.open(1, "chat@till-2").unwrap_err().code, Code::Denied);
}

/// B8: an older policy, a forged one and one of another network change nothing, and a stranger tells nothing.
#[test]
fn refuses_old_forged_and_foreign_policies() {
    let mut lan = acquainted(705, 2);
    let since = lan.wire.len();
    apply(&mut lan, 0, FILES_ONLY).unwrap();
    lan.pass(Duration::from_secs(1));
    let old = told(&lan, 2, since).remove(0);
    apply(&mut lan, 0, STARTER).unwrap();
    lan.pass(Duration::from_secs(1));
    let present = (2, STARTER.to_owned());
    let taken = |epoch| Response::Policy(PolicyTaken { epoch, wants: None });
    assert_eq!(lan.ask(1, 2, &Request::Policy(old.clone())), taken(2));
    let mut later = old.clone();
    later.policy.head.epoch = 9;
    assert_eq!(lan.ask(1, 2, &Request::Policy(later)), Response::Reject(Reject::Invalid));

    let mut other = acquainted(706, 2);
    let since = other.wire.len();
    for text in [FILES_ONLY, STARTER, FILES_ONLY] {
        apply(&mut other, 0, text).unwrap();
    }
    other.pass(Duration::from_secs(1));
    let foreign = told(&other, 2, since).pop().unwrap();
    assert_eq!(foreign.policy.head.epoch, 3);
    assert_eq!(lan.ask(1, 2, &Request::Policy(foreign)), Response::Reject(Reject::Invalid));
    assert_eq!(shown(&mut lan, 2), present);

    let stranger = lan.hosts.len();
    lan.start(stranger, 705_009, Vec::new(), OnlineCheck::Never);
    assert_eq!(lan.ask(stranger, 0, &Request::Policy(old)), Response::Reject(Reject::NotMember));
}

/// R-T14: who was away learns of it from whomever it meets first, also without the authority.
#[test]
fn who_was_away_learns_of_it_without_the_authority() {
    let mut lan = acquainted(707, 2);
    lan.away.insert(2);
    lan.disconnect_all(2);
    apply(&mut lan, 0, FILES_ONLY).unwrap();
    lan.pass(Duration::from_secs(1));
    lan.away.remove(&2);
    lan.away.insert(0);
    lan.disconnect_all(0);
    lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
    lan.pass(Duration::from_secs(1));
    assert_eq!(shown(&mut lan, 2), (1, FILES_ONLY.to_owned()));
}

/// B8: a policy outlives restarts; one that was damaged on the disk grants nothing until it is told again, so that what it
/// took away does not come back.
#[test]
fn a_policy_outlives_restarts_and_a_damaged_one_grants_nothing() {
    let mut lan = acquainted(708, 2);
    apply(&mut lan, 0, FILES_ONLY).unwrap();
    lan.pass(Duration::from_secs(1));
    for host in 0..=2 {
        lan.restart(host, 708_100 + host as u64);
        assert_eq!(shown(&mut lan, host), (1, FILES_ONLY.to_owned()), "{host}");
    }
    let damaged: Vec<Record> = lan
        .kept(1)
        .into_iter()
        .map(|mut record| {
            if record.table == Table::Policy {
                record.value[0] ^= 1;
            }
            record
        })
        .collect();
    lan.away.insert(0);
    lan.disconnect_all(1);
    lan.start(1, 708_200, damaged, OnlineCheck::Never);
    assert_eq!(shown(&mut lan, 1), (0, String::new()));
    assert_eq!(lan.open(1, "file@till-2").unwrap_err().code, Code::Denied);
    lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
    lan.pass(Duration::from_secs(1));
    assert_eq!(shown(&mut lan, 1), (1, FILES_ONLY.to_owned()));
    assert!(lan.open(1, "file@till-2").is_ok());
}

/// R-T14: it is changed on the authority alone; a mistake, or a test of its own that it fails, changes nothing.
#[test]
fn a_policy_is_applied_by_the_authority_and_only_if_it_is_sound() {
    let mut lan = Lan::network(709, 1);
    let failure = apply(&mut lan, 1, FILES_ONLY).unwrap_err();
    assert_eq!(failure.code, Code::Denied);
    assert!(failure.remedy.contains("on the authority"), "{failure:?}");
    let failing = format!("{FILES_ONLY}[[tests]]\nwho = \"node:till-1\"\nallow = [\"chat@office\"]\n");
    for (text, said) in [
        ("version = 3", "line 1: version 3"),
        ("versoin = 1", "line 1: unknown field `versoin`"),
        (failing.as_str(), "line 7: node:till-1+role:member must be able to use chat@office"),
    ] {
        let failure = apply(&mut lan, 0, text).unwrap_err();
        assert!(failure.message.contains(said), "{failure:?}");
    }
    lan.pass(Duration::from_secs(1));
    for host in [0, 1] {
        assert_eq!(shown(&mut lan, host), (0, STARTER.to_owned()));
    }
}

/// What the store could not keep was not applied.
#[test]
fn a_policy_that_cannot_be_written_is_not_applied() {
    let mut lan = Lan::network(710, 1);
    lan.hosts[0].store_works = false;
    assert_eq!(apply(&mut lan, 0, FILES_ONLY).unwrap_err().code, Code::Failed);
    lan.hosts[0].store_works = true;
    assert_eq!(shown(&mut lan, 0), (0, STARTER.to_owned()));
    assert!(apply(&mut lan, 0, FILES_ONLY).is_ok());
    lan.pass(Duration::from_secs(1));
    assert_eq!(shown(&mut lan, 1).1, FILES_ONLY);
}

/// B8: an authority that was put back from an older copy takes the later policy from its members; what its owner decides
/// before that is later than all of them.
#[test]
fn a_restored_authority_takes_nothing_back() {
    let mut lan = acquainted(711, 1);
    let mark = restored_mark(lan.now);
    let mut records = lan.kept(0);
    records.push(Record { table: mark.table, key: mark.key, value: mark.value.unwrap() });
    apply(&mut lan, 0, FILES_ONLY).unwrap();
    lan.pass(Duration::from_secs(1));
    lan.disconnect_all(0);
    lan.start_with(0, 711_001, Setup { records, has_aes: true, ..Setup::default() });
    assert_eq!(shown(&mut lan, 0).0, 0);
    lan.command(1, Command::Ping("office".parse().unwrap())).unwrap();
    lan.pass(Duration::from_secs(1));
    assert_eq!(shown(&mut lan, 0), (1, FILES_ONLY.to_owned()));
    assert_eq!(apply(&mut lan, 0, STARTER), Ok(1001));
    lan.pass(Duration::from_secs(1));
    assert_eq!(shown(&mut lan, 1).0, 1001);
}

/// The command line's contract: a decision, the rule that makes it or what is missing; at a member too.
#[test]
fn what_is_decided_is_explained() {
    let mut lan = Lan::network(712, 1);
    for host in [0, 1] {
        let allowed = explain(&mut lan, host, "node:till-1", "chat@office");
        assert_eq!(allowed.decision, DecisionName::Allow);
        assert_eq!(allowed.rule.as_deref(), Some("grant 1 (line 7)"));
        let denied = explain(&mut lan, host, "guest", "chat@office");
        assert_eq!((denied.decision, denied.rule), (DecisionName::Deny, None));
        assert_eq!(denied.missing, ["role:member"]);
    }
    let explain = ExplainPolicy { who: "till-1".into(), service: "chat@office".parse().unwrap() };
    let failure = lan.command(1, Command::ExplainPolicy(explain)).unwrap_err();
    assert_eq!(failure.code, Code::Usage);
}
