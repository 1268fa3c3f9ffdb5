//! What a node is told beforehand: its state directory, `config.toml` in it, and every limit with its reason.
//!
//! Nothing has to be configured: a directory without `config.toml` is a node with the defaults. A limit of
//! zero cannot be written: it would be a node that nobody reaches.

mod limits;

use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::num::NonZeroU64;
use core::time::Duration;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use lanyard_protocol::engine::OnlineCheck;
use serde::Deserialize;

pub use self::limits::{ChatLimits, LaneLimits, Limits, LocalLimits, NetworkLimits};

/// The port for control connections, TCP and QUIC alike.
pub const CONTROL_PORT: u16 = 4610;
/// The port for lanes.
pub const LANE_PORT: u16 = 4611;
/// The longest path of a Unix socket in bytes: `sun_path` without its final zero (unix(7)).
pub const MAX_SOCKET_PATH: usize = 107;

/// How a node is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The state directory: control socket, `config.toml` and database.
    pub state: PathBuf,
    /// Where to listen for control connections: TCP and QUIC on the same port; port 0 picks one. By default
    /// `[::]:4610`, which stands for every IPv4 address too.
    pub listen: Vec<SocketAddr>,
    /// Where to listen for lanes; port 0 picks one. By default `[::]:4611`.
    pub lane: SocketAddr,
    /// What others are told for control connections instead of where the node listens, for where something
    /// forwards them. By default nothing.
    pub advertise: Vec<SocketAddr>,
    /// What others are told for lanes instead of where the node listens. By default nothing.
    pub advertise_lane: Option<SocketAddr>,
    /// Addresses at which to look for members, for where multicast does not reach. By default none.
    pub peers: Vec<SocketAddr>,
    /// Whether to look for peers, and be found, by multicast DNS. By default yes.
    pub mdns: bool,
    /// The folder that files are received into when nobody says where.
    pub inbox: Option<PathBuf>,
    /// How far the node asks the authority whether a certificate is still good. By default never.
    pub online_check: OnlineCheck,
    /// How long the certificates live that this node issues as an authority, in seconds: a minute to 90 days. By
    /// default 72 hours.
    pub certificate_life: Option<Duration>,
    /// Whether people have to log in before anything leaves this host on their behalf, also whoever runs the node. If
    /// nothing is said, as it was said when the network was made here.
    pub require_login: Option<bool>,
    /// What strangers, peers and local programs may use up.
    pub limits: Limits,
}

impl Config {
    /// The defaults, for the state directory `state`.
    #[must_use]
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self {
            state: state.into(),
            listen: vec![any(CONTROL_PORT)],
            lane: any(LANE_PORT),
            advertise: Vec::new(),
            advertise_lane: None,
            peers: Vec::new(),
            mdns: true,
            inbox: None,
            online_check: OnlineCheck::default(),
            certificate_life: None,
            require_login: None,
            limits: Limits::default(),
        }
    }

    /// The defaults with what `config.toml` in `state` says instead.
    ///
    /// # Errors
    /// [`ConfigError`] if the file cannot be read, says something unknown or impossible, or if the path of the
    /// control socket would be too long.
    pub fn load(state: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        let mut config = Self::new(state);
        let path = config.state.join("config.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => config.apply(parse(&path, &text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ConfigError::Read { path, source }),
        }
        config.check_socket_path()?;
        Ok(config)
    }

    /// The path of the control socket.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.state.join("control.sock")
    }

    pub(crate) fn check_socket_path(&self) -> Result<(), ConfigError> {
        let path = self.control_socket();
        match path.as_os_str().len() {
            0..=MAX_SOCKET_PATH => Ok(()),
            actual => Err(ConfigError::SocketPath { path, actual }),
        }
    }

    fn apply(&mut self, file: File) {
        let File {
            listen,
            lane,
            peers,
            mdns,
            inbox,
            online_check,
            certificate_seconds,
            require_login,
            limits,
        } = file;
        self.listen = listen.unwrap_or_else(|| core::mem::take(&mut self.listen));
        self.lane = lane.unwrap_or(self.lane);
        self.peers = peers;
        self.mdns = mdns.unwrap_or(self.mdns);
        self.inbox = inbox;
        self.online_check = online_check;
        self.require_login = require_login;
        self.certificate_life = certificate_seconds.map(|seconds| Duration::from_secs(seconds.get()));
        self.limits = limits;
    }
}

const fn any(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)
}

/// `config.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<Vec<SocketAddr>>,
    lane: Option<SocketAddr>,
    #[serde(default)]
    peers: Vec<SocketAddr>,
    mdns: Option<bool>,
    inbox: Option<PathBuf>,
    #[serde(default)]
    online_check: OnlineCheck,
    certificate_seconds: Option<NonZeroU64>,
    require_login: Option<bool>,
    #[serde(default)]
    limits: Limits,
}

fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
        ConfigError::Parse { path: path.to_owned(), line, message: error.message().to_owned() }
    })
}

/// The state directory to use when nobody names one: `$LANYARD_STATE`, else `/var/lib/lanyard` for root,
/// else `$XDG_STATE_HOME/lanyard`, else `~/.local/state/lanyard`.
///
/// # Errors
/// [`ConfigError::NoStateDir`] if the environment names neither a state directory nor a home.
pub fn default_state_dir() -> Result<PathBuf, ConfigError> {
    let root = rustix::process::geteuid().is_root();
    state_dir(root, |name| std::env::var_os(name))
}

fn state_dir(root: bool, variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, ConfigError> {
    // An empty variable is an unset one, as the XDG Base Directory Specification has it.
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(state) = path("LANYARD_STATE") {
        return Ok(state);
    }
    if root {
        return Ok(PathBuf::from("/var/lib/lanyard"));
    }
    path("XDG_STATE_HOME")
        .or_else(|| path("HOME").map(|home| home.join(".local/state")))
        .map(|base| base.join("lanyard"))
        .ok_or(ConfigError::NoStateDir)
}

/// Why a node cannot be configured. The user who started it is at fault.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there and cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is no configuration.
    #[error("{}:{line}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// No Unix socket can have a path so long.
    #[error("the socket path {} has {actual} bytes where at most {MAX_SOCKET_PATH} are possible", path.display())]
    SocketPath {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        actual: usize,
    },
    /// There is nothing to derive a state directory from.
    #[error("neither $LANYARD_STATE nor $XDG_STATE_HOME nor $HOME is set")]
    NoStateDir,
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU32;

    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("config.toml"), text).unwrap();
        Config::load(state.path())
    }

    #[test]
    fn needs_no_file() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(Config::load(state.path()).unwrap(), Config::new(state.path()));
    }

    #[test]
    fn a_file_changes_what_it_names_and_nothing_else() {
        let config = load(
            "listen = [\"127.0.0.1:0\"]\nmdns = false\nonline_check = \"require\"\n[limits.network]\npending = 9\n",
        )
        .unwrap();
        let default = Config::new(&config.state);
        assert_eq!(config.listen, ["127.0.0.1:0".parse().unwrap()]);
        assert!(!config.mdns);
        assert_eq!(config.online_check, OnlineCheck::Require);
        assert_eq!(config.limits.network.pending, NonZeroU32::new(9).unwrap());
        assert_eq!((config.lane, config.inbox), (default.lane, default.inbox));
        assert_eq!(config.limits.lanes, default.limits.lanes);
    }

    #[test]
    fn errors_name_file_and_line() {
        for (text, line) in [
            ("mdns = true\nport = 7\n", 2),
            ("\n\nlane = \"somewhere\"\n", 3),
            ("mdns = \"yes\"\n", 1),
            ("[limits.network]\n\npending = 0\n", 3),
            ("[limits.network]\nhandshake_seconds = 0\n", 2),
            ("[limits.lanes]\nper_mood = 3\n", 2),
        ] {
            let error = load(text).unwrap_err().to_string();
            assert!(error.contains(&format!("config.toml:{line}: ")), "{text:?}: {error}");
        }
    }

    #[test]
    fn refuses_a_state_directory_too_deep_for_a_socket() {
        let longest = "s".repeat(MAX_SOCKET_PATH - "/control.sock".len());
        assert!(Config::load(&longest).is_ok());
        let error = Config::load(format!("{longest}s")).unwrap_err().to_string();
        assert!(error.contains("s/control.sock has 108 bytes where at most 107"), "{error}");
    }

    #[test]
    fn finds_the_state_directory_in_the_order_of_the_manual() {
        let dir = |root, set: &[(&str, &str)]| {
            let variable =
                |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
            state_dir(root, variable).ok()
        };
        let all = [("LANYARD_STATE", "/l"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(dir(false, &all), Some("/l".into()));
        assert_eq!(dir(true, &all), Some("/l".into()));
        assert_eq!(dir(true, &all[1..]), Some("/var/lib/lanyard".into()));
        assert_eq!(dir(false, &all[1..]), Some("/x/lanyard".into()));
        assert_eq!(dir(false, &all[2..]), Some("/h/.local/state/lanyard".into()));
        assert_eq!(
            dir(false, &[("LANYARD_STATE", ""), ("HOME", "/h")]),
            Some("/h/.local/state/lanyard".into())
        );
        assert_eq!(dir(false, &[]), None);
    }
}
