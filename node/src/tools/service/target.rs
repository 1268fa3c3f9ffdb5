//! What a service may stand for, and what it must not.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use lanyard_protocol::control::{Code, Failure, HostPort, Target};
use tokio::net::TcpStream;

use crate::config::Config;
use crate::handle::{Handle, Listening};

/// How long it may take to find and reach a target. 5 seconds: the name of a host on a local network, and a thousand
/// round trips; whoever waits on the other side gives up after 10.
const DIAL: Duration = Duration::from_secs(5);

/// Addresses of a target that are tried. 4: two families, on two networks.
const ADDRESSES: usize = 4;

/// Why a target is not had.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// It leads to the node itself.
    #[error("{0} is a port of this node itself")]
    Own(SocketAddr),
    /// The host has no address, or nobody answers.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It took too long.
    #[error("no answer within {} s", DIAL.as_secs())]
    TimedOut,
}

/// Ports that are this node's: nobody who was let in to a service gets to the node itself from within.
#[derive(Clone)]
pub(super) struct Own {
    handle: Handle,
    /// Whether it listens on every address of the host.
    everywhere: bool,
}

impl Own {
    pub(super) fn new(handle: Handle, config: &Config) -> Self {
        let everywhere =
            config.listen.iter().chain([&config.lane]).any(|address| address.ip().is_unspecified());
        Self { handle, everywhere }
    }

    /// Refuses a target that is this node, as far as it can be found now.
    ///
    /// # Errors
    /// A [`Failure`] that names the port.
    pub(super) async fn check(&self, target: &HostPort) -> Result<(), Failure> {
        let found = tokio::time::timeout(DIAL, self.addresses(target)).await;
        match found.unwrap_or(Err(DialError::TimedOut)) {
            Err(DialError::Own(address)) => {
                let message = format!("{address} is a port of this node itself");
                let remedy =
                    "name the port of another program; what the node does for peers they may ask it anyway";
                Err(Failure::new(Code::Failed, message, remedy))
            }
            // Where it leads is looked at again for each channel: it may come up later.
            Ok(_) | Err(DialError::Io(_) | DialError::TimedOut) => Ok(()),
        }
    }

    /// Connects to `target`, which is looked up once.
    ///
    /// # Errors
    /// [`DialError`].
    pub(super) async fn dial(&self, target: &HostPort) -> Result<TcpStream, DialError> {
        let dialling = async {
            let mut last = io::Error::from(io::ErrorKind::NotFound);
            for address in self.addresses(target).await? {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = error,
                }
            }
            Err(last.into())
        };
        tokio::time::timeout(DIAL, dialling).await.unwrap_or(Err(DialError::TimedOut))
    }

    /// The addresses of `target`, none of which is this node's.
    async fn addresses(&self, target: &HostPort) -> Result<Vec<SocketAddr>, DialError> {
        let found = tokio::net::lookup_host((target.host(), target.port())).await?;
        let found: Vec<SocketAddr> = found.take(ADDRESSES).collect();
        let listening = self.handle.listening().await.unwrap_or_default();
        match found.iter().find(|address| is_own(**address, &listening, self.everywhere)) {
            Some(own) => Err(DialError::Own(*own)),
            None => Ok(found),
        }
    }
}

/// Whether a connection to `address` ends where the node listens.
fn is_own(address: SocketAddr, listening: &Listening, everywhere: bool) -> bool {
    let ip = address.ip().to_canonical();
    let mut same_port =
        listening.control.iter().chain(&listening.lane).filter(|own| own.port() == address.port()).peekable();
    // The unspecified address is this host, at an address of the system's choosing.
    (same_port.peek().is_some() && (ip.is_unspecified() || everywhere && is_of_this_host(ip)))
        || same_port.any(|own| own.ip().to_canonical() == ip)
}

fn is_of_this_host(ip: IpAddr) -> bool {
    ip.is_loopback()
        || if_addrs::get_if_addrs().unwrap_or_default().iter().any(|interface| interface.ip() == ip)
}

/// The target as it is kept: a folder that is there, by its real path.
///
/// # Errors
/// What the user is told: no such folder.
pub(super) async fn existing(target: Target) -> Result<Target, Failure> {
    let Target::Folder(path) = target else { return Ok(target) };
    let found = tokio::task::spawn_blocking(move || real_folder(&path)).await;
    let stopped =
        |error| Failure::new(Code::Failed, format!("nobody looked at the folder: {error}"), "try again");
    found.map_err(stopped)?.map(Target::Folder)
}

