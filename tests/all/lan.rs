//! What happens on a network that nobody has configured: hosts find each other by multicast.

use std::fs;

use lanyard_tests::{Host, Lan, Member, Process, RunningNode, SOON, noise, program, wait_for};
use rustix::process::Signal;

use crate::spine::{chat_log, texts_of};

/// R-C2, R-L1, R-L3, R-L5, R-T8, R-C5, R-C6: from two fresh hosts to a message and a file, with a short code and no
/// address typed anywhere.
#[test]
fn code_takes_two_hosts_from_nothing_to_a_file() {
    let Some(mut lan) = Lan::new() else { return };
    let alice = Member::authority_on(lan.host("alice"));
    let bob = lan.host("bob");
    let code = alice.host.run(["invite"]).ok().line();
    let _ = bob.run(["join", &code, "--name", "bob"]).ok();
    let bob = Member { node: bob.up(), host: bob };
    bob.meets(&alice.host);
    alice.meets(&bob.host);

    let _ = bob.host.run(["chat", "alice", "-m", "found you"]).ok();
    assert_eq!(texts_of(&chat_log(&alice.host, "bob", 1)), ["found you"]);

    let content = noise(7, 3_000_000);
    let file = alice.host.write("list.bin", &content);
    let inbox = bob.host.path("inbox");
    let receive = bob.host.start(["receive", "--into", inbox.to_str().unwrap(), "--yes", "--once"]);
    let _ = alice.host.run(["send", file.to_str().unwrap(), "bob"]).ok();
    let _ = receive.ends(SOON).ok();
    assert!(fs::read(inbox.join("list.bin")).unwrap() == content, "the file differs");
}

/// R-L3: `join --up` is one command from a code to a node that runs.
#[test]
fn join_and_up_are_one_command() {
    let Some(mut lan) = Lan::new() else { return };
    let alice = Member::authority_on(lan.host("alice"));
    let code = alice.host.run(["invite"]).ok().line();
    let bob = lan.host("bob");
    let node = RunningNode::ready(bob.start(["join", &code, "--name", "bob", "--up"]));
    let bob = Member { host: bob, node };
    bob.meets(&alice.host);
    let _ = bob.node.stop();
}

/// R-L2, R-L3: with open admission being on the network is enough, and the risk is stated.
#[test]
fn open_admission_asks_for_nothing() {
    let Some(mut lan) = Lan::new() else { return };
    let host = lan.host("alice");
    let _ = host.run(["init", "shop.lan", "--name", "alice", "--admission", "open"]).ok();
    let alice = Member { node: host.up(), host };
    let bob = lan.host("bob");
    let joined = bob.run(["join", "--name", "bob"]).ok();
    let fingerprint = alice.host.run(["ca", "show", "--json"]).ok().json()["fingerprint"].clone();
    // In groups of four digits, as people read it.
    let words = joined.stderr().replace(' ', "");
    assert!(words.contains(fingerprint.as_str().unwrap()), "states the fingerprint {fingerprint}\n{joined}");
    let bob = Member { node: bob.up(), host: bob };
    bob.meets(&alice.host);
}

/// R-L2, A10: a network that wants an invite admits nobody without.
#[test]
fn invite_network_admits_nobody_without() {
    let Some(mut lan) = Lan::new() else { return };
    let alice = Member::authority_on(lan.host("alice"));
    let bob = lan.host("bob");
    let _ = bob.run(["join", "--name", "bob"]).fails(4);
    assert_eq!(alice.peer("bob"), None);
}

/// Nobody answers: `join` says so and ends, and never hangs.
#[test]
fn join_alone_on_the_network_times_out() {
    let Some(mut lan) = Lan::new() else { return };
    let bob = lan.host("bob");
    let _ = bob.run(["join", "7-harbour-violet", "--name", "bob", "--timeout", "3s"]).fails(5);
}

/// A3: three wrong guesses burn a code, also for who knows it; the URI of the same invite, which nobody guesses,
/// still admits.
#[test]
fn wrong_guesses_burn_a_code() {
    let Some(mut lan) = Lan::new() else { return };
    let alice = Member::authority_on(lan.host("alice"));
    let invite = alice.host.run(["invite", "--json"]).ok().json();
    let other = alice.host.run(["invite"]).ok().line();
    let code = invite["code"].as_str().unwrap();
    let wrong = format!("{}-{}", code.split_once('-').unwrap().0, other.split_once('-').unwrap().1);
    let guesser = lan.host("mallory");
    for _ in 0..3 {
        let _ = guesser.run(["join", &wrong, "--name", "mallory"]).fails(4);
    }
    let bob = lan.host("bob");
    let _ = bob.run(["join", code, "--name", "bob"]).fails(4).says("--uri");
    let _ = bob.run(["join", invite["uri"].as_str().unwrap(), "--name", "bob"]).ok();
    // Another invite is not hurt.
    let _ = lan.host("carol").run(["join", &other, "--name", "carol"]).ok();
}

