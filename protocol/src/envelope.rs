//! A file that is sealed to some members of a network and signed by one, which needs no connection between them.
//!
//! A *header* says who sealed it, when and to whom, and has the content's key, wrapped for each receiver (HPKE). Its
//! sender signs it. The *content* follows as a stream of chunks, each encrypted and signed, so that a file of any
//! size takes a constant amount of memory, and no byte is given out before it is known to be the sender's.
//!
//! ```text
//! magic (16) ‖ length of the header (4) ‖ header ‖ chunk ‖ chunk ‖ … ‖ last chunk
//! ```
//!
//! What the two signatures are for: the header's covers the network, every receiver and the content's keys, so whoever
//! may read a file cannot pass it on as if it had been meant for a third. The chunks are signed by a *content key*
//! that is made for this file and that the header names: the receivers know the key that encrypts, so that one alone
//! would let each of them change what the others read.

mod content;
mod header;
#[cfg(test)]
mod tests;

pub use self::content::{
    CHUNK_HEAD, CHUNK_MAX, CHUNK_PAYLOAD, ChunkHead, ContentError, ContentOpener, ContentSealer,
};
pub use self::header::{
    HEADER_MAX, HeaderError, OpenedHeader, PREFIX_LEN, RECEIVERS_MAX, SealedHeader, header_len, open, seal,
};
#[cfg(test)]
pub(crate) use self::header::{Header, key_info};
