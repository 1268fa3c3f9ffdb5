//! Virtual time.

use core::fmt;
use core::time::Duration;

use lanyard_protocol::time::Timestamp;

/// What a right wall clock says when a run begins: 2026-11-21T09:30:00Z.
pub const EPOCH: Timestamp = Timestamp::from_secs(1_795_253_400);

/// A moment of a run, in microseconds since it began. Only the simulator knows it: hosts have clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The moment `duration` after the run began.
    #[must_use]
    pub fn at(duration: Duration) -> Self {
        Self(micros(duration))
    }

    /// The moment `duration` later, or the last one that there is.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// How long after the run's begin this is.
    #[must_use]
    pub const fn elapsed(self) -> Duration {
        Duration::from_micros(self.0)
    }

    /// What a right wall clock says.
    #[must_use]
    pub const fn wall(self) -> Timestamp {
        EPOCH.after(self.elapsed())
    }

    /// Microseconds since the run began.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The next moment that a clock of milliseconds shows as `millis` more than this one.
    pub(crate) const fn after_millis(self, millis: u64) -> Self {
        let now = self.0 / 1000;
        Self(now.saturating_add(millis).saturating_mul(1000))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Days, hours, minutes and seconds, as in `1d 02:03:04.000567`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
        if days > 0 {
            write!(f, "{days}d ")?;
        }
        write!(f, "{hours:02}:{:02}:{:02}.{micros:06}", seconds / 60 % 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_days_and_the_time_of_day() {
        assert_eq!(Moment::at(Duration::from_micros(567)).to_string(), "00:00:00.000567");
        let later = Moment::at(Duration::from_secs(86_400 + 7384));
        assert_eq!(later.to_string(), "1d 02:03:04.000000");
        assert_eq!(later.wall().to_string(), "2026-11-22T11:33:04Z");
    }

    #[test]
    fn a_deadline_in_milliseconds_is_never_early() {
        let now = Moment(1_999);
        assert_eq!(now.after_millis(1), Moment(2_000));
        assert_eq!(now.after_millis(0), Moment(1_000));
    }
}
