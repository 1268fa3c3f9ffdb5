//! The demonstration that the README promises.

use std::time::Duration;

use lanyard_tests::Host;

/// Runs without root, a network or a state, ends well, and leaves no state behind.
#[test]
fn demo_succeeds_and_cleans_up() {
    let host = Host::new("visitor");
    let demo = host.run_within(Duration::from_secs(120), ["demo"]).ok();
    assert!((demo.stdout() + &demo.stderr()).lines().count() >= 5, "explains what it does\n{demo}");
    assert!(!host.state().exists(), "leaves nothing behind");
}
