//! What two chats say to each other.
//!
//! The sender's side opens a channel to the service `chat` and begins; every message is framed by its length in
//! four bytes, little-endian, and encoded with bincode (the first byte is the variant's number).
//!
//! ```text
//! sender                               receiver
//! Hello{stream}                  ──▶
//!                                ◀──  Welcome{received}     the last number of this stream that it has
//! Text{number, at, text} …       ──▶                        numbers rise; those up to `received` are skipped
//!                                ◀──  Stored{number}        durable: everything up to it
//! close                          ──▶
//! ```
//!
//! A `stream` is 16 random bytes that the sender's store keeps beside its numbering. A sender that lost its
//! store begins a new stream, so its first messages are not taken for repetitions of older ones.

use lanyard_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The longest text of a message, in bytes.
pub const TEXT_MAX: usize = 16 << 10;

/// The longest encoded message: a text and the few fields beside it.
pub const MESSAGE_MAX: usize = TEXT_MAX + 64;

/// How many texts may be on their way before the first is confirmed.
pub const WINDOW: usize = 64;

/// One numbering of messages from one node to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamId(pub [u8; 16]);

/// From the side that opened the channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToReceiver {
    /// The first message.
    Hello {
        /// Which numbering follows.
        stream: StreamId,
    },
    /// A text.
    Text {
        /// Its number, higher than that of every earlier text of the stream.
        number: u64,
        /// When it was written, by the writer's clock.
        at: Timestamp,
        /// 1 byte to 16 KiB.
        text: String,
    },
}

/// From the side that accepted the channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToSender {
    /// The answer to [`ToReceiver::Hello`].
    Welcome {
        /// The last number of the stream that was stored; 0 if there is none.
        received: u64,
    },
    /// Everything up to this number is stored durably.
    Stored {
        /// The number.
        number: u64,
    },
}

#[cfg(test)]
mod tests {
    use lanyard_protocol::codec;

    use super::*;

    #[test]
    fn the_encoding_is_frozen() {
        assert_eq!(codec::encode(&ToReceiver::Hello { stream: StreamId([7; 16]) }), {
            let mut bytes = vec![0];
            bytes.extend([7; 16]);
            bytes
        });
        let text = ToReceiver::Text { number: 1, at: Timestamp::from_millis(300), text: "hi".to_owned() };
        assert_eq!(codec::encode(&text), [1, 1, 251, 44, 1, 2, b'h', b'i']);
        assert_eq!(codec::encode(&ToSender::Welcome { received: 9 }), [0, 9]);
        assert_eq!(codec::encode(&ToSender::Stored { number: 9 }), [1, 9]);
    }

    #[test]
    fn the_longest_text_fits_a_message() {
        let text = ToReceiver::Text {
            number: u64::MAX,
            at: Timestamp::from_millis(u64::MAX),
            text: "x".repeat(TEXT_MAX),
        };
        assert_eq!(codec::decode::<ToReceiver, MESSAGE_MAX>(&codec::encode(&text)), Ok(text));
    }
}
