//! The store: what a node must still know after a power cut.
//!
//! ```text
//! state/            0711   control.sock, config.toml
//!   db/             0700
//!     lock                 held by the one process that uses the store
//!     key           0600   the store key: the one secret outside the database
//!     tip           0600   the last acknowledged commit
//!     data/                the database engine's files
//!     exports/      0700   an authority's own exports, of the last seven days (`export.rs`)
//!     audit/        0700   the audit log (`../audit.rs`), whose end a record of the database names
//! ```
//!
//! Four promises, and where they are kept:
//!
//! - **Acknowledged is durable.** [`Store::commit`] answers when the engine has written *and* its files have
//!   been synced here (`files.rs`); one sync serves all commits that wait (`committer.rs`).
//! - **All or nothing.** The writes of one commit are one atomic batch over all tables (`database.rs`).
//! - **Each record stands for itself.** It is sealed for its table and key (`seal.rs`): a flipped byte or a
//!   record moved elsewhere is found and named, the others are served.
//! - **Never silent.** A store that is torn, foreign, newer, open to others or behind what was acknowledged
//!   (`tip.rs`) is an error that names the file and the remedy. Nothing is ever reset.
//!
//! Not promised: whoever can put back an older copy of the whole `db/` directory rolls the store back unseen.
//! What must not be rolled back carries epochs of its own, signed by the authority.

mod committer;
mod database;
mod error;
pub mod export;
mod files;
mod key;
mod layout;
mod seal;
mod tip;

#[cfg(test)]
mod tests;

use core::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use lanyard_protocol::audit::ChainKey;
use lanyard_protocol::record::{Record, Table, Write};
use tokio::sync::oneshot;

use self::committer::{Committer, Job, Writer};
use self::database::{Database, Row};
pub use self::error::StoreError;
use self::files::Files;
use self::key::StoreKey;
use self::layout::Layout;
use self::seal::Sealer;
use self::tip::Tip;
use crate::ambient::OsRng;

/// The longest key.
pub const MAX_KEY: usize = 255;
/// The longest value.
pub const MAX_VALUE: usize = 64 << 10;

/// The format of what is in the database. Its record is sealed alike in every format, so that each version
/// can tell which one it meets.
const FORMAT: u32 = 1;
/// The number of the store's own table, which no [`Table`] has.
const OWN: u8 = 0;
const FORMAT_KEY: &[u8] = &[OWN, b'f'];
const SEQUENCE_KEY: &[u8] = &[OWN, b's'];

/// A handle to an open store; clones share it. The store is closed when the last one and the last
/// unfinished commit are dropped, after everything that was queued is done: that drop blocks for one sync.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    // Dropped first: it waits for what is queued.
    committer: Committer,
    database: Arc<Database>,
    sealer: Arc<Sealer>,
    layout: Layout,
    /// The key of the audit log.
    audit: Arc<ChainKey>,
}

