//! A disk that is soon full.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::{Process, is_root};

/// A file system of its own in memory, removed when it is dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// A disk of that size at `path`, or nothing where there can be none.
    pub(crate) fn mount(path: PathBuf, mebibytes: u32) -> Option<Self> {
        if !is_root() {
            return None;
        }
        fs::create_dir(&path).expect("there is room for a folder");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=711"), "tmpfs"]).arg(&path);
        let _ = Process::run(command, b"", Duration::from_secs(10)).ok();
        Some(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Goes at once, or with the last process that uses it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
