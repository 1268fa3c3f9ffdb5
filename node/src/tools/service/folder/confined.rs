//! An exposed folder, out of which no path leads.
//!
//! A path is checked before it is used ([`Inside`]), and the kernel is told to stay beneath the folder and to follow no
//! link (openat2(2)), so that nothing that changes meanwhile matters. What is opened is a regular file or a folder:
//! that is seen before it is opened for reading, because opening a device or a pipe may do something, and again after.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use lanyard_protocol::control::FolderEntry;
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::message::{ENTRIES_MAX, PATH_MAX, Refusal};

/// How a path within the folder is looked up.
const CONFINED: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Entries of a folder that are looked at. 65,536: a fraction of a second; of more the order of names is not known.
const LOOKED_AT: usize = 1 << 16;

/// A path that names something within a folder, or the folder itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inside(String);

impl Inside {
    /// `path` if it is relative, of at most [`PATH_MAX`] bytes, and made of names alone; one `/` may stand at its end.
    pub(super) fn new(path: &str) -> Option<Self> {
        if path.len() > PATH_MAX || path.contains('\0') {
            return None;
        }
        let path = path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path);
        let is_name = |name: &str| !matches!(name, "" | "." | "..");
        match path {
            "" => Some(Self(".".to_owned())),
            _ if path.split('/').all(is_name) => Some(Self(path.to_owned())),
            _ => None,
        }
    }
}

/// What a listing of a folder says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) entries: Vec<FolderEntry>,
    pub(super) more: bool,
    pub(super) left_out: u64,
}

/// Opens a regular file, and says how long it is. Blocks.
///
/// # Errors
/// What the requester is told.
pub(super) fn open(folder: &Path, path: &Inside) -> Result<(File, u64), Refusal> {
    let root = root(folder)?;
    let kind = kind(&lookup(&root, path, OFlags::PATH)?)?;
    if kind.is_dir() {
        return Err(Refusal::IsFolder);
    }
    if !kind.is_file() {
        return Err(Refusal::NoSuch);
    }
    let file = File::from(lookup(&root, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?);
    let found = file.metadata().map_err(|error| refusal(&error))?;
    if found.is_file() { Ok((file, found.len())) } else { Err(Refusal::NoSuch) }
}

/// Lists a folder, in the order of names. Blocks.
///
/// # Errors
/// What the requester is told.
pub(super) fn list(folder: &Path, path: &Inside) -> Result<Listed, Refusal> {
    let root = root(folder)?;
    let dir = lookup(&root, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut listed = Listed::default();
    let names = Dir::read_from(&dir).map_err(told)?;
    for (number, entry) in names.enumerate() {
        let name = entry.map_err(told)?.file_name().to_owned();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if number >= LOOKED_AT {
            listed.more = true;
            break;
        }
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        let found = rustix::fs::statat(&dir, name.as_c_str(), flags).ok();
        let bytes = found.and_then(|found| {
            let kind = FileType::from_raw_mode(found.st_mode);
            let size = || u64::try_from(found.st_size).unwrap_or_default();
            (kind.is_file() || kind.is_dir()).then(|| kind.is_file().then(size))
        });
        match (bytes, name.into_string()) {
            (Some(bytes), Ok(name)) => listed.entries.push(FolderEntry { name, bytes }),
            _ => listed.left_out += 1,
        }
    }
    listed.entries.sort_unstable();
    listed.more |= listed.entries.len() > ENTRIES_MAX;
    listed.entries.truncate(ENTRIES_MAX);
    Ok(listed)
}

/// The exposed folder itself, which was no link when it was exposed.
fn root(folder: &Path) -> Result<OwnedFd, Refusal> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(folder, flags, Mode::empty()).map_err(told)
}

fn lookup(root: &OwnedFd, path: &Inside, flags: OFlags) -> Result<OwnedFd, Refusal> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat2(root, path.0.as_str(), flags, Mode::empty(), CONFINED).map_err(told)
}

fn kind(found: &OwnedFd) -> Result<FileType, Refusal> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(found).map_err(told)?.st_mode))
}

/// What is told: whatever lies outside, or behind a link, is not there.
fn told(error: Errno) -> Refusal {
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NAMETOOLONG | Errno::INVAL => {
            Refusal::NoSuch
        }
        _ => Refusal::Unreadable,
    }
}

