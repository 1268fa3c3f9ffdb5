//! Which record comes next, and whether its key may still seal it.

use super::record::Kind;

/// The most records under one key, the one that ends it included. 2^20 full records are 64 GiB, far below what
/// AES-GCM bears (RFC 8446, section 5.5: 2^24.5 records of 16 KiB).
pub const RECORDS_PER_KEY: u64 = 1 << 20;

/// Numbers the records of one direction.
pub(super) struct Sequence {
    next: u64,
    under_key: u64,
    records_per_key: u64,
}

/// Why there is no next record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SequenceError {
    /// The key has sealed all that it may: only a change of keys or a close may follow.
    KeyWorn,
    /// The last number is used up; it never wraps.
    Exhausted,
}

impl Sequence {
    pub(super) const fn new() -> Self {
        Self::starting_at(0, RECORDS_PER_KEY)
    }

    /// A sequence that begins at `next` and lets a key seal `records_per_key` records.
    pub(super) const fn starting_at(next: u64, records_per_key: u64) -> Self {
        Self { next, under_key: 0, records_per_key }
    }

    /// The next record's number.
    pub(super) const fn number(&self) -> u64 {
        self.next
    }

    /// Whether the key has only its last record left, which data must not take.
    pub(super) const fn is_key_worn(&self) -> bool {
        self.under_key + 1 >= self.records_per_key
    }

    /// The nonce of the next record if that may be of `kind`.
    pub(super) fn nonce(&self, kind: Kind) -> Result<[u8; 12], SequenceError> {
        if self.next == u64::MAX {
            return Err(SequenceError::Exhausted);
        }
        if self.is_key_worn() && kind == Kind::Data {
            return Err(SequenceError::KeyWorn);
        }
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.next.to_le_bytes());
        Ok(nonce)
    }

    /// Counts the record that was sealed or that opened.
    pub(super) const fn advance(&mut self, kind: Kind) {
        self.next += 1;
        self.under_key = match kind {
            Kind::Rekey => 0,
            Kind::Data | Kind::Close => self.under_key + 1,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_count_up_from_zero_and_over_key_changes() {
        let mut sequence = Sequence::new();
        assert_eq!(sequence.nonce(Kind::Data), Ok([0; 12]));
        sequence.advance(Kind::Data);
        sequence.advance(Kind::Rekey);
        assert_eq!(sequence.nonce(Kind::Data), Ok([0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn refuses_before_the_number_wraps() {
        let mut sequence = Sequence::starting_at(u64::MAX - 1, RECORDS_PER_KEY);
        assert!(sequence.nonce(Kind::Data).is_ok());
        sequence.advance(Kind::Data);
        for kind in [Kind::Data, Kind::Close, Kind::Rekey] {
            assert_eq!(sequence.nonce(kind), Err(SequenceError::Exhausted));
        }
    }

    #[test]
    fn a_keys_last_record_is_no_data() {
        let mut sequence = Sequence::starting_at(0, 3);
        for _ in 0..2 {
            assert!(sequence.nonce(Kind::Data).is_ok());
            sequence.advance(Kind::Data);
        }
        assert_eq!(sequence.nonce(Kind::Data), Err(SequenceError::KeyWorn));
        assert!(sequence.nonce(Kind::Close).is_ok());
        assert!(sequence.nonce(Kind::Rekey).is_ok());
        sequence.advance(Kind::Rekey);
        assert!(sequence.nonce(Kind::Data).is_ok());
    }
}
