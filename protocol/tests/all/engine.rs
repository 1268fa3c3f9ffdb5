//! Nodes that enrol, greet each other and hand out tickets.

use std::collections::BTreeSet;
use std::time::Duration;

use lanyard_protocol::channel::ChannelReject;
use lanyard_protocol::control::{Answer, Code, Command, PeerState, RoleName};
use lanyard_protocol::engine::{CommandId, Engine, OnlineCheck, Output, Setup};
use lanyard_protocol::enrolment::WhoIsAnswer;
use lanyard_protocol::identity::IdentityKey;
use lanyard_protocol::ticket::{SessionKeyCache, TicketError, TicketRequest, validate};

use lanyard_protocol::message::{self, Request, Response};
use lanyard_protocol::people::Actor;
use lanyard_protocol::reject::Reject;

use crate::pair::{Lan, START, found, rng};

fn ticket_id(answer: Result<Answer, lanyard_protocol::control::Failure>) -> String {
    match answer {
        Ok(Answer::Ticket(ticket)) => ticket.id,
        other => panic!("{other:?}"),
    }
}

/// R-L1, R-L2, R-L3, R-T6: a node with a URI gets its certificate, and nothing that a listener hears says which.
#[test]
fn enrols_by_uri() {
    let mut lan = Lan::new(1, 2);
    lan.init("invite");
    let (_, uri) = lan.invite(1);
    let Ok(Answer::Joined(joined)) = lan.join(1, "till-name-on-no-wire", Some(uri)) else { panic!() };
    assert!(joined.pinned);
    assert_eq!(joined.network.as_str(), "shop.lan");
    let Ok(Answer::Status(status)) = lan.command(1, Command::Status) else { panic!() };
    assert_eq!(status.role, RoleName::Member);
    assert!(!contains(&lan.wire[..], b"till-name-on-no-wire"), "the name travels sealed until hello");
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// R-L2: a code is enough where multicast reaches the authority, and neither it nor its words are sent.
#[test]
fn enrols_by_code() {
    let mut lan = Lan::new(2, 2);
    lan.init("invite");
    lan.discover();
    let (code, _) = lan.invite(1);
    let Ok(Answer::Joined(joined)) = lan.join(1, "till", Some(code.clone())) else { panic!() };
    assert!(joined.pinned);
    for word in code.split('-').skip(1) {
        assert!(!contains(&lan.wire, word.as_bytes()), "{word}");
    }
}

/// R-L2: in open admission nobody types anything, and the answer says that the authority was not known before.
#[test]
fn enrols_in_the_open() {
    let mut lan = Lan::new(3, 2);
    lan.init("open");
    lan.discover();
    let Ok(Answer::Joined(joined)) = lan.join(1, "till", None) else { panic!() };
    assert!(!joined.pinned);
}

/// A10: without an invite there is no way into a network that wants one.
#[test]
fn refuses_open_enrolment_where_an_invite_is_needed() {
    let mut lan = Lan::new(4, 2);
    lan.init("invite");
    lan.discover();
    assert_eq!(lan.join(1, "till", None).unwrap_err().code, Code::Denied);
}

/// A4: an invite for one node admits one node, also after the authority was restarted.
#[test]
fn an_invite_admits_once() {
    let mut lan = Lan::new(5, 3);
    lan.init("invite");
    let (_, uri) = lan.invite(1);
    lan.join(1, "till-1", Some(uri.clone())).unwrap();
    assert_eq!(lan.join(2, "till-2", Some(uri.clone())).unwrap_err().code, Code::Denied);
    lan.restart(0, 99);
    assert_eq!(lan.join(2, "till-2", Some(uri)).unwrap_err().code, Code::Denied);
}

/// Three wrong guesses burn a code; the URI of the same invite still admits.
#[test]
fn three_wrong_guesses_burn_a_code() {
    let mut lan = Lan::new(6, 2);
    lan.init("invite");
    lan.discover();
    let (code, uri) = lan.invite(1);
    let nameplate = code.split('-').next().unwrap();
    let wrong = if code.ends_with("violet") { "harbour-harbour" } else { "violet-violet" };
    for _ in 0..3 {
        let failure = lan.join(1, "till", Some(format!("{nameplate}-{wrong}"))).unwrap_err();
        assert!(failure.message.contains("does not know this code"), "{failure:?}");
    }
    let failure = lan.join(1, "till", Some(code)).unwrap_err();
    assert!(failure.message.contains("burned") && failure.remedy.contains("--uri"), "{failure:?}");
    lan.join(1, "till", Some(uri)).unwrap();
}

/// A wrong guess counts however the authority ends: the charge is durable before the confirmation leaves.
#[test]
fn wrong_guesses_are_counted_across_restarts() {
    let mut lan = Lan::new(7, 2);
    lan.init("invite");
    let (code, _) = lan.invite(1);
    let wrong = format!("{}-violet-violet", code.split('-').next().unwrap());
    for seed in 0..3 {
        lan.discover();
        assert_eq!(lan.join(1, "till", Some(wrong.clone())).unwrap_err().code, Code::Denied);
        lan.restart(0, 100 + seed);
    }
    lan.discover();
    assert!(lan.join(1, "till", Some(code)).unwrap_err().message.contains("burned"));
}

/// A1: who answers in the place of the pinned authority learns nothing and is refused.
#[test]
fn refuses_another_authority_than_the_pinned_one() {
    let mut lan = Lan::new(8, 3);
    lan.init("invite");
    let (_, uri) = lan.invite(1);
    let rogue = lan.hosts[2].address.to_string();
    let genuine = lan.hosts[0].address.to_string();
    let init = found("open");
    lan.command(2, Command::Init(init)).unwrap();
    let failure = lan.join(1, "till", Some(uri.replace(&genuine, &rogue))).unwrap_err();
    assert_eq!(failure.code, Code::Denied);
    assert!(failure.message.contains("fingerprint"), "{failure:?}");
}

/// Two authorities that claim one name are joined by neither, without a pin or a code.
#[test]
fn joins_neither_of_two_that_claim_one_name() {
    let mut lan = Lan::new(9, 3);
    lan.init("open");
    let init = found("open");
    lan.command(2, Command::Init(init)).unwrap();
    lan.discover();
    let failure = lan.join(1, "till", None).unwrap_err();
    assert!(failure.message.contains("two different authorities"), "{failure:?}");
}

/// A name stays with the node that has it.
#[test]
fn refuses_a_name_that_another_node_has() {
    let mut lan = Lan::network(10, 1);
    lan.start(2, 77, Vec::new(), OnlineCheck::Never);
    let (_, uri) = lan.invite(1);
    let failure = lan.join(2, "till-1", Some(uri)).unwrap_err();
    assert!(failure.message.contains("has this name"), "{failure:?}");
}

/// R-L5, R-T8, R-T16: two members that have never met find each other through the authority and authenticate.
#[test]
fn members_authenticate_each_other() {
    let mut lan = Lan::network(11, 2);
    let Ok(Answer::Pong(pong)) = lan.command(1, Command::Ping("till-2".parse().unwrap())) else { panic!() };
    assert_eq!((pong.name.as_str(), pong.id), ("till-2", lan.id(2)));
    let Ok(Answer::Peers(peers)) = lan.command(2, Command::Peers) else { panic!() };
    let row = peers.iter().find(|peer| peer.id == lan.id(1)).unwrap();
    assert_eq!((row.name.as_ref().unwrap().as_str(), row.state), ("till-1", PeerState::Connected));
}

/// A node that joined by URI knows its authority's address after a restart, without multicast.
#[test]
fn a_member_finds_its_authority_after_a_restart() {
    let mut lan = Lan::network(25, 1);
    lan.restart(1, 600);
    lan.command(1, Command::Ping("office".parse().unwrap())).unwrap();
}

/// R-C2: a member is found at an address that its peer's owner has named, without multicast or authority.
#[test]
fn a_member_is_found_at_a_named_address() {
    let mut lan = Lan::network(26, 2);
    lan.away.insert(0);
    let contacts = vec![lan.hosts[2].address];
    let setup = Setup { records: lan.kept(1), contacts, ..Setup::default() };
    lan.start_with(1, 700, setup);
    lan.pass(Duration::from_secs(1));
    lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
}

/// R-C4: members that know each other need no authority.
#[test]
fn members_talk_while_the_authority_is_away() {
    let mut lan = Lan::network(12, 2);
    lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
    lan.away.insert(0);
    lan.restart(1, 200);
    lan.command(1, Command::GetTicket("chat@till-2".parse().unwrap())).unwrap();
}

/// R-L7: a stranger is told which network this is and may enrol, and is refused everything else.
#[test]
fn a_stranger_gets_nothing_but_whois_and_enrolment() {
    let mut lan = Lan::network(13, 1);
    lan.start(2, 78, Vec::new(), OnlineCheck::Never);
    for command in
        [Command::Ping("office".parse().unwrap()), Command::GetTicket("chat@office".parse().unwrap())]
    {
        assert_eq!(lan.command(2, command).unwrap_err().code, Code::Denied);
    }
}

/// R-T4: one ticket serves until it expires; then there is a new one without anyone being asked.
#[test]
fn a_ticket_is_reused_until_it_expires() {
    let mut lan = Lan::network(14, 2);
    let get = Command::GetTicket("chat@till-2".parse().unwrap());
    let first = ticket_id(lan.command(1, get.clone()));
    assert_eq!(ticket_id(lan.command(1, get.clone())), first);
    lan.restart(1, 300);
    assert_eq!(ticket_id(lan.command(1, get.clone())), first, "it is kept across a restart");
    lan.pass(Duration::from_secs(9 * 60 * 60));
    assert_ne!(ticket_id(lan.command(1, get)), first);
}

/// R-T4, D9: whoever wants a ticket while it is being asked for waits for that one, also when the one who asked no
/// longer wants it.
#[test]
fn channels_that_are_opened_at_once_share_a_ticket() {
    for cancelled in [false, true] {
        let mut lan = Lan::network(30, 2);
        // Whoever has to be found, connected and greeted has been, so that what is counted are tickets.
        lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
        let before = lan.wire.len();
        let opened = lan.open_at_once(1, "chat@till-2", 200, cancelled);
        let ids: BTreeSet<_> = opened.into_iter().map(|grant| grant.unwrap().ticket.terms().id).collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(lan.requests_to(2, before).len(), if cancelled { 2 } else { 1 });
    }
}

/// C4: a requester's channels may go on until the ticket's time is over, and only a member's.
#[test]
fn a_held_ticket_holds_until_its_end() {
    let mut lan = Lan::network(31, 2);
    let grant = lan.open(1, "chat@till-2").unwrap();
    let (ticket, end) = (&grant.ticket, grant.ticket.terms().expires);
    let snapshot = lan.hosts[1].engine.snapshot();
    ticket.check(&snapshot, end.before(Duration::from_millis(1))).unwrap();
    let over = ticket.check(&snapshot, end).unwrap_err();
    assert!(matches!(over, TicketError::Over { .. }), "{over}");
    assert_eq!(over.ending(), ChannelReject::Expired);
    let nobody = Lan::new(32, 1).hosts[0].engine.snapshot();
    assert!(matches!(ticket.check(&nobody, lan.now), Err(TicketError::NotMember)));
}

/// R-T2, R-T7, R-T16: the provider believes the ticket that it minted, and both sides have the same terms.
#[test]
fn a_provider_believes_its_own_ticket() {
    let mut lan = Lan::network(15, 2);
    let grant = lan.open(1, "chat@till-2").unwrap();
    assert_eq!(grant.lanes[0].to_string(), "10.77.0.3:4611");
    let cache = SessionKeyCache::default();
    let snapshot = lan.hosts[2].engine.snapshot();
    let valid = validate(&snapshot, &cache, grant.ticket.for_service(), lan.now).unwrap();
    assert_eq!(valid.terms(), grant.ticket.terms());
    assert_eq!(valid.requester().unwrap().name().as_str(), "till-1");
    validate(&snapshot, &cache, grant.ticket.for_service(), lan.now).unwrap();
}

/// C4: an expired ticket is known as such, also from the cache.
#[test]
fn refuses_an_expired_ticket() {
    let mut lan = Lan::network(16, 2);
    let grant = lan.open(1, "chat@till-2").unwrap();
    let (cache, snapshot) = (SessionKeyCache::default(), lan.hosts[2].engine.snapshot());
    let blob = grant.ticket.for_service();
    let end = grant.ticket.terms().expires;
    validate(&snapshot, &cache, blob, end.before(Duration::from_millis(1))).unwrap();
    for cache in [cache, SessionKeyCache::default()] {
        assert!(matches!(validate(&snapshot, &cache, blob, end), Err(TicketError::Expired { .. })));
    }
}

/// C7, C11: a ticket is no ticket to another node, after a restart, or with any byte altered.
#[test]
fn refuses_foreign_old_and_altered_tickets() {
    let mut lan = Lan::network(17, 2);
    let grant = lan.open(1, "chat@till-2").unwrap();
    let blob = grant.ticket.for_service().to_vec();
    let refused = |lan: &Lan, host: usize, blob: &[u8]| {
        let snapshot = lan.hosts[host].engine.snapshot();
        let result = validate(&snapshot, &SessionKeyCache::default(), blob, lan.now);
        matches!(result, Err(TicketError::NoTicket(_)))
    };
    assert!(refused(&lan, 0, &blob) && refused(&lan, 1, &blob));
    for position in 0..blob.len() {
        let mut altered = blob.clone();
        altered[position] ^= 1;
        assert!(refused(&lan, 2, &altered), "byte {position}");
        assert!(refused(&lan, 2, &blob[..position]), "cut at {position}");
    }
    lan.restart(2, 400);
    assert!(refused(&lan, 2, &blob));
}

/// A provider that was restarted is asked again, and no user notices.
#[test]
fn a_forgotten_ticket_is_minted_anew() {
    let mut lan = Lan::network(18, 2);
    let old = lan.open(1, "chat@till-2").unwrap().ticket.terms().id;
    lan.restart(2, 500);
    let now = lan.now;
    lan.hosts[1].engine.handle_no_ticket(&old, now);
    lan.drain(1);
    assert_ne!(lan.open(1, "chat@till-2").unwrap().ticket.terms().id, old);
}

/// A member that its authority has no room for says so to whoever asks, and comes back by itself.
#[test]
fn a_member_comes_back_to_an_authority_that_was_busy() {
    let mut lan = Lan::network(20, 1);
    lan.restart(1, 600);
    let busy = message::frame(&Response::Reject(Reject::Busy));
    lan.tamper = Some(Box::new(move |from, _, bytes| {
        let hello = matches!(message::parse(&bytes), Ok(Response::Hello(_)));
        Some(if from == 0 && hello { busy.clone() } else { bytes })
    }));
    lan.restart(1, 601);
    let failure = lan.command(1, Command::Ping("office".parse().unwrap())).unwrap_err();
    assert!(failure.message.contains("too busy"), "{failure:?}");
    let since = lan.wire.len();
    lan.pass(Duration::from_secs(600));
    let tries = lan.requests_to(0, since).len();
    assert!((8..20).contains(&tries), "{tries} tries in ten minutes");
    lan.tamper = None;
    lan.pass(Duration::from_secs(61));
    let Ok(Answer::Status(status)) = lan.command(1, Command::Status) else { panic!() };
    assert!(status.authority.unwrap().reachable);
}

/// What policy does not grant is denied, whether or not it exists, and nothing of the request leaves the host.
#[test]
fn a_service_that_policy_does_not_grant_causes_no_packet() {
    let mut lan = Lan::network(19, 1);
    let before = lan.wire.len();
    for service in ["backup@office", "backup@nobody"] {
        let failure = lan.command(1, Command::GetTicket(service.parse().unwrap())).unwrap_err();
        assert_eq!(failure.code, Code::Denied);
    }
    assert_eq!(lan.wire.len(), before);
}

/// Unknown is not the same as away.
#[test]
fn tells_unknown_peers_from_peers_that_are_away() {
    let mut lan = Lan::network(20, 2);
    let ping = |name: &str| Command::Ping(name.parse().unwrap());
    assert_eq!(lan.command(1, ping("nobody")).unwrap_err().code, Code::NotFound);
    lan.away.insert(2);
    assert_eq!(lan.command(1, ping("till-2")).unwrap_err().code, Code::Unreachable);
}

/// R-T16: with the on-line check required there is no ticket without the authority's word.
#[test]
fn the_online_check_asks_the_authority() {
    for (check, away, granted) in [
        (OnlineCheck::Require, false, true),
        (OnlineCheck::Require, true, false),
        (OnlineCheck::Prefer, true, true),
        (OnlineCheck::Never, true, true),
    ] {
        let mut lan = Lan::network(21, 1);
        lan.start(2, 79, Vec::new(), check);
        let (_, uri) = lan.invite(1);
        lan.join(2, "till-2", Some(uri)).unwrap();
        lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
        if away {
            lan.away.insert(0);
        }
        let ticket = lan.command(1, Command::GetTicket("chat@till-2".parse().unwrap()));
        assert_eq!(ticket.is_ok(), granted, "{check:?}, away: {away}: {ticket:?}");
    }
}

/// D9: a member that asks for tickets without end, while the authority does not answer, keeps no user waiting, and gets
/// none for there being much to do.
#[test]
fn a_flood_of_requests_for_tickets_confirms_nothing() {
    let mut lan = Lan::network(36, 1);
    lan.start(2, 80, Vec::new(), OnlineCheck::Prefer);
    let (_, uri) = lan.invite(1);
    lan.join(2, "till-2", Some(uri)).unwrap();
    lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
    lan.command(2, Command::Ping("office".parse().unwrap())).unwrap();
    lan.slow.insert(0, Duration::from_secs(60));
    let certificate = lan.hosts[1].engine.snapshot().certificate().unwrap().digest();
    let request =
        TicketRequest { nonce: [7; 32], service: "chat".parse().unwrap(), certificate, assertion: None };
    let request = Request::Ticket(request);
    lan.flood(1, 2, &request, 2000);
    assert_eq!(lan.ask(1, 2, &request), Response::Reject(Reject::Busy));
    lan.command(2, Command::Ping("till-1".parse().unwrap())).unwrap();
}

/// R-C3: nothing is acknowledged that is not durable.
#[test]
fn a_store_that_fails_acknowledges_nothing() {
    let mut lan = Lan::new(22, 2);
    lan.init("invite");
    let (_, uri) = lan.invite(1);
    lan.hosts[0].store_works = false;
    assert_eq!(lan.join(1, "till", Some(uri.clone())).unwrap_err().code, Code::Failed);
    lan.hosts[0].store_works = true;
    lan.hosts[1].store_works = false;
    assert_eq!(lan.join(1, "till", Some(uri.clone())).unwrap_err().code, Code::Failed);
    let Ok(Answer::Status(status)) = lan.command(1, Command::Status) else { panic!() };
    assert_eq!(status.role, RoleName::None);
    lan.hosts[1].store_works = true;
    lan.join(1, "till", Some(uri))
        .expect("the same node may use its invite again until it has its certificate");
}

/// F3: keys whose first write failed, on a disk that was full then, are kept with what needs them.
#[test]
fn a_member_has_its_keys_on_disk_whatever_became_of_the_first_write() {
    let mut lan = Lan::new(34, 2);
    for host in [0, 1] {
        lan.hosts[host].records.clear();
    }
    lan.init("invite");
    let (_, uri) = lan.invite(1);
    lan.join(1, "till", Some(uri)).unwrap();
    for host in [0, 1] {
        let before = lan.id(host);
        lan.restart(host, 900);
        assert_eq!(lan.id(host), before);
    }
}

/// F3: who asked for a new certificate that could not be kept is told so, and the old one goes on.
#[test]
fn a_certificate_that_is_not_kept_is_not_shown() {
    let mut lan = Lan::network(35, 1);
    for host in [0, 1] {
        let before = serial(&mut lan, host);
        lan.hosts[host].store_works = false;
        let failure = lan.command(host, Command::Renew).unwrap_err();
        assert!(failure.code == Code::Failed && failure.message.contains("store"), "{failure:?}");
        lan.hosts[host].store_works = true;
        assert_eq!(serial(&mut lan, host), before);
        lan.command(host, Command::Renew).unwrap();
        assert_ne!(serial(&mut lan, host), before);
    }
}

/// F2, C16: a key ring lives in memory alone: its rotation writes nothing.
#[test]
fn a_key_ring_is_never_written() {
    let setup = Setup { has_aes: true, ..Setup::default() };
    let mut now = START;
    let mut engine = Engine::new(setup, now, Box::new(rng(36))).unwrap();
    let mut rotations = 0;
    let mut first = true;
    while rotations < 5 {
        while let Some(output) = engine.poll_output() {
            // The node's own keys, on the first start.
            assert!(first || !matches!(output, Output::Persist { .. }), "after {rotations} rotations");
        }
        first = false;
        let (next, why) = engine.poll_timeout().unwrap();
        rotations += usize::from(why == "rotate the key ring");
        now = now.max(next);
        engine.handle_timeout(now);
    }
}

/// R-C9: the same seed gives the same bytes.
#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = |seed| {
        let mut lan = Lan::network(seed, 3);
        lan.discover();
        lan.open(1, "chat@till-3").unwrap();
        lan.open(3, "file@till-2").unwrap();
        lan.pass(Duration::from_secs(13 * 60 * 60));
        lan.wire
    };
    assert_eq!(run(23), run(23));
    assert_ne!(run(23), run(24));
}

