//! Why a service can be used, or cannot, between whole engines: one test for each link, from both sides.

use std::collections::BTreeSet;
use std::time::Duration;

use lanyard_protocol::control::{
    Answer, ApplyPolicy, AskWhy, Caller, ChangeUser, Code, Command, Failure, Init, Link, LinkName, LogIn,
    Onward, Password, Revoke, UserChange, Walked,
};
use lanyard_protocol::engine::Setup;
use lanyard_protocol::message::{self, Request, Response};
use lanyard_protocol::people::{Actor, Seat};
use lanyard_protocol::reject::Reject;

use crate::pair::{Lan, found};

const SHOP: &str = r#"version = 1
[roles]
member  = ["service.use"]
cashier = ["service.use"]
[[grant]]
to      = ["role:member"]
service = ["chat@*"]
limits  = { max_ticket = "30m" }
[[grant]]
to      = ["role:cashier"]
service = ["stock@office", "stock@till-2"]
"#;

const GOOD: &str = "harbour violet 7 lamp";
const SECOND: Duration = Duration::from_secs(1);
const ANA: Caller = Caller::Other(Seat { uid: 1001, session: 1 });

/// The links up to a ticket.
const UP_TO_TICKET: [LinkName; 6] = [
    LinkName::Discovery,
    LinkName::Reachability,
    LinkName::Certificate,
    LinkName::Login,
    LinkName::Policy,
    LinkName::Ticket,
];

fn ask(service: &str) -> AskWhy {
    AskWhy { service: service.parse().unwrap(), from: None, user: None }
}

fn from(peer: &str, service: &str) -> AskWhy {
    AskWhy { from: Some(peer.parse().unwrap()), ..ask(service) }
}

fn as_user(user: &str, ask: AskWhy) -> AskWhy {
    AskWhy { user: Some(user.to_owned()), ..ask }
}

fn why_as(lan: &mut Lan, (host, caller): (usize, Caller), ask: AskWhy) -> Result<Walked, Failure> {
    let answer = lan.command_as(host, caller, Command::Why(ask))?;
    let Answer::Why(walked) = answer else { panic!("{answer:?}") };
    Ok(*walked)
}

fn why(lan: &mut Lan, host: usize, ask: AskWhy) -> Walked {
    why_as(lan, (host, Caller::NODE), ask).unwrap()
}

fn links(walked: &Walked) -> Vec<LinkName> {
    walked.walk.links.iter().map(|link| link.link).collect()
}

fn detail(walked: &Walked, name: LinkName) -> String {
    walked.walk.links.iter().find(|link| link.link == name).unwrap().detail.clone()
}

/// The one link that fails, which is the last.
#[track_caller]
fn broken(walked: &Walked) -> (LinkName, Code, String) {
    let Walked { walk, next } = walked;
    let Some((last, before)) = walk.links.split_last() else { panic!("no link was tried") };
    assert!(!walk.ok && !last.ok && before.iter().all(|link| link.ok), "{walk:?}");
    assert_eq!(*next, Onward::Nowhere, "{walk:?}");
    let error = walk.error.as_ref().unwrap();
    let Link { link, detail, remedy, .. } = last;
    assert_eq!((detail, remedy.as_ref()), (&error.message, Some(&error.remedy)));
    (*link, error.code, error.message.clone())
}

#[track_caller]
fn breaks(walked: &Walked, link: LinkName, code: Code, said: &str) {
    let (at, with, message) = broken(walked);
    assert_eq!((at, with), (link, code), "{walked:?}");
    assert!(message.contains(said), "{said:?} is not in {message:?}");
}

/// `till-1` and `till-2` know each other and the authority, `office`.
fn acquainted(seed: u64) -> Lan {
    let mut lan = Lan::network(seed, 2);
    lan.discover();
    lan.pass(SECOND);
    lan
}

/// With a policy of its own, and `ana`, who is a cashier.
fn shop(seed: u64) -> Lan {
    let mut lan = acquainted(seed);
    lan.command(0, Command::ApplyPolicy(ApplyPolicy { text: SHOP.to_owned(), based_on: None })).unwrap();
    lan.pass(SECOND);
    let roles: BTreeSet<_> = [("cashier").parse().unwrap()].into();
    let password = Password::new(GOOD).unwrap();
    let change = UserChange::Add { roles, person: None, password, weak: false };
    let change = ChangeUser { user: "ana".parse().unwrap(), local: false, change };
    lan.command(0, Command::ChangeUser(change)).unwrap();
    lan
}

