//! Memberships that are taken away, between whole engines.

use std::time::Duration;

use lanyard_protocol::control::{
    Answer, Code, Command, Failure, Init, Join, PeerState, Revoke, Revoked, State, Status,
};
use lanyard_protocol::engine::{OnlineCheck, Setup, restored_mark};
use lanyard_protocol::message::{self, Request, Response};
use lanyard_protocol::record::{Record, Table};
use lanyard_protocol::reject::Reject;
use lanyard_protocol::revocation::Update;
use lanyard_protocol::ticket::{SessionKeyCache, TicketError, validate};
use lanyard_protocol::time::Timestamp;

use crate::pair::{Lan, found};

fn revoke(lan: &mut Lan, host: usize, peer: &str, wait_ms: u64) -> Result<Revoked, Failure> {
    match lan.command(host, Command::Revoke(Revoke { peer: peer.parse().unwrap(), wait_ms, reason: None })) {
        Ok(Answer::Revoked(report)) => Ok(report),
        Err(failure) => Err(failure),
        other => panic!("{other:?}"),
    }
}

fn status(lan: &mut Lan, host: usize) -> Status {
    let Ok(Answer::Status(status)) = lan.command(host, Command::Status) else { panic!() };
    *status
}

fn ping(lan: &mut Lan, host: usize, peer: &str) -> Result<(), Code> {
    let answer = lan.command(host, Command::Ping(peer.parse().unwrap()));
    answer.map(drop).map_err(|failure| failure.code)
}

/// A network in which everyone has met everyone.
fn acquainted(seed: u64, members: usize) -> Lan {
    let mut lan = Lan::network(seed, members);
    lan.discover();
    lan.pass(Duration::from_secs(1));
    for (one, other) in (1..=members).flat_map(|one| (1..=members).map(move |other| (one, other))) {
        if one != other {
            ping(&mut lan, one, &format!("till-{other}")).unwrap();
        }
    }
    lan
}

/// The last that a host was told of revocations.
fn told(lan: &Lan, host: usize, since: usize) -> Update {
    let mut requests = lan.requests_to(host, since).into_iter();
    requests
        .find_map(|request| if let Request::Revocations(update) = request { Some(update) } else { None })
        .unwrap()
}

/// The records of revocations that a host's store holds.
fn kept(lan: &Lan, host: usize) -> usize {
    lan.kept(host).iter().filter(|record| record.table == Table::Revocations).count()
}

/// B7: whoever is revoked is heard no more, by anyone; and every member that was there has confirmed it.
#[test]
fn a_revoked_member_is_heard_no_more() {
    let mut lan = acquainted(600, 3);
    let report = revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    assert_eq!((report.peer.as_str(), report.live, report.confirmed), ("till-1", 2, 2));
    assert!(report.missing.is_empty() && report.offline.is_empty(), "{report:?}");
    assert!(report.last_ms.is_some_and(|ms| ms < 100), "{report:?}");
    for host in [0, 2, 3] {
        assert_eq!(ping(&mut lan, host, "till-1"), Err(Code::Denied), "{host}");
        assert_eq!(status(&mut lan, host).epochs.revocations, 1, "{host}");
        let Ok(Answer::Peers(peers)) = lan.command(host, Command::Peers) else { panic!() };
        let revoked = peers.iter().find(|peer| peer.id == lan.id(1)).unwrap();
        assert_eq!(revoked.state, PeerState::Revoked);
    }
    for peer in ["office", "till-2"] {
        assert_eq!(ping(&mut lan, 1, peer), Err(Code::Denied), "{peer}");
    }
    assert_eq!(ping(&mut lan, 2, "till-3"), Ok(()));
}

