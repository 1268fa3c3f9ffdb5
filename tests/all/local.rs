//! Who else is on the same host.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use lanyard_tests::{Host, Member, Output, Process, SOON, is_root};

/// The user `nobody`, here and nearly everywhere.
const NOBODY: u32 = 65_534;

/// G1: another user of the host sees that a node runs, and nothing of whose it is or with whom it talks.
#[test]
fn another_user_sees_a_status_without_names_and_nothing_else() {
    if !is_root() {
        return;
    }
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let status = as_nobody(&bob.host, &["status", "--json"]).ok();
    let said = status.stdout();
    for private in ["alice", "bob", "shop.lan"] {
        assert!(!said.contains(private), "{private} is in it\n{status}");
    }
    assert_eq!(status.json()["state"], "running");
    let inbox = bob.host.path("inbox");
    for command in [
        &["peers"][..],
        &["whois", "alice"],
        &["ping", "alice"],
        &["ticket", "get", "chat@alice"],
        &["ticket", "list"],
        &["invite"],
        &["chat", "alice", "-m", "it is me"],
        &["chat", "alice", "--log"],
        &["receive", "--into", inbox.to_str().unwrap(), "--yes"],
        &["down"],
    ] {
        let refused = as_nobody(&bob.host, command).fails(4);
        assert!(!(refused.stdout() + &refused.stderr()).contains("shop.lan"), "{refused}");
    }
    assert_eq!(bob.host.run(["status", "--json"]).ok().json()["state"], "running");
}

/// G1: what somebody else has put where the socket belongs is neither used nor replaced.
#[test]
fn planted_socket_is_refused() {
    let alice = Member::authority("alice");
    let host = alice.host;
    let _ = alice.node.stop();
    let socket = host.state().join("control.sock");
    let _ = fs::remove_file(&socket);
    let elsewhere = host.write("elsewhere", b"precious");
    symlink(&elsewhere, &socket).unwrap();
    let _ = host.run(host.up_arguments()).fails(1).says("control.sock");
    assert_eq!(fs::read(&elsewhere).unwrap(), b"precious");

    fs::remove_file(&socket).unwrap();
    fs::write(&socket, b"precious").unwrap();
    let _ = host.run(host.up_arguments()).fails(1).says("control.sock");
    assert_eq!(fs::read(&socket).unwrap(), b"precious");
}

/// F6: a database that others may read is refused, with the remedy.
#[test]
fn database_open_to_others_is_refused() {
    let alice = Member::authority("alice");
    let host = alice.host;
    let _ = alice.node.stop();
    let database = host.state().join("db");
    fs::set_permissions(&database, fs::Permissions::from_mode(0o755)).unwrap();
    let _ = host.run(host.up_arguments()).fails(1).says("chmod");
    fs::set_permissions(&database, fs::Permissions::from_mode(0o700)).unwrap();
    let _ = host.up().stop();
}

fn as_nobody(host: &Host, args: &[&str]) -> Output {
    // Others may pass through, as through /var/lib.
    open_to_others(host.state().parent().unwrap());
    let mut command = host.command(args);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    Process::run(command, b"", SOON)
}

fn open_to_others(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).unwrap();
}
