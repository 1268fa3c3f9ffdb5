//! The audit log: what the engine has decided, written where it can be read and not be altered unseen.
//!
//! ```text
//! db/audit/                       0700
//!   00000000000000000001.jsonl    0600   one record in each line; a file is called by the number of its first record
//!   00000000000000041207.jsonl           at most eight of 16 MiB: the oldest gives way, which is recorded
//! ```
//!
//! One thread writes ([`Log`]): a group of records, one sync, then the store's word on how far the log has
//! come. So after a crash the log may be ahead of that word, never behind it, and an end that was cut off is found. The
//! loop waits for nothing. But what it persists is reported durable only when the records that came before are too:
//! whatever was granted is on record, or was not granted. A ticket is the exception, for it costs microseconds and a
//! sync milliseconds: a power cut that takes its record away takes the key ring away that opens it.
//!
//! A disk that is full stops nothing. It is said in the status, and where there is room again a record says how many are
//! missing.

mod files;
mod log;
mod read;
mod verify;

#[cfg(test)]
mod tests;

use core::fmt;
use core::time::Duration;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanyard_protocol::audit::{Calm, ChainKey, Entry, Extent, Page, Report};
use tokio::sync::watch;

pub use self::log::AuditError;
use self::log::{Limits, Log};
use crate::ambient::Clock;
use crate::store::Store;

/// Entries that wait for the disk. 4,096: as many as a second has of the busiest node; what is more is counted as missing.
const QUEUE: usize = 4096;
/// Records that one sync makes durable at most.
const GROUP: usize = 512;
/// How often is looked whether there is room again, or a count of refusals is due.
const TICK: Duration = Duration::from_secs(1);

/// The log of a running node. Clones are the same.
#[derive(Clone)]
pub(crate) struct Audit {
    shared: Arc<Shared>,
}

struct Shared {
    /// Nothing once it is closed.
    queue: Mutex<Option<SyncSender<Box<Entry>>>>,
    queued: AtomicU64,
    /// Entries that found the queue full.
    overflow: AtomicU64,
    warning: Mutex<Option<String>>,
    progress: watch::Receiver<Progress>,
    dir: PathBuf,
    key: Arc<ChainKey>,
}

/// How far the thread has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Entries taken from the queue that are durable, or known to be lost.
    done: u64,
    /// How far the log goes.
    extent: Extent,
}

impl Audit {
    /// Opens the log of a node's store and starts the thread that writes it.
    ///
    /// # Errors
    /// [`AuditError`] if its place cannot be had. A log that was damaged is none: that is said, and it goes on.
    pub(crate) fn start(store: &Store, clock: Clock) -> Result<Self, AuditError> {
        let log = Log::open(store, Limits::default(), clock.now())?;
        let (dir, key) = store.audit();
        let (queue, entries) = sync_channel(QUEUE);
        let (progress, seen) = watch::channel(Progress { done: 0, extent: log.extent() });
        let shared = Arc::new(Shared {
            queue: Mutex::new(Some(queue)),
            queued: AtomicU64::new(0),
            overflow: AtomicU64::new(0),
            warning: Mutex::new(log.warning()),
            progress: seen,
            dir: dir.to_owned(),
            key,
        });
        let writer = Writer { log, shared: Arc::clone(&shared), progress, clock, calm: Calm::default() };
        let started =
            std::thread::Builder::new().name("lanyard-audit".to_owned()).spawn(|| writer.run(entries));
        started.map_err(AuditError::io("start the writer of", dir))?;
        Ok(Self { shared })
    }

    /// Has an entry written, and waits for nothing.
    pub(crate) fn record(&self, entry: Box<Entry>) {
        let queue = self.shared.queue();
        match queue.as_ref().map(|queue| queue.try_send(entry)) {
            Some(Ok(())) => {
                self.shared.queued.fetch_add(1, Ordering::Relaxed);
            }
            Some(Err(TrySendError::Full(_))) => {
                self.shared.overflow.fetch_add(1, Ordering::Relaxed);
            }
            Some(Err(TrySendError::Disconnected(_))) | None => {
                tracing::error!("the audit log is closed, and something was decided");
            }
        }
    }

