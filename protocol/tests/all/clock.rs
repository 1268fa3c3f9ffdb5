//! Clocks that are wrong, and clocks that jump.

use std::time::Duration;

use lanyard_protocol::control::{Answer, Code, Command, Status};
use lanyard_protocol::engine::Setup;
use lanyard_protocol::ticket::{SessionKeyCache, TicketError, validate};

use crate::pair::Lan;

const DAY: i64 = 24 * 3600;

fn status(lan: &mut Lan, host: usize) -> Status {
    match lan.command(host, Command::Status) {
        Ok(Answer::Status(status)) => *status,
        other => panic!("{other:?}"),
    }
}

fn serial(lan: &mut Lan, host: usize) -> String {
    status(lan, host).certificate.unwrap().serial
}

/// What the host is warned of that has to do with its clock.
fn warned(lan: &mut Lan, host: usize) -> Option<String> {
    let warnings = status(lan, host).warnings;
    warnings.into_iter().find(|warning| warning.contains("this host's clock says"))
}

/// B5: a clock set back 400 days revives neither the node's own certificate nor a ticket, also across a restart, and
/// the owner is told.
#[test]
fn a_clock_set_back_revives_nothing() {
    let mut lan = Lan::network(200, 2);
    let grant = lan.open(1, "chat@till-2").unwrap();
    lan.away.extend([0, 2]);
    lan.pass(Duration::from_hours(80));
    assert_eq!(lan.open(1, "chat@till-2").unwrap_err().code, Code::Denied, "the certificate has ended");
    lan.skew.insert(1, -400 * DAY);
    lan.skew.insert(2, -400 * DAY);
    for restarted in [false, true] {
        if restarted {
            lan.restart(1, 201);
        }
        let failure = lan.open(1, "chat@till-2").unwrap_err();
        assert!(failure.code == Code::Denied && failure.message.contains("expired"), "{failure:?}");
        assert!(warned(&mut lan, 1).is_some_and(|warning| warning.contains("set the clock right")));
    }
    let now = lan.time(2);
    let provider = lan.hosts[2].engine.snapshot();
    let opened = validate(&provider, &SessionKeyCache::default(), grant.ticket.for_service(), now);
    assert!(matches!(opened, Err(TicketError::Expired { .. } | TicketError::NoTicket(_))), "{opened:?}");
}

/// B5: what was signed counts from then on by a clock that nobody sets: a restart loses five minutes of it at most.
#[test]
fn the_time_that_has_passed_is_kept() {
    let mut lan = Lan::network(202, 1);
    lan.pass(Duration::from_hours(3));
    lan.skew.insert(1, -400 * DAY);
    lan.restart(1, 203);
    let lost = lan.now.since(lan.time(1));
    assert!(lost <= Duration::from_mins(5), "{lost:?}");
}

/// B5: a clock that is set forward, for a moment or with a restart, and back has expired nothing: the node goes on at
/// once.
#[test]
fn a_clock_set_forward_and_back_leaves_nothing_behind() {
    let mut lan = Lan::network(204, 2);
    lan.open(1, "chat@till-2").unwrap();
    let before = serial(&mut lan, 1);
    for restarted in [false, true] {
        lan.skew.insert(1, 400 * DAY);
        if restarted {
            lan.restart(1, 205);
        }
        assert_eq!(lan.open(1, "chat@till-2").unwrap_err().code, Code::Denied);
        lan.pass(Duration::from_hours(1));
        lan.skew.remove(&1);
        lan.pass(Duration::from_mins(1));
        lan.open(1, "chat@till-2").unwrap();
        assert_eq!(warned(&mut lan, 1), None);
    }
    assert_eq!(lan.time(1), lan.now);
    assert_eq!(serial(&mut lan, 1), before, "and it was not renewed for it");
}

/// B5: who waits for another node waits as long as before when the clock is set, or a later time is seen signed.
#[test]
fn a_clock_that_jumps_ahead_cuts_no_wait_short() {
    let mut lan = Lan::network(227, 2);
    lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
    lan.slow.insert(2, Duration::from_secs(5));
    let id = lan.give(1, Command::Ping("till-2".parse().unwrap()));
    lan.skew.insert(1, DAY);
    lan.run_until(|lan| lan.hosts[1].answers.contains_key(&id));
    assert!(lan.hosts[1].answers[&id].is_ok(), "{:?}", lan.hosts[1].answers[&id]);
}

