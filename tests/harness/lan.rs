//! A network of namespaces: hosts on a bridge, cut off from everything else.

use std::net::Ipv4Addr;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::{Host, Process, is_root};

/// A switched Ethernet with the addresses 10.77.0.0/24, removed when it is dropped.
pub struct Lan {
    name: String,
    hosts: u8,
}

impl Lan {
    /// A network without hosts, or nothing where there can be none and tests may be skipped.
    ///
    /// # Panics
    /// Where nothing may be skipped.
    #[must_use]
    pub fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if !is_root() {
            return None;
        }
        let name = format!("ly{}x{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let lan = Self { name, hosts: 0 };
        ip(&["netns", "add", &lan.switch()]);
        ip(&["-n", &lan.switch(), "link", "add", "lan", "type", "bridge"]);
        ip(&["-n", &lan.switch(), "link", "set", "lan", "up"]);
        Some(lan)
    }

    /// A new host that is plugged in.
    #[must_use]
    pub fn host(&mut self, name: &str) -> Host {
        self.hosts += 1;
        let (switch, namespace, port) =
            (self.switch(), self.namespace(self.hosts), format!("port{}", self.hosts));
        let address = Ipv4Addr::new(10, 77, 0, self.hosts);
        ip(&["netns", "add", &namespace]);
        ip(&[
            "link", "add", "eth0", "netns", &namespace, "type", "veth", "peer", "name", &port, "netns",
            &switch,
        ]);
        ip(&["-n", &switch, "link", "set", &port, "master", "lan", "up"]);
        ip(&["-n", &namespace, "link", "set", "lo", "up"]);
        ip(&["-n", &namespace, "addr", "add", &format!("{address}/24"), "dev", "eth0"]);
        ip(&["-n", &namespace, "link", "set", "eth0", "up"]);
        Host::at(name, address, Some(namespace))
    }

    /// Pulls the plug of the host that was plugged in as the `number`th, from 1.
    pub fn unplug(&self, number: u8) {
        ip(&["-n", &self.switch(), "link", "set", &format!("port{number}"), "down"]);
    }

    /// Plugs it in again.
    pub fn plug(&self, number: u8) {
        ip(&["-n", &self.switch(), "link", "set", &format!("port{number}"), "up"]);
    }

    /// `program` where all traffic of the network passes, ready to be started.
    #[must_use]
    pub fn at_switch(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.switch(), program]);
        command
    }

    fn switch(&self) -> String {
        self.namespace(0)
    }

    fn namespace(&self, number: u8) -> String {
        format!("{}n{number}", self.name)
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        // The interfaces go with their namespaces; one that is in use goes when its last process does.
        for number in 0..=self.hosts {
            let _ = Command::new("ip").args(["netns", "delete", &self.namespace(number)]).status();
        }
    }
}

fn ip(args: &[&str]) {
    let mut command = Command::new("ip");
    command.args(args);
    let _ = Process::run(command, b"", Duration::from_secs(10)).ok();
}
