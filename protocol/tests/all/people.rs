//! People who log in, between whole engines.

use std::time::Duration;

use lanyard_protocol::control::{
    Answer, ApplyPolicy, Caller, ChangeUser, Code, Command, Failure, Init, ListUsers, LogIn, Password,
    UserChange, Users, WhoAmI,
};
use lanyard_protocol::engine::{ChannelGrant, Setup};
use lanyard_protocol::message::{Request, Response};
use lanyard_protocol::people::{
    Actor, Home, LogInRequest, Manage, ManageRequest, Principal, Proof, Seat, SignedAssertion,
};
use lanyard_protocol::record::Table;
use lanyard_protocol::reject::Reject;
use lanyard_protocol::ticket::{SessionKeyCache, TicketError, TicketRequest, ValidTicket, validate};

use crate::pair::{Lan, found};

const SHOP: &str = r#"version = 1
[roles]
member  = ["service.use"]
cashier = ["service.use"]
manager = ["service.use", "user.manage", "policy.change"]
clerk   = ["user.manage"]
[[grant]]
to      = ["role:member"]
service = ["chat@*"]
[[grant]]
to      = ["role:cashier"]
service = ["stock@office", "stock@till-2"]
[[grant]]
to      = ["user:eve%till-1"]
service = ["print@till-2"]
"#;

const GOOD: &str = "harbour violet 7 lamp";
const SECOND: Duration = Duration::from_secs(1);

/// Somebody with this uid, who does not run the node.
fn uid(uid: u32) -> Caller {
    Caller::Other(Seat { uid, session: 1 })
}

fn password(text: &str) -> Password {
    Password::new(text).unwrap()
}

fn change(
    lan: &mut Lan,
    (host, caller): (usize, Caller),
    user: &str,
    change: UserChange,
) -> Result<u64, Failure> {
    change_in(lan, (host, caller), (user, false), change)
}

fn change_in(
    lan: &mut Lan,
    (host, caller): (usize, Caller),
    (user, local): (&str, bool),
    change: UserChange,
) -> Result<u64, Failure> {
    let change = ChangeUser { user: user.parse().unwrap(), local, change };
    let answer = lan.command_as(host, caller, Command::ChangeUser(change))?;
    let Answer::UserChanged(changed) = answer else { panic!("{answer:?}") };
    Ok(changed.epoch)
}

fn new_user(roles: &[&str]) -> UserChange {
    let roles = roles.iter().map(|role| role.parse().unwrap()).collect();
    UserChange::Add { roles, person: None, password: password(GOOD), weak: false }
}

fn role(role: &str, given: bool) -> UserChange {
    UserChange::SetRole { role: role.parse().unwrap(), given }
}

fn log_in(lan: &mut Lan, (host, caller): (usize, Caller), user: &str, with: &str) -> Result<WhoAmI, Failure> {
    let log_in = LogIn { user: user.to_owned(), person: None, password: password(with) };
    let answer = lan.command_as(host, caller, Command::LogIn(log_in))?;
    let Answer::WhoAmI(shown) = answer else { panic!("{answer:?}") };
    Ok(shown)
}

fn actor(lan: &mut Lan, host: usize, caller: Caller) -> Result<Actor, Failure> {
    let answer = lan.command_as(host, caller, Command::Actor)?;
    let Answer::Actor(actor) = answer else { panic!("{answer:?}") };
    Ok(actor)
}

fn who(lan: &mut Lan, host: usize, caller: Caller) -> WhoAmI {
    let Ok(Answer::WhoAmI(shown)) = lan.command_as(host, caller, Command::WhoAmI) else { panic!() };
    shown
}

/// Opens a service as whoever sits there.
fn open(lan: &mut Lan, (host, caller): (usize, Caller), service: &str) -> Result<Box<ChannelGrant>, Failure> {
    let actor = actor(lan, host, caller)?;
    lan.open_for(host, actor, service)
}

/// What the provider says of a ticket.
fn shown_to(
    lan: &Lan,
    provider: usize,
    grant: &ChannelGrant,
) -> Result<std::sync::Arc<ValidTicket>, TicketError> {
    let snapshot = lan.hosts[provider].engine.snapshot();
    validate(&snapshot, &SessionKeyCache::default(), grant.ticket.for_service(), lan.now)
}

fn apply(lan: &mut Lan, (host, caller): (usize, Caller), text: &str) -> Result<Answer, Failure> {
    lan.command_as(host, caller, Command::ApplyPolicy(ApplyPolicy { text: text.to_owned(), based_on: None }))
}

/// The shop: `office` is the authority, `till-1` and `till-2` know each other; `ana` is a cashier.
fn shop(seed: u64) -> Lan {
    let mut lan = Lan::network(seed, 2);
    lan.discover();
    lan.pass(SECOND);
    apply(&mut lan, (0, Caller::NODE), SHOP).unwrap();
    lan.pass(SECOND);
    change(&mut lan, (0, Caller::NODE), "ana", new_user(&["cashier"])).unwrap();
    lan
}

const ANA: Caller = Caller::Other(Seat { uid: 1001, session: 1 });

