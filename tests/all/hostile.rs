//! Those who do not play by the rules, and disks that do not either.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use lanyard_tests::{Attacker, Host, Member, SOON, Stranger, noise, wait_for};

use crate::spine::{chat_log, texts_of};

/// More than can be sent before a process is killed.
const LARGE: u64 = 512 << 20;

/// How long a handshake may take: what has said nothing by then is cut.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// D4, D11: a thousand blobs of all sizes on every port, some never ended, and honest peers notice nothing.
#[test]
fn garbage_on_every_port_harms_nobody() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let before = alice.node.resident();
    let attackers: Vec<_> = (0..4).map(|_| Attacker::new()).collect();
    let mut unfinished = Vec::new();
    for round in 0..1000 {
        let attacker = &attackers[round % attackers.len()];
        let blob = blob(round);
        match round % 3 {
            0 => unfinished.extend(throw(attacker, alice.host.control_address(), &blob, round)),
            1 => unfinished.extend(throw(attacker, alice.host.lane_address(), &blob, round)),
            _ => {
                // A datagram carries what fits.
                let _ =
                    attacker.udp(alice.host.control_address()).unwrap().send(&blob[..blob.len().min(1400)]);
            }
        }
        if round % 200 == 199 {
            let _ = bob.host.run(["ping", "alice", "-c", "1"]).ok();
        }
    }
    let _ = alice.admit("carol");
    let _ = bob.host.run(["chat", "alice", "-m", "all well"]).ok();
    assert_eq!(texts_of(&chat_log(&alice.host, "bob", 1)), ["all well"]);
    let grown = alice.node.resident().saturating_sub(before);
    assert!(grown < 64 << 20, "has grown by {grown} bytes");
    drop(unfinished);
    let log = alice.node.stop().stderr();
    assert!(!log.contains("panicked"), "{log}");
}

/// D4, D11, R-L7: a stranger who speaks the transport and then says anything at all, of any size, gets nothing that
/// is for members, and honest peers notice nothing.
#[test]
fn stranger_may_say_anything_and_gets_nothing() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let before = alice.node.resident();
    let mut stranger = Stranger::new(alice.host.control_address());
    for round in 0..400 {
        let answer = stranger.ask(&frame(round)).unwrap_or_default();
        let readable = String::from_utf8_lossy(&answer);
        for private in ["spiffe://", "bob", "/node/"] {
            assert!(!readable.contains(private), "round {round} was answered with {private}: {readable}");
        }
    }
    let _ = bob.host.run(["ping", "alice", "-c", "1"]).ok();
    let _ = alice.admit("carol");
    let grown = alice.node.resident().saturating_sub(before);
    assert!(grown < 64 << 20, "has grown by {grown} bytes");
    let log = alice.node.stop().stderr();
    assert!(!log.contains("panicked"), "{log}");
}

/// D7: connections that say nothing are cut after three seconds, and keep nobody out while they last.
#[test]
fn silent_connections_are_cut_and_keep_nobody_out() {
    let alice = Member::authority("alice");
    let attackers: Vec<_> = (0..8).map(|_| Attacker::new()).collect();
    let targets = [alice.host.control_address(), alice.host.lane_address()];
    let open = |round: usize| attackers[round % 8].tcp(targets[round % 2]).ok();
    let silent: Vec<_> = (0..400).filter_map(open).collect();
    assert!(silent.len() > 100, "only {} connections were taken", silent.len());
    let bob = alice.admit("bob");
    let _ = bob.host.run(["chat", "alice", "-m", "through the crowd"]).ok();
    assert_eq!(texts_of(&chat_log(&alice.host, "bob", 1)), ["through the crowd"]);
    let mut kept = silent;
    wait_for("every silent connection is cut", HANDSHAKE + Duration::from_secs(5), || {
        kept.retain_mut(|stream| !is_cut(stream));
        kept.is_empty().then_some(())
    });
}

