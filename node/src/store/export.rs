//! Exports: all that makes a node itself, in one file that is whole or refused.
//!
//! An export protects against what happens to a database: a bit that flips in the one place that makes all of it
//! unreadable, or an engine with a defect. One that lies beside the database does not protect against the loss of
//! the disk; one that was carried elsewhere does.
//!
//! It holds every record but those that must not come back ([`Table::is_exported`]): open invites, which may have
//! been used since, and held tickets. Key rings are nowhere but in memory. What the authority has decided since an
//! export was made is not in it either, so a restored state carries a mark that says from when it is.
//!
//! Without a passphrase the file holds the node's secret keys for anyone who has it. See `format.rs` for its bytes.

mod daily;
mod error;
mod format;
mod place;
mod restore;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _};
use std::ops::ControlFlow;
use std::path::Path;

use lanyard_protocol::certificate::Role;
use lanyard_protocol::control::{Exported, Passphrase, RoleName, Time};
use lanyard_protocol::engine::{Engine, Setup};
use lanyard_protocol::identity::{NetworkName, NodeId, NodeName};
use lanyard_protocol::record::{Record, Table};
use lanyard_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use self::daily::run as run_daily;
pub use self::error::ExportError;
use self::format::{Frame, Header, Kept, Key, Reader, Writer};
use self::place::Place;
pub use self::restore::restore;
use super::{FORMAT, Store, table_of};
use crate::ambient::OsRng;
use crate::start::ENGINE_TABLES;

/// Bytes of records that share a frame, unless a single one has more.
const BATCH: usize = 64 << 10;

/// A record as it stands in the database: its row, and the value sealed for it.
type SealedRow = (Vec<u8>, Vec<u8>);

/// Whose state an export holds, and of when it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    id: NodeId,
    name: Option<NodeName>,
    network: Option<NetworkName>,
    role: RoleName,
    exported: Timestamp,
    /// The format of the store that the records come from.
    store_format: u32,
}

impl About {
    fn with(self, records: u64, sealed: bool) -> Exported {
        let Self { id, name, network, role, exported, store_format: _ } = self;
        Exported { id, name, network, role, records, exported: Time(exported), sealed }
    }
}

/// Writes all of `store` as it is between two commits to a new file at `path`, reads it back, and only then gives it
/// its name. Blocks, and holds the records in memory, sealed.
///
/// # Errors
/// [`ExportError`] if there is a file of that name, if a record that matters is damaged, or if it cannot be written:
/// then there is no such file.
pub fn export(
    store: &Store,
    path: &Path,
    passphrase: Option<&Passphrase>,
    now: Timestamp,
) -> Result<Exported, ExportError> {
    let rows = still(store)?;
    let about = about(opened(store, &rows, |table| ENGINE_TABLES.contains(&table))?, now)?;
    let place = Place::create(path)?;
    let header = Header::new(passphrase.is_some(), &mut OsRng);
    let key = Key::new(&header, passphrase, path)?;
    let mut file = place.file();
    let io = |error| ExportError::io("write", path, error);
    let written = write(store, &rows, &about, (&header, &key), BufWriter::new(file)).map_err(io)??;
    file.sync_all().map_err(io)?;
    file.rewind().map_err(io)?;
    let mut reader = Reader::new(BufReader::new(file), path);
    let read_header = reader.header()?;
    let (read, records) = check(&mut reader, &read_header, &key, now)?;
    if read != about || records != written {
        return Err(ExportError::damaged(path, "it does not read as it was written"));
    }
    place.settle()?;
    Ok(about.with(records, header.sealed()))
}

/// Reads all of an export: that it is whole, and that a node starts with what is in it. Blocks.
///
/// # Errors
/// [`ExportError`] that says what is wrong.
pub fn verify(path: &Path, passphrase: Option<&Passphrase>, now: Timestamp) -> Result<Exported, ExportError> {
    let mut reader = Reader::new(BufReader::new(open(path)?), path);
    let header = reader.header()?;
    let key = Key::new(&header, passphrase, path)?;
    let (about, records) = check(&mut reader, &header, &key, now)?;
    Ok(about.with(records, header.sealed()))
}

/// What the rest of an export says, whose records make a node.
fn check(
    reader: &mut Reader<'_, impl io::Read>,
    header: &Header,
    key: &Key,
    now: Timestamp,
) -> Result<(About, u64), ExportError> {
    let path = reader.path();
    let mut engine = Vec::new();
    let (claimed, records) = reader.frames(header, key, |record| {
        if ENGINE_TABLES.contains(&record.table) {
            engine.push(record);
        }
        Ok(())
    })?;
    let found = about(engine, now).map_err(|error| error.of_file(path))?;
    if (found.id, &found.name, &found.network) != (claimed.id, &claimed.name, &claimed.network) {
        return Err(ExportError::damaged(path, "its records are of another node than it says"));
    }
    Ok((claimed, records))
}

