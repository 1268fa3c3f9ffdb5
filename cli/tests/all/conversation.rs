//! `lanyard chat` with lines piped in, while a node holds the stream of what comes back.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

const INCOMING: &str = r#"data: {"id":"b-1","from":"bob","to":"till","at":"2026-11-21T09:30:00Z","text":"\u001b[2Jhi","state":"received"}"#;
const ECHO: &str = r#"data: {"id":"t-1","from":"till","to":"bob","at":"2026-11-21T09:30:00Z","text":"hello","state":"delivered"}"#;

fn accept(listener: &UnixListener) -> (UnixStream, String) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(&mut stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let start = head.len();
        reader.read_line(&mut head).unwrap();
        if let Some(value) = head[start..].to_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let request = head.lines().next().unwrap().to_owned() + " " + &String::from_utf8(body).unwrap();
    (stream, request)
}

/// H4: what the peer wrote is shown escaped; what one wrote oneself is not shown twice.
#[test]
fn sends_each_line_and_shows_what_comes_in() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("control.sock")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lanyard"))
        .arg("--state")
        .arg(directory.path())
        .args(["chat", "bob"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (mut events, request) = accept(&listener);
    assert!(request.starts_with("GET /v1/chat/events?peer=bob "), "{request}");
    events.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{ECHO}\n\n{INCOMING}\n\n").as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "2026-11-21T09:30:00Z bob: \\u{1b}[2Jhi\n");
    stdin.write_all(b"hello\n\nlater\n").unwrap();
    for (text, state) in [("hello", "delivered"), ("later", "queued")] {
        let (mut stream, request) = accept(&listener);
        assert_eq!(request, format!("POST /v1/chat HTTP/1.1 {{\"peer\":\"bob\",\"text\":\"{text}\"}}"));
        let body = format!("{{\"id\":\"t-1\",\"state\":\"{state}\"}}");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "queued: bob gets it when it is back\n");
}
