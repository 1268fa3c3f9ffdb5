//! The folder that received files are put into.
//!
//! A file is written under a hidden name of its own and gets its real one when it is complete, verified and
//! durable; it never replaces another. Everything happens relative to the folder that was opened first, and no
//! link is followed below it. The hidden file is locked while it is written: one that is not is what a node left
//! that was killed, and goes when the folder is opened the next time.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

use super::name::{SafeName, is_partial};

/// How many files of one name are told apart by a number before a person has to clear up.
const SAME_NAME_MAX: u32 = 1_000;

/// Room that is left on the disk for others, in bytes.
const RESERVE: u64 = 16 << 20;

/// How many bytes are written until somebody looks again whether the reserve is still there.
const ROOM_EVERY: u64 = 64 << 20;

/// How a name below the folder is looked up.
const CONFINED: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Why a file did not arrive.
#[derive(Debug, thiserror::Error)]
pub(super) enum InboxError {
    /// The operating system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk is full, or would be.
    #[error("no room for {needed} bytes in {}", path.display())]
    NoRoom {
        /// The bytes that are needed.
        needed: u64,
        /// The folder.
        path: PathBuf,
    },
    /// The sender sent another number of bytes than it declared.
    #[error("{declared} bytes were declared and {actual} sent")]
    Size {
        /// The size that was offered.
        declared: u64,
        /// What came: when it is too much, what had come when that was clear.
        actual: u64,
    },
    /// What came is not what was sent.
    #[error("the hash is {actual} where the sender's is {declared}")]
    Hash {
        /// The sender's hash.
        declared: blake3::Hash,
        /// The hash of what came.
        actual: blake3::Hash,
    },
    /// Too many files have the name.
    #[error("{SAME_NAME_MAX} files are already called {name:?} in {}", path.display())]
    SameName {
        /// The name.
        name: String,
        /// The folder.
        path: PathBuf,
    },
}

/// An open folder, whatever becomes of its path.
#[derive(Debug)]
pub(super) struct Inbox {
    dir: OwnedFd,
    path: PathBuf,
    /// [`RESERVE`].
    reserve: u64,
}

