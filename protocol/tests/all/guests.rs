//! Guests: nodes that have never been enrolled, and what they get at one that was.

use std::time::Duration;

use lanyard_protocol::certificate::SKEW;
use lanyard_protocol::control::{
    Answer, ApplyPolicy, Code, Command, Failure, GuestPassword, GuestStatus, Password, RoleName, SetGuest,
    TicketKind,
};
use lanyard_protocol::engine::{OnlineCheck, Setup};
use lanyard_protocol::message::{self, Request, Response};
use lanyard_protocol::record::Table;
use lanyard_protocol::reject::Reject;
use lanyard_protocol::ticket::{GUEST_TICKET_LIFE, HeldTicket, SessionKeyCache, TicketError, validate};

use crate::pair::Lan;

const PASSWORD: &str = "harbour violet cactus noodle";

/// Guests may use `db` and `web` of the authority, and members chat.
const POLICY: &str = "version = 1\n[roles]\nmember = [\"service.use\"]\n\
    [[grant]]\nto = [\"guest\"]\nservice = [\"db@office\", \"web@office\"]\n\
    [[grant]]\nto = [\"role:member\"]\nservice = [\"chat@*\"]\n";

const NO_GUESTS: &str = "version = 1\n[roles]\nmember = [\"service.use\"]\n\
    [[grant]]\nto = [\"role:member\"]\nservice = [\"db@*\", \"chat@*\"]\n";

fn apply(lan: &mut Lan, text: &str) {
    lan.command(0, Command::ApplyPolicy(ApplyPolicy { text: text.to_owned(), based_on: None })).unwrap();
}

fn set(lan: &mut Lan, service: &str, password: Option<&str>) -> Result<Vec<GuestStatus>, Failure> {
    let password = password.map(|text| GuestPassword { password: Password::new(text).unwrap(), weak: false });
    let set = SetGuest { service: service.parse().unwrap(), password };
    match lan.command(0, Command::SetGuest(set)) {
        Ok(Answer::Guests(guests)) => Ok(guests),
        Err(failure) => Err(failure),
        other => panic!("{other:?}"),
    }
}

fn status(lan: &mut Lan, service: &str) -> GuestStatus {
    let Ok(Answer::Guests(guests)) = lan.command(0, Command::Guests) else { panic!() };
    guests.into_iter().find(|status| status.service.as_str() == service).unwrap()
}

/// An authority whose `db` guests may use, `members` besides, and behind them hosts that are in no network; each sees
/// each other.
fn open_house(seed: u64, members: usize, strangers: usize) -> Lan {
    let mut lan = Lan::new(seed, 1 + members + strangers);
    lan.init("invite");
    for host in 1..=members {
        let (_, uri) = lan.invite(1);
        lan.join(host, &format!("till-{host}"), Some(uri)).unwrap();
    }
    apply(&mut lan, POLICY);
    set(&mut lan, "db", Some(PASSWORD)).unwrap();
    lan.discover();
    lan.pass(Duration::from_secs(1));
    lan
}

/// What the provider makes of a ticket that it is shown.
fn shown(lan: &Lan, ticket: &HeldTicket) -> Result<(), TicketError> {
    let snapshot = lan.hosts[0].engine.snapshot();
    validate(&snapshot, &SessionKeyCache::default(), ticket.for_service(), lan.now).map(drop)
}

/// R-L7: who knows the password gets a ticket for that one service, for an hour, and is nobody besides.
#[test]
fn who_knows_the_password_gets_a_ticket_and_nothing_else() {
    let mut lan = open_house(700, 0, 1);
    let grant = lan.visit(1, "db@office", PASSWORD).unwrap();
    assert_eq!(grant.provider.as_str(), "office");
    assert_eq!(grant.lanes[0].to_string(), "10.77.0.1:4611");
    let ticket = &grant.ticket;
    let snapshot = lan.hosts[0].engine.snapshot();
    let valid = validate(&snapshot, &SessionKeyCache::default(), ticket.for_service(), lan.now).unwrap();
    assert_eq!(valid.terms(), ticket.terms());
    assert!(valid.requester().is_none() && valid.user().is_none());
    let terms = ticket.terms();
    assert_eq!((terms.service.as_str(), terms.requester, terms.provider), ("db", lan.id(1), lan.id(0)));
    assert!(terms.user.is_none() && terms.expires <= lan.now.after(GUEST_TICKET_LIFE));
    let own = lan.hosts[1].engine.snapshot();
    ticket.check(&own, lan.now).unwrap();
    assert!(matches!(ticket.check(&own, terms.expires), Err(TicketError::Over { .. })));
    // It is no member for that, and nothing of it is kept.
    let Ok(Answer::Status(status)) = lan.command(1, Command::Status) else { panic!() };
    assert_eq!((status.role, status.name), (RoleName::None, None));
    assert!(lan.kept(1).iter().all(|record| !matches!(record.table, Table::Tickets | Table::Membership)));
    assert_eq!(lan.ask(1, 0, &Request::Ping), Response::Reject(Reject::NotMember));
    // Whoever runs the provider sees it, and can take it back.
    let Ok(Answer::Tickets(minted)) = lan.command(0, Command::Tickets) else { panic!() };
    assert_eq!((minted.len(), minted[0].kind), (1, TicketKind::Minted));
    lan.command(0, Command::RevokeTicket(minted[0].id.clone())).unwrap();
    assert!(matches!(shown(&lan, ticket), Err(TicketError::TakenBack(_))));
}

