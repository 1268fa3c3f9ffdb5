//! Tickets that are taken back one by one, as users see it.

use std::time::Duration;

use lanyard_tests::{Host, Member, Process, SOON, wait_for};
use serde_json::Value;

fn tickets(host: &Host, kind: &str) -> Vec<Value> {
    let all = host.run(["ticket", "list", "--json"]).ok().json();
    all.as_array().unwrap().iter().filter(|ticket| ticket["kind"] == kind).cloned().collect()
}

/// The one ticket of a kind that a host has for a service.
fn ticket(host: &Host, kind: &str, service: &str) -> Value {
    let found: Vec<Value> =
        tickets(host, kind).into_iter().filter(|ticket| ticket["service"] == service).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

fn id_of(ticket: &Value) -> &str {
    ticket["id"].as_str().unwrap()
}

/// A file on its way that takes longer than the test.
struct Transfer {
    send: Process,
    receive: Process,
}

impl Transfer {
    fn begin(from: &Member, to: &Member) -> Self {
        let large = from.host.write_large("large.bin", 4 << 30);
        let inbox = to.host.path("inbox");
        let receive =
            to.host.start(["receive", "--yes", "--once", "--into", inbox.to_str().unwrap(), "--json"]);
        let send = from.host.start(["send", large.to_str().unwrap(), "carol", "--json"]);
        send.prints("some of it has arrived", SOON, |line| line.contains("progress"));
        Self { send, receive }
    }

    fn ends_cut(self, to: &Member) {
        for process in [self.send, self.receive] {
            let ended = process.ends(Duration::from_secs(10));
            assert_ne!(ended.code(), Some(0), "{ended}");
        }
        assert!(!to.host.path("inbox/large.bin").exists(), "half a file is none");
    }
}

/// C4: a provider ends a ticket, and the channel that runs on it; its holder is told when it shows it again, and may
/// then ask for another one.
#[test]
fn a_provider_ends_a_ticket_and_its_channels() {
    let alice = Member::authority("alice");
    let [bob, carol] = ["bob", "carol"].map(|name| alice.admit(name));
    let transfer = Transfer::begin(&bob, &carol);
    let minted = ticket(&carol.host, "minted", "file");
    assert_eq!([&minted["requester"], &minted["provider"]], ["bob", "carol"]);
    let held = ticket(&bob.host, "held", "file");
    assert_eq!(id_of(&held), id_of(&minted));
    let report = carol.host.run(["ticket", "revoke", id_of(&minted), "--json"]).ok().json();
    assert_eq!([&report["confirmed"], &report["revoked"]], [true, true]);
    transfer.ends_cut(&carol);
    assert_eq!(ticket(&carol.host, "minted", "file")["revoked"], true);

    let small = bob.host.write("small.bin", b"order");
    let small = small.to_str().unwrap();
    let refused = bob.host.run(["send", small, "carol"]).fails(4);
    assert!(refused.stderr().contains("the ticket is revoked"), "{refused}");
    let inbox = carol.host.path("inbox");
    let receive = carol.host.start(["receive", "--yes", "--once", "--into", inbox.to_str().unwrap()]);
    let _ = bob.host.run(["send", small, "carol"]).ok();
    let received = receive.ends(SOON);
    assert_eq!(received.code(), Some(0), "{received}");
    assert_ne!(id_of(&ticket(&bob.host, "held", "file")), id_of(&held));
    let _ = bob.host.run(["ticket", "revoke", id_of(&held)]).fails(6);
}

/// C4: a holder gives a ticket up: its channel ends, and the provider refuses it from then on. With the provider away
/// it is gone here all the same.
#[test]
fn a_holder_gives_a_ticket_up() {
    let alice = Member::authority("alice");
    let [bob, carol] = ["bob", "carol"].map(|name| alice.admit(name));
    let transfer = Transfer::begin(&bob, &carol);
    let held = ticket(&bob.host, "held", "file");
    let said = bob.host.run(["ticket", "revoke", id_of(&held)]).ok();
    assert!(said.stderr().contains("carol refuses it"), "{said}");
    transfer.ends_cut(&carol);
    assert!(tickets(&bob.host, "held").is_empty());
    assert_eq!(ticket(&carol.host, "minted", "file")["revoked"], true);

    let id = bob.host.run(["ticket", "get", "chat@carol"]).ok().stdout().trim().to_owned();
    let _ = carol.node.stop();
    wait_for("carol has gone", SOON, || {
        bob.peer("carol").is_none_or(|peer| peer["state"] != "connected").then_some(())
    });
    let said = bob.host.run(["ticket", "revoke", &id]).fails(5);
    assert!(said.stderr().contains("carol could not be told"), "{said}");
    assert!(tickets(&bob.host, "held").is_empty());
}
