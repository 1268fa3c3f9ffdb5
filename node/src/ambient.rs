//! The clock, the system's randomness and what the processor can do: the only file that looks them up.
//!
//! Everything else is given a [`Timestamp`], an rng or a flag. That is what makes the rest repeatable, and
//! `clippy.toml` keeps it so.

use core::convert::Infallible;
use core::time::Duration;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use lanyard_protocol::control::MachineId;
use lanyard_protocol::time::{Mark, Timestamp};
use rand_core::{TryCryptoRng, TryRng};

/// The wall clock: it may jump either way. A clock before 1970 reads as 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().after(since_epoch)
}

/// The monotonic clock, for durations: it never goes back and says nothing about the date.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The time since the system was started, with what it slept, for the [`Mark`]: a laptop that was shut for a week is a
/// week older. It never goes back, and nobody sets it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock that counts sleep")]
pub fn steady() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    Duration::try_from(rustix::time::clock_gettime(clock)).unwrap_or_default()
}

/// A node's time: that of the wall clock, but never before what has been signed. Clones are one clock.
///
/// Everything that a node decides by the time, control and data plane alike, it decides by its clock. A node has one
/// of its own, for what one network has signed is nothing to another node of the same process.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<RwLock<Mark>>);

impl Clock {
    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let mark = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        mark.now(now(), steady())
    }

    /// Takes note of a time that has been signed.
    pub(crate) fn raise(&self, signed: Timestamp) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).raise(signed, steady());
    }
}

/// What tells this machine from every other, where the system says so.
#[must_use]
pub fn machine() -> MachineId {
    let text = ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok());
    MachineId::new(&text.unwrap_or_default())
}

/// The operating system's randomness, through `getrandom(2)` or what the system has instead.
///
/// A system that has no randomness to give ends the process: there is no safe way to go on without, and no
/// caller could do better.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRng;

impl TryRng for OsRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(random()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(random()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for OsRng {}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's randomness")]
fn fill(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        eprintln!("lanyard: the operating system has no randomness to give ({error}): it cannot go on");
        std::process::abort();
    }
}

/// Whether this processor computes AES-GCM in hardware: if not, ChaCha20-Poly1305 is the faster suite.
#[must_use]
pub fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

#[cfg(test)]
mod tests {
    use rand_core::Rng as _;

    use super::*;

    #[test]
    fn randomness_fills_every_byte_and_does_not_repeat() {
        let (mut a, mut b) = ([0; 64], [0; 64]);
        OsRng.fill_bytes(&mut a);
        OsRng.fill_bytes(&mut b);
        assert_ne!(a, b);
        for half in [&a[..32], &a[32..]] {
            assert_ne!(half, [0; 32]);
        }
    }

    /// B5: a node's time is never before what has been signed, and goes on from there.
    #[test]
    fn a_clock_is_not_behind_what_was_signed() {
        let (clock, other) = (Clock::default(), Clock::default());
        let ahead = now().after(Duration::from_hours(1000));
        clock.clone().raise(ahead);
        let first = clock.now();
        assert!(first >= ahead && clock.now() >= first, "{first}");
        assert!(other.now() < ahead, "another node's clock is its own");
    }

    #[test]
    fn the_wall_clock_is_after_this_was_written() {
        assert!(now() > Timestamp::from_secs(1_763_000_000), "{}", now());
    }
}
