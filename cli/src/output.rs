//! Where a command's bytes go: standard output, or a file that is there when it is whole.

use std::fs::{File, Permissions};
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use lanyard_protocol::control::Code;
use tempfile::TempPath;

use crate::error::{Error, Result};

/// An output that has been begun. A file that is not [kept](Output::keep) is removed when this is dropped.
pub(crate) enum Output {
    /// Standard output.
    Stdout,
    /// A file beside the wanted one, under a name of its own.
    File { beside: TempPath, path: PathBuf, replace: bool },
}

/// Who may read a new file.
#[derive(Clone, Copy)]
pub(crate) enum Readable {
    /// Whoever the user's umask lets.
    AsUsual,
    /// The user alone.
    ByOwner,
}

impl Output {
    /// Begins the output `wanted`: a file, or standard output for `-` or nothing, which is refused for bytes on a
    /// terminal unless `-` or `force` insists. Another file is replaced only by `force`.
    pub(crate) fn begin(wanted: Option<&Path>, force: bool, readable: Readable) -> Result<(Self, File)> {
        match wanted {
            Some(path) if path != Path::new("-") => Self::beside(path, force, readable),
            None if !force && io::stdout().is_terminal() => Err(Error::new(
                Code::Usage,
                "this is no text for a terminal",
                "name a file: `-o F`; or insist: `-o -`",
            )),
            _ => {
                let stdout = io::stdout().as_fd().try_clone_to_owned();
                Ok((Self::Stdout, stdout.map_err(|error| Error::output(&error))?.into()))
            }
        }
    }

    /// Whether it goes to standard output, where nothing else may stand then.
    pub(crate) fn is_stdout(wanted: Option<&Path>) -> bool {
        wanted.is_none_or(|path| path == Path::new("-"))
    }

    fn beside(path: &Path, replace: bool, readable: Readable) -> Result<(Self, File)> {
        if !replace && path.symlink_metadata().is_ok() {
            return Err(taken(path));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mode = match readable {
            Readable::AsUsual => 0o666,
            Readable::ByOwner => 0o600,
        };
        let begun = tempfile::Builder::new()
            .prefix(".lanyard-")
            .suffix(".partial")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))
            .map_err(|error| unwritable(path, &error))?;
        let (file, beside) = begun.into_parts();
        Ok((Self::File { beside, path: path.to_owned(), replace }, file))
    }

    /// Gives the file its name: what was written to it is whole and on disk.
    pub(crate) fn keep(self) -> Result {
        let Self::File { beside, path, replace } = self else { return Ok(()) };
        let kept = if replace { beside.persist(&path) } else { beside.persist_noclobber(&path) };
        kept.map_err(|error| {
            if error.error.kind() == io::ErrorKind::AlreadyExists {
                taken(&path)
            } else {
                unwritable(&path, &error.error)
            }
        })
    }
}

fn taken(path: &Path) -> Error {
    Error::new(
        Code::Failed,
        format!("there is a file {} already", path.display()),
        "name another one, or replace it: `--force`",
    )
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    let what = format!("{} cannot be written: {error}", path.display());
    Error::new(Code::Failed, what, "name another file: `-o F`")
}
