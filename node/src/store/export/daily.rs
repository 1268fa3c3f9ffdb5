//! The export that an authority makes of itself each day, beside its database.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lanyard_protocol::certificate::Role;
use lanyard_protocol::control::Time;
use lanyard_protocol::snapshot::Snapshot;
use lanyard_protocol::time::Timestamp;

use super::{ExportError, export};
use crate::ambient;
use crate::handle::Handle;
use crate::store::layout::make_private_dir;
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How many are kept: a week to notice that something is wrong.
const KEPT: usize = 7;
/// How often it is looked whether one is due, and how soon one that failed is tried again.
const LOOK: Duration = Duration::from_secs(60 * 60);
const SUFFIX: &str = ".export";

/// Makes an export whenever one is due, for as long as the node runs.
pub(crate) async fn run(store: Store, handle: Handle, tasks: Tasks) {
    let mut snapshots = handle.snapshots();
    let mut made: Option<Instant> = None;
    loop {
        let rested = made.is_none_or(|made| made.elapsed() >= DAY);
        if rested && is_authority(&snapshots.borrow_and_update()) {
            let (store, now) = (store.clone(), handle.now());
            let done = tokio::task::spawn_blocking(move || export_if_due(&store, now)).await;
            match done {
                Ok(Ok(exported)) => made = exported.then(ambient::monotonic),
                Ok(Err(error)) => tracing::error!(%error, "there is no export of today"),
                Err(error) => tracing::error!(%error, "there is no export of today"),
            }
        }
        tokio::select! {
            () = tasks.stopping() => return,
            changed = snapshots.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn is_authority(snapshot: &Snapshot) -> bool {
    snapshot.certificate().is_some_and(|certificate| certificate.role() == Role::Authority)
}

/// Makes an export if the last one is a day old, and removes those that are too many then; says whether it did. One
/// from the future was made before the clock was set back, and counts for nothing.
fn export_if_due(store: &Store, now: Timestamp) -> Result<bool, ExportError> {
    let folder = &store.shared.layout.exports;
    if !folder.exists() {
        make_private_dir(folder)?;
    }
    let last = kept(folder)?.pop().map(|(time, _)| time);
    if last.is_some_and(|last| last <= now && now.since(last) < DAY) {
        return Ok(false);
    }
    let path = folder.join(name(now));
    let exported = export(store, &path, None, now)?;
    tracing::info!(records = exported.records, "the state is exported");
    let mut kept = kept(folder)?;
    // The one that was just made stays, also where others claim to be of later days.
    kept.retain(|(_, other)| *other != path);
    kept.push((now, path));
    kept.truncate(kept.len().saturating_sub(KEPT));
    for (_, path) in kept {
        fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
    }
    Ok(true)
}

/// The exports in `folder`, the oldest first.
fn kept(folder: &Path) -> Result<Vec<(Timestamp, PathBuf)>, ExportError> {
    let entries = fs::read_dir(folder).map_err(StoreError::io("list", folder))?;
    let mut kept: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((time(path.file_name()?.to_str()?)?, path))
        })
        .collect();
    kept.sort();
    Ok(kept)
}

/// `2026-11-24T070000Z.export`: the time without what file names had better not have.
fn name(now: Timestamp) -> String {
    format!("{}{SUFFIX}", now.whole_seconds().to_string().replace(':', ""))
}

fn time(name: &str) -> Option<Timestamp> {
    let text = name.strip_suffix(SUFFIX)?;
    let (date, clock) = text.split_once('T')?;
    let (hour, minute, second) = (clock.get(..2)?, clock.get(2..4)?, clock.get(4..)?);
    Time::try_from(format!("{date}T{hour}:{minute}:{second}")).ok().map(|time| time.0)
}

#[cfg(test)]
mod tests {
    use lanyard_protocol::engine::{Engine, Output, Setup};

    use super::*;
    use crate::ambient::OsRng;

    const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

    /// One a day, seven of them, and none is given up before the next one has been read back.
    #[test]
    fn keeps_an_export_of_each_of_the_last_seven_days() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path()).unwrap();
        assert!(matches!(export_if_due(&store, NOW), Err(ExportError::Nobody)));
        let mut engine = Engine::new(Setup::default(), NOW, Box::new(OsRng)).unwrap();
        while let Some(output) = engine.poll_output() {
            if let Output::Persist { writes, .. } = output {
                store.commit_blocking(writes).unwrap();
            }
        }
        let exports = || kept(&store.shared.layout.exports).unwrap();
        for day in 0..9_u32 {
            let now = NOW.after(DAY * day);
            assert!(export_if_due(&store, now).unwrap(), "day {day}");
            assert!(!export_if_due(&store, now.after(DAY - Duration::from_secs(1))).unwrap(), "day {day}");
        }
        let days: Vec<u64> = exports().iter().map(|(time, _)| time.since(NOW).as_secs() / 86_400).collect();
        assert_eq!(days, [2, 3, 4, 5, 6, 7, 8]);
        for (_, path) in exports() {
            super::super::verify(&path, None, NOW).unwrap();
        }
        // The clock was set back.
        assert!(export_if_due(&store, NOW).unwrap());
        assert_eq!(exports()[0].0, NOW);
        fs::write(store.shared.layout.exports.join("notes.txt"), "not ours").unwrap();
        assert_eq!(exports().len(), 7);
    }
}