/// B7: the one who was away when it was revoked is told so, with the proof, by whomever it turns to.
#[test]
fn a_node_learns_that_it_was_revoked() {
    let mut lan = acquainted(601, 2);
    lan.away.insert(1);
    lan.disconnect_all(1);
    let report = revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    assert_eq!((report.live, report.confirmed), (1, 1));
    lan.away.remove(&1);
    lan.pass(Duration::from_secs(120));
    assert_eq!(status(&mut lan, 1).state, State::Revoked);
    let seed = 601_001;
    lan.restart(1, seed);
    assert_eq!(status(&mut lan, 1).state, State::Revoked);
    let failure = lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap_err();
    assert!(failure.message.contains("revoked"), "{failure:?}");
}

/// B7: one that does not obey is not greeted either, with a certificate that has not ended.
#[test]
fn a_revoked_node_that_goes_on_is_shown_the_proof() {
    let mut lan = acquainted(619, 2);
    let mut requests = (0..3).flat_map(|host| lan.requests_to(host, 0));
    let own = lan.id(1);
    let hello = requests.find(|request| {
        matches!(request, Request::Hello(hello) if lan.hosts[1].engine.snapshot().certificate()
            .is_some_and(|certificate| *certificate.der() == hello.certificate))
    });
    let hello = hello.unwrap();
    revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    for host in [0, 2] {
        let Response::Revoked(proof) = lan.ask(1, host, &hello) else { panic!("{host} greets it") };
        assert_eq!(proof.revocation.node, own);
        assert_eq!(lan.ask(1, host, &Request::Ping), Response::Reject(Reject::NotMember));
    }
}

/// B8: who was away hears of it from whomever it meets first, though that is not the authority.
#[test]
fn news_of_a_revocation_travel_without_the_authority() {
    let mut lan = acquainted(602, 3);
    lan.away.insert(3);
    lan.disconnect_all(3);
    let report = revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    assert_eq!(report.offline, ["till-3"]);
    lan.away.insert(0);
    lan.disconnect_all(0);
    lan.away.remove(&3);
    assert_eq!(ping(&mut lan, 3, "till-2"), Ok(()));
    assert_eq!(status(&mut lan, 3).epochs.revocations, 1);
    assert_eq!(ping(&mut lan, 3, "till-1"), Err(Code::Denied));
}

/// B8: a revocation survives restarts, of the authority and of members.
#[test]
fn a_revocation_outlives_restarts() {
    let mut lan = acquainted(603, 2);
    revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    for host in [0, 2] {
        assert_eq!(kept(&lan, host), 2, "the head and one revocation");
        lan.restart(host, 603_010 + host as u64);
        assert_eq!(status(&mut lan, host).epochs.revocations, 1);
        assert_eq!(ping(&mut lan, host, "till-1"), Err(Code::Denied), "{host}");
    }
}

/// A9, B6: the key of a revoked node is admitted by nothing; its name is free for another key.
#[test]
fn a_revoked_key_is_not_admitted_again() {
    let mut lan = acquainted(604, 2);
    revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    assert_eq!(lan.command(1, Command::Renew).map(drop).map_err(|f| f.code), Err(Code::Unreachable));
    let (code, _) = lan.invite(2);
    let refused = lan.join(1, "till-9", Some(code.clone())).unwrap_err();
    assert_eq!(refused.message, Reject::Revoked.failure().message);
    let newcomer = lan.hosts.len();
    lan.start(newcomer, 604_099, Vec::new(), OnlineCheck::Never);
    lan.discover();
    lan.join(newcomer, "till-1", Some(code)).unwrap();
    assert_eq!(ping(&mut lan, 2, "till-1"), Ok(()));
}

/// B7, C4: a ticket of a revoked requester opens nothing, cached or not, and its holder is told why.
#[test]
fn refuses_the_tickets_of_the_revoked() {
    let mut lan = acquainted(605, 2);
    let grant = lan.open(1, "chat@till-2").unwrap();
    let cache = SessionKeyCache::default();
    let blob = grant.ticket.for_service();
    let before = lan.hosts[2].engine.snapshot();
    assert!(validate(&before, &cache, blob, lan.now).is_ok());
    revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    let after = lan.hosts[2].engine.snapshot();
    for cache in [cache, SessionKeyCache::default()] {
        assert!(matches!(validate(&after, &cache, blob, lan.now), Err(TicketError::Revoked(_))));
    }
}

