//! A buffer that becomes records where it lies.

use core::fmt;
use core::ops::Range;

use lanyard_protocol::channel::{HEADER_LEN, PAYLOAD_MAX, RECORD_MAX};

use super::{BUFFER, RECORDS};

/// Room for 256 KiB of payload, laid out as records: every 64 KiB have room for a header before and a tag behind
/// them, so that a file is read and encrypted where it goes to the socket from.
pub struct Batch {
    records: Vec<u8>,
    filled: usize,
}

/// What is to be said is not shown.
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("filled", &self.filled).finish_non_exhaustive()
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// How many bytes of payload a batch holds.
    pub const CAPACITY: usize = RECORDS * PAYLOAD_MAX;

    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self { records: vec![0; BUFFER], filled: 0 }
    }

    /// How many bytes it was filled with.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.filled
    }

    /// Whether nothing was filled in.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// The next piece of room, to be filled from its beginning; empty if the batch is full.
    pub fn unfilled(&mut self) -> &mut [u8] {
        self.restore();
        let range = piece(self.filled..Self::CAPACITY);
        &mut self.records[range]
    }

    /// Says that the next `bytes` of [`Batch::unfilled`] are filled.
    pub fn advance(&mut self, bytes: usize) {
        let room = piece(self.filled..Self::CAPACITY).len();
        self.filled += bytes.min(room);
    }

    /// What was filled in, piece by piece.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.filled)
            .step_by(PAYLOAD_MAX)
            .map(|start| &self.records[piece(start..self.filled.min(start + PAYLOAD_MAX))])
    }

    /// What is to be sealed; the batch counts as empty from now on.
    pub(super) const fn take_filled(&mut self) -> Range<usize> {
        let filled = 0..self.filled;
        self.filled = 0;
        filled
    }

    /// The room of record `index`.
    pub(super) fn slot(&mut self, index: usize) -> &mut [u8] {
        &mut self.records[index * RECORD_MAX..(index + 1) * RECORD_MAX]
    }

    /// A copy of the payload bytes in `range`, whose start is a record's.
    pub(super) fn payload(&self, range: Range<usize>) -> Vec<u8> {
        range
            .clone()
            .step_by(PAYLOAD_MAX)
            .flat_map(|start| &self.records[piece(start..range.end.min(start + PAYLOAD_MAX))])
            .copied()
            .collect()
    }

    pub(super) const fn records_mut(&mut self) -> &mut Vec<u8> {
        &mut self.records
    }

    /// How long `records` sealed records with `payload` bytes in all are.
    pub(super) const fn sealed_len(records: usize, payload: usize) -> usize {
        payload + records * (RECORD_MAX - PAYLOAD_MAX)
    }

    /// Makes up for a buffer that was lent and came back shorter, or not at all.
    pub(super) fn restore(&mut self) {
        self.records.resize(BUFFER, 0);
    }
}

/// Where the payload bytes of `range` lie that belong to the record of the first one.
fn piece(range: Range<usize>) -> Range<usize> {
    let (record, offset) = (range.start / PAYLOAD_MAX, range.start % PAYLOAD_MAX);
    let length = range.len().min(PAYLOAD_MAX - offset);
    let start = record * RECORD_MAX + HEADER_LEN + offset;
    if length == 0 { 0..0 } else { start..start + length }
}