impl Inbox {
    /// Opens the folder at `path`, made if it is not there.
    ///
    /// # Errors
    /// [`InboxError::Io`].
    pub(super) fn open(path: &Path) -> Result<Self, InboxError> {
        std::fs::create_dir_all(path).map_err(|source| InboxError::Io {
            what: "make",
            path: path.to_owned(),
            source,
        })?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| InboxError::Io {
            what: "open",
            path: path.to_owned(),
            source: error.into(),
        })?;
        let inbox = Self { dir, path: path.to_owned(), reserve: RESERVE };
        if let Err(error) = inbox.remove_abandoned() {
            tracing::debug!(path = %path.display(), %error, "nobody looked for abandoned files");
        }
        Ok(inbox)
    }

    /// Removes the unfinished files that nobody writes any more.
    fn remove_abandoned(&self) -> rustix::io::Result<()> {
        for entry in Dir::read_from(&self.dir)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().ok().filter(|name| is_partial(name)) else {
                continue;
            };
            match self.remove_if_abandoned(name) {
                Ok(true) => tracing::info!(path = %self.path.join(name).display(), "unfinished file removed"),
                Ok(false) => {}
                Err(error) => tracing::debug!(path = %self.path.join(name).display(), %error, "left alone"),
            }
        }
        Ok(())
    }

    /// Removes a file of this user that nobody has locked; says whether it did.
    fn remove_if_abandoned(&self, name: &str) -> rustix::io::Result<bool> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat2(&self.dir, name, flags, Mode::empty(), CONFINED)?;
        let stat = rustix::fs::fstat(&file)?;
        let is_ours = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && stat.st_uid == rustix::process::geteuid().as_raw()
            && stat.st_nlink == 1;
        if !is_ours {
            return Ok(false);
        }
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()).map(|()| true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Starts the file `name` of `size` bytes for the offer `id`.
    ///
    /// # Errors
    /// [`InboxError::NoRoom`] if the disk could not hold it, [`InboxError::Io`].
    pub(super) fn begin(self: Arc<Self>, name: SafeName, id: &str, size: u64) -> Result<Partial, InboxError> {
        self.check_room(size)?;
        let hidden = name.partial(id);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat2(&self.dir, &hidden, flags, Mode::RUSR | Mode::WUSR, CONFINED)
            .map_err(|error| self.failed("make", &hidden, size, error))?;
        let hidden = Hidden { inbox: self, name: hidden };
        lock(&file).map_err(|error| hidden.inbox.failed("lock", &hidden.name, size, error))?;
        Ok(Partial { file: File::from(file), hidden, name, size, written: 0, hasher: blake3::Hasher::new() })
    }

    fn check_room(&self, size: u64) -> Result<(), InboxError> {
        let disk =
            rustix::fs::fstatvfs(&self.dir).map_err(|error| self.failed("look at", "", size, error))?;
        let room = disk.f_bavail.saturating_mul(disk.f_frsize);
        if size.saturating_add(self.reserve) > room {
            return Err(InboxError::NoRoom { needed: size, path: self.path.clone() });
        }
        Ok(())
    }

    /// Gives the file `hidden` the first of its names that is free, and returns it.
    fn publish(&self, hidden: &str, name: &SafeName) -> Result<String, InboxError> {
        for number in 0..SAME_NAME_MAX {
            let candidate = name.numbered(number);
            match rustix::fs::renameat_with(&self.dir, hidden, &self.dir, &candidate, RenameFlags::NOREPLACE)
            {
                Ok(()) => return Ok(candidate),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(self.failed("rename", hidden, 0, error)),
            }
        }
        Err(InboxError::SameName { name: name.to_string(), path: self.path.clone() })
    }

    fn failed(&self, what: &'static str, name: &str, size: u64, error: Errno) -> InboxError {
        match error {
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => {
                InboxError::NoRoom { needed: size, path: self.path.clone() }
            }
            _ => InboxError::Io { what, path: self.path.join(name), source: error.into() },
        }
    }
}

/// Locks a file that was just made, so that nobody takes it for abandoned.
fn lock(file: &OwnedFd) -> rustix::io::Result<()> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        // Whoever looked for abandoned files was faster.
        Ok(()) if rustix::fs::fstat(file)?.st_nlink == 0 => Err(Errno::NOENT),
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(Errno::WOULDBLOCK),
        // Where nothing can be locked nothing is taken for abandoned.
        Err(_) => Ok(()),
    }
}

/// The hidden name of a file that is not complete. The file is removed unless it was given its real name.
#[derive(Debug)]
struct Hidden {
    inbox: Arc<Inbox>,
    name: String,
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // After a rename there is nothing of this name, and nobody else makes names with this offer's id.
        let _ = rustix::fs::unlinkat(&self.inbox.dir, &self.name, AtFlags::empty());
    }
}

/// A file that is being written. Dropped before [`Partial::finish`], it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Partial {
    hidden: Hidden,
    file: File,
    name: SafeName,
    size: u64,
    written: u64,
    hasher: blake3::Hasher,
}

/// A file that is complete, verified and durable.
#[derive(Debug)]
pub(super) struct Finished {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its BLAKE3 hash.
    pub(super) hash: blake3::Hash,
}

