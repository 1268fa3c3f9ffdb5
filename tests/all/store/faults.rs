//! Disks that are full, and disks that fail.

use std::fs;
use std::io::Write as _;

use lanyard_tests::{FaultyNode, Host, Member, Output, SOON, wait_for};

use super::ledger::{Chance, Ledger, ORDERS};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// F3: on a full file system every request is refused or kept; the node runs on, and works again when there is room.
#[test]
fn full_file_system_refuses_by_name_and_recovers() {
    let Some(host) = Host::new("alice").on_power_disk(32) else { return };
    let mut chance = Chance::new();
    let mut ledger = Ledger::default();
    let alice = Member::authority_on(host);
    let _bob = alice.admit("bob");
    assert_eq!(give_all(&alice.host, &mut chance, &mut ledger).len(), 0);

    let ballast = alice.host.state().join("ballast");
    let mut file = fs::File::create(&ballast).unwrap();
    for size in [1 << 16, 1 << 10, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    file.sync_all().ok();
    // The database has a little room left within its own files.
    let refused = (0..200).find_map(|_| give_all(&alice.host, &mut chance, &mut ledger).pop()).unwrap();
    assert!(refused.stderr().contains("room") || refused.stderr().contains("disk"), "{refused}");
    let export = alice.host.state().join("export");
    let refused = alice.host.run(["state", "export", export.to_str().unwrap()]).fails(1);
    assert!(refused.stderr().contains("No space left"), "{refused}");
    let names = fs::read_dir(alice.host.state()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(
        names.into_iter().all(|name| !name.to_string_lossy().contains("export")),
        "half an export is left"
    );
    assert_eq!(alice.host.run(["status", "--json"]).ok().json()["state"], "running");

    drop(file);
    fs::remove_file(&ballast).unwrap();
    // The file system gives the room away again with its next transaction.
    fs::File::open(alice.host.state()).unwrap().sync_all().unwrap();
    wait_for("everything is kept again", SOON, || {
        give_all(&alice.host, &mut chance, &mut ledger).is_empty().then_some(())
    });
    // What was decided meanwhile is on record, or that it is not.
    let report = alice.host.run(["audit", "--verify", "--json"]).ok().json();
    assert!(report["records"].as_u64() > Some(0), "{report}");
    let Member { node, host } = alice;
    let _ = node.stop();
    let _ = host.run(["audit", "--verify"]).ok();
    ledger.check(&host.state());
}

/// F3: while the disk fails nothing is acknowledged that is not kept, nothing hangs and nothing panics; when it works
/// again so does the node, without a restart, and it stops cleanly also while the disk fails.
///
/// Of reading and writing only the calls that the database makes are failed: the others also wake threads up.
#[test]
fn failing_disk_refuses_and_recovers_without_a_restart() {
    let mut chance = Chance::new();
    let mut ledger = Ledger::default();
    let alice = Member::authority("alice");
    let _bob = alice.admit("bob");
    let host = alice.host;
    let _ = alice.node.stop();
    let Some(node) = FaultyNode::up(&host) else { return };
    for (name, errno, probability) in [
        ("posix/io/sync/fsync", EIO, 1.0),
        ("posix/io/rw/pwrite", EIO, 1.0),
        ("posix/io/rw/pwrite", ENOSPC, 1.0),
        ("posix/io/rw/pread", EIO, 1.0),
        ("posix/io/oc/open", EIO, 1.0),
        ("posix/io/sync/fsync", EIO, 0.3),
        ("posix/io/rw/pwrite", EIO, 0.3),
        ("posix/io/rw/pwrite/reduce", EIO, 0.3),
    ] {
        assert_eq!(give_all(&host, &mut chance, &mut ledger).len(), 0, "before {name}");
        node.fail(name, errno, probability);
        let before = ledger.count;
        for _ in 0..3 {
            for refused in give_all(&host, &mut chance, &mut ledger) {
                let words = refused.stderr();
                assert!(
                    words.contains("store") || words.contains("database") || words.contains("db"),
                    "{refused}"
                );
                assert!(
                    words.contains("disk") || words.contains("space") || words.contains("restart"),
                    "{refused}"
                );
            }
        }
        if probability == 1.0 && name.contains("sync") {
            // A ticket that is held needs no write.
            assert!(ledger.count - before <= 3, "acknowledged without a sync: {ledger:?}");
        }
        assert_eq!(host.run(["status", "--json"]).ok().json()["state"], "running");
        node.mend(name);
        let refused = give_all(&host, &mut chance, &mut ledger);
        assert_eq!(refused.len(), 0, "after {name} {errno} {probability}: {refused:?}");
    }
    node.fail("posix/io/sync/fsync", EIO, 1.0);
    let _ = give_all(&host, &mut chance, &mut ledger);
    ledger.several();
    let stopped = node.into_node().stop();
    // The database engine asserts that its disk works; the store contains that. Nothing of ours panics.
    let ours = |line: &&str| line.contains("panicked at") && !line.contains("/sled-");
    assert_eq!(stopped.stderr().lines().find(ours), None, "{stopped}");
    ledger.check(&host.state());
    let _node = host.up();
    assert_eq!(give_all(&host, &mut chance, &mut ledger).len(), 0);
}

/// Gives every order once, and returns how they were refused that were.
fn give_all(host: &Host, chance: &mut Chance, ledger: &mut Ledger) -> Vec<Output> {
    // Not to revoke: that is obeyed before it is kept, and refused only the first time.
    ORDERS.iter().take(4).filter_map(|order| order.give(host, chance).note(ledger)).collect()
}
