//! What stands at the head of a stream that is to become a channel.
//!
//! ```text
//! requester:  version (1) = 1 ‖ offered (1) ‖ length (2, little-endian) ‖ for_service (length) ‖ message 1 (48)
//! provider:   0                      no ticket: ask for one; the stream ends here
//!             1 ‖ message 2 (49)
//! ```
//!
//! `offered` has a bit per suite: 1 for ChaCha20-Poly1305, which is always set, 2 for AES-256-GCM. The one byte
//! inside message 2 is the chosen suite (1 or 2) or the code of a [`ChannelReject`](super::ChannelReject).

use super::{MESSAGE_1_LEN, MESSAGE_2_LEN, Suites};

/// The version of the preamble, the handshake and the records. There is no other yet.
pub const VERSION: u8 = 1;

/// The longest `for_service` in bytes: a certificate (about 500), a user assertion and the terms, with room.
pub const FOR_SERVICE_MAX: usize = 6144;

const HEAD_LEN: usize = 4;

/// A requester's first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preamble {
    /// The suites that the requester has.
    pub offered: Suites,
    /// The provider's half of the ticket: 1 to [`FOR_SERVICE_MAX`] bytes.
    pub for_service: Vec<u8>,
    /// The handshake's first message.
    pub message_1: [u8; MESSAGE_1_LEN],
}

/// Why bytes are no preamble or reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PreambleError {
    /// Of a version that this node does not speak.
    #[error("channel version {actual} where {VERSION} is spoken")]
    Version {
        /// The version that came.
        actual: u8,
    },
    /// A set of suites without the one that everyone has, or with an unknown one.
    #[error("the offered suites {0:#04x} are no set of suites")]
    Suites(u8),
    /// The provider's half of the ticket is empty or too long.
    #[error("{actual} bytes of ticket where 1 to {FOR_SERVICE_MAX} are allowed")]
    Length {
        /// The bytes that came or were announced.
        actual: usize,
    },
    /// A reply that is neither "no ticket" nor message 2.
    #[error("unknown reply {0:#04x}")]
    Reply(u8),
}

/// What the beginning of some received bytes is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prefix<T> {
    /// A whole value, and the number of bytes that it took.
    Whole(T, usize),
    /// The beginning of a value: no decision is possible before there are this many bytes in all.
    Needs(usize),
}

impl Preamble {
    /// The longest preamble in bytes.
    pub const MAX_LEN: usize = HEAD_LEN + FOR_SERVICE_MAX + MESSAGE_1_LEN;

    /// The preamble's bytes.
    ///
    /// # Errors
    /// [`PreambleError::Length`].
    pub fn encode(&self) -> Result<Vec<u8>, PreambleError> {
        let length = checked_length(self.for_service.len())?;
        let mut bytes = Vec::with_capacity(HEAD_LEN + self.for_service.len() + MESSAGE_1_LEN);
        bytes.extend([VERSION, self.offered.to_byte()]);
        bytes.extend(length.to_le_bytes());
        bytes.extend_from_slice(&self.for_service);
        bytes.extend_from_slice(&self.message_1);
        Ok(bytes)
    }

    /// The preamble that `bytes` begin with. Refuses at the first wrong byte, and copies nothing before all came.
    ///
    /// # Errors
    /// [`PreambleError`].
    pub fn decode_prefix(bytes: &[u8]) -> Result<Prefix<Self>, PreambleError> {
        let Some((&[version, offered, low, high], rest)) = bytes.split_first_chunk::<HEAD_LEN>() else {
            return bytes
                .first()
                .map_or(Ok(()), |version| check_version(*version))
                .map(|()| Prefix::Needs(HEAD_LEN));
        };
        check_version(version)?;
        let offered = Suites::from_byte(offered).ok_or(PreambleError::Suites(offered))?;
        let length = usize::from(checked_length(u16::from_le_bytes([low, high]).into())?);
        let whole = HEAD_LEN + length + MESSAGE_1_LEN;
        let Some((for_service, rest)) = rest.split_at_checked(length) else {
            return Ok(Prefix::Needs(whole));
        };
        let Some(message_1) = rest.first_chunk::<MESSAGE_1_LEN>() else {
            return Ok(Prefix::Needs(whole));
        };
        let preamble = Self { offered, for_service: for_service.to_vec(), message_1: *message_1 };
        Ok(Prefix::Whole(preamble, whole))
    }
}

fn check_version(version: u8) -> Result<(), PreambleError> {
    if version == VERSION { Ok(()) } else { Err(PreambleError::Version { actual: version }) }
}