fn log_in(lan: &mut Lan, host: usize, caller: Caller) {
    let log_in = LogIn { user: "ana".to_owned(), person: None, password: Password::new(GOOD).unwrap() };
    lan.command_as(host, caller, Command::LogIn(log_in)).unwrap();
}

/// R-T9: where nothing stands in the way every link says how it holds, and what is left is the channel.
#[test]
fn every_link_says_how_it_holds() {
    let mut lan = shop(1000);
    let walked = why(&mut lan, 1, ask("chat@till-2"));
    assert_eq!(links(&walked), UP_TO_TICKET);
    assert!(walked.walk.ok && walked.walk.error.is_none());
    assert_eq!(walked.next, Onward::Channel(Actor::Node));
    for (link, said) in [
        (LinkName::Discovery, "seen on the network"),
        (LinkName::Reachability, "answers at 10.77.0.3:4610 within"),
        (LinkName::Certificate, "till-2 holds until"),
        (LinkName::Login, "acts for itself"),
        (LinkName::Policy, "grant 1 (line 5) allows it"),
        (LinkName::Ticket, "got now, good until"),
        (LinkName::Ticket, "(by the grant: at most 30m)"),
    ] {
        let found = detail(&walked, link);
        assert!(found.contains(said), "{said:?} is not in {found:?}");
    }
    let again = why(&mut lan, 1, ask("chat@till-2"));
    assert!(detail(&again, LinkName::Ticket).starts_with("held until"), "{again:?}");
    let provider = why(&mut lan, 2, from("till-1", "chat@till-2"));
    assert_eq!((links(&provider), provider.walk.ok), (UP_TO_TICKET.to_vec(), true));
    assert_eq!(provider.next, Onward::Service("chat".parse().unwrap()));
    assert!(detail(&provider, LinkName::Ticket).starts_with("one lives, until"), "{provider:?}");
}

/// Discovery: nobody has the name, or nobody can be asked who has; and who was told by the authority is said to be.
#[test]
fn discovery_breaks_where_nobody_knows_the_name() {
    let mut lan = Lan::network(1001, 2);
    let told = why(&mut lan, 1, ask("chat@till-2"));
    assert!(detail(&told, LinkName::Discovery).contains("the authority has told"), "{told:?}");
    for (host, ask) in [(1, ask("chat@nobody")), (1, from("nobody", "chat@till-1"))] {
        let walked = why(&mut lan, host, ask);
        breaks(&walked, LinkName::Discovery, Code::NotFound, "no peer nobody");
        assert_eq!(links(&walked), [LinkName::Discovery]);
    }
    breaks(&why(&mut lan, 0, ask("chat@nobody")), LinkName::Discovery, Code::NotFound, "no peer nobody");
    lan.away.insert(0);
    let alone = why(&mut lan, 1, ask("chat@nobody"));
    breaks(&alone, LinkName::Discovery, Code::Unreachable, "the authority, which knows everybody");
}

/// Reachability: where it was tried, and whether the authority answers; a connection that has died is no answer.
#[test]
fn reachability_breaks_where_nobody_answers() {
    for connected in [true, false] {
        let mut lan = acquainted(1002);
        lan.away.insert(2);
        if !connected {
            lan.disconnect_all(2);
            lan.pass(2 * SECOND);
        }
        for ask in [ask("chat@till-2"), from("till-2", "chat@till-1")] {
            let walked = why(&mut lan, 1, ask);
            let said = "till-2 does not answer at 10.77.0.3:4610; the authority answers";
            breaks(&walked, LinkName::Reachability, Code::Unreachable, said);
            assert_eq!(links(&walked), [LinkName::Discovery, LinkName::Reachability]);
        }
    }
}

