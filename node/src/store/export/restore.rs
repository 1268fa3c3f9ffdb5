//! From an export to a state: all of it or nothing.

use std::fs;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use lanyard_protocol::control::{Exported, Passphrase};
use lanyard_protocol::engine::restored_mark;
use lanyard_protocol::record::{Record, Table, Write};
use lanyard_protocol::time::Timestamp;

use super::format::{Key, Reader};
use super::{BATCH, ExportError, about, open};
use crate::start::ENGINE_TABLES;
use crate::store::layout::{Layout, make_private_dir, make_state_dir, sync_parent};
use crate::store::{Store, StoreError};
use crate::tools::chat::is_head;

/// Makes the state that the export at `path` holds in the state directory `state`, where no node's is, and marks it
/// as restored. Blocks. The new state is sealed under a store key of its own.
///
/// Conversations are numbered anew, so that peers take no new message for one that they have; what was waiting for a
/// peer waits again, and may be delivered a second time.
///
/// # Errors
/// [`ExportError`], with nothing changed.
pub fn restore(
    path: &Path,
    passphrase: Option<&Passphrase>,
    state: &Path,
    now: Timestamp,
) -> Result<Exported, ExportError> {
    let mut reader = Reader::new(BufReader::new(open(path)?), path);
    let header = reader.header()?;
    let key = Key::new(&header, passphrase, path)?;
    let database = Layout::new(state).dir;
    refuse_if_inhabited(&database)?;
    make_state_dir(state)?;
    let site = Site::begin(state)?;
    let store = Store::open(&site.0)?;
    let mut filling = Filling { store: &store, batch: Vec::new(), bytes: 0 };
    let (said, records) = reader.frames(&header, &key, |record| filling.add(record))?;
    filling.batch.push(restored_mark(said.exported));
    filling.commit()?;
    let loaded = store.load(&ENGINE_TABLES)?;
    let found = about(loaded.records, now).map_err(|error| error.of_file(path))?;
    if found.id != said.id {
        return Err(ExportError::damaged(path, "its records are of another node than it says"));
    }
    drop(store);
    site.settle(&database)?;
    Ok(said.with(records, header.sealed()))
}

fn refuse_if_inhabited(database: &Path) -> Result<(), ExportError> {
    let empty = match fs::read_dir(database) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(StoreError::io("list", database)(error).into()),
    };
    if empty { Ok(()) } else { Err(ExportError::Inhabited { dir: database.to_owned() }) }
}

/// Records on their way into the store, a frame's worth at a time.
struct Filling<'a> {
    store: &'a Store,
    batch: Vec<Write>,
    bytes: usize,
}

impl Filling<'_> {
    fn add(&mut self, record: Record) -> Result<(), ExportError> {
        let Record { table, key, value } = record;
        if table == Table::Chat && is_head(&key) {
            return Ok(());
        }
        self.bytes += key.len() + value.len();
        self.batch.push(Write::set(table, key, value));
        if self.bytes >= BATCH { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), ExportError> {
        self.bytes = 0;
        Ok(self.store.commit_blocking(core::mem::take(&mut self.batch))?)
    }
}

/// Where the state is put together: a directory beside the database, gone when this is dropped.
struct Site(PathBuf);

impl Site {
    fn begin(state: &Path) -> Result<Self, ExportError> {
        let site = state.join("restore.unfinished");
        if site.exists() {
            // What a restore left that was killed; one that is at work holds its lock.
            drop(Layout::new(&site).lock_if_there()?);
            fs::remove_dir_all(&site).map_err(StoreError::io("remove the unfinished", &site))?;
        }
        make_private_dir(&site)?;
        Ok(Self(site))
    }

    /// Gives the database its name, which it gets only where there is none, or an empty directory.
    fn settle(self, database: &Path) -> Result<(), ExportError> {
        match fs::rename(Layout::new(&self.0).dir, database) {
            Ok(()) => Ok(sync_parent(database)?),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                Err(ExportError::Inhabited { dir: database.to_owned() })
            }
            Err(error) => Err(StoreError::io("name", database)(error).into()),
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot be removed");
        }
    }
}