fn real_folder(path: &Path) -> Result<std::path::PathBuf, Failure> {
    let refused =
        |code, what: String| Failure::new(code, what, "name HOST:PORT, or a folder that this node may read");
    if !path.is_absolute() {
        return Err(refused(Code::Usage, format!("{} is not an absolute path", path.display())));
    }
    let real = std::fs::canonicalize(path).and_then(|real| Ok((std::fs::metadata(&real)?, real)));
    match real {
        // It is kept and shown as text.
        Ok((found, real)) if found.is_dir() && real.to_str().is_some() => Ok(real),
        Ok((found, real)) if found.is_dir() => {
            Err(refused(Code::Usage, format!("{} is a path that is no text", real.display())))
        }
        Ok((found, _)) if found.file_type().is_socket() => Err(refused(
            Code::Usage,
            format!("{} is a Unix socket, which is for programs of this host alone", path.display()),
        )),
        Ok(_) => Err(refused(Code::Usage, format!("{} is no folder", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(refused(Code::NotFound, format!("there is no folder {}", path.display())))
        }
        Err(error) => Err(refused(Code::Failed, format!("{} cannot be read: {error}", path.display()))),
    }
}

/// Why the folder at `path` must not be read by others: the node's keys are in it, or it is in the midst of them.
pub(super) fn secret(path: &Path, state: &Path) -> Option<Failure> {
    let shows = path.starts_with(state) || state.starts_with(path);
    shows.then(|| {
        let message = format!("{} would show this node's own keys, in {}", path.display(), state.display());
        Failure::new(Code::Failed, message, "expose a folder of its own for what others may read")
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    fn listening(control: &str, lane: &str) -> Listening {
        Listening { control: vec![control.parse().unwrap()], lane: vec![lane.parse().unwrap()] }
    }

    /// H5: no name leads to the ports of the node itself, however their address is written.
    #[test]
    fn knows_its_own_ports() {
        let own = |address: &str, everywhere| {
            is_own(address.parse().unwrap(), &listening("127.0.0.9:4610", "127.0.0.9:4611"), everywhere)
        };
        for address in
            ["127.0.0.9:4610", "127.0.0.9:4611", "[::ffff:127.0.0.9]:4611", "0.0.0.0:4610", "[::]:4611"]
        {
            assert!(own(address, false) && own(address, true), "{address}");
        }
        for address in ["127.0.0.1:4610", "[::1]:4611"] {
            assert!(own(address, true) && !own(address, false), "{address}");
        }
        for address in ["127.0.0.9:4612", "127.0.0.1:80", "192.0.2.1:4610"] {
            assert!(!own(address, true), "{address}");
        }
    }

    /// H5: the node's keys are in no folder that others read.
    #[test]
    fn a_folder_with_the_state_in_it_is_refused() {
        let state = Path::new("/home/ana/.local/state/lanyard");
        for path in ["/", "/home/ana", "/home/ana/.local/state/lanyard", "/home/ana/.local/state/lanyard/db"]
        {
            assert!(secret(Path::new(path), state).is_some(), "{path}");
        }
        for path in ["/srv", "/home/ana/docs", "/home/ana/.local/state/lanyard-docs"] {
            assert!(secret(Path::new(path), state).is_none(), "{path}");
        }
    }

    #[test]
    fn a_folder_is_kept_by_its_real_path() {
        let dir = tempfile::tempdir().unwrap();
        let real = std::fs::canonicalize(dir.path()).unwrap().join("docs");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, dir.path().join("link")).unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        assert_eq!(real_folder(&dir.path().join("link")), Ok(real));
        // By a link, a folder whose name is no text can be named in one that is.
        let odd = dir.path().join(std::ffi::OsStr::from_bytes(b"odd\xff"));
        std::fs::create_dir(&odd).unwrap();
        std::os::unix::fs::symlink(&odd, dir.path().join("odd")).unwrap();
        for (path, code) in [
            ("odd", Code::Usage),
            ("file", Code::Usage),
            ("socket", Code::Usage),
            ("nothing", Code::NotFound),
        ] {
            assert_eq!(real_folder(&dir.path().join(path)).unwrap_err().code, code, "{path}");
        }
        assert_eq!(real_folder(Path::new("docs")).unwrap_err().code, Code::Usage);
    }
}
