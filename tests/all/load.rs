//! Floods, and what honest peers notice of them: nothing.

use std::fs;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use lanyard_tests::{Applicants, Chatter, Flood, Host, Member, Puppet, SOON, crowd, frame, noise, wait_for};

use crate::gate::admitted;
use crate::spine::{chat_log, texts_of};

/// The most memory that a node has resident, whatever is thrown at it.
const RESIDENT_MAX: u64 = 100 << 20;

/// How much of a flood has to have come before anything is looked at.
const BEGUN: usize = 2000;

/// D7: two thousand silent connections to both ports, each replaced when it is cut, keep nobody out.
#[test]
fn silent_flood_keeps_nobody_out() {
    let _alone = one_at_a_time();
    let alice = Member::authority("alice");
    let targets = vec![alice.host.control_address(), alice.host.lane_address()];
    withstands(&alice, BEGUN, || vec![Flood::of_silence(crowd(200), targets, 2000)]);
}

/// D7: handshakes that send a byte a second keep nobody out.
#[test]
fn slow_handshakes_keep_nobody_out() {
    let _alone = one_at_a_time();
    let alice = Member::authority("alice");
    let target = alice.host.control_address();
    withstands(&alice, 600, || vec![Flood::of_slowness(crowd(100), target, 300)]);
}

/// D8: a thousand connections a second to each port, from two hundred addresses and from one, keep nobody out.
#[test]
fn connection_floods_keep_nobody_out() {
    let _alone = one_at_a_time();
    let alice = Member::authority("alice");
    let (control, lane) = (alice.host.control_address(), alice.host.lane_address());
    for many in [200, 1] {
        withstands(&alice, BEGUN, || {
            [control, lane].map(|target| Flood::of_connections(crowd(many), vec![target], 1000)).into()
        });
    }
}

/// A11: as many requests to enrol as ten thousand a minute, from one address and from two hundred, keep nobody out, and an
/// address that asks too often gets no answers.
#[test]
fn applicants_keep_nobody_out() {
    let _alone = one_at_a_time();
    let alice = Member::authority("alice");
    let target = alice.host.control_address();
    for many in [1, 200] {
        let applicants = Applicants::new(&crowd(many), target, "shop.lan", 170);
        wait_for("the applicants are being answered", SOON, || {
            (applicants.asked() >= 340 && applicants.answered() > 0).then_some(())
        });
        withstands(&alice, 0, Vec::new);
        let (asked, answered) = (applicants.asked(), applicants.answered());
        assert!(many > 1 || answered < asked / 2, "{answered} of {asked} were answered");
    }
}

/// D9: one member that opens streams without end, more than it may have at a time, and sends a file in records of a
/// byte each, is held to its share: it costs no memory and leaves nothing behind, its file arrives, and another
/// member opens channels and is answered all the while.
#[test]
fn a_member_that_takes_all_it_can_keeps_nobody_out() {
    let _alone = one_at_a_time();
    let shop = Greedy::new();
    let others = shop.takes_all_it_can(20_000, 250_000);
    assert!(others.len() >= 5, "another member opened {} channels only", others.len());
}

/// D12: where a process may have few descriptors, a member that opens every lane it gets leaves enough for the owner, the
/// store and other members; the soft limit is raised, and the owner is told how few lanes there are.
#[test]
fn lanes_leave_descriptors_for_everyone_else() {
    let _alone = one_at_a_time();
    let host = Host::new("alice");
    let _ = host.run(["init", "shop.lan", "--name", "alice"]).ok();
    let alice = Member { node: host.up_with_descriptors(256, 1024), host };
    let carol = alice.admit("carol");
    let mallory = admitted("mallory", &alice);
    let mut greeted = mallory.connect(alice.host.control_address(), "/lanyard/control/1");
    let provider = mallory.greet(&mut greeted);
    let ticket = mallory.ticket(&mut greeted, &provider, "chat");
    let lane = alice.host.lane_address();
    let lanes: Vec<_> = (0..2000).map_while(|_| mallory.lane(&ticket, lane).ok()).collect();

    let status = alice.host.run(["status", "--json"]).ok().json();
    assert!(status["warnings"].to_string().contains("1024 descriptors, so peers have 64 lanes"), "{status}");
    let said = carol.host.run(["chat", "alice", "-m", "is there room?", "--json"]).ok().json();
    assert_eq!(said["state"], "delivered");
    assert_eq!(lanes.len(), 16, "lanes that one member got");
    assert!(alice.node.log().contains("fewer lanes than configured"), "{}", alice.node.log());
    drop(lanes);
}

/// Somebody who wants everything, where he gets it, and somebody else who wants something too.
struct Greedy {
    alice: Member,
    carol: Member,
    mallory: Puppet,
}