fn serial(lan: &mut Lan, host: usize) -> String {
    let Ok(Answer::Certificates(shown)) = lan.command(host, Command::Certificates) else { panic!() };
    shown.serial
}

const HOUR: Duration = Duration::from_secs(60 * 60);

/// R-L3: certificates are renewed without hands, the authority's own included, for as long as the nodes run.
#[test]
fn certificates_renew_by_themselves() {
    let mut lan = Lan::network(30, 2);
    let before: Vec<String> = (0..3).map(|host| serial(&mut lan, host)).collect();
    for _ in 0..30 {
        lan.pass(12 * HOUR);
        lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
        lan.command(1, Command::GetTicket("chat@till-2".parse().unwrap())).unwrap();
    }
    for (host, before) in before.into_iter().enumerate() {
        assert_ne!(serial(&mut lan, host), before);
    }
}

/// R-L3: a node that slept past the end of its certificate gets a new one by its record, and nothing before.
#[test]
fn a_node_that_slept_past_its_end_renews() {
    let mut lan = Lan::network(31, 2);
    lan.away.insert(0);
    lan.pass(100 * HOUR);
    let failure = lan.command(1, Command::Ping("office".parse().unwrap())).unwrap_err();
    assert_eq!(failure.code, Code::Denied);
    lan.away.clear();
    lan.restart(0, 800);
    lan.pass(HOUR);
    for host in [1, 2] {
        lan.command(host, Command::Ping("office".parse().unwrap())).unwrap();
    }
}