/// Certificate: without a membership of its own a node has nothing to walk, and says what is wrong with it.
#[test]
fn the_nodes_own_membership_comes_first() {
    let mut lan = acquainted(1003);
    let alone = |lan: &mut Lan, host, said: &str| {
        for ask in [ask("chat@till-1"), as_user("ana", from("till-2", "chat@till-1"))] {
            let walked = why(lan, host, ask);
            breaks(&walked, LinkName::Certificate, Code::Denied, said);
            assert_eq!(links(&walked), [LinkName::Certificate]);
        }
    };
    let revoke = Revoke { peer: "till-1".parse().unwrap(), wait_ms: 0, reason: None };
    lan.command(0, Command::Revoke(revoke)).unwrap();
    lan.pass(5 * SECOND);
    alone(&mut lan, 1, "this node's membership was revoked at");
    lan.away.insert(0);
    lan.disconnect_all(0);
    lan.pass(Duration::from_secs(80 * 60 * 60));
    alone(&mut lan, 2, "expired at");
    alone(&mut Lan::new(1004, 1), 0, "not a member of any network");
}

/// Certificate: the other end's: revoked, expired, or of another network.
#[test]
fn the_others_certificate_breaks_the_walk() {
    let mut lan = acquainted(1005);
    let revoke = Revoke { peer: "till-1".parse().unwrap(), wait_ms: 0, reason: None };
    lan.command(0, Command::Revoke(revoke)).unwrap();
    lan.pass(SECOND);
    for ask in [ask("chat@till-1"), from("till-1", "chat@till-2")] {
        let said = "the membership of till-1 was revoked at";
        breaks(&why(&mut lan, 2, ask), LinkName::Certificate, Code::Denied, said);
    }

    let mut lan = Lan::new(1006, 2);
    lan.init("invite");
    let other =
        Init { network: "lab.lan".parse().unwrap(), name: "grace".parse().unwrap(), ..found("invite") };
    lan.command(1, Command::Init(other)).unwrap();
    lan.discover();
    lan.pass(SECOND);
    let grace = ask(&format!("chat@{}", lan.id(1).short()));
    let walked = why(&mut lan, 0, grace);
    breaks(&walked, LinkName::Certificate, Code::Denied, "a member of another network, lab.lan");
    assert_eq!(links(&walked), [LinkName::Discovery, LinkName::Reachability, LinkName::Certificate]);
}

/// Certificate: the other end's has ended, and this node's has not.
#[test]
fn an_expired_peer_is_told_apart() {
    let mut lan = acquainted(1007);
    lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
    // From now on `till-2` renews nothing, and nobody hears from it.
    lan.away.insert(2);
    lan.disconnect_all(2);
    lan.tamper = Some(Box::new(|_, to, bytes| (to != 2).then_some(bytes)));
    lan.pass(Duration::from_secs(80 * 60 * 60));
    lan.away.remove(&2);
    lan.tamper = None;
    // It is there again, and renews before long unless the authority is not.
    lan.tamper = Some(Box::new(|from, to, bytes| (from != 0 || to != 2).then_some(bytes)));
    let walked = why(&mut lan, 1, ask("chat@till-2"));
    breaks(&walked, LinkName::Certificate, Code::Denied, "the certificate of till-2 does not hold");
}

/// Login, R-T1: a node that asks for log-ins walks for nobody else, and not one packet leaves it; on behalf of whoever
/// has logged in it walks on.
#[test]
fn login_breaks_where_nobody_has_logged_in() {
    let mut lan = shop(1008);
    let setup = Setup { records: lan.kept(1), require_log_in: Some(true), ..Setup::default() };
    lan.disconnect_all(1);
    lan.start_with(1, 9, setup);
    lan.pass(SECOND);
    let owner = Caller::Owner(Seat { uid: 1000, session: 1 });
    let before = lan.wire.len();
    let refused = why_as(&mut lan, (1, owner), ask("chat@till-2")).unwrap();
    breaks(&refused, LinkName::Login, Code::Denied, "nobody is logged in here");
    assert_eq!(lan.wire.len(), before, "what is refused here causes no packet");
    assert!(!links(&refused).contains(&LinkName::Reachability), "it was not tried: {refused:?}");
    assert_eq!(why_as(&mut lan, (1, ANA), ask("chat@till-2")).unwrap_err().code, Code::Denied);
    log_in(&mut lan, 1, ANA);
    let walked = why_as(&mut lan, (1, ANA), ask("stock@till-2")).unwrap();
    assert!(walked.walk.ok && matches!(walked.next, Onward::Channel(Actor::Person(_))), "{walked:?}");
    assert!(detail(&walked, LinkName::Login).starts_with("ana is logged in here until"));
    for ask in [as_user("ana", ask("chat@till-2")), from("till-2", "chat@till-1")] {
        let refused = why_as(&mut lan, (1, ANA), ask).unwrap_err();
        assert!(refused.message.contains("only the user who runs the node"), "{refused:?}");
    }
}