fn checked_length(actual: usize) -> Result<u16, PreambleError> {
    u16::try_from(actual)
        .ok()
        .filter(|length| (1..=FOR_SERVICE_MAX).contains(&usize::from(*length)))
        .ok_or(PreambleError::Length { actual })
}

/// A provider's first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What was presented is no ticket here (any more): a new one is to be asked for. Nobody signs this; it
    /// costs the requester one request and tells it nothing.
    NoTicket,
    /// The handshake's second message.
    Message2([u8; MESSAGE_2_LEN]),
}

impl Reply {
    /// The reply's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::NoTicket => vec![0],
            Self::Message2(message) => [&[1], message.as_slice()].concat(),
        }
    }

    /// The reply that `bytes` begin with.
    ///
    /// # Errors
    /// [`PreambleError::Reply`].
    pub fn decode_prefix(bytes: &[u8]) -> Result<Prefix<Self>, PreambleError> {
        let Some((&kind, rest)) = bytes.split_first() else {
            return Ok(Prefix::Needs(1));
        };
        match kind {
            0 => Ok(Prefix::Whole(Self::NoTicket, 1)),
            1 => {
                Ok(rest.first_chunk::<MESSAGE_2_LEN>().map_or(Prefix::Needs(1 + MESSAGE_2_LEN), |message| {
                    Prefix::Whole(Self::Message2(*message), 1 + MESSAGE_2_LEN)
                }))
            }
            other => Err(PreambleError::Reply(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preamble(length: usize) -> Preamble {
        Preamble { offered: Suites::ALL, for_service: vec![7; length], message_1: [9; MESSAGE_1_LEN] }
    }

    #[test]
    fn the_format_is_frozen() {
        let bytes = preamble(3).encode().unwrap();
        assert_eq!(bytes[..8], [1, 3, 3, 0, 7, 7, 7, 9]);
        assert_eq!(Reply::NoTicket.encode(), [0]);
        assert_eq!(Reply::Message2([9; MESSAGE_2_LEN]).encode()[..2], [1, 9]);
    }

    #[test]
    fn decodes_from_the_first_sufficient_byte_on() {
        for length in [1, 300, FOR_SERVICE_MAX] {
            let mut bytes = preamble(length).encode().unwrap();
            assert!(bytes.len() <= Preamble::MAX_LEN);
            for cut in 0..bytes.len() {
                let needs = if cut < HEAD_LEN { HEAD_LEN } else { bytes.len() };
                assert_eq!(Preamble::decode_prefix(&bytes[..cut]), Ok(Prefix::Needs(needs)), "{cut}");
            }
            let whole = bytes.len();
            bytes.push(0xff);
            assert_eq!(Preamble::decode_prefix(&bytes), Ok(Prefix::Whole(preamble(length), whole)));
        }
    }

    /// C12, D4: wrong versions, suites and lengths are refused before anything is read or allocated.
    #[test]
    fn refuses_what_it_does_not_know() {
        assert_eq!(Preamble::decode_prefix(&[2]), Err(PreambleError::Version { actual: 2 }));
        assert_eq!(Preamble::decode_prefix(&[0, 3, 1, 0]), Err(PreambleError::Version { actual: 0 }));
        assert_eq!(Preamble::decode_prefix(&[1, 2, 1, 0]), Err(PreambleError::Suites(2)));
        assert_eq!(Preamble::decode_prefix(&[1, 7, 1, 0]), Err(PreambleError::Suites(7)));
        for actual in [0, FOR_SERVICE_MAX + 1, 0xffff] {
            let [low, high] = u16::try_from(actual).unwrap().to_le_bytes();
            let error = Err(PreambleError::Length { actual });
            assert_eq!(Preamble::decode_prefix(&[1, 3, low, high]), error);
        }
        for length in [0, FOR_SERVICE_MAX + 1, 0x1_0001] {
            assert_eq!(preamble(length).encode(), Err(PreambleError::Length { actual: length }));
        }
    }

    #[test]
    fn replies_are_one_byte_or_message_2() {
        let reply = Reply::Message2([9; MESSAGE_2_LEN]);
        let bytes = reply.encode();
        assert_eq!(Reply::decode_prefix(&[]), Ok(Prefix::Needs(1)));
        assert_eq!(Reply::decode_prefix(&bytes[..20]), Ok(Prefix::Needs(bytes.len())));
        assert_eq!(Reply::decode_prefix(&bytes), Ok(Prefix::Whole(reply, bytes.len())));
        assert_eq!(Reply::decode_prefix(&[0, 5]), Ok(Prefix::Whole(Reply::NoTicket, 1)));
        assert_eq!(Reply::decode_prefix(&[2]), Err(PreambleError::Reply(2)));
    }
}