/// B7: tickets that a revoked provider gave are dropped, and nothing is asked of it.
#[test]
fn drops_the_tickets_of_a_revoked_provider() {
    let mut lan = acquainted(606, 2);
    lan.open(2, "chat@till-1").unwrap();
    revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    let Ok(Answer::Tickets(tickets)) = lan.command(2, Command::Tickets) else { panic!() };
    assert!(tickets.is_empty(), "{tickets:?}");
    let since = lan.wire.len();
    assert_eq!(lan.open(2, "chat@till-1").unwrap_err().code, Code::Denied);
    assert!(lan.requests_to(1, since).is_empty());
}

/// B8: nothing that a member says takes a revocation back, and what the CA key has not signed adds none.
#[test]
fn refuses_forged_foreign_and_old_revocations() {
    let mut lan = acquainted(607, 3);
    revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    let since = lan.wire.len();
    revoke(&mut lan, 0, "till-3", 10_000).unwrap();
    let update = told(&lan, 2, since);
    let mut other = acquainted(608, 3);
    let nothing = Update { head: None, revocations: Vec::new() };
    assert_eq!(other.ask(1, 2, &Request::Revocations(nothing)), Response::Revocations(0));
    for foreign in [Update { head: None, ..update.clone() }, update.clone()] {
        let answer = other.ask(1, 2, &Request::Revocations(foreign));
        assert_eq!(answer, Response::Reject(Reject::Invalid));
    }
    let forge: [fn(&mut Update); 5] = [
        |update| update.revocations[0].revocation.epoch += 1,
        |update| update.revocations[0].revocation.until = update.revocations[0].revocation.at,
        |update| update.revocations[0].revocation.serial = update.revocations[1].revocation.serial,
        |update| update.head.as_mut().unwrap().head.epoch += 10,
        |update| update.head.as_mut().unwrap().head.issued = Timestamp::from_secs(0),
    ];
    for forge in forge {
        let mut lan = acquainted(607, 3);
        revoke(&mut lan, 0, "till-1", 10_000).unwrap();
        let mut forged = update.clone();
        forged
            .revocations
            .push(*lan.hosts[0].engine.snapshot().revocations().unwrap().get(lan.id(1)).unwrap());
        forge(&mut forged);
        assert_eq!(lan.ask(3, 2, &Request::Revocations(forged)), Response::Reject(Reject::Invalid));
        assert_eq!(status(&mut lan, 2).epochs.revocations, 1);
    }
    let mut lan = acquainted(607, 3);
    revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    assert_eq!(lan.ask(3, 2, &Request::Revocations(update)), Response::Revocations(2));
}

/// B8: only members may tell of revocations.
#[test]
fn a_stranger_tells_nothing_of_revocations() {
    let mut lan = acquainted(609, 1);
    let stranger = lan.hosts.len();
    lan.start(stranger, 609_099, Vec::new(), OnlineCheck::Never);
    let update = Update { revocations: Vec::new(), head: None };
    assert_eq!(lan.ask(stranger, 1, &Request::Revocations(update)), Response::Reject(Reject::NotMember));
}

/// B7: once no certificate of the key can be valid any more the list forgets it; the authority does not.
#[test]
fn a_revocation_is_dropped_when_the_certificate_has_ended() {
    let mut lan = acquainted(610, 2);
    revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    lan.pass(Duration::from_hours(73));
    for host in [0, 2] {
        assert_eq!(status(&mut lan, host).epochs.revocations, 2, "{host}");
        assert_eq!(kept(&lan, host), 1, "the head alone: {host}");
    }
    let (code, _) = lan.invite(1);
    let refused = lan.join(1, "till-1", Some(code)).unwrap_err();
    assert_eq!(refused.message, Reject::Revoked.failure().message);
}

