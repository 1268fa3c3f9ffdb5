//! What chats and file transfers say to each other, inside their channels.

use std::fmt::Debug;

use lanyard_node::tools::chat::message::{self as chat, ToReceiver, ToSender};
use lanyard_node::tools::file::message::{self as file, End, Offer, Reply};
use lanyard_node::tools::file::safe_name;
use lanyard_protocol::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A message of a chat: by the first byte one to the receiver, or one to the sender.
pub fn chat_message(data: &[u8]) {
    let Some((&side, message)) = data.split_first() else { return };
    if side.is_multiple_of(2) {
        message_of::<ToReceiver, { chat::MESSAGE_MAX }>(message);
    } else {
        message_of::<ToSender, { chat::MESSAGE_MAX }>(message);
    }
}

/// A message of a file transfer: by the first byte an offer, what ends the bytes, or a reply. What an offer calls the
/// file stays where it is put, or is refused in words that steer no terminal.
pub fn file_message(data: &[u8]) {
    let Some((&kind, message)) = data.split_first() else { return };
    match kind % 3 {
        0 => {
            let Some(offer) = message_of::<Offer, { file::MESSAGE_MAX }>(message) else { return };
            match safe_name(&offer.name) {
                Ok(name) => {
                    assert_eq!(name.as_str(), offer.name);
                    assert!(!offer.name.contains(|c: char| c.is_control() || "/\\:".contains(c)));
                    assert!(!offer.name.starts_with('.') && (1..=255).contains(&offer.name.len()));
                }
                Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
            }
        }
        1 => drop(message_of::<End, { file::MESSAGE_MAX }>(message)),
        _ => drop(message_of::<Reply, { file::MESSAGE_MAX }>(message)),
    }
}

fn message_of<T: Serialize + DeserializeOwned + Debug, const MAX: usize>(data: &[u8]) -> Option<T> {
    let message = codec::decode::<T, MAX>(data).ok()?;
    assert_eq!(codec::encode(&message), data, "a second encoding of {message:?}");
    assert!(data.len() <= MAX);
    Some(message)
}
