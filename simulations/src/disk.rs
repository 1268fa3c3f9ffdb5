//! Stores in memory that forget what was not synced.

use std::collections::{BTreeMap, VecDeque};

use lanyard_protocol::record::{Record, Table, Write};

/// What a host keeps its records on. Batches become durable in the order in which they were written, each wholly or
/// not at all.
pub trait Disk: Send {
    /// Takes a batch; says whether there is room for it. What is taken is durable after [`Disk::sync`].
    fn write(&mut self, batch: Vec<Write>) -> bool;

    /// Makes the oldest batch durable that is not; says whether that worked.
    fn sync(&mut self) -> bool;

    /// The host is gone: of the batches that were not made durable the first `kept` happen to be.
    fn crash(&mut self, kept: usize);

    /// How many batches are not durable yet.
    fn unsynced(&self) -> usize;

    /// What is durable.
    fn records(&self) -> Vec<Record>;

    /// From now on has room, or has none.
    fn set_room(&mut self, room: bool);
}

/// A disk that does what is expected of one.
#[derive(Default)]
pub struct MemoryDisk {
    durable: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    unsynced: VecDeque<Vec<Write>>,
    full: bool,
}

impl MemoryDisk {
    fn apply(&mut self, batch: Vec<Write>) {
        for Write { table, key, value } in batch {
            match value {
                Some(value) => self.durable.insert((table, key), value),
                None => self.durable.remove(&(table, key)),
            };
        }
    }
}

impl Disk for MemoryDisk {
    fn write(&mut self, batch: Vec<Write>) -> bool {
        if !self.full {
            self.unsynced.push_back(batch);
        }
        !self.full
    }

    fn sync(&mut self) -> bool {
        let batch = self.unsynced.pop_front();
        let synced = batch.is_some();
        self.apply(batch.unwrap_or_default());
        synced
    }

    fn crash(&mut self, kept: usize) {
        for _ in 0..kept {
            self.sync();
        }
        self.unsynced.clear();
    }

    fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    fn records(&self) -> Vec<Record> {
        let record = |((table, key), value): (&(Table, Vec<u8>), &Vec<u8>)| Record {
            table: *table,
            key: key.clone(),
            value: value.clone(),
        };
        self.durable.iter().map(record).collect()
    }

    fn set_room(&mut self, room: bool) {
        self.full = !room;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(key: u8) -> Vec<Write> {
        vec![Write::set(Table::Peers, [key], vec![key])]
    }

    fn keys(disk: &MemoryDisk) -> Vec<u8> {
        disk.records().into_iter().map(|record| record.key[0]).collect()
    }

    #[test]
    fn a_crash_keeps_what_was_synced_and_a_beginning_of_the_rest() {
        for kept in 0..=2 {
            let mut disk = MemoryDisk::default();
            for key in 1..=3 {
                assert!(disk.write(set(key)));
            }
            assert!(disk.sync());
            disk.crash(kept);
            let expected: Vec<u8> = (1..=1 + u8::try_from(kept).unwrap()).collect();
            assert_eq!(keys(&disk), expected);
            assert_eq!(disk.unsynced(), 0);
        }
    }

    #[test]
    fn a_full_disk_takes_nothing_and_loses_nothing() {
        let mut disk = MemoryDisk::default();
        assert!(disk.write(set(1)) && disk.sync());
        disk.set_room(false);
        assert!(!disk.write(vec![Write::erase(Table::Peers, [1])]));
        assert!(!disk.sync(), "there is nothing to sync");
        disk.set_room(true);
        assert!(disk.write(set(2)) && disk.sync());
        assert_eq!(keys(&disk), [1, 2]);
    }
}
