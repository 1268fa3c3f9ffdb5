//! Many hosts on loopback that flood one node.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Attacker;

/// What every control connection begins with, to be sent as slowly as one likes.
const BEGINNING: &[u8] = b"\x13/multistream/1.0.0\n";

/// A flood that goes on until this is dropped.
pub struct Flood {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    /// Keeps up to `many` connections open that say nothing, and opens one anew whenever one is cut.
    #[must_use]
    pub fn of_silence(crowd: Vec<Attacker>, targets: Vec<SocketAddr>, many: usize) -> Self {
        let mut held: Vec<Option<TcpStream>> = Vec::new();
        held.resize_with(many, || None);
        let mut next = 0;
        Self::start(move |done| {
            for _ in 0..50 {
                next = (next + 1) % many;
                if held[next].as_ref().is_none_or(is_cut) {
                    held[next] = crowd[next % crowd.len()].tcp(targets[next % targets.len()]).ok();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
            thread::sleep(Duration::from_millis(10));
        })
    }

    /// Keeps `many` handshakes going that send a byte a second.
    #[must_use]
    pub fn of_slowness(crowd: Vec<Attacker>, target: SocketAddr, many: usize) -> Self {
        let mut held: Vec<Option<TcpStream>> = Vec::new();
        held.resize_with(many, || None);
        let mut second = 0;
        Self::start(move |done| {
            for (number, slot) in held.iter_mut().enumerate() {
                let byte = &BEGINNING[second % BEGINNING.len()..][..1];
                let sent = slot.as_mut().is_some_and(|stream| stream.write_all(byte).is_ok());
                if !sent {
                    *slot = crowd[number % crowd.len()].tcp(target).ok();
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
            second += 1;
            thread::sleep(Duration::from_secs(1));
        })
    }

    /// Connects and goes, about `a_second` times a second.
    #[must_use]
    pub fn of_connections(crowd: Vec<Attacker>, targets: Vec<SocketAddr>, a_second: usize) -> Self {
        let mut next = 0;
        Self::start(move |done| {
            for _ in 0..a_second / 50 {
                let _ = crowd[next % crowd.len()].tcp(targets[next % targets.len()]);
                next += 1;
                done.fetch_add(1, Ordering::Relaxed);
            }
            thread::sleep(Duration::from_millis(20));
        })
    }

    fn start(mut step: impl FnMut(&AtomicUsize) + Send + 'static) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopping, counter) = (Arc::clone(&stop), Arc::clone(&done));
        let thread = thread::spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                step(&counter);
            }
        });
        Self { stop, done, thread: Some(thread) }
    }

    /// How much it has done so far.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it did wrong, if anything, the test sees.
            let _ = thread.join();
        }
    }
}

/// `many` attackers, at most 254, each with an address of its own; tests share them.
#[must_use]
pub fn crowd(many: u8) -> Vec<Attacker> {
    let [_, _, high, low] = process::id().to_be_bytes();
    (1..=many).map(|host| Attacker::at(Ipv4Addr::new(127, 128 | high & 63, low, host))).collect()
}

fn is_cut(stream: &TcpStream) -> bool {
    let _ = stream.set_nonblocking(true);
    !matches!(stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}
