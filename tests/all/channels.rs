//! Channels that somebody stands in the way of, and peers that want more of them than their share.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use lanyard_tests::{
    Chatter, Frames, Host, Lan, Member, Process, SOON, Stranger, frame, noise, program, wait_for,
};

use crate::spine::{chat_log, texts_of};

/// R-T8, R-C5, R-C6: where a firewall drops everything on the lane's port, messages and files go through all the
/// same; once it lets the lane through, channels run there again.
#[test]
fn firewall_on_the_lane_is_gone_round_until_it_opens() {
    let Some(mut lan) = Lan::new() else { return };
    let Some(nft) = program("nft") else { return };
    let alice = Member::authority_on(lan.host("alice").logging("lanyard_node=debug"));
    let bob = alice.admit_host(lan.host("bob"));
    filter(&alice.host, &nft, DROP_LANE);

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

/// D9, R-T8: two hundred channels that are asked for at once, where a firewall drops everything on the lane's port,
/// are all opened, and all live at a time.
#[test]
fn burst_of_channels_round_a_firewall_loses_none() {
    const BURST: usize = 200;
    let Some(mut lan) = Lan::new() else { return };
    let Some(nft) = program("nft") else { return };
    let alice = Member::authority_on(lan.host("alice").logging("lanyard_node=debug"));
    let bob = alice.admit_host(lan.host("bob"));
    filter(&alice.host, &nft, DROP_LANE);
    let mut live: Vec<Chatter> = thread::scope(|scope| {
        let opening: Vec<_> =
            (0..BURST).map(|_| scope.spawn(|| Chatter::open(&bob.host, "alice").unwrap())).collect();
        opening.into_iter().map(|opened| opened.join().unwrap()).collect()
    });
    for channel in &mut live {
        channel.say("still there").unwrap();
    }
    for channel in live {
        channel.end().unwrap();
    }
    let log = alice.node.log();
    assert_eq!(log.matches("way=Stream").count(), BURST, "{log}");
    assert!(!log.contains("way=Lane"), "{log}");
    // All were given back.
    Chatter::open(&bob.host, "alice").unwrap().end().unwrap();
}

/// R-T11, R-L7, D9: a stranger that asks for a stream for a channel gets not one byte, whatever it says on it, and
/// members notice nothing.
#[test]
fn stranger_gets_no_stream_for_a_channel() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let mut stranger = Stranger::speaking(alice.host.control_address(), "/lanyard/lane/1");
    for round in 0..60 {
        let lengths = [0, 1, 4, 52, 800, 70_000];
        let mut said = vec![1, 3, 188, 2];
        said.extend(noise(round, lengths[usize::try_from(round).unwrap() % lengths.len()]));
        let answer = stranger.ask(&said).unwrap_or_default();
        assert!(answer.is_empty(), "round {round} was answered with {answer:?}");
    }
    let _ = bob.host.run(["ping", "alice", "-c", "1"]).ok();
    let log = alice.node.stop().stderr();
    assert!(!log.contains("panicked"), "{log}");
}

/// D4, D6: frames that no multiplexer sends are refused or end their connection; they cost no memory, and nobody else
/// notices.
#[test]
fn frames_that_cannot_be_are_refused() {
    let (data, window, ping, syn) = (0, 1, 2, 1);
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let before = alice.node.resident();
    let target = alice.host.control_address();
    let body = vec![7; 262_145];
    let refused = [
        // More than a stream's first window, announced and sent.
        frame(data, syn, 1, 262_145, &body),
        frame(data, syn, 1, u32::MAX, &body),
        frame(data, syn, 1, 1 << 31, &[]),
        // A stream of the other side's, of nobody's, and one twice.
        frame(window, syn, 2, 0, &[]),
        [frame(window, syn, 1, 0, &[]), frame(window, syn, 1, 0, &[])].concat(),
        // A kind and a version that do not exist.
        frame(9, syn, 1, 0, &[]),
        vec![9; 12],
        // More streams than a stranger may have.
        (0..200).flat_map(|stream| frame(window, syn, 2 * stream + 1, 0, &[])).collect(),
    ];
    for (number, frames) in refused.iter().enumerate() {
        let mut connection = connected(target);
        connection.send(frames);
        assert!(connection.is_refused(), "{number}");
    }
    // Windows that grow beyond what can be counted.
    let mut windows = connected(target);
    windows.send(&frame(window, syn, 1, 0, &[]));
    for _ in 0..8 {
        windows.send(&frame(window, 0, 1, 0xffff_0000, &[]));
    }
    // Questions from somebody who does not listen: sooner or later they are not taken any more.
    let mut deaf = connected(target);
    let pings: Vec<u8> = (0..10_000).flat_map(|number| frame(ping, syn, 0, number, &[])).collect();
    assert!((0..2000).any(|_| !deaf.send(&pings)), "twenty million pings were taken");
    let _ = bob.host.run(["ping", "alice", "-c", "1"]).ok();
    let _ = bob.host.run(["chat", "alice", "-m", "all well"]).ok();
    assert_eq!(texts_of(&chat_log(&alice.host, "bob", 1)), ["all well"]);
    let grown = alice.node.resident().saturating_sub(before);
    assert!(grown < 32 << 20, "has grown by {grown} bytes");
    drop((windows, deaf));
    let log = alice.node.stop().stderr();
    assert!(!log.contains("panicked"), "{log}");
}

/// Rules for a firewall that drops everything on the lane's port.
const DROP_LANE: &str = "add table inet lane; add chain inet lane in { type filter hook input priority 0; }; \
                         add rule inet lane in tcp dport 4611 drop";

/// A connection, when the node takes one: it limits how often an address may.
fn connected(target: SocketAddr) -> Frames {
    wait_for("the node takes a connection", SOON, || Frames::connect(target).ok())
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