/// A5, B8: an authority whose store is an older copy learns from its members whom it had revoked.
#[test]
fn a_restored_authority_recalls_whom_it_revoked() {
    let mut lan = acquainted(611, 3);
    revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    let copy = lan.kept(0);
    revoke(&mut lan, 0, "till-2", 10_000).unwrap();
    lan.disconnect_all(0);
    let mark = restored_mark(lan.now);
    let mark = Record { table: mark.table, key: mark.key, value: mark.value.unwrap() };
    let records = copy.into_iter().chain([mark]).collect();
    lan.start_with(0, 611_099, Setup { records, has_aes: true, ..Setup::default() });
    let restored = status(&mut lan, 0);
    assert_eq!(restored.epochs.revocations, 1);
    assert!(restored.warnings.iter().any(|warning| warning.contains("restored")), "{restored:?}");
    lan.pass(Duration::from_secs(70));
    assert!(status(&mut lan, 0).epochs.revocations >= 2);
    assert_eq!(ping(&mut lan, 0, "till-2"), Err(Code::Denied));
    let (code, _) = lan.invite(1);
    assert_eq!(lan.join(2, "till-2", Some(code)).unwrap_err().message, Reject::Revoked.failure().message);
    assert_eq!(status(&mut lan, 3).epochs, status(&mut lan, 0).epochs);
}

/// A5: it has even revoked somebody else in between: in the end everyone knows of all three.
#[test]
fn two_histories_of_one_authority_are_joined() {
    let mut lan = acquainted(612, 4);
    let copy = lan.kept(0);
    revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    revoke(&mut lan, 0, "till-2", 10_000).unwrap();
    lan.disconnect_all(0);
    lan.away.insert(0);
    lan.start_with(0, 612_099, Setup { records: copy, has_aes: true, ..Setup::default() });
    revoke(&mut lan, 0, "till-3", 0).unwrap();
    lan.away.remove(&0);
    lan.pass(Duration::from_secs(130));
    for host in [0, 4] {
        for peer in ["till-1", "till-2", "till-3"] {
            assert_eq!(ping(&mut lan, host, peer), Err(Code::Denied), "{host} {peer}");
        }
    }
    lan.pass(Duration::from_secs(1));
    assert_eq!(status(&mut lan, 4).epochs, status(&mut lan, 0).epochs);
}

/// A5, B8: and so they are if the two histories have come equally far, which no number shows.
#[test]
fn two_histories_of_one_length_are_joined() {
    let mut lan = acquainted(620, 3);
    let copy = lan.kept(0);
    revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    lan.disconnect_all(0);
    lan.away.insert(0);
    lan.start_with(0, 620_099, Setup { records: copy, has_aes: true, ..Setup::default() });
    revoke(&mut lan, 0, "till-2", 0).unwrap();
    lan.away.remove(&0);
    lan.pass(Duration::from_secs(130));
    for host in [0, 3] {
        for peer in ["till-1", "till-2"] {
            assert_eq!(ping(&mut lan, host, peer), Err(Code::Denied), "{host} {peer}");
        }
    }
    assert_eq!(status(&mut lan, 3).epochs, status(&mut lan, 0).epochs);
}

/// A5, A9: nor does a restored authority admit a key again of whose enrolment it knows nothing any more.
#[test]
fn a_restored_authority_denies_whom_it_never_knew() {
    let mut lan = acquainted(621, 2);
    let copy = lan.kept(0);
    let (code, _) = lan.invite(1);
    let late = lan.hosts.len();
    lan.start(late, 621_098, Vec::new(), OnlineCheck::Never);
    lan.discover();
    lan.join(late, "late", Some(code)).unwrap();
    revoke(&mut lan, 0, "late", 10_000).unwrap();
    lan.disconnect_all(0);
    lan.start_with(0, 621_099, Setup { records: copy, has_aes: true, ..Setup::default() });
    lan.pass(Duration::from_secs(70));
    for restart in [false, true] {
        if restart {
            lan.restart(0, 621_100);
        }
        let (code, _) = lan.invite(1);
        let refused = lan.join(late, "late", Some(code)).unwrap_err();
        assert_eq!(refused.message, Reject::Revoked.failure().message);
        lan.pass(Duration::from_hours(74));
    }
}