/// A9: a node whose record has ended as well is a stranger.
#[test]
fn a_record_that_has_ended_renews_nothing() {
    let mut lan = Lan::network(32, 1);
    lan.away.insert(0);
    lan.pass(91 * 24 * HOUR);
    lan.away.clear();
    lan.pass(HOUR);
    assert_eq!(lan.command(1, Command::Renew).unwrap_err().code, Code::Unreachable);
    assert_eq!(lan.command(1, Command::Ping("office".parse().unwrap())).unwrap_err().code, Code::Denied);
}

/// A renewed certificate is shown to whoever is connected, so that tickets go on being minted.
#[test]
fn a_renewed_certificate_is_shown_at_once() {
    let mut lan = Lan::network(33, 2);
    lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
    let before = serial(&mut lan, 1);
    lan.command(1, Command::Renew).unwrap();
    assert_ne!(serial(&mut lan, 1), before);
    lan.command(1, Command::GetTicket("chat@till-2".parse().unwrap())).unwrap();
    lan.command(2, Command::GetTicket("chat@till-1".parse().unwrap())).unwrap();
}

/// What a stranger says that was asked along the way does not end a join, however late it says it.
#[test]
fn late_answers_of_others_do_not_end_a_join() {
    // The authority is chosen 700 ms after the first network was found, and answers within a few more.
    for lag in [100, 700, 701, 702, 703, 704, 705, 706, 1500] {
        let mut lan = Lan::new(40, 4);
        lan.init("open");
        lan.discover();
        lan.slow.insert(2, Duration::from_millis(lag));
        let joined = lan.join(1, "till", None);
        assert!(joined.is_ok(), "{lag} ms: {joined:?}");
    }
}

