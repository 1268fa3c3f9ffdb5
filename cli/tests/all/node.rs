//! A node that answers what a golden file says, in place of a real one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::case::Exchange;

/// A listener on a control socket.
pub(crate) struct Node {
    socket: std::path::PathBuf,
    expected: Arc<Mutex<Vec<Exchange>>>,
    wrong: Arc<Mutex<Vec<String>>>,
    thread: JoinHandle<()>,
}

impl Node {
    /// Listens in the state directory `state`.
    pub(crate) fn start(state: &Path, exchanges: &[Exchange], directory: &str) -> Self {
        let socket = state.join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let mut exchanges = exchanges.to_vec();
        for body in exchanges.iter_mut().filter_map(|exchange| exchange.body.as_mut()) {
            *body = body.replace("[DIR]", directory);
        }
        let expected = Arc::new(Mutex::new(exchanges));
        let wrong = Arc::new(Mutex::new(Vec::new()));
        let (queue, complaints, path) = (Arc::clone(&expected), Arc::clone(&wrong), socket.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                match serve(stream.unwrap(), &queue) {
                    Ok(Served::Request(request)) if request == "POST /v1/down" => break,
                    Ok(Served::Stop) => break,
                    Ok(_) => {}
                    Err(complaint) => complaints.lock().unwrap().push(complaint),
                }
            }
            drop(listener);
            let _ = std::fs::remove_file(path);
        });
        Self { socket, expected, wrong, thread }
    }

    /// Stops listening, and says what was not as expected.
    pub(crate) fn stop(self) -> Vec<String> {
        if let Ok(mut stream) = UnixStream::connect(&self.socket) {
            stream.write_all(b"STOP\r\n").unwrap();
        }
        self.thread.join().unwrap();
        let mut wrong = self.wrong.lock().unwrap().clone();
        let missed = self.expected.lock().unwrap();
        wrong.extend(missed.iter().map(|exchange| format!("{} was never asked", exchange.request)));
        wrong
    }
}

enum Served {
    Request(String),
    Nothing,
    Stop,
}

/// Answers one request, each on a connection of its own.
fn serve(stream: UnixStream, expected: &Mutex<Vec<Exchange>>) -> Result<Served, String> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    // A look whether anybody listens.
    if line.is_empty() {
        return Ok(Served::Nothing);
    }
    if line == "STOP\r\n" {
        return Ok(Served::Stop);
    }
    let request = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let body = read_body(&mut reader);
    let exchange = {
        let mut expected = expected.lock().unwrap();
        if expected.first().is_none_or(|next| next.request != request) {
            return Err(format!("{request} was not expected"));
        }
        expected.remove(0)
    };
    answer(stream, &exchange);
    match exchange.body {
        Some(wanted) if json(&wanted) != json(&body) => Err(format!("{request} had the body {body}")),
        _ => Ok(Served::Request(request)),
    }
}

fn read_body(reader: &mut impl std::io::BufRead) -> String {
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let header = header.trim_end().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

fn answer(mut stream: UnixStream, exchange: &Exchange) {
    let stream_of_events = exchange.answer.len() > 1 || exchange.answer[0].starts_with("data:");
    let body = if stream_of_events {
        exchange.answer.iter().map(|event| format!("{event}\n\n")).collect()
    } else {
        exchange.answer[0].clone()
    };
    let status = &exchange.status;
    let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    // A command that had enough may be gone.
    let _ = stream.write_all((head + &body).as_bytes());
}

fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}