/// Streams that a member may have at a time, and a stranger may not; and streams that nobody may have.
const AS_MANY: u32 = 200;
const TOO_MANY: u32 = 400;

/// Streams that a member opens at a time here: more than the node looks at.
const AT_A_TIME: usize = 64;

/// What a member's greed may cost a node for good.
const GROWTH_MAX: u64 = 32 << 20;

impl Greedy {
    fn new() -> Self {
        let alice = Member::authority("alice");
        let carol = alice.admit("carol");
        let mallory = admitted("mallory", &alice);
        Self { alice, carol, mallory }
    }

    /// Opens so many streams and sends so many records, checks what became of it, and says how long another member
    /// waited for each of its channels meanwhile.
    fn takes_all_it_can(&self, streams: usize, records: usize) -> Vec<Duration> {
        let Self { alice, mallory, .. } = self;
        let (control, lane) = (alice.host.control_address(), alice.host.lane_address());
        let inbox = alice.host.path("inbox");
        let receive = alice.host.start(["receive", "--into", inbox.to_str().unwrap(), "--yes", "--once"]);
        let mut greeted = mallory.connect(control, "/lanyard/control/1");
        let provider = mallory.greet(&mut greeted);
        let ticket = mallory.ticket(&mut greeted, &provider, "file");
        let before = (alice.node.resident(), alice.node.sockets());
        let content = noise(9, records);
        let over = AtomicBool::new(false);
        let others = thread::scope(|scope| {
            let (flag, over) = (&over, Over(&over));
            let others = scope.spawn(|| self.others_until(flag));
            let sent = scope.spawn(|| {
                mallory.lane(&ticket, lane).unwrap().send_byte_by_byte("bytes.bin", &content).unwrap();
            });
            // Each begins as a channel does, and goes on as none does.
            let mut flood = mallory.connect(control, "/lanyard/lane/1");
            let taken = flood.flood(&[1, 3, 188, 2], streams, AT_A_TIME);
            assert!((1..=streams).contains(&taken), "{taken} of {streams} were taken");
            sent.join().unwrap();
            drop(over);
            others.join().unwrap()
        });
        let _ = receive.ends(SOON).ok();
        assert!(fs::read(inbox.join("bytes.bin")).unwrap() == content, "the file differs");

        // More than a stranger may have are fine; so many are more than anybody may have, and end the connection.
        let _ = mallory.greet(&mut greeted);
        let mut frames = mallory.frames(control).unwrap();
        let opening = |streams: Range<u32>| -> Vec<u8> {
            streams.flat_map(|stream| frame(1, 1, 2 * stream + 1, 0, &[])).collect()
        };
        frames.send(&opening(0..AS_MANY));
        assert!(frames.is_answered(), "a member may have {AS_MANY} streams at a time");
        frames.send(&opening(AS_MANY..TOO_MANY));
        assert!(frames.is_refused(), "{TOO_MANY} streams at a time");
        drop((frames, greeted));
        wait_for("all that it had is closed", SOON, || (alice.node.sockets() <= before.1 + 2).then_some(()));
        let resident = alice.node.resident();
        assert!(resident <= RESIDENT_MAX, "{resident} bytes are resident");
        let grown = resident.saturating_sub(before.0);
        assert!(grown <= GROWTH_MAX, "has grown by {grown} bytes");
        assert!(!alice.node.log().contains("panicked"), "{}", alice.node.log());
        others
    }

    /// Channels that another member opens, one after the other, and is answered on; how long each one took.
    #[expect(clippy::disallowed_methods, reason = "a measurement is of real time")]
    fn others_until(&self, over: &AtomicBool) -> Vec<Duration> {
        let mut times = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let start = Instant::now();
            let channel = Chatter::open(&self.carol.host, "alice").unwrap();
            times.push(start.elapsed());
            channel.end().unwrap();
        }
        times
    }
}

/// Says that it is over when it is dropped, also by a failure.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Measures how long a member waits for a channel while another takes all that it can, and before: with the release
/// binary in `$LANYARD_BIN`, `cargo test -p lanyard-tests greed_figures -- --ignored --nocapture`.
#[test]
#[ignore = "measures, by hand"]
#[expect(clippy::disallowed_methods, reason = "a measurement is of real time")]
fn greed_figures() {
    let shop = Greedy::new();
    let over = AtomicBool::new(false);
    let alone = thread::scope(|scope| {
        let (flag, over) = (&over, Over(&over));
        let alone = scope.spawn(|| shop.others_until(flag));
        let start = Instant::now();
        wait_for("ten seconds have passed", SOON, || (start.elapsed().as_secs() >= 10).then_some(()));
        drop(over);
        alone.join().unwrap()
    });
    let start = Instant::now();
    let meanwhile = shop.takes_all_it_can(100_000, 1_000_000);
    let took = start.elapsed();
    for (when, mut times) in [("alone", alone), ("meanwhile", meanwhile)] {
        times.sort();
        let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        eprintln!(
            "{when}: {} channels, median {:?}, p99 {:?}, max {:?}",
            times.len(),
            at(50),
            at(99),
            at(100)
        );
    }
    eprintln!(
        "100,000 streams and 1,000,000 records in {took:?}, resident {} KiB",
        shop.alice.node.resident() >> 10
    );
}

