//! Whoever does not play by the rules: raw sockets, from an address of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use crate::host::loopback_address;

/// A host on loopback that speaks no protocol. Nodes limit what one address may do: this one is nobody else's.
pub struct Attacker(Ipv4Addr);

impl Attacker {
    /// An attacker with an address of its own.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "no two are equal")]
    pub fn new() -> Self {
        Self(loopback_address())
    }

    pub(crate) const fn at(address: Ipv4Addr) -> Self {
        Self(address)
    }

    pub(crate) const fn address(&self) -> Ipv4Addr {
        self.0
    }

    /// A TCP connection to `target`.
    ///
    /// # Errors
    /// What the system says.
    pub fn tcp(&self, target: SocketAddr) -> io::Result<TcpStream> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddrV4::new(self.0, 0))?;
        connect(&socket, &target)?;
        Ok(socket.into())
    }

    /// A UDP socket that sends to `target`.
    ///
    /// # Errors
    /// What the system says.
    pub fn udp(&self, target: SocketAddr) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind((self.0, 0))?;
        socket.connect(target)?;
        Ok(socket)
    }
}

/// `length` bytes that look random and are the same for the same seed.
#[must_use]
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}