/// A room full of newcomers finds its authority, though each sees all the others first.
#[test]
fn a_newcomer_finds_the_authority_among_many_newcomers() {
    let mut lan = Lan::new(41, 24);
    lan.discover();
    lan.init("open");
    for host in [3, 23] {
        lan.join(host, &format!("pc-{host}"), None).unwrap();
    }
}

/// E1, E3: false announcements push out only hearsay: the authority is found again where it was.
#[test]
fn false_addresses_do_not_push_out_the_true_one() {
    let mut lan = Lan::network(42, 1);
    let office = lan.id(0);
    let fakes: Vec<_> = (1..=64).map(|host| format!("10.66.0.{host}:4610").parse().unwrap()).collect();
    let now = lan.now;
    lan.hosts[1].engine.handle_discovered(office, fakes, now);
    lan.drain(1);
    lan.restart(0, 1000);
    lan.pass(Duration::from_secs(5));
    lan.command(1, Command::Ping("office".parse().unwrap())).unwrap();
}

/// Announces so many peers that are not there to a host, and adds false addresses to those of its authority.
fn flood_with_announcements(lan: &mut Lan, host: usize, many: u32) {
    let office = lan.id(0);
    let fakes: Vec<_> = (1..=64).map(|host| format!("10.66.0.{host}:4610").parse().unwrap()).collect();
    let now = lan.time(host);
    lan.hosts[host].engine.handle_discovered(office, fakes, now);
    let mut rng = rng(4300);
    for number in 0..many {
        let fake = IdentityKey::generate(&mut rng).node_id();
        let [_, high, low, _] = (number << 8).to_be_bytes();
        let address = format!("10.67.{high}.{low}:4610").parse().unwrap();
        lan.hosts[host].engine.handle_discovered(fake, vec![address], now);
        lan.drain(host);
    }
}

