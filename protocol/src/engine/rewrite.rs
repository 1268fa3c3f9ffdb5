//! Writes that the store refused and that hold all the same: they are written again, and never over what was written
//! in between.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use super::PersistId;
use crate::record::{Table, Write};
use crate::time::Timestamp;

/// How long after the store refused them writes are written again.
const REWRITE_AFTER: Duration = Duration::from_secs(5);

/// Names a record.
pub(super) type RecordKey = (Table, Vec<u8>);

/// What is to be written again, and what need not be. Commits take effect in the order of their ids, and may be
/// answered in another.
#[derive(Default)]
pub(super) struct Rewrites {
    /// Of each record the last write that was refused, and in which commit.
    refused: BTreeMap<RecordKey, (PersistId, Option<Vec<u8>>)>,
    /// The last commit that wrote a record, as long as an earlier one has not been answered.
    written: BTreeMap<RecordKey, PersistId>,
    due: Option<Timestamp>,
}

/// The records that these writes are of.
pub(super) fn records_of(writes: &[Write]) -> Vec<RecordKey> {
    writes.iter().map(|write| (write.table, write.key.clone())).collect()
}

impl Rewrites {
    /// When there is something to write again.
    pub(super) const fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// The commit was refused.
    pub(super) fn refused(&mut self, id: PersistId, writes: Vec<Write>, now: Timestamp) {
        for Write { table, key, value } in writes {
            let record = (table, key);
            let later = self.written.get(&record).is_some_and(|written| *written > id)
                || self.refused.get(&record).is_some_and(|(refused, _)| *refused > id);
            if !later {
                self.refused.insert(record, (id, value));
            }
        }
        self.due = Some(now.after(REWRITE_AFTER));
    }

    /// The commit is durable; `oldest` is the first that has not been answered.
    pub(super) fn durable(&mut self, id: PersistId, records: Vec<RecordKey>, oldest: Option<PersistId>) {
        for record in records {
            if self.refused.get(&record).is_some_and(|(refused, _)| *refused < id) {
                self.refused.remove(&record);
            }
            let written = self.written.entry(record).or_insert(id);
            *written = id.max(*written);
        }
        self.written.retain(|_, written| oldest.is_some_and(|oldest| oldest < *written));
    }

    /// What is to be written again now. A record that a commit on its way writes, too, waits for what becomes of that.
    pub(super) fn take(&mut self, on_the_way: &BTreeSet<&RecordKey>, now: Timestamp) -> Vec<Write> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        let (held, ready): (BTreeMap<_, _>, BTreeMap<_, _>) = core::mem::take(&mut self.refused)
            .into_iter()
            .partition(|(record, _)| on_the_way.contains(record));
        self.due = (!held.is_empty()).then(|| now.after(REWRITE_AFTER));
        self.refused = held;
        let writes = ready.into_iter();
        writes.map(|((table, key), (_, value))| Write { table, key, value }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

    fn write(key: u8, value: u8) -> Write {
        Write::set(Table::Revocations, [key], vec![value])
    }

    fn record(key: u8) -> RecordKey {
        (Table::Revocations, vec![key])
    }

    fn taken(rewrites: &mut Rewrites, on_the_way: &[RecordKey]) -> Vec<Write> {
        let due = rewrites.due().unwrap_or(NOW);
        rewrites.take(&on_the_way.iter().collect(), due)
    }

    /// F3: in whatever order the store answers, an older write never goes over a newer one.
    #[test]
    fn what_was_written_since_stays() {
        let [first, second] = [1, 2].map(PersistId);
        for second_is_told_first in [false, true] {
            let mut rewrites = Rewrites::default();
            if second_is_told_first {
                rewrites.durable(second, vec![record(1)], Some(first));
            }
            rewrites.refused(first, vec![write(1, 1), write(2, 1)], NOW);
            if !second_is_told_first {
                rewrites.durable(second, vec![record(1)], None);
            }
            assert_eq!(taken(&mut rewrites, &[]), [write(2, 1)]);
            assert!(rewrites.due().is_none() && taken(&mut rewrites, &[]).is_empty());
        }
    }

    /// F3: a record that is being written waits until that has come to something; of two that were refused the later one
    /// is written again.
    #[test]
    fn what_is_being_written_waits() {
        let [first, second] = [1, 2].map(PersistId);
        let mut rewrites = Rewrites::default();
        rewrites.refused(first, vec![write(1, 1), write(2, 1)], NOW);
        assert_eq!(taken(&mut rewrites, &[record(1)]), [write(2, 1)]);
        rewrites.refused(second, vec![write(1, 2)], NOW);
        assert_eq!(taken(&mut rewrites, &[]), [write(1, 2)]);
        rewrites.durable(second, vec![record(1)], None);
        assert!(rewrites.written.is_empty(), "nothing is remembered that nobody waits for");
    }
}