impl Store {
    /// Opens the store in the state directory `dir`, or makes it on the first start. A crash at any moment
    /// of the first start leaves what the next one completes.
    ///
    /// # Errors
    /// [`StoreError`], naming path and remedy, if the store is in use, damaged, foreign, newer than this
    /// program, open to other users, or behind what was acknowledged.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let layout = Layout::new(dir);
        layout.prepare(dir)?;
        let lock = layout.lock()?;
        let key = open_key(&layout)?;
        let sealer = Arc::new(Sealer::new(&key));
        let audit = Arc::new(ChainKey::new(key.derive(b"audit")));
        if !layout.data.exists() {
            create_database(&layout, &sealer)?;
        }
        let database = Arc::new(Database::open(&layout.data, lock)?);
        check_format(&layout, &database, &sealer)?;
        let sequence = read_sequence(&layout, &database, &sealer)?;
        let writer = Writer {
            files: Files::open(&layout.data)?,
            tip: Tip::open(&layout, &sealer, sequence)?,
            layout: layout.clone(),
            database: Arc::clone(&database),
            sealer: Arc::clone(&sealer),
            sequence,
        };
        let committer = Committer::start(writer)?;
        Ok(Self { shared: Arc::new(Shared { committer, database, sealer, layout, audit }) })
    }

    /// Applies `writes`, all or none, and completes when they will survive a power cut. Commits take effect
    /// in the order in which their futures are first polled; one that is dropped later may still take effect.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] for a key or value that is too long, with nothing changed;
    /// [`StoreError::Full`] likewise, and commits work again when there is room. After any other error the
    /// writes are not acknowledged, and whether they are there is known at the next start.
    pub fn commit(&self, writes: Vec<Write>) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let (rows, store) = (self.seal(&writes), self.clone());
        async move {
            let (done, answer) = oneshot::channel();
            store.shared.committer.queue(Job { rows: rows?, done }).await.map_err(|_| store.ended())?;
            answer.await.unwrap_or_else(|_| Err(store.ended()))
        }
    }

    /// As [`Self::commit`], blocking the thread: for callers outside of a runtime.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn commit_blocking(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        futures::executor::block_on(self.commit(writes))
    }

    /// Every record of `tables`, in order of table and key, and the names of those that are damaged.
    ///
    /// # Errors
    /// [`StoreError`] if the database itself cannot be read.
    pub fn load(&self, tables: &[Table]) -> Result<Loaded, StoreError> {
        let mut loaded = Loaded::default();
        for &table in tables {
            self.collect(table, &[], &[], usize::MAX, &mut loaded)?;
        }
        Ok(loaded)
    }

    /// The value at `key` in `table`, if there is one. What is read may be a moment from being durable.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] naming the record if it is damaged.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let row = row_key(table, key);
        let Some(record) = self.shared.database.get(&row)? else { return Ok(None) };
        match self.shared.sealer.open(&row, &record) {
            Some(value) => Ok(Some(value)),
            None => {
                let damaged = Damaged { table, key: key.to_vec() };
                Err(StoreError::corrupt(&self.shared.layout.data, format!("{damaged} does not authenticate")))
            }
        }
    }

    /// At most `limit` records of `table` whose keys begin with `prefix` and are not before `from`, in order.
    ///
    /// # Errors
    /// [`StoreError`] if the database itself cannot be read.
    pub fn scan(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Loaded, StoreError> {
        let mut loaded = Loaded::default();
        self.collect(table, prefix, from, limit, &mut loaded)?;
        Ok(loaded)
    }

    fn collect(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
        loaded: &mut Loaded,
    ) -> Result<(), StoreError> {
        let mut left = limit;
        self.shared.database.visit(&row_key(table, prefix), &row_key(table, from), |row, record| {
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            let key = row[1..].to_vec();
            match self.shared.sealer.open(row, record) {
                Some(value) => loaded.records.push(Record { table, key, value }),
                None => loaded.damaged.push(Damaged { table, key }),
            }
            ControlFlow::Continue(())
        })
    }

    /// Where the audit log is, and the key that authenticates it.
    pub(crate) fn audit(&self) -> (&Path, Arc<ChainKey>) {
        (&self.shared.layout.audit, Arc::clone(&self.shared.audit))
    }

    fn seal(&self, writes: &[Write]) -> Result<Vec<Row>, StoreError> {
        writes.iter().map(|write| self.seal_one(write)).collect()
    }

    fn seal_one(&self, write: &Write) -> Result<Row, StoreError> {
        check_length("a key", write.key.len(), MAX_KEY)?;
        check_length("a value", write.value.as_ref().map_or(0, Vec::len), MAX_VALUE)?;
        let key = row_key(write.table, &write.key);
        let record = write.value.as_ref().map(|value| self.shared.sealer.seal(&key, value));
        Ok(Row { key, record })
    }

    fn ended(&self) -> StoreError {
        let detail = "its committer has ended".to_owned();
        StoreError::Stopped { path: self.shared.layout.data.clone(), detail }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dir", &self.shared.layout.dir).finish_non_exhaustive()
    }
}

