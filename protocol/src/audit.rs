//! What a node has decided, for those who ask later: one record for each decision, in a chain.
//!
//! The engine says *what* ([`Entry`]); the node writes it down, one line of JSON for each, so that it can be read with
//! `grep`. Each line hashes the one before it and is authenticated under a key that only the node has ([`Chain`]): a
//! line that was altered, removed, moved or added by anyone else is found, and the store's word on how far the log has
//! come ([`Extent`]) shows one that lost its end. [`Calm`] keeps strangers from filling the disk with refusals.
//!
//! No secret stands in an entry: it names who, what and why, never what proved it.

mod calm;
mod chain;
mod entry;
mod report;

pub use self::calm::Calm;
pub use self::chain::{Chain, ChainKey, Extent, Fault, LINE_MAX, Position};
pub use self::entry::{Actor, Entry, Origin, What};
pub use self::report::{Found, Page, Record, Report};