impl Partial {
    /// Writes the next `bytes` and hashes them. Blocks.
    ///
    /// # Errors
    /// [`InboxError::Size`] if that is more than was declared, before anything of it is written;
    /// [`InboxError::NoRoom`] and [`InboxError::Io`].
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), InboxError> {
        let written = self.written.saturating_add(bytes.len() as u64);
        if written > self.size {
            return Err(InboxError::Size { declared: self.size, actual: written });
        }
        if written / ROOM_EVERY > self.written / ROOM_EVERY {
            // What others have written meanwhile has taken of it too.
            self.hidden.inbox.check_room(self.size - self.written)?;
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(|error| self.failed("write", error))?;
        self.written = written;
        Ok(())
    }

    /// Checks size and hash, makes the file durable and gives it its name. Blocks.
    ///
    /// # Errors
    /// [`InboxError`]: nothing is left behind, unless the folder could not be made durable after the rename.
    pub(super) fn finish(self, declared: blake3::Hash) -> Result<Finished, InboxError> {
        if self.written != self.size {
            return Err(InboxError::Size { declared: self.size, actual: self.written });
        }
        let hash = self.hasher.finalize();
        if hash != declared {
            return Err(InboxError::Hash { declared, actual: hash });
        }
        self.file.sync_all().map_err(|error| self.failed("sync", error))?;
        let inbox = &self.hidden.inbox;
        let name = inbox.publish(&self.hidden.name, &self.name)?;
        rustix::fs::fsync(&inbox.dir).map_err(|error| inbox.failed("sync", "", self.size, error))?;
        Ok(Finished { path: inbox.path.join(name), hash })
    }

    fn failed(&self, what: &'static str, error: io::Error) -> InboxError {
        let inbox = &self.hidden.inbox;
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge];
        if full.contains(&error.kind()) {
            return InboxError::NoRoom { needed: self.size, path: inbox.path.clone() };
        }
        InboxError::Io { what, path: inbox.path.join(&self.hidden.name), source: error }
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::safe_name;
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn inbox() -> (tempfile::TempDir, Arc<Inbox>) {
        let dir = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(&dir.path().join("in/box")).unwrap();
        (dir, Arc::new(inbox))
    }

    fn names(inbox: &Inbox) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(&inbox.path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn begin(inbox: &Arc<Inbox>, id: &str, size: u64) -> Result<Partial, InboxError> {
        Arc::clone(inbox).begin(safe_name("a.txt").unwrap(), id, size)
    }

    #[test]
    fn a_complete_file_has_its_name_and_content_and_nothing_else_is_left() {
        let (_dir, inbox) = inbox();
        let mut partial = begin(&inbox, ID, 5).unwrap();
        partial.write(b"he").unwrap();
        assert_eq!(names(&inbox), [format!(".a.txt.{ID}.part")]);
        partial.write(b"llo").unwrap();
        let finished = partial.finish(blake3::hash(b"hello")).unwrap();
        assert_eq!(names(&inbox), ["a.txt"]);
        assert_eq!(std::fs::read(finished.path).unwrap(), b"hello");
    }

    /// H3: wrong size either way or wrong hash: an error with both values, and nothing is left behind.
    #[test]
    fn refuses_wrong_size_and_wrong_hash() {
        let (_dir, inbox) = inbox();
        let mut long = begin(&inbox, ID, 4).unwrap();
        assert!(matches!(long.write(b"hello"), Err(InboxError::Size { declared: 4, actual: 5 })));
        drop(long);
        let mut short = begin(&inbox, ID, 6).unwrap();
        short.write(b"hello").unwrap();
        let refused = short.finish(blake3::hash(b"hello"));
        assert!(matches!(refused, Err(InboxError::Size { declared: 6, actual: 5 })));
        let mut other = begin(&inbox, ID, 5).unwrap();
        other.write(b"hellO").unwrap();
        assert!(matches!(other.finish(blake3::hash(b"hello")), Err(InboxError::Hash { .. })));
        assert!(names(&inbox).is_empty(), "{:?}", names(&inbox));
    }

    /// H2: an existing file is never replaced, also when it appears during the transfer.
    #[test]
    fn never_replaces_a_file() {
        let (_dir, inbox) = inbox();
        for (round, expected) in ["a.txt", "a (1).txt", "a (2).txt"].iter().enumerate() {
            let mut partial = begin(&inbox, ID, 1).unwrap();
            let content = [round as u8];
            partial.write(&content).unwrap();
            let finished = partial.finish(blake3::hash(&content)).unwrap();
            assert_eq!(finished.path, inbox.path.join(expected));
        }
        assert_eq!(std::fs::read(inbox.path.join("a.txt")).unwrap(), [0]);
    }

    /// H2: a link planted at the hidden or at the real name is neither followed nor replaced.
    #[test]
    fn follows_no_planted_link() {
        let (dir, inbox) = inbox();
        let victim = dir.path().join("victim");
        std::fs::write(&victim, b"precious").unwrap();
        std::os::unix::fs::symlink(&victim, inbox.path.join(format!(".a.txt.{ID}.part"))).unwrap();
        assert!(matches!(begin(&inbox, ID, 1), Err(InboxError::Io { what: "make", .. })));
        std::os::unix::fs::symlink(&victim, inbox.path.join("a.txt")).unwrap();
        let mut partial = begin(&inbox, &"f".repeat(32), 1).unwrap();
        partial.write(b"x").unwrap();
        assert_eq!(partial.finish(blake3::hash(b"x")).unwrap().path, inbox.path.join("a (1).txt"));
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    }

    /// H2: the folder that was opened is the one that is written to, whatever its path names later.
    #[test]
    fn a_swapped_folder_receives_nothing() {
        let (dir, inbox) = inbox();
        let mut partial = begin(&inbox, ID, 1).unwrap();
        partial.write(b"x").unwrap();
        let (moved, elsewhere) = (dir.path().join("moved"), dir.path().join("elsewhere"));
        std::fs::create_dir(&elsewhere).unwrap();
        std::fs::rename(&inbox.path, &moved).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &inbox.path).unwrap();
        partial.finish(blake3::hash(b"x")).unwrap();
        assert_eq!(std::fs::read(moved.join("a.txt")).unwrap(), b"x");
        assert_eq!(std::fs::read_dir(elsewhere).unwrap().count(), 0);
    }

    /// H3: a declared terabyte is refused before anything is written.
    #[test]
    fn refuses_what_the_disk_cannot_hold() {
        let (_dir, inbox) = inbox();
        assert!(matches!(begin(&inbox, ID, u64::MAX / 2), Err(InboxError::NoRoom { .. })));
        assert!(names(&inbox).is_empty());
    }

    /// H3: what a killed node left is removed; what somebody writes, and whatever else is there, stays.
    #[test]
    fn removes_abandoned_files_and_nothing_else() {
        let (dir, inbox) = inbox();
        let writing = begin(&inbox, ID, 1).unwrap();
        let left = |digit: &str| format!(".b.txt.{}.part", digit.repeat(32));
        std::fs::write(inbox.path.join(left("1")), b"half").unwrap();
        let mut kept = vec![format!(".a.txt.{ID}.part"), ".b.txt.part".to_owned(), "b.txt".to_owned()];
        for name in &kept[1..] {
            std::fs::write(inbox.path.join(name), b"mine").unwrap();
        }
        // Of the same form: a folder, a link, and a file with a second name.
        std::fs::create_dir(inbox.path.join(left("2"))).unwrap();
        std::fs::write(dir.path().join("victim"), b"precious").unwrap();
        std::os::unix::fs::symlink(dir.path().join("victim"), inbox.path.join(left("3"))).unwrap();
        std::fs::hard_link(dir.path().join("victim"), inbox.path.join(left("4"))).unwrap();
        kept.extend(["2", "3", "4"].map(left));
        kept.sort();
        let again = Inbox::open(&inbox.path).unwrap();
        assert_eq!(names(&again), kept);
        assert_eq!(std::fs::read(dir.path().join("victim")).unwrap(), b"precious");
        drop(writing);
    }

    /// H3: a disk that others fill during the transfer keeps its reserve.
    #[test]
    fn looks_for_the_reserve_again_while_it_writes() {
        let (_dir, inbox) = inbox();
        let mut partial = begin(&inbox, ID, ROOM_EVERY + 1).unwrap();
        let full = Inbox { reserve: u64::MAX, ..Inbox::open(&inbox.path).unwrap() };
        partial.hidden.inbox = Arc::new(full);
        partial.written = ROOM_EVERY - 2;
        partial.write(b"x").unwrap();
        let refused = partial.write(b"x");
        assert!(matches!(refused, Err(InboxError::NoRoom { needed: 2, .. })), "{refused:?}");
        drop(partial);
        assert!(names(&inbox).is_empty());
    }
}
