//! Two nodes of one network.

use lanyard_node::Node;
use lanyard_protocol::control::{Answer, Caller, Code, Command, Joined, RoleName};

use crate::{config, init, invite, join, name, owner};

/// R-L1, R-L5, R-T16: an invite makes a member, and two members know each other by certificate.
#[tokio::test]
async fn an_invite_makes_a_member_that_can_be_pinged() {
    let (office_state, till_state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let office = Node::start(config(office_state.path())).await.unwrap();
    let till = Node::start(config(till_state.path())).await.unwrap();
    let listening = office.handle().listening().await.unwrap();
    let network = init(&office).await;
    let invite = invite(&office).await;
    assert!(invite.uri.contains(&listening.control[0].to_string()), "{}", invite.uri);

    let Answer::Joined(Joined { fingerprint, pinned, .. }) = owner(&till, join(invite.uri, "till")).await
    else {
        panic!("expected to have joined")
    };
    assert_eq!((fingerprint, pinned), (network.fingerprint, true));
    assert_eq!(till.handle().snapshot().certificate().map(|own| own.name().clone()), Some(name("till")));

    let Answer::Pong(pong) = owner(&till, Command::Ping("office".parse().unwrap())).await else {
        panic!("expected an answer to the ping")
    };
    assert_eq!(pong.id, network.id);
    office.stop().await;
    till.stop().await;
}

/// R-C3: what a node was told before it stopped it still knows.
#[tokio::test]
async fn a_member_is_one_after_a_restart() {
    let (office_state, till_state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let office = Node::start(config(office_state.path())).await.unwrap();
    office.handle().listening().await.unwrap();
    init(&office).await;
    let invite = invite(&office).await;

    let till = Node::start_quiet(config(till_state.path())).await.unwrap();
    owner(&till, join(invite.uri, "till")).await;
    let id = till.handle().snapshot().node_id();
    till.stop().await;

    let till = Node::start(config(till_state.path())).await.unwrap();
    assert_eq!(till.handle().snapshot().node_id(), id);
    let Answer::Status(status) = owner(&till, Command::Status).await else { panic!("expected a status") };
    assert_eq!((status.role, status.name), (RoleName::Member, Some(name("till"))));
    till.stop().await;
    office.stop().await;
}

/// A4: an invite for one admits one.
#[tokio::test]
async fn a_used_invite_admits_nobody() {
    let states = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let office = Node::start(config(states[0].path())).await.unwrap();
    office.handle().listening().await.unwrap();
    init(&office).await;
    let invite = invite(&office).await;
    let first = Node::start_quiet(config(states[1].path())).await.unwrap();
    owner(&first, join(invite.uri.clone(), "till")).await;
    let second = Node::start_quiet(config(states[2].path())).await.unwrap();
    let refused = second.handle().command(Caller::NODE, join(invite.uri, "desk")).await.unwrap_err();
    assert_eq!(refused.code, Code::Denied, "{refused:?}");
    for node in [second, first, office] {
        node.stop().await;
    }
}
