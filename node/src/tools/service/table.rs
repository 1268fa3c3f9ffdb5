//! Exposed services in the store: `services <name>` is what the name stands for.

use std::path::PathBuf;

use lanyard_protocol::codec;
use lanyard_protocol::control::{HostPort, Target};
use lanyard_protocol::identity::ServiceName;
use lanyard_protocol::record::{Record, Table, Write};
use serde::{Deserialize, Serialize};

use crate::store::{Store, StoreError};

/// The longest encoded target: a path of `PATH_MAX` (limits.h), with room.
const TARGET_MAX: usize = 8 << 10;

/// A record, whose first byte is its version and kind.
#[derive(Serialize, Deserialize)]
enum Stored {
    TcpV1(HostPort),
    FolderV1(PathBuf),
}

/// A service that is kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) name: ServiceName,
    pub(super) target: Target,
}

/// All that are kept, in the order of their names. What is damaged is named in the log and left out.
///
/// # Errors
/// [`StoreError`] if the database itself cannot be read.
pub(super) fn load(store: &Store) -> Result<Vec<Kept>, StoreError> {
    let loaded = store.load(&[Table::Services])?;
    for damaged in &loaded.damaged {
        tracing::error!(%damaged, "a record of the store is damaged");
    }
    let kept = loaded.records.iter().filter_map(|record| {
        let kept = read(record);
        if kept.is_none() {
            tracing::error!(key = %record.key.escape_ascii(), "an exposed service is damaged");
        }
        kept
    });
    Ok(kept.collect())
}

fn read(record: &Record) -> Option<Kept> {
    let name = core::str::from_utf8(&record.key).ok()?.parse().ok()?;
    let target = match codec::decode::<Stored, TARGET_MAX>(&record.value).ok()? {
        Stored::TcpV1(target) => Target::Tcp(target),
        Stored::FolderV1(path) => Target::Folder(path),
    };
    Some(Kept { name, target })
}

/// Keeps what `name` stands for.
pub(super) fn set(name: &ServiceName, target: &Target) -> Write {
    let stored = match target.clone() {
        Target::Tcp(target) => Stored::TcpV1(target),
        Target::Folder(path) => Stored::FolderV1(path),
    };
    Write::set(Table::Services, name.as_str(), codec::encode(&stored))
}

/// Keeps it no longer.
pub(super) fn erase(name: &ServiceName) -> Write {
    Write::erase(Table::Services, name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(write: Write) -> Record {
        Record { table: write.table, key: write.key, value: write.value.unwrap() }
    }

    #[test]
    fn the_encoding_is_frozen() {
        let name = "db".parse().unwrap();
        let tcp = set(&name, &Target::Tcp("[::1]:5432".parse().unwrap()));
        assert_eq!((tcp.table as u8, tcp.key.as_slice()), (13, &b"db"[..]));
        assert_eq!(tcp.value.as_deref(), Some(&b"\0\x0a[::1]:5432"[..]));
        let folder = set(&name, &Target::Folder("/srv".into()));
        assert_eq!(folder.value.as_deref(), Some(&b"\x01\x04/srv"[..]));
    }

    /// F4: what is no service is not offered, whatever it decodes to.
    #[test]
    fn reads_what_was_kept_and_nothing_else() {
        let name: ServiceName = "db".parse().unwrap();
        for target in [Target::Tcp("db.lan:1".parse().unwrap()), Target::Folder("/srv/docs".into())] {
            assert_eq!(read(&record(set(&name, &target))), Some(Kept { name: name.clone(), target }));
        }
        for (key, value) in [
            (&b"db"[..], &b""[..]),
            (b"db", b"\x02\x00"),
            (b"db", b"\0\x08db.lan:0"),
            (b"db", b"\0\x08db.lan:1!"),
            (b"D B", b"\0\x08db.lan:1"),
            (b"\xff", b"\0\x08db.lan:1"),
        ] {
            let record = Record { table: Table::Services, key: key.to_vec(), value: value.to_vec() };
            assert_eq!(read(&record), None, "{record}", record = value.escape_ascii());
        }
    }
}