/// E2: ten thousand peers that are not there fill a bounded table, and push out nobody whom a member knows.
#[test]
fn false_peers_push_out_nobody_who_is_known() {
    let mut lan = Lan::network(43, 3);
    for peer in ["office", "till-2", "till-3"] {
        lan.command(1, Command::Ping(peer.parse().unwrap())).unwrap();
    }
    flood_with_announcements(&mut lan, 1, 10_000);
    let Ok(Answer::Peers(rows)) = lan.command(1, Command::Peers) else { panic!() };
    assert!(rows.len() <= 4096, "{}", rows.len());
    for peer in ["office", "till-2", "till-3"] {
        assert!(rows.iter().any(|row| row.name.as_ref().is_some_and(|name| name.as_str() == peer)), "{peer}");
        lan.command(1, Command::Ping(peer.parse().unwrap())).unwrap();
    }
    let newcomer = lan.hosts.len();
    lan.start(newcomer, 4301, Vec::new(), OnlineCheck::Never);
    let (_, uri) = lan.invite(1);
    lan.join(newcomer, "till-4", Some(uri)).unwrap();
    lan.command(1, Command::Ping("till-4".parse().unwrap())).unwrap();
}

/// E3: no announcement ends a connection that stands, and when everything but the announcements is lost, the authority
/// is found at the address that was proven.
#[test]
fn announcements_neither_cut_nor_eclipse() {
    let mut lan = Lan::network(44, 2);
    let held = lan.open(1, "chat@till-2").unwrap().ticket.terms().id;
    flood_with_announcements(&mut lan, 1, 4100);
    let Ok(Answer::Peers(rows)) = lan.command(1, Command::Peers) else { panic!() };
    let connected = rows.iter().filter(|row| row.state == PeerState::Connected).count();
    assert_eq!(connected, 2, "the authority and the other member");
    assert_eq!(lan.open(1, "chat@till-2").unwrap().ticket.terms().id, held);
    lan.restart(1, 4400);
    flood_with_announcements(&mut lan, 1, 4100);
    lan.pass(Duration::from_secs(10));
    lan.command(1, Command::Ping("office".parse().unwrap())).unwrap();
    lan.restart(0, 4401);
    lan.pass(Duration::from_secs(10));
    lan.command(1, Command::Ping("office".parse().unwrap())).unwrap();
}

