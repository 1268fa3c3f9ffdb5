//! Wall clocks that are wrong, with real processes.

use std::fs;

use lanyard_tests::{Host, Member, SOON, WallClock, wait_for};

/// Long before today: what was issued then has ended.
const LONG_AGO: &str = "-400d";

/// B5: a member whose certificate has ended, as it learns from what another member shows, gets nothing and says why
/// when its clock is set back to before that end, while it runs and after it was started again.
#[test]
fn clock_set_back_revives_no_certificate() {
    let Some([clock_of_alice, clock_of_bob]) = two_clocks() else { return };
    clock_of_alice.set(LONG_AGO);
    clock_of_bob.set(LONG_AGO);
    let alice = Member::authority_on(Host::new("alice").with_clock(clock_of_alice));
    let bob = alice.admit_host(Host::new("bob").with_clock(clock_of_bob));
    let _ = bob.host.run(["ping", "alice"]).ok();
    let _ = bob.node.stop();

    alice.host.set_clock("+0");
    wait_for("the authority has renewed its own certificate", SOON, || {
        (alice.host.run(["status", "--json"]).ok().json()["state"] == "running").then_some(())
    });
    let carol = Host::new("carol");
    fs::create_dir_all(carol.state()).unwrap();
    let contact = format!("peers = [\"{}\"]\n", bob.host.control_address());
    fs::write(carol.state().join("config.toml"), contact).unwrap();
    let carol = alice.admit_host(carol);
    let _ = alice.node.stop();

    bob.host.set_clock("+0");
    let node = bob.host.up();
    wait_for("carol has shown her certificate", SOON * 2, || {
        let peers = bob.host.run(["peers", "--json"]).ok().json();
        peers.as_array().unwrap().iter().any(|peer| peer["name"] == "carol").then_some(())
    });
    let _ = bob.host.run(["ping", "carol"]).fails(4).says("expired");
    bob.host.set_clock(LONG_AGO);
    let _ = bob.host.run(["ping", "carol"]).fails(4).says("expired");
    node.logs("set the clock right");
    let _ = node.kill9();

    let node = bob.host.up();
    let _ = bob.host.run(["ping", "carol"]).fails(4).says("expired");
    let status = bob.host.run(["status", "--json"]).ok().json();
    assert_eq!(status["state"], "expired");
    let warnings = status["warnings"].to_string();
    assert!(warnings.contains("this host's clock says") && warnings.contains("expired"), "{warnings}");
    node.logs("set the clock right");
    drop(carol);
}

/// B5: a clock that was set forward 400 days and back has ended nothing.
#[test]
fn clock_set_forward_and_back_expires_nothing() {
    let Some(clock) = WallClock::new() else { return };
    let alice = Member::authority("alice");
    let bob = alice.admit_host(Host::new("bob").with_clock(clock));
    bob.host.set_clock("+400d");
    let _ = bob.host.run(["ping", "alice"]).fails(4).says("expired");
    bob.node.logs("the authority's");
    bob.host.set_clock("+0");
    let _ = bob.host.run(["ping", "alice"]).ok();
    assert_eq!(bob.host.run(["status", "--json"]).ok().json()["warnings"], serde_json::json!([]));
}

/// B5: whatever a node is about to do it does in time, though its clock was set back an hour meanwhile: it finds its
/// authority again.
#[test]
fn clock_set_back_delays_nothing() {
    let Some(clock) = WallClock::new() else { return };
    let alice = Member::authority("alice");
    let bob = alice.admit_host(Host::new("bob").with_clock(clock));
    let _ = alice.node.kill9();
    wait_for("bob has lost the authority", SOON, || {
        let status = bob.host.run(["status", "--json"]).ok().json();
        (status["authority"]["reachable"] == false).then_some(())
    });
    bob.host.set_clock("-1h");
    let _alice = alice.host.up();
    bob.meets(&alice.host);
    let _ = bob.host.run(["ping", "alice"]).ok();
}

fn two_clocks() -> Option<[WallClock; 2]> {
    Some([WallClock::new()?, WallClock::new()?])
}