/// A4: a joiner that is killed at any moment leaves an authority that goes on, and joins when it tries again.
#[test]
fn joiner_killed_at_any_moment_joins_later() {
    let alice = Member::authority("alice");
    for delay in [0, 20, 40, 60, 80, 120, 160, 240, 320] {
        let host = Host::new(&format!("till{delay}"));
        let uri = alice.invite_uri();
        let join = ["join", &uri, "--name", host.name()];
        let mut process = host.start(join);
        // The moment is the point: what has happened by then is different each time.
        let _ = process.ends_by_itself(Duration::from_millis(delay));
        let _ = process.kill9();
        let again = host.run(join);
        match again.code() {
            Some(0) => {}
            // It had its certificate already, or the invite is used up.
            Some(1 | 4) if host.run(["cert", "export"]).code() == Some(0) => {}
            _ => {
                let _ = host.run(["join", &alice.invite_uri(), "--name", host.name()]).ok();
            }
        }
        let node = host.up();
        let _ = host.run(["ping", "alice", "-c", "1"]).ok();
        let _ = node.stop();
    }
}

/// R-C5, F1: whoever is killed in the middle of a conversation has everything in the end, once and in order.
#[test]
fn killed_in_the_middle_of_a_conversation_has_it_whole() {
    let alice = Member::authority("alice");
    let mut bob = alice.admit("bob");
    let texts: Vec<_> = (0..24).map(|number| format!("message {number}")).collect();
    for (number, text) in texts.iter().enumerate() {
        let _ = alice.host.run(["chat", "bob", "-m", text]).ok();
        if number % 8 == 4 {
            let _ = bob.node.kill9();
            bob.node = bob.host.up();
        }
    }
    let lines = chat_log(&bob.host, "alice", texts.len());
    assert_eq!(texts_of(&lines), texts);
}

/// D3, R-C6: a receiver that is killed has no file by the name of the whole one, and gets it the next time.
#[test]
fn receiver_killed_in_the_middle_has_no_half_file() {
    let alice = Member::authority("alice");
    let mut bob = alice.admit("bob");
    let file = alice.host.write_large("big.bin", LARGE);
    let inbox = bob.host.path("inbox");
    let receive = ["receive", "--into", inbox.to_str().unwrap(), "--yes", "--once"];
    let first = bob.host.start(receive);
    let send = ["send", file.to_str().unwrap(), "bob", "--timeout", "5s"];
    let cut = alice.host.start(send);
    wait_for("the first bytes are there", SOON, || (bytes_below(&inbox) > 0).then_some(()));
    let _ = bob.node.kill9();
    // Its own node is gone.
    let _ = first.ends(SOON).fails(1);
    assert!(!inbox.join("big.bin").exists(), "half a file has the name of the whole one");

    bob.node = bob.host.up();
    let again = bob.host.start(receive);
    // The sender goes on by itself, or says that it could not.
    if cut.ends(SOON * 2).code() != Some(0) {
        let _ = alice.host.run(send).ok();
    }
    let _ = again.ends(SOON).ok();
    let whole = fs::read(inbox.join("big.bin")).unwrap();
    assert!(whole == fs::read(file).unwrap(), "the file differs");
}

/// D3: a sender that is killed leaves no file that looks whole, and the receiver is told.
#[test]
fn sender_killed_in_the_middle_leaves_no_half_file() {
    let mut alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let file = alice.host.write_large("big.bin", LARGE);
    let inbox = bob.host.path("inbox");
    let receive = bob.host.start(["receive", "--into", inbox.to_str().unwrap(), "--yes", "--once"]);
    let send = alice.host.start(["send", file.to_str().unwrap(), "bob"]);
    wait_for("the first bytes are there", SOON, || (bytes_below(&inbox) > 0).then_some(()));
    let _ = alice.node.kill9();
    // Its own node is gone.
    let _ = send.ends(SOON).fails(1);
    let _ = receive.ends(SOON).fails(5).says("cut");
    assert!(!inbox.join("big.bin").exists(), "half a file has the name of the whole one");
    alice.node = alice.host.up();
    let small = alice.host.write("small.bin", b"after all");
    let receive = bob.host.start(["receive", "--into", inbox.to_str().unwrap(), "--yes", "--once"]);
    let _ = alice.host.run(["send", small.to_str().unwrap(), "bob"]).ok();
    let _ = receive.ends(SOON).ok();
    assert_eq!(fs::read(inbox.join("small.bin")).unwrap(), b"after all");
}