/// A2: two networks in sight: the user has to say which.
#[test]
fn two_networks_in_sight_are_named() {
    let Some(mut lan) = Lan::new() else { return };
    let open = |host: Host, network: &str| {
        let _ = host.run(["init", network, "--name", host.name(), "--admission", "open"]).ok();
        Member { node: host.up(), host }
    };
    let _shop = open(lan.host("alice"), "shop.lan");
    let _lab = open(lan.host("grace"), "lab.lan");
    let bob = lan.host("bob");
    wait_for("both are seen", SOON, || {
        let refused = bob.run(["join", "--name", "bob"]);
        assert_ne!(refused.code(), Some(0), "chose by itself\n{refused}");
        let words = refused.stderr();
        (words.contains("shop.lan") && words.contains("lab.lan")).then_some(())
    });
    let _ = bob.run(["join", "--network", "lab.lan", "--name", "bob"]).ok();
    let node = bob.up();
    assert_eq!(bob.run(["status", "--json"]).ok().json()["network"], "lab.lan", "{}", node.log());
}

/// R-C5: a cable that is pulled and plugged in again loses nothing.
#[test]
fn pulled_cable_delays_and_loses_nothing() {
    let Some(mut lan) = Lan::new() else { return };
    let alice = Member::authority_on(lan.host("alice"));
    let bob = alice.admit_host(lan.host("bob"));
    lan.unplug(2);
    let _ = alice.host.run(["ping", "bob", "--timeout", "2s"]).fails(5);
    for text in ["one", "two"] {
        let _ = alice.host.run(["chat", "bob", "-m", text]).ok();
    }
    lan.plug(2);
    assert_eq!(texts_of(&chat_log(&bob.host, "alice", 2)), ["one", "two"]);
}

/// R-L1, R-T7: who listens on the wire reads nothing: no message, no file, no invite, no certificate.
#[test]
fn listener_on_the_wire_reads_nothing() {
    let Some(mut lan) = Lan::new() else { return };
    let Some(_tcpdump) = program("tcpdump") else { return };
    let alice = Member::authority_on(lan.host("alice"));
    let mut command = lan.at_switch("tcpdump");
    command.args(["-i", "any", "-s", "0", "-U", "-w", "-"]);
    let capture = Process::start(command);
    capture.says("that it listens", SOON, |line| line.contains("listening on"));

    let uri = alice.invite_uri();
    let secret = uri.split("invite=").nth(1).unwrap().to_owned();
    let bob = lan.host("bob");
    let _ = bob.run(["join", &uri, "--name", "bob"]).ok();
    let bob = Member { node: bob.up(), host: bob };
    bob.meets(&alice.host);
    let _ = bob.host.run(["chat", "alice", "-m", "canary-of-the-message"]).ok();
    let file = bob.host.write("list.txt", "canary-of-the-file\n".repeat(10_000).as_bytes());
    let inbox = alice.host.path("inbox");
    let receive = alice.host.start(["receive", "--into", inbox.to_str().unwrap(), "--yes", "--once"]);
    let _ = bob.host.run(["send", file.to_str().unwrap(), "alice"]).ok();
    let _ = receive.ends(SOON).ok();

    capture.signal(Signal::INT);
    let captured = capture.ends(SOON).ok();
    let traffic = captured.stdout_bytes();
    assert!(traffic.len() > 190_000, "only {} bytes were captured", traffic.len());
    let contains = |text: &str| traffic.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(contains("_p2p"), "discovery is readable, so the capture is sound");
    for canary in ["canary-of-the-message", "canary-of-the-file", &secret, "spiffe://", "list.txt"] {
        assert!(!contains(canary), "{canary} can be read on the wire");
    }
}

/// R-T1: what is refused at a node causes no packet: so many refusals, of services that policy does not grant and of a
/// person who is not logged in, and so many questions why, leave the wire as quiet as an idle node does.
#[test]
fn what_is_refused_at_the_node_leaves_the_wire_as_quiet_as_an_idle_one() {
    const TIMES: usize = 60;
    let Some(mut lan) = Lan::new() else { return };
    let Some(_tcpdump) = program("tcpdump") else { return };
    let alice = Member::authority_on(lan.host("alice"));
    let bob = alice.admit_host(lan.host("bob"));
    let carol = lan.host("carol");
    let joining = ["--join", &alice.invite_uri(), "--name", "carol", "--require-login"];
    let carol = Member { node: carol.up_with(&joining), host: carol };
    carol.meets(&alice.host);
    let packets = |between: &dyn Fn()| {
        let mut command = lan.at_switch("tcpdump");
        // Discovery goes on by itself, as do address resolution and the like.
        command.args(["-i", "any", "-n", "-l", "tcp or (udp and not port 5353)"]);
        let capture = Process::start(command);
        capture.says("that it listens", SOON, |line| line.contains("listening on"));
        between();
        capture.signal(Signal::INT);
        capture.ends(SOON).ok().stdout().lines().count()
    };
    let idle = packets(&|| {
        for _ in 0..TIMES {
            let _ = bob.host.run(["status"]).ok();
            let _ = carol.host.run(["status"]).ok();
        }
    });
    let refused = packets(&|| {
        for asking in [&["ticket", "get"][..], &["why"]].into_iter().cycle().take(TIMES) {
            let _ = bob.host.run([asking, &["stock@alice"]].concat()).fails(4);
            let _ = carol.host.run([asking, &["chat@alice"]].concat()).fails(4);
        }
    });
    let granted = packets(&|| {
        let _ = bob.host.run(["ticket", "get", "chat@alice"]).ok();
    });
    assert!(granted > 0, "the capture sees nothing");
    assert!(refused < idle + TIMES / 2, "{refused} packets, and {idle} while idle");
}
