//! Nodes as a program that hosts them meets them: real sockets and a real store, in one process.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod channel;
mod crowd;
mod fallback;
mod lease;
mod local_api;
mod members;
mod services;
mod start;
mod tools;

use std::path::Path;

use lanyard_node::{Config, Node};
use lanyard_protocol::control::{
    Admission, Answer, Caller, Command, Init, Initialised, Invite, InviteRequest, Join,
};
use lanyard_protocol::identity::NodeName;

/// A configuration for loopback: any ports, no multicast.
fn config(state: &Path) -> Config {
    let loopback = "127.0.0.1:0".parse().unwrap();
    Config { listen: vec![loopback], lane: loopback, mdns: false, ..Config::new(state) }
}

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

async fn owner(node: &Node, command: Command) -> Answer {
    node.handle().command(Caller::NODE, command).await.unwrap()
}

/// Makes `node` the authority of a new network.
async fn init(node: &Node) -> Initialised {
    let init = Init {
        network: "shop.lan".parse().unwrap(),
        name: name("office"),
        admission: Admission::default(),
        password: None,
        weak: false,
        require_login: false,
    };
    let Answer::Initialised(initialised) = owner(node, Command::Init(init)).await else {
        panic!("expected a new network")
    };
    initialised
}

async fn invite(node: &Node) -> Invite {
    let request = InviteRequest { uses: 1, ttl_s: 60 };
    let Answer::Invite(invite) = owner(node, Command::Invite(request)).await else {
        panic!("expected an invite")
    };
    invite
}

fn join(uri: String, as_name: &str) -> Command {
    Command::Join(Join::new(Some(uri), name(as_name), None))
}