/// F3, R-C3: on a full disk what cannot be kept is refused, nothing that was acknowledged is lost, and all is well
/// again when there is room.
#[test]
fn full_disk_refuses_and_recovers() {
    let Some(host) = Host::new("alice").on_small_disk(48) else { return };
    let mut alice = Member::authority_on(host);
    let bob = alice.admit("bob");
    let _ = bob.node.stop();
    let say = |host: &Host, text: &str| host.run(["chat", "bob", "-m", text]);
    let _ = say(&alice.host, "before").ok();

    let ballast = alice.host.state().join("ballast");
    fill(&ballast);
    let mut kept = vec!["before".to_owned()];
    // The database has a little room left within its own files.
    let refused = (0..2000).find_map(|number| {
        let text = format!("{number} {}", "x".repeat(8000));
        let said = say(&alice.host, &text);
        if said.code() == Some(0) {
            kept.push(text);
            return None;
        }
        Some(said)
    });
    let _ = refused.unwrap().fails(1);
    assert_eq!(alice.host.run(["status", "--json"]).ok().json()["state"], "running");

    fs::remove_file(&ballast).unwrap();
    let _ = say(&alice.host, "after").ok();
    kept.push("after".to_owned());
    let _ = alice.node.kill9();
    alice.node = alice.host.up();
    assert_eq!(texts_of(&chat_log(&alice.host, "bob", kept.len())), kept);
}

/// F4: one flipped byte in a record is found and named; the node either serves the rest or, where it cannot be
/// itself without the record, refuses to start. It never starts as somebody else.
#[test]
fn flipped_byte_is_named_and_the_rest_served() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let _ = bob.host.run(["chat", "alice", "-m", "before"]).ok();
    let _ = chat_log(&alice.host, "bob", 1);
    let _ = bob.node.stop();
    let _ = alice.host.run(["chat", "bob", "-m", "queued"]).ok();
    let _ = alice.host.run(["invite"]).ok();
    let before = alice.host.run(["status", "--json"]).ok().json();
    let host = alice.host;
    let _ = alice.node.stop();

    for (table, name) in TABLES {
        let Some(damage) = flip_first_record(&host, table) else { continue };
        if ["keys", "membership"].contains(&name) {
            let refused = host.run(host.up_arguments()).fails(7).says(name);
            assert!(refused.stderr().contains("table"), "names the record\n{refused}");
        } else {
            let node = host.up();
            node.logs(&format!("table {name}"));
            let after = host.run(["status", "--json"]).ok().json();
            assert_eq!([&after["id"], &after["name"]], [&before["id"], &before["name"]]);
            // A member without its CA key is still a member, and admits nobody.
            let invite = host.run(["invite"]);
            assert_eq!(invite.code() == Some(0), name != "authority", "{name}\n{invite}");
            let _ = node.stop();
        }
        damage.undo(&host);
    }
    let _ = host.up().stop();
}

/// F4: a store without its key, or with another's, is nobody's, and stays as it is.
#[test]
fn store_without_its_key_is_refused() {
    let alice = Member::authority("alice");
    let host = alice.host;
    let _ = alice.node.stop();
    let key = host.state().join("db/key");
    let own = fs::read(&key).unwrap();
    fs::rename(&key, host.path("key")).unwrap();
    let _ = host.run(host.up_arguments()).fails(7).says("key");
    assert!(!key.exists(), "no new key beside an old database");
    let foreign = Member::authority("mallory");
    fs::copy(foreign.host.state().join("db/key"), &key).unwrap();
    let _ = host.run(host.up_arguments()).fails(7).says("key");
    fs::write(&key, own).unwrap();
    let _ = host.up().stop();
}