/// R-T1, R-T4, R-T5: whoever has logged in uses what their role allows, and the provider knows who it is; nothing of it
/// leaves the host before; one log-in serves every later call.
#[test]
fn a_role_opens_what_policy_grants_to_it() {
    let mut lan = shop(800);
    let before = lan.wire.len();
    assert_eq!(open(&mut lan, (1, ANA), "stock@till-2").unwrap_err().code, Code::Denied);
    assert_eq!(lan.open(1, "stock@till-2").unwrap_err().code, Code::Denied);
    assert_eq!(lan.wire.len(), before, "what is refused here causes no packet");
    let shown = log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap();
    assert_eq!(shown.user.as_deref(), Some("ana"));
    assert_eq!(shown.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>(), ["cashier"]);
    let first = open(&mut lan, (1, ANA), "stock@till-2").unwrap();
    let valid = shown_to(&lan, 2, &first).unwrap();
    let user = valid.user().unwrap();
    assert_eq!((user.principal().to_string(), user.assertion().node), ("ana".to_owned(), lan.id(1)));
    assert_eq!(valid.terms().user.as_ref(), Some(user.principal()));
    assert_eq!(user.assertion().entity.as_str(), "shop");
    let quiet = lan.wire.len();
    let again = open(&mut lan, (1, ANA), "stock@till-2").unwrap();
    assert_eq!(again.ticket.terms().id, first.ticket.terms().id);
    assert_eq!(lan.wire.len(), quiet, "the ticket is held");
    assert!(open(&mut lan, (1, ANA), "chat@till-2").is_ok(), "a user at a member is a member, too");
}

/// R-T1, G1: a log-in serves the seat it was made at: no other uid, no other session, not the node itself; and what
/// whoever runs the node holds is not theirs.
#[test]
fn a_log_in_serves_its_seat_alone() {
    let mut lan = shop(801);
    log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap();
    for other in [
        Caller::Other(Seat { uid: 1001, session: 2 }),
        Caller::Other(Seat { uid: 1002, session: 1 }),
        Caller::Other(Seat { uid: 0, session: 1 }),
    ] {
        assert_eq!(open(&mut lan, (1, other), "stock@till-2").unwrap_err().code, Code::Denied);
        assert_eq!(who(&mut lan, 1, other).user, None);
    }
    let owner = Caller::Owner(Seat { uid: 1000, session: 1 });
    assert_eq!(open(&mut lan, (1, owner), "stock@till-2").unwrap_err().code, Code::Denied);
    assert_eq!(who(&mut lan, 1, owner).user.as_deref(), Some("owner"));
    open(&mut lan, (1, ANA), "chat@till-2").unwrap();
    open(&mut lan, (1, owner), "chat@till-2").unwrap();
    let Ok(Answer::Tickets(rows)) = lan.command_as(1, ANA, Command::Tickets) else { panic!() };
    assert_eq!(rows.iter().map(|row| row.user.as_deref()).collect::<Vec<_>>(), [Some("ana")]);
    for refused in [Command::Renew, Command::Admission, Command::Users(ListUsers { local: true })] {
        assert_eq!(lan.command_as(1, ANA, refused).unwrap_err().code, Code::Denied);
    }
}

/// R-T1: where log-ins are required, whoever runs the node uses nothing without one, and administers it all the same;
/// the seat of another uid does not serve them.
#[test]
fn a_node_that_requires_log_ins_acts_for_nobody_else() {
    let mut lan = shop(802);
    let records = lan.kept(1);
    let setup = Setup { records, require_log_in: Some(true), ..Setup::default() };
    lan.disconnect_all(1);
    lan.start_with(1, 9, setup);
    lan.pass(SECOND);
    let owner = Caller::Owner(Seat { uid: 1000, session: 1 });
    let get = || Command::GetTicket("chat@till-2".parse().unwrap());
    log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap();
    let refused = lan.command_as(1, owner, get()).unwrap_err();
    assert_eq!(refused.code, Code::Denied);
    assert!(refused.remedy.contains("lanyard login"), "{refused:?}");
    assert_eq!(lan.open(1, "chat@till-2").unwrap_err().code, Code::Denied);
    assert!(lan.command_as(1, ANA, get()).is_ok());
    assert!(lan.command_as(1, owner, Command::Admission).unwrap_err().message.contains("authority"));
    log_in(&mut lan, (1, owner), "ana", GOOD).unwrap();
    assert!(lan.command_as(1, owner, get()).is_ok());
}

/// R-T1: what was opened on somebody's behalf ends when they log out, on both sides; and the log-in ends by itself.
#[test]
fn logging_out_ends_what_was_opened() {
    let mut lan = shop(803);
    log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap();
    let grant = open(&mut lan, (1, ANA), "stock@till-2").unwrap();
    let by_node = lan.open(1, "chat@till-2").unwrap();
    let cache = SessionKeyCache::default();
    let provider = lan.hosts[2].engine.snapshot();
    assert!(validate(&provider, &cache, grant.ticket.for_service(), lan.now).is_ok());
    lan.command_as(1, ANA, Command::LogOut).unwrap();
    lan.pass(SECOND);
    assert!(grant.ticket.check(&lan.hosts[1].engine.snapshot(), lan.now).is_err());
    let provider = lan.hosts[2].engine.snapshot();
    let refused = validate(&provider, &cache, grant.ticket.for_service(), lan.now);
    assert!(matches!(refused, Err(TicketError::TakenBack(_))), "{refused:?}");
    assert!(by_node.ticket.check(&lan.hosts[1].engine.snapshot(), lan.now).is_ok());
    log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap();
    lan.pass(Duration::from_secs(12 * 60 * 60));
    assert_eq!(who(&mut lan, 1, ANA).user, None);
}

