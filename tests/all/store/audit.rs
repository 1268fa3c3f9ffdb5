//! The audit log of a node that is killed, or whose disk is full.

use lanyard_tests::Member;

use super::ledger::Chance;

/// F1, F7: a node that is killed in the middle of appends has a log that verifies, and whatever it acknowledged is in it.
#[test]
fn killed_while_it_appends_leaves_a_log_that_verifies() {
    let mut chance = Chance::new();
    let mut alice = Member::authority("alice");
    let (mut acknowledged, mut unfinished) = (0, 0);
    for round in 0..10 {
        let given: Vec<_> = (0..4).map(|_| alice.host.start(["invite", "--uri"])).collect();
        // Stretching the code of an invite takes most of a second.
        chance.pass(1500);
        let _ = alice.node.kill9();
        for given in given {
            acknowledged += usize::from(given.ends(lanyard_tests::SOON).code() == Some(0));
        }
        // Without a node, from the store; every other time it is left to the node that starts.
        if round % 2 == 0 {
            let report = alice.host.run(["audit", "--verify", "--json"]).ok().json();
            unfinished += u64::from(report["unfinished"] != 0);
        }
        alice.node = alice.host.up();
        let _ = alice.host.run(["audit", "--verify"]).ok();
    }
    let records = alice.host.run(["audit", "--json"]).ok().json_lines();
    let made = records.iter().filter(|record| record["what"] == "invite_made").count();
    assert!(made >= acknowledged, "{acknowledged} invites were given out, and {made} are on record");
    assert!(acknowledged >= 4, "hardly anything was acknowledged: {acknowledged}");
    eprintln!("{acknowledged} acknowledged, {made} on record, {unfinished} unfinished");
}
