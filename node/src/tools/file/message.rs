//! What the two ends of a file transfer say to each other.
//!
//! The sender opens a channel to the service `file`. Messages are framed by their length in four bytes,
//! little-endian, and encoded with bincode (the first byte is the variant's number); the file's bytes stand
//! between two of them as they are.
//!
//! ```text
//! sender                                   receiver
//! Offer{version, id, name, size}     ──▶
//!                                    ◀──  Accept | Decline{…}      when a person or a rule decided
//! size bytes                         ──▶
//! End::Complete{blake3} | Changed    ──▶
//!                                    ◀──  Stored | Failed{…}       Failed comes as soon as it is known
//! close                              ──▶
//! ```
//!
//! `Stored` means verified, durable and under its final name. A sender whose file turns out shorter than it was
//! offered closes its direction early; one whose file turns out longer says `Changed`.

use serde::{Deserialize, Serialize};

/// The version of this protocol.
pub const VERSION: u8 = 1;

/// The longest encoded message: an offer with the longest name that is looked at.
pub const MESSAGE_MAX: usize = 1024;

/// Identifies an offer: 16 random bytes of the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OfferId(pub [u8; 16]);

/// The first message, from the sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// [`VERSION`]: another one is declined.
    pub version: u8,
    /// The offer's id.
    pub id: OfferId,
    /// The name that the file should get.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
}

/// What follows the file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// That was all of it.
    Complete {
        /// The BLAKE3 hash of the bytes.
        blake3: [u8; 32],
    },
    /// The file grew while it was read: what was sent is not the file.
    Changed,
}

/// From the receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Send it.
    Accept,
    /// Do not send it.
    Decline(Decline),
    /// It is verified, durable and under its final name.
    Stored,
    /// It is not, and nothing of it is kept.
    Failed(Refusal),
}

/// Why an offer is declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decline {
    /// A person said no.
    Denied,
    /// Nobody decided in time.
    Undecided,
    /// Too many offers wait there already.
    Busy,
    /// The name is not safe to make a file of.
    Name,
    /// The version is not spoken.
    Version,
    /// There is no room for it.
    NoRoom,
}

/// Why a transfer failed, as far as the sender has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Another number of bytes came than was offered.
    Size {
        /// What was offered.
        declared: u64,
        /// What came.
        actual: u64,
    },
    /// The bytes that came do not have the hash.
    Hash,
    /// The disk is full.
    NoRoom,
    /// The receiver stopped it.
    Stopped,
    /// Nothing came for too long.
    Stalled,
    /// The receiver could not store it, and knows why.
    Storage,
}

#[cfg(test)]
mod tests {
    use lanyard_protocol::codec;

    use super::*;

    #[test]
    fn the_encoding_is_frozen() {
        let offer = Offer { version: VERSION, id: OfferId([7; 16]), name: "a".to_owned(), size: 300 };
        let mut expected = vec![1];
        expected.extend([7; 16]);
        expected.extend([1, b'a', 251, 44, 1]);
        assert_eq!(codec::encode(&offer), expected);
        assert_eq!(codec::encode(&End::Complete { blake3: [9; 32] })[..2], [0, 9]);
        assert_eq!(codec::encode(&Reply::Decline(Decline::NoRoom)), [1, 5]);
        assert_eq!(codec::encode(&Reply::Failed(Refusal::Size { declared: 2, actual: 1 })), [3, 0, 2, 1]);
    }
}