/// I4, R-T1: a role that is taken ends what hangs on it within five seconds, at the user's node and at the provider; one
/// that is given works without another log-in.
#[test]
fn a_role_is_taken_and_given_while_somebody_is_logged_in() {
    let mut lan = shop(804);
    log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap();
    let grant = open(&mut lan, (1, ANA), "stock@till-2").unwrap();
    assert!(shown_to(&lan, 2, &grant).is_ok());
    change(&mut lan, (0, Caller::NODE), "ana", role("cashier", false)).unwrap();
    lan.pass(SECOND);
    assert!(grant.ticket.check(&lan.hosts[1].engine.snapshot(), lan.now).is_err());
    let refused = shown_to(&lan, 2, &grant);
    // The user's node gives the ticket up, too.
    assert!(matches!(refused, Err(TicketError::LoggedOut(_) | TicketError::TakenBack(_))), "{refused:?}");
    assert_eq!(who(&mut lan, 1, ANA).user.as_deref(), Some("ana"), "the log-in itself goes on");
    let quiet = lan.wire.len();
    assert!(open(&mut lan, (1, ANA), "stock@till-2").unwrap_err().message.contains("role:cashier"));
    assert_eq!(lan.wire.len(), quiet);
    assert!(open(&mut lan, (1, ANA), "chat@till-2").is_ok());
    change(&mut lan, (0, Caller::NODE), "ana", role("cashier", true)).unwrap();
    lan.pass(SECOND);
    let renewed = open(&mut lan, (1, ANA), "stock@till-2").unwrap();
    assert!(shown_to(&lan, 2, &renewed).is_ok());
}

/// I4: a provider that hears of it refuses at once also if the user's node hears of nothing, and goes on as it was.
#[test]
fn a_node_that_hears_nothing_does_not_keep_a_role() {
    let mut lan = shop(805);
    log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap();
    let grant = open(&mut lan, (1, ANA), "stock@till-2").unwrap();
    let old = shown_to(&lan, 2, &grant).unwrap().user().unwrap().signed().clone();
    lan.away.insert(1);
    change(&mut lan, (0, Caller::NODE), "ana", role("cashier", false)).unwrap();
    lan.pass(SECOND);
    assert!(matches!(shown_to(&lan, 2, &grant), Err(TicketError::LoggedOut(_))));
    let certificate = lan.hosts[1].engine.snapshot().certificate().unwrap().digest();
    let service = "stock".parse().unwrap();
    let assertion = Some(Box::new(old));
    let request = Request::Ticket(TicketRequest { nonce: [7; 32], service, certificate, assertion });
    assert_eq!(lan.ask(1, 2, &request), Response::Reject(Reject::LogIn));
}

/// I4: a user who is removed, a person who is, and a password that is changed end log-ins; other people who use the same
/// user go on without theirs.
#[test]
fn what_ends_log_ins() {
    let mut lan = shop(806);
    let ben = UserChange::SetPassword {
        person: Some("ben".parse().unwrap()),
        password: password("eleven grey geese"),
        new: true,
        weak: false,
    };
    change(&mut lan, (0, Caller::NODE), "ana", ben).unwrap();
    lan.pass(SECOND);
    let as_ben = LogIn {
        user: "ana".into(),
        person: Some("ben".parse().unwrap()),
        password: password("eleven grey geese"),
    };
    log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap();
    lan.command_as(1, uid(1002), Command::LogIn(as_ben.clone())).unwrap();
    let anas = UserChange::SetPassword {
        person: None,
        password: password("seven blue lamps"),
        new: false,
        weak: false,
    };
    change(&mut lan, (0, Caller::NODE), "ana", anas).unwrap();
    lan.pass(SECOND);
    assert_eq!(who(&mut lan, 1, ANA).user, None);
    assert_eq!(who(&mut lan, 1, uid(1002)).person.unwrap().as_str(), "ben");
    assert!(open(&mut lan, (1, uid(1002)), "stock@till-2").is_ok());
    assert_eq!(log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap_err().code, Code::Denied);
    log_in(&mut lan, (1, ANA), "ana", "seven blue lamps").unwrap();
    let no_ben = UserChange::RemovePerson { person: "ben".parse().unwrap() };
    change(&mut lan, (0, Caller::NODE), "ana", no_ben).unwrap();
    lan.pass(SECOND);
    assert_eq!(who(&mut lan, 1, uid(1002)).user, None);
    assert_eq!(who(&mut lan, 1, ANA).user.as_deref(), Some("ana"));
    change(&mut lan, (0, Caller::NODE), "ana", UserChange::Remove).unwrap();
    lan.pass(SECOND);
    assert_eq!(who(&mut lan, 1, ANA).user, None);
}

