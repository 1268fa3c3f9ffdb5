//! Hosts' clocks, which are wrong.

use core::time::Duration;

use lanyard_protocol::time::{Mark, Timestamp};

use crate::moment::Moment;

/// A host's clocks: a wall clock that is wrong by so much, and a steady one.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostClock {
    /// Milliseconds that the wall clock is ahead; behind if negative.
    ahead: i64,
    /// Millionths that it is too fast; too slow if negative.
    drift: i32,
    mark: Mark,
}

impl HostClock {
    pub(crate) fn new(ahead: i64, drift: i32) -> Self {
        Self { ahead, drift, mark: Mark::default() }
    }

    /// What the wall clock says.
    pub(crate) fn wall(&self, at: Moment) -> Timestamp {
        let elapsed = i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX);
        let drift = elapsed.saturating_mul(i64::from(self.drift)) / 1_000_000;
        let ahead = self.ahead.saturating_add(drift);
        let by = Duration::from_millis(ahead.unsigned_abs());
        if ahead < 0 { at.wall().before(by) } else { at.wall().after(by) }
    }

    /// What the steady clock says.
    pub(crate) const fn steady(at: Moment) -> Duration {
        at.elapsed()
    }

    /// What the host takes for the time.
    pub(crate) fn now(&self, at: Moment) -> Timestamp {
        self.mark.now(self.wall(at), Self::steady(at))
    }

    /// It is at least `signed`.
    pub(crate) fn raise(&mut self, signed: Timestamp, at: Moment) {
        self.mark.raise(signed, Self::steady(at));
    }

    /// Somebody sets the wall clock by so many milliseconds.
    pub(crate) const fn set(&mut self, by: i64) {
        self.ahead = self.ahead.saturating_add(by);
    }

    /// The host was restarted: what it knew of signed times comes from its store.
    pub(crate) fn forget(&mut self) {
        self.mark = Mark::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_ahead_or_behind_and_drifts() {
        let hour = Moment::at(Duration::from_hours(1));
        assert_eq!(HostClock::new(0, 0).wall(hour), hour.wall());
        assert_eq!(HostClock::new(-5_000, 0).wall(hour), hour.wall().before(Duration::from_secs(5)));
        assert_eq!(HostClock::new(0, 100).wall(hour), hour.wall().after(Duration::from_millis(360)));
    }

    #[test]
    fn a_clock_behind_a_signed_time_is_not_believed() {
        let mut clock = HostClock::new(-3_600_000, 0);
        let at = Moment::at(Duration::from_secs(9));
        clock.raise(at.wall(), at);
        assert_eq!(clock.now(at), at.wall());
        clock.forget();
        assert_eq!(clock.now(at), at.wall().before(Duration::from_hours(1)));
    }
}
