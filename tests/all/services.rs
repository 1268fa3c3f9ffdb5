//! Services that users expose to each other: TCP ports and folders, between real nodes.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::thread;
use std::time::Duration;

use lanyard_tests::{Member, Process, SOON, noise, wait_for};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

const POLICY: &str = r#"version = 1
[roles]
member = ["service.use"]
[[grant]]
to      = ["node:bob"]
service = ["db@*", "docs@*"]
"#;

const NOTHING: &str = "version = 1\n[roles]\nmember = [\"service.use\"]\n";

/// An authority and a member, where policy lets that member use `db` and `docs`, wherever they are.
struct Pair {
    alice: Member,
    bob: Member,
}

impl Pair {
    fn new() -> Self {
        let alice = Member::authority("alice");
        let pair = Self { bob: alice.admit("bob"), alice };
        pair.apply(POLICY, 1);
        pair
    }

    fn apply(&self, text: &str, version: u64) {
        let file = self.alice.host.write("policy.toml", text.as_bytes());
        let _ = self.alice.host.run(["policy", "apply", file.to_str().unwrap()]).ok();
        wait_for("bob goes by the policy", SOON, || {
            let status = self.bob.host.run(["status", "--json"]).ok().json();
            (status["epochs"]["policy"] == version).then_some(())
        });
    }

    fn expose_db(&self, server: SocketAddr) {
        let said = self.alice.host.run(["expose", "db", &server.to_string()]).ok();
        let _ = said.says("lanyard forward db@alice").says("lanyard policy allow");
    }

    /// A port at bob that leads to alice's `db`.
    fn forward(&self, arguments: &[&str]) -> (Process, SocketAddr) {
        let forward = self.bob.host.start(["forward", "db@alice"].iter().chain(arguments).copied());
        let line = forward.prints("where it listens", SOON, |line| line.starts_with("listening on "));
        let address = line.strip_prefix("listening on ").unwrap().parse().unwrap();
        (forward, address)
    }

    /// What alice exposes under `name`.
    fn exposed(&self, name: &str) -> serde_json::Value {
        let list = self.alice.host.run(["service", "list", "--json"]).ok().json();
        list.as_array().unwrap().iter().find(|service| service["name"] == name).unwrap().clone()
    }
}