/// I1: an unknown user, an unknown person and a wrong password are told alike, here and by the authority.
#[test]
fn nobody_learns_which_users_there_are() {
    let mut lan = shop(807);
    let mut told = Vec::new();
    for (user, with) in [("ana", "not the password"), ("zoe", "not the password"), ("zoe", GOOD)] {
        for host in [0, 1] {
            let before = lan.stretched;
            told.push(log_in(&mut lan, (host, uid(1)), user, with).unwrap_err());
            assert_eq!(lan.stretched, before + 1, "what takes time takes it of {user} too");
        }
    }
    let other = LogIn { user: "ana".into(), person: Some("ben".parse().unwrap()), password: password(GOOD) };
    told.push(lan.command_as(1, uid(1), Command::LogIn(other)).unwrap_err());
    assert!(told.iter().all(|failure| *failure == told[0]), "{told:#?}");
    assert_eq!(told[0].code, Code::Denied);
}

/// I2: whoever guesses wrongly waits. Nobody else does: no other uid of the machine, no other machine, and not the user
/// whose name it was. A name in capitals or with a space is none.
#[test]
fn a_guesser_locks_out_nobody_else() {
    let mut lan = shop(808);
    for _ in 0..5 {
        let wrong = log_in(&mut lan, (1, uid(6)), "ana", "not the password").unwrap_err();
        assert!(wrong.message.contains("wrong"), "{wrong:?}");
    }
    let before = lan.wire.len();
    let waits = log_in(&mut lan, (1, uid(6)), "ana", GOOD).unwrap_err();
    assert!(waits.remedy.contains("wait 10 min"), "{waits:?}");
    assert_eq!(lan.wire.len(), before, "and the authority is not asked");
    assert!(log_in(&mut lan, (1, ANA), "ana", GOOD).is_ok());
    assert!(log_in(&mut lan, (2, uid(6)), "ana", GOOD).is_ok());
    for name in ["Ana", "ana ", " ana", "ANA", "an\u{e4}", "a na", ""] {
        let refused = log_in(&mut lan, (1, uid(7)), name, GOOD).unwrap_err();
        assert_eq!(refused.code, Code::Usage, "{name:?}");
    }
    lan.pass(Duration::from_secs(10 * 60));
    assert!(log_in(&mut lan, (1, uid(6)), "ana", GOOD).is_ok());
}

/// I2: a node that asks on its own has so many guesses in ten minutes; then it waits. The user whose name it was does not
/// wait at another node, at which it has never logged in; nor after a restart of the authority.
#[test]
fn a_node_that_guesses_waits_and_no_other() {
    let mut lan = shop(809);
    let user = "ana".parse().unwrap();
    let guess =
        LogInRequest { user, person: "ana".parse().unwrap(), proof: Proof::Password(sealed_by(&lan, 1)) };
    let refusals: Vec<Response> = (0..122).map(|_| lan.ask(1, 0, &Request::LogIn(guess.clone()))).collect();
    let wrong = refusals.iter().filter(|told| **told == Response::Reject(Reject::Credentials)).count();
    assert_eq!(wrong, 120);
    assert_eq!(refusals[121], Response::Reject(Reject::TooManyGuesses));
    assert!(log_in(&mut lan, (2, ANA), "ana", GOOD).is_ok());
    let waits = log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap_err();
    assert!(waits.message.contains("from this node"), "{waits:?}");
    lan.restart(0, 76);
    lan.discover();
    lan.pass(SECOND);
    lan.command_as(2, ANA, Command::LogOut).unwrap();
    assert!(log_in(&mut lan, (2, ANA), "ana", GOOD).is_ok());
}

/// I2: uids are cheap. Those that have never logged in here use up their guesses together, and keep out nobody who has.
#[test]
fn a_crowd_of_uids_keeps_out_nobody_who_was_here_before() {
    let mut lan = shop(817);
    log_in(&mut lan, (0, ANA), "ana", GOOD).unwrap();
    lan.command_as(0, ANA, Command::LogOut).unwrap();
    for number in 0..60 {
        let wrong = log_in(&mut lan, (0, uid(50_000 + number)), "ana", "not the password").unwrap_err();
        assert!(wrong.message.contains("wrong"), "{wrong:?}");
    }
    let waits = log_in(&mut lan, (0, uid(60_000)), "ana", GOOD).unwrap_err();
    assert!(waits.remedy.contains("wait"), "{waits:?}");
    assert!(log_in(&mut lan, (0, ANA), "ana", GOOD).is_ok());
}

/// A wrong password, as the node would seal it.
fn sealed_by(lan: &Lan, host: usize) -> lanyard_protocol::people::SealedPassword {
    let authority = lan.hosts[0].engine.snapshot().certificate().unwrap().clone();
    lanyard_protocol::people::SealedPassword::seal(
        (lan.id(host), (lan.id(0), authority.sealing_key())),
        (&"ana".parse().unwrap(), &"ana".parse().unwrap()),
        b"not the password",
        &mut crate::pair::rng(5),
    )
    .unwrap()
}