/// B5: who joins or renews with a clock that is behind the authority's keeps what it can start with again.
#[test]
fn a_clock_behind_while_joining_or_renewing_bars_no_restart() {
    for behind in [DAY / 24, DAY * 20 / 24] {
        let mut lan = Lan::network(222, 1);
        lan.skew.insert(2, -behind);
        lan.start_with(2, 223, Setup::default());
        let (_, uri) = lan.invite(1);
        lan.join(2, "till-2", Some(uri)).unwrap();
        lan.restart(2, 224);
        assert!(status(&mut lan, 2).warnings.iter().all(|warning| !warning.contains("damaged")));
        lan.open(2, "chat@till-1").unwrap();

        // The authority's clock is ahead while it renews, which is the same seen from the other end.
        lan.skew.insert(0, DAY / 24);
        lan.restart(1, 225);
        let before = serial(&mut lan, 1);
        lan.command(1, Command::Renew).unwrap();
        assert_ne!(serial(&mut lan, 1), before);
        lan.restart(1, 226);
        assert_eq!(status(&mut lan, 1).name.unwrap().to_string(), "till-1");
    }
}

/// B5: an authority whose clock was set forward and back goes on, and so do its members.
#[test]
fn an_authority_set_forward_and_back_leaves_nothing_behind() {
    let mut lan = Lan::network(206, 2);
    lan.pass(Duration::from_secs(1));
    lan.skew.insert(0, 400 * DAY);
    lan.pass(Duration::from_hours(1));
    let ahead = serial(&mut lan, 0);
    lan.skew.remove(&0);
    lan.pass(Duration::from_mins(10));
    assert_ne!(serial(&mut lan, 0), ahead, "its own certificate was from the future");
    lan.open(1, "chat@till-2").unwrap();
    lan.open(1, "chat@office").unwrap();
    let (_, uri) = lan.invite(1);
    lan.restart(2, 207);
    assert_eq!(lan.time(0), lan.now);
    assert!(lan.join(2, "till-3", Some(uri)).is_err(), "it is a member already");
    let before = serial(&mut lan, 1);
    lan.pass(Duration::from_hours(50));
    assert_ne!(serial(&mut lan, 1), before, "members are renewed");
}

/// B5: an authority whose clock is set back issues by the mark: no certificate that ends before the one that it
/// B5: an authority whose clock was ahead for a while parts nobody for good: whoever was given a certificate meanwhile
/// goes by that time from then on, and is talked to all the same once its certificate is valid for the others.
#[test]
fn an_authority_set_forward_and_back_parts_nobody() {
    let mut lan = Lan::network(260, 2);
    lan.skew.insert(0, 30 * 60);
    lan.command(2, Command::Renew).unwrap();
    lan.skew.clear();
    lan.pass(Duration::from_mins(40));
    assert!(lan.time(2) > lan.time(1), "it goes by what was signed");
    for (from, service) in [(1, "chat@till-2"), (2, "chat@till-1")] {
        let opened = lan.open(from, service).map(|grant| grant.ticket.terms().id);
        assert!(opened.is_ok(), "{service}: {opened:?}");
    }
}

/// replaces, and none that its members do not believe.
#[test]
fn an_authority_set_back_issues_by_the_mark() {
    let mut lan = Lan::network(208, 2);
    lan.pass(Duration::from_hours(50));
    let not_after = |lan: &mut Lan, host| status(lan, host).certificate.unwrap().not_after;
    let before = not_after(&mut lan, 1);
    lan.skew.insert(0, -400 * DAY);
    lan.restart(0, 209);
    lan.pass(Duration::from_hours(50));
    assert!(not_after(&mut lan, 1).0 > before.0, "renewed by a clock that does not go back");
    lan.open(1, "chat@till-2").unwrap();
    assert!(warned(&mut lan, 0).is_some());
    assert_eq!(warned(&mut lan, 1), None);
}

