//! Waiting for a fact.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that should be there at once: generous, for a machine that does other things too.
pub const SOON: Duration = Duration::from_secs(30);

/// How often a fact is looked at again.
const PERIOD: Duration = Duration::from_millis(20);

/// Waits until `fact` has a value, and returns it.
///
/// # Panics
/// When `fact` has none `within` that time.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "the deadline of a test of real processes is in real time")]
pub fn wait_for<T>(what: &str, within: Duration, mut fact: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = fact() {
            return value;
        }
        assert!(start.elapsed() < within, "waited {within:?} in vain until {what}");
        thread::sleep(PERIOD);
    }
}
