//! Bytes to values and back: the only user of `bincode` in the project.
//!
//! The encoding is bincode 2, standard configuration (little-endian variable-length integers), with a hard
//! limit on both the input and what it may make the decoder allocate. Every value has exactly one encoding:
//! what decodes is encoded again and compared, so padded integers and trailing bytes are refused, and a
//! signature over a value is a signature over its bytes.

use bincode::config;
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
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

/// Room that an encoding is given at first: most are no longer.
const ROOM: usize = 256;

/// The canonical encoding of `value`.
///
/// # Panics
/// Never for the crate's own types: they hold nothing that bincode cannot write.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    encode_behind(&[], value)
}

/// `prefix`, and behind it the canonical encoding of `value`.
///
/// # Panics
/// As [`encode`].
#[expect(clippy::expect_used, reason = "our types have no maps of unknown length and no skipped fields")]
pub(crate) fn encode_behind<T: Serialize>(prefix: &[u8], value: &T) -> Vec<u8> {
    let mut written = Vec::with_capacity(ROOM);
    written.extend_from_slice(prefix);
    bincode::serde::encode_into_writer(value, Appending(&mut written), config::standard())
        .expect("every type of ours can be encoded");
    written
}

/// Writes behind what is there.
struct Appending<'a>(&'a mut Vec<u8>);

impl Writer for Appending<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Whether `bytes` are the canonical encoding of `value`.
fn is_encoding_of<T: Serialize>(mut bytes: &[u8], value: &T) -> bool {
    let compared = bincode::serde::encode_into_writer(value, Comparing(&mut bytes), config::standard());
    compared.is_ok() && bytes.is_empty()
}

/// Compares what is written with what is to come, and stops at the first difference.
struct Comparing<'a, 'b>(&'a mut &'b [u8]);

impl Writer for Comparing<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        *self.0 = self.0.strip_prefix(bytes).ok_or(EncodeError::UnexpectedEnd)?;
        Ok(())
    }
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
    if used != bytes.len() || !is_encoding_of(bytes, &value) {
        return Err(DecodeError::NotCanonical);
    }
    Ok(value)
}

/// Byte strings at one go, for `serde(with)`: what a `Vec<u8>` is encoded as by itself, one byte after the other.
pub(crate) mod bytes {
    use core::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes the length and the bytes; in JSON, an array.
    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            bytes.serialize(serializer)
        } else {
            serializer.serialize_bytes(bytes)
        }
    }

    /// Reads what [`serialize`] has written.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        if deserializer.is_human_readable() {
            Vec::deserialize(deserializer)
        } else {
            deserializer.deserialize_bytes(Bytes)
        }
    }

    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }
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

    /// A list of bytes, and the same at one go.
    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Bytes(#[serde(with = "bytes")] Vec<u8>);

    #[test]
    fn bytes_at_one_go_are_encoded_as_a_list_of_them() {
        for length in [0, 1, 250, 251, 300, 70_000] {
            let list: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[0]).collect();
            let encoded = encode(&list);
            assert_eq!(encode(&Bytes(list.clone())), encoded);
            assert_eq!(decode::<Bytes, 80_000>(&encoded), Ok(Bytes(list.clone())));
            let json = serde_json::to_string(&list).unwrap();
            assert_eq!(serde_json::to_string(&Bytes(list.clone())).unwrap(), json);
            assert_eq!(serde_json::from_str::<Bytes>(&json).unwrap(), Bytes(list));
        }
        assert_eq!(decode::<Bytes, 64>(&[251, 1, 0, 7]), Err(DecodeError::NotCanonical));
        assert!(matches!(decode::<Bytes, 8>(&[2, 7]), Err(DecodeError::Malformed(_))));
    }

    /// D4: a length prefix larger than the input is refused before anything is allocated.
    #[test]
    fn refuses_lengths_beyond_the_limit() {
        let mut huge = vec![253];
        huge.extend((1_u64 << 40).to_le_bytes());
        assert!(matches!(decode::<Vec<u8>, 64>(&huge), Err(DecodeError::Malformed(_))));
        assert!(matches!(decode::<Bytes, 64>(&huge), Err(DecodeError::Malformed(_))));
        assert!(matches!(decode::<String, 64>(&huge), Err(DecodeError::Malformed(_))));
        assert_eq!(decode::<Vec<u8>, 4>(&[0; 5]), Err(DecodeError::TooLong { actual: 5, max: 4 }));
    }
}