/// Every row of the tables that are exported, sealed, as of one moment.
fn still(store: &Store) -> Result<Vec<SealedRow>, ExportError> {
    let mut rows = Vec::new();
    let database = &store.shared.database;
    let _still = database.still();
    for table in Table::ALL.into_iter().filter(|table| table.is_exported()) {
        database.visit(&[table as u8], &[], |row, record| {
            rows.push((row.to_vec(), record.to_vec()));
            ControlFlow::Continue(())
        })?;
    }
    Ok(rows)
}

/// The records of the wanted tables. What is kept of peers is known again when they are met: it may be damaged.
fn opened(
    store: &Store,
    rows: &[SealedRow],
    wanted: impl Fn(Table) -> bool,
) -> Result<Vec<Record>, ExportError> {
    rows.iter()
        .filter(|(row, _)| table_of(row).is_some_and(&wanted))
        .filter_map(|(row, record)| open_row(store, row, record).transpose())
        .collect()
}

fn open_row(store: &Store, row: &[u8], record: &[u8]) -> Result<Option<Record>, ExportError> {
    let Some(table) = table_of(row) else { return Ok(None) };
    let key = row[1..].to_vec();
    match store.shared.sealer.open(row, record) {
        Some(value) => Ok(Some(Record { table, key, value })),
        None if table == Table::Peers => {
            tracing::warn!(record = %super::Damaged { table, key }, "damaged, and left out of the export");
            Ok(None)
        }
        None => Err(ExportError::Record(super::Damaged { table, key })),
    }
}

/// Whose state these records are, by starting the engine that they make.
fn about(records: Vec<Record>, now: Timestamp) -> Result<About, ExportError> {
    if !records.iter().any(|record| record.table == Table::Keys) {
        return Err(ExportError::Nobody);
    }
    let engine = Engine::new(Setup { records, ..Setup::default() }, now, Box::new(OsRng))?;
    let damaged = engine.damaged().iter().find(|damaged| damaged.table != Table::Peers);
    if let Some(damaged) = damaged {
        let (table, key) = (damaged.table, damaged.key.clone().into_bytes());
        return Err(ExportError::Record(super::Damaged { table, key }));
    }
    let snapshot = engine.snapshot();
    let certificate = snapshot.certificate();
    let role = certificate.map_or(RoleName::None, |certificate| match certificate.role() {
        Role::Authority => RoleName::Authority,
        Role::Member => RoleName::Member,
    });
    Ok(About {
        id: engine.node_id(),
        name: certificate.map(|certificate| certificate.name().clone()),
        network: certificate.map(|certificate| certificate.network().clone()),
        role,
        exported: now,
        store_format: FORMAT,
    })
}

/// Writes every frame; how many records they hold.
fn write(
    store: &Store,
    rows: &[SealedRow],
    about: &About,
    (header, key): (&Header, &Key),
    file: impl io::Write,
) -> io::Result<Result<u64, ExportError>> {
    let mut writer = Writer::new(file, header, key)?;
    writer.frame(&Frame::About(about.clone()))?;
    let (mut batch, mut bytes, mut records) = (Vec::new(), 0, 0);
    for (row, sealed) in rows {
        let record = match open_row(store, row, sealed) {
            Ok(Some(record)) => record,
            Ok(None) => continue,
            Err(error) => return Ok(Err(error)),
        };
        bytes += record.key.len() + record.value.len();
        records += 1;
        batch.push(Kept::from(record));
        if bytes >= BATCH {
            writer.frame(&Frame::Records(core::mem::take(&mut batch)))?;
            bytes = 0;
        }
    }
    if !batch.is_empty() {
        writer.frame(&Frame::Records(batch))?;
    }
    writer.frame(&Frame::End { records })?;
    writer.into_inner().flush()?;
    Ok(Ok(records))
}

fn open(path: &Path) -> Result<File, ExportError> {
    let file = File::open(path).map_err(|error| ExportError::open(path, error))?;
    let plain = file.metadata().map_err(|error| ExportError::open(path, error))?.is_file();
    if plain {
        Ok(file)
    } else {
        Err(ExportError::Foreign { path: path.to_owned(), detail: "no plain file" })
    }
}