/// Every command is answered, whatever the other side says instead of an answer that fits.
#[test]
fn an_answer_that_does_not_fit_is_refused() {
    for wrong in [Response::Pong, Response::Status(true), Response::Reject(Reject::Busy)] {
        let mut lan = Lan::network(43, 2);
        lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
        let frame = message::frame(&wrong);
        lan.tamper = Some(Box::new(move |from, _, _| (from == 2).then(|| frame.clone())));
        assert!(lan.command(1, Command::GetTicket("chat@till-2".parse().unwrap())).is_err(), "{wrong:?}");
        if wrong != Response::Pong {
            assert!(lan.command(1, Command::Ping("till-2".parse().unwrap())).is_err(), "{wrong:?}");
        }
    }
}

/// A renewed certificate that a peer has not seen is shown again before anything is asked.
#[test]
fn a_lost_greeting_is_made_up_for() {
    let mut lan = Lan::network(44, 2);
    lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
    lan.tamper = Some(Box::new(|from, to, bytes| (from != 2 || to != 1).then_some(bytes)));
    lan.command(1, Command::Renew).unwrap();
    lan.tamper = None;
    lan.command(1, Command::GetTicket("file@till-2".parse().unwrap())).unwrap();
}

/// A connection may end under a question, as an idle one does just when somebody has something to ask.
#[test]
fn a_lost_question_is_asked_once_more() {
    let mut lan = Lan::network(46, 2);
    lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
    for lost in [1, 2] {
        let mut left = lost;
        lan.tamper = Some(Box::new(move |from, to, bytes| {
            let lose = left > 0 && (from, to) == (2, 1);
            left -= usize::from(lose);
            (!lose).then_some(bytes)
        }));
        let since = lan.wire.len();
        let answer = lan.command(1, Command::Ping("till-2".parse().unwrap()));
        assert_eq!(answer.is_ok(), lost == 1, "{answer:?}");
        assert_eq!(lan.requests_to(2, since).len(), 2);
    }
}