/// R-T4: who wants the same at the same time, or again within the hour, shares one exchange and one ticket; with another
/// password nobody does.
#[test]
fn one_ticket_serves_all_who_know_the_password() {
    let mut lan = open_house(701, 0, 1);
    let first = lan.begin_visit(1, "db@office", PASSWORD);
    let ticket = lan.visit(1, "db@office", PASSWORD).unwrap().ticket;
    let other = lan.hosts[1].channels.remove(&first).unwrap().unwrap().ticket;
    assert_eq!(ticket.terms().id, other.terms().id);
    assert_eq!(lan.visit(1, "db@office", PASSWORD).unwrap().ticket.terms().id, ticket.terms().id);
    assert_eq!(lan.visit(1, "db@office", "harbour violet cactus nodle").unwrap_err().code, Code::Denied);
    lan.pass(GUEST_TICKET_LIFE);
    lan.discover();
    let next = lan.visit(1, "db@office", PASSWORD).unwrap().ticket;
    assert_ne!(next.terms().id, ticket.terms().id);
    assert_eq!(status(&mut lan, "db").wrong, 1, "a right password costs nothing");
}

/// A16, R-T9: a wrong password is denied and charged; after ten it rests, for everybody, and both sides are told for how
/// long; it is over after that.
#[test]
fn a_wrong_password_is_charged_and_rests() {
    let mut lan = open_house(702, 0, 2);
    for guess in 0..10 {
        let failure = lan.visit(1, "db@office", &format!("{PASSWORD}{guess}")).unwrap_err();
        assert_eq!(failure.code, Code::Denied);
        assert!(failure.message.contains("password is wrong"), "{failure}");
        assert_eq!(status(&mut lan, "db").wrong, guess + 1);
    }
    let failure = lan.visit(2, "db@office", PASSWORD).unwrap_err();
    assert_eq!(failure.code, Code::Denied);
    assert!(failure.remedy.contains("wait 60 minutes"), "{failure}");
    assert!(status(&mut lan, "db").rests_s.is_some_and(|rest| (3500..=3600).contains(&rest)));
    let Ok(Answer::Status(shown)) = lan.command(0, Command::Status) else { panic!() };
    assert!(shown.warnings.iter().any(|warning| warning.contains("db was tried wrongly too often")));
    lan.pass(Duration::from_secs(3600));
    lan.discover();
    lan.visit(2, "db@office", PASSWORD).unwrap();
    // Durably.
    let wrong = status(&mut lan, "db").wrong;
    lan.restart(0, 702_001);
    assert_eq!((wrong, status(&mut lan, "db").wrong), (10, 10));
}

/// R-L7, I1: what policy does not grant to guests, or has no password, is refused like what there is not; a node that
/// takes none is nobody to them.
#[test]
fn what_is_not_for_guests_is_like_nothing() {
    let mut lan = open_house(703, 1, 1);
    set(&mut lan, "ssh", Some(PASSWORD)).unwrap();
    assert!(!status(&mut lan, "ssh").granted && status(&mut lan, "db").granted);
    let [ssh, web, none] =
        ["ssh", "web", "none"].map(|name| lan.visit(2, &format!("{name}@office"), PASSWORD).unwrap_err());
    assert_eq!(ssh.code, Code::Denied);
    assert!(ssh == web && web == none, "not granted, without a password, not there: {ssh}");
    for nobody in ["db@till-1", "db@nas"] {
        let failure = lan.visit(2, nobody, PASSWORD).unwrap_err();
        assert_eq!(failure.code, Code::NotFound, "{failure}");
    }
    apply(&mut lan, NO_GUESTS);
    lan.discover();
    assert_eq!(lan.visit(2, "db@office", PASSWORD).unwrap_err().code, Code::NotFound);
    // Nor does a member get by a password what policy grants to guests alone, if it does not know the password.
    apply(&mut lan, POLICY);
    assert_eq!(lan.visit(1, "db@office", "harbour violet cactus nodle").unwrap_err().code, Code::Denied);
    lan.visit(1, "db@office", PASSWORD).unwrap();
    assert_eq!(lan.open(1, "db@office").unwrap_err().code, Code::Denied);
}

