//! Where a store's parts are, who may read them, and how a file is put in place so that a crash leaves
//! either the old one or the new one.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::StoreError;

/// Others may pass through the state directory to the control socket, but not list it.
const STATE_MODE: u32 = 0o711;
/// The database's directories are the owner's alone.
const PRIVATE_DIR: u32 = 0o700;
/// So are its files.
const PRIVATE_FILE: u32 = 0o600;

/// The paths of a store's parts, all in `db/` within the state directory.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) dir: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) key: PathBuf,
    pub(super) tip: PathBuf,
    pub(super) data: PathBuf,
    /// The database while it is being made: it gets its name once it is complete.
    pub(super) unfinished: PathBuf,
    /// The exports that an authority makes by itself.
    pub(super) exports: PathBuf,
    /// The audit log.
    pub(super) audit: PathBuf,
}

impl Layout {
    pub(super) fn new(state: &Path) -> Self {
        let dir = state.join("db");
        Self {
            lock: dir.join("lock"),
            key: dir.join("key"),
            tip: dir.join("tip"),
            data: dir.join("data"),
            unfinished: dir.join("data.new"),
            exports: dir.join("exports"),
            audit: dir.join("audit"),
            dir,
        }
    }

    /// Makes the state directory and `db/` where they are missing, and refuses a `db/` that is not private.
    pub(super) fn prepare(&self, state: &Path) -> Result<(), StoreError> {
        make_state_dir(state)?;
        if fs::symlink_metadata(&self.dir).is_err() {
            make_dir(&self.dir, PRIVATE_DIR)?;
        }
        refuse_unless_private(&self.dir, Kind::Directory)?;
        for (path, kind) in [
            (self.lock.as_path(), Kind::File),
            (self.key.as_path(), Kind::File),
            (self.tip.as_path(), Kind::File),
            (self.data.as_path(), Kind::Directory),
            (self.data.join("db").as_path(), Kind::File),
            (self.exports.as_path(), Kind::Directory),
            (self.audit.as_path(), Kind::Directory),
        ] {
            if fs::symlink_metadata(path).is_ok() {
                refuse_unless_private(path, kind)?;
            }
        }
        Ok(())
    }

    /// Takes the lock that keeps other processes out for as long as the file is open.
    pub(super) fn lock(&self) -> Result<File, StoreError> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE_FILE)
            .open(&self.lock)
            .map_err(StoreError::io("open", &self.lock))?;
        self.take(file)
    }

    /// As [`Self::lock`], but makes no lock where there is none.
    pub(super) fn lock_if_there(&self) -> Result<Option<File>, StoreError> {
        match OpenOptions::new().write(true).open(&self.lock) {
            Ok(file) => self.take(file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("open", &self.lock)(error)),
        }
    }

    fn take(&self, file: File) -> Result<File, StoreError> {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(Errno::WOULDBLOCK) => Err(StoreError::InUse { dir: self.dir.clone() }),
            Err(errno) => Err(StoreError::io("lock", &self.lock)(errno.into())),
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Directory,
    File,
}

fn refuse_unless_private(path: &Path, kind: Kind) -> Result<(), StoreError> {
    let metadata = fs::symlink_metadata(path).map_err(StoreError::io("look at", path))?;
    let (fits, wanted, wanted_mode) = match kind {
        Kind::Directory => (metadata.is_dir(), "directory", PRIVATE_DIR),
        Kind::File => (metadata.is_file(), "file", PRIVATE_FILE),
    };
    let path = path.to_owned();
    if !fits {
        return Err(StoreError::Planted { path, wanted });
    }
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(StoreError::ForeignOwner { path, owner, user });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(StoreError::OpenToOthers { path, mode, wanted: wanted_mode });
    }
    Ok(())
}

/// Makes the state directory, and what it lies in, where they are missing.
pub(super) fn make_state_dir(state: &Path) -> Result<(), StoreError> {
    if state.exists() {
        return Ok(());
    }
    let parent = state.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        fs::create_dir_all(parent).map_err(StoreError::io("create", parent))?;
    }
    make_dir(state, STATE_MODE)
}

/// Makes a directory that survives a crash.
pub(super) fn make_private_dir(path: &Path) -> Result<(), StoreError> {
    make_dir(path, PRIVATE_DIR)
}

fn make_dir(path: &Path, mode: u32) -> Result<(), StoreError> {
    DirBuilder::new().mode(mode).create(path).map_err(StoreError::io("create", path))?;
    // The process's umask may have taken bits away.
    set_mode(path, mode)?;
    sync_parent(path)
}

/// Makes `path` readable by its owner alone.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    set_mode(path, PRIVATE_FILE)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), StoreError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(StoreError::io("set the mode of", path))
}

/// Puts a private file in place: after a crash it is there whole, or as it was before.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(PRIVATE_FILE)
        .open(&unfinished)
        .map_err(StoreError::io("create", &unfinished))?;
    file.write_all(bytes).map_err(StoreError::io("write", &unfinished))?;
    file.sync_all().map_err(StoreError::io("sync", &unfinished))?;
    rename(&unfinished, path)
}

/// Gives a finished file or directory its name, durably.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(StoreError::io("rename", from))?;
    sync_parent(to)
}

pub(super) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync(Path::new(".")),
        Some(parent) => sync(parent),
        None => Ok(()),
    }
}

/// Makes a file's contents, or a directory's entries, survive a power cut.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(StoreError::io("sync", path))
}
