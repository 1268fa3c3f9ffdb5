//! How strangers get in: every mode, alone and together.

use std::time::Duration;

use lanyard_protocol::codec;
use lanyard_protocol::control::{
    AddGuid, Admission, Answer, Code, Command, ConfirmJoin, Decision, Failure, Init, Join, MachineId,
    Password, Pending, RequestRow, Revoke, SetPassword, State, Status,
};
use lanyard_protocol::engine::{CommandId, Setup};
use lanyard_protocol::identity::IdentityKey;
use lanyard_protocol::message::Request;
use lanyard_protocol::record::{Record, Table};
use lanyard_protocol::revocation::{Revocation, SignedRevocation};

use crate::pair::{Lan, found};

const STRONG: &str = "correct horse battery staple";

fn join(name: &str) -> Join {
    Join::new(None, name.parse().unwrap(), None)
}

fn password(text: &str) -> Option<Password> {
    Some(Password::new(text).unwrap())
}

fn init_with_password(lan: &mut Lan, rule: &str) {
    let init = Init { password: password(STRONG), ..found(rule) };
    lan.command(0, Command::Init(init)).unwrap();
}

fn status(lan: &mut Lan, host: usize) -> Status {
    let Ok(Answer::Status(status)) = lan.command(host, Command::Status) else { panic!() };
    *status
}

fn requests(lan: &mut Lan) -> Vec<RequestRow> {
    let Ok(Answer::Requests(rows)) = lan.command(0, Command::Requests) else { panic!() };
    rows
}

fn own(lan: &mut Lan, host: usize) -> Option<Pending> {
    status(lan, host).pending.into_iter().find(|pending| pending.kind == "join")
}

fn decide(lan: &mut Lan, id: &str, approve: bool) {
    lan.command(0, Command::Decide(Decision { id: id.to_owned(), approve })).unwrap();
}

fn confirm(lan: &mut Lan, host: usize, accept: bool) {
    lan.command(host, Command::ConfirmJoin(ConfirmJoin { accept })).unwrap();
}

fn ended(lan: &mut Lan, host: usize, command: CommandId) -> Result<Answer, Failure> {
    lan.run_until(|lan| lan.hosts[host].answers.contains_key(&command));
    lan.hosts[host].answers.remove(&command).expect("the join has not ended")
}

fn waits(lan: &Lan, host: usize, command: CommandId) -> bool {
    !lan.hosts[host].answers.contains_key(&command)
}

/// Gives a join and lets it come to where people compare.
fn ask(lan: &mut Lan, host: usize, join: Join) -> CommandId {
    let command = lan.give(host, Command::Join(join));
    lan.pass(Duration::from_secs(8));
    command
}

fn set(lan: &mut Lan, rule: &str) -> Result<Answer, Failure> {
    lan.command(0, Command::SetAdmission(rule.parse::<Admission>().unwrap()))
}

/// R-L2: the password admits beside a pin or at first sight, and neither it nor a hash of it is sent.
#[test]
fn enrols_by_password() {
    let mut lan = Lan::new(101, 3);
    init_with_password(&mut lan, "password");
    lan.discover();
    let (_, uri) = lan.invite(1);
    let by_uri = Join { invite: Some(uri), password: password(STRONG), ..join("till-1") };
    let Ok(Answer::Joined(joined)) = lan.command(1, Command::Join(by_uri)) else { panic!() };
    assert!(joined.pinned);
    let at_sight = Join { password: password(STRONG), trust_first: true, ..join("till-2") };
    let Ok(Answer::Joined(joined)) = lan.command(2, Command::Join(at_sight)) else { panic!() };
    assert!(!joined.pinned);
    assert!(!lan.wire.windows(5).any(|bytes| bytes == b"horse"));
}