/// A server that sends back what it reads, to any number of connections.
fn echo_server(address: &str) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            thread::spawn(move || {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(read @ 1..) = connection.read(&mut buffer) {
                    if connection.write_all(&buffer[..read]).is_err() {
                        return;
                    }
                }
                let _ = connection.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// Sends all of `bytes`, says that this is all, and reads what comes back.
fn echoed(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    let mut writer = stream.try_clone().unwrap();
    let mut came = Vec::new();
    thread::scope(|scope| {
        scope.spawn(move || {
            writer.write_all(bytes).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        stream.read_to_end(&mut came).unwrap();
    });
    came
}

fn is_reset(mut stream: TcpStream) {
    let read = stream.read(&mut [0; 16]).map_err(|error| error.kind());
    assert_eq!(read, Err(ErrorKind::ConnectionReset), "a cut is no end");
}

/// R-C7, R-T3: a port at one node leads to a TCP server beside another, over IPv4 and IPv6, and is gone when its command
/// is interrupted.
#[test]
fn port_is_carried_to_a_server_elsewhere() {
    let pair = Pair::new();
    for (server, listen) in [("127.0.0.1:0", &[][..]), ("[::1]:0", &["[::1]:0"][..])] {
        pair.expose_db(echo_server(server));
        let (forward, port) = pair.forward(listen);
        assert!(port.ip().is_loopback() && port.is_ipv6() == server.starts_with('['), "{port}");
        for (seed, size) in [(1, 1), (2, 65_537), (3, 5_000_000)] {
            let bytes = noise(seed, size);
            assert!(echoed(port, &bytes) == bytes, "{size} bytes by {port}");
        }
        forward.signal(Signal::INT);
        let ended = forward.ends(SOON);
        assert_eq!(ended.code(), Some(130), "{ended}");
        wait_for("the port is gone", SOON, || TcpStream::connect(port).is_err().then_some(()));
        let _ = pair.alice.host.run(["unexpose", "db"]).ok();
    }
    let _ = pair.alice.host.run(["unexpose", "db"]).fails(6);
}

/// R-C7: a thousand connections are open at once, and each has its own bytes.
#[test]
fn a_thousand_connections_are_carried_at_once() {
    const MANY: u64 = 1000;
    raise_descriptors();
    let pair = Pair::new();
    pair.expose_db(echo_server("127.0.0.1:0"));
    let (_forward, port) = pair.forward(&[]);
    let mut open: Vec<TcpStream> = (0..MANY).map(|_| connect(port)).collect();
    for round in 0..2_u64 {
        for (number, stream) in (0..).zip(&mut open) {
            stream.write_all(&u64::to_le_bytes(number * 7 + round)).unwrap();
        }
        for (number, stream) in (0..).zip(&mut open) {
            let mut came = [0; 8];
            stream.read_exact(&mut came).unwrap();
            assert_eq!(u64::from_le_bytes(came), number * 7 + round);
        }
    }
    let db = pair.exposed("db");
    assert_eq!(
        [&db["open"], &db["opened"], &db["received"], &db["sent"]],
        [MANY, MANY, 16 * MANY, 16 * MANY]
    );
    drop(open);
    wait_for("all have ended", SOON, || (pair.exposed("db")["open"] == 0).then_some(()));
}

/// This process has both ends of each connection.
fn raise_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// H5: nobody exposes the node itself, its socket, its keys, or under a name of Lanyard's own.
#[test]
fn what_is_the_nodes_own_is_refused() {
    let alice = Member::authority("alice");
    let (control, lane) = (alice.host.control_address().to_string(), alice.host.lane_address().to_string());
    let state = alice.host.state();
    let (socket, keys) = (state.join("control.sock"), state.join("db"));
    for (target, code, words) in [
        (control.as_str(), 1, "is a port of this node itself"),
        (&lane, 1, "is a port of this node itself"),
        (socket.to_str().unwrap(), 2, "is a Unix socket"),
        (keys.to_str().unwrap(), 1, "own keys"),
        (state.to_str().unwrap(), 1, "own keys"),
        ("/", 1, "own keys"),
        ("127.0.0.1:0", 6, "no folder"),
        ("5432", 6, "no folder"),
    ] {
        let _ = alice.host.run(["expose", "db", target]).fails(code).says(words);
    }
    for name in ["chat", "file", "backup"] {
        let _ = alice.host.run(["expose", name, "127.0.0.1:5432"]).fails(1).says("choose another name");
    }
    assert_eq!(alice.host.run(["service", "list", "--json"]).ok().json(), serde_json::json!([]));
}

/// H5, R-T1, R-T9: what is not granted, not known or away is refused before anything listens.
#[test]
fn port_that_leads_nowhere_is_not_opened() {
    let Pair { alice, mut bob } = Pair::new();
    for (arguments, code) in [
        (&["forward", "ssh@alice"][..], 4),
        (&["forward", "db@carol"], 6),
        (&["forward", "db@alice", "bob:80"], 2),
        (&["forward", "db"], 2),
        (&["get", "secrets@alice/a"], 4),
        (&["get", "docs@carol/a"], 6),
        (&["get", "docs/a"], 2),
    ] {
        let refused = bob.host.run(arguments).fails(code);
        assert_eq!(refused.stdout(), "", "{refused}");
    }
    // The ticket is held, and its provider away.
    let _ = bob.host.run(["ticket", "get", "db@alice"]).ok();
    let _ = alice.node.stop();
    let _ = bob.host.run(["forward", "db@alice"]).fails(5);
    let _ = bob.node.stop();
    let _ = bob.host.run(["forward", "db@alice"]).fails(3);
    bob.node = bob.host.up();
}

/// H5, R-T1, C4: when policy grants it no longer, open connections are cut at both ends within two seconds, and the next
/// one is refused with the reason.
#[test]
fn forwarded_connections_end_with_the_policy() {
    let pair = Pair::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    pair.expose_db(server.local_addr().unwrap());
    let (forward, port) = pair.forward(&[]);
    let near = connect(port);
    let (far, _) = server.accept().unwrap();
    far.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let file = pair.alice.host.write("nothing.toml", NOTHING.as_bytes());
    let _ = pair.alice.host.run(["policy", "apply", file.to_str().unwrap()]).ok();
    is_reset(far);
    is_reset(near);
    wait_for("the next one is refused", SOON, || {
        is_reset(connect(port));
        forward.stderr().contains("policy does not grant db@alice").then_some(())
    });
    assert_eq!(pair.exposed("db")["opened"], 1);
}

/// D3, H5: a provider that is killed resets what it carried; one that was, exposes the same when it is back.
#[test]
fn what_is_exposed_outlives_a_kill() {
    let mut pair = Pair::new();
    let server = echo_server("127.0.0.1:0");
    pair.expose_db(server);
    let docs = pair.alice.host.path("docs");
    fs::create_dir(&docs).unwrap();
    fs::write(docs.join("a"), "hello").unwrap();
    let _ =
        pair.alice.host.run(["expose", "docs", docs.to_str().unwrap()]).ok().says("lanyard get docs@alice/");
    let (_forward, port) = pair.forward(&[]);
    let mut near = connect(port);
    near.write_all(b"x").unwrap();
    near.read_exact(&mut [0]).unwrap();
    let _ = pair.alice.node.kill9();
    is_reset(near);

    pair.alice.node = pair.alice.host.up();
    pair.bob.meets(&pair.alice.host);
    assert_eq!(pair.exposed("db")["target"]["tcp"], server.to_string());
    assert_eq!(echoed(port, b"still the same port"), b"still the same port");
    assert_eq!(pair.bob.host.run(["get", "docs@alice/a"]).ok().stdout(), "hello");
    let _ = pair.alice.host.run(["unexpose", "docs"]).ok();
    let _ = pair.alice.node.kill9();
    pair.alice.node = pair.alice.host.up();
    let _ = pair.bob.host.run(["get", "docs@alice/a"]).fails(6);
}

/// R-T3, H1, H4, H5: files and listings are got as they are; nothing else is, and no name steers a terminal.
#[test]
fn folder_is_read_and_nothing_beside_it() {
    let pair = Pair::new();
    let docs = pair.alice.host.path("docs");
    fs::create_dir_all(docs.join("in")).unwrap();
    let content = noise(5, 3_000_000);
    fs::write(docs.join("in/list.bin"), &content).unwrap();
    fs::write(docs.join("\u{1b}[2J"), "").unwrap();
    let secret = pair.alice.host.write("secret", b"secret");
    symlink("../secret", docs.join("link")).unwrap();
    symlink("..", docs.join("up")).unwrap();
    let _ = Process::run(pipe_at(&docs.join("pipe")), b"", SOON).ok();
    let _ = pair.alice.host.run(["expose", "docs", docs.to_str().unwrap()]).ok();

    let bob = &pair.bob.host;
    assert!(bob.run(["get", "docs@alice/in/list.bin"]).ok().stdout_bytes() == content, "to a pipe");
    let into = bob.path("here.bin");
    let to = into.to_str().unwrap();
    let _ = bob.run(["get", "docs@alice/in/list.bin", "-o", to]).ok().says("verified");
    assert!(fs::read(&into).unwrap() == content, "to a file");
    let _ = bob.run(["get", "docs@alice/in/list.bin", "-o", to]).fails(1).says("--force");

    let listing = bob.run(["get", "docs@alice/", "--json"]).ok().json();
    assert_eq!(
        listing["entries"],
        serde_json::json!([{"name": "\u{1b}[2J", "bytes": 0}, {"name": "in", "bytes": null}])
    );
    assert_eq!(listing["left_out"], 3);
    let shown = bob.run(["get", "docs@alice"]).ok();
    assert!(shown.stdout().contains("in/") && !shown.stdout().contains('\u{1b}'), "{shown}");
    let within = bob.run(["get", "docs@alice/in/"]).ok().stdout();
    assert!(within.contains("list.bin  3000000"), "{within}");

    let absolute = format!("docs@alice/{}", secret.display());
    for path in [
        "docs@alice/../secret",
        "docs@alice/in/../../secret",
        "docs@alice//etc/passwd",
        &absolute,
        "docs@alice/link",
        "docs@alice/up/secret",
        "docs@alice/pipe",
        "docs@alice/nothing",
        "docs@alice/up/",
        "docs@alice/../",
    ] {
        let refused = bob.run(["get", path]).fails(6);
        assert_eq!(refused.stdout(), "", "{refused}");
    }
    let _ = bob.run(["get", "docs@alice/in"]).fails(2).says("docs@alice/in/");
    assert_eq!(pair.exposed("docs")["refused"], 11);
}

fn pipe_at(path: &std::path::Path) -> std::process::Command {
    let mut command = std::process::Command::new("mkfifo");
    command.arg(path);
    command
}

/// D3, H3, H5: a provider that is killed in the middle of a file leaves an error, and nothing that looks like the file.
#[test]
fn provider_killed_in_the_middle_leaves_no_half_file() {
    let pair = Pair::new();
    let docs = pair.alice.host.path("docs");
    fs::create_dir(&docs).unwrap();
    fs::rename(pair.alice.host.write_large("large", 8 << 30), docs.join("large")).unwrap();
    let _ = pair.alice.host.run(["expose", "docs", docs.to_str().unwrap()]).ok();
    let folder = pair.bob.host.path("into");
    fs::create_dir(&folder).unwrap();
    let get = pair.bob.host.start(["get", "docs@alice/large", "-o", folder.join("large").to_str().unwrap()]);
    let size = || {
        let found = fs::read_dir(&folder).unwrap().next()?.unwrap();
        found.metadata().ok().map(|found| found.len())
    };
    wait_for("some of it is there", SOON, || (size()? > 1 << 20).then_some(()));
    assert!(!folder.join("large").exists(), "not before it is whole");
    let _ = pair.alice.node.kill9();
    let _ = get.ends(SOON).fails(7).says("truncated");
    assert_eq!(size(), None, "nothing is left");
}
