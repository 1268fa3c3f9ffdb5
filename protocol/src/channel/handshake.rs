//! The handshake's states. Each is a type, and each step consumes the one before.

use core::fmt;

use rand_core::CryptoRng;
use snow::{Builder, HandshakeState};
use zeroize::Zeroizing;

use super::key::{Direction, RecordKey};
use super::resolver::Resolver;
use super::{
    Binding, ChannelReject, HEADER_LEN, Header, MESSAGE_1_LEN, MESSAGE_2_LEN, Opener, Psk, ReceiveError,
    Record, Sealer, Suite, Suites,
};
use crate::identity::{SealingKey, SealingPublicKey};
use crate::time::Timestamp;

const PATTERN: &str = "Noise_KNpsk0_25519_ChaChaPoly_SHA256";

/// Why there is no channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The provider, proven, says no.
    #[error("the provider refuses: {0}")]
    Refused(ChannelReject),
    /// The message does not verify: another key, another ticket, another service, or altered on the way.
    #[error("the handshake message does not verify")]
    Unproven,
    /// The peer's ephemeral key has small order.
    #[error("the key exchange is non-contributory")]
    NonContributory,
    /// The provider, proven, chose a suite that was not offered.
    #[error("the provider chose {0:?}, which was not offered")]
    NotOffered(Suite),
    /// The provider, proven, gives an answer that this version does not know.
    #[error("the provider answers with the unknown code {0:#04x}")]
    Incompatible(u8),
}

impl From<snow::Error> for HandshakeError {
    fn from(error: snow::Error) -> Self {
        if error == snow::Error::Dh { Self::NonContributory } else { Self::Unproven }
    }
}

/// A channel as one end has it. Its two directions know nothing of each other and may live in two tasks.
#[derive(Debug)]
pub struct Opened {
    /// The cipher that both sides chose.
    pub suite: Suite,
    /// What this side sends.
    pub sealer: Sealer,
    /// What this side receives.
    pub opener: Opener,
}

/// A requester that has sent message 1 and waits for message 2.
pub struct Initiator {
    noise: HandshakeState,
    offered: Suites,
}

impl Initiator {
    /// Begins a channel with the ticket that `psk` comes from, and gives message 1.
    #[expect(clippy::expect_used, reason = "the message has room, and takes no exchange that could fail")]
    pub fn start(
        binding: &Binding<'_>,
        psk: &Psk,
        requester: &SealingKey,
        offered: Suites,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Self, [u8; MESSAGE_1_LEN]) {
        let mut noise = begin(Static::Own(requester), binding, offered, psk, rng);
        let mut message = [0; MESSAGE_1_LEN];
        noise.write_message(&[], &mut message).expect("message 1 is 48 bytes");
        (Self { noise, offered }, message)
    }

    /// Ends the handshake with the provider's message 2. The channel is the provider's too once it has opened
    /// this side's first record.
    ///
    /// # Errors
    /// [`HandshakeError`]; only [`HandshakeError::Refused`] is the provider's own word.
    pub fn finish(
        mut self,
        message_2: &[u8; MESSAGE_2_LEN],
        now: Timestamp,
    ) -> Result<Opened, HandshakeError> {
        let mut answer = [0];
        self.noise.read_message(message_2, &mut answer)?;
        let suite = self.suite(answer[0])?;
        Ok(split(self.noise, suite, Direction::FromRequester, now))
    }

    fn suite(&self, answer: u8) -> Result<Suite, HandshakeError> {
        if let Some(reason) = ChannelReject::from_byte(answer) {
            return Err(HandshakeError::Refused(reason));
        }
        let suite = Suite::from_byte(answer).ok_or(HandshakeError::Incompatible(answer))?;
        if self.offered.contains(suite) { Ok(suite) } else { Err(HandshakeError::NotOffered(suite)) }
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Initiator(..)")
    }
}

/// A provider that has read a message 1 which fits the ticket.
///
/// Whoever wrote it held the ticket and the requester's key, but it may be a recording: it costs this side no
/// exchange until now, and nothing may be done for it yet.
pub struct Responder {
    noise: HandshakeState,
    offered: Suites,
}

