//! What two and three hosts do with each other from the first command to the last, on loopback.

use std::fs;
use std::net::TcpListener;

use lanyard_tests::{Host, Member, RunningNode, SOON, noise, wait_for};
use serde_json::{Value, json};

/// R-C1: being the authority is what one command makes of a node, once.
#[test]
fn init_makes_an_authority_once() {
    let host = Host::new("alice");
    let first = host.run(["init", "shop.lan", "--name", "alice"]).ok();
    let words = first.stdout() + &first.stderr();
    assert!(
        words.contains("lanyard up") && words.contains("lanyard invite"),
        "says what comes next\n{first}"
    );

    let before = host.run(["ca", "export"]).ok().stdout();
    let _ = host.run(["init", "other.lan", "--name", "mallory"]).fails(1);
    assert_eq!(host.run(["ca", "export"]).ok().stdout(), before, "nothing has changed");

    let node = host.up();
    let status = host.run(["status", "--json"]).ok().json();
    assert_eq!(
        [&status["name"], &status["network"], &status["role"], &status["state"]],
        ["alice", "shop.lan", "authority", "running"]
    );
    let _ = node.stop();
}

/// R-C1: the state directory lets nobody else in.
#[test]
fn state_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let alice = Member::authority("alice");
    let mode = |path: &str| fs::metadata(alice.host.state().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(""), mode("db"), mode("control.sock")], [0o711, 0o700, 0o666]);
    for entry in fs::read_dir(alice.host.state().join("db")).unwrap().map(Result::unwrap) {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert!(mode & 0o077 == 0 || entry.file_type().unwrap().is_dir(), "{entry:?}: {mode:o}");
    }
}

/// R-L3, R-L5, R-T13: one command gets a node its certificate, and both sides know each other by it.
#[test]
fn member_joins_by_uri_and_both_know_each_other() {
    let alice = Member::authority("alice");
    let bob = Host::new("bob");
    let _ = bob.run(["join", &alice.invite_uri(), "--name", "bob"]).ok();
    let bob = Member { node: bob.up(), host: bob };
    bob.meets(&alice.host);
    alice.meets(&bob.host);

    let status = bob.host.run(["status", "--json"]).ok().json();
    assert_eq!(
        [&status["name"], &status["network"], &status["role"], &status["state"]],
        ["bob", "shop.lan", "member", "running"]
    );
    assert_eq!(status["authority"]["reachable"], true);
    assert!(status["certificate"]["serial"].as_str().is_some_and(|serial| serial.len() >= 16), "{status}");

    let whois = alice.host.run(["whois", "bob", "--json"]).ok().json();
    assert_eq!([&whois["name"], &whois["id"]], [&json!("bob"), &status["id"]]);
    let by_prefix = &status["id"].as_str().unwrap()[..12];
    assert_eq!(alice.host.run(["whois", by_prefix, "--json"]).ok().json()["name"], "bob");

    let pong = bob.host.run(["ping", "alice", "--json"]).ok().json();
    assert!(pong["rtt_ms"].as_f64().is_some_and(|rtt| rtt > 0.0 && rtt < 10_000.0), "{pong}");
    let _ = alice.host.run(["ping", "bob"]).ok();
}

/// R-L3: joining and running are one command, which is ready once the certificate is there.
#[test]
fn up_with_an_invite_joins_first() {
    let alice = Member::authority("alice");
    let bob = Host::new("bob");
    let node = bob.up_with(&["--join", &alice.invite_uri(), "--name", "bob"]);
    assert_eq!(bob.run(["status", "--json"]).ok().json()["role"], "member", "{}", node.log());
    let _ = bob.run(["ping", "alice"]).ok();
}

/// R-T16: with `online_check = "require"` there is a ticket only with the authority's word, and a held one goes on.
#[test]
fn online_check_asks_the_authority() {
    let alice = Member::authority("alice");
    let host = Host::new("bob");
    fs::create_dir_all(host.state()).unwrap();
    fs::write(host.state().join("config.toml"), "online_check = \"require\"\n").unwrap();
    let bob = alice.admit_host(host);
    let carol = alice.admit("carol");
    let _ = carol.host.run(["ping", "bob"]).ok();
    let held = carol.host.run(["ticket", "get", "chat@bob"]).ok().line();
    let _ = alice.node.stop();
    let _ = carol.host.run(["ticket", "get", "file@bob"]).fails(4).says("confirmed with the authority");
    assert_eq!(carol.host.run(["ticket", "get", "chat@bob"]).ok().line(), held);
    let _ = bob.host.run(["ping", "carol"]).ok();
}

