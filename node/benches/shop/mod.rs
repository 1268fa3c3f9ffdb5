//! Two nodes of one network in this process, and programs beside them.

use std::path::Path;

use lanyard_node::{Config, Node};
use lanyard_protocol::control::{Admission, Answer, Caller, Command, Init, InviteRequest, Join};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// An authority `office` and a member `till`, whose states are these folders.
pub(crate) async fn open(office_state: &Path, till_state: &Path) -> (Node, Node) {
    let (office, till) = (start(office_state).await, start(till_state).await);
    let (network, name) = ("shop.lan".parse().unwrap(), "office".parse().unwrap());
    let init = Init {
        network,
        name,
        admission: Admission::default(),
        password: None,
        weak: false,
        require_login: false,
    };
    command(&office, Command::Init(init)).await;
    let invite = Command::Invite(InviteRequest { uses: 1, ttl_s: 600 });
    let Answer::Invite(invite) = command(&office, invite).await else { panic!("no invite") };
    let join = Join::new(Some(invite.uri), "till".parse().unwrap(), None);
    command(&till, Command::Join(join)).await;
    (office, till)
}

async fn start(state: &Path) -> Node {
    let loopback = "127.0.0.1:0".parse().unwrap();
    let config = Config { listen: vec![loopback], lane: loopback, mdns: false, ..Config::new(state) };
    let node = Node::start(config).await.unwrap();
    node.handle().listening().await.unwrap();
    node
}

/// Has a node do something for its owner.
pub(crate) async fn command(node: &Node, command: Command) -> Answer {
    node.handle().command(Caller::NODE, command).await.unwrap()
}

/// Asks the node with this state for something, and reads what comes until a line has `until` in it: that line, and what
/// the answer is read from.
pub(crate) async fn ask(
    state: &Path,
    request: &str,
    body: &serde_json::Value,
    until: &str,
) -> (String, BufReader<UnixStream>) {
    let mut stream = BufReader::new(UnixStream::connect(state.join("control.sock")).await.unwrap());
    let (body, mut lines) = (body.to_string(), Vec::new());
    let head = format!(
        "{request} HTTP/1.1\r\nHost: node\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap() == 0 {
            panic!("{request}: {lines:?}");
        }
        if line.contains(until) {
            return (line, stream);
        }
        lines.push(line);
    }
}