/// While the floods go on, a new peer joins and both talk; memory stays bounded, and afterwards nothing is left of it.
fn withstands(alice: &Member, begun: usize, floods: impl FnOnce() -> Vec<Flood>) {
    let before = alice.node.sockets();
    let floods = floods();
    wait_for("the flood has come", SOON, || floods.iter().all(|flood| flood.done() >= begun).then_some(()));
    let peers = alice.host.run(["peers", "--json"]).ok().json().as_array().unwrap().len();
    let name = format!("bob{peers}");
    let bob = alice.admit(&name);
    let _ = bob.host.run(["chat", "alice", "-m", "through the flood"]).ok();
    assert_eq!(texts_of(&chat_log(&alice.host, &name, 1)), ["through the flood"]);
    let _ = bob.host.run(["ping", "alice"]).ok();
    let resident = alice.node.resident();
    assert!(resident <= RESIDENT_MAX, "{resident} bytes are resident");
    drop(floods);
    drop(bob);
    wait_for("the sockets of the flood are closed", SOON, || {
        (alice.node.sockets() <= before + 2).then_some(())
    });
    let carol = alice.admit(&format!("carol{peers}"));
    let _ = carol.host.run(["chat", "alice", "-m", "after the flood"]).ok();
    drop(carol);
    wait_for("carol is gone", SOON, || (alice.node.sockets() <= before + 2).then_some(()));
}

/// Two floods at a time would be one that nobody has described.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A flood, by name, and how to begin it.
type Kind = (&'static str, Box<dyn Fn() -> (Vec<Flood>, Option<Applicants>)>);

/// Measures how long it takes to start a node, to join and to say something: with the release binary in
/// `$LANYARD_BIN`, `cargo test -p lanyard-tests flood_figures -- --ignored --nocapture`.
#[test]
#[ignore = "measures, by hand"]
#[expect(clippy::disallowed_methods, reason = "a measurement is of real time")]
fn flood_figures() {
    let alice = Member::authority("alice");
    let (control, lane) = (alice.host.control_address(), alice.host.lane_address());
    let each =
        move |many| [control, lane].map(|to| Flood::of_connections(crowd(many), vec![to], 1000)).into();
    let applicants = move |many| Some(Applicants::new(&crowd(many), control, "shop.lan", 170));
    let kinds: [Kind; 7] = [
        ("nothing", Box::new(|| (Vec::new(), None))),
        ("silence", Box::new(move || (vec![Flood::of_silence(crowd(200), vec![control, lane], 2000)], None))),
        ("slowness", Box::new(move || (vec![Flood::of_slowness(crowd(100), control, 300)], None))),
        ("connections of 200", Box::new(move || (each(200), None))),
        ("connections of 1", Box::new(move || (each(1), None))),
        ("applicants of 200", Box::new(move || (Vec::new(), applicants(200)))),
        ("applicants of 1", Box::new(move || (Vec::new(), applicants(1)))),
    ];
    for (index, (kind, flood)) in kinds.into_iter().enumerate() {
        let before = alice.node.sockets();
        let (floods, applicants) = flood();
        let begun = Instant::now();
        let (mut times, mut resident) = (Vec::new(), 0);
        for round in 0..10 {
            let (uri, start) = (alice.invite_uri(), Instant::now());
            let host = Host::new(&format!("peer{index}x{round}"));
            let node = host.up_with(&["--join", &uri, "--name", host.name()]);
            let _ = host.run(["chat", "alice", "-m", "hello"]).ok();
            times.push(start.elapsed());
            resident = resident.max(alice.node.resident());
            drop(node);
        }
        // As long as the threats say.
        wait_for("twenty seconds have passed", SOON, || (begun.elapsed().as_secs() >= 20).then_some(()));
        resident = resident.max(alice.node.resident());
        let done: Vec<_> = floods.iter().map(Flood::done).collect();
        let asked = applicants.as_ref().map(|all| (all.asked(), all.answered()));
        drop((floods, applicants));
        let start = Instant::now();
        wait_for("the sockets are closed", SOON, || (alice.node.sockets() <= before + 2).then_some(()));
        let recovery = start.elapsed();
        times.sort();
        eprintln!(
            "{kind}: median {:?}, max {:?}, resident {} KiB, recovered in {recovery:?}; {done:?} {asked:?}",
            times[5],
            times[9],
            resident >> 10
        );
    }
}