fn refusal(error: &io::Error) -> Refusal {
    error.raw_os_error().map_or(Refusal::Unreadable, |error| told(Errno::from_raw_os_error(error)))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let docs = dir.path().join("docs");
        std::fs::create_dir_all(docs.join("in/deeper")).unwrap();
        std::fs::write(dir.path().join("secret"), "secret").unwrap();
        std::fs::write(docs.join("a.txt"), "hello").unwrap();
        std::fs::write(docs.join("in/b.txt"), "").unwrap();
        symlink("a.txt", docs.join("link")).unwrap();
        symlink("../secret", docs.join("out")).unwrap();
        symlink("..", docs.join("up")).unwrap();
        symlink("/proc/self/root", docs.join("magic")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, docs.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .unwrap();
        dir
    }

    fn open_at(dir: &tempfile::TempDir, path: &str) -> Result<(File, u64), Refusal> {
        open(&dir.path().join("docs"), &Inside::new(path).ok_or(Refusal::NoSuch)?)
    }

    #[test]
    fn reads_regular_files_within() {
        let dir = folder();
        let (mut file, size) = open_at(&dir, "a.txt").unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), size), ("hello", 5));
        assert_eq!(open_at(&dir, "in/b.txt").unwrap().1, 0);
        assert_eq!(open_at(&dir, "in").unwrap_err(), Refusal::IsFolder);
    }

    /// H1, H5: no path leads out, and nothing but regular files is read.
    #[test]
    fn no_path_leads_out() {
        let dir = folder();
        let secret = dir.path().join("secret");
        for path in [
            "../secret",
            "in/../../secret",
            "in/../a.txt",
            secret.to_str().unwrap(),
            "/etc/passwd",
            "./a.txt",
            "in//b.txt",
            "..",
            ".",
            "//",
            "a.txt\0",
            "nothing",
            "a.txt/x",
            "link",
            "out",
            "up/secret",
            "magic/etc/passwd",
            "pipe",
            &"x/".repeat(600),
            &"x".repeat(300),
        ] {
            assert_eq!(open_at(&dir, path).unwrap_err(), Refusal::NoSuch, "{path:?}");
        }
    }

    /// H1: where the check of the path fails, the kernel still says no.
    #[test]
    fn the_kernel_confines_what_the_check_lets_through() {
        let dir = folder();
        let docs = dir.path().join("docs");
        for path in ["../secret", "in/../../secret", "/etc/passwd", "out", "up/secret", "magic/etc/passwd"] {
            assert_eq!(open(&docs, &Inside(path.to_owned())).unwrap_err(), Refusal::NoSuch, "{path:?}");
        }
    }

    /// H2: a folder that was swapped for a link shows nothing.
    #[test]
    fn a_swapped_folder_shows_nothing() {
        let dir = folder();
        std::fs::rename(dir.path().join("docs"), dir.path().join("was")).unwrap();
        symlink("was", dir.path().join("docs")).unwrap();
        assert_eq!(open_at(&dir, "a.txt").unwrap_err(), Refusal::NoSuch);
        assert!(list(&dir.path().join("docs"), &Inside::new("").unwrap()).is_err());
    }

    /// H4: a listing has files and folders; of the rest it says how many there are.
    #[test]
    fn lists_what_can_be_got() {
        let dir = folder();
        let docs = dir.path().join("docs");
        std::fs::write(docs.join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
        let listed = list(&docs, &Inside::new("").unwrap()).unwrap();
        let names: Vec<_> = listed.entries.iter().map(|entry| (entry.name.as_str(), entry.bytes)).collect();
        assert_eq!(names, [("a.txt", Some(5)), ("in", None)]);
        assert_eq!((listed.more, listed.left_out), (false, 6));
        let within = list(&docs, &Inside::new("in/").unwrap()).unwrap();
        assert_eq!(within.entries.len(), 2);
        for path in ["up/", "a.txt/", "../", "nothing/"] {
            let listed = Inside::new(path).ok_or(Refusal::NoSuch).and_then(|path| list(&docs, &path));
            assert_eq!(listed, Err(Refusal::NoSuch), "{path}");
        }
    }

    /// H5: a listing has an end, and says when that is not the folder's.
    #[test]
    fn a_listing_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..=ENTRIES_MAX {
            std::fs::write(dir.path().join(format!("{number:05}")), "").unwrap();
        }
        let listed = list(dir.path(), &Inside::new("").unwrap()).unwrap();
        assert_eq!((listed.entries.len(), listed.more), (ENTRIES_MAX, true));
        assert_eq!(listed.entries[0].name, "00000");
    }
}