/// A16: a password without a pin goes to nobody, unless there is one network and the user says so.
#[test]
fn a_password_wants_a_pin_beside_it() {
    let mut lan = Lan::new(102, 3);
    init_with_password(&mut lan, "password");
    lan.discover();
    let alone = Join { password: password(STRONG), ..join("till") };
    assert_eq!(lan.command(1, Command::Join(alone)).unwrap_err().code, Code::Usage);
    let other = Init { network: "lab.lan".parse().unwrap(), ..found("open") };
    lan.command(2, Command::Init(other)).unwrap();
    let named = Join {
        password: password(STRONG),
        trust_first: true,
        network: Some("shop.lan".parse().unwrap()),
        ..join("till")
    };
    assert_eq!(lan.command(1, Command::Join(named)).unwrap_err().code, Code::Denied);
}

/// A16: weak passwords are refused, at the beginning and later, unless the owner insists.
#[test]
fn refuses_weak_passwords() {
    let mut lan = Lan::new(103, 1);
    let weak = Init { password: password("hunter2"), ..found("password") };
    assert_eq!(lan.command(0, Command::Init(weak.clone())).unwrap_err().code, Code::Usage);
    assert_eq!(lan.command(0, Command::Init(found("password"))).unwrap_err().code, Code::Usage);
    lan.command(0, Command::Init(Init { weak: true, ..weak })).unwrap();
    let again = SetPassword { password: Password::new("hunter3").unwrap(), weak: false };
    assert_eq!(lan.command(0, Command::SetPassword(again)).unwrap_err().code, Code::Usage);
}

/// A3, A16: wrong guesses are counted, also across restarts, until a person sets the password again.
#[test]
fn wrong_passwords_are_counted_until_a_person_looks() {
    let mut lan = Lan::new(104, 2);
    init_with_password(&mut lan, "password");
    let (_, uri) = lan.invite(1);
    let guess = |text: &str| Join { invite: Some(uri.clone()), password: password(text), ..join("till") };
    for round in 0..10 {
        let failure = lan.command(1, Command::Join(guess("wrong horse battery staple"))).unwrap_err();
        assert!(failure.message.contains("does not know this password"), "{failure:?}");
        if round == 4 {
            lan.restart(0, 900);
        }
    }
    let failure = lan.command(1, Command::Join(guess(STRONG))).unwrap_err();
    assert!(failure.message.contains("too often"), "{failure:?}");
    let again = SetPassword { password: Password::new(STRONG).unwrap(), weak: false };
    lan.command(0, Command::SetPassword(again)).unwrap();
    lan.command(1, Command::Join(guess(STRONG))).unwrap();
}

/// R-L2, A6: a listed machine gets in under the key that it first came with, and under no other.
#[test]
fn enrols_a_listed_machine_once() {
    let mut lan = Lan::new(105, 3);
    lan.init("guid");
    for host in [1, 2] {
        let setup = Setup { machine: MachineId::new("the same machine"), ..Setup::default() };
        lan.start_with(host, 800 + host as u64, setup);
    }
    lan.discover();
    let unknown = lan.command(1, Command::Join(join("till"))).unwrap_err();
    let guid = status(&mut lan, 1).guid.unwrap();
    assert!(unknown.remedy.contains(&guid.to_string()), "{unknown:?}");
    lan.command(0, Command::AddGuid(AddGuid { guid, name: None })).unwrap();
    lan.command(1, Command::Join(join("till"))).unwrap();
    lan.restart(0, 901);
    lan.discover();
    let clone = lan.command(2, Command::Join(join("till-2"))).unwrap_err();
    assert_eq!(clone, unknown, "a used machine and an unknown one are answered alike");
    assert!(!lan.wire.windows(16).any(|bytes| bytes == &guid.to_string().as_bytes()[..16]));
}

