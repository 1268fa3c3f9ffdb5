//! Services that users expose, between two nodes: ports that are carried, and folders that are read.

use core::net::SocketAddr;
use core::num::NonZeroU32;
use core::time::Duration;
use std::io::ErrorKind;
use std::path::Path;

use lanyard_node::Node;
use lanyard_node::lane::Session;
use lanyard_protocol::codec;
use lanyard_protocol::control::{
    Answer, ApplyPolicy, Code, Command, Exposed, Failure, ForwardEvent, Listing,
};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::tools::{Events, Host, frame, network};
use crate::{init, invite, join, owner};

/// How long anything may take that should be there at once.
const SOON: Duration = Duration::from_secs(20);

const POLICY: &str = r#"version = 1
[roles]
member = ["service.use"]
[[grant]]
to      = ["role:member"]
service = ["db@office", "docs@office", "lies@office"]
"#;

const NOTHING: &str = "version = 1\n[roles]\nmember = [\"service.use\"]\n";

/// Bytes that do not repeat, the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Sizes between nothing and far more than a record, the same for the same seed.
fn sizes(seed: u64) -> impl Iterator<Item = usize> {
    (0..).map(move |number| {
        let drawn = blake3::hash(&[seed.to_le_bytes(), u64::to_le_bytes(number)].concat());
        let [low, middle, high, kind, ..] = *drawn.as_bytes();
        let bits = usize::from(kind) % 18;
        (usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16) & ((1 << bits) - 1)
    })
}

async fn apply(office: &Node, members: &[&Node], text: &str) {
    let Answer::Policy(shown) =
        owner(office, Command::ApplyPolicy(ApplyPolicy { text: text.to_owned(), based_on: None })).await
    else {
        panic!("expected the policy")
    };
    for member in members {
        let mut changes = member.handle().snapshots();
        loop {
            let Answer::Status(status) = owner(member, Command::Status).await else {
                panic!("expected a status")
            };
            if status.epochs.policy == shown.epoch {
                break;
            }
            timeout(SOON, changes.changed()).await.unwrap().unwrap();
        }
    }
}

/// Two nodes whose policy grants what `office` exposes in these tests.
async fn open_network() -> (Host, Host) {
    let (office, till) = network().await;
    apply(office.node(), &[till.node()], POLICY).await;
    (office, till)
}

/// Offers `target` as `name`: the status, and the answer's text.
async fn try_expose(host: &Host, name: &str, target: serde_json::Value) -> (u16, String) {
    let body = json!({ "name": name, "target": target }).to_string();
    let (status, mut stream) = host.ask("POST /v1/services", &body).await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    (status, text)
}

async fn expose_port(host: &Host, name: &str, address: SocketAddr) {
    let (status, text) = try_expose(host, name, json!({ "tcp": address.to_string() })).await;
    assert_eq!(status, 200, "{text}");
}

async fn expose_folder(host: &Host, name: &str, path: &Path) {
    let (status, text) = try_expose(host, name, json!({ "folder": path })).await;
    assert_eq!(status, 200, "{text}");
}

async fn exposed(host: &Host) -> Vec<Exposed> {
    host.answer("GET /v1/services", "").await
}