/// B7, F4: a member that has lost a revocation does not take its list for whole, and is told of it again.
#[test]
fn a_lost_revocation_is_told_again() {
    let mut lan = acquainted(622, 2);
    revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    let lost = lan.id(1).as_bytes().to_vec();
    lan.hosts[2].records.retain(|(_, key), (table, _)| *table != Table::Revocations || *key != lost);
    lan.restart(2, 622_099);
    assert!(!lan.hosts[2].engine.snapshot().denies(lan.id(1)));
    lan.pass(Duration::from_secs(5));
    assert!(lan.hosts[2].engine.snapshot().denies(lan.id(1)));
}

/// B5, B7: a clock of the authority's that was ahead for a while takes no revocation back, here or elsewhere.
#[test]
fn a_clock_set_forward_takes_no_revocation_back() {
    let mut lan = acquainted(623, 2);
    revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    lan.skew.insert(0, 80 * 60 * 60);
    lan.pass(Duration::from_secs(60));
    lan.skew.clear();
    lan.pass(Duration::from_secs(60));
    for host in [0, 2] {
        assert!(lan.hosts[host].engine.snapshot().denies(lan.id(1)), "{host}");
    }
}

/// B3, C4: tickets of the network that a node has left open nothing there when it is in another one.
#[test]
fn tickets_of_another_network_open_nothing() {
    let mut lan = acquainted(624, 2);
    let grant = lan.open(1, "chat@till-2").unwrap();
    let (cache, blob) = (SessionKeyCache::default(), grant.ticket.for_service());
    assert!(validate(&lan.hosts[2].engine.snapshot(), &cache, blob, lan.now).is_ok());
    revoke(&mut lan, 0, "till-2", 10_000).unwrap();
    lan.pass(Duration::from_secs(120));
    assert_eq!(status(&mut lan, 2).state, State::Revoked);
    let other = lan.hosts.len();
    lan.start(other, 624_099, Vec::new(), OnlineCheck::Never);
    let init = Init { network: "lab.lan".parse().unwrap(), ..found("open") };
    lan.command(other, Command::Init(init)).unwrap();
    lan.discover();
    let join = Join {
        network: Some("lab.lan".parse().unwrap()),
        ..Join::new(None, "till-2".parse().unwrap(), None)
    };
    lan.command(2, Command::Join(join)).unwrap();
    let after = lan.hosts[2].engine.snapshot();
    assert!(matches!(validate(&after, &cache, blob, lan.now), Err(TicketError::NoTicket(_))));
}

/// F3: a revocation that the store refuses holds all the same, is not acknowledged, and is kept later.
#[test]
fn a_revocation_that_cannot_be_written_holds_and_is_written_later() {
    let mut lan = acquainted(613, 2);
    lan.hosts[0].store_works = false;
    let failure = revoke(&mut lan, 0, "till-1", 10_000).unwrap_err();
    assert_eq!(failure.code, Code::Failed);
    assert_eq!(ping(&mut lan, 2, "till-1"), Err(Code::Denied));
    assert_eq!(kept(&lan, 0), 0);
    lan.hosts[0].store_works = true;
    lan.pass(Duration::from_secs(6));
    assert_eq!(kept(&lan, 0), 2);
}