/// C4, R-T14: a guest's ticket ends with its time, with the password, with the grant, and with the service.
#[test]
fn a_guests_ticket_ends_with_what_it_stands_on() {
    let mut lan = open_house(704, 0, 1);
    let ticket = |lan: &mut Lan, password: &str| {
        lan.discover();
        let ticket = lan.visit(1, "db@office", password).unwrap().ticket;
        shown(lan, &ticket).unwrap();
        ticket
    };
    let first = ticket(&mut lan, PASSWORD);
    apply(&mut lan, NO_GUESTS);
    assert!(matches!(shown(&lan, &first), Err(TicketError::NotAllowed(_))));
    apply(&mut lan, POLICY);
    shown(&lan, &first).unwrap();
    let new = "walnut saddle ribbon puzzle";
    set(&mut lan, "db", Some(new)).unwrap();
    assert!(matches!(shown(&lan, &first), Err(TicketError::TakenBack(_))));
    let now = lan.now;
    lan.hosts[1].engine.handle_no_ticket(&first.terms().id, now);
    lan.drain(1);
    assert_eq!(lan.visit(1, "db@office", PASSWORD).unwrap_err().code, Code::Denied);
    let second = ticket(&mut lan, new);
    assert!(set(&mut lan, "db", None).unwrap().is_empty());
    assert!(matches!(shown(&lan, &second), Err(TicketError::TakenBack(_))));
    // Nor does the same password bring it back.
    set(&mut lan, "db", Some(new)).unwrap();
    assert!(matches!(shown(&lan, &second), Err(TicketError::TakenBack(_))));
    let now = lan.now;
    lan.hosts[1].engine.handle_no_ticket(&second.terms().id, now);
    lan.drain(1);
    let third = ticket(&mut lan, "walnut saddle ribbon puzzle ");
    lan.pass(GUEST_TICKET_LIFE + SKEW);
    assert!(matches!(shown(&lan, &third), Err(TicketError::Expired { .. })));
}

/// C7, R-C3: passwords outlive a restart, tickets do not, and nobody notices.
#[test]
fn a_password_outlives_a_restart() {
    let mut lan = open_house(705, 0, 1);
    let old = lan.visit(1, "db@office", PASSWORD).unwrap().ticket;
    lan.restart(0, 705_001);
    assert!(matches!(shown(&lan, &old), Err(TicketError::NoTicket(_))));
    let now = lan.now;
    lan.hosts[1].engine.handle_no_ticket(&old.terms().id, now);
    lan.drain(1);
    lan.discover();
    let new = lan.visit(1, "db@office", PASSWORD).unwrap().ticket;
    shown(&lan, &new).unwrap();
}

/// F3: a password that cannot be kept is not set, and the one before is as good as it was.
#[test]
fn a_password_that_is_not_kept_is_not_set() {
    let mut lan = open_house(706, 0, 1);
    let ticket = lan.visit(1, "db@office", PASSWORD).unwrap().ticket;
    lan.hosts[0].store_works = false;
    assert_eq!(set(&mut lan, "db", Some("walnut saddle ribbon puzzle")).unwrap_err().code, Code::Failed);
    assert_eq!(set(&mut lan, "db", None).unwrap_err().code, Code::Failed);
    // Nor does anybody learn anything of a guess that cannot be charged.
    let failure = lan.visit(1, "db@office", "walnut saddle ribbon puzzle").unwrap_err();
    assert!(!failure.message.contains("password"), "{failure}");
    lan.hosts[0].store_works = true;
    shown(&lan, &ticket).unwrap();
    lan.visit(1, "db@office", PASSWORD).unwrap();
}

/// A3: a weak password is refused, unless somebody insists.
#[test]
fn a_weak_password_is_insisted_on() {
    let mut lan = open_house(707, 0, 0);
    assert_eq!(set(&mut lan, "web", Some("password1")).unwrap_err().code, Code::Usage);
    let password = Some(GuestPassword { password: Password::new("password1").unwrap(), weak: true });
    let insist = SetGuest { service: "web".parse().unwrap(), password };
    assert!(matches!(lan.command(0, Command::SetGuest(insist)), Ok(Answer::Guests(_))));
}