/// R-L2, A7, A15: both screens show the same, both people say so, and only then is there a certificate.
#[test]
fn enrols_when_both_people_approve() {
    for node_first in [true, false] {
        let mut lan = Lan::new(106, 2);
        lan.init("approval");
        lan.discover();
        let joining = ask(&mut lan, 1, join("till"));
        let (row, shown) = (requests(&mut lan).remove(0), own(&mut lan, 1).unwrap());
        assert_eq!((&row.id, Some(&row.words)), (&shown.id, shown.fingerprint.as_ref()));
        assert_eq!((row.name.as_str(), row.node), ("till", lan.id(1)));
        lan.pass(Duration::from_secs(120));
        assert!(waits(&lan, 1, joining), "it waits for as long as it takes");
        for step in [node_first, !node_first] {
            assert!(waits(&lan, 1, joining));
            if step {
                confirm(&mut lan, 1, true)
            } else {
                decide(&mut lan, &row.id, true)
            }
            lan.pass(Duration::from_secs(5));
        }
        let Ok(Answer::Joined(joined)) = ended(&mut lan, 1, joining) else { panic!() };
        assert!(joined.pinned);
        assert!(requests(&mut lan).is_empty());
    }
}

/// R-L2: who is denied is told so, and nothing is left of the request.
#[test]
fn a_denied_request_ends() {
    let mut lan = Lan::new(107, 2);
    lan.init("approval");
    lan.discover();
    let joining = ask(&mut lan, 1, Join { yes: true, ..join("till") });
    let id = requests(&mut lan).remove(0).id;
    decide(&mut lan, &id, false);
    let failure = ended(&mut lan, 1, joining).unwrap_err();
    assert_eq!(failure.code, Code::Denied);
    assert!(failure.message.contains("denied"), "{failure:?}");
    assert!(requests(&mut lan).is_empty());
}

/// A15: a person who sees other words ends it.
#[test]
fn words_that_differ_end_the_join() {
    let mut lan = Lan::new(108, 2);
    lan.init("approval");
    lan.discover();
    let joining = ask(&mut lan, 1, join("till"));
    confirm(&mut lan, 1, false);
    assert_eq!(ended(&mut lan, 1, joining).unwrap_err().code, Code::Denied);
}

/// R-L2: an interrupted join is the same request again, and an approved one survives both sides' restarts.
#[test]
fn a_request_survives_restarts() {
    let mut lan = Lan::new(109, 2);
    lan.init("approval");
    lan.discover();
    ask(&mut lan, 1, join("till"));
    let before = own(&mut lan, 1).unwrap();
    lan.restart(1, 902);
    decide(&mut lan, &before.id, true);
    lan.restart(0, 903);
    lan.discover();
    let joining = ask(&mut lan, 1, join("till"));
    assert_eq!(own(&mut lan, 1), Some(before));
    confirm(&mut lan, 1, true);
    assert!(ended(&mut lan, 1, joining).is_ok());
}

/// R-L2: a rule with a person in it takes effect at once: what fits no longer is dropped, and nobody waits for ever.
#[test]
fn a_changed_rule_drops_what_does_not_fit() {
    let mut lan = Lan::new(110, 2);
    lan.init("approval");
    lan.discover();
    let joining = ask(&mut lan, 1, join("till"));
    set(&mut lan, "invite").unwrap();
    assert!(requests(&mut lan).is_empty());
    let failure = ended(&mut lan, 1, joining).unwrap_err();
    assert_eq!(failure.code, Code::Denied, "{failure:?}");
    lan.restart(0, 904);
    let Ok(Answer::Admission(shown)) = lan.command(0, Command::Admission) else { panic!() };
    assert_eq!(shown.admission.to_string(), "invite");
    assert_eq!(set(&mut lan, "password").unwrap_err().code, Code::Failed);
}

/// R-L2: every condition of an alternative is needed, and any alternative is enough.
#[test]
fn conditions_combine() {
    let mut lan = Lan::new(111, 4);
    init_with_password(&mut lan, "guid+password,invite+approval");
    lan.discover();
    let (code, _) = lan.invite(3);
    let with_password = Join { password: password(STRONG), trust_first: true, ..join("till-1") };
    assert_eq!(lan.command(1, Command::Join(join("till-1"))).unwrap_err().code, Code::Denied);
    assert_eq!(lan.command(1, Command::Join(with_password.clone())).unwrap_err().code, Code::Denied);
    let guid = status(&mut lan, 1).guid.unwrap();
    lan.command(0, Command::AddGuid(AddGuid { guid, name: None })).unwrap();
    lan.command(1, Command::Join(with_password)).unwrap();
    let by_code = Join { invite: Some(code), yes: true, ..join("till-2") };
    let joining = ask(&mut lan, 2, by_code);
    assert!(waits(&lan, 2, joining));
    let row = requests(&mut lan).remove(0);
    assert_eq!(row.by, "invite+approval");
    decide(&mut lan, &row.id, true);
    let Ok(Answer::Joined(joined)) = ended(&mut lan, 2, joining) else { panic!() };
    assert!(joined.pinned, "the code has shown who the authority is");
}

