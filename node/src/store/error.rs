//! What can go wrong with a store: each message says the fact and the path, and has a remedy beside it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the store cannot be opened, or cannot do what it was asked.
///
/// One failure may answer many commits at once, so it can be cloned.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The caller asked for what no store holds.
    #[error("misuse of the store: {what} has {actual} bytes, at most {max} are allowed")]
    Misuse {
        /// What is too long: a key or a value.
        what: &'static str,
        /// Its length.
        actual: usize,
        /// The longest that is allowed.
        max: usize,
    },
    /// Others than the owner may enter or read.
    #[error("{} has mode {mode:04o} and lets others in", .path.display())]
    OpenToOthers {
        /// The directory or file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits that it should have.
        wanted: u32,
    },
    /// The directory or file belongs to someone else.
    #[error("{} belongs to uid {owner}, this process runs as uid {user}", .path.display())]
    ForeignOwner {
        /// The directory or file.
        path: PathBuf,
        /// The uid that owns it.
        owner: u32,
        /// The uid of this process.
        user: u32,
    },
    /// A link, a device or the like where a plain directory or file belongs.
    #[error("{} is no plain {wanted}", .path.display())]
    Planted {
        /// The path.
        path: PathBuf,
        /// What belongs there.
        wanted: &'static str,
    },
    /// Another process holds the lock.
    #[error("another lanyard process uses {}", .dir.display())]
    InUse {
        /// The database's directory.
        dir: PathBuf,
    },
    /// Written by a later version of this program.
    #[error("{} has format {found}, this lanyard knows formats up to {known}", .path.display())]
    NewerFormat {
        /// The file or database.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// The file with the store key is not what was written.
    #[error("the store key {} is damaged ({detail})", .path.display())]
    KeyDamaged {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// A part of the store is gone while other parts are there.
    #[error("{} is missing beside {}", .path.display(), .beside.display())]
    Missing {
        /// The part that is gone.
        path: PathBuf,
        /// A part that is there.
        beside: PathBuf,
    },
    /// The key opens nothing in this database.
    #[error("the store key {} does not open the database {}", .key.display(), .database.display())]
    WrongKey {
        /// The key file.
        key: PathBuf,
        /// The database.
        database: PathBuf,
    },
    /// The database's own structure is torn, or it is no database of ours.
    #[error("the database {} is damaged or foreign ({detail})", .path.display())]
    Corrupt {
        /// The database, or the file of it that is known to be at fault.
        path: PathBuf,
        /// What its engine says.
        detail: String,
    },
    /// The database opens, but in an older state than was acknowledged.
    #[error("the database {} has lost acknowledged commits: it is at {found}, {expected} was acknowledged",
        .path.display())]
    Lost {
        /// The database.
        path: PathBuf,
        /// The last commit that it holds.
        found: u64,
        /// The last commit that was acknowledged.
        expected: u64,
        /// The file that remembers this.
        tip: PathBuf,
    },
    /// No room: nothing was changed, and commits work again when there is room.
    #[error("no room left for {}", .path.display())]
    Full {
        /// What there is no room for.
        path: PathBuf,
    },
    /// A commit has failed midway and the database could not be opened again; the next commit tries anew.
    #[error("the database {} is closed after a failed write ({detail})", .path.display())]
    Closed {
        /// The database.
        path: PathBuf,
        /// The failure.
        detail: String,
    },
    /// A commit has failed in a way that only a restart can mend.
    #[error("the database {} takes no more commits ({detail})", .path.display())]
    Stopped {
        /// The database.
        path: PathBuf,
        /// The failure.
        detail: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: Arc<io::Error>,
    },
}

impl StoreError {
    /// What to do about it, in one line.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Misuse { .. } => "report this: it is a defect".to_owned(),
            Self::OpenToOthers { path, wanted, .. } => format!("chmod {wanted:o} {}", path.display()),
            Self::ForeignOwner { path, user, .. } => {
                format!("run it as that user, or chown {user} {}", path.display())
            }
            Self::Planted { .. } => "move it away".to_owned(),
            Self::InUse { .. } => "stop it with `lanyard down`, or use another state directory".to_owned(),
            Self::NewerFormat { .. } => "use the newer lanyard".to_owned(),
            Self::KeyDamaged { .. } | Self::Missing { .. } | Self::WrongKey { .. } => {
                "put back the state directory as a whole from a copy".to_owned()
            }
            Self::Corrupt { .. } => {
                "move `db` away and restore an export (`lanyard state restore`), or put back a copy"
                    .to_owned()
            }
            Self::Lost { tip, .. } => {
                format!(
                    "put back the state directory from a copy, or remove {} to go on with the loss",
                    tip.display()
                )
            }
            Self::Full { .. } => "free some space there, the node goes on by itself".to_owned(),
            Self::Closed { .. } => "see to the disk, the next commit tries again".to_owned(),
            Self::Stopped { .. } => "see to the disk, then restart the node".to_owned(),
            Self::Io { path, .. } => format!("see to the disk and to the rights of {}", path.display()),
        }
    }

    /// Whether what is stored is at fault, and not the host or the caller.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::KeyDamaged { .. }
                | Self::Missing { .. }
                | Self::WrongKey { .. }
                | Self::Corrupt { .. }
                | Self::Lost { .. }
                | Self::NewerFormat { .. }
        )
    }

    /// The error of an operation on `path`, for `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| {
            let path = path.to_owned();
            if is_full(&error) {
                Self::Full { path }
            } else {
                Self::Io { action, path, source: Arc::new(error) }
            }
        }
    }

    /// What the database engine says about `path`.
    pub(super) fn engine(path: &Path, error: sled::Error) -> Self {
        match error {
            // The engine has no error of its own for this.
            sled::Error::Io(error) if error.to_string().starts_with("could not acquire lock") => {
                Self::InUse { dir: path.to_owned() }
            }
            sled::Error::Io(error) if is_damage(&error) => Self::corrupt(path, error.to_string()),
            sled::Error::Io(error) => Self::io("use the database", path)(error),
            other @ (sled::Error::CollectionNotFound(_)
            | sled::Error::Unsupported(_)
            | sled::Error::ReportableBug(_)
            | sled::Error::Corruption { .. }) => Self::corrupt(path, other.to_string()),
        }
    }

    pub(super) fn corrupt(path: &Path, detail: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), detail: detail.into() }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What reading a torn file looks like, as against a disk that fails.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::NotFound
    )
}
