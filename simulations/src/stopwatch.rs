//! The clock on the wall: how long a run takes. Nothing that happens in a run depends on it.

use core::time::Duration;
use std::time::Instant;

/// A watch that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts a watch.
    #[expect(
        clippy::disallowed_methods,
        reason = "the only clock of the simulator, for its user and not for its hosts"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// For how long it has run.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
