//! Memberships that are taken away, as users see it.

use std::time::Duration;

use lanyard_tests::{Host, Member, RunningNode, SOON, wait_for};
use serde_json::{Value, json};

fn status(host: &Host) -> Value {
    host.run(["status", "--json"]).ok().json()
}

fn learns_that_it_is_revoked(host: &Host) {
    wait_for("it learns that it was revoked", SOON, || (status(host)["state"] == "revoked").then_some(()));
}

/// B7: one command ends a membership at every member that is there, and for good: restarts and invites change nothing.
#[test]
fn revoke_ends_a_membership_everywhere() {
    let alice = Member::authority("alice");
    let [bob, carol, dave] = ["bob", "carol", "dave"].map(|name| alice.admit(name));
    let _ = carol.host.run(["ping", "bob"]).ok();
    let _ = bob.host.run(["ticket", "get", "chat@carol"]).ok();
    let report = alice.host.run(["revoke", "bob", "--wait", "--reason", "lost", "--json"]).ok().json();
    assert_eq!(report["peer"], "bob");
    assert_eq!([&report["live"], &report["confirmed"]], [2, 2]);
    assert_eq!([&report["missing"], &report["offline"]], [&json!([]), &json!([])]);

    for member in [&alice, &carol] {
        let refused = member.host.run(["ping", "bob"]).fails(4);
        assert!(refused.stderr().contains("revoked"), "{refused}");
        assert_eq!(member.peer("bob").unwrap()["state"], "revoked");
    }
    assert_eq!(status(&dave.host)["epochs"]["revocations"], 1, "though it never met bob");
    let _ = carol.host.run(["chat", "bob", "-m", "are you there?"]).fails(4);
    learns_that_it_is_revoked(&bob.host);
    for command in [&["ping", "carol"][..], &["ticket", "get", "chat@carol"], &["cert", "renew"]] {
        let refused = bob.host.run(command).fails(4);
        assert!(refused.stderr().contains("revoked"), "{refused}");
    }

    let alice = killed_and_started_again(alice);
    let bob = killed_and_started_again(bob);
    assert_eq!(status(&bob.host)["state"], "revoked");
    let _ = alice.host.run(["ping", "bob"]).fails(4);
    let _ = carol.host.run(["ping", "dave"]).ok();
    let uri = alice.invite_uri();
    let refused = bob.host.run(["join", &uri, "--name", "bob"]).fails(4);
    assert!(refused.stderr().contains("revoked"), "{refused}");
    // The name is free for whoever comes with a key of its own.
    let newcomer = Host::new("bob");
    let _ = newcomer.run(["join", &uri, "--name", "bob"]).ok();
}

fn killed_and_started_again(member: Member) -> Member {
    let Member { node, host } = member;
    let _ = node.kill9();
    Member { node: host.up(), host }
}

/// B7: who was not there is listed, and obeys as soon as it is back; so does the one that was revoked meanwhile.
#[test]
fn those_who_were_away_learn_when_they_are_back() {
    let alice = Member::authority("alice");
    let [bob, carol] = ["bob", "carol"].map(|name| alice.admit(name));
    let _ = carol.host.run(["ping", "bob"]).ok();
    let (bob_host, carol_host) = (stopped(bob), stopped(carol));
    gone(&alice, "bob");
    gone(&alice, "carol");
    let report = alice.host.run(["revoke", "bob", "--wait=2s", "--json"]).ok().json();
    assert_eq!([&report["live"], &report["offline"]], [&json!(0), &json!(["carol"])]);
    let carol = Member { node: carol_host.up(), host: carol_host };
    carol.meets(&alice.host);
    wait_for("carol learns of it", SOON, || {
        (status(&carol.host)["epochs"]["revocations"] == 1).then_some(())
    });
    let _ = carol.host.run(["ping", "bob"]).fails(4);
    let _bob: RunningNode = bob_host.up();
    learns_that_it_is_revoked(&bob_host);
}

fn stopped(member: Member) -> Host {
    let _ = member.node.stop();
    member.host
}

fn gone(authority: &Member, name: &str) {
    wait_for("it has gone", SOON, || {
        authority.peer(name).is_none_or(|peer| peer["state"] != "connected").then_some(())
    });
}

/// B7: a file on its way to or from a revoked node stops where it is.
#[test]
fn a_transfer_of_a_revoked_node_is_cut() {
    let alice = Member::authority("alice");
    let [bob, carol] = ["bob", "carol"].map(|name| alice.admit(name));
    // It cannot all be on its way by the time that the receiver has opened its terminal.
    let large = bob.host.write_large("large.bin", 4 << 30);
    let inbox = carol.host.path("inbox");
    let inbox = inbox.to_str().unwrap();
    let receive = carol.host.start(["receive", "--yes", "--once", "--into", inbox, "--json"]);
    let send = bob.host.start(["send", large.to_str().unwrap(), "carol", "--json"]);
    send.prints("some of it has arrived", SOON, |line| line.contains("progress"));
    let _ = alice.host.run(["revoke", "bob", "--wait"]).ok();
    let sent = send.ends(Duration::from_secs(10));
    assert_ne!(sent.code(), Some(0), "{sent}");
    let received = receive.ends(Duration::from_secs(10));
    assert_ne!(received.code(), Some(0), "{received}");
    assert!(!carol.host.path("inbox/large.bin").exists(), "half a file is none");
}

#[test]
fn says_who_cannot_be_revoked_and_by_whom() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let _ = bob.host.run(["revoke", "alice"]).fails(4);
    let _ = alice.host.run(["revoke", "alice"]).fails(2);
    let _ = alice.host.run(["revoke", "nobody"]).fails(6);
    let _ = Host::new("carol").run(["revoke", "bob"]).fails(3);
}
