//! A stream becomes a channel: the handshake of [`lanyard_protocol::channel`] over any byte stream.
//!
//! Each side reads exactly the bytes that the next step needs, so nothing of what follows is lost or has to be
//! handed on. Neither side waits longer than [`TIMEOUT`]. What a stranger gets is nothing, or one byte: a
//! provider answers garbage with silence, and an unknown ticket with "no ticket".

use core::time::Duration;
use std::io;

use lanyard_protocol::channel::{
    Binding, ChannelReject, HEADER_LEN, HandshakeError, Initiator, Opened, Preamble, PreambleError, Prefix,
    Psk, ReceiveError, Record, Reply, Responder, Suites, Unconfirmed,
};
use lanyard_protocol::identity::SealingKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Channel, Lease, Wire};
use crate::ambient::OsRng;

/// How long a handshake may take in all, on either side: a silent connection holds its slot no longer.
pub const TIMEOUT: Duration = Duration::from_secs(3);

/// Why a requester has no channel.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The provider does not know the ticket (any more): ask for a new one.
    #[error("the provider does not know the ticket")]
    NoTicket,
    /// The provider, proven, refuses.
    #[error("refused: {0}")]
    Refused(ChannelReject),
    /// The other end is not the provider, or somebody sits between.
    #[error("not the provider of this ticket: {0}")]
    Misbehaved(String),
    /// The stream failed or ended.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// No answer came in time.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    TimedOut,
}

impl From<HandshakeError> for OpenError {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Refused(reason) => Self::Refused(reason),
            HandshakeError::Unproven
            | HandshakeError::NonContributory
            | HandshakeError::NotOffered(_)
            | HandshakeError::Incompatible(_) => Self::Misbehaved(error.to_string()),
        }
    }
}

impl From<PreambleError> for OpenError {
    fn from(error: PreambleError) -> Self {
        Self::Misbehaved(error.to_string())
    }
}

/// The requester's side: what its ticket says, and the key in its certificate.
#[derive(Clone, Copy, Debug)]
pub struct Requester<'a> {
    /// What both sides must agree on.
    pub binding: Binding<'a>,
    /// The ticket's key.
    pub psk: &'a Psk,
    /// The secret half of the sealing key in the requester's certificate.
    pub key: &'a SealingKey,
    /// The suites that this processor is good at.
    pub suites: Suites,
}

impl Requester<'_> {
    /// Opens the channel over `stream` and completes it with an empty first record.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open<S: Wire>(self, stream: S, lease: Lease) -> Result<Channel<S>, OpenError> {
        match tokio::time::timeout(TIMEOUT, self.open_unhurried(stream, lease)).await {
            Ok(opened) => opened,
            Err(_) => Err(OpenError::TimedOut),
        }
    }

    /// Begins to open a channel over `stream`, and goes no further than the provider's answer: without this side's
    /// first record there is no channel, and nobody is called for it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn try_out<S: Wire>(self, mut stream: S, lease: Lease) -> Result<(), OpenError> {
        match tokio::time::timeout(TIMEOUT, self.agree(&mut stream, &lease)).await {
            Ok(agreed) => agreed.map(drop),
            Err(_) => Err(OpenError::TimedOut),
        }
    }

    async fn open_unhurried<S: Wire>(self, mut stream: S, lease: Lease) -> Result<Channel<S>, OpenError> {
        let opened = self.agree(&mut stream, &lease).await?;
        let mut channel = Channel::new(stream, opened, lease);
        channel.sender.send(&[]).await.map_err(io::Error::from)?;
        Ok(channel)
    }

    /// Up to message 2.
    async fn agree<S: Wire>(self, stream: &mut S, lease: &Lease) -> Result<Opened, OpenError> {
        let (initiator, message_1) =
            Initiator::start(&self.binding, self.psk, self.key, self.suites, &mut OsRng);
        let preamble =
            Preamble { offered: self.suites, for_service: self.binding.for_service.to_vec(), message_1 };
        stream.write_all(&preamble.encode()?).await?;
        stream.flush().await?;
        let message_2 = match read_whole(stream, Reply::decode_prefix).await?? {
            Reply::NoTicket => return Err(OpenError::NoTicket),
            Reply::Message2(message) => message,
        };
        Ok(initiator.finish(&message_2, lease.now())?)
    }
}

