//! The one time type. Time is always an argument: nothing in this crate reads a clock.

mod mark;

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use self::mark::Mark;

/// Milliseconds since the Unix epoch, UTC, without leap seconds.
///
/// Arithmetic saturates: a time that does not fit is the first or the last one that does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The time `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The time `seconds` seconds after the Unix epoch.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This time without its milliseconds: X.509 and the wire count in seconds.
    #[must_use]
    pub const fn whole_seconds(self) -> Self {
        Self::from_secs(self.as_secs())
    }

    /// The time `duration` later.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// The time `duration` earlier.
    #[must_use]
    pub const fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

const fn millis(duration: Duration) -> u64 {
    let millis = duration.as_millis();
    if millis > u64::MAX as u128 { u64::MAX } else { millis as u64 }
}

/// RFC 3339 in UTC, whole seconds, as in `2026-11-21T09:30:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = i64::try_from(self.as_secs())
            .ok()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .and_then(|time| time.format(&Rfc3339).ok());
        match text {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} ms after the epoch", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339() {
        assert_eq!(Timestamp::from_secs(1_795_253_400).to_string(), "2026-11-21T09:30:00Z");
        assert_eq!(Timestamp::default().to_string(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn saturates() {
        let last = Timestamp::from_millis(u64::MAX);
        assert_eq!(last.after(Duration::MAX), last);
        assert_eq!(Timestamp::default().before(Duration::MAX), Timestamp::default());
        assert!(last.to_string().ends_with("after the epoch"));
    }
}
