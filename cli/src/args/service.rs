//! What is said about services that users offer to each other.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use lanyard_protocol::control::{FolderItem, ServiceRef};
use lanyard_protocol::identity::ServiceName;

#[derive(Args, Debug)]
pub(crate) struct Expose {
    /// The name by which others use it, as in db
    pub(crate) name: ServiceName,
    /// A TCP port, as in 127.0.0.1:5432 or [::1]:5432, or a folder whose files others may read
    #[arg(value_name = "HOST:PORT|DIR")]
    pub(crate) target: String,
    /// Let whoever knows a password use it without a certificate, if policy grants it to guests
    #[arg(long)]
    pub(crate) guest: bool,
    /// A file that has the password in its first line, or - for standard input; else it is asked for
    #[arg(long, value_name = "F", requires = "guest")]
    pub(crate) password_file: Option<PathBuf>,
    /// Take the password even if it is weak
    #[arg(long, requires = "guest")]
    pub(crate) weak: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Unexpose {
    /// The name that it was exposed by
    pub(crate) name: ServiceName,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// List what this node exposes, and how much it is used
    List,
}

#[derive(Args, Debug)]
pub(crate) struct Forward {
    /// NAME@PEER, as in db@office
    pub(crate) service: ServiceRef,
    /// Where to listen: a port, or IP:PORT with IPv6 in brackets; any address but loopback lets other hosts in
    #[arg(value_name = "LISTEN", default_value = "127.0.0.1:0", value_parser = listen)]
    pub(crate) listen: SocketAddr,
    /// Use it by its password, without a certificate
    #[arg(long)]
    pub(crate) guest: bool,
    /// A file that has the password in its first line, or - for standard input; else it is asked for
    #[arg(long, value_name = "F", requires = "guest")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Get {
    /// NAME@PEER/PATH, as in docs@office/prices.csv; a listing if PATH is empty or ends in /
    #[arg(value_name = "SERVICE/PATH")]
    pub(crate) item: FolderItem,
    /// Write to this file instead of standard output; there once all of it is verified
    #[arg(short, long, value_name = "F")]
    pub(crate) output: Option<PathBuf>,
    /// Replace that file if it is there, and write to a terminal
    #[arg(long)]
    pub(crate) force: bool,
}

/// Where a port is opened: `5432`, `localhost:5432`, `127.0.0.1:5432`, `[::1]:5432`. Other names are not looked up: they
/// could be any address, and all but loopback must be meant.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let loopback =
        |port: &str| Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse::<u16>().ok()?));
    text.parse()
        .ok()
        .or_else(|| loopback(text.strip_prefix("localhost:").unwrap_or(text)))
        .ok_or_else(|| "use a port, or IP:PORT as in 127.0.0.1:5432 or [::1]:5432".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H5: a port is opened to other hosts only where their address was typed.
    #[test]
    fn listens_on_loopback_unless_an_address_is_named() {
        for (text, address) in [
            ("5432", "127.0.0.1:5432"),
            ("0", "127.0.0.1:0"),
            ("localhost:80", "127.0.0.1:80"),
            ("127.0.0.2:80", "127.0.0.2:80"),
            ("[::1]:80", "[::1]:80"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::]:80", "[::]:80"),
        ] {
            assert_eq!(listen(text).map(|address| address.to_string()).as_deref(), Ok(address), "{text}");
        }
        for text in
            ["", ":80", "*:80", "till:80", "localhost", "127.0.0.1", "::1:80", "65536", "127.0.0.1:65536"]
        {
            assert!(listen(text).is_err(), "{text}");
        }
    }
}