/// Why a provider has no channel. Nobody is told more than [`Reply`] says.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// What came is no preamble.
    #[error("not a channel: {0}")]
    Preamble(#[from] PreambleError),
    /// What was presented is no ticket here.
    #[error("no ticket")]
    NoTicket,
    /// The first message does not fit the ticket.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The requester's first record does not open: a recording, or altered on the way.
    #[error("not confirmed: {0}")]
    Unconfirmed(#[from] ReceiveError),
    /// The ticket's holder was told no.
    #[error("refused: {0}")]
    Refused(ChannelReject),
    /// The stream failed or ended.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The requester took too long.
    #[error("not completed within {} s", TIMEOUT.as_secs())]
    TimedOut,
}

/// Reads a requester's preamble, of at most [`Preamble::MAX_LEN`] bytes.
///
/// # Errors
/// [`AcceptError::Preamble`] at the first byte that cannot be right, [`AcceptError::Io`].
pub async fn read_preamble<S: Wire>(stream: &mut S) -> Result<Preamble, AcceptError> {
    Ok(read_whole(stream, Preamble::decode_prefix).await??)
}

/// Tells a requester that its ticket is not known here, and gives the error that this side ends with.
pub async fn refuse_ticket<S: Wire>(stream: &mut S) -> AcceptError {
    let told = tell(stream, Reply::NoTicket).await;
    told.map_or_else(AcceptError::Io, |()| AcceptError::NoTicket)
}

/// Tells the proven holder of a ticket why it gets no channel, and gives the error that this side ends with.
pub async fn refuse<S: Wire>(stream: &mut S, responder: Responder, reason: ChannelReject) -> AcceptError {
    match responder.refuse(reason) {
        Ok(message) => {
            let told = tell(stream, Reply::Message2(message)).await;
            told.map_or_else(AcceptError::Io, |()| AcceptError::Refused(reason))
        }
        Err(error) => error.into(),
    }
}

async fn tell<S: Wire>(stream: &mut S, reply: Reply) -> io::Result<()> {
    stream.write_all(&reply.encode()).await?;
    stream.shutdown().await
}

/// Answers a first message that fits, and waits for the requester's first record. Only then is there a channel.
///
/// # Errors
/// [`AcceptError`].
pub async fn confirm<S: Wire>(
    mut stream: S,
    responder: Responder,
    suites: Suites,
    lease: Lease,
) -> Result<Channel<S>, AcceptError> {
    let (unconfirmed, message_2) = responder.accept(suites, lease.now())?;
    stream.write_all(&Reply::Message2(message_2).encode()).await?;
    stream.flush().await?;
    first_record(stream, unconfirmed, lease).await
}

async fn first_record<S: Wire>(
    mut stream: S,
    mut unconfirmed: Unconfirmed,
    lease: Lease,
) -> Result<Channel<S>, AcceptError> {
    let mut head = [0; HEADER_LEN];
    stream.read_exact(&mut head).await?;
    let header = unconfirmed.header(&head)?;
    let mut body = vec![0; header.body_len()];
    stream.read_exact(&mut body).await?;
    let (opened, record) = unconfirmed.confirm(header, &mut body)?;
    let mut channel = Channel::new(stream, opened, lease);
    match record {
        Record::Data(payload) => channel.receiver.unread(payload),
        Record::Close => channel.receiver.end(),
        Record::Rekey => {}
    }
    Ok(channel)
}

/// Reads what `decode` knows the length of, and not one byte more. What cannot be right any more is not waited for.
async fn read_whole<S: Wire, T, E>(
    stream: &mut S,
    decode: impl Fn(&[u8]) -> Result<Prefix<T>, E>,
) -> io::Result<Result<T, E>> {
    let (mut bytes, mut have) = (Vec::new(), 0);
    loop {
        match decode(&bytes[..have]) {
            Ok(Prefix::Whole(value, _)) => return Ok(Ok(value)),
            Ok(Prefix::Needs(needed)) => bytes.resize(needed, 0),
            Err(error) => return Ok(Err(error)),
        }
        match stream.read(&mut bytes[have..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => have += read,
        }
    }
}
