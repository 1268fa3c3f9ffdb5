//! Services that a node's user offers to others, and their use.

use core::fmt;
use core::str::FromStr;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Failure, GuestPassword, GuestStatus, Password, ServiceRef};
use crate::identity::{NameError, NodeName, ServiceName};

/// A TCP port as a person names it: `HOST:PORT`, an IPv6 address in brackets.
///
/// A host is an address or a DNS name of at most 253 bytes (RFC 1035, section 2.3.4), and a port is not 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort {
    host: String,
    port: u16,
}

/// Text that names no TCP port. The text is cut to 80 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no HOST:PORT, as in 127.0.0.1:5432, [::1]:5432 or db.shop.lan:5432")]
pub struct HostPortError(String);

/// The longest DNS name.
const HOST_MAX: usize = 253;

impl HostPort {
    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl TryFrom<String> for HostPort {
    type Error = HostPortError;

    fn try_from(text: String) -> Result<Self, HostPortError> {
        let parsed = || {
            let (host, port) = text.rsplit_once(':')?;
            if !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let port = port.parse::<u16>().ok().filter(|port| *port != 0)?;
            let host = match host.strip_prefix('[') {
                Some(address) => address.strip_suffix(']').filter(|it| it.parse::<Ipv6Addr>().is_ok())?,
                None => Some(host).filter(|host| is_host(host))?,
            };
            Some(Self { host: host.to_owned(), port })
        };
        parsed().ok_or_else(|| HostPortError(text.chars().take(80).collect()))
    }
}

/// An IPv4 address, or labels of letters, digits, hyphens and underscores with dots between them.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= HOST_MAX && text.split('.').all(is_label)
}

impl From<HostPort> for String {
    fn from(target: HostPort) -> Self {
        target.to_string()
    }
}

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, HostPortError> {
        Self::try_from(text.to_owned())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// What a service stands for. Whoever uses the service has no say in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A TCP port that is connected to for each channel.
    Tcp(HostPort),
    /// A folder whose regular files are read: an absolute path.
    Folder(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(target) => target.fmt(f),
            Self::Folder(path) => path.display().fmt(f),
        }
    }
}

/// Asks for a service to be offered, from now on and after every start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expose {
    /// The name by which it is offered.
    pub name: ServiceName,
    /// What it stands for.
    pub target: Target,
    /// The password by which guests may use it, if policy lets them. Without one the service keeps the one that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<GuestPassword>,
}

/// A service that is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposed {
    /// Its name.
    pub name: ServiceName,
    /// What it stands for.
    pub target: Target,
    /// This node's name, if it is a member of a network.
    pub provider: Option<NodeName>,
    /// Channels to it that are open.
    pub open: u64,
    /// Channels to it that were opened since the node's start.
    pub opened: u64,
    /// Channels whose target was not had, and wishes that were refused, since the node's start.
    pub refused: u64,
    /// Bytes that came from its users since the node's start.
    pub received: u64,
    /// Bytes that went to its users since the node's start.
    pub sent: u64,
    /// How it stands with guests, if it has a password for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guests: Option<GuestStatus>,
}

/// Asks for a TCP port on this host to be carried to a service of another node, for as long as the events are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The service.
    pub service: ServiceRef,
    /// Where to listen; port 0 picks one. An address that is not loopback lets other hosts in.
    pub listen: SocketAddr,
    /// The password by which the service is used as a guest: no certificate is shown, and none is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<Password>,
}

/// What happens at a forwarded port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ForwardEvent {
    /// Connections are taken from now on.
    Listening {
        /// Where.
        address: SocketAddr,
        /// The node that provides the service.
        provider: NodeName,
    },
    /// A connection was not carried, and was reset.
    Refused(Failure),
    /// No more connections are taken.
    Failed(Failure),
}

/// A path within an exposed folder: `NAME@PEER/PATH`; a listing if it is empty or ends in `/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderItem {
    /// The folder's service.
    pub service: ServiceRef,
    /// The path in it.
    pub path: String,
}

impl FolderItem {
    /// Whether a listing is meant and no file.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.path.is_empty() || self.path.ends_with('/')
    }
}

impl FromStr for FolderItem {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (service, path) = text.split_once('/').unwrap_or((text, ""));
        Ok(Self { service: service.parse()?, path: path.to_owned() })
    }
}

impl fmt::Display for FolderItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.path)
    }
}

/// What lies in an exposed folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Its regular files and folders, in the order of their names.
    pub entries: Vec<FolderEntry>,
    /// Whether there are more than are listed.
    pub more: bool,
    /// How many there are besides that cannot be got: links, devices, names that are no text.
    pub left_out: u64,
}

/// One file or folder of a [`Listing`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FolderEntry {
    /// Its name, as it came: escape it before it is shown.
    pub name: String,
    /// Its size in bytes; of a folder there is none.
    pub bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_one_port_of_one_host() {
        for (text, host) in [
            ("127.0.0.1:5432", "127.0.0.1"),
            ("[::1]:5432", "::1"),
            ("localhost:80", "localhost"),
            ("db_1.shop.lan:1", "db_1.shop.lan"),
            ("x:65535", "x"),
        ] {
            let target: HostPort = text.parse().unwrap();
            assert_eq!((target.host(), target.to_string().as_str()), (host, text));
        }
    }

    /// H5: nothing that is read as another address, a range of ports or a path.
    #[test]
    fn refuses_what_is_no_port_of_a_host() {
        let long = format!("{}:80", "a.".repeat(130));
        for text in [
            "",
            ":",
            "5432",
            ":5432",
            "host:",
            "host:0",
            "host:65536",
            "host:+1",
            "host:80-90",
            "host:80 ",
            "host:80:90",
            "::1:80",
            "[::1]",
            "[::1%eth0]:80",
            "[127.0.0.1]:80",
            "[::1:80",
            "a/b:80",
            "a@b:80",
            "a b:80",
            "-a:80",
            "a..b:80",
            "/run/x.sock",
            &long,
        ] {
            assert!(text.parse::<HostPort>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_a_file_or_a_folder_at_a_peer() {
        let item = |text: &str| text.parse::<FolderItem>().unwrap();
        assert_eq!(item("docs@office/a/b.txt").path, "a/b.txt");
        assert_eq!(item("docs@office//etc/passwd").path, "/etc/passwd");
        for (text, folder) in [
            ("docs@office", true),
            ("docs@office/", true),
            ("docs@office/a/", true),
            ("docs@office/a", false),
        ] {
            assert_eq!(item(text).is_folder(), folder, "{text}");
        }
        assert!("docs/a".parse::<FolderItem>().is_err());
    }
}
