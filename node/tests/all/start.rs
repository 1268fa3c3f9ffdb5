//! Starting and stopping.

use std::net::TcpListener;

use lanyard_node::{ListenError, Node, SocketError, StartError};
use lanyard_protocol::control::{Caller, Code, Command};

use crate::config;

#[tokio::test]
async fn tcp_and_quic_share_the_port_that_was_picked() {
    let state = tempfile::tempdir().unwrap();
    let node = Node::start(config(state.path())).await.unwrap();
    let listening = node.handle().listening().await.unwrap();
    assert_eq!((listening.control.len(), listening.lane.len()), (1, 1));
    assert_ne!(listening.control[0].port(), 0);
    let taken = |address| std::net::UdpSocket::bind(address).is_err() && TcpListener::bind(address).is_err();
    assert!(taken(listening.control[0]));
    assert!(TcpListener::bind(listening.lane[0]).is_err());
    node.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let state = tempfile::tempdir().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let mut config = config(state.path());
    config.listen = vec![address];
    let error = Node::start(config).await.unwrap_err();
    assert!(matches!(error, StartError::Listen(ListenError::Taken { .. })), "{error:?}");
    assert!(error.failure().message.contains(&address.to_string()));
}

/// F6: a second node on the same state does not start.
#[tokio::test]
async fn one_state_is_one_node() {
    let state = tempfile::tempdir().unwrap();
    let node = Node::start(config(state.path())).await.unwrap();
    for second in [Node::start(config(state.path())).await, Node::start_quiet(config(state.path())).await] {
        assert!(matches!(second, Err(StartError::Store(_))), "{second:?}");
    }
    assert!(state.path().join("control.sock").exists(), "the first one's socket is still there");
    node.stop().await;
    assert!(!state.path().join("control.sock").exists());
    Node::start(config(state.path())).await.unwrap().stop().await;
}

/// G1: something planted at the socket's path keeps the node from starting, and stays.
#[tokio::test]
async fn a_planted_socket_path_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("control.sock");
    std::fs::write(&path, "planted").unwrap();
    let error = Node::start(config(state.path())).await.unwrap_err();
    assert!(matches!(error, StartError::Socket(SocketError::Planted { .. })), "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "planted");
}

#[tokio::test]
async fn a_stopped_node_says_so() {
    let state = tempfile::tempdir().unwrap();
    let node = Node::start(config(state.path())).await.unwrap();
    let handle = node.handle();
    let mut certified = handle.certified();
    node.stop().await;
    let refused = handle.command(Caller::NODE, Command::Status).await.unwrap_err();
    assert_eq!(refused.code, Code::NotRunning);
    assert!(certified.recv().await.is_err() && handle.certified().recv().await.is_err());
}

#[tokio::test]
async fn a_quiet_node_listens_nowhere() {
    let state = tempfile::tempdir().unwrap();
    let node = Node::start_quiet(config(state.path())).await.unwrap();
    assert_eq!(node.handle().listening().await.unwrap(), lanyard_node::Listening::default());
    assert!(!state.path().join("control.sock").exists());
    node.stop().await;
}
