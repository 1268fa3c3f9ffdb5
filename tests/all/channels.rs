//! Channels that somebody stands in the way of, and peers that want more of them than their share.

use std::fs;
use std::path::Path;

use lanyard_tests::{Host, Lan, Member, Process, SOON, noise, program, wait_for};

use crate::spine::{chat_log, texts_of};

/// R-T8, R-C5, R-C6: where a firewall drops everything on the lane's port, messages and files go through all the
/// same; once it lets the lane through, channels run there again.
#[test]
fn firewall_on_the_lane_is_gone_round_until_it_opens() {
    let Some(mut lan) = Lan::new() else { return };
    let Some(nft) = program("nft") else { return };
    let alice = Member::authority_on(lan.host("alice").logging("lanyard_node=debug"));
    let bob = alice.admit_host(lan.host("bob"));
    filter(
        &alice.host,
        &nft,
        "add table inet lane; add chain inet lane in { type filter hook input priority 0; }; \
         add rule inet lane in tcp dport 4611 drop",
    );

    let _ = bob.host.run(["chat", "alice", "-m", "round the corner"]).ok();
    assert_eq!(texts_of(&chat_log(&alice.host, "bob", 1)), ["round the corner"]);
    alice.node.logs("way=Stream");
    let inbox = alice.host.path("inbox");
    let receive = alice.host.start(["receive", "--into", inbox.to_str().unwrap(), "--yes"]);
    let content = noise(11, 3_000_000);
    send(&bob.host, "first.bin", &content);
    arrives(&inbox, "first.bin", &content);
    assert!(!alice.node.log().contains("way=Lane"), "{}", alice.node.log());

    filter(&alice.host, &nft, "delete table inet lane");
    let mut number = 0;
    wait_for("a channel runs on the lane", SOON, || {
        number += 1;
        let name = format!("{number}.bin");
        send(&bob.host, &name, name.as_bytes());
        arrives(&inbox, &name, name.as_bytes());
        alice.node.log().contains("way=Lane").then_some(())
    });
    drop(receive);
}

fn filter(host: &Host, nft: &Path, rules: &str) {
    let mut command = host.program(nft);
    command.arg(rules);
    let _ = Process::run(command, b"", SOON).ok();
}

#[track_caller]
fn send(from: &Host, name: &str, content: &[u8]) {
    let file = from.write(name, content);
    let _ = from.run(["send", file.to_str().unwrap(), "alice"]).ok();
}

#[track_caller]
fn arrives(inbox: &Path, name: &str, content: &[u8]) {
    wait_for(&format!("{name} is there"), SOON, || inbox.join(name).exists().then_some(()));
    assert!(fs::read(inbox.join(name)).unwrap() == content, "{name} differs");
}
