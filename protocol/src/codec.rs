//! Bytes to values and back: the only user of `bincode` in the project.
//!
//! The encoding is bincode 2, standard configuration (little-endian variable-length integers), with a hard
//! limit on both the input and what it may make the decoder allocate. Every value has exactly one encoding:
//! what decodes is encoded again and compared, so padded integers and trailing bytes are refused, and a
//! signature over a value is a signature over its bytes.

use bincode::config;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why bytes are not a value. The sender is at fault, whichever it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than this kind of value ever has.
    #[error("{actual} bytes where at most {max} are allowed")]
    TooLong {
        /// The bytes that came.
        actual: usize,
        /// The bytes that are allowed.
        max: usize,
    },
    /// Not an encoding of the value at all.
    #[error("malformed: {0}")]
    Malformed(String),
    /// An encoding that the encoder would not have written: trailing bytes or a padded integer.
    #[error("not the canonical encoding")]
    NotCanonical,
}

/// The canonical encoding of `value`.
///
/// # Panics
/// Never for the crate's own types: they hold nothing that bincode cannot write.
#[must_use]
#[expect(clippy::expect_used, reason = "our types have no maps of unknown length and no skipped fields")]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, config::standard()).expect("every type of ours can be encoded")
}

/// The value that `bytes` encode, of at most `MAX` bytes.
///
/// No more than the input fills is ever written. For a list whose length lies, serde sets aside what the length says,
/// up to 1 MiB, and gives it back untouched at the first element that is missing; for text and bytes not even that.
///
/// # Errors
/// [`DecodeError`].
pub fn decode<T: Serialize + DeserializeOwned, const MAX: usize>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() > MAX {
        return Err(DecodeError::TooLong { actual: bytes.len(), max: MAX });
    }
    let (value, used) = bincode::serde::decode_from_slice(bytes, config::standard().with_limit::<MAX>())
        .map_err(|error| DecodeError::Malformed(error.to_string()))?;
    if used != bytes.len() || encode(&value) != bytes {
        return Err(DecodeError::NotCanonical);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Sample = (u64, Vec<u8>, Option<String>);

    #[test]
    fn round_trips() {
        let value: Sample = (300, vec![1, 2, 3], Some("till".to_owned()));
        let bytes = encode(&value);
        assert_eq!(bytes, [251, 44, 1, 3, 1, 2, 3, 1, 4, b't', b'i', b'l', b'l'], "the format is frozen");
        assert_eq!(decode::<Sample, 64>(&bytes), Ok(value));
    }

    #[test]
    fn refuses_trailing_bytes_and_padded_integers() {
        assert_eq!(decode::<u8, 8>(&[7, 0]), Err(DecodeError::NotCanonical));
        assert_eq!(decode::<u64, 8>(&[251, 7, 0]), Err(DecodeError::NotCanonical));
    }

    /// D4: a length prefix larger than the input is refused before anything is allocated.
    #[test]
    fn refuses_lengths_beyond_the_limit() {
        let mut huge = vec![253];
        huge.extend((1_u64 << 40).to_le_bytes());
        assert!(matches!(decode::<Vec<u8>, 64>(&huge), Err(DecodeError::Malformed(_))));
        assert!(matches!(decode::<String, 64>(&huge), Err(DecodeError::Malformed(_))));
        assert_eq!(decode::<Vec<u8>, 4>(&[0; 5]), Err(DecodeError::TooLong { actual: 5, max: 4 }));
    }
}
