//! A member without an engine that opens channels by hand, to say on them what no node would.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use lanyard_node::ambient::{self, OsRng};
use lanyard_protocol::certificate::{self, VerifiedCertificate};
use lanyard_protocol::channel::{
    Binding, HEADER_LEN, Initiator, MESSAGE_2_LEN, Opened, Preamble, Prefix, Record, Reply, Suites,
};
use lanyard_protocol::codec;
use lanyard_protocol::message::{Request, Response};
use lanyard_protocol::ticket::{self, HeldTicket, TicketRequest};

use crate::{Puppet, Stranger, say, wait_for};

/// How long a node may take for what it is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many bytes of records are collected before they are written.
const COLLECTED: usize = 64 * 1024;

impl Puppet {
    /// Shows its certificate on this connection, and believes the other side's.
    ///
    /// # Panics
    /// When it is not greeted.
    pub fn greet(&self, to: &mut Stranger) -> VerifiedCertificate {
        let hello = self.hello().expect("it has a certificate");
        // A connection that was not used for long may have to be made again.
        let answer = wait_for("a greeting", PATIENCE, || say(to, &hello));
        let Response::Hello(theirs) = answer else { panic!("greeted with {answer:?}") };
        let anchor = self.anchor().expect("it is a member");
        certificate::verify(anchor, &theirs.certificate, ambient::now()).expect("it is a member too")
    }

    /// A ticket for a service of the node at the other end, which it has greeted there.
    ///
    /// # Panics
    /// When it gets none.
    pub fn ticket(&self, to: &mut Stranger, provider: &VerifiedCertificate, service: &str) -> HeldTicket {
        let certificate = self.certificate().expect("it has a certificate").digest();
        let service = service.parse().expect("it is a name");
        let request = TicketRequest { nonce: [9; 32], service, certificate, assertion: None };
        let Some(Response::Grant(grant)) = say(to, &Request::Ticket(request.clone())) else {
            panic!("no ticket")
        };
        ticket::accept(grant, &request, provider, self.keys(), ambient::now()).expect("it is for us")
    }

    /// A channel with that ticket on the lane at `target`.
    ///
    /// # Errors
    /// There is none.
    pub fn lane(&self, ticket: &HeldTicket, target: SocketAddr) -> io::Result<Records> {
        let terms = ticket.terms();
        let binding = Binding {
            for_service: ticket.for_service(),
            terms: &terms.encoded(),
            requester: terms.requester,
            provider: terms.provider,
            service: &terms.service,
        };
        let offered = Suites::PORTABLE;
        let key = &self.keys().sealing;
        let psk = ticket.psk(key).map_err(io::Error::other)?;
        let (initiator, message_1) = Initiator::start(&binding, psk, key, offered, &mut OsRng);
        let preamble = Preamble { offered, for_service: ticket.for_service().to_vec(), message_1 };
        let mut stream = TcpStream::connect(target)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&preamble.encode().map_err(io::Error::other)?)?;
        let mut reply = [0; 1 + MESSAGE_2_LEN];
        stream.read_exact(&mut reply)?;
        let Ok(Prefix::Whole(Reply::Message2(message_2), _)) = Reply::decode_prefix(&reply) else {
            return Err(io::Error::other("no ticket"));
        };
        let opened = initiator.finish(&message_2, ambient::now()).map_err(io::Error::other)?;
        let mut records = Records { stream, opened, sealed: Vec::new() };
        records.seal(&[])?;
        records.flush()?;
        Ok(records)
    }
}

/// A channel, record by record.
pub struct Records {
    stream: TcpStream,
    opened: Opened,
    sealed: Vec<u8>,
}

impl Records {
    /// Seals one record, to be sent with those that follow.
    ///
    /// # Errors
    /// The other side does not take it.
    pub fn seal(&mut self, payload: &[u8]) -> io::Result<()> {
        self.opened.sealer.seal_into(payload, &mut self.sealed).map_err(io::Error::other)?;
        if self.sealed.len() >= COLLECTED { self.flush() } else { Ok(()) }
    }

    /// Sends what was sealed.
    ///
    /// # Errors
    /// The other side does not take it.
    pub fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.sealed)?;
        self.sealed.clear();
        Ok(())
    }

    /// The payload of the next record.
    ///
    /// # Errors
    /// There is none: the channel has ended, or nothing comes.
    pub fn recv(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; HEADER_LEN];
        self.stream.read_exact(&mut head)?;
        let header = self.opened.opener.header(&head).map_err(io::Error::other)?;
        let mut body = vec![0; header.body_len()];
        self.stream.read_exact(&mut body)?;
        match self.opened.opener.open_in_place(header, &mut body).map_err(io::Error::other)? {
            Record::Data(payload) => Ok(payload.to_vec()),
            Record::Close | Record::Rekey => Err(io::Error::other("no data")),
        }
    }

    /// Offers a file of `content` to the service `file`, sends it byte by byte, a record each, and waits until it is
    /// stored there.
    ///
    /// # Errors
    /// It is not taken.
    pub fn send_byte_by_byte(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.seal(&framed(&(1_u8, [8_u8; 16], name, content.len() as u64)))?;
        self.flush()?;
        self.expect("that it is accepted", &framed(&0_u8))?;
        for byte in content {
            self.seal(&[*byte])?;
        }
        self.seal(&framed(&(0_u8, *blake3::hash(content).as_bytes())))?;
        self.flush()?;
        self.expect("that it is stored", &framed(&2_u8))
    }

    fn expect(&mut self, what: &str, expected: &[u8]) -> io::Result<()> {
        let mut heard = Vec::new();
        while heard.len() < expected.len() {
            heard.extend(self.recv()?);
        }
        if heard == expected { Ok(()) } else { Err(io::Error::other(format!("not {what}: {heard:?}"))) }
    }
}

/// A message of the tools' protocols: its length in four bytes, and then its encoding.
fn framed(message: &impl serde::Serialize) -> Vec<u8> {
    let encoded = codec::encode(message);
    let length = u32::try_from(encoded.len()).expect("a message is short");
    [&length.to_le_bytes(), encoded.as_slice()].concat()
}