/// B5: an invite that has ended does not come back with the authority's clock.
#[test]
fn an_invite_is_not_revived_by_a_clock_set_back() {
    let mut lan = Lan::network(210, 1);
    let (_, uri) = lan.invite(1);
    lan.pass(Duration::from_hours(30));
    lan.skew.insert(0, -DAY);
    lan.restart(0, 211);
    lan.start(2, 212, Vec::new(), lanyard_protocol::engine::OnlineCheck::Never);
    assert_eq!(lan.join(2, "till-2", Some(uri)).unwrap_err().code, Code::Denied);
}

/// B4: clocks may differ by 300 seconds without a word; at 301 the one that is wrong is named.
#[test]
fn a_skew_of_301_seconds_is_reported() {
    for (skew, reported) in [(-301, true), (-299, false), (299, false), (301, true)] {
        let mut lan = Lan::network(213, 1);
        // A renewal asks the authority for the time.
        lan.command(1, Command::Renew).unwrap();
        lan.skew.insert(1, skew);
        let warning = warned(&mut lan, 1);
        assert_eq!(warning.is_some(), reported, "{skew} s: {warning:?}");
        lan.skew.remove(&1);
        assert_eq!(warned(&mut lan, 1), None);
    }
}

/// B5: a newcomer whose clock is hours behind takes the time from the authority that it was invited by.
#[test]
fn a_newcomer_takes_the_time_from_its_authority() {
    let mut lan = Lan::new(214, 2);
    lan.init("invite");
    lan.skew.insert(1, -3 * 3600);
    lan.restart(1, 215);
    let (_, uri) = lan.invite(1);
    lan.join(1, "till", Some(uri)).unwrap();
    let lag = lan.now.since(lan.time(1));
    assert!(lag < Duration::from_secs(1), "{lag:?}");
    lan.open(1, "chat@office").unwrap();
}

/// B5: a member that was off for days, and whose clock has forgotten the date, learns it from its authority.
#[test]
fn a_member_without_a_clock_learns_the_time() {
    let mut lan = Lan::network(216, 1);
    let kept = lan.kept(1);
    lan.skew.insert(1, -400 * DAY);
    lan.away.insert(1);
    lan.pass(Duration::from_hours(20 * 24));
    lan.away.remove(&1);
    lan.start_with(1, 217, Setup { records: kept, ..Setup::default() });
    lan.pass(Duration::from_mins(10));
    let lag = lan.now.since(lan.time(1));
    assert!(lag < Duration::from_secs(1), "{lag:?}");
    lan.open(1, "chat@office").unwrap();
}

/// B5: a node that is ahead of its authority by days is told so, and does not renew without end.
#[test]
fn a_clock_ahead_does_not_renew_without_end() {
    let mut lan = Lan::network(218, 1);
    lan.skew.insert(1, 2 * DAY);
    lan.pass(Duration::from_hours(1));
    let warning = warned(&mut lan, 1).unwrap();
    assert!(warning.contains("the authority's"), "{warning}");
    let before = serial(&mut lan, 1);
    lan.pass(Duration::from_hours(10));
    assert_eq!(serial(&mut lan, 1), before);
}

/// A deadline comes when its time has passed, though the clock was set back an hour meanwhile.
#[test]
fn a_clock_set_back_puts_no_deadline_off() {
    let mut lan = Lan::new(219, 2);
    lan.init("invite");
    let (_, uri) = lan.invite(1);
    let begun = lan.now;
    lan.away.insert(0);
    let join = lanyard_protocol::control::Join::new(Some(uri), "till".parse().unwrap(), None);
    let id = lan.give(1, Command::Join(join));
    lan.pass(Duration::from_secs(5));
    lan.skew.insert(1, -3600);
    lan.run_until(|lan| lan.hosts[1].answers.contains_key(&id));
    assert_eq!(lan.hosts[1].answers.remove(&id).unwrap().unwrap_err().code, Code::Unreachable);
    let took = lan.now.since(begun);
    assert!((29..32).contains(&took.as_secs()), "{took:?}");
}
