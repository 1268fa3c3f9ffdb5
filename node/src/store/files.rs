//! The database engine's files, and what it takes to make them survive a power cut and a full disk.
//!
//! The engine's own flush writes the log with `sync_file_range(2)`, which leaves the file's metadata behind:
//! after a power cut such a database does not open. So the store syncs the files itself before it
//! acknowledges anything. And the engine does not survive a write that finds no room, so the room is
//! claimed before the engine is asked to write.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::Errno;

use super::StoreError;
use super::layout::{make_private, sync};

/// Room that is claimed beyond what a commit is known to need: two log segments, for the engine's own
/// rewriting.
const ROOM: u64 = 1 << 20;

/// The files of one database directory.
pub(super) struct Files {
    data: PathBuf,
    /// The log: everything but values that the engine puts in files of their own.
    log: File,
    log_path: PathBuf,
    /// The log's length when it was last seen, and up to where its blocks are claimed.
    length: u64,
    claimed: u64,
    /// The separate values that have been synced.
    blobs: BTreeSet<OsString>,
}

impl Files {
    /// Takes charge of the files in `data`: makes them private and syncs them all, and the directories.
    pub(super) fn open(data: &Path) -> Result<Self, StoreError> {
        let log_path = data.join("db");
        let log = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&log_path)
            .map_err(StoreError::io("open", &log_path))?;
        let mut files =
            Self { data: data.to_owned(), log, log_path, length: 0, claimed: 0, blobs: BTreeSet::new() };
        for name in list(data)? {
            let path = data.join(name);
            if path.is_file() {
                make_private(&path)?;
                sync(&path)?;
            }
        }
        files.sync_blobs()?;
        sync(data)?;
        Ok(files)
    }

    /// Makes sure that `bytes` more can be written, or says that there is no room, with nothing changed.
    pub(super) fn claim(&mut self, bytes: u64) -> Result<(), StoreError> {
        let need = bytes.saturating_mul(2).saturating_add(ROOM);
        let free = fstatvfs(&self.log).map_err(|errno| self.error("ask for the free room of", errno))?;
        if free.f_bavail.saturating_mul(free.f_frsize) < need {
            return Err(StoreError::Full { path: self.data.clone() });
        }
        let length = self.log.metadata().map_err(StoreError::io("look at", &self.log_path))?.len();
        // A log that the engine has cut has lost what was claimed beyond its end.
        let cut = length < self.length;
        self.length = length;
        if cut || self.claimed < length.saturating_add(need) {
            let claim = need.saturating_add(ROOM);
            match fallocate(&self.log, FallocateFlags::KEEP_SIZE, length, claim) {
                // A file system that cannot promise room: what it says is free has to do.
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.claimed = length.saturating_add(claim),
                Err(errno) => return Err(self.error("claim room for", errno)),
            }
        }
        Ok(())
    }

    /// Makes everything that the engine has written durable.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        self.sync_blobs()?;
        self.log.sync_all().map_err(StoreError::io("sync", &self.log_path))
    }

    /// Writes the whole log once more and syncs it.
    ///
    /// After a failed sync the system may hold pages that it takes for clean and that never reached the
    /// disk: no later sync would write them. Writing them again is the only way to be sure of them.
    pub(super) fn rewrite(&mut self) -> Result<(), StoreError> {
        self.blobs.clear();
        let mut chunk = vec![0; 1 << 20];
        let mut offset = 0;
        loop {
            let read =
                self.log.read_at(&mut chunk, offset).map_err(StoreError::io("read", &self.log_path))?;
            if read == 0 {
                return self.sync();
            }
            self.log.write_all_at(&chunk[..read], offset).map_err(StoreError::io("write", &self.log_path))?;
            offset += read as u64;
        }
    }

    fn sync_blobs(&mut self) -> Result<(), StoreError> {
        let directory = self.data.join("blobs");
        let present = list(&directory)?;
        if present == self.blobs {
            return Ok(());
        }
        for name in present.difference(&self.blobs) {
            let path = directory.join(name);
            make_private(&path)?;
            sync(&path)?;
        }
        sync(&directory)?;
        self.blobs = present;
        Ok(())
    }

    fn error(&self, action: &'static str, errno: Errno) -> StoreError {
        StoreError::io(action, &self.log_path)(errno.into())
    }
}

fn list(directory: &Path) -> Result<BTreeSet<OsString>, StoreError> {
    std::fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.file_name())).collect())
        .map_err(StoreError::io("list", directory))
}
