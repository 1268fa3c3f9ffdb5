//! The audit log of real nodes: what is in it, and that it cannot be changed unseen.

use std::fs;
use std::path::PathBuf;

use lanyard_tests::{Host, Member, SOON, wait_for};
use serde_json::Value;

const FILES_ONLY: &str = "version = 1\n[roles]\nmember = [\"service.use\"]\n[[grant]]\nto = [\"role:member\"]\nservice = [\"file@*\"]\n";

/// What a host's log holds of one kind.
fn recorded(host: &Host, what: &str) -> Vec<Value> {
    let records = host.run(["audit", "--json"]).ok().json_lines();
    records.into_iter().filter(|record| record["what"] == what).collect()
}

/// The last entry of a kind, as soon as there is one.
fn last(host: &Host, what: &str) -> Value {
    wait_for(&format!("{} records {what}", host.name()), SOON, || recorded(host, what).pop())
}

/// How many records a log has, all of which are as they were written.
fn verified(host: &Host) -> u64 {
    let report = host.run(["audit", "--verify", "--json"]).ok().json();
    assert_eq!(report["fault"], Value::Null, "{report}");
    report["records"].as_u64().unwrap()
}

fn log_file(host: &Host) -> PathBuf {
    host.state().join("db/audit/00000000000000000001.jsonl")
}

/// R-T16, F7: a whole run is on record on both sides, and verifies while the nodes run and when they have stopped.
#[test]
fn a_run_is_on_record_on_both_sides() {
    let alice = Member::authority("alice");
    let [bob, carol] = ["bob", "carol"].map(|name| alice.admit(name));
    let uid = rustix::process::geteuid().as_raw();
    let gained = last(&alice.host, "membership_gained");
    assert_eq!((&gained["about"], &gained["who"]["uid"]), (&"shop.lan".into(), &uid.into()));
    assert_eq!(recorded(&alice.host, "invite_made").len(), 2);
    let admitted = recorded(&alice.host, "admitted");
    assert_eq!((&admitted[0]["about"], &admitted[1]["about"]), (&"bob".into(), &"carol".into()));
    let from = admitted[0]["from"].as_str().unwrap();
    assert!(from.parse::<std::net::SocketAddr>().unwrap().ip().is_loopback(), "{from}");
    assert_eq!(last(&bob.host, "membership_gained")["about"], "shop.lan");

    let _ = bob.host.run(["chat", "carol", "-m", "good morning"]).ok();
    let minted = last(&carol.host, "ticket_minted");
    assert_eq!((&minted["about"], &minted["who"]["name"]), (&"chat@carol".into(), &"bob".into()));
    assert_eq!(
        (&minted["decision"], &minted["reason"]),
        (&"allow".into(), &"policy 0, grant 1 (line 7)".into())
    );
    assert_eq!(last(&bob.host, "ticket_received")["about"], "chat@carol");
    let _ = bob.host.run(["ticket", "get", "backup@carol"]).fails(4);
    let refused = last(&bob.host, "ticket_refused");
    assert_eq!((&refused["about"], &refused["from"]), (&"backup@carol".into(), &"local".into()));
    assert_eq!(refused["decision"], "deny");

    let file = alice.host.write("policy.toml", FILES_ONLY.as_bytes());
    let _ = alice.host.run(["policy", "apply", file.to_str().unwrap()]).ok();
    for host in [&alice.host, &bob.host] {
        assert_eq!(last(host, "policy_applied")["about"], "version 1", "{}", host.name());
    }
    let _ = alice.host.run(["revoke", "bob", "--reason", "lost", "--wait"]).ok();
    let revoked = last(&alice.host, "revoked");
    assert_eq!((&revoked["about"], &revoked["reason"]), (&"bob".into(), &"lost".into()));
    assert_eq!(last(&carol.host, "revoked")["about"], "bob");
    assert_eq!(last(&bob.host, "membership_lost")["decision"], "deny");

    let hosts = [alice, bob, carol].map(|member| {
        let running = verified(&member.host);
        let _ = member.node.stop();
        assert!(running > 0 && verified(&member.host) >= running, "{}", member.host.name());
        member.host
    });
    let text = hosts[0].run(["audit"]).ok().stdout();
    assert!(
        text.lines().any(|line| line.contains("deny   revoked") && line.ends_with("bob: lost")),
        "{text}"
    );
}