/// I3, B14: an assertion is good for its node alone, in the words in which it was signed, for as long as it says.
#[test]
fn a_log_in_is_not_borrowed_or_altered() {
    let mut lan = shop(810);
    log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap();
    let grant = open(&mut lan, (1, ANA), "stock@till-2").unwrap();
    let good = shown_to(&lan, 2, &grant).unwrap().user().unwrap().signed().clone();
    let alter = |with: &dyn Fn(&mut SignedAssertion)| {
        let mut altered = good.clone();
        with(&mut altered);
        altered
    };
    let altered = [
        alter(&|it| it.assertion.roles.extend(["manager".parse().unwrap()])),
        alter(&|it| it.assertion.principal.user = "zoe".parse().unwrap()),
        alter(&|it| it.assertion.principal.home = Home::Node("till-1".parse().unwrap())),
        alter(&|it| it.assertion.expires = it.assertion.expires.after(SECOND)),
        alter(&|it| it.assertion.entity = "bank".parse().unwrap()),
        alter(&|it| it.certificate = None),
        alter(&|it| {
            let own = lan.hosts[1].engine.snapshot().certificate().unwrap().der().clone();
            it.certificate = Some(own);
        }),
    ];
    let certificate =
        |lan: &Lan, host: usize| lan.hosts[host].engine.snapshot().certificate().unwrap().digest();
    let ask = |lan: &Lan, host: usize, shown: &SignedAssertion| {
        let service = "stock".parse().unwrap();
        let (certificate, assertion) = (certificate(lan, host), Some(Box::new(shown.clone())));
        Request::Ticket(TicketRequest { nonce: [9; 32], service, certificate, assertion })
    };
    let request = ask(&lan, 1, &good);
    assert!(matches!(lan.ask(1, 2, &request), Response::Grant(_)));
    for wrong in &altered {
        let request = ask(&lan, 1, wrong);
        assert_eq!(lan.ask(1, 2, &request), Response::Reject(Reject::LogIn), "{wrong:?}");
    }
    let request = ask(&lan, 2, &good);
    assert_eq!(lan.ask(2, 0, &request), Response::Reject(Reject::LogIn), "it was at another node");
    let manage = ManageRequest { assertion: altered[0].clone(), manage: Manage::List { after: None } };
    assert_eq!(lan.ask(1, 0, &Request::Manage(Box::new(manage))), Response::Reject(Reject::LogIn));
    lan.pass(Duration::from_secs(12 * 60 * 60));
    let request = ask(&lan, 1, &good);
    assert_eq!(lan.ask(1, 2, &request), Response::Reject(Reject::LogIn), "its time is over");
}

/// R-T14: from any node, whoever has the privilege changes users and policy, and nobody else: what is refused at the node
/// causes no packet, and a node that asks all the same is refused by the authority.
#[test]
fn the_network_is_managed_from_any_node() {
    let mut lan = shop(811);
    change(&mut lan, (0, Caller::NODE), "mia", new_user(&["manager"])).unwrap();
    let (mia, owner) = (uid(1003), Caller::NODE);
    log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap();
    log_in(&mut lan, (1, mia), "mia", GOOD).unwrap();
    let stricter = SHOP.replace("chat@*", "chat@till-2");
    let before = lan.wire.len();
    for caller in [ANA, owner, uid(1)] {
        assert_eq!(apply(&mut lan, (1, caller), &stricter).unwrap_err().code, Code::Denied);
        let refused = change(&mut lan, (1, caller), "bob", new_user(&[])).unwrap_err();
        assert_eq!(refused.code, Code::Denied);
    }
    assert_eq!(lan.wire.len(), before);
    change(&mut lan, (1, mia), "bob", new_user(&["cashier"])).unwrap();
    log_in(&mut lan, (2, uid(1)), "bob", GOOD).unwrap();
    let listed = lan.command_as(1, mia, Command::Users(ListUsers::default()));
    let Ok(Answer::Users(Users { users })) = listed else { panic!("{listed:?}") };
    assert_eq!(users.iter().map(|row| row.user.as_str()).collect::<Vec<_>>(), ["ana", "bob", "mia"]);
    let Ok(Answer::Policy(shown)) = apply(&mut lan, (1, mia), &stricter) else { panic!() };
    lan.pass(SECOND);
    for host in 0..3 {
        let Ok(Answer::Policy(policy)) = lan.command(host, Command::Policy) else { panic!() };
        assert_eq!((policy.epoch, &policy.text), (shown.epoch, &stricter), "{host}");
    }
    let broken = apply(&mut lan, (1, mia), "version = 1\nwords = 3\n").unwrap_err();
    assert!(broken.message.contains("line 2"), "{broken:?}");
    let own = change(&mut lan, (1, ANA), "ana", role("manager", true)).unwrap_err();
    assert!(own.message.contains("user.manage"), "{own:?}");
    let grant = open(&mut lan, (1, ANA), "stock@till-2").unwrap();
    let anas = shown_to(&lan, 2, &grant).unwrap().user().unwrap().signed().clone();
    for manage in [
        Manage::List { after: None },
        Manage::Remove { user: "bob".parse().unwrap() },
        Manage::SetRole { user: "ana".parse().unwrap(), role: "manager".parse().unwrap(), given: true },
        Manage::PolicyPart { number: 0, bytes: b"version = 1".to_vec() },
        Manage::ApplyPolicy { text: lanyard_protocol::label::Digest([0; 32]), base: None },
    ] {
        let request = Request::Manage(Box::new(ManageRequest { assertion: anas.clone(), manage }));
        let Response::Managed(refused) = lan.ask(1, 0, &request) else { panic!() };
        let lanyard_protocol::people::Managed::Refused(refused) = refused else { panic!("{refused:?}") };
        assert_eq!(refused.code, Code::Denied);
    }
}

