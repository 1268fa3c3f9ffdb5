//! What can go wrong with an export.

use std::io;
use std::path::{Path, PathBuf};

use lanyard_protocol::control::{Code, Failure};
use lanyard_protocol::engine::SetupError;

use crate::store::{Damaged, StoreError};

/// Why there is no export, or nothing can be had from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The node's own store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store holds no node: it has no keys.
    #[error("there is no node in it")]
    Nobody,
    /// A record that a node cannot do without, or that is nowhere else, is damaged.
    #[error("{0} is damaged")]
    Record(Damaged),
    /// No node starts with the records.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// There is a file of that name already.
    #[error("{} is there already", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// There is no such file.
    #[error("there is no {}", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is no export.
    #[error("{} is no export of a node's state ({detail})", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// Written by a later version of this program.
    #[error("{} has format {found}, this lanyard knows formats up to {known}", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// It takes a passphrase to open it, and none was given.
    #[error("{} is sealed with a passphrase", .path.display())]
    Sealed {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase opens nothing in it.
    #[error("the passphrase does not open {}, or its beginning is damaged", .path.display())]
    WrongKey {
        /// The file.
        path: PathBuf,
    },
    /// It is not what was written.
    #[error("{} is damaged: {detail}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// There is a node's state where one was to be restored.
    #[error("there is a state in {} already", .dir.display())]
    Inhabited {
        /// The database's directory.
        dir: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl ExportError {
    /// What happened and what to do, as the user is told.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let (code, remedy) = match self {
            Self::Store(error) => (if error.is_damage() { Code::Data } else { Code::Failed }, error.remedy()),
            Self::Nobody => (Code::NotFound, "name the state directory of a node: `--state DIR`".to_owned()),
            Self::Record(_) | Self::Setup(_) => {
                (Code::Data, "restore the last export that verifies: `lanyard state restore F`".to_owned())
            }
            Self::Exists { .. } => (Code::Failed, "name another file".to_owned()),
            Self::Missing { .. } => {
                (Code::NotFound, "name a file that `lanyard state export` made".to_owned())
            }
            Self::Foreign { .. } => (Code::Data, "name a file that `lanyard state export` made".to_owned()),
            Self::Newer { .. } => (Code::Data, "use the newer lanyard".to_owned()),
            Self::Sealed { .. } => (Code::Usage, "give it with `--passphrase-file F`".to_owned()),
            Self::WrongKey { .. } => (Code::Data, "give the one that it was made with".to_owned()),
            Self::Damaged { .. } => (Code::Data, "use another export: this one cannot be trusted".to_owned()),
            Self::Inhabited { dir } => {
                let remedy = format!("name another state directory, or move {} away first", dir.display());
                (Code::Failed, remedy)
            }
            Self::Io { .. } => {
                (Code::Failed, "see to the room and the rights there, or name another file".to_owned())
            }
        };
        Failure::new(code, self.to_string(), remedy)
    }

    pub(super) fn damaged(path: &Path, detail: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), detail: detail.into() }
    }

    /// What went wrong with the records of a file, which is at fault then.
    pub(super) fn of_file(self, path: &Path) -> Self {
        Self::damaged(path, self.to_string())
    }

    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(super) fn open(path: &Path, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::NotFound {
            Self::Missing { path: path.to_owned() }
        } else {
            Self::io("read", path, source)
        }
    }
}