/// F7: whoever changes a log on the disk is found out, whether the node runs or not, and a node that starts goes on.
#[test]
fn a_log_that_was_changed_on_the_disk_is_found() {
    let alice = Member::authority("alice");
    let _ = alice.admit("bob");
    let whole = verified(&alice.host);
    let (host, file) = (&alice.host, log_file(&alice.host));
    let good = fs::read(&file).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let (line, _) = text.lines().enumerate().find(|(_, line)| line.contains("\"admitted\"")).unwrap();
    fs::write(&file, text.replacen("\"admitted\"", "\"revoked\" ", 1)).unwrap();
    let refused = host.run(["audit", "--verify"]).fails(7);
    let number = line + 1;
    let place = format!("{}, line {number}", file.display());
    assert!(refused.stderr().contains(&format!("record {number} was altered ({place})")), "{refused}");
    fs::write(&file, &good).unwrap();
    assert_eq!(verified(host), whole);
    let _ = alice.node.stop();
    let good = fs::read(&file).unwrap();
    let cut = good[..good.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    fs::write(&file, &good[..cut]).unwrap();
    let refused = host.run(["audit", "--verify"]).fails(7);
    assert!(refused.stderr().contains("the log ends with record"), "{refused}");
    let node = host.up();
    let warnings = host.run(["status", "--json"]).ok().json()["warnings"].to_string();
    assert!(warnings.contains("the audit log is damaged"), "{warnings}");
    assert_eq!(last(host, "log_mended")["decision"], "deny");
    let _ = node.stop();
    fs::write(&file, good).unwrap();
}

/// R-C8: whoever follows a log sees what is decided as it is decided.
#[test]
fn a_log_is_followed() {
    let alice = Member::authority("alice");
    let follow = alice.host.start(["audit", "--follow"]);
    follow.prints("what there was", SOON, |line| line.contains("membership_gained"));
    let _ = alice.invite_uri();
    follow.prints("what is new", SOON, |line| line.contains("invite_made"));
    let _ = alice.node.stop();
    let _ = follow.ends(SOON).ok();
}

/// R-T14: one edit from the command line holds everywhere, and without a node the store answers what policy says.
#[test]
fn a_policy_is_edited_by_one_command() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let starter = alice.host.run(["policy", "show"]).ok().stdout();
    let _ = alice.host.run(["policy", "allow", "bob", "backup@alice", "--yes"]).ok();
    let text = alice.host.run(["policy", "show"]).ok().stdout();
    assert!(text.starts_with(&starter) && text.contains("to      = [\"node:bob\"]"), "{text}");
    let explained =
        |host: &Host| host.run(["policy", "explain", "node:bob", "backup@alice", "--json"]).ok().json();
    wait_for("it holds at bob, too", SOON, || (explained(&bob.host)["decision"] == "allow").then_some(()));
    let again = alice.host.run(["policy", "allow", "node:bob", "backup@alice", "--yes"]).ok();
    assert!(again.stdout().contains("allowed already, by grant 2"), "{again}");
    let broader = alice.host.run(["policy", "forbid", "node:bob", "chat@alice", "--yes"]).fails(1);
    assert!(broader.stderr().contains("grant 1 (line 7)"), "{broader}");
    let _ = bob.host.run(["policy", "allow", "node:bob", "x@alice", "--yes"]).fails(4);
    let _ = alice.host.run(["policy", "forbid", "node:bob", "backup@alice", "--yes"]).ok();
    wait_for("it ends at bob, too", SOON, || (explained(&bob.host)["decision"] == "deny").then_some(()));
    assert_eq!(alice.host.run(["policy", "show"]).ok().stdout().trim_end(), starter.trim_end());

    let _ = alice.node.stop();
    let _ = alice.host.run(["policy", "test"]).ok();
    let file = alice.host.write("other.toml", text.as_bytes());
    let changes = alice.host.run(["policy", "diff", file.to_str().unwrap()]).ok().stdout();
    assert!(changes.contains("+ to      = [\"node:bob\"]"), "{changes}");
}