/// A10: what was begun by one rule is not ended by it when there is another one.
#[test]
fn a_changed_rule_ends_what_was_begun() {
    let mut lan = Lan::new(122, 2);
    lan.init("open");
    lan.discover();
    lan.slow.insert(0, Duration::from_secs(3));
    let joining = lan.give(1, Command::Join(join("till")));
    let asked = |lan: &Lan| lan.requests_to(0, 0).iter().any(|it| matches!(it, Request::KeyRequest(_)));
    lan.run_until(asked);
    set(&mut lan, "invite").unwrap();
    lan.slow.clear();
    assert_eq!(ended(&mut lan, 1, joining).unwrap_err().code, Code::Denied);
}

/// A21: nobody calls a node what reads as the beginning of a node's id; the owner is told why.
#[test]
fn a_name_that_reads_as_an_id_is_refused() {
    let mut lan = Lan::new(121, 2);
    let init = Init { name: "deadbeef".parse().unwrap(), ..found("open") };
    assert_eq!(lan.command(0, Command::Init(init)).unwrap_err().code, Code::Usage);
    lan.init("open");
    lan.discover();
    let failure = lan.command(1, Command::Join(join("20261127"))).unwrap_err();
    assert_eq!(failure.code, Code::Usage);
    assert!(failure.message.contains("20261127 reads as"), "{failure:?}");
    lan.command(1, Command::Join(join("till-20261127"))).unwrap();
}

/// F3: a rule, a password or a list that the store refuses is as it was, as the owner is told.
#[test]
fn a_change_that_is_not_kept_is_not_made() {
    let mut lan = Lan::new(119, 2);
    init_with_password(&mut lan, "password");
    lan.discover();
    lan.command(1, Command::Join(join("till"))).unwrap_err();
    let guid = status(&mut lan, 1).guid.unwrap();
    lan.hosts[0].store_works = false;
    let other = SetPassword { password: Password::new("wrong horse battery staple").unwrap(), weak: false };
    assert_eq!(set(&mut lan, "open").unwrap_err().code, Code::Failed);
    assert_eq!(lan.command(0, Command::SetPassword(other)).unwrap_err().code, Code::Failed);
    assert_eq!(
        lan.command(0, Command::AddGuid(AddGuid { guid, name: None })).unwrap_err().code,
        Code::Failed
    );
    lan.hosts[0].store_works = true;
    let Ok(Answer::Admission(shown)) = lan.command(0, Command::Admission) else { panic!() };
    assert_eq!((shown.admission.to_string().as_str(), shown.guids), ("password", 0));
    assert_eq!(lan.command(1, Command::Join(join("till"))).unwrap_err().code, Code::Denied);
    let right = Join { password: password(STRONG), trust_first: true, ..join("till") };
    lan.command(1, Command::Join(right)).unwrap();
}

/// A19: a code is not used up by tries that fail because the password rests.
#[test]
fn a_resting_password_burns_no_code() {
    let mut lan = Lan::new(120, 2);
    init_with_password(&mut lan, "invite+password");
    lan.discover();
    let (code, uri) = lan.invite(1);
    let wrong = Join { invite: Some(uri), password: password("wrong horse battery staple"), ..join("till") };
    for _ in 0..10 {
        lan.command(1, Command::Join(wrong.clone())).unwrap_err();
    }
    let right = Join { invite: Some(code), password: password(STRONG), ..join("till") };
    for _ in 0..4 {
        let failure = lan.command(1, Command::Join(right.clone())).unwrap_err();
        assert!(failure.message.contains("password was tried"), "{failure:?}");
    }
    let again = SetPassword { password: Password::new(STRONG).unwrap(), weak: false };
    lan.command(0, Command::SetPassword(again)).unwrap();
    lan.command(1, Command::Join(right)).unwrap();
}