/// R-C1: a node without a network runs, says so, and is refused what members may do.
#[test]
fn stranger_runs_and_may_nothing() {
    let host = Host::new("eve");
    let node = host.up();
    assert!(node.logs("ready").contains("not a member of any network"));
    let status = host.run(["status", "--json"]).ok().json();
    assert_eq!(status["role"], "none");
    for command in
        [&["ping", "alice"][..], &["ticket", "get", "chat@alice"], &["chat", "alice", "-m", "hello"]]
    {
        let _ = host.run(command).fails(4);
    }
}

/// R-C1: identity and membership outlive the process, stopped or killed.
#[test]
fn membership_survives_stop_and_kill() {
    let alice = Member::authority("alice");
    let mut bob = alice.admit("bob");
    let before = bob.host.run(["status", "--json"]).ok().json();
    let _ = bob.node.stop();
    bob.node = bob.host.up();
    let _ = bob.node.kill9();
    bob.node = bob.host.up();
    let after = bob.host.run(["status", "--json"]).ok().json();
    assert_eq!([&after["id"], &after["certificate"]], [&before["id"], &before["certificate"]]);
    bob.meets(&alice.host);
}

/// R-T2, R-T4, R-T8: one ticket serves every later call.
#[test]
fn one_ticket_serves_until_it_expires() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let first = bob.host.run(["ticket", "get", "chat@alice"]).ok().line();
    let second = bob.host.run(["ticket", "get", "chat@alice"]).ok().line();
    assert_eq!(first, second);

    let shown = bob.host.run(["ticket", "show", &first, "--json"]).ok().json();
    assert_eq!([&shown["id"], &shown["service"], &shown["provider"]], [first.as_str(), "chat", "alice"]);
    let listed = bob.host.run(["ticket", "list", "--json"]).ok().json();
    assert_eq!(listed, json!([shown]));
    let _ = bob.host.run(["ticket", "show", &"0".repeat(first.len())]).fails(6);
}

/// R-T1, R-T11: nothing is allowed that no grant allows, and the answer does not tell what exists.
#[test]
fn policy_denies_by_default() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let denied = bob.host.run(["ticket", "get", "backup@alice", "--json"]).fails(4);
    assert_eq!(denied.json()["error"]["code"], "denied");
    let unknown = bob.host.run(["ticket", "get", "nothing-of-the-kind@alice", "--json"]).fails(4);
    let without_name = |output: String| output.replace("nothing-of-the-kind", "backup");
    assert_eq!(without_name(unknown.stdout()), denied.stdout(), "denied, whether or not it exists");
    assert_eq!(bob.host.run(["ticket", "list", "--json"]).ok().json(), json!([]));
}

/// Each kind of failure has its exit code.
#[test]
fn exit_codes_say_what_failed() {
    let alone = Host::new("carol");
    for command in [&["status"][..], &["peers"], &["ping", "bob"], &["chat", "bob", "-m", "x"], &["down"]] {
        let _ = alone.run(command).fails(3);
    }
    for command in
        [&["init", "shop.lan", "--name", "No Label"][..], &["init", "-x-"], &["ping", "a b"], &["fly"]]
    {
        let _ = alone.run(command).fails(2);
    }

    let alice = Member::authority("alice");
    let mut bob = alice.admit("bob");
    for command in [&["ping", "nobody"][..], &["whois", "nobody"], &["ticket", "get", "chat@nobody"]] {
        let failed = alice.host.run(command).fails(6);
        assert!(failed.stderr().contains("nobody"), "names it\n{failed}");
    }
    let _ = bob.node.stop();
    let away = alice.host.run(["ping", "bob", "--timeout", "3s", "--json"]).fails(5);
    assert_eq!(away.json()["error"]["code"], "unreachable");
    bob.node = bob.host.up();
    let _ = bob.host.run(["ping", "alice"]).ok();
}

/// F6: two processes on one state would be two nodes with one identity.
#[test]
fn second_process_on_one_state_is_refused() {
    let alice = Member::authority("alice");
    let second =
        alice.host.run(["up", "--listen", "127.0.0.1:0", "--lane", "127.0.0.1:0", "--no-mdns"]).fails(1);
    assert!(second.stderr().contains(alice.host.state().to_str().unwrap()), "names the state\n{second}");
    assert_eq!(alice.host.run(["status", "--json"]).ok().json()["state"], "running", "the first goes on");
}

/// A taken port is an error that names it, never another port silently.
#[test]
fn taken_port_is_an_error_that_names_it() {
    let host = Host::new("alice");
    let _ = host.run(["init", "shop.lan", "--name", "alice"]).ok();
    for address in [host.control_address(), host.lane_address()] {
        let taken = TcpListener::bind(address).unwrap();
        let _ = host.run(host.up_arguments()).fails(1).says(&address.port().to_string());
        drop(taken);
    }
    let _ = host.up().stop();
}

