//! Floods, and what honest peers notice of them: nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lanyard_tests::{Applicants, Flood, Host, Member, SOON, crowd, wait_for};

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

/// A11: as many requests to enrol as ten thousand a minute, from one address and from forty, keep nobody out, and an
/// address that asks too often gets no answers.
#[test]
fn applicants_keep_nobody_out() {
    let _alone = one_at_a_time();
    let alice = Member::authority("alice");
    let target = alice.host.control_address();
    for many in [1, 40] {
        let applicants = Applicants::new(&crowd(many), target, "shop.lan", 170);
        wait_for("the applicants are being answered", SOON, || {
            (applicants.asked() >= 340 && applicants.answered() > 0).then_some(())
        });
        withstands(&alice, 0, Vec::new);
        let (asked, answered) = (applicants.asked(), applicants.answered());
        assert!(many > 1 || answered < asked / 2, "{answered} of {asked} were answered");
    }
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