    /// Completes when everything is durable that was to be recorded before; at once if there is nothing.
    pub(crate) fn synced(&self) -> impl Future<Output = ()> + Send + use<> {
        let wanted = self.shared.queued.load(Ordering::Relaxed);
        let mut progress = self.shared.progress.clone();
        async move {
            // A thread that has ended writes nothing more: nobody is kept waiting for it.
            let _ = progress.wait_for(|progress| progress.done >= wanted).await;
        }
    }

    /// Writes what waits, and completes when the thread has let go of the store.
    pub(crate) async fn close(&self) {
        drop(self.shared.queue().take());
        let mut progress = self.shared.progress.clone();
        while progress.changed().await.is_ok() {}
    }

    /// What the owner should know of the log.
    pub(crate) fn warning(&self) -> Option<String> {
        self.shared.warning.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The records from number `from` on, at most `limit`.
    ///
    /// # Errors
    /// [`AuditError`] if the log cannot be read.
    pub(crate) fn read(&self, from: u64, limit: usize) -> Result<Page, AuditError> {
        let last = self.shared.progress.borrow().extent.last.number;
        read::page(&self.shared.dir, from, limit, Some(last))
    }

    /// Completes when there is a record with number `number`, or the log is closed: then it is `false`.
    pub(crate) async fn reaches(&self, number: u64) -> bool {
        let mut progress = self.shared.progress.clone();
        progress.wait_for(|progress| progress.extent.last.number >= number).await.is_ok()
    }

    /// Verifies everything that is durable by now.
    ///
    /// # Errors
    /// [`AuditError`] if the log cannot be read: what is wrong with it is in the report.
    pub(crate) fn verify(&self) -> Result<Report, AuditError> {
        let Progress { extent, .. } = *self.shared.progress.borrow();
        verify::report(&self.shared.dir, &self.shared.key, &extent, Some(extent.last.number))
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("dir", &self.shared.dir).finish_non_exhaustive()
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Option<SyncSender<Box<Entry>>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The records from number `from` on of a node that does not run, at most `limit`.
///
/// # Errors
/// [`AuditError`] if the log cannot be read.
pub fn read(store: &Store, from: u64, limit: usize) -> Result<Page, AuditError> {
    read::page(store.audit().0, from, limit, None)
}

/// Verifies the log of a node that does not run.
///
/// # Errors
/// [`AuditError`] if it cannot be read: what is wrong with it is in the report.
pub fn verify(store: &Store) -> Result<Report, AuditError> {
    let (dir, key) = store.audit();
    verify::report(dir, &key, &log::extent(store)?, None)
}

/// The thread that writes.
struct Writer {
    log: Log,
    shared: Arc<Shared>,
    progress: watch::Sender<Progress>,
    clock: Clock,
    calm: Calm,
}

impl Writer {
    fn run(mut self, entries: Receiver<Box<Entry>>) {
        // What was found when it was opened.
        self.write(Vec::new(), false);
        let mut open = true;
        while open {
            let mut group = Vec::new();
            match self.next(&entries) {
                Ok(entry) => group.push(*entry),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
            group.extend(entries.try_iter().take(GROUP).map(|entry| *entry));
            self.write(group, !open);
        }
        // Whoever waits for the end finds the store free.
        let Self { log, progress, .. } = self;
        drop(log);
        drop(progress);
    }

    fn next(&self, entries: &Receiver<Box<Entry>>) -> Result<Box<Entry>, RecvTimeoutError> {
        if self.calm.is_counting() || self.log.is_behind() {
            return entries.recv_timeout(TICK);
        }
        entries.recv().map_err(|_| RecvTimeoutError::Disconnected)
    }

    fn write(&mut self, group: Vec<Entry>, is_last: bool) {
        let (taken, now) = (group.len() as u64, self.clock.now());
        let mut entries = self.calm.due(now);
        entries.extend(group.into_iter().flat_map(|entry| self.calm.take(entry)));
        if is_last {
            entries.extend(self.calm.flush());
        }
        self.log.lose(self.shared.overflow.swap(0, Ordering::Relaxed), "too much was decided at once", now);
        self.log.append(entries, now);
        *self.shared.warning.lock().unwrap_or_else(PoisonError::into_inner) = self.log.warning();
        let extent = self.log.extent();
        self.progress.send_modify(|progress| *progress = Progress { done: progress.done + taken, extent });
    }
}
