//! The control socket, spoken to with the bytes that any program would send.

use std::path::Path;

use lanyard_node::Node;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::config;

#[tokio::test]
async fn any_program_of_the_owner_asks_in_http() {
    let state = tempfile::tempdir().unwrap();
    let node = Node::start(config(state.path())).await.unwrap();
    let answer = ask(state.path(), "GET /v1/status", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains(r#""role":"none""#), "{answer}");
    let body = r#"{"network":"shop.lan","name":"office","admission":"invite"}"#;
    let answer = ask(state.path(), "POST /v1/init", body).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = ask(state.path(), "GET /v1/certificates", "").await;
    assert!(answer.contains("BEGIN CERTIFICATE"), "{answer}");
    let answer = ask(state.path(), "GET /v1/whois/nobody", "").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    node.stop().await;
}

#[tokio::test]
async fn down_answers_and_the_node_stops_by_itself() {
    let state = tempfile::tempdir().unwrap();
    let node = Node::start(config(state.path())).await.unwrap();
    let answer = ask(state.path(), "POST /v1/down", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    node.stopped().await;
    assert!(UnixStream::connect(state.path().join("control.sock")).await.is_err());
}

/// G1: a head without end is not waited for without end, nor kept without bound.
#[tokio::test]
async fn a_head_too_long_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let node = Node::start(config(state.path())).await.unwrap();
    let mut stream = UnixStream::connect(state.path().join("control.sock")).await.unwrap();
    let head = format!("GET /v1/status HTTP/1.1\r\nHost: node\r\nX: {}", "x".repeat(64 * 1024));
    // The node may have closed before everything is written.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200 "), "{}", answer.escape_ascii());
    node.stop().await;
}

async fn ask(state: &Path, request: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(state.join("control.sock")).await.unwrap();
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: node\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