/// A1, A3: whoever answers to every name is given a share, three do at most, and the right one is found beside them.
#[test]
fn who_answers_to_every_name_learns_little() {
    let mut lan = open_house(708, 0, 7);
    let here = message::frame(&Response::GuestHere);
    lan.tamper = Some(Box::new(move |from, to, bytes| {
        let unknown = matches!(message::parse(&bytes), Ok(Response::Reject(Reject::Unknown)));
        Some(if unknown && from != 0 && to == 1 { here.clone() } else { bytes })
    }));
    let before = lan.wire.len();
    let result = lan.visit(1, "db@office", PASSWORD);
    let shares = |lan: &Lan, host: usize| {
        let requests = lan.requests_to(host, before);
        requests.iter().filter(|request| matches!(request, Request::Guest(_))).count()
    };
    let given: usize = (0..8).map(|host| shares(&lan, host)).sum();
    assert!(given <= 3, "{given}");
    if let Err(failure) = result {
        assert_eq!((failure.code, given), (Code::Denied, 3));
    }
    // By its id there is one who can be meant.
    let by_id = format!("db@{}", lan.id(0));
    lan.tamper = None;
    assert_eq!(lan.visit(1, &by_id, PASSWORD).unwrap().provider.as_str(), "office");
}

/// A13, A14: an answer of another exchange, or to another, is not believed, and a lost one costs no ticket to anybody.
#[test]
fn an_answer_of_another_exchange_is_not_believed() {
    let mut lan = open_house(709, 0, 2);
    // The offer that somebody else got.
    let recorded = std::rc::Rc::new(std::cell::RefCell::new(None));
    let recording = std::rc::Rc::clone(&recorded);
    lan.tamper = Some(Box::new(move |from, to, bytes| {
        if from == 0 && matches!(message::parse(&bytes), Ok(Response::GuestOffer(_))) {
            let mut recording = recording.borrow_mut();
            if to == 2 {
                *recording = Some(bytes.clone());
            } else if let Some(old) = recording.clone() {
                return Some(old);
            }
        }
        Some(bytes)
    }));
    lan.visit(2, "db@office", PASSWORD).unwrap();
    assert!(recorded.borrow().is_some());
    assert_eq!(lan.visit(1, "db@office", PASSWORD).unwrap_err().code, Code::Denied);
    lan.tamper = Some(Box::new(|_, _, bytes| {
        let grant = matches!(message::parse(&bytes), Ok(Response::Grant(_)));
        (!grant).then_some(bytes)
    }));
    assert_eq!(lan.visit(1, "db@office", PASSWORD).unwrap_err().code, Code::Unreachable);
    lan.tamper = None;
    lan.visit(1, "db@office", PASSWORD).unwrap();
}

/// R-L7: where multicast does not reach, a guest's owner names addresses; with nobody there it is told that.
#[test]
fn a_guest_finds_its_host_at_a_named_address() {
    let mut lan = open_house(710, 0, 1);
    let contacts = vec![lan.hosts[0].address];
    let setup = Setup { records: lan.kept(1), contacts, ..Setup::default() };
    lan.start_with(1, 710_001, setup);
    assert_eq!(lan.visit(1, "db@office", PASSWORD).unwrap().provider.as_str(), "office");
    lan.start(1, 710_002, Vec::new(), OnlineCheck::Never);
    let before = lan.now;
    assert_eq!(lan.visit(1, "db@office", PASSWORD).unwrap_err().code, Code::Unreachable);
    assert_eq!(lan.now.since(before), Duration::from_secs(10));
}

/// B7: whose membership was taken away is no guest either, and a provider's that was is no host.
#[test]
fn who_was_revoked_is_no_guest() {
    let mut lan = open_house(711, 1, 1);
    let ticket = lan.visit(1, "db@office", PASSWORD).unwrap().ticket;
    shown(&lan, &ticket).unwrap();
    let revoke =
        lanyard_protocol::control::Revoke { peer: "till-1".parse().unwrap(), reason: None, wait_ms: 0 };
    let _ = lan.command(0, Command::Revoke(revoke)).unwrap();
    assert!(matches!(shown(&lan, &ticket), Err(TicketError::Revoked(_))));
    lan.discover();
    let now = lan.now;
    lan.hosts[1].engine.handle_no_ticket(&ticket.terms().id, now);
    lan.drain(1);
    let failure = lan.visit(1, "db@office", PASSWORD).unwrap_err();
    // Whoever was revoked is cut off, as a guest too: it is answered, or finds nobody there.
    assert!(matches!(failure.code, Code::Denied | Code::Unreachable), "{failure}");
    lan.visit(2, "db@office", PASSWORD).unwrap();
}