impl Responder {
    /// Reads message 1. `requester` is the sealing key in the certificate that the ticket carries.
    ///
    /// # Errors
    /// [`HandshakeError::Unproven`].
    pub fn read(
        binding: &Binding<'_>,
        psk: &Psk,
        requester: &SealingPublicKey,
        offered: Suites,
        message_1: &[u8; MESSAGE_1_LEN],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, HandshakeError> {
        let mut noise = begin(Static::Peer(requester), binding, offered, psk, rng);
        noise.read_message(message_1, &mut [])?;
        Ok(Self { noise, offered })
    }

    /// Agrees: chooses the fastest suite that both have, and gives message 2.
    ///
    /// # Errors
    /// [`HandshakeError::NonContributory`].
    pub fn accept(
        mut self,
        supported: Suites,
        now: Timestamp,
    ) -> Result<(Unconfirmed, [u8; MESSAGE_2_LEN]), HandshakeError> {
        let suite = self.offered.choose(supported);
        let message = self.answer(suite.to_byte())?;
        let channel = split(self.noise, suite, Direction::FromProvider, now);
        Ok((Unconfirmed(channel), message))
    }

    /// Refuses, and gives the message 2 that tells the holder of the ticket, and no one else, why.
    ///
    /// # Errors
    /// [`HandshakeError::NonContributory`].
    pub fn refuse(mut self, reason: ChannelReject) -> Result<[u8; MESSAGE_2_LEN], HandshakeError> {
        self.answer(reason.to_byte())
    }

    fn answer(&mut self, byte: u8) -> Result<[u8; MESSAGE_2_LEN], HandshakeError> {
        let mut message = [0; MESSAGE_2_LEN];
        self.noise.write_message(&[byte], &mut message)?;
        Ok(message)
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responder(..)")
    }
}

/// A provider's side of a channel that the requester has yet to confirm with its first record.
///
/// Until then it may be a recording that asks: no channel is counted, no handler called, no target dialled, and
/// there is no way to send.
#[derive(Debug)]
pub struct Unconfirmed(Opened);

impl Unconfirmed {
    /// Reads the header of the first record: [`Header::body_len`] more bytes belong to it.
    ///
    /// # Errors
    /// [`ReceiveError`].
    pub fn header(&mut self, bytes: &[u8; HEADER_LEN]) -> Result<Header, ReceiveError> {
        self.0.opener.header(bytes)
    }

    /// Opens the first record, which proves that the requester is there and wants this channel.
    ///
    /// # Errors
    /// [`ReceiveError`]; then there is no channel.
    pub fn confirm(mut self, header: Header, body: &mut [u8]) -> Result<(Opened, Record<'_>), ReceiveError> {
        let record = self.0.opener.open_in_place(header, body)?;
        Ok((self.0, record))
    }
}

/// Whose static key a side of the handshake is given: the pattern knows the requester's alone.
enum Static<'a> {
    Own(&'a SealingKey),
    Peer(&'a SealingPublicKey),
}

#[expect(clippy::expect_used, reason = "the pattern is a constant, and every key that it names is given")]
fn begin(
    key: Static<'_>,
    binding: &Binding<'_>,
    offered: Suites,
    psk: &Psk,
    rng: &mut (impl CryptoRng + ?Sized),
) -> HandshakeState {
    let prologue = binding.prologue(offered);
    noise(key, &prologue, psk, Resolver::new(rng)).expect("the pattern and its keys are complete")
}

fn noise(
    key: Static<'_>,
    prologue: &[u8],
    psk: &Psk,
    resolver: Resolver,
) -> Result<HandshakeState, snow::Error> {
    let builder =
        Builder::with_resolver(PATTERN.parse()?, Box::new(resolver)).prologue(prologue)?.psk(0, &psk.0)?;
    match key {
        Static::Own(key) => builder.local_private_key(key.to_bytes().as_slice())?.build_initiator(),
        Static::Peer(key) => builder.remote_public_key(key.as_bytes())?.build_responder(),
    }
}

/// The keys that a finished handshake gives the side that sends in `sending`.
#[expect(clippy::expect_used, reason = "the pattern's hash is SHA-256")]
fn split(mut noise: HandshakeState, suite: Suite, sending: Direction, now: Timestamp) -> Opened {
    let (from_requester, from_provider) = noise.dangerously_get_raw_split();
    let (from_requester, from_provider) = (Zeroizing::new(from_requester), Zeroizing::new(from_provider));
    let hash = noise.get_handshake_hash().try_into().expect("32 bytes");
    let requester = RecordKey::first(suite, Direction::FromRequester, &from_requester, hash);
    let provider = RecordKey::first(suite, Direction::FromProvider, &from_provider, hash);
    let (ours, theirs) = match sending {
        Direction::FromRequester => (requester, provider),
        Direction::FromProvider => (provider, requester),
    };
    Opened { suite, sealer: Sealer::new(ours, now), opener: Opener::new(theirs) }
}