/// Login: of a user of whom somebody asks it is said whether they are logged in here, and what policy would say.
#[test]
fn of_others_it_is_said_whether_they_are_logged_in() {
    let mut lan = shop(1009);
    let about = |service| as_user("ana", ask(service));
    let before = lan.wire.len();
    for (service, said) in [
        ("chat@till-2", "ana is not logged in here; policy would grant it by grant 1"),
        ("stock@till-2", "policy would grant it to role:cashier"),
        ("print@till-2", "policy would not grant it: it lacks service.use on print@till-2"),
    ] {
        breaks(&why(&mut lan, 1, about(service)), LinkName::Login, Code::Denied, said);
    }
    assert_eq!(lan.wire.len(), before, "what is refused here causes no packet");
    log_in(&mut lan, 1, ANA);
    let walked = why(&mut lan, 1, about("stock@till-2"));
    assert_eq!((links(&walked), walked.next), (UP_TO_TICKET[..5].to_vec(), Onward::Nowhere));
    breaks(&why(&mut lan, 1, about("print@till-2")), LinkName::Policy, Code::Denied, "to ana here");
}

/// Policy, R-T9, R-T1: what is missing is said, and nothing leaves the host for it.
#[test]
fn policy_breaks_where_no_grant_fits() {
    let mut lan = shop(1010);
    let before = lan.wire.len();
    let walked = why(&mut lan, 1, ask("stock@till-2"));
    breaks(&walked, LinkName::Policy, Code::Denied, "it lacks role:cashier");
    assert!(detail(&walked, LinkName::Login).contains("acts for itself"));
    let unknown = why(&mut lan, 1, ask("stock@nobody"));
    assert_eq!(links(&unknown), [LinkName::Login, LinkName::Policy], "whether or not there is one");
    assert_eq!(lan.wire.len(), before, "what is refused here causes no packet");
}

/// Policy, as the provider sees it: for a node, and for users there, whose roles the authority alone knows.
#[test]
fn a_provider_says_what_its_policy_grants_to_others() {
    let mut lan = shop(1011);
    breaks(&why(&mut lan, 2, from("till-1", "stock@till-2")), LinkName::Policy, Code::Denied, "to till-1");
    let ana = why(&mut lan, 2, as_user("ana", from("till-1", "stock@till-2")));
    assert!(ana.walk.ok, "{ana:?}");
    assert!(detail(&ana, LinkName::Policy).starts_with("it is granted to role:cashier"), "{ana:?}");
    assert!(detail(&ana, LinkName::Ticket).starts_with("none lives"), "{ana:?}");
    let eve = why(&mut lan, 2, as_user("eve%till-1", from("till-1", "stock@till-2")));
    breaks(&eve, LinkName::Policy, Code::Denied, "to eve%till-1 at till-1");
    let eve = why(&mut lan, 2, as_user("eve%office", from("till-1", "stock@till-2")));
    breaks(&eve, LinkName::Login, Code::Denied, "a user of office's own");

    let ana = why(&mut lan, 0, as_user("ana", from("till-1", "stock@office")));
    assert!(detail(&ana, LinkName::Policy).starts_with("grant 2 (line 9)"), "{ana:?}");
    let zoe = why(&mut lan, 0, as_user("zoe", from("till-1", "stock@office")));
    breaks(&zoe, LinkName::Login, Code::Denied, "there is no user zoe");

    log_in(&mut lan, 1, ANA);
    let ticket = Command::GetTicket("stock@till-2".parse().unwrap());
    lan.command_as(1, ANA, ticket).unwrap();
    let ana = why(&mut lan, 2, as_user("ana", from("till-1", "stock@till-2")));
    assert!(detail(&ana, LinkName::Ticket).starts_with("one lives, until"), "{ana:?}");
}