/// R-T14: who manages users gives no privilege that he has not himself, and touches nobody who has one.
#[test]
fn nobody_gives_what_he_has_not() {
    let mut lan = shop(812);
    change(&mut lan, (0, Caller::NODE), "mia", new_user(&["manager"])).unwrap();
    change(&mut lan, (0, Caller::NODE), "kim", new_user(&["clerk"])).unwrap();
    let kim = uid(1004);
    log_in(&mut lan, (1, kim), "kim", GOOD).unwrap();
    let new_password = || UserChange::SetPassword {
        person: None,
        password: password("seven blue lamps"),
        new: false,
        weak: false,
    };
    for (user, wanted) in [
        ("kim", role("manager", true)),
        ("eva", new_user(&["manager"])),
        ("mia", new_password()),
        ("mia", UserChange::Remove),
        ("mia", role("manager", false)),
        ("kim", role("cashier", true)),
    ] {
        let refused = change(&mut lan, (1, kim), user, wanted).unwrap_err();
        assert_eq!(refused.code, Code::Denied, "{user}: {refused:?}");
    }
    assert_eq!(change(&mut lan, (1, kim), "eva", new_user(&["boss"])).unwrap_err().code, Code::NotFound);
    assert!(change(&mut lan, (1, kim), "eva", new_user(&[])).is_ok());
    assert!(change(&mut lan, (1, kim), "kim", new_password()).is_ok(), "the own password, a moment after");
}

/// R-T14: a node's own user is nobody to the network, on the authority too: not the one of the same name.
#[test]
fn a_local_user_of_the_authority_changes_nobody() {
    let mut lan = shop(818);
    change(&mut lan, (0, Caller::NODE), "mia", new_user(&["manager"])).unwrap();
    change_in(&mut lan, (0, Caller::NODE), ("mia", true), new_user(&[])).unwrap();
    log_in(&mut lan, (0, ANA), "mia%office", GOOD).unwrap();
    let theirs = || UserChange::SetPassword {
        person: None,
        password: password("seven blue lamps"),
        new: false,
        weak: false,
    };
    for wanted in [theirs(), role("cashier", true), UserChange::Remove] {
        assert_eq!(change(&mut lan, (0, ANA), "mia", wanted).unwrap_err().code, Code::Denied);
    }
    assert_eq!(apply(&mut lan, (0, ANA), SHOP).unwrap_err().code, Code::Denied);
    assert!(log_in(&mut lan, (1, ANA), "mia", GOOD).is_ok(), "the password is the same");
}

/// R-T14: a password is set by the rights that somebody has then, not when it was typed.
#[test]
fn rights_are_looked_at_again_when_a_password_is_set() {
    let mut lan = shop(819);
    change(&mut lan, (0, Caller::NODE), "kim", new_user(&["clerk"])).unwrap();
    change(&mut lan, (0, Caller::NODE), "bob", new_user(&[])).unwrap();
    let kim = uid(1004);
    log_in(&mut lan, (1, kim), "kim", GOOD).unwrap();
    lan.held_work = Some(Vec::new());
    let set = UserChange::SetPassword {
        person: None,
        password: password("seven blue lamps"),
        new: false,
        weak: false,
    };
    let change_bob = ChangeUser { user: "bob".parse().unwrap(), local: false, change: set };
    let asked = lan.give_as(1, kim, Command::ChangeUser(change_bob));
    lan.run_until(|lan| lan.held_work.as_ref().is_some_and(|held| !held.is_empty()));
    change(&mut lan, (0, Caller::NODE), "bob", role("manager", true)).unwrap();
    lan.release_work();
    lan.run_until(|lan| lan.hosts[1].answers.contains_key(&asked));
    assert_eq!(lan.hosts[1].answers.remove(&asked).unwrap().unwrap_err().code, Code::Denied);
    assert!(log_in(&mut lan, (2, uid(1)), "bob", GOOD).is_ok());
}

