//! The sending end of a channel.

use core::fmt;
use core::time::Duration;

use super::key::RecordKey;
use super::record::{HEADER_LEN, Header, Kind, PAYLOAD_MAX, TAG_LEN};
use super::sequence::{RECORDS_PER_KEY, Sequence, SequenceError};
use crate::time::Timestamp;

/// How long one key seals: an hour, so that a key that is taken opens no more of the past than that.
pub const REKEY_AFTER: Duration = Duration::from_secs(60 * 60);

/// Why a record was not sealed. All of these are mistakes of this node; nothing was sealed, and the sealer is
/// as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// More than a record holds.
    #[error("a payload of {len} bytes where at most {PAYLOAD_MAX} are allowed")]
    TooLong {
        /// The payload's bytes.
        len: usize,
    },
    /// No room for the payload, its header and its tag.
    #[error("a buffer of {actual} bytes for a record of {needed}")]
    Buffer {
        /// The buffer's bytes.
        actual: usize,
        /// The record's bytes.
        needed: usize,
    },
    /// The key has sealed all that it may: [`Sealer::rekey`] first.
    #[error("the key has sealed {RECORDS_PER_KEY} records and must be changed")]
    KeyWorn,
    /// The channel has sealed all that it ever will.
    #[error("the channel has no record numbers left")]
    Exhausted,
}

impl From<SequenceError> for SendError {
    fn from(error: SequenceError) -> Self {
        match error {
            SequenceError::KeyWorn => Self::KeyWorn,
            SequenceError::Exhausted => Self::Exhausted,
        }
    }
}

/// Seals the records of one direction.
pub struct Sealer {
    key: RecordKey,
    sequence: Sequence,
    key_since: Timestamp,
}

impl Sealer {
    pub(super) const fn new(key: RecordKey, now: Timestamp) -> Self {
        Self::with_sequence(key, Sequence::new(), now)
    }

    pub(super) const fn with_sequence(key: RecordKey, sequence: Sequence, now: Timestamp) -> Self {
        Self { key, sequence, key_since: now }
    }

    /// Appends one record with `plaintext` to `out`.
    ///
    /// # Errors
    /// [`SendError`]; `out` is as it was.
    pub fn seal_into(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.append(Kind::Data, plaintext, out)
    }

    /// Makes a record of `payload_len` bytes that stand in `buffer` behind [`HEADER_LEN`] bytes of room for the
    /// header, with [`TAG_LEN`] bytes of room behind them. Gives the record's length; it begins at the buffer's
    /// first byte.
    ///
    /// So a file is read straight into the record, and encrypted where it lies.
    ///
    /// # Errors
    /// [`SendError`]; `buffer` is as it was.
    pub fn seal_in_place(&mut self, buffer: &mut [u8], payload_len: usize) -> Result<usize, SendError> {
        self.seal(Kind::Data, buffer, payload_len)
    }

    /// Whether the key has sealed for [`REKEY_AFTER`], or nearly [`RECORDS_PER_KEY`] records: time to look
    /// again whether the channel's ticket still holds, and then to call [`Sealer::rekey`].
    #[must_use]
    pub fn rekey_due(&self, now: Timestamp) -> bool {
        // A key from the future is from before the clock was set right.
        self.sequence.is_key_worn() || now < self.key_since || now.since(self.key_since) >= REKEY_AFTER
    }

    /// Appends the record that announces the next key to `out`, and goes on to that key. The old one is erased.
    ///
    /// # Errors
    /// [`SendError::Exhausted`].
    pub fn rekey(&mut self, now: Timestamp, out: &mut Vec<u8>) -> Result<(), SendError> {
        self.append(Kind::Rekey, &[], out)?;
        self.key.ratchet();
        self.key_since = now;
        Ok(())
    }

    /// Appends the close record to `out`: after it nothing can be sealed.
    ///
    /// # Errors
    /// [`SendError::Exhausted`].
    pub fn close(mut self, out: &mut Vec<u8>) -> Result<(), SendError> {
        self.append(Kind::Close, &[], out)
    }

    fn append(&mut self, kind: Kind, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        let start = out.len();
        out.reserve(HEADER_LEN + plaintext.len() + TAG_LEN);
        out.extend_from_slice(&[0; HEADER_LEN]);
        out.extend_from_slice(plaintext);
        out.extend_from_slice(&[0; TAG_LEN]);
        let sealed = self.seal(kind, &mut out[start..], plaintext.len());
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed.map(|_| ())
    }

    fn seal(&mut self, kind: Kind, buffer: &mut [u8], payload_len: usize) -> Result<usize, SendError> {
        if payload_len > PAYLOAD_MAX {
            return Err(SendError::TooLong { len: payload_len });
        }
        let needed = HEADER_LEN + payload_len + TAG_LEN;
        let actual = buffer.len();
        let record = buffer.get_mut(..needed).ok_or(SendError::Buffer { actual, needed })?;
        let nonce = self.sequence.nonce(kind)?;
        let header = Header::new(kind, payload_len).to_bytes();
        let (head, body) = record.split_at_mut(HEADER_LEN);
        let (payload, tag) = body.split_at_mut(payload_len);
        tag.copy_from_slice(&self.key.seal(nonce, &header, payload));
        head.copy_from_slice(&header);
        self.sequence.advance(kind);
        Ok(needed)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer(at record {}, ..)", self.sequence.number())
    }
}
