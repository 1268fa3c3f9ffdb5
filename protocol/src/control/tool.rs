//! What the tools of a node are asked and answer: chat and files.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Failure, PeerRef, Time};
use crate::identity::NodeName;

/// Asks for a chat message to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSend {
    /// To whom.
    pub peer: PeerRef,
    /// What: 1 byte to 16 KiB.
    pub text: String,
}

/// The answer to a [`ChatSend`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSent {
    /// The message's id: `<peer>-<number>`.
    pub id: String,
    /// How far it is.
    pub state: ChatState,
}

/// How far a chat message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatState {
    /// It is kept until the peer is there.
    Queued,
    /// The peer has it, durably.
    Delivered,
    /// It came from the peer.
    Received,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatLine {
    /// The message's id.
    pub id: String,
    /// Who wrote it.
    pub from: NodeName,
    /// To whom.
    pub to: NodeName,
    /// When it was written, by the writer's clock.
    pub at: Time,
    /// What was written, as it came: escape it before it is shown.
    pub text: String,
    /// How far it is.
    pub state: ChatState,
}

/// Asks for a file to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendFile {
    /// To whom.
    pub peer: PeerRef,
    /// The file: an absolute path.
    pub path: PathBuf,
    /// The name to offer it by; the path's last part if there is none.
    pub name: Option<String>,
}

/// Asks to receive offered files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receive {
    /// The folder that files are put into: an absolute path, made if it is not there.
    pub into: PathBuf,
    /// From whom files are taken without asking; with none, whoever offers.
    pub from: Vec<PeerRef>,
    /// Take without asking.
    pub yes: bool,
    /// Stop after one file.
    pub once: bool,
}

/// The decision on an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decide {
    /// Take it or not.
    pub accept: bool,
}

/// A line of a transfer's progress, on either side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum TransferEvent {
    /// The receiver has not decided yet.
    Waiting {
        /// The peer who has to.
        peer: NodeName,
        /// The file's name.
        path: String,
        /// Its size in bytes.
        total: u64,
    },
    /// On the receiver: a file is offered, and someone has to decide.
    Offer {
        /// The offer's id.
        id: String,
        /// Who offers.
        from: NodeName,
        /// The name that the file will have: already confined to one safe path component.
        path: String,
        /// Its size in bytes.
        total: u64,
    },
    /// So many bytes are there.
    Progress {
        /// The file's name.
        path: String,
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all.
        total: u64,
        /// Bytes per second, of late.
        rate: u64,
        /// Seconds to go, by that rate.
        eta_s: u64,
    },
    /// Everything is verified and durable.
    Done {
        /// How many files.
        files: u64,
        /// How many bytes.
        bytes: u64,
        /// The BLAKE3 hash of the file: 64 hexadecimal digits.
        blake3: String,
        /// How long it took.
        seconds: f64,
        /// Where the receiver put it; the name that was offered, on the sender.
        path: String,
    },
    /// It ended otherwise.
    Failed(Failure),
}