/// I4: a log-in that could not be renewed is renewed when the authority can be reached, and nobody types a password.
#[test]
fn a_renewal_that_is_lost_is_asked_for_again() {
    let mut lan = shop(820);
    log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap();
    lan.tamper = Some(Box::new(|from, to, bytes| {
        let is_word = matches!(lanyard_protocol::message::parse(&bytes), Ok(Response::Assertion(_)));
        (!(is_word && from == 0 && to == 1)).then_some(bytes)
    }));
    change(&mut lan, (0, Caller::NODE), "ana", role("manager", true)).unwrap();
    lan.pass(20 * SECOND);
    assert_eq!(who(&mut lan, 1, ANA).roles.len(), 1, "the answers are lost");
    lan.tamper = None;
    lan.pass(20 * SECOND);
    assert_eq!(who(&mut lan, 1, ANA).roles.len(), 2);
}

/// R-T1: somebody who is logged in at two seats has two log-ins, each with its own end.
#[test]
fn each_seat_has_a_log_in_of_its_own() {
    let mut lan = shop(821);
    let desk = Caller::Other(Seat { uid: 1001, session: 2 });
    log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap();
    let first = who(&mut lan, 1, ANA).expires;
    lan.pass(Duration::from_secs(6 * 60 * 60));
    log_in(&mut lan, (1, desk), "ana", GOOD).unwrap();
    let second = who(&mut lan, 1, desk).expires;
    change(&mut lan, (0, Caller::NODE), "ana", role("manager", true)).unwrap();
    lan.pass(SECOND);
    assert_eq!(who(&mut lan, 1, ANA).roles.len(), 2);
    assert_eq!((who(&mut lan, 1, ANA).expires, who(&mut lan, 1, desk).expires), (first, second));
    lan.pass(Duration::from_secs(6 * 60 * 60));
    assert_eq!(who(&mut lan, 1, ANA).user, None);
    assert_eq!(who(&mut lan, 1, desk).user.as_deref(), Some("ana"));
    assert!(open(&mut lan, (1, desk), "stock@till-2").is_ok());
}

/// R-T1: a ticket that comes after its person has logged out, or was removed, opens nothing, and is given back.
#[test]
fn a_ticket_that_comes_too_late_is_given_back() {
    let mut lan = shop(822);
    change_in(&mut lan, (1, Caller::NODE), ("eve", true), new_user(&[])).unwrap();
    log_in(&mut lan, (1, uid(1005)), "eve%till-1", GOOD).unwrap();
    let eve = actor(&mut lan, 1, uid(1005)).unwrap();
    lan.slow.insert(2, 3 * SECOND);
    let wish = lan.begin_open(1, eve, "print@till-2");
    lan.pass(SECOND);
    change_in(&mut lan, (1, Caller::NODE), ("eve", true), UserChange::Remove).unwrap();
    lan.run_until(|lan| lan.hosts[1].channels.contains_key(&wish));
    let refused = lan.hosts[1].channels.remove(&wish).unwrap().unwrap_err();
    assert!(refused.message.contains("not logged in"), "{refused:?}");
    lan.slow.clear();
    lan.pass(10 * SECOND);
    let Ok(Answer::Tickets(minted)) = lan.command(2, Command::Tickets) else { panic!() };
    assert!(minted.iter().filter(|row| row.user.is_some()).all(|row| row.revoked), "{minted:?}");
}

/// I4: an authority that was put back from an older copy does not know what it has taken since: log-ins from before are
/// renewed by what it knows, and are good for nothing until then.
#[test]
fn a_restored_authority_renews_every_log_in() {
    let mut lan = shop(823);
    let copy = lan.kept(0);
    log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap();
    let grant = open(&mut lan, (1, ANA), "stock@till-2").unwrap();
    let exported = lan.now;
    let mut records = copy;
    let mark = lanyard_protocol::engine::restored_mark(exported);
    records.push(lanyard_protocol::record::Record {
        table: mark.table,
        key: mark.key,
        value: mark.value.unwrap(),
    });
    lan.disconnect_all(0);
    lan.start_with(0, 99, Setup { records, ..Setup::default() });
    lan.discover();
    lan.pass(SECOND);
    assert!(shown_to(&lan, 2, &grant).is_ok());
    change(&mut lan, (0, Caller::NODE), "bob", new_user(&[])).unwrap();
    change(&mut lan, (0, Caller::NODE), "bob", role("cashier", true)).unwrap();
    lan.pass(SECOND);
    assert!(shown_to(&lan, 2, &grant).is_err());
    assert!(open(&mut lan, (1, ANA), "stock@till-2").is_ok(), "renewed, as the restored authority knows ana");
}

/// C3, R-T14: users are kept, and what could not be kept is not so; log-ins and what was got by them are not.
#[test]
fn users_are_kept_and_log_ins_are_not() {
    let mut lan = shop(813);
    lan.hosts[0].store_works = false;
    let refused = change(&mut lan, (0, Caller::NODE), "bob", new_user(&[])).unwrap_err();
    assert!(refused.message.contains("not be written"), "{refused:?}");
    assert!(change(&mut lan, (0, Caller::NODE), "ana", role("cashier", false)).is_err());
    lan.hosts[0].store_works = true;
    lan.restart(0, 77);
    lan.pass(SECOND);
    lan.discover();
    log_in(&mut lan, (1, ANA), "ana", GOOD).unwrap();
    assert!(open(&mut lan, (1, ANA), "stock@till-2").is_ok());
    let listed = lan.command(0, Command::Users(ListUsers::default()));
    let Ok(Answer::Users(Users { users })) = listed else { panic!("{listed:?}") };
    assert_eq!(users.len(), 1);
    assert!(lan.kept(1).iter().all(|record| record.table != Table::Tickets), "a person's ticket is not kept");
    lan.restart(1, 78);
    lan.pass(SECOND);
    assert_eq!(who(&mut lan, 1, ANA).user, None);
}

