//! The control socket's place in the file system.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Everyone may connect: what he may do is decided then.
const MODE: u32 = 0o666;

/// Why there is no control socket. Something is in its place that the node did not put there.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A link, a file or a directory is there.
    #[error("{} is {found}, not a socket", path.display())]
    Planted {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// Another user's socket is there.
    #[error("{} belongs to uid {actual}, this node runs as uid {expected}", path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
        /// Whose it is.
        actual: u32,
        /// Whose it has to be.
        expected: u32,
    },
    /// The system refuses.
    #[error("cannot make the control socket {}: {source}", path.display())]
    System {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl SocketError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Planted { path, .. } | Self::Foreign { path, .. } => {
                format!("find out who put it there, then remove it: `rm {}`", path.display())
            }
            Self::System { path, .. } => {
                let dir = path.parent().unwrap_or(path);
                format!("see to it that this user may write to {}", dir.display())
            }
        }
    }
}

/// A bound control socket. It is removed when dropped.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(?error, "the control socket was gone already");
        }
    }
}

/// Binds the control socket for the user `owner`. Only for whoever holds the lock of the store: a socket that
/// is there was left behind by a node that is no more, and is replaced.
///
/// # Errors
/// [`SocketError`] if anything but a socket of `owner` is in its place.
pub(crate) fn bind(path: &Path, owner: u32) -> Result<ControlSocket, SocketError> {
    let system = |source| SocketError::System { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(found) => {
            check(path, &found, owner)?;
            fs::remove_file(path).map_err(system)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(system(source)),
    }
    let listener = UnixListener::bind(path).map_err(system)?;
    let socket = ControlSocket { listener, path: path.to_owned() };
    fs::set_permissions(path, Permissions::from_mode(MODE)).map_err(system)?;
    Ok(socket)
}

fn check(path: &Path, found: &fs::Metadata, owner: u32) -> Result<(), SocketError> {
    let kind = found.file_type();
    let planted = |found| Err(SocketError::Planted { path: path.to_owned(), found });
    if kind.is_symlink() {
        return planted("a symbolic link");
    }
    if kind.is_dir() {
        return planted("a directory");
    }
    if !kind.is_socket() {
        return planted("a file");
    }
    if found.uid() != owner {
        return Err(SocketError::Foreign { path: path.to_owned(), actual: found.uid(), expected: owner });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[tokio::test]
    async fn everyone_may_connect_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let socket = bind(&path, me()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        drop(UnixListener::bind(&path).unwrap());
        let socket = bind(&path, me()).unwrap();
        tokio::net::UnixStream::connect(&path).await.unwrap();
        drop(socket);
    }

    /// G1: what was planted at the socket's path is refused, and stays as it is.
    #[tokio::test]
    async fn what_is_no_socket_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        let path = dir.path().join("control.sock");
        drop(UnixListener::bind(&target).unwrap());
        type Plant = fn(&Path, &Path);
        let plants: [(Plant, &str); 3] = [
            (|_, path| fs::write(path, "").unwrap(), "a file"),
            (|_, path| fs::create_dir(path).unwrap(), "a directory"),
            (|target, path| symlink(target, path).unwrap(), "a symbolic link"),
        ];
        for (plant, what) in plants {
            plant(&target, &path);
            let error = bind(&path, me()).unwrap_err();
            assert_eq!(error.to_string(), format!("{} is {what}, not a socket", path.display()));
            assert!(error.remedy().contains("rm "), "{}", error.remedy());
            let found = fs::symlink_metadata(&path).unwrap();
            if found.is_dir() { fs::remove_dir(&path).unwrap() } else { fs::remove_file(&path).unwrap() }
        }
        assert!(target.exists());
    }

    /// G1: so is another user's socket.
    #[tokio::test]
    async fn a_socket_of_another_user_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        drop(UnixListener::bind(&path).unwrap());
        let error = bind(&path, me() + 1).unwrap_err();
        assert!(matches!(error, SocketError::Foreign { actual, expected, .. }
            if (actual, expected) == (me(), me() + 1)));
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = bind(&dir.path().join("nowhere/control.sock"), me()).unwrap_err();
        assert!(error.to_string().contains("nowhere/control.sock"), "{error}");
    }
}