/// A6: who lacks the password learns nothing of the list of machines.
#[test]
fn a_wrong_password_hides_the_list() {
    let mut lan = Lan::new(112, 2);
    init_with_password(&mut lan, "guid+password");
    let (_, uri) = lan.invite(1);
    let wrong = Join { invite: Some(uri), password: password("wrong horse battery staple"), ..join("till") };
    let unlisted = lan.command(1, Command::Join(wrong.clone())).unwrap_err();
    let guid = status(&mut lan, 1).guid.unwrap();
    lan.command(0, Command::AddGuid(AddGuid { guid, name: None })).unwrap();
    assert_eq!(lan.command(1, Command::Join(wrong)).unwrap_err(), unlisted);
}

/// R-L2, A7, B7: a name that is taken goes to another key only when a person has been shown whose it was; the old key
/// is revoked then.
#[test]
fn a_taken_name_changes_hands_by_approval_alone() {
    let mut lan = Lan::network(113, 1);
    lan.start_with(2, 905, Setup::default());
    let (old, (_, uri)) = (lan.id(1), lan.invite(1));
    let again = Join { invite: Some(uri), replace: true, yes: true, ..join("till-1") };
    let joining = ask(&mut lan, 2, again);
    assert!(waits(&lan, 2, joining));
    let row = requests(&mut lan).remove(0);
    assert_eq!(row.replaces, Some(old));
    decide(&mut lan, &row.id, true);
    ended(&mut lan, 2, joining).unwrap();
    assert!(lan.command(1, Command::Renew).is_err(), "the old record has ended");
    let list = lan.hosts[0].engine.snapshot();
    assert!(list.denies(old) && !list.denies(lan.id(2)), "the old key is revoked, the new one is not");
    lan.pass(Duration::from_secs(5));
    assert!(lan.hosts[2].engine.snapshot().denies(old), "and members are told");
}

/// A9: with the list of revocations full nobody is replaced: the approval is refused, and one that was given before
/// waits. The authority goes by what it has kept: nothing has changed, and a restart changes nothing.
#[test]
fn nobody_is_replaced_while_the_revocations_are_full() {
    let mut lan = Lan::network(117, 1);
    lan.start_with(2, 917, Setup::default());
    let (old, (_, uri)) = (lan.id(1), lan.invite(1));
    let again = Join { invite: Some(uri), replace: true, yes: true, ..join("till-1") };
    let joining = ask(&mut lan, 2, again);
    let row = requests(&mut lan).remove(0);
    fill_revocations(&mut lan, 8192);
    let decision = Decision { id: row.id.clone(), approve: true };
    let failure = lan.command(0, Command::Decide(decision.clone())).unwrap_err();
    assert!(failure.message.contains("8192"), "{failure:?}");
    assert_eq!(requests(&mut lan), core::slice::from_ref(&row), "it still waits");

    // Approved while there was room, and full by the time that the node asks again.
    fill_revocations(&mut lan, 8191);
    lan.command(0, Command::Decide(decision)).unwrap();
    fill_revocations(&mut lan, 8192);
    lan.pass(Duration::from_secs(20));
    assert!(waits(&lan, 2, joining));
    for seed in [None, Some(117_001)] {
        if let Some(seed) = seed {
            lan.restart(0, seed);
        }
        assert_eq!(requests(&mut lan).len(), 1, "it still waits");
        assert!(!lan.hosts[0].engine.snapshot().denies(old));
        lan.command(1, Command::Renew).unwrap();
    }
    fill_revocations(&mut lan, 8191);
    ended(&mut lan, 2, joining).unwrap();
    assert!(lan.hosts[0].engine.snapshot().denies(old));
}

