//! The receiving end of a channel.

use core::fmt;

use super::key::RecordKey;
use super::record::{HEADER_LEN, Header, Kind};
use super::sequence::{RECORDS_PER_KEY, Sequence, SequenceError};

/// Why a channel received no record. The peer, or whoever sits between, is at fault; the channel is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    /// A kind of record that there is not.
    #[error("unknown record kind {0}")]
    Kind(u8),
    /// More than a record of this kind holds.
    #[error("a record of {len} bytes where at most {max} are allowed")]
    TooLong {
        /// The bytes that the header announces.
        len: usize,
        /// The bytes that are allowed.
        max: usize,
    },
    /// Altered, out of order, repeated, or not from the peer.
    #[error("record {number} does not verify")]
    Forged {
        /// The number of the record that should have come, counted from 0.
        number: u64,
    },
    /// The peer has sealed more under one key than it may.
    #[error("the peer has sealed {RECORDS_PER_KEY} records without changing the key")]
    KeyWorn,
    /// The channel has no record numbers left.
    #[error("the channel has no record numbers left")]
    Exhausted,
    /// The stream ended without a close record: something is missing.
    #[error("the channel was cut after {records} records, without a close")]
    Truncated {
        /// The records that came.
        records: u64,
    },
    /// A record after the close record.
    #[error("the peer has closed the channel")]
    Closed,
    /// An earlier record was refused: nothing later is believed.
    #[error("an earlier record was refused")]
    Failed,
}

impl From<SequenceError> for ReceiveError {
    fn from(error: SequenceError) -> Self {
        match error {
            SequenceError::KeyWorn => Self::KeyWorn,
            SequenceError::Exhausted => Self::Exhausted,
        }
    }
}

/// A record that the peer sealed, in its place in the order.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Record<'a> {
    /// The application's bytes, possibly none.
    Data(&'a mut [u8]),
    /// The peer will send nothing more.
    Close,
    /// The peer goes on with the next key: time to look again whether the channel's ticket still holds.
    Rekey,
}

/// Opens the records of one direction, in order, until one is refused or the close record came.
pub struct Opener {
    key: RecordKey,
    sequence: Sequence,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    Open,
    Closed,
    Failed,
}

impl Opener {
    pub(super) const fn new(key: RecordKey) -> Self {
        Self::with_sequence(key, Sequence::new())
    }

    pub(super) const fn with_sequence(key: RecordKey, sequence: Sequence) -> Self {
        Self { key, sequence, state: State::Open }
    }

    /// Reads the header of the next record: [`Header::body_len`] more bytes belong to it.
    ///
    /// # Errors
    /// [`ReceiveError`], before anything is allocated for the body.
    pub fn header(&mut self, bytes: &[u8; HEADER_LEN]) -> Result<Header, ReceiveError> {
        self.check_open()?;
        Header::parse(bytes).inspect_err(|_| self.state = State::Failed)
    }

    /// Opens the record of `header` and `body` in place.
    ///
    /// # Errors
    /// [`ReceiveError`]; then `body` is garbage, and every later call fails too.
    #[expect(clippy::needless_pass_by_value, reason = "a header is for one record")]
    pub fn open_in_place<'a>(
        &mut self,
        header: Header,
        body: &'a mut [u8],
    ) -> Result<Record<'a>, ReceiveError> {
        self.check_open()?;
        self.open(&header, body).inspect_err(|_| self.state = State::Failed)
    }

    /// Says whether the stream may end where it ended: only after the close record.
    ///
    /// # Errors
    /// [`ReceiveError::Truncated`], or [`ReceiveError::Failed`].
    pub const fn end(&self) -> Result<(), ReceiveError> {
        match self.state {
            State::Open => Err(ReceiveError::Truncated { records: self.sequence.number() }),
            State::Closed => Ok(()),
            State::Failed => Err(ReceiveError::Failed),
        }
    }

    const fn check_open(&self) -> Result<(), ReceiveError> {
        match self.state {
            State::Open => Ok(()),
            State::Closed => Err(ReceiveError::Closed),
            State::Failed => Err(ReceiveError::Failed),
        }
    }

    fn open<'a>(&mut self, header: &Header, body: &'a mut [u8]) -> Result<Record<'a>, ReceiveError> {
        let kind = header.kind();
        let nonce = self.sequence.nonce(kind)?;
        let number = self.sequence.number();
        let payload =
            self.key.open(nonce, &header.to_bytes(), body).ok_or(ReceiveError::Forged { number })?;
        self.sequence.advance(kind);
        match kind {
            Kind::Data => Ok(Record::Data(payload)),
            Kind::Close => {
                self.state = State::Closed;
                Ok(Record::Close)
            }
            Kind::Rekey => {
                self.key.ratchet();
                Ok(Record::Rekey)
            }
        }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener(at record {}, ..)", self.sequence.number())
    }
}
