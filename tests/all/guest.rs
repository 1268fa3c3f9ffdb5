//! Guests: devices that were never enrolled, as real processes, and the one service whose password they know.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use lanyard_tests::{Host, Lan, Member, Process, RunningNode, SOON, noise, wait_for};

const PASSWORD: &str = "harbour violet cactus noodle\n";

const POLICY: &str = r#"version = 1
[roles]
member = ["service.use"]
[[grant]]
to      = ["guest"]
service = ["db@alice"]
[[grant]]
to      = ["role:member"]
service = ["chat@*", "file@*", "docs@*"]
"#;

const NO_GUESTS: &str = "version = 1\n[roles]\nmember = [\"service.use\"]\n";

/// A server that sends back what it reads.
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

/// Sends all of `bytes`, says that this is all, and reads what comes back.
fn echoed(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
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

fn apply(alice: &Member, text: &str) {
    let file = alice.host.write("policy.toml", text.as_bytes());
    let _ = alice.host.run(["policy", "apply", file.to_str().unwrap()]).ok();
}

/// An authority that lets guests use an echo server, and exposes a folder besides.
fn open_house() -> Member {
    let alice = Member::authority("alice");
    apply(&alice, POLICY);
    let password = alice.host.write("password", PASSWORD.as_bytes());
    let server = echo_server("127.0.0.1:0").to_string();
    let expose = ["expose", "db", &server, "--guest", "--password-file", password.to_str().unwrap()];
    let said = alice.host.run(expose).ok();
    let _ = said.says("without a certificate").says("lanyard forward db@alice --guest");
    let _ = alice.host.run(["expose", "docs", "/usr/share"]).ok();
    alice
}

/// A device that is in no network and knows where to look; it is up.
fn stranger(name: &str, at: SocketAddr) -> (Host, RunningNode) {
    let host = Host::new(name);
    fs::create_dir_all(host.state()).unwrap();
    fs::write(host.state().join("config.toml"), format!("peers = [\"{at}\"]\n")).unwrap();
    let up = host.up();
    (host, up)
}

/// A port of the guest's that leads to `service`.
fn forward(guest: &Host, service: &str) -> (Process, SocketAddr) {
    let password = guest.write("password", PASSWORD.as_bytes());
    let arguments = ["forward", service, "--guest", "--password-file", password.to_str().unwrap()];
    let forward = guest.start(arguments);
    let line = forward.prints("where it listens", SOON, |line| line.starts_with("listening on "));
    let address = line.strip_prefix("listening on ").unwrap().parse().unwrap();
    (forward, address)
}

fn is_reset(mut stream: TcpStream) {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let read = stream.read(&mut [0; 16]).map_err(|error| error.kind());
    assert_eq!(read, Err(std::io::ErrorKind::ConnectionReset), "a cut is no end");
}

/// R-L7, R-T3: a device that was never enrolled uses the one service whose password it knows, and nothing else of that
/// node.
#[test]
fn device_without_a_certificate_uses_one_service_by_its_password() {
    let alice = open_house();
    let (guest, _up) = stranger("guest", alice.host.control_address());
    let (forward_db, port) = forward(&guest, "db@alice");
    for (seed, size) in [(1, 1), (2, 65_537), (3, 3_000_000)] {
        let bytes = noise(seed, size);
        assert!(echoed(port, &bytes) == bytes, "{size} bytes");
    }
    // It is nobody for that.
    let status = guest.run(["status", "--json"]).ok().json();
    assert_eq!(status["role"], "none");
    for command in [
        &["forward", "db@alice"][..],
        &["forward", "docs@alice"],
        &["get", "docs@alice/"],
        &["chat", "alice", "-m", "hello"],
        &["ping", "alice"],
        &["ticket", "get", "db@alice"],
    ] {
        let _ = guest.run(command.iter().copied()).fails(4);
    }
    let password = guest.write("password", PASSWORD.as_bytes());
    let file = password.to_str().unwrap();
    for service in ["docs@alice", "chat@alice", "none@alice"] {
        let _ = guest.run(["forward", service, "--guest", "--password-file", file]).fails(4).says("password");
    }
    let _ = guest.run(["forward", "db@nobody", "--guest", "--password-file", file]).fails(6);
    // Whoever runs the provider sees what it lets others do.
    let shown = alice.host.run(["status"]).ok().stdout();
    assert!(shown.contains("guests use   db"), "{shown}");
    let listed = alice.host.run(["service", "list", "--json"]).ok().json();
    let db = listed.as_array().unwrap().iter().find(|service| service["name"] == "db").unwrap().clone();
    assert_eq!((&db["guests"]["granted"], &db["opened"]), (&true.into(), &3.into()));
    drop(forward_db);
}

/// A16, R-T9: wrong passwords are denied and counted; then the service rests, and whoever knows it is told for how long.
#[test]
fn wrong_passwords_make_a_service_rest() {
    let alice = open_house();
    let (guest, _up) = stranger("guest", alice.host.control_address());
    let wrong = guest.write("wrong", b"harbour violet cactus\n");
    let right = guest.write("right", PASSWORD.as_bytes());
    let visit = |file: &Path| {
        guest.run(["forward", "db@alice", "--guest", "--password-file", file.to_str().unwrap()])
    };
    for _ in 0..10 {
        let _ = visit(&wrong).fails(4).says("the password is wrong").says("spelling");
    }
    let _ = visit(&right).fails(4).says("tried wrongly too often").says("wait 60 minutes");
    let _ = alice.host.run(["status"]).ok().says("db was tried wrongly too often");
    let shown = alice.host.run(["service", "list"]).ok().stdout();
    assert!(shown.contains("rests 60 min"), "{shown}");
    // A person who looks sets it again.
    let db = alice.host.run(["service", "list", "--json"]).ok().json()[0]["target"]["tcp"].clone();
    let new = alice.host.write("new", b"walnut saddle ribbon puzzle\n");
    let expose = ["expose", "db", db.as_str().unwrap(), "--guest", "--password-file", new.to_str().unwrap()];
    let _ = alice.host.run(expose).ok();
    let _ = visit(&right).fails(4);
    let new = guest.write("new", b"  walnut saddle ribbon puzzle  \n");
    let forward = guest.start(["forward", "db@alice", "--guest", "--password-file", new.to_str().unwrap()]);
    let _ = forward.prints("where it listens", SOON, |line| line.starts_with("listening on "));
}

/// C4, H5, R-T14: a guest's open connection is cut when policy, the password or the service is taken away, and nothing is
/// carried any more; a restart of the provider costs it nothing.
#[test]
fn guests_connections_end_with_what_they_stand_on() {
    let mut alice = open_house();
    let (guest, _up) = stranger("guest", alice.host.control_address());
    let (_forward, port) = forward(&guest, "db@alice");
    let target = alice.host.run(["service", "list", "--json"]).ok().json()[0]["target"]["tcp"].clone();
    let target = target.as_str().unwrap().to_owned();
    let open = || {
        let mut stream = TcpStream::connect(port).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        stream
    };
    let password = alice.host.write("password", PASSWORD.as_bytes());
    let expose = ["expose", "db", &target, "--guest", "--password-file", password.to_str().unwrap()];
    let stream = open();
    apply(&alice, NO_GUESTS);
    is_reset(stream);
    is_reset(TcpStream::connect(port).unwrap());
    apply(&alice, POLICY);
    let stream = open();
    let _ = alice.host.run(expose).ok();
    is_reset(stream);
    let stream = open();
    let _ = alice.host.run(["unexpose", "db"]).ok();
    is_reset(stream);
    is_reset(TcpStream::connect(port).unwrap());
    // What was left of it is nothing to a service of the same name.
    let _ = alice.host.run(["expose", "db", &target]).ok();
    is_reset(TcpStream::connect(port).unwrap());
    let _ = alice.host.run(expose).ok();
    let _ = open();
    let _ = alice.node.kill9();
    alice.node = alice.host.up();
    let bytes = noise(9, 100_000);
    wait_for("the guest is back", SOON, || {
        let mut stream = TcpStream::connect(port).ok()?;
        stream.set_read_timeout(Some(SOON)).ok()?;
        stream.write_all(b"x").ok()?;
        stream.read_exact(&mut [0]).ok()
    });
    assert!(echoed(port, &bytes) == bytes);
}

/// A3: a weak password is refused unless somebody insists, and a password is in no argument.
#[test]
fn weak_password_for_guests_is_refused() {
    let alice = Member::authority("alice");
    let weak = alice.host.write("weak", b"password1\n");
    let expose = ["expose", "db", "127.0.0.1:9", "--guest", "--password-file", weak.to_str().unwrap()];
    let _ = alice.host.run(expose).fails(2).says("weak");
    assert_eq!(alice.host.run(["service", "list", "--json"]).ok().json(), serde_json::json!([]));
    let _ = alice.host.run(expose.iter().copied().chain(["--weak"])).ok();
    let _ = alice.host.run(["expose", "db", "127.0.0.1:9", "--password-file", "x"]).fails(2);
}

/// R-L7, R-C2: on a network that nobody has configured a guest finds its host by multicast, and what it says to a TLS
/// server there comes back.
#[test]
fn guest_finds_its_host_by_multicast() {
    let Some(mut lan) = Lan::new() else { return };
    let alice = Member::authority_on(lan.host("alice"));
    apply(&alice, POLICY);
    let password = alice.host.write("password", PASSWORD.as_bytes());
    let (key, certificate) = (alice.host.path("key.pem"), alice.host.path("certificate.pem"));
    let openssl = |host: &Host, arguments: &[&str]| {
        let mut command = host.program(Path::new("openssl"));
        command.args(arguments);
        command
    };
    let (key, certificate) = (key.to_str().unwrap(), certificate.to_str().unwrap());
    let make = ["req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=db", "-keyout", key];
    let _ = Process::run(openssl(&alice.host, &[&make[..], &["-out", certificate]].concat()), b"", SOON).ok();
    let serve = ["s_server", "-accept", "127.0.0.1:5432", "-cert", certificate, "-key", key, "-rev"];
    let server = Process::start(openssl(&alice.host, &serve));
    let _ = server.prints("that it serves", SOON, |line| line.contains("ACCEPT"));
    let file = password.to_str().unwrap();
    let expose = ["expose", "db", "127.0.0.1:5432", "--guest", "--password-file", file];
    let _ = alice.host.run(expose).ok();
    let guest = lan.host("guest");
    let _up = guest.up();
    let (_forward, port) = forward(&guest, "db@alice");
    let mut client = Process::start(openssl(&guest, &["s_client", "-quiet", "-connect", &port.to_string()]));
    client.types("harbour\n");
    let _ = client.prints("the word from behind", SOON, |line| line == "ruobrah");
    let _ = guest.run(["ping", "alice"]).fails(4);
    let file = guest.write("password", PASSWORD.as_bytes());
    let _ = guest.run(["forward", "db@bob", "--guest", "--password-file", file.to_str().unwrap()]).fails(6);
}
