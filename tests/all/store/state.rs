//! What `lanyard state` does with a real node.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;

use lanyard_node::store::Store;
use lanyard_protocol::record::Table;
use lanyard_tests::{Host, Member, SOON, is_root, wait_for};

use super::ledger::{Chance, Order, fits_together};
use crate::spine::chat_log;

/// R-C3, A5: an authority that was exported while it ran goes on from the export as itself; an invite that was open
/// then admits nobody any more, and who was a member is one.
#[test]
fn restored_authority_goes_on_and_opens_no_old_invite() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let _ = alice.host.run(["chat", "bob", "-m", "before"]).ok();
    let uri = alice.invite_uri();
    let passphrase = alice.host.write("passphrase", b"correct horse battery staple\n");
    let file = alice.host.path("alice.export");
    let (file, passphrase) = (file.to_str().unwrap(), passphrase.to_str().unwrap());
    let sealed = ["--passphrase-file", passphrase];
    let exported = alice.host.run(["--json", "state", "export", file, sealed[0], sealed[1]]).ok().json();
    assert_eq!((&exported["name"], &exported["sealed"]), (&"alice".into(), &true.into()));
    // Decided after the export: it is lost.
    let late = alice.admit("late");
    let _ = alice.host.run(["chat", "bob", "-m", "lost"]).ok();
    let fingerprint = alice.host.run(["--json", "ca", "show"]).ok().json()["fingerprint"].clone();
    let Member { node, host } = alice;
    let _ = node.stop();

    let _ = host.run(["state", "verify", file]).fails(2).says("passphrase");
    let verified = host.run(["--json", "state", "verify", file, sealed[0], sealed[1]]).ok().json();
    assert_eq!(verified, exported);
    // Never over a node that is there.
    let _ = host.run(["state", "restore", file, sealed[0], sealed[1]]).fails(1).says("already");
    fs::rename(host.state().join("db"), host.path("old")).unwrap();
    let _ = host.run(["state", "restore", file, sealed[0], sealed[1]]).ok();
    assert_eq!(host.run(["--json", "ca", "show"]).ok().json()["fingerprint"], fingerprint);

    let alice = Member { node: host.up(), host };
    alice.meets(&bob.host);
    let _ = bob.host.run(["cert", "renew"]).ok();
    // Who came after the export is a stranger to it.
    let _ = late.host.run(["cert", "renew"]).fails(5);
    let refused = Host::new("thief").run(["join", &uri, "--name", "thief"]);
    let _ = refused.fails(4);
    let _ = alice.host.run(["chat", "bob", "-m", "after"]).ok();
    let lines = chat_log(&bob.host, "alice", 3);
    let texts: Vec<_> = lines.iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["before", "lost", "after"]);
}

/// F4, F6: an authority has an export of itself from its first day on, for its own eyes, from which it goes on where a
/// flipped bit has made its database unreadable.
#[test]
fn authority_exports_itself_and_goes_on_from_it_after_bit_rot() {
    let alice = Member::authority("alice");
    let exports = alice.host.state().join("db/exports");
    let export = wait_for("there is an export", SOON, || newest(&exports));
    assert_eq!(fs::metadata(&exports).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(&export).unwrap().permissions().mode() & 0o777, 0o600);
    let bob = alice.admit("bob");
    assert!(!bob.host.state().join("db/exports").exists(), "a member's state is nobody else's membership");
    let Member { node, host } = alice;
    let _ = node.stop();

    let log = host.state().join("db/data/db");
    let mut bytes = fs::read(&log).unwrap();
    bytes.iter_mut().skip(20).step_by(97).for_each(|byte| *byte ^= 0x10);
    fs::write(&log, bytes).unwrap();
    let refused = host.run(host.up_arguments()).fails(7).says("data");
    assert!(refused.stderr().contains("state restore"), "{refused}");
    fs::rename(host.state().join("db"), host.state().join("db.rotten")).unwrap();
    let export = host.state().join("db.rotten/exports").join(export.file_name().unwrap());
    let _ = host.run(["state", "restore", export.to_str().unwrap()]).ok();
    let _node = host.up();
    assert_eq!(host.run(["status", "--json"]).ok().json()["role"], "authority");
}

/// F5: a state of a later version is refused with what to do, and left as it is.
#[test]
fn newer_state_is_refused_by_name() {
    let Member { node, host } = Member::authority("alice");
    let _ = node.stop();
    let key = host.state().join("db/key");
    let own = fs::read_to_string(&key).unwrap();
    fs::write(&key, own.replace("store-key-1", "store-key-2")).unwrap();
    let refused = host.run(host.up_arguments()).fails(7).says("format 2");
    assert!(refused.stderr().contains("newer lanyard"), "{refused}");
    let file = host.path("export");
    let _ = host.run(["state", "export", file.to_str().unwrap()]).fails(7).says("format 2");
    fs::write(&key, own).unwrap();
    let _ = host.up().stop();
}

/// F6: a store of another user is refused, whichever part of it is, with the remedy.
#[test]
fn store_of_another_user_is_refused() {
    if !is_root() {
        return;
    }
    let Member { node, host } = Member::authority("alice");
    let _ = node.stop();
    for part in ["db", "db/key", "db/data", "db/tip", "db/lock"] {
        let path = host.state().join(part);
        chown(&path, Some(65_534), None).unwrap();
        let refused = host.run(host.up_arguments()).fails(1).says("65534");
        assert!(refused.stderr().contains(&format!("chown 0 {}", path.display())), "{refused}");
        chown(&path, Some(0), None).unwrap();
    }
    let _ = host.up().stop();
}

/// F1: an export that is made while the node is at work is of one moment: no change is in it by half.
#[test]
fn export_under_load_is_of_one_moment() {
    let mut chance = Chance::new();
    let alice = Member::authority("alice");
    let _bob = alice.admit("bob");
    for round in 0..8 {
        let given: Vec<_> = (0..4).map(|_| Order::give_any(&alice.host, &mut chance)).collect();
        chance.pass(60);
        let file = alice.host.path(&format!("{round}.export"));
        let file = file.to_str().unwrap();
        let _ = alice.host.run(["state", "export", file]).ok();
        let other = Host::new("other");
        let _ = other.run(["state", "restore", file]).ok();
        let mut loaded = Store::open(&other.state()).unwrap().load(&Table::ALL).unwrap();
        // Conversations are numbered anew, so their heads are not there.
        loaded.records.retain(|record| !matches!(record.table, Table::Chat | Table::Outbox));
        fits_together(&loaded);
        given.into_iter().for_each(|given| drop(given.note(&mut super::ledger::Ledger::default())));
    }
}

fn newest(folder: &std::path::Path) -> Option<PathBuf> {
    let paths = fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "export")).max()
}