/// R-T1: a node's own users are granted to by name, have no role of the network, and are nobody elsewhere.
#[test]
fn a_nodes_own_users_are_named_after_it() {
    let mut lan = shop(814);
    change_in(&mut lan, (1, Caller::NODE), ("eve", true), new_user(&[])).unwrap();
    let refused = change_in(&mut lan, (1, Caller::NODE), ("mal", true), new_user(&["manager"])).unwrap_err();
    assert_eq!(refused.code, Code::Usage);
    let eve = uid(1005);
    assert_eq!(
        log_in(&mut lan, (1, eve), "eve", GOOD).unwrap_err().code,
        Code::Denied,
        "no user of the network"
    );
    assert_eq!(log_in(&mut lan, (2, eve), "eve%till-1", GOOD).unwrap_err().code, Code::Usage);
    let shown = log_in(&mut lan, (1, eve), "eve%till-1", GOOD).unwrap();
    assert_eq!(shown.user.as_deref(), Some("eve%till-1"));
    let grant = open(&mut lan, (1, eve), "print@till-2").unwrap();
    let user = shown_to(&lan, 2, &grant).unwrap().terms().user.clone().unwrap();
    let home = Home::Node("till-1".parse().unwrap());
    assert_eq!(user, Principal { user: "eve".parse().unwrap(), home, person: "eve".parse().unwrap() });
    assert_eq!(open(&mut lan, (1, eve), "stock@till-2").unwrap_err().code, Code::Denied);
    let users = Command::Users(ListUsers::default());
    assert_eq!(lan.command_as(1, eve, users).unwrap_err().code, Code::Denied);
    change_in(&mut lan, (1, Caller::NODE), ("eve", true), UserChange::Remove).unwrap();
    assert_eq!(who(&mut lan, 1, eve).user, None);
    lan.pass(SECOND);
    assert!(shown_to(&lan, 2, &grant).is_err());
}

/// R-T2, D4: with the longest names, and as many roles as there may be, what a ticket holds has room.
#[test]
fn the_longest_names_fit_into_a_ticket() {
    let long = |first: &str| format!("{first}{}", "x".repeat(63 - first.len()));
    let names: Vec<String> = (10..26).map(|number| long(&number.to_string())).collect();
    let (user, entity) = (long("ana"), long("shop"));
    let mut lan = Lan::new(816, 2);
    let init = Init { network: format!("{entity}.{}", "y".repeat(63)).parse().unwrap(), ..found("invite") };
    lan.command(0, Command::Init(Init { name: long("office").parse().unwrap(), ..init })).unwrap();
    let (_, uri) = lan.invite(1);
    lan.join(1, &long("till"), Some(uri)).unwrap();
    let roles: Vec<String> = names.iter().map(|name| format!("{name} = [\"service.use\"]\n")).collect();
    let grant = format!("[[grant]]\nto = [\"role:{}\"]\nservice = [\"{}@*\"]\n", names[0], long("stock"));
    apply(&mut lan, (0, Caller::NODE), &format!("version = 1\n[roles]\n{}{grant}", roles.concat())).unwrap();
    lan.pass(SECOND);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    change(&mut lan, (0, Caller::NODE), &user, new_user(&names)).unwrap();
    log_in(&mut lan, (1, ANA), &user, GOOD).unwrap();
    let grant = open(&mut lan, (1, ANA), &format!("{}@{}", long("stock"), long("office"))).unwrap();
    let valid = shown_to(&lan, 0, &grant).unwrap();
    assert_eq!(valid.user().unwrap().assertion().roles.len(), 16);
}

/// R-T14: a change of a user is told in a few bytes, whatever the policy is.
#[test]
fn a_change_of_a_user_is_a_small_message() {
    let mut lan = shop(815);
    let long = format!("{SHOP}{}", "# who may do what\n".repeat(2000));
    apply(&mut lan, (0, Caller::NODE), &long).unwrap();
    lan.pass(SECOND);
    let before = lan.wire.len();
    change(&mut lan, (0, Caller::NODE), "ana", role("cashier", false)).unwrap();
    lan.pass(SECOND);
    let told = lan.requests_to(1, before);
    let parts =
        told.iter().filter_map(|told| if let Request::Policy(part) = told { Some(part) } else { None });
    let sizes: Vec<usize> = parts.map(|part| part.bytes.len()).collect();
    assert!(!sizes.is_empty() && sizes.iter().all(|size| *size < 64), "{sizes:?}");
    let Ok(Answer::Policy(policy)) = lan.command(1, Command::Policy) else { panic!() };
    assert_eq!(policy.text, long);
}
