//! A new private file that gets its name when it is complete, and never that of another.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rand_core::Rng as _;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::ExportError;
use crate::ambient::OsRng;
use crate::store::layout::sync_parent;

/// The file while it is written: gone when this is dropped before it was settled.
pub(super) struct Place {
    file: File,
    unfinished: PathBuf,
    path: PathBuf,
    settled: bool,
}

impl Place {
    /// A file that is to be `path`, beside it under a name of its own.
    pub(super) fn create(path: &Path) -> Result<Self, ExportError> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(ExportError::Exists { path: path.to_owned() });
        }
        let name = path.file_name().ok_or_else(|| ExportError::Exists { path: path.to_owned() })?;
        let mut random = [0; 6];
        OsRng.fill_bytes(&mut random);
        let mut unfinished = std::ffi::OsString::from(".");
        unfinished.push(name);
        unfinished.push(format!(".{}", HEXLOWER.encode(&random)));
        let unfinished = path.with_file_name(unfinished);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(|error| ExportError::io("create", &unfinished, error))?;
        Ok(Self { file, unfinished, path: path.to_owned(), settled: false })
    }

    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// Gives the synced file its name, durably.
    pub(super) fn settle(mut self) -> Result<(), ExportError> {
        match self.rename() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(ExportError::Exists { path: self.path.clone() });
            }
            Err(error) => return Err(ExportError::io("name", &self.path, error)),
        }
        self.settled = true;
        Ok(sync_parent(&self.path)?)
    }

    fn rename(&self) -> io::Result<()> {
        match renameat_with(CWD, &self.unfinished, CWD, &self.path, RenameFlags::NOREPLACE) {
            // A file system that cannot promise it can link.
            Err(Errno::INVAL | Errno::NOSYS) => {
                fs::hard_link(&self.unfinished, &self.path)?;
                fs::remove_file(&self.unfinished)
            }
            result => Ok(result?),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.settled {
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}
