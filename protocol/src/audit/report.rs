//! What a log is asked for, as the local API and the command line show it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Entry;

/// One record as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1.
    pub number: u64,
    /// What was decided.
    #[serde(flatten)]
    pub entry: Entry,
    /// Its hash, which the next record names.
    pub hash: String,
}

/// Some records, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// Lines in between that are no records: `lanyard audit --verify` says what is wrong.
    pub unreadable: u64,
    /// From where to ask on.
    pub next: u64,
    /// Whether there are more by now.
    pub more: bool,
}

/// What came of the verification of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Records that are as they were written, before the first that is not.
    pub records: u64,
    /// The number of the first record that is kept.
    pub first: u64,
    /// The number of the last that is good.
    pub last: u64,
    /// Bytes of a record that a crash has left unfinished at the end: it was of nothing that was acknowledged.
    pub unfinished: u64,
    /// The first thing that is wrong.
    pub fault: Option<Found>,
}

/// Where a log is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The number of the record that belongs there.
    pub number: u64,
    /// The file.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}
