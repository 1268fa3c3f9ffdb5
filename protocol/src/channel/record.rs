//! What a record is on the wire.
//!
//! ```text
//! kind (1) ‖ length of the payload (3, little-endian) ‖ ciphertext (length) ‖ tag (16)
//! ```
//!
//! The first four bytes are the associated data. The nonce is not sent: it is four zero bytes and the record's
//! number in its direction, from 0, as eight little-endian bytes. The number goes on over key changes.

use super::opener::ReceiveError;

/// The length of a record's header.
pub const HEADER_LEN: usize = 4;

/// The length of a record's tag.
pub const TAG_LEN: usize = 16;

/// The longest payload of a record: 64 KiB, beyond which larger records are no faster and only hold more memory
/// and wait longer for their tag.
pub const PAYLOAD_MAX: usize = 65_536;

/// The longest record: what a buffer for one must hold.
pub const RECORD_MAX: usize = HEADER_LEN + PAYLOAD_MAX + TAG_LEN;

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The application's bytes, possibly none.
    Data = 0,
    /// The sender has said all it will say. A stream that ends without this was cut.
    Close = 1,
    /// The sender's next record is sealed with the next key.
    Rekey = 2,
}

impl Kind {
    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Data),
            1 => Some(Self::Close),
            2 => Some(Self::Rekey),
            _ => None,
        }
    }
}

/// A record's header. What it says is believed only once the record opens.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    kind: Kind,
    payload_len: usize,
}

impl Header {
    /// The header of a record; `payload_len` is at most [`PAYLOAD_MAX`].
    pub(super) const fn new(kind: Kind, payload_len: usize) -> Self {
        Self { kind, payload_len }
    }

    pub(super) fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self, ReceiveError> {
        let [kind, low, middle, high] = *bytes;
        let kind = Kind::from_byte(kind).ok_or(ReceiveError::Kind(kind))?;
        let len = u32::from_le_bytes([low, middle, high, 0]) as usize;
        let max = if kind == Kind::Data { PAYLOAD_MAX } else { 0 };
        if len > max { Err(ReceiveError::TooLong { len, max }) } else { Ok(Self::new(kind, len)) }
    }

    pub(super) const fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let [low, middle, high, _] = (self.payload_len as u32).to_le_bytes();
        [self.kind as u8, low, middle, high]
    }

    /// What the record claims to be for.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The bytes that follow the header: the payload and the tag.
    #[must_use]
    pub const fn body_len(&self) -> usize {
        self.payload_len + TAG_LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D4: 0 and the maximum are lengths; one more and the largest that three bytes can say are not.
    #[test]
    fn refuses_lengths_beyond_the_maximum() {
        for len in [0, 1, PAYLOAD_MAX] {
            let header = Header::new(Kind::Data, len);
            assert_eq!(Header::parse(&header.to_bytes()), Ok(header), "{len}");
        }
        assert_eq!(Header::new(Kind::Data, PAYLOAD_MAX).to_bytes(), [0, 0, 0, 1], "the format is frozen");
        for (bytes, len) in [([0, 1, 0, 1], PAYLOAD_MAX + 1), ([0, 0xff, 0xff, 0xff], 0xff_ffff)] {
            assert_eq!(Header::parse(&bytes), Err(ReceiveError::TooLong { len, max: PAYLOAD_MAX }));
        }
    }

    #[test]
    fn only_data_has_a_payload() {
        for kind in [Kind::Close, Kind::Rekey] {
            assert!(Header::parse(&[kind as u8, 0, 0, 0]).is_ok());
            let error = Err(ReceiveError::TooLong { len: 1, max: 0 });
            assert_eq!(Header::parse(&[kind as u8, 1, 0, 0]), error);
        }
        for byte in 3..=255 {
            assert_eq!(Header::parse(&[byte, 0, 0, 0]), Err(ReceiveError::Kind(byte)));
        }
    }
}