/// `up -d` returns once the node is ready, and `down` once it is gone.
#[test]
fn detached_node_runs_until_down() {
    let host = Host::new("alice");
    let _ = host.run(["init", "shop.lan", "--name", "alice"]).ok();
    let _detached = host.up_detached();
    assert_eq!(host.run(["status", "--json"]).ok().json()["state"], "running");
    let _ = host.run(["down"]).ok();
    let _ = host.run(["status"]).fails(3);
    let node = host.up();
    let _ = host.run(["down"]).ok();
    let _ = node.ends();
}

/// A4: an invite admits as many as it says, and nobody after that.
#[test]
fn invite_admits_one() {
    let alice = Member::authority("alice");
    let uri = alice.invite_uri();
    let _ = Host::new("bob").run(["join", &uri, "--name", "bob"]).ok();
    let late = Host::new("carol");
    let _ = late.run(["join", &uri, "--name", "carol"]).fails(4);
    let _ = late.up();
    assert_eq!(late.run(["cert", "export"]).code(), Some(4), "there is no certificate");
}

/// A4: the same invite redeemed by many at once admits one.
#[test]
fn invite_redeemed_by_many_at_once_admits_one() {
    let alice = Member::authority("alice");
    let uri = alice.invite_uri();
    let hosts: Vec<_> = (0..8).map(|number| Host::new(&format!("till{number}"))).collect();
    let joins: Vec<_> = hosts.iter().map(|host| host.start(["join", &uri, "--name", host.name()])).collect();
    let codes: Vec<_> = joins.into_iter().map(|join| join.ends(SOON * 2).code().unwrap()).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| [0, 4].contains(code)), "{codes:?}");
}

/// A1, R-L9: with a pin, another authority is refused before it learns anything.
#[test]
fn uri_with_another_root_is_refused() {
    let alice = Member::authority("alice");
    let rogue = Member::authority("alice");
    let honest = alice.invite_uri();
    let pin = |uri: &str| {
        let rest = uri.split("root=").nth(1).unwrap();
        rest.split('&').next().unwrap().to_owned()
    };
    let pinned = rogue.invite_uri().replace(&pin(&rogue.invite_uri()), &pin(&honest));
    let bob = Host::new("bob");
    let refused = bob.run(["join", &pinned, "--name", "bob"]).says("fingerprint");
    assert!([Some(4), Some(7)].contains(&refused.code()), "{refused}");
    let _ = bob.run(["join", &honest, "--name", "bob"]).ok();
}

/// Two nodes of one name would be one to everyone else.
#[test]
fn name_that_is_taken_is_refused() {
    let alice = Member::authority("alice");
    let _bob = alice.admit("bob");
    let _ = Host::new("second").run(["join", &alice.invite_uri(), "--name", "bob"]).fails(4).says("--name");
}

/// R-C5, R-T7, R-T16: what is said is there at once.
#[test]
fn chat_arrives() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let sent = bob.host.run(["chat", "alice", "-m", "good morning", "--json"]).ok().json();
    let lines = chat_log(&alice.host, "bob", 1);
    assert_eq!([&lines[0]["from"], &lines[0]["to"], &lines[0]["text"]], ["bob", "alice", "good morning"]);
    assert_eq!(lines[0]["state"], "received");
    wait_for("bob knows that it was delivered", SOON, || {
        let own = chat_log(&bob.host, "alice", 1);
        assert_eq!(own[0]["id"], sent["id"]);
        (own[0]["state"] == "delivered").then_some(())
    });
    assert_eq!(alice.host.run(["chat", "bob", "--log"]).ok().stdout().lines().count(), 1);
}

/// R-C5, R-C3: what is said to a peer that is away is kept, also across a kill, and delivered once and in order.
#[test]
fn chat_waits_for_a_peer_that_is_away() {
    let mut alice = Member::authority("alice");
    let mut bob = alice.admit("bob");
    let _ = bob.node.stop();
    let texts = ["one", "two", "three", "four", "five"];
    for text in texts {
        let sent = alice.host.run(["chat", "bob", "-m", text, "--json"]).ok().json();
        assert_eq!(sent["state"], "queued");
    }
    let _ = alice.node.kill9();
    alice.node = alice.host.up();
    bob.node = bob.host.up();
    assert_eq!(texts_of(&chat_log(&bob.host, "alice", texts.len())), texts);
    wait_for("alice knows that all were delivered", SOON, || {
        let own = chat_log(&alice.host, "bob", texts.len());
        own.iter().all(|line| line["state"] == "delivered").then_some(())
    });
    let _ = alice.host.run(["chat", "bob", "-m", "six"]).ok();
    let all = chat_log(&bob.host, "alice", 6);
    assert_eq!(texts_of(&all), ["one", "two", "three", "four", "five", "six"]);
}

