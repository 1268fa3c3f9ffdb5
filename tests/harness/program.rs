//! A program beside a node, which has the node open channels for it and speaks on them by hand.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use lanyard_protocol::codec;

use crate::Host;

/// How long the other end of a channel may take for what it is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest head of an answer, and the longest message that is read here.
const LONGEST: usize = 64 * 1024;

/// One channel of a program.
pub struct Program(UnixStream);

impl Program {
    /// A channel that the node of `host` has opened to `service`.
    ///
    /// # Errors
    /// The node's answer, if it is another one.
    pub fn open(host: &Host, service: &str) -> io::Result<Self> {
        let mut stream = UnixStream::connect(host.state().join("control.sock"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = serde_json::json!({ "service": service }).to_string();
        write!(
            stream,
            "POST /v1/channels HTTP/1.1\r\nHost: lanyard\r\nConnection: Upgrade\r\nUpgrade: lanyard-channel\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        if head.starts_with(b"HTTP/1.1 101") {
            return Ok(Self(stream));
        }
        // The refusal follows its head, and then the node waits for another request.
        let mut refusal = [0; 1024];
        let read = stream.read(&mut refusal)?;
        head.extend(&refusal[..read]);
        Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()))
    }

    /// Sends a message of the tools' protocols: its length in four bytes, and then its encoding.
    ///
    /// # Errors
    /// The channel has ended.
    pub fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let length = u32::try_from(message.len()).map_err(io::Error::other)?;
        self.0.write_all(&[&length.to_le_bytes(), message].concat())
    }

    /// The next message.
    ///
    /// # Errors
    /// There is none: the channel has ended, or nothing comes.
    pub fn recv(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST {
            return Err(io::Error::other(format!("a message of {length} bytes")));
        }
        let mut message = vec![0; length];
        self.0.read_exact(&mut message)?;
        Ok(message)
    }

    /// Says that this side has said everything, and waits until the other has.
    ///
    /// # Errors
    /// The other side says something else, or the channel is cut.
    pub fn end(mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)?;
        match self.0.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(io::Error::other("it goes on")),
        }
    }
}

/// One side of a chat, as the program says it: every text is durable at the other side before the next one.
pub struct Chatter {
    program: Program,
    said: u64,
}

impl Chatter {
    /// A conversation of the node on `host` with `peer`, which has answered.
    ///
    /// # Errors
    /// There is no channel, or the other side does not welcome it.
    pub fn open(host: &Host, peer: &str) -> io::Result<Self> {
        let mut program = Program::open(host, &format!("chat@{peer}"))?;
        // The first message, for a numbering of its own.
        program.send(&codec::encode(&(0_u8, [7_u8; 16])))?;
        let welcome = program.recv()?;
        match welcome.as_slice() {
            [0, ..] => Ok(Self { program, said: 0 }),
            _ => Err(io::Error::other(format!("no welcome: {welcome:?}"))),
        }
    }

    /// Says a text, and waits until the other side says that it has it.
    ///
    /// # Errors
    /// It does not.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        self.said += 1;
        self.program.send(&codec::encode(&(1_u8, self.said, 0_u64, text)))?;
        let stored = self.program.recv()?;
        if stored == codec::encode(&(1_u8, self.said)) {
            return Ok(());
        }
        Err(io::Error::other(format!("text {} was answered with {stored:?}", self.said)))
    }

    /// Ends it.
    ///
    /// # Errors
    /// It does not end as conversations do.
    pub fn end(self) -> io::Result<()> {
        self.program.end()
    }
}
