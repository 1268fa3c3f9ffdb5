//! False announcements by multicast DNS (RFC 6762), as libp2p reads them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey, ed25519};

use crate::{Host, Process, noise};

/// A response, authoritative.
const FLAGS: [u8; 2] = [0x84, 0];
const CLASS: [u8; 2] = [0, 1];
const PTR: [u8; 2] = [0, 12];
const TXT: [u8; 2] = [0, 16];
/// Peers in a packet: as many as a receiver's buffer takes.
const PEERS: usize = 16;

/// Sends announcements from the network of a host on a [`Lan`](crate::Lan).
pub struct Announcer<'a> {
    host: &'a Host,
}

impl<'a> Announcer<'a> {
    /// An announcer on this host.
    #[must_use]
    pub fn on(host: &'a Host) -> Self {
        let mut route = host.program(Path::new("ip"));
        route.args(["route", "replace", "224.0.0.0/4", "dev", "eth0"]);
        let _ = Process::run(route, b"", Duration::from_secs(10)).ok();
        Self { host }
    }

    /// Announces the node of this id (64 hexadecimal digits) at this host, for `seconds`; none is a goodbye.
    ///
    /// # Panics
    /// When that is no id.
    pub fn announce(&self, id: &str, seconds: u32) {
        let byte = |at: usize| u8::from_str_radix(&id[at..at + 2], 16).expect("an id is hexadecimal");
        let key: Vec<u8> = (0..64).step_by(2).map(byte).collect();
        let key = ed25519::PublicKey::try_from_bytes(&key).expect("an id is a key");
        self.send(&[packet(&[PublicKey::from(key).to_peer_id()], seconds, 0)]);
    }

    /// Announces so many peers that are nowhere.
    pub fn announce_nobody(&self, many: usize) {
        let fake = |_| Keypair::generate_ed25519().public().to_peer_id();
        let packets: Vec<_> = (0..many.div_ceil(PEERS))
            .map(|number| packet(&(0..PEERS).map(fake).collect::<Vec<_>>(), 120, number as u64))
            .collect();
        self.send(&packets);
    }

    /// Sends what is no announcement at all, of many sizes.
    pub fn send_noise(&self) {
        let packets: Vec<_> = (0..100)
            .map(|seed| {
                let mut packet = noise(seed, 12 + usize::try_from(seed).unwrap_or_default() * 80);
                packet[2..4].copy_from_slice(&FLAGS);
                packet
            })
            .collect();
        self.send(&packets);
    }

    fn send(&self, packets: &[Vec<u8>]) {
        let folder = self.host.path("packets");
        fs::create_dir_all(&folder).expect("there is room for a folder");
        for (number, packet) in packets.iter().enumerate() {
            fs::write(folder.join(format!("{number:06}")), packet).expect("there is room for a file");
        }
        // The shell writes a file that fits its buffer as one datagram.
        let mut shell = self.host.program(Path::new("bash"));
        let script =
            "exec 3<>/dev/udp/224.0.0.251/5353; for packet in \"$1\"/*; do cat \"$packet\" >&3; done";
        shell.args(["-c", script, "bash"]).arg(&folder);
        let _ = Process::run(shell, b"", Duration::from_secs(60)).ok();
        fs::remove_dir_all(&folder).expect("it is the test's own");
    }
}

/// An announcement of these peers, with a text that is no address for each of them besides.
fn packet(peers: &[PeerId], seconds: u32, number: u64) -> Vec<u8> {
    let count = u16::try_from(peers.len()).expect("a packet is small").to_be_bytes();
    let mut packet = vec![0, 0];
    packet.extend(FLAGS);
    packet.extend([[0, 0], count, [0, 0], count].concat());
    let names: Vec<_> = (0..peers.len()).map(|at| name(&format!("peer{number:024}x{at:03}"))).collect();
    for name in &names {
        record(&mut packet, &service(), PTR, seconds, name);
    }
    for (name, peer) in names.iter().zip(peers) {
        let mut texts = Vec::new();
        for text in
            [format!("dnsaddr=/ip4/10.77.0.99/tcp/4610/p2p/{peer}"), "dnsaddr=\u{1b}]0;\u{202e}".into()]
        {
            texts.push(u8::try_from(text.len()).expect("a text is short"));
            texts.extend(text.as_bytes());
        }
        record(&mut packet, name, TXT, seconds, &texts);
    }
    packet
}

fn record(packet: &mut Vec<u8>, name: &[u8], kind: [u8; 2], seconds: u32, data: &[u8]) {
    let length = u16::try_from(data.len()).expect("data are short").to_be_bytes();
    packet.extend([name, &kind, &CLASS, &seconds.to_be_bytes(), &length, data].concat());
}

fn name(label: &str) -> Vec<u8> {
    let length = u8::try_from(label.len()).expect("a label is short");
    [&[length], label.as_bytes(), &service()].concat()
}

fn service() -> Vec<u8> {
    b"\x04_p2p\x04_udp\x05local\x00".to_vec()
}
