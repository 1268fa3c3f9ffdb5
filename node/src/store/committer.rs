//! Group commit: one thread takes all commits that wait, makes them durable with one sync, and only then
//! acknowledges them.
//!
//! The writing is done by a second thread, so that a disk which never answers cannot keep the callers
//! waiting: past [`PATIENCE`] they are told, and the store takes no more commits.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self as sync_mpsc, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::database::{Database, Row};
use super::files::Files;
use super::layout::Layout;
use super::seal::Sealer;
use super::tip::Tip;
use super::{read_sequence, sequence_row};

/// Commits that may wait for their turn; beyond it, callers wait to queue theirs.
pub(super) const QUEUE: usize = 1024;
/// Commits that one sync makes durable at most, so that the first of them is not kept waiting.
const GROUP: usize = 256;
/// Bytes of such a group, unless a single commit has more.
const GROUP_BYTES: usize = 512 << 10;
/// How long a disk may take over one group. A sleeping disk wakes up in ten seconds.
const PATIENCE: Duration = Duration::from_secs(60);

type Outcome = Result<(), StoreError>;

/// One commit that waits.
pub(super) struct Job {
    pub(super) rows: Vec<Row>,
    pub(super) done: oneshot::Sender<Outcome>,
}

impl Job {
    fn bytes(&self) -> usize {
        self.rows.iter().map(|row| row.key.len() + row.record.as_ref().map_or(0, Vec::len)).sum()
    }
}

/// The committer as its store sees it: a queue, and a sign when all is done.
pub(super) struct Committer {
    queue: Option<mpsc::Sender<Job>>,
    finished: std::sync::Mutex<sync_mpsc::Receiver<()>>,
}

impl Committer {
    /// Starts the two threads. They end when the committer is dropped and the queue is empty.
    pub(super) fn start(writer: Writer) -> Result<Self, StoreError> {
        let database = writer.layout.data.clone();
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (groups, work) = sync_mpsc::sync_channel::<Vec<Vec<Row>>>(1);
        let (results, outcomes) = sync_mpsc::sync_channel(1);
        let (ended, finished) = sync_mpsc::sync_channel(2);
        let given_up = ended.clone();
        spawn("lanyard-disk", move || {
            let mut writer = writer;
            while let Ok(group) = work.recv() {
                if results.send(writer.commit(&group)).is_err() {
                    break;
                }
            }
            drop(writer);
            let _ = ended.send(());
        })
        .map_err(StoreError::io("start the writer of", &database))?;
        let desk = Desk { groups, outcomes, stuck: None, database: database.clone(), given_up };
        spawn("lanyard-commit", move || desk.run(jobs))
            .map_err(StoreError::io("start the committer of", &database))?;
        Ok(Self { queue: Some(queue), finished: std::sync::Mutex::new(finished) })
    }

    /// Queues a commit; gives it back if the committer has ended.
    pub(super) async fn queue(&self, job: Job) -> Result<(), Job> {
        match &self.queue {
            Some(queue) => queue.send(job).await.map_err(|mpsc::error::SendError(job)| job),
            None => Err(job),
        }
    }
}

/// Waits until everything queued is done.
impl Drop for Committer {
    fn drop(&mut self) {
        self.queue = None;
        if let Ok(finished) = self.finished.get_mut() {
            // A disk that stops answering just now must not keep the process from ending.
            let _ = finished.recv_timeout(PATIENCE);
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(|_| ())
}

/// Gathers groups and acknowledges them.
struct Desk {
    groups: SyncSender<Vec<Vec<Row>>>,
    outcomes: sync_mpsc::Receiver<Outcome>,
    /// Why nothing more is tried.
    stuck: Option<StoreError>,
    database: PathBuf,
    /// Says that a writer which does not answer need not be waited for once more.
    given_up: SyncSender<()>,
}

impl Desk {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut bytes = first.bytes();
            let (mut group, mut waiting) = (vec![first.rows], vec![first.done]);
            while group.len() < GROUP && bytes < GROUP_BYTES {
                let Ok(job) = jobs.try_recv() else { break };
                bytes += job.bytes();
                group.push(job.rows);
                waiting.push(job.done);
            }
            let outcome = self.commit(group);
            for done in waiting {
                // A caller that has gone away is not told.
                let _ = done.send(outcome.clone());
            }
        }
        if self.stuck.is_some() {
            let _ = self.given_up.send(());
        }
    }

    fn commit(&mut self, group: Vec<Vec<Row>>) -> Outcome {
        if let Some(stuck) = &self.stuck {
            return Err(stuck.clone());
        }
        let handed_over = self.groups.send(group).is_ok();
        let why = match self.outcomes.recv_timeout(PATIENCE) {
            Ok(outcome) => return outcome,
            Err(RecvTimeoutError::Timeout) if handed_over => "the disk has not answered for 60 s",
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => "its writer has ended",
        };
        let stuck = StoreError::Stopped { path: self.database.clone(), detail: why.to_owned() };
        self.stuck = Some(stuck.clone());
        Err(stuck)
    }
}

/// Makes groups of commits durable.
pub(super) struct Writer {
    pub(super) layout: Layout,
    pub(super) database: Arc<Database>,
    pub(super) sealer: Arc<Sealer>,
    pub(super) files: Files,
    pub(super) tip: Tip,
    /// The last commit that is durable: each group counts one.
    pub(super) sequence: u64,
}

impl Writer {
    /// All of `group` is durable when this returns `Ok`. An error means that none of it is acknowledged:
    /// after [`StoreError::Full`] none of it is there, after another it may turn out to be.
    fn commit(&mut self, group: &[Vec<Row>]) -> Outcome {
        let database = Arc::clone(&self.database);
        let _still = database.still();
        self.revive()?;
        let bytes = group.iter().flatten().map(|row| row.key.len() + row.record.as_ref().map_or(0, Vec::len));
        self.files.claim(bytes.sum::<usize>() as u64)?;
        let sequence = self.sequence + 1;
        for rows in group {
            self.database.apply(rows).inspect_err(|error| self.database.close(error, true))?;
        }
        self.make_durable(sequence).inspect_err(|error| self.database.close(error, false))?;
        self.sequence = sequence;
        self.tip.write(&self.sealer, sequence);
        Ok(())
    }

    fn make_durable(&mut self, sequence: u64) -> Outcome {
        self.database.apply(&[sequence_row(&self.sealer, sequence)])?;
        self.database.flush()?;
        self.files.sync()
    }

    /// Opens the database again if the commit before has failed, and sees that nothing acknowledged is lost.
    fn revive(&mut self) -> Outcome {
        if !self.database.reopen(|| self.files.claim(0).and_then(|()| self.files.rewrite()))? {
            return Ok(());
        }
        let checked = self.check_revived();
        if let Err(error) = &checked {
            self.database.close(error, false);
        }
        checked
    }

    fn check_revived(&mut self) -> Outcome {
        let found = read_sequence(&self.layout, &self.database, &self.sealer)?;
        if found < self.sequence {
            return Err(StoreError::Lost {
                path: self.layout.data.clone(),
                found,
                expected: self.sequence,
                tip: self.layout.tip.clone(),
            });
        }
        self.files = Files::open(&self.layout.data)?;
        self.sequence = found;
        tracing::info!(path = %self.layout.data.display(), "the database is open again");
        Ok(())
    }
}
