//! The way to the running node: HTTP/1.1 and JSON over the Unix socket in its state directory.

use core::marker::PhantomData;
use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use lanyard_node::config::MAX_SOCKET_PATH;
use lanyard_protocol::control::{Code, Failure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use crate::error::{Error, Result};

/// The longest answer, and the longest event, that is read: a conversation's log fits well.
const ANSWER_MAX: usize = 64 << 20;

/// Names the session in which a script logs in and acts, which is that of its terminal otherwise.
const SESSION_VARIABLE: &str = "LANYARD_SESSION";

/// How the node is told.
const SESSION_HEADER: &str = "Lanyard-Session";

/// A node's control socket.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    state: PathBuf,
    timeout: Option<Duration>,
    start: String,
}

/// How the node refuses.
#[derive(Deserialize)]
struct Refusal {
    error: Failure,
}

impl Client {
    /// The node whose state directory is `state`, which the command `start` starts; what takes longer than
    /// `timeout` is given up.
    pub(crate) const fn new(state: PathBuf, timeout: Option<Duration>, start: String) -> Self {
        Self { state, timeout, start }
    }

    /// Whether a node is running.
    pub(crate) async fn is_running(&self) -> Result<bool> {
        match self.connect().await {
            Ok(_) => Ok(true),
            Err(Error::Failure(failure)) if failure.code == Code::NotRunning => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Asks for what is at `path`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.in_time(async { answer(self.request(Method::GET, path, Bytes::new()).await?).await }).await
    }

    /// Has the node do something with `body`.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let body = encoded(body)?;
        self.in_time(async { answer(self.request(Method::POST, path, body).await?).await }).await
    }

    /// Has the node put `body` in the place of what is at `path`.
    pub(crate) async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let body = encoded(body)?;
        self.in_time(async { answer(self.request(Method::PUT, path, body).await?).await }).await
    }

    /// Has the node remove what is at `path`.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.in_time(async { answer(self.request(Method::DELETE, path, Bytes::new()).await?).await }).await
    }

    /// Has the node do something and looks at nothing but whether it did.
    pub(crate) async fn order(&self, path: &str, body: &impl Serialize) -> Result {
        let body = encoded(body)?;
        self.in_time(async { whole(self.request(Method::POST, path, body).await?).await.map(drop) }).await
    }

    /// The events at `path`, from now on.
    pub(crate) async fn events<T: DeserializeOwned>(&self, path: &str) -> Result<Events<T>> {
        self.request(Method::GET, path, Bytes::new()).await.map(Events::new)
    }

    /// Has the node do something that it reports on as it goes.
    pub(crate) async fn post_events<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Events<T>> {
        self.request(Method::POST, path, encoded(body)?).await.map(Events::new)
    }

    /// Has the node give out bytes, as many as it says beforehand.
    pub(crate) async fn fetch(&self, path: &str, body: &impl Serialize) -> Result<Download> {
        let asked = self.request(Method::POST, path, encoded(body)?);
        let response = self.in_time(asked).await?;
        let length = response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let length = length.and_then(|length| length.parse().ok());
        let length = length.ok_or_else(|| not_understood(&"an answer without its length"))?;
        Ok(Download { body: response.into_body(), length })
    }

    /// Waits until no node is running any more.
    pub(crate) async fn gone(&self) -> Result {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        let gone = async {
            while self.is_running().await? {
                tick.tick().await;
            }
            Ok(())
        };
        let limit = self.timeout.unwrap_or(Duration::from_secs(10));
        tokio::time::timeout(limit, gone).await.unwrap_or_else(|_| Err(too_late(limit)))
    }

    /// Waits for an answer as long as was wanted, or as long as it takes.
    pub(crate) async fn in_time<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        match self.timeout {
            None => answer.await,
            Some(limit) => tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(too_late(limit))),
        }
    }

    /// Sends one request on a connection of its own, and sorts refusals out.
    async fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>> {
        let stream = self.connect().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        // It ends with the response; what goes wrong on it comes out there.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "lanyard")
            .header(header::CONTENT_TYPE, "application/json");
        let request = match std::env::var(SESSION_VARIABLE) {
            Ok(session) => request.header(SESSION_HEADER, session),
            Err(_) => request,
        };
        let request = request.body(Full::new(body)).map_err(|error| not_understood(&error))?;
        let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        match serde_json::from_slice::<Refusal>(&whole(response).await?) {
            Ok(refusal) => Err(refusal.error.into()),
            Err(_) => Err(not_understood(&status)),
        }
    }

    async fn connect(&self) -> Result<UnixStream> {
        let socket = socket(&self.state)?;
        UnixStream::connect(&socket).await.map_err(|error| {
            // A socket that is being closed resets those who wait at it.
            let gone =
                [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionReset];
            if gone.contains(&error.kind()) {
                return self.not_running();
            }
            Error::new(
                Code::Failed,
                format!("the node's socket {} cannot be used: {error}", socket.display()),
                "use the state directory of a node that this user may talk to: `--state DIR`",
            )
        })
    }

    fn not_running(&self) -> Error {
        Error::new(
            Code::NotRunning,
            format!("no node is running in {}", self.state.display()),
            format!("start it with `{}`", self.start),
        )
    }
}

