//! What the two ends say about an exposed folder.
//!
//! The requester opens a channel to the folder's service. Messages are framed by their length in four bytes,
//! little-endian, and encoded with bincode (the first byte is the variant's number); a file's bytes stand between two
//! of them as they are.
//!
//! ```text
//! requester                               provider
//! Request{version, File{path}}      ──▶
//!                                   ◀──  File{size} | Refused{…}
//!                                   ◀──  size bytes
//!                                   ◀──  End::Complete{blake3} | Changed
//! Request{version, List{path}}      ──▶
//!                                   ◀──  Entries{…}, as often as it takes, | Refused{…}
//!                                   ◀──  Listed{more, left_out}
//! ```
//!
//! There is one request on a channel; the provider closes its direction behind the answer. A provider whose file turns
//! out shorter than it said closes early; one whose file turns out longer says `Changed`.

use lanyard_protocol::control::FolderEntry;
use serde::{Deserialize, Serialize};

/// The version of this protocol.
pub(in super::super) const VERSION: u8 = 1;

/// The longest path that is looked at: four names of the longest kind.
pub(in super::super) const PATH_MAX: usize = 1024;

/// The longest encoded request: one with the longest path.
pub(super) const REQUEST_MAX: usize = PATH_MAX + 16;

/// The longest encoded reply: a page of the longest names.
pub(in super::super) const REPLY_MAX: usize = 32 << 10;

/// Entries in one reply. 64: with names of 255 bytes and sizes they take 17 KiB.
pub(super) const PAGE: usize = 64;

/// Entries of a listing in all. 4,096: more than a person looks through.
pub(in super::super) const ENTRIES_MAX: usize = 4096;

/// The first message, from the requester.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Request {
    /// [`VERSION`]: another one is refused.
    pub(in super::super) version: u8,
    /// What is wanted.
    pub(in super::super) want: Want,
}

/// What is wanted of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Want {
    /// The content of a file.
    File {
        /// Its path in the folder.
        path: String,
    },
    /// What lies in a folder.
    List {
        /// Its path in the exposed one; of that itself, nothing.
        path: String,
    },
}

/// From the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Reply {
    /// The file's bytes follow.
    File {
        /// How many.
        size: u64,
    },
    /// A part of a listing: at most [`PAGE`] entries.
    Entries(Vec<FolderEntry>),
    /// The listing's end.
    Listed {
        /// Whether there is more than was listed.
        more: bool,
        /// What cannot be got and was left out.
        left_out: u64,
    },
    /// There is nothing to be had.
    Refused(Refusal),
}

/// Why there is nothing. What lies outside the folder is not there, and nor is what is no file and no folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Refusal {
    /// The version is not spoken.
    Version,
    /// There is nothing of this name.
    NoSuch,
    /// It is a folder, and a file was wanted.
    IsFolder,
    /// The provider may not read it.
    Unreadable,
    /// Too much is being read, by this requester or in all.
    Busy,
}

#[cfg(test)]
mod tests {
    use lanyard_protocol::codec;

    use super::*;

    #[test]
    fn the_encoding_is_frozen() {
        let request = Request { version: VERSION, want: Want::File { path: "a/b".to_owned() } };
        assert_eq!(codec::encode(&request), [1, 0, 3, b'a', b'/', b'b']);
        let request = Request { version: VERSION, want: Want::List { path: String::new() } };
        assert_eq!(codec::encode(&request), [1, 1, 0]);
        assert_eq!(codec::encode(&Reply::File { size: 300 }), [0, 251, 44, 1]);
        let entries = vec![
            FolderEntry { name: "a".to_owned(), bytes: Some(2) },
            FolderEntry { name: "b".to_owned(), bytes: None },
        ];
        assert_eq!(codec::encode(&Reply::Entries(entries)), [1, 2, 1, b'a', 1, 2, 1, b'b', 0]);
        assert_eq!(codec::encode(&Reply::Listed { more: true, left_out: 3 }), [2, 1, 3]);
        assert_eq!(codec::encode(&Reply::Refused(Refusal::Busy)), [3, 4]);
    }

    /// D4: the longest request and the longest page fit into what is read.
    #[test]
    fn the_longest_messages_fit() {
        let path = "x".repeat(PATH_MAX);
        for want in [Want::File { path: path.clone() }, Want::List { path }] {
            assert!(codec::encode(&Request { version: VERSION, want }).len() <= REQUEST_MAX);
        }
        let entry = FolderEntry { name: "x".repeat(255), bytes: Some(u64::MAX) };
        assert!(codec::encode(&Reply::Entries(vec![entry; PAGE])).len() <= REPLY_MAX);
    }
}