/// A request for a ticket names the requester's certificate, and a provider that has been shown a newer one meanwhile
/// takes it for invalid.
#[test]
fn a_ticket_is_asked_for_again_when_a_renewal_overtook_the_request() {
    let mut lan = Lan::network(47, 2);
    lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
    lan.slow.insert(2, Duration::from_secs(1));
    let mut overtaken = false;
    lan.tamper = Some(Box::new(move |from, to, bytes| {
        let grant = matches!(message::parse(&bytes), Ok(Response::Grant(_)));
        if (from, to) != (2, 1) || !grant || core::mem::replace(&mut overtaken, true) {
            return Some(bytes);
        }
        Some(message::frame(&Response::Reject(Reject::Invalid)))
    }));
    let (id, now) = (CommandId(1 << 40), lan.time(1));
    lan.hosts[1].engine.handle_open(id, Actor::Node, "chat@till-2".parse().unwrap(), now);
    lan.drain(1);
    lan.command(1, Command::Renew).unwrap();
    lan.run_until(|lan| lan.hosts[1].channels.contains_key(&id));
    assert!(lan.hosts[1].channels[&id].is_ok());
}

/// A question may overtake the greeting before it; who is not known as a member greets once more.
#[test]
fn a_question_that_overtook_the_greeting_is_asked_again() {
    let mut lan = Lan::network(48, 2);
    lan.command(1, Command::Ping("till-2".parse().unwrap())).unwrap();
    for times in [1, 2] {
        let mut left = times;
        lan.tamper = Some(Box::new(move |from, to, bytes| {
            let pong = matches!(message::parse(&bytes), Ok(Response::Pong));
            let overtake = left > 0 && pong && (from, to) == (2, 1);
            left -= usize::from(overtake);
            Some(if overtake { message::frame(&Response::Reject(Reject::NotMember)) } else { bytes })
        }));
        let since = lan.wire.len();
        let answer = lan.command(1, Command::Ping("till-2".parse().unwrap()));
        assert_eq!(answer.is_ok(), times == 1, "{answer:?}");
        let asked = lan.requests_to(2, since);
        assert!(asked.iter().any(|request| matches!(request, Request::Hello(_))), "{asked:?}");
    }
}