/// The control socket in a state directory.
///
/// # Errors
/// If the path is longer than a socket's can be.
pub(crate) fn socket(state: &Path) -> Result<PathBuf> {
    let socket = state.join("control.sock");
    let length = socket.as_os_str().len();
    if length > MAX_SOCKET_PATH {
        return Err(Error::new(
            Code::Failed,
            format!("{} has {length} bytes; a socket's path has at most {MAX_SOCKET_PATH}", socket.display()),
            "use a shorter state directory: `--state DIR`",
        ));
    }
    Ok(socket)
}

/// `text` as one segment of a URL's path (RFC 3986, section 2.3).
pub(crate) fn segment(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Bytes that a node gives out.
pub(crate) struct Download {
    body: Incoming,
    length: u64,
}

impl Download {
    /// How many bytes there are to be.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// The next bytes; nothing when no more come, whether or not there were to be more.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.body.frame().await?.ok()?.into_data() {
                Ok(bytes) => return Some(bytes),
                Err(_trailers) => {}
            }
        }
    }
}

/// The events that a node sends as it goes (`text/event-stream`).
pub(crate) struct Events<T> {
    body: Incoming,
    lines: Lines,
    event: PhantomData<T>,
}

impl<T: DeserializeOwned> Events<T> {
    fn new(response: Response<Incoming>) -> Self {
        Self { body: response.into_body(), lines: Lines::default(), event: PhantomData }
    }

    /// The next event; nothing if the node has no more.
    ///
    /// Cancelling it loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(data) = self.lines.next_event() {
                return serde_json::from_str(&data).map(Some).map_err(|error| not_understood(&error));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(broken(&error)),
                Some(Ok(frame)) => {
                    self.lines.push(frame.data_ref().map(AsRef::as_ref).unwrap_or_default())?
                }
            }
        }
    }
}

/// Bytes of an event stream, split into its lines; only the fields `data` matter here.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    data: String,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Result {
        if self.bytes.len() + self.data.len() + bytes.len() > ANSWER_MAX {
            return Err(not_understood(&"an event without an end"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The data of the next whole event: a blank line ends it.
    fn next_event(&mut self) -> Option<String> {
        loop {
            let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if let Some(value) = line.strip_prefix("data:") {
                self.data.push_str(value.strip_prefix(' ').unwrap_or(value));
            } else if line.is_empty() && !self.data.is_empty() {
                return Some(core::mem::take(&mut self.data));
            }
        }
    }
}

fn encoded(body: &impl Serialize) -> Result<Bytes> {
    serde_json::to_vec(body).map(Into::into).map_err(|error| not_understood(&error))
}

async fn answer<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T> {
    serde_json::from_slice(&whole(response).await?).map_err(|error| not_understood(&error))
}

async fn whole(response: Response<Incoming>) -> Result<Bytes> {
    let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| broken(&error))
}

fn broken(error: &impl ToString) -> Error {
    Error::new(
        Code::Failed,
        format!("the node stopped answering: {}", error.to_string()),
        "see whether it still runs: `lanyard status`",
    )
}

fn not_understood(what: &impl ToString) -> Error {
    Error::new(
        Code::Failed,
        format!("this program and the node do not understand each other: {}", what.to_string()),
        "restart the node with this version: `lanyard down`, then `lanyard up`",
    )
}

fn too_late(limit: Duration) -> Error {
    Error::new(
        Code::Unreachable,
        format!("nothing came of it within {} s", limit.as_secs()),
        "see what is in reach with `lanyard peers`, or wait longer with `--timeout D`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(stream: &[u8], chunk: usize) -> Vec<String> {
        let mut lines = Lines::default();
        let mut events = Vec::new();
        for bytes in stream.chunks(chunk) {
            lines.push(bytes).unwrap();
            events.extend(core::iter::from_fn(|| lines.next_event()));
        }
        events
    }

    #[test]
    fn reads_events_however_they_are_cut() {
        let stream =
            ": hello\n\nevent: x\ndata: {\"a\":\"ä\"}\n\ndata:1\r\ndata: 2\r\n\r\n\ndata: unfinished\n";
        for chunk in 1..stream.len() {
            assert_eq!(events(stream.as_bytes(), chunk), ["{\"a\":\"ä\"}", "12"], "{chunk}");
        }
    }

    #[test]
    fn escapes_what_has_a_meaning_in_a_path() {
        assert_eq!(segment("till-3"), "till-3");
        assert_eq!(segment("../a?b#c%d e\n"), "%2E%2E%2Fa%3Fb%23c%25d%20e%0A");
    }

    #[test]
    fn refuses_a_socket_path_that_no_socket_can_have() {
        let directory = |length: usize| PathBuf::from(format!("/{}", "x".repeat(length - 1)));
        assert!(socket(&directory(MAX_SOCKET_PATH - "/control.sock".len())).is_ok());
        assert!(socket(&directory(MAX_SOCKET_PATH - "/control.sock".len() + 1)).is_err());
    }
}
