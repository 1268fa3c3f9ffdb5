//! Ports: fixed before anything listens, so that a taken one is an error and never another port.
//!
//! libp2p lets several sockets share a TCP port, so it would not notice; hence the trial here, with sockets
//! that share nothing.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::io;
use std::net::{TcpListener, UdpSocket};

/// Ports that are tried where any will do: one free for TCP may be taken for UDP.
const TRIES: u32 = 16;

/// Why a node cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Something else is there.
    #[error("{what} {address} is taken by another program")]
    Taken {
        /// The transport.
        what: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The system says no for some other reason.
    #[error("cannot listen on {what} {address}: {source}")]
    Refused {
        /// The transport.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
}

impl ListenError {
    fn new(what: &'static str, address: SocketAddr, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            Self::Taken { what, address }
        } else {
            Self::Refused { what, address, source }
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Taken { .. } => {
                "stop that program, or name another address: `lanyard up --listen ADDR --lane ADDR`"
            }
            Self::Refused { .. } => "name an address of this host: `lanyard up --listen ADDR --lane ADDR`",
        }
    }
}

/// The addresses to listen on for `wanted`: its port fixed, free for TCP and for UDP, and the IPv4 addresses
/// besides where it stands for all.
///
/// # Errors
/// [`ListenError`] if one of them is taken or is no address of this host.
pub(crate) fn control_addresses(wanted: SocketAddr) -> Result<Vec<SocketAddr>, ListenError> {
    if wanted.port() != 0 {
        return try_all(wanted);
    }
    for _ in 1..TRIES {
        let listener = bind_tcp(wanted)?;
        let found = listener.local_addr().map_err(|error| ListenError::new("TCP", wanted, error))?;
        drop(listener);
        match try_all(found) {
            Err(ListenError::Taken { .. }) => {}
            result => return result,
        }
    }
    Err(ListenError::Taken { what: "every port that was tried on", address: wanted })
}

fn try_all(wanted: SocketAddr) -> Result<Vec<SocketAddr>, ListenError> {
    let mut addresses = match try_both(wanted) {
        Ok(()) => vec![wanted],
        Err(error) if is_any_v6(wanted) && no_ipv6(&error) => Vec::new(),
        Err(error) => return Err(error),
    };
    if is_any_v6(wanted) {
        let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), wanted.port());
        // Where one socket takes both, the IPv4 address was tried with the other.
        if addresses.is_empty() {
            try_both(v4)?;
        }
        addresses.push(v4);
    }
    Ok(addresses)
}

fn try_both(address: SocketAddr) -> Result<(), ListenError> {
    bind_tcp(address)?;
    UdpSocket::bind(address).map_err(|error| ListenError::new("UDP", address, error))?;
    Ok(())
}

fn bind_tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).map_err(|error| ListenError::new("TCP", address, error))
}

/// The listener for lanes.
///
/// # Errors
/// [`ListenError`] if the address is taken or none of this host.
pub(crate) fn lane_listener(wanted: SocketAddr) -> Result<TcpListener, ListenError> {
    let listener = match bind_tcp(wanted) {
        Err(error) if is_any_v6(wanted) && no_ipv6(&error) => {
            bind_tcp(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), wanted.port()))?
        }
        result => result?,
    };
    listener.set_nonblocking(true).map_err(|error| ListenError::new("TCP", wanted, error))?;
    Ok(listener)
}

/// Where others reach the lane that listens on `lane`: where they reach the node, if it listens everywhere.
pub(crate) fn lane_addresses(control: &[SocketAddr], lane: SocketAddr) -> Vec<SocketAddr> {
    if !lane.ip().is_unspecified() {
        return vec![lane];
    }
    let mut addresses: Vec<_> =
        control.iter().map(|address| SocketAddr::new(address.ip(), lane.port())).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

fn is_any_v6(address: SocketAddr) -> bool {
    matches!(address.ip(), IpAddr::V6(ip) if ip.is_unspecified())
}

/// Whether the host has no IPv6 at all.
fn no_ipv6(error: &ListenError) -> bool {
    let ListenError::Refused { source, .. } = error else { return false };
    let errno = source.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    matches!(errno, Some(rustix::io::Errno::AFNOSUPPORT | rustix::io::Errno::ADDRNOTAVAIL))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn a_taken_port_is_an_error_that_names_it() {
        let tcp = TcpListener::bind(LOOPBACK).unwrap();
        let address = tcp.local_addr().unwrap();
        let error = control_addresses(address).unwrap_err().to_string();
        assert_eq!(error, format!("TCP {address} is taken by another program"));
        let error = lane_listener(address).unwrap_err().to_string();
        assert_eq!(error, format!("TCP {address} is taken by another program"));
        let udp = UdpSocket::bind(LOOPBACK).unwrap();
        let address = udp.local_addr().unwrap();
        let error = control_addresses(address).unwrap_err().to_string();
        assert_eq!(error, format!("UDP {address} is taken by another program"));
    }

    #[test]
    fn an_address_of_another_host_is_an_error_that_names_it() {
        let error = control_addresses("192.0.2.1:4610".parse().unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("cannot listen on TCP 192.0.2.1:4610: "), "{error}");
    }

    #[test]
    fn a_lane_that_listens_everywhere_is_reached_where_the_node_is() {
        let place = |text: &str| text.parse::<SocketAddr>().unwrap();
        let control = [place("10.0.0.7:4610"), place("10.0.0.7:5000"), place("[2001:db8::7]:4610")];
        assert_eq!(
            lane_addresses(&control, place("[::]:4611")),
            [place("10.0.0.7:4611"), place("[2001:db8::7]:4611")]
        );
        assert_eq!(lane_addresses(&control, place("127.0.0.1:9")), [place("127.0.0.1:9")]);
    }

    #[test]
    fn port_zero_picks_one() {
        let addresses = control_addresses(LOOPBACK).unwrap();
        assert_eq!(addresses.len(), 1);
        assert_ne!(addresses[0].port(), 0);
    }

    #[test]
    fn the_unspecified_address_stands_for_both_families() {
        let addresses = control_addresses("[::]:0".parse().unwrap()).unwrap();
        let (last, first) = addresses.split_last().unwrap();
        assert_eq!(last.ip(), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        assert!(first.iter().all(|address| address.ip().is_ipv6() && address.port() == last.port()));
    }
}