/// Waits until what `host` exposes first is so.
async fn exposed_until(host: &Host, so: impl Fn(&Exposed) -> bool) {
    let looking = async {
        while !so(&exposed(host).await[0]) {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, looking).await.unwrap();
}

/// A port on `host` that leads to `service`, for as long as the events are kept.
async fn forward(host: &Host, service: &str, listen: &str) -> (SocketAddr, Events) {
    let body = json!({ "service": service, "listen": listen }).to_string();
    let mut events = host.events("POST /v1/forward", &body).await;
    let event = events.next().await.unwrap();
    let ForwardEvent::Listening { address, .. } = event else { panic!("expected to listen: {event:?}") };
    (address, events)
}

async fn refused(events: &mut Events) -> Failure {
    let event = timeout(SOON, events.next()).await.unwrap().unwrap();
    let ForwardEvent::Refused(failure) = event else { panic!("expected a refusal: {event:?}") };
    failure
}

async fn failure_of(host: &Host, request: &str, body: serde_json::Value) -> (u16, String) {
    let (status, mut stream) = host.ask(request, &body.to_string()).await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    (status, text)
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn write_in_pieces(to: &mut (impl tokio::io::AsyncWrite + Unpin), bytes: &[u8], seed: u64) {
    let mut rest = bytes;
    for size in sizes(seed) {
        let (piece, later) = rest.split_at(size.min(rest.len()));
        to.write_all(piece).await.unwrap();
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    to.shutdown().await.unwrap();
}

/// How a read ended that was not to give anything.
async fn end_of(stream: &mut TcpStream) -> Result<usize, ErrorKind> {
    timeout(SOON, stream.read(&mut [0; 16])).await.unwrap().map_err(|error| error.kind())
}

/// R-C7, R-T3, H5: what is sent in pieces of any size arrives as it was, both ways at once.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_equal_both_ways() {
    let (mut office, mut till) = open_network().await;
    let (target, address) = listener().await;
    expose_port(&office, "db", address).await;
    let (port, _events) = forward(&till, "db@office", "127.0.0.1:0").await;
    for seed in 0..6 {
        let (up, down) = (noise(seed, 3_000_000), noise(seed + 100, 2_000_001));
        let (near, far) = tokio::join!(TcpStream::connect(port), target.accept());
        let ((near_reader, mut near_writer), (far_reader, mut far_writer)) =
            (near.unwrap().into_split(), far.unwrap().0.into_split());
        let read = async |mut from: tokio::net::tcp::OwnedReadHalf| {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).await.map(|_| bytes)
        };
        let carried = async {
            tokio::join!(
                write_in_pieces(&mut near_writer, &up, seed),
                write_in_pieces(&mut far_writer, &down, seed + 1000),
                read(near_reader),
                read(far_reader),
            )
        };
        let ((), (), came_down, came_up) = timeout(SOON * 3, carried).await.unwrap();
        assert!(came_up.unwrap() == up && came_down.unwrap() == down, "{seed}");
    }
    exposed_until(&office, |db| db.open == 0).await;
    let db = &exposed(&office).await[0];
    assert_eq!((db.opened, db.received, db.sent, db.refused), (6, 6 * 3_000_000, 6 * 2_000_001, 0));
    office.stop().await;
    till.stop().await;
}

/// H5: one side says that it has said everything, and is still told everything, whichever side that is.
#[tokio::test]
async fn each_half_ends_by_itself() {
    let (mut office, mut till) = open_network().await;
    let (target, address) = listener().await;
    expose_port(&office, "db", address).await;
    let (port, _events) = forward(&till, "db@office", "127.0.0.1:0").await;
    for near_first in [true, false] {
        let (near, far) = tokio::join!(TcpStream::connect(port), target.accept());
        let (near, (far, _)) = (near.unwrap(), far.unwrap());
        let (mut first, mut second) = if near_first { (near, far) } else { (far, near) };
        first.write_all(b"all that I say").await.unwrap();
        first.shutdown().await.unwrap();
        let mut text = String::new();
        timeout(SOON, second.read_to_string(&mut text)).await.unwrap().unwrap();
        assert_eq!(text, "all that I say");
        let answer = noise(7, 1_000_000);
        let (mut first, mut read) = (first.take(1_000_000), Vec::new());
        let both = async { tokio::join!(second.write_all(&answer), first.read_to_end(&mut read)) };
        let (written, came) = timeout(SOON, both).await.unwrap();
        written.unwrap();
        came.unwrap();
        assert!(read == answer, "the other half goes on: {near_first}");
        drop(second);
    }
    exposed_until(&office, |db| db.open == 0).await;
    office.stop().await;
    till.stop().await;
}

/// R-C7: a port on IPv6 leads to a target on IPv6.
#[tokio::test]
async fn carries_ipv6() {
    let (mut office, mut till) = open_network().await;
    let target = TcpListener::bind("[::1]:0").await.unwrap();
    expose_port(&office, "db", target.local_addr().unwrap()).await;
    let (port, _events) = forward(&till, "db@office", "[::1]:0").await;
    assert!(port.is_ipv6());
    let (near, far) = tokio::join!(TcpStream::connect(port), target.accept());
    near.unwrap().write_all(b"six").await.unwrap();
    let mut text = String::new();
    timeout(SOON, far.unwrap().0.read_to_string(&mut text)).await.unwrap().unwrap();
    assert_eq!(text, "six");
    office.stop().await;
    till.stop().await;
}

/// H5: nothing is offered that leads to the node itself, shows its keys, or has the name of something else.
#[tokio::test]
async fn what_is_the_nodes_own_is_not_exposed() {
    let (mut office, mut till) = network().await;
    let listening = office.node().handle().listening().await.unwrap();
    let (control, lane) = (listening.control[0].port(), listening.lane[0].port());
    for target in [
        format!("127.0.0.1:{control}"),
        format!("127.0.0.1:{lane}"),
        format!("localhost:{lane}"),
        format!("0.0.0.0:{control}"),
        format!("[::ffff:127.0.0.1]:{lane}"),
    ] {
        let (status, text) = try_expose(&office, "db", json!({ "tcp": target })).await;
        assert!(status == 409 && text.contains("is a port of this node itself"), "{target}: {status} {text}");
    }
    let state = office.state.path().to_owned();
    let (socket, db) = (state.join("control.sock"), state.join("db"));
    let parent = state.parent().unwrap().to_owned();
    for (folder, status, words) in [
        (&socket, 400, "is a Unix socket"),
        (&db, 409, "own keys"),
        (&state, 409, "own keys"),
        (&parent, 409, "own keys"),
    ] {
        let (got, text) = try_expose(&office, "docs", json!({ "folder": folder })).await;
        assert!(got == status && text.contains(words), "{}: {got} {text}", folder.display());
    }
    office.node().serve("clock".parse().unwrap(), async |_: Session| {});
    for name in ["chat", "file", "policy", "clock"] {
        let (status, text) = try_expose(&office, name, json!({ "tcp": "127.0.0.1:1" })).await;
        assert!(status == 409 && text.contains("choose another name"), "{name}: {status} {text}");
    }
    for (name, target) in [
        ("Db", json!({ "tcp": "127.0.0.1:1" })),
        ("db", json!({ "tcp": "127.0.0.1:0" })),
        ("db", json!({ "tcp": "127.0.0.1" })),
        ("db", json!({ "tcp": "127.0.0.1:1", "folder": "/srv" })),
        ("db", json!({ "folder": "srv" })),
    ] {
        let (status, text) = try_expose(&office, name, target).await;
        assert_eq!(status, 400, "{text}");
    }
    assert_eq!(exposed(&office).await, []);
    office.stop().await;
    till.stop().await;
}

/// H5, R-T1: a name whose address has become the node's own leads nowhere, though it was another one when it was exposed.
#[tokio::test]
async fn a_target_is_looked_at_again_for_each_channel() {
    let (mut office, mut till) = open_network().await;
    let (target, address) = listener().await;
    expose_port(&office, "db", address).await;
    office.stop().await;
    // From now on the node itself listens there.
    drop(target);
    office.listen_for_lanes_at(address);
    office.restart().await;
    let (port, mut events) = forward(&till, "db@office", "127.0.0.1:0").await;
    let mut near = TcpStream::connect(port).await.unwrap();
    assert_eq!(end_of(&mut near).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(refused(&mut events).await.code, Code::Unreachable);
    exposed_until(&office, |db| (db.opened, db.refused) == (1, 1)).await;
    office.stop().await;
    till.stop().await;
}

/// D3, H5: where nobody listens, the program is reset and not told an end, and its user is told where to look.
#[tokio::test]
async fn a_target_that_is_not_there_is_told() {
    let (mut office, mut till) = open_network().await;
    let (target, address) = listener().await;
    drop(target);
    expose_port(&office, "db", address).await;
    let (port, mut events) = forward(&till, "db@office", "127.0.0.1:0").await;
    let mut near = TcpStream::connect(port).await.unwrap();
    assert_eq!(end_of(&mut near).await, Err(ErrorKind::ConnectionReset));
    let failure = refused(&mut events).await;
    assert!(failure.code == Code::Unreachable && failure.remedy.contains("on office"), "{failure:?}");
    exposed_until(&office, |db| db.refused == 1).await;
    office.stop().await;
    till.stop().await;
}

/// R-T1, C4, H5: what policy no longer grants ends at once on both sides, as a cut; and nothing is dialled from then on.
#[tokio::test]
async fn connections_end_with_the_policy() {
    let (mut office, mut till) = open_network().await;
    let (target, address) = listener().await;
    expose_port(&office, "db", address).await;
    let (port, mut events) = forward(&till, "db@office", "127.0.0.1:0").await;
    let (near, far) = tokio::join!(TcpStream::connect(port), target.accept());
    let (mut near, (mut far, _)) = (near.unwrap(), far.unwrap());
    far.write_all(b"x").await.unwrap();
    assert_eq!(end_of(&mut near).await, Ok(1));

    apply(office.node(), &[till.node()], NOTHING).await;
    assert_eq!(end_of(&mut near).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(end_of(&mut far).await, Err(ErrorKind::ConnectionReset));
    let mut late = TcpStream::connect(port).await.unwrap();
    assert_eq!(end_of(&mut late).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(refused(&mut events).await.code, Code::Denied);
    assert_eq!(exposed(&office).await[0].opened, 1, "nothing was asked for");
    let wanted = json!({ "service": "db@office", "listen": "127.0.0.1:0" });
    assert_eq!(failure_of(&till, "POST /v1/forward", wanted).await.0, 403);
    office.stop().await;
    till.stop().await;
}

/// D12, H5: one ticket has so many connections; the next one is reset, its user is told, and there is room again.
#[tokio::test]
async fn a_grant_has_so_many_connections() {
    let office = Host::start_with(|office| office.limits.lanes.per_ticket = NonZeroU32::new(3).unwrap());
    let (mut office, mut till) = (office.await, Host::start().await);
    init(office.node()).await;
    owner(till.node(), join(invite(office.node()).await.uri, "till")).await;
    apply(office.node(), &[till.node()], POLICY).await;
    let (target, address) = listener().await;
    expose_port(&office, "db", address).await;
    let (port, mut events) = forward(&till, "db@office", "127.0.0.1:0").await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let (near, far) = tokio::join!(TcpStream::connect(port), target.accept());
        open.push((near.unwrap(), far.unwrap()));
    }
    let mut near = TcpStream::connect(port).await.unwrap();
    assert_eq!(end_of(&mut near).await, Err(ErrorKind::ConnectionReset));
    let failure = refused(&mut events).await;
    assert!(failure.message.contains("too many channels"), "{failure:?}");
    open.clear();
    exposed_until(&office, |db| db.open == 0).await;
    let (near, far) = tokio::join!(TcpStream::connect(port), target.accept());
    near.unwrap();
    far.unwrap();
    office.stop().await;
    till.stop().await;
}

/// R-C7: what cannot work is refused before anything listens.
#[tokio::test]
async fn a_port_is_not_opened_in_vain() {
    let (mut office, mut till) = open_network().await;
    let (_taken, taken) = listener().await;
    let refusal = async |service: &str, listen: String| {
        failure_of(&till, "POST /v1/forward", json!({ "service": service, "listen": listen })).await
    };
    for (service, listen, status) in [
        ("db@till", "127.0.0.1:0".to_owned(), 403),
        ("db@office", taken.to_string(), 409),
        ("db@office", "192.0.2.1:0".to_owned(), 409),
        ("db@office", "localhost:0".to_owned(), 400),
    ] {
        let (got, text) = refusal(service, listen).await;
        assert_eq!(got, status, "{service}: {text}");
    }
    office.stop().await;
    let (status, text) = refusal("db@office", "127.0.0.1:0".to_owned()).await;
    assert_eq!(status, 504, "away: {text}");
    till.stop().await;
}

/// R-C7: a port is there as long as somebody reads its events; then its connections are cut, too.
#[tokio::test]
async fn a_port_ends_with_whoever_asked_for_it() {
    let (mut office, mut till) = open_network().await;
    let (target, address) = listener().await;
    expose_port(&office, "db", address).await;
    let (port, events) = forward(&till, "db@office", "127.0.0.1:0").await;
    let (near, far) = tokio::join!(TcpStream::connect(port), target.accept());
    let (mut near, (mut far, _)) = (near.unwrap(), far.unwrap());
    drop(events);
    assert_eq!(end_of(&mut near).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(end_of(&mut far).await, Err(ErrorKind::ConnectionReset));
    assert!(TcpStream::connect(port).await.is_err());
    office.stop().await;
    till.stop().await;
}

/// R-C3, F1: what is exposed is so after a restart; what was withdrawn is not, and its connections end.
#[tokio::test]
async fn what_is_exposed_is_kept_until_it_is_withdrawn() {
    let (mut office, mut till) = open_network().await;
    let (target, address) = listener().await;
    let docs = tempfile::tempdir().unwrap();
    expose_port(&office, "db", address).await;
    expose_folder(&office, "docs", docs.path()).await;
    // Again is the same, and something else is refused.
    expose_port(&office, "db", address).await;
    assert_eq!(try_expose(&office, "db", json!({ "tcp": "127.0.0.1:1" })).await.0, 409);
    let before = exposed(&office).await;
    office.stop().await;
    office.restart().await;
    assert_eq!(exposed(&office).await, before);

    let (port, mut events) = forward(&till, "db@office", "127.0.0.1:0").await;
    let (near, far) = tokio::join!(TcpStream::connect(port), target.accept());
    let (mut near, (mut far, _)) = (near.unwrap(), far.unwrap());
    let was: Exposed = office.answer("DELETE /v1/services/db", "").await;
    assert_eq!(was.name.as_str(), "db");
    assert_eq!(end_of(&mut near).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(end_of(&mut far).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(refused(&mut events).await.code, Code::Unreachable);
    let _late = TcpStream::connect(port).await.unwrap();
    assert_eq!(refused(&mut events).await.code, Code::NotFound);
    let (again, _) = office.ask("DELETE /v1/services/db", "").await;
    assert_eq!(again, 404);
    office.stop().await;
    office.restart().await;
    let names: Vec<_> = exposed(&office).await.into_iter().map(|service| service.name.to_string()).collect();
    assert_eq!(names, ["docs"]);
    office.stop().await;
    till.stop().await;
}

/// Asks for a file: the status, the declared length, and what came.
async fn get(host: &Host, service: &str, path: &str) -> (u16, Vec<u8>) {
    let body = json!({ "service": service, "path": path }).to_string();
    let (status, mut stream) = host.ask("POST /v1/get", &body).await;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    (status, bytes)
}

/// R-T3, H5: a file is got as it is, whatever its size; a listing says what can be got.
#[tokio::test]
async fn files_are_got_as_they_are() {
    let (mut office, mut till) = open_network().await;
    let docs = tempfile::tempdir().unwrap();
    std::fs::create_dir(docs.path().join("in")).unwrap();
    for size in [0, 1, 65_536, 65_537, 3_000_000] {
        std::fs::write(docs.path().join(format!("in/{size}")), noise(size as u64, size)).unwrap();
    }
    expose_folder(&office, "docs", docs.path()).await;
    let mut sent = 0;
    for size in [0, 1, 65_536, 65_537, 3_000_000] {
        let (status, bytes) = get(&till, "docs@office", &format!("in/{size}")).await;
        assert!(status == 200 && bytes == noise(size as u64, size), "{size}");
        sent += size as u64;
    }
    let list = async |path: &str| -> Listing {
        till.answer("POST /v1/list", &json!({ "service": "docs@office", "path": path }).to_string()).await
    };
    let top = list("").await;
    assert_eq!(
        top.entries.iter().map(|entry| (entry.name.as_str(), entry.bytes)).collect::<Vec<_>>(),
        [("in", None)]
    );
    let within = list("in/").await;
    let shown: Vec<_> = within.entries.iter().map(|entry| (entry.name.as_str(), entry.bytes)).collect();
    assert_eq!(
        shown,
        [
            ("0", Some(0)),
            ("1", Some(1)),
            ("3000000", Some(3_000_000)),
            ("65536", Some(65_536)),
            ("65537", Some(65_537))
        ]
    );
    for number in 0..200 {
        std::fs::write(docs.path().join(format!("{number:03}")), "").unwrap();
    }
    assert_eq!(list("").await.entries.len(), 201, "several pages");
    let described = &exposed(&office).await[0];
    assert_eq!((described.sent, described.refused), (sent, 0));
    office.stop().await;
    till.stop().await;
}

/// H1, H5: a path that leads out of the folder, or to no file, leads nowhere.
#[tokio::test]
async fn no_path_leads_out_of_a_folder() {
    let (mut office, mut till) = open_network().await;
    let dir = tempfile::tempdir().unwrap();
    let docs = dir.path().join("docs");
    std::fs::create_dir(&docs).unwrap();
    std::fs::write(dir.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret", docs.join("link")).unwrap();
    std::fs::create_dir(docs.join("in")).unwrap();
    expose_folder(&office, "docs", &docs).await;
    let secret = dir.path().join("secret").to_str().unwrap().to_owned();
    let long = "x/".repeat(1000);
    for path in ["../secret", "in/../../secret", "/etc/passwd", &secret, "link", "nothing", "a\0b", &long] {
        let (status, text) = get(&till, "docs@office", path).await;
        assert_eq!(status, 404, "{path}: {}", text.escape_ascii());
        let (status, _) = failure_of(
            &till,
            "POST /v1/list",
            json!({ "service": "docs@office", "path": format!("{path}/") }),
        )
        .await;
        assert_eq!(status, 404, "{path}");
    }
    assert_eq!(get(&till, "docs@office", "in").await.0, 400, "a folder is no file");
    office.stop().await;
    till.stop().await;
}

/// Replies of a provider that lies, and what a requester gets.
async fn got_from(office: &Host, till: &Host, said: Vec<u8>) -> (u16, Vec<u8>) {
    office.node().serve("lies".parse().unwrap(), move |session: Session| {
        let said = said.clone();
        async move {
            let (mut to, mut from) = session.channel.split();
            // The request.
            let _ = from.recv().await;
            let _ = to.send(&said).await;
            let _ = to.close().await;
            from.drain().await;
        }
    });
    get(till, "lies@office", "a").await
}

/// D3, H3, H5: what is cut, changed or not what its hash says never comes whole; what is no answer is an error.
#[tokio::test]
async fn a_file_that_is_not_whole_never_seems_so() {
    let (mut office, mut till) = open_network().await;
    let content = noise(1, 200_000);
    let size = |size: u64| frame(&[&[0][..], &codec::encode(&size)].concat());
    let complete = |hash: blake3::Hash| frame(&[&[0][..], hash.as_bytes()].concat());
    let right = complete(blake3::hash(&content));
    let whole = [size(200_000), content.clone(), right.clone()].concat();
    let (status, bytes) = got_from(&office, &till, whole).await;
    assert!(status == 200 && bytes == content, "what is right is taken");
    for (name, said) in [
        ("cut", [size(200_000), content[..150_000].to_vec()].concat()),
        ("without-end", [size(200_000), content.clone()].concat()),
        ("changed", [size(200_000), content.clone(), frame(&[1])].concat()),
        ("wrong-hash", [size(200_000), content.clone(), complete(blake3::hash(b"another"))].concat()),
        ("longer", [size(199_999), content.clone(), right.clone()].concat()),
        ("garbage-end", [size(200_000), content.clone(), frame(&[9; 40])].concat()),
    ] {
        let (status, bytes) = got_from(&office, &till, said).await;
        assert!(status == 200 && bytes.len() < 199_999, "{name}: {status}, {} bytes", bytes.len());
        assert!(content.starts_with(&bytes), "{name}: as far as it goes");
    }
    for (name, said) in [
        ("empty-wrong", [size(0), complete(blake3::hash(b"x"))].concat()),
        ("no-answer", Vec::new()),
        ("huge", u32::MAX.to_le_bytes().to_vec()),
        ("a-listing", frame(&[2, 0, 0])),
        ("http", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
    ] {
        let (status, bytes) = got_from(&office, &till, said).await;
        assert_eq!(status, 422, "{name}: {}", bytes.escape_ascii());
    }
    office.stop().await;
    till.stop().await;
}

/// D4, D11, H5: a requester may say anything to a folder: it gets nothing, and the next one is served.
#[tokio::test]
async fn garbage_gets_nothing_from_a_folder() {
    let (mut office, mut till) = open_network().await;
    let docs = tempfile::tempdir().unwrap();
    std::fs::write(docs.path().join("a"), "hello").unwrap();
    expose_folder(&office, "docs", docs.path()).await;
    for said in [
        u32::MAX.to_le_bytes().to_vec(),
        frame(&[]),
        frame(&[1, 7, 0]),
        frame(&[1, 0, 1, b'a', 0]),
        frame(&codec::encode(&(1_u8, 0_u8, "x".repeat(1100)))),
        frame(&[1, 0, 1, 0xff]),
    ] {
        let mut channel = till.open("docs@office").await;
        channel.sender.send(&said).await.unwrap();
        let ended = timeout(SOON, channel.receiver.recv()).await.unwrap();
        assert!(
            ended.as_ref().is_err_and(lanyard_node::channel::ChannelError::is_cut),
            "{}: {ended:?}",
            said.escape_ascii()
        );
    }
    let mut other_version = till.open("docs@office").await;
    other_version.sender.send(&frame(&[2, 0, 1, b'a'])).await.unwrap();
    assert_eq!(
        timeout(SOON, other_version.receiver.recv()).await.unwrap().unwrap(),
        Some(&frame(&[3, 0])[..])
    );
    assert_eq!(get(&till, "docs@office", "a").await, (200, b"hello".to_vec()));
    office.stop().await;
    till.stop().await;
}