/// B8: with the list of revocations full a revocation is refused, and nothing changes.
#[test]
fn one_revocation_too_many_is_refused() {
    let mut lan = Lan::network(118, 2);
    fill_revocations(&mut lan, 8192);
    let before = lan.kept(0).len();
    let revoke = || Command::Revoke(Revoke { peer: "till-1".parse().unwrap(), wait_ms: 0, reason: None });
    let failure = lan.command(0, revoke()).unwrap_err();
    assert!(failure.message.contains("8192"), "{failure:?}");
    assert_eq!(lan.kept(0).len(), before);
    lan.command(1, Command::Renew).unwrap();
    fill_revocations(&mut lan, 8191);
    lan.command(0, revoke()).unwrap();
    assert!(lan.command(1, Command::Renew).is_err());
}

/// Starts the authority again with so many revocations, which it has signed as far as it knows.
fn fill_revocations(lan: &mut Lan, number: u32) {
    let (now, mut records) = (lan.now, lan.kept(0));
    records.retain(|record| record.table != Table::Revocations);
    records.extend((0..number).map(|number| {
        let mut seed = [0x5a; 32];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        let node = IdentityKey::from_seed(&seed).node_id();
        let serial = lan.hosts[0].engine.snapshot().certificate().unwrap().serial();
        let until = now.after(Duration::from_secs(24 * 60 * 60));
        let revocation = Revocation { node, serial, epoch: 1, at: now, until };
        let entry = SignedRevocation { revocation, signature: [0; 64].into() };
        Record { table: Table::Revocations, key: node.as_bytes().to_vec(), value: codec::encode(&entry) }
    }));
    lan.disconnect_all(0);
    lan.start_with(0, 118_000 + u64::from(number), Setup { records, ..Setup::default() });
    lan.discover();
}

/// A7, B7: nobody takes the authority's own place, whoever approves what: its key would be revoked, and the network with
/// it.
#[test]
fn the_authoritys_name_never_changes_hands() {
    for rule in ["approval", "invite", "open+approval"] {
        let mut lan = Lan::new(121, 3);
        lan.init(rule);
        lan.discover();
        let invite = (rule == "invite").then(|| lan.invite(1).1);
        let failure = lan
            .command(1, Command::Join(Join { invite, replace: true, yes: true, ..join("office") }))
            .unwrap_err();
        assert_eq!(failure.message, "another node has this name", "{rule}");
        assert!(requests(&mut lan).is_empty(), "{rule}");
        assert_eq!(status(&mut lan, 0).state, State::Running);
    }
}

/// A name that is free is given at once, also to who would have waited for it.
#[test]
fn a_free_name_needs_nobody() {
    let mut lan = Lan::new(114, 2);
    lan.init("invite");
    let (_, uri) = lan.invite(1);
    let fresh = Join { invite: Some(uri), replace: true, ..join("till") };
    lan.command(1, Command::Join(fresh)).unwrap();
}

/// A10: the authority's rule decides, whatever the candidate asks for.
#[test]
fn asks_for_what_the_rule_wants() {
    for rule in ["password", "guid+password", "invite+approval"] {
        let mut lan = Lan::new(115, 2);
        init_with_password(&mut lan, rule);
        lan.discover();
        let failure = lan.command(1, Command::Join(join("till"))).unwrap_err();
        assert_eq!(failure.code, Code::Denied, "{rule}");
        assert!(failure.message.contains(rule), "{failure:?}");
    }
}

/// A11: a flood of requests from one address does not push out who waits already.
#[test]
fn a_flood_of_requests_pushes_nobody_out() {
    let mut lan = Lan::new(116, 2);
    lan.init("open+approval");
    lan.discover();
    ask(&mut lan, 1, join("till"));
    let honest = requests(&mut lan).remove(0);
    for attempt in 0..20 {
        // The same address, each time with new keys.
        lan.start_with(1, 1000 + attempt, Setup::default());
        lan.discover();
        ask(&mut lan, 1, join(&format!("flood-{attempt}")));
        lan.pass(Duration::from_secs(20));
    }
    let rows = requests(&mut lan);
    assert!(rows.contains(&honest));
    assert_eq!(rows.len(), 8);
}