/// A1, A19: who says that he is the authority, of the very CA that others name, keeps nobody out who finds the true one.
#[test]
fn somebody_in_between_keeps_nobody_out() {
    let mut lan = Lan::new(49, 3);
    lan.init("open");
    lan.discover();
    lan.join(1, "till-1", None).unwrap();
    let liar = lan.id(1);
    lan.tamper = Some(Box::new(move |from, to, bytes| match message::parse(&bytes) {
        Ok(Response::WhoIs(told)) if (from, to) == (1, 2) => {
            Some(message::frame(&Response::WhoIs(WhoIsAnswer { authority: liar, ..told })))
        }
        _ => Some(bytes),
    }));
    lan.join(2, "till-2", None).unwrap();
}

/// A renewal that finds nobody is answered in time.
#[test]
fn a_renewal_without_an_authority_is_answered() {
    let mut lan = Lan::network(45, 1);
    lan.restart(1, 1100);
    lan.away.insert(0);
    for _ in 0..5 {
        let before = lan.now;
        assert_eq!(lan.command(1, Command::Renew).unwrap_err().code, Code::Unreachable);
        assert!(lan.now.since(before) <= Duration::from_secs(10));
        lan.pass(Duration::from_secs(47));
    }
}

/// A stranger who is merely connected is shown nothing when a node renews.
#[test]
fn a_renewal_shows_nothing_to_strangers() {
    let mut lan = Lan::network(46, 1);
    lan.start(2, 80, Vec::new(), OnlineCheck::Never);
    lan.discover();
    // A discovered node is greeted once, by whoever dials it.
    lan.pass(Duration::from_secs(2));
    let before = lan.wire.len();
    lan.command(0, Command::Renew).unwrap();
    lan.pass(Duration::from_secs(1));
    let greetings =
        lan.requests_to(2, before).into_iter().filter(|request| matches!(request, Request::Hello(_)));
    assert_eq!(greetings.count(), 0);
}

/// A right code with a name that is taken uses nothing up, and counts as no wrong guess.
#[test]
fn a_right_code_with_a_taken_name_costs_nothing() {
    let mut lan = Lan::network(47, 1);
    lan.start(2, 81, Vec::new(), OnlineCheck::Never);
    lan.discover();
    let (code, _) = lan.invite(1);
    for _ in 0..4 {
        let failure = lan.join(2, "till-1", Some(code.clone())).unwrap_err();
        assert!(failure.message.contains("has this name"), "{failure:?}");
    }
    lan.join(2, "till-2", Some(code)).unwrap();
}

/// A9: who is not admitted does not learn which names there are.
#[test]
fn names_are_not_told_to_who_is_not_admitted() {
    let mut lan = Lan::network(48, 1);
    lan.start(2, 82, Vec::new(), OnlineCheck::Never);
    let (_, uri) = lan.invite(1);
    let wrong = format!("{}{}", &uri[..uri.len() - 32], "0".repeat(32));
    let taken = lan.join(2, "till-1", Some(wrong.clone())).unwrap_err();
    assert_eq!(taken, lan.join(2, "till-9", Some(wrong)).unwrap_err());
}

/// Only one network at a time is made or joined.
#[test]
fn a_node_founds_or_joins_one_network_at_a_time() {
    let mut lan = Lan::new(49, 1);
    let join = lanyard_protocol::control::Join::new(None, "till".parse().unwrap(), None);
    let joining = lan.give(0, Command::Join(join));
    let init = found("open");
    assert_eq!(lan.command(0, Command::Init(init)).unwrap_err().code, Code::Failed);
    lan.run_until(|lan| lan.hosts[0].answers.contains_key(&joining));
}

/// R-L6: a certificate to seal a file to is the known one while it holds; who it is of is asked of the authority; and
/// without either there is none, at once.
#[test]
fn a_peers_certificate_is_known_or_got() {
    let mut lan = Lan::network(31, 2);
    let of = |lan: &mut Lan, name: &str| match lan.command(1, Command::CertificateOf(name.parse().unwrap())) {
        Ok(Answer::CertificateOf(got)) => Ok(got.certificate),
        Err(failure) => Err(failure.code),
        other => panic!("{other:?}"),
    };
    let own = |lan: &mut Lan, host| match lan.command(host, Command::Certificates) {
        Ok(Answer::Certificates(own)) => own.certificate,
        other => panic!("{other:?}"),
    };
    let theirs = own(&mut lan, 2);
    assert_eq!(of(&mut lan, "till-2"), Ok(theirs.clone()), "the authority knows it");
    let before = lan.wire.len();
    assert_eq!(of(&mut lan, "till-2"), Ok(theirs), "and now this node does");
    let mine = own(&mut lan, 1);
    assert_eq!(of(&mut lan, "till-1"), Ok(mine), "it is a peer to itself");
    assert_eq!(lan.wire.len(), before, "for neither a packet leaves");
    assert_eq!(of(&mut lan, "nobody"), Err(Code::NotFound));
}