/// Ticket: the provider's own no, and by which versions of the policy the two go.
#[test]
fn a_ticket_breaks_where_the_provider_refuses() {
    let mut lan = shop(1012);
    let refuse = |reject: Reject| {
        let refusal = message::frame(&Response::Reject(reject));
        move |from: usize, bytes: Vec<u8>| {
            let grant = from == 2 && matches!(message::parse(&bytes), Ok(Response::Grant(_)));
            if grant { refusal.clone() } else { bytes }
        }
    };
    let (denied, busy) = (refuse(Reject::Denied), refuse(Reject::Busy));
    lan.tamper = Some(Box::new(move |from, _, bytes| Some(denied(from, bytes))));
    let walked = why(&mut lan, 1, ask("chat@till-2"));
    let version = "till-2 mints no ticket: the other side's policy does not grant it; both go by version";
    breaks(&walked, LinkName::Ticket, Code::Denied, version);
    assert_eq!(links(&walked), UP_TO_TICKET);
    lan.tamper = Some(Box::new(move |from, _, bytes| Some(busy(from, bytes))));
    breaks(&why(&mut lan, 1, ask("chat@till-2")), LinkName::Ticket, Code::Failed, "too busy");

    let denied = refuse(Reject::Denied);
    // It goes by an older policy, and what it is told on the way does not reach it in time.
    lan.tamper = Some(Box::new(move |from, to, bytes| {
        let bytes = match message::parse(&bytes) {
            Ok(Response::Hello(mut hello)) if from == 2 => {
                hello.policy = 0;
                message::frame(&Response::Hello(hello))
            }
            Ok(Response::Policy(_)) if to == 1 => return None,
            _ => bytes,
        };
        Some(denied(from, bytes))
    }));
    lan.restart(1, 77);
    let walked = why(&mut lan, 1, ask("chat@till-2"));
    breaks(&walked, LinkName::Ticket, Code::Denied, "it goes by version 0 of the policy, this node by");
}

/// Ticket: as the provider sees it, where the authority's word is needed and not to be had.
#[test]
fn a_ticket_breaks_where_the_authority_cannot_confirm() {
    let mut lan = acquainted(1013);
    let text = SHOP.replace("max_ticket = \"30m\"", "online_check = \"require\"");
    lan.command(0, Command::ApplyPolicy(ApplyPolicy { text, based_on: None })).unwrap();
    lan.pass(SECOND);
    let walked = why(&mut lan, 2, from("till-1", "chat@till-2"));
    assert!(detail(&walked, LinkName::Ticket).contains("(by the grant: the authority is always asked)"));
    lan.away.insert(0);
    lan.disconnect_all(0);
    let walked = why(&mut lan, 2, from("till-1", "chat@till-2"));
    breaks(&walked, LinkName::Ticket, Code::Denied, "confirmed with the authority, which cannot be reached");
    breaks(&why(&mut lan, 1, ask("chat@till-2")), LinkName::Ticket, Code::Denied, "could not be confirmed");
}

/// Who stands between two others sees nothing of it, and says where to ask; and a service of one's own is asked about
/// for somebody.
#[test]
fn what_is_between_others_is_a_mistake() {
    let mut lan = acquainted(1014);
    for (ask, said) in [
        (from("till-2", "chat@office"), "run it on till-2 without `--from`, or as it is on office"),
        (ask("chat@till-1"), "--from PEER"),
        (from("till-1", "chat@till-1"), "--from PEER"),
        (as_user("Ana", ask("chat@till-2")), "ana%till"),
    ] {
        let failure = why_as(&mut lan, (1, Caller::NODE), ask).unwrap_err();
        assert_eq!(failure.code, Code::Usage);
        assert!(failure.remedy.contains(said), "{failure:?}");
    }
    assert!(why(&mut lan, 1, from("till-1", "chat@till-2")).walk.ok, "from this node itself");
}

/// R-T1: a walk asks for nothing but the ticket, and for that only if nothing stands in the way.
#[test]
fn a_walk_sends_what_it_needs_and_no_more() {
    let mut lan = shop(1015);
    let since = lan.wire.len();
    assert!(why(&mut lan, 2, from("till-1", "chat@till-2")).walk.ok);
    let asked = lan.requests_to(1, since);
    assert!(asked.iter().all(|request| matches!(request, Request::Ping | Request::Hello(_))), "{asked:?}");
    let since = lan.wire.len();
    assert!(why(&mut lan, 1, ask("chat@till-2")).walk.ok);
    let asked = lan.requests_to(2, since);
    let tickets = asked.iter().filter(|request| matches!(request, Request::Ticket(_))).count();
    assert_eq!((tickets, asked.len()), (1, 2), "{asked:?}");
}