/// H4: what a peer wrote cannot drive the terminal of who reads it.
#[test]
fn chat_is_printed_escaped() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let text = "red\x1b[31m title\x1b]0;owned\x07 bidi\u{202e} c1\u{9b} two\nlines";
    let _ = bob.host.run(["chat", "alice", "-m", text]).ok();
    assert_eq!(chat_log(&alice.host, "bob", 1)[0]["text"], text, "kept as it came");
    let printed = alice.host.run(["chat", "bob", "--log"]).ok().stdout();
    let printed = printed.strip_suffix('\n').unwrap();
    let raw = |letter: char| letter.is_control() || letter == '\u{202e}';
    assert!(!printed.contains(raw), "{printed:?}");
}

/// R-C6: a file arrives whole, and both sides say so only then.
#[test]
fn file_arrives_as_it_was_sent() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let content = noise(5, 5_000_000);
    let file = bob.host.write("photo.raw", &content);
    let inbox = alice.host.path("inbox");
    let receive =
        alice.host.start(["receive", "--into", inbox.to_str().unwrap(), "--yes", "--once", "--json"]);
    let sent = bob.host.run(["send", file.to_str().unwrap(), "alice", "--json"]).ok();
    let done = sent.json_lines().pop().unwrap();
    assert_eq!(
        [&done["event"], &done["files"], &done["bytes"]],
        [&json!("done"), &json!(1), &json!(5_000_000)]
    );
    assert_eq!(done["blake3"], blake3::hash(&content).to_hex().as_str());
    // Verified and durable before the sender was told: no need to wait for the receiving command.
    assert!(fs::read(inbox.join("photo.raw")).unwrap() == content, "the file differs");
    let received = receive.ends(SOON).ok().json_lines().pop().unwrap();
    assert_eq!([&received["event"], &received["blake3"]], [&json!("done"), &done["blake3"]]);
}

/// R-C6: the receiver decides, in its own time.
#[test]
fn offer_waits_for_the_receiver() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let file = bob.host.write("note.txt", b"for later");
    let send = bob.host.start(["send", file.to_str().unwrap(), "alice"]);
    send.says("what the other side types", SOON, |line| line.contains("lanyard receive"));
    wait_for("alice is told of the offer", SOON, || {
        let status = alice.host.run(["status", "--json"]).ok().json();
        (status["pending"][0]["kind"] == "offer").then_some(())
    });
    let _ = alice.host.run(["receive", "--once"]).fails(2);
    let inbox = alice.host.path("inbox");
    let _ = alice.host.run(["receive", "--into", inbox.to_str().unwrap(), "--from", "bob", "--once"]).ok();
    let _ = send.ends(SOON).ok();
    assert_eq!(fs::read(inbox.join("note.txt")).unwrap(), b"for later");
}

/// H2: a file that is there already is not written over.
#[test]
fn received_file_replaces_nothing() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let inbox = alice.host.path("inbox");
    let receive = |name: &str, content: &[u8]| {
        let file = bob.host.write(name, content);
        let process = alice.host.start(["receive", "--into", inbox.to_str().unwrap(), "--yes", "--once"]);
        let _ = bob.host.run(["send", file.to_str().unwrap(), "alice"]).ok();
        let _ = process.ends(SOON).ok();
    };
    receive("note.txt", b"first");
    receive("note.txt", b"second");
    assert_eq!(fs::read(inbox.join("note.txt")).unwrap(), b"first");
    let contents: Vec<_> =
        fs::read_dir(&inbox).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(contents.contains(&b"second".to_vec()), "the second has another name");
}

/// R-C2, R-C4: members find each other through the authority, and go on without it.
#[test]
fn members_go_on_without_the_authority() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let carol = alice.admit("carol");
    let _ = bob.host.run(["ping", "carol"]).ok();
    let _ = alice.node.kill9();
    let _ = bob.host.run(["ping", "carol"]).ok();
    let _ = bob.host.run(["chat", "carol", "-m", "still here"]).ok();
    assert_eq!(texts_of(&chat_log(&carol.host, "bob", 1)), ["still here"]);

    let carol = Member { node: restarted(&carol.host, carol.node), ..carol };
    let _ = carol.host.run(["ping", "bob"]).ok();
}

fn restarted(host: &Host, node: RunningNode) -> RunningNode {
    let _ = node.stop();
    host.up()
}

/// The conversation with `peer`, once it has at least `count` messages.
pub(crate) fn chat_log(host: &Host, peer: &str, count: usize) -> Vec<Value> {
    wait_for(&format!("{} has {count} messages of its conversation with {peer}", host.name()), SOON, || {
        let log = host.run(["chat", peer, "--log", "--json"]).ok().json();
        let lines = log.as_array().unwrap().clone();
        (lines.len() >= count).then_some(lines)
    })
}

pub(crate) fn texts_of(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["text"].as_str().unwrap()).collect()
}
