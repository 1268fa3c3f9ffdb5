//! The tip: a small file that remembers the last acknowledged commit.
//!
//! The database engine takes a damaged end of its log for a write that a crash has torn, and cuts it off
//! without a word. It cannot tell the two apart, but whoever knows the last acknowledged commit can.
//!
//! The tip is written after a commit is durable and before it is acknowledged, and not synced: it is never
//! ahead of the database, and after a power cut it is at most a little behind, which weakens the check for
//! that moment and never refuses a sound database.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;

use super::StoreError;
use super::layout::{Layout, write_file};
use super::seal::Sealer;

const SIZE: usize = 40;

/// The open tip file.
pub(super) struct Tip {
    file: File,
    layout: Layout,
}

impl Tip {
    /// Opens the tip, made new at `sequence` if there is none, and compares the database with it.
    pub(super) fn open(layout: &Layout, sealer: &Sealer, sequence: u64) -> Result<Self, StoreError> {
        if !layout.tip.exists() {
            write_file(&layout.tip, &encode(sealer, sequence))?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&layout.tip)
            .map_err(StoreError::io("open", &layout.tip))?;
        let tip = Self { file, layout: layout.clone() };
        tip.check(sealer, sequence)?;
        Ok(tip)
    }

    /// Refuses a database at `sequence` if a later commit was acknowledged.
    pub(super) fn check(&self, sealer: &Sealer, sequence: u64) -> Result<(), StoreError> {
        match self.read(sealer) {
            Some(expected) if expected > sequence => Err(StoreError::Lost {
                path: self.layout.data.clone(),
                found: sequence,
                expected,
                tip: self.layout.tip.clone(),
            }),
            Some(_) => Ok(()),
            None => {
                // A damaged tip must not lock a sound database away; the next commit mends it.
                tracing::warn!(path = %self.layout.tip.display(), "unreadable: a loss before now would go unseen");
                Ok(())
            }
        }
    }

    /// Remembers `sequence`. It never decides on a commit: without it, a loss may go unseen, no more.
    pub(super) fn write(&self, sealer: &Sealer, sequence: u64) {
        if let Err(error) = self.file.write_all_at(&encode(sealer, sequence), 0) {
            tracing::warn!(path = %self.layout.tip.display(), %error, "cannot be written");
        }
    }

    fn read(&self, sealer: &Sealer) -> Option<u64> {
        let mut bytes = [0; SIZE];
        self.file.read_exact_at(&mut bytes, 0).ok()?;
        let (sequence, tag) = bytes.split_first_chunk::<8>()?;
        let sequence = u64::from_le_bytes(*sequence);
        // Not secret, and compared on this machine only.
        (tag == sealer.tip_tag(sequence)).then_some(sequence)
    }
}

fn encode(sealer: &Sealer, sequence: u64) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    bytes[..8].copy_from_slice(&sequence.to_le_bytes());
    bytes[8..].copy_from_slice(&sealer.tip_tag(sequence));
    bytes
}
