//! A node that runs.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::wait::SOON;
use crate::{Host, Output, Process};

/// A node that has said that it is ready. Dropping it kills it.
pub struct RunningNode(Process);

impl RunningNode {
    /// The node that `process` is, once it is ready.
    ///
    /// # Panics
    /// When it ends before, or is not ready in time.
    #[track_caller]
    #[must_use]
    pub fn ready(process: Process) -> Self {
        process.says("ready", SOON, |line| line.starts_with("ready"));
        Self(process)
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.0.stderr()
    }

    /// Waits until it writes a line with `text` to standard error.
    #[track_caller]
    pub fn logs(&self, text: &str) -> String {
        self.0.says(text, SOON, |line| line.contains(text))
    }

    /// How much memory it has resident, in bytes.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("the kernel counts in kB");
        kib * 1024
    }

    /// How many sockets it has open.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn sockets(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.id())).expect("it runs");
        let is_socket =
            |path| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
        open.flatten().filter(|entry| is_socket(entry.path())).count()
    }

    /// Asks it to stop, which it does cleanly.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    #[must_use]
    pub fn stop(self) -> Output {
        self.0.signal(Signal::TERM);
        self.ends()
    }

    /// Waits for its end, which others have asked for and which is clean.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    #[must_use]
    pub fn ends(self) -> Output {
        self.0.ends(Duration::from_secs(15)).ok()
    }

    /// Stops it where it is, until it is killed.
    pub fn freeze(&self) {
        self.0.freeze();
    }

    /// Kills it without a warning.
    #[track_caller]
    #[must_use]
    pub fn kill9(self) -> Output {
        self.0.kill9()
    }
}

/// A node that has left its terminal. Dropping this stops it, if it runs.
pub struct DetachedNode<'a>(&'a Host);

impl<'a> DetachedNode<'a> {
    pub(crate) fn of(host: &'a Host) -> Self {
        Self(host)
    }
}

impl Drop for DetachedNode<'_> {
    fn drop(&mut self) {
        let _ = self.0.run(["down"]);
    }
}