/// What was read.
#[derive(Default)]
pub struct Loaded {
    /// The records that are as they were written.
    pub records: Vec<Record>,
    /// The records that are not.
    pub damaged: Vec<Damaged>,
}

/// A record that is not what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Its table.
    pub table: Table,
    /// Its key.
    pub key: Vec<u8>,
}

/// The table's name and the key, escaped so that it can be printed.
impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} in table {}", self.key.escape_ascii(), self.table.name())
    }
}

fn check_length(what: &'static str, actual: usize, max: usize) -> Result<(), StoreError> {
    if actual > max { Err(StoreError::Misuse { what, actual, max }) } else { Ok(()) }
}

fn row_key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(1 + key.len());
    row.push(table as u8);
    row.extend_from_slice(key);
    row
}

/// The table that a row is in, unless it is the store's own or one that this program does not know.
fn table_of(row: &[u8]) -> Option<Table> {
    Table::ALL.into_iter().find(|table| row.first() == Some(&(*table as u8)))
}

/// A key is made before its database and never after: a new key beside an old database opens nothing.
fn open_key(layout: &Layout) -> Result<StoreKey, StoreError> {
    let remnant = [&layout.data, &layout.tip].into_iter().find(|path| path.exists());
    match (layout.key.exists(), remnant) {
        (true, Some(beside)) if *beside == layout.tip => {
            Err(StoreError::Missing { path: layout.data.clone(), beside: beside.clone() })
        }
        (true, _) => StoreKey::read(&layout.key),
        (false, Some(beside)) => {
            Err(StoreError::Missing { path: layout.key.clone(), beside: beside.clone() })
        }
        (false, None) => StoreKey::create(&layout.key, &mut OsRng),
    }
}

/// The database gets its name when it is complete and synced, so one that has the name is complete.
fn create_database(layout: &Layout, sealer: &Sealer) -> Result<(), StoreError> {
    let path = &layout.unfinished;
    if path.exists() {
        fs::remove_dir_all(path).map_err(StoreError::io("remove the unfinished", path))?;
    }
    layout::make_private_dir(path)?;
    let format = sealer.seal(FORMAT_KEY, &FORMAT.to_le_bytes());
    let format = Row { key: FORMAT_KEY.to_vec(), record: Some(format) };
    Database::create(path, &[format, sequence_row(sealer, 0)])?;
    Files::open(path)?;
    layout::rename(path, &layout.data)
}

fn check_format(layout: &Layout, database: &Database, sealer: &Sealer) -> Result<(), StoreError> {
    let Some(record) = database.get(FORMAT_KEY)? else {
        return Err(StoreError::corrupt(&layout.data, "it has no format record"));
    };
    let Some(value) = sealer.open(FORMAT_KEY, &record) else {
        return Err(StoreError::WrongKey { key: layout.key.clone(), database: layout.data.clone() });
    };
    match <[u8; 4]>::try_from(value.as_slice()).map(u32::from_le_bytes) {
        Ok(FORMAT) => Ok(()),
        Ok(found) if found > FORMAT => {
            Err(StoreError::NewerFormat { path: layout.data.clone(), found, known: FORMAT })
        }
        Ok(_) | Err(_) => Err(StoreError::corrupt(&layout.data, "its format is none that was ever used")),
    }
}

/// The number of the last commit that the database holds.
fn read_sequence(layout: &Layout, database: &Database, sealer: &Sealer) -> Result<u64, StoreError> {
    database
        .get(SEQUENCE_KEY)?
        .and_then(|record| sealer.open(SEQUENCE_KEY, &record))
        .and_then(|value| <[u8; 8]>::try_from(value.as_slice()).ok())
        .map(u64::from_le_bytes)
        .ok_or_else(|| StoreError::corrupt(&layout.data, "the number of its last commit is damaged"))
}

fn sequence_row(sealer: &Sealer, sequence: u64) -> Row {
    let record = sealer.seal(SEQUENCE_KEY, &sequence.to_le_bytes());
    Row { key: SEQUENCE_KEY.to_vec(), record: Some(record) }
}
