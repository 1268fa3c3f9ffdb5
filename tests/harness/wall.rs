//! A wall clock that can be set, for the processes of one host.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::program;

/// What the wall clock of a host says, through `libfaketime`. Its other clocks are the machine's.
pub struct WallClock {
    library: OsString,
    folder: TempDir,
}

impl WallClock {
    /// A clock that is right, or nothing where there can be none and tests may be skipped.
    ///
    /// # Panics
    /// Where nothing may be skipped, or when there is no room for a file.
    #[must_use]
    pub fn new() -> Option<Self> {
        let output = Command::new(program("faketime")?).args(["-f", "+0", "printenv", "LD_PRELOAD"]).output();
        let output = output.expect("it is a program").stdout;
        let library = String::from_utf8(output).expect("a path is text").trim().into();
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let clock = Self { library, folder };
        clock.set("+0");
        Some(clock)
    }

    /// Sets the clock to so much before or after the right time, as in `-400d` or `+1h`: also for what runs.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn set(&self, offset: &str) {
        let new = self.folder.path().join("new");
        fs::write(&new, offset)
            .and_then(|()| fs::rename(&new, self.file()))
            .expect("there is room for a file");
    }

    pub(crate) fn apply(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", self.file());
        for name in ["FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"] {
            command.env(name, "1");
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }
}