/// The tables of a store, by number and name.
const TABLES: [(u8, &str); 9] = [
    (1, "keys"),
    (2, "membership"),
    (3, "authority"),
    (4, "invites"),
    (5, "enrolments"),
    (6, "peers"),
    (7, "tickets"),
    (8, "chat"),
    (9, "outbox"),
];

/// A record as it was before it was damaged.
struct Damage {
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Damage {
    fn undo(&self, host: &Host) {
        let database = open(host);
        // Unless the node has put it right by itself.
        if database.get(&self.key).unwrap().is_some() {
            database.insert(&self.key, &*self.value).unwrap();
            database.flush().unwrap();
        }
    }
}

/// Flips one bit in the middle of the table's first record, if it has any.
fn flip_first_record(host: &Host, table: u8) -> Option<Damage> {
    let database = open(host);
    let (key, value) = database.scan_prefix([table]).next()?.unwrap();
    let mut flipped = value.to_vec();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    database.insert(&key, flipped).unwrap();
    database.flush().unwrap();
    Some(Damage { key: key.to_vec(), value: value.to_vec() })
}

fn open(host: &Host) -> sled::Db {
    let path = host.state().join("db/data");
    // The lock of a node that has just ended may live for a moment.
    wait_for("the database is free", SOON, || sled::open(&path).ok())
}

/// Writes to a file until there is no room for more.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    for size in [1 << 16, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
}

/// What a stranger might send: nothing but noise, or the beginning of something that could be meant.
fn blob(round: usize) -> Vec<u8> {
    let lengths = [0, 1, 3, 64, 1024, 4096, 70_000];
    let mut blob = match round % 8 {
        // A libp2p greeting, and an announced line of 2^63 bytes after it.
        0 => b"\x13/multistream/1.0.0\n\xff\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec(),
        1 => b"\x13/multistream/1.0.0\n\x07/noise\n".to_vec(),
        // Lengths of two, four and eight bytes that are none.
        2 => u16::MAX.to_be_bytes().to_vec(),
        3 => u32::MAX.to_be_bytes().to_vec(),
        4 => (1_u64 << 63).to_be_bytes().to_vec(),
        5 => vec![0; 8],
        // The long header of a QUIC packet of the first version.
        6 => vec![0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8],
        _ => Vec::new(),
    };
    blob.extend(noise(round as u64, lengths[round % lengths.len()]));
    blob
}

/// What a stranger might say once it is connected: a version and a kind of message, perhaps, and then noise.
fn frame(round: usize) -> Vec<u8> {
    let lengths = [0, 1, 7, 100, 3000, 65_533, 65_534, 65_535, 65_536, 1 << 20];
    let kind = u8::try_from(round / 10 % 32).unwrap();
    let mut frame = match round % 3 {
        0 => vec![1, kind],
        1 => vec![kind],
        _ => Vec::new(),
    };
    frame.extend(noise(round as u64, lengths[round % lengths.len()]));
    // An empty frame is no frame at all.
    if frame.is_empty() { vec![0] } else { frame }
}

/// Sends `blob`, and returns every tenth connection as it is, unfinished.
fn throw(attacker: &Attacker, target: SocketAddr, blob: &[u8], round: usize) -> Option<TcpStream> {
    // Being refused is fine, at any moment.
    let mut stream = attacker.tcp(target).ok()?;
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let _ = stream.write_all(blob);
    round.is_multiple_of(10).then_some(stream)
}

/// Whether the other side has ended this connection.
fn is_cut(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut greeting = [0; 256];
    loop {
        match stream.read(&mut greeting) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| {
        let path = entry.path();
        if path.is_dir() { bytes_below(&path) } else { entry.metadata().map_or(0, |metadata| metadata.len()) }
    };
    entries.filter_map(Result::ok).map(size).sum()
}
