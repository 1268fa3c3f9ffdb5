//! Disks that are soon full, and disks whose power can be cut.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::binary::{is_root, program, skip};
use crate::{Output, Process};

/// How long a mount or its like may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

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
        let _ = Process::run(command, b"", PATIENCE).ok();
        Some(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Goes at once, or with the last process that uses it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// The disk that a host's state is on, where it is not the machine's.
pub(crate) enum Disk {
    Small(#[expect(dead_code, reason = "it is there until it is dropped")] SmallDisk),
    Power(PowerDisk),
}

/// An ext4 file system in a file: what was not synced is lost when its power is cut. Unmounted when it is dropped.
pub struct PowerDisk {
    place: PathBuf,
    /// How often it was turned on: each time it has another image.
    times: AtomicU32,
}

impl PowerDisk {
    /// A new disk of that size at `place`, whose image is beside it, or nothing where there can be none and tests may
    /// be skipped.
    ///
    /// # Panics
    /// Where nothing may be skipped.
    #[must_use]
    pub fn mount(place: &Path, mebibytes: u32) -> Option<Self> {
        if !is_root() {
            return None;
        }
        let mkfs = program("mkfs.ext4")?;
        program("xfs_io")?;
        let disk = Self { place: place.to_owned(), times: AtomicU32::new(0) };
        fs::create_dir(place).expect("there is room for a folder");
        let file = fs::File::create(disk.image()).expect("there is room for a file");
        file.set_len(u64::from(mebibytes) << 20).expect("a hole takes no room");
        let mut command = Command::new(mkfs);
        command.args(["-q", "-E", "lazy_itable_init=0,nodiscard"]).arg(disk.image());
        let _ = Process::run(command, b"", PATIENCE).ok();
        if disk.try_mount().code() != Some(0) {
            skip("no loop device can be mounted");
            return None;
        }
        Some(disk)
    }

    /// Cuts its power: from now on nothing reaches the disk. Whoever writes has to be stopped before.
    ///
    /// # Panics
    /// When it cannot be cut.
    pub fn cut(&self) {
        let mut command = Command::new(program("xfs_io").expect("it was there before"));
        command.args(["-x", "-c", "shutdown"]).arg(&self.place);
        let _ = Process::run(command, b"", PATIENCE).ok();
    }

    /// Turns it on again: it has what had reached it.
    ///
    /// That is a copy of its image. A namespace that somebody else made in the meantime may hold the mount that is
    /// without power, and with it the image, for as long as it likes.
    ///
    /// # Panics
    /// When it is not mounted again.
    pub fn again(&self) {
        let before = self.image();
        assert_eq!(umount(&self.place, &["--lazy"]), Some(0), "it was mounted");
        self.times.fetch_add(1, Ordering::Relaxed);
        let mut copy = Command::new("cp");
        copy.arg("--sparse=always").arg(&before).arg(self.image());
        let _ = Process::run(copy, b"", PATIENCE).ok();
        fs::remove_file(before).expect("it was there");
        let _ = self.try_mount().ok();
    }

    fn image(&self) -> PathBuf {
        self.place.with_extension(format!("image{}", self.times.load(Ordering::Relaxed)))
    }

    fn try_mount(&self) -> Output {
        let mut command = Command::new("mount");
        command.args(["-t", "ext4", "-o", "loop"]).arg(self.image()).arg(&self.place);
        Process::run(command, b"", PATIENCE)
    }
}

impl Drop for PowerDisk {
    fn drop(&mut self) {
        // Goes at once, or with the last process that uses it, and its loop device with it.
        let _ = umount(&self.place, &["--lazy"]);
    }
}

fn umount(place: &Path, options: &[&str]) -> Option<i32> {
    let mut command = Command::new("umount");
    command.args(options).arg(place).stderr(std::process::Stdio::null());
    command.status().ok()?.code()
}
