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

#[cfg(test)]
mod tests {
    use super::super::key::Direction;
    use super::super::sealer::{REKEY_AFTER, Sealer, SendError};
    use super::super::{Suite, TAG_LEN};
    use super::*;
    use crate::time::Timestamp;

    const START: Timestamp = Timestamp::from_secs(1_795_253_400);
    const PER_KEY: u64 = 4;

    #[test]
    fn both_sides_change_keys_at_the_announced_record() {
        let (mut sealer, mut opener) = pair(0, PER_KEY);
        for round in 0..5 {
            for _ in 1..PER_KEY {
                assert!(!sealer.rekey_due(START));
                assert_eq!(open(&mut opener, &data(&mut sealer)), Ok("data"));
            }
            assert!(sealer.rekey_due(START), "round {round}");
            assert_eq!(sealer.seal_into(b"more", &mut Vec::new()), Err(SendError::KeyWorn));
            assert_eq!(open(&mut opener, &rekey(&mut sealer)), Ok("rekey"));
        }
    }

    #[test]
    fn a_worn_key_still_closes() {
        let (mut sealer, mut opener) = pair(0, PER_KEY);
        for _ in 1..PER_KEY {
            assert_eq!(open(&mut opener, &data(&mut sealer)), Ok("data"));
        }
        assert_eq!(open(&mut opener, &close(sealer)), Ok("close"));
        assert_eq!(opener.end(), Ok(()));
    }

    /// A peer that goes on under a worn key is refused, although its records verify.
    #[test]
    fn refuses_data_under_a_worn_key() {
        let (mut sealer, _) = pair(0, PER_KEY + 1);
        let (_, mut opener) = pair(0, PER_KEY);
        for _ in 1..PER_KEY {
            assert_eq!(open(&mut opener, &data(&mut sealer)), Ok("data"));
        }
        assert_eq!(open(&mut opener, &data(&mut sealer)), Err(ReceiveError::KeyWorn));
        assert_eq!(open(&mut opener, &rekey(&mut sealer)), Err(ReceiveError::Failed));
    }

    #[test]
    fn a_key_is_due_after_an_hour_and_new_after_the_change() {
        let (mut sealer, _) = pair(0, RECORDS_PER_KEY);
        let hour = START.after(REKEY_AFTER);
        assert!(!sealer.rekey_due(hour.before(core::time::Duration::from_millis(1))));
        assert!(sealer.rekey_due(hour));
        sealer.rekey(hour, &mut Vec::new()).unwrap();
        assert!(!sealer.rekey_due(hour));
        assert!(sealer.rekey_due(hour.after(REKEY_AFTER)));
    }

    /// A record sealed with the key before the change does not open after it, nor the other way round.
    #[test]
    fn keys_do_not_open_each_others_records() {
        let (mut sealer, mut opener) = pair(0, RECORDS_PER_KEY);
        let (mut stale, _) = pair(0, RECORDS_PER_KEY);
        assert_eq!(open(&mut opener, &rekey(&mut sealer)), Ok("rekey"));
        data(&mut stale);
        assert_eq!(open(&mut opener, &data(&mut stale)), Err(ReceiveError::Forged { number: 1 }));
        let (_, mut behind) = pair(1, RECORDS_PER_KEY);
        assert_eq!(open(&mut behind, &data(&mut sealer)), Err(ReceiveError::Forged { number: 1 }));
    }

    #[test]
    fn refuses_before_the_record_number_wraps() {
        let (mut sealer, mut opener) = pair(u64::MAX - 1, RECORDS_PER_KEY);
        assert_eq!(open(&mut opener, &data(&mut sealer)), Ok("data"));
        assert_eq!(sealer.seal_into(b"", &mut Vec::new()), Err(SendError::Exhausted));
        assert_eq!(sealer.rekey(START, &mut Vec::new()), Err(SendError::Exhausted));
        assert_eq!(sealer.close(&mut Vec::new()), Err(SendError::Exhausted));
        let (mut other, _) = pair(0, RECORDS_PER_KEY);
        assert_eq!(open(&mut opener, &data(&mut other)), Err(ReceiveError::Exhausted));
    }

    /// D2: state changes only after the tag verifies, and never after a refusal.
    #[test]
    fn a_refused_record_ends_the_channel() {
        let (mut sealer, mut opener) = pair(0, RECORDS_PER_KEY);
        let good = data(&mut sealer);
        let mut bad = good.clone();
        bad[HEADER_LEN] ^= 1;
        assert_eq!(open(&mut opener, &bad), Err(ReceiveError::Forged { number: 0 }));
        assert_eq!(open(&mut opener, &good), Err(ReceiveError::Failed));
        assert_eq!(opener.end(), Err(ReceiveError::Failed));
        let (_, mut opener) = pair(0, RECORDS_PER_KEY);
        assert_eq!(opener.header(&[9, 0, 0, 0]), Err(ReceiveError::Kind(9)));
        assert_eq!(open(&mut opener, &good), Err(ReceiveError::Failed));
    }

    /// G6: neither end prints its key.
    #[test]
    fn ends_print_no_key() {
        let (sealer, opener) = pair(7, RECORDS_PER_KEY);
        assert_eq!(format!("{sealer:?} {opener:?}"), "Sealer(at record 7, ..) Opener(at record 7, ..)");
    }

    fn pair(next: u64, per_key: u64) -> (Sealer, Opener) {
        let key = || RecordKey::first(Suite::ChaCha20Poly1305, Direction::FromRequester, &[1; 32], &[2; 32]);
        let sequence = || Sequence::starting_at(next, per_key);
        (Sealer::with_sequence(key(), sequence(), START), Opener::with_sequence(key(), sequence()))
    }

    fn data(sealer: &mut Sealer) -> Vec<u8> {
        let mut out = Vec::new();
        sealer.seal_into(b"badge", &mut out).unwrap();
        assert_eq!(out.len(), HEADER_LEN + 5 + TAG_LEN);
        out
    }

    fn rekey(sealer: &mut Sealer) -> Vec<u8> {
        let mut out = Vec::new();
        sealer.rekey(START, &mut out).unwrap();
        out
    }

    fn close(sealer: Sealer) -> Vec<u8> {
        let mut out = Vec::new();
        sealer.close(&mut out).unwrap();
        out
    }

    fn open(opener: &mut Opener, record: &[u8]) -> Result<&'static str, ReceiveError> {
        let (head, body) = record.split_first_chunk().unwrap();
        let header = opener.header(head)?;
        assert_eq!(header.body_len(), body.len());
        let mut body = body.to_vec();
        Ok(match opener.open_in_place(header, &mut body)? {
            Record::Data(payload) => {
                assert_eq!(payload, b"badge");
                "data"
            }
            Record::Close => "close",
            Record::Rekey => "rekey",
        })
    }
}