/// F3: what could not be written is not written over what was written in between.
#[test]
fn a_late_write_goes_over_nothing_newer() {
    let mut lan = acquainted(625, 3);
    lan.hosts[0].store_works = false;
    revoke(&mut lan, 0, "till-1", 10_000).unwrap_err();
    lan.hosts[0].store_works = true;
    revoke(&mut lan, 0, "till-2", 10_000).unwrap();
    let head = |lan: &Lan| {
        let kept = lan.kept(0).into_iter();
        kept.filter(|record| record.key == b"head").map(|record| record.value).collect::<Vec<_>>()
    };
    let newer = head(&lan);
    lan.pass(Duration::from_secs(6));
    assert_eq!((head(&lan), kept(&lan, 0)), (newer, 3));
    lan.restart(0, 625_099);
    assert_eq!(status(&mut lan, 0).epochs.revocations, 2);
}

#[test]
fn says_who_cannot_be_revoked_and_by_whom() {
    let mut lan = acquainted(614, 2);
    assert_eq!(revoke(&mut lan, 1, "till-2", 0).unwrap_err().code, Code::Denied);
    assert_eq!(revoke(&mut lan, 0, "office", 0).unwrap_err().code, Code::Usage);
    assert_eq!(revoke(&mut lan, 0, "nobody", 0).unwrap_err().code, Code::NotFound);
    revoke(&mut lan, 0, "till-1", 0).unwrap();
    let again = revoke(&mut lan, 0, "till-1", 10_000).unwrap();
    assert_eq!((again.live, again.confirmed), (1, 1));
    assert_eq!(status(&mut lan, 0).epochs.revocations, 1);
}

/// Who cannot confirm in time is named; a wait of nothing waits for nobody.
#[test]
fn reports_who_has_not_confirmed() {
    let mut lan = acquainted(615, 3);
    lan.away.insert(3);
    let report = revoke(&mut lan, 0, "till-1", 5_000).unwrap();
    assert_eq!((report.live, report.confirmed, report.missing), (2, 1, vec!["till-3".to_owned()]));
}

/// A network whose many revocations take several pages.
#[test]
fn a_long_list_reaches_a_newcomer_page_by_page() {
    let mut lan = Lan::new(616, 2);
    lan.init("invite");
    let (_, uri) = lan.invite(300);
    for fleet in 0..230 {
        let host = 1;
        lan.start(host, 616_100 + fleet, Vec::new(), OnlineCheck::Never);
        let name = format!("till-{fleet}");
        lan.join(host, &name, Some(uri.clone())).unwrap();
        lan.disconnect_all(host);
        revoke(&mut lan, 0, &name, 0).unwrap();
    }
    lan.start(1, 616_999, Vec::new(), OnlineCheck::Never);
    lan.join(1, "bob", Some(uri)).unwrap();
    lan.pass(Duration::from_secs(5));
    assert_eq!(status(&mut lan, 1).epochs.revocations, 230);
    assert_eq!(kept(&lan, 1), 231);
}

/// B8: a member that keeps a revocation back while it shows the head is found out, and the whole list is asked of
/// others.
#[test]
fn a_withheld_revocation_is_noticed() {
    let mut lan = acquainted(617, 3);
    let since = lan.wire.len();
    lan.away.insert(2);
    revoke(&mut lan, 0, "till-1", 0).unwrap();
    lan.pass(Duration::from_secs(1));
    lan.away.remove(&2);
    let withheld = Update { revocations: Vec::new(), ..told(&lan, 3, since) };
    assert_eq!(lan.ask(3, 2, &Request::Revocations(withheld)), Response::Revocations(0));
    assert_eq!(status(&mut lan, 2).epochs.revocations, 0);
}

/// The message of a full page fits into a frame.
#[test]
fn a_page_fits_into_a_frame() {
    let mut lan = acquainted(618, 1);
    revoke(&mut lan, 0, "till-1", 0).unwrap();
    let list = lan.hosts[0].engine.snapshot();
    let entry = *list.revocations().unwrap().get(lan.id(1)).unwrap();
    let page = Update {
        revocations: vec![entry; lanyard_protocol::revocation::PAGE],
        head: list.revocations().unwrap().since(0).head,
    };
    assert!(message::frame(&Request::Revocations(page)).len() <= message::FRAME_MAX);
}
