//! The database engine, contained: this file is the only one that calls `sled` (its error type aside).
//!
//! All tables live in one of its trees, each row's key led by the table's number, so one batch of the engine
//! is an atomic change of several tables. The engine may panic on a damaged file: that becomes an error.

use std::any::Any;
use std::fs::File;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use super::StoreError;

/// The engine's cache: what a store that has been read through may keep in memory. An idle node's is far less.
///
/// It is split into 256 shards, which drop what they cannot hold. It must not be much smaller: a page that a
/// batch has written, that is dropped and then read again within the same batch, would make the engine wait
/// for the batch to end, for ever (and the committer's patience end). A page has at most 17 rows.
const CACHE: u64 = 32 << 20;

/// One row to set or to erase: the table's number and the key, and the sealed record.
pub(super) struct Row {
    pub(super) key: Vec<u8>,
    pub(super) record: Option<Vec<u8>>,
}

/// An engine that is open, closed after a failure, or stopped for good.
pub(super) struct Database {
    path: PathBuf,
    engine: RwLock<Engine>,
    /// Held by whoever changes the rows or needs them to stand still.
    writing: Mutex<()>,
    /// Keeps other processes out until the engine is closed: the last field, so dropped last.
    _lock: File,
}

enum Engine {
    Open(sled::Db),
    Closed(String),
    Stopped(String),
}

impl Database {
    /// Opens the database in `path`.
    pub(super) fn open(path: &Path, lock: File) -> Result<Self, StoreError> {
        let engine = RwLock::new(Engine::Open(open_patiently(path)?));
        Ok(Self { path: path.to_owned(), engine, writing: Mutex::new(()), _lock: lock })
    }

    /// Makes a database in `path` that holds `rows`, and closes it again.
    pub(super) fn create(path: &Path, rows: &[Row]) -> Result<(), StoreError> {
        let db = open(path)?;
        contain(path, || apply(&db, rows).and_then(|()| db.flush()))?;
        contain(path, || {
            drop(db);
            Ok(())
        })
    }

    /// The record in `row`.
    pub(super) fn get(&self, row: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|db| db.get(row).map(|found| found.map(|record| record.to_vec())))
    }

    /// Visits the rows from `from` on that begin with `prefix`, in order, until told to stop.
    pub(super) fn visit(
        &self,
        prefix: &[u8],
        from: &[u8],
        mut visitor: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.with(|db| {
            for row in db.range(from.max(prefix)..) {
                let (key, record) = row?;
                if !key.starts_with(prefix) || visitor(&key, &record).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Until this is dropped nobody else who asks for it reads or writes: between two commits the rows fit together.
    pub(super) fn still(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies `rows`, all or none.
    pub(super) fn apply(&self, rows: &[Row]) -> Result<(), StoreError> {
        self.with(|db| apply(db, rows))
    }

    /// Hands what was applied to the operating system; making it durable is [`super::files::Files::sync`].
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.with(|db| db.flush().map(|_| ()))
    }

    /// Closes the engine after a failed write, for [`Self::reopen`] to open what is on the disk.
    ///
    /// An engine that has failed by its own account writes nothing when it is closed. One that has applied
    /// half of a batch and does not know that it failed would write that half: it is never closed, and the
    /// store is stopped.
    pub(super) fn close(&self, failure: &StoreError, in_batch: bool) {
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        let detail = failure.to_string();
        match std::mem::replace(&mut *engine, Engine::Closed(detail.clone())) {
            Engine::Open(db) if in_batch && db.context.global_error().is_ok() => {
                std::mem::forget(db);
                *engine = Engine::Stopped(detail);
            }
            Engine::Open(db) => drop_contained(&self.path, db),
            before @ (Engine::Closed(_) | Engine::Stopped(_)) => *engine = before,
        }
    }

    /// Opens the engine if it was closed after a failure; says whether it was.
    pub(super) fn reopen(
        &self,
        prepare: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        match &*self.engine.read().unwrap_or_else(PoisonError::into_inner) {
            Engine::Open(_) => return Ok(false),
            Engine::Closed(_) => {}
            Engine::Stopped(detail) => return Err(self.stopped(detail)),
        }
        prepare()?;
        let db = open_patiently(&self.path)?;
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = Engine::Open(db);
        Ok(true)
    }

    fn with<T>(&self, work: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, StoreError> {
        match &*self.engine.read().unwrap_or_else(PoisonError::into_inner) {
            Engine::Open(db) => contain(&self.path, || work(db)),
            Engine::Closed(detail) => {
                Err(StoreError::Closed { path: self.path.clone(), detail: detail.clone() })
            }
            Engine::Stopped(detail) => Err(self.stopped(detail)),
        }
    }

    fn stopped(&self, detail: &str) -> StoreError {
        StoreError::Stopped { path: self.path.clone(), detail: detail.to_owned() }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let engine = self.engine.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Engine::Open(db) = std::mem::replace(engine, Engine::Closed(String::new())) {
            drop_contained(&self.path, db);
        }
    }
}

fn open(path: &Path) -> Result<sled::Db, StoreError> {
    contain(path, || {
        sled::Config::new()
            .path(path)
            .cache_capacity(CACHE)
            // Every commit flushes; nothing is left for a timer.
            .flush_every_ms(None)
            .mode(sled::Mode::LowSpace)
            .open()
    })
}

/// The engine's own lock lives on for a moment after an engine is closed, on a busy host for longer: its threads
/// hold it. No other process can be the one, for this one holds the store's lock.
fn open_patiently(path: &Path) -> Result<sled::Db, StoreError> {
    let mut patience = 1000;
    loop {
        match open(path) {
            Err(StoreError::InUse { .. }) if patience > 0 => {
                patience -= 1;
                thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

/// A single row needs no batch: the engine writes it whole or not at all, and holds its log for less.
fn apply(db: &sled::Db, rows: &[Row]) -> sled::Result<()> {
    if let [row] = rows {
        return match &row.record {
            Some(record) => db.insert(&row.key, record.as_slice()).map(|_| ()),
            None => db.remove(&row.key).map(|_| ()),
        };
    }
    let mut batch = sled::Batch::default();
    for row in rows {
        match &row.record {
            Some(record) => batch.insert(row.key.as_slice(), record.as_slice()),
            None => batch.remove(row.key.as_slice()),
        }
    }
    db.apply_batch(batch)
}

fn drop_contained(path: &Path, db: sled::Db) {
    let closed = contain(path, || {
        drop(db);
        Ok(())
    });
    if let Err(error) = closed {
        tracing::warn!(%error, "while closing");
    }
}

/// The engine asserts what it reads from the disk: such a panic says that the file is damaged.
fn contain<T>(path: &Path, work: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| StoreError::engine(path, error)),
        Err(panic) => Err(StoreError::corrupt(path, format!("its engine failed: {}", text(&*panic)))),
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "no reason given",
    }
}
