//! What is known of the time without believing this host's wall clock.

use core::time::Duration;

use super::Timestamp;

/// The latest time that was seen signed, and what has passed since then by a clock that nobody sets.
///
/// It is the floor of a node's time: a wall clock that is behind it is wrong. The wall clock never raises it, so a
/// clock that was set forward and back has done no harm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark(Option<(Timestamp, Duration)>);

impl Mark {
    /// Takes note of the time `signed`, when the steady clock says `steady`. An earlier time than the mark changes
    /// nothing.
    pub fn raise(&mut self, signed: Timestamp, steady: Duration) {
        if self.at(steady).is_none_or(|mark| mark < signed) {
            self.0 = Some((signed, steady));
        }
    }

    /// The mark when the steady clock says `steady`; nothing if no signed time was ever seen.
    #[must_use]
    pub fn at(&self, steady: Duration) -> Option<Timestamp> {
        self.0.map(|(signed, then)| signed.after(steady.saturating_sub(then)))
    }

    /// The time, when the wall clock says `wall` and the steady clock `steady`: the later of wall clock and mark.
    #[must_use]
    pub fn now(&self, wall: Timestamp, steady: Duration) -> Timestamp {
        self.at(steady).map_or(wall, |mark| mark.max(wall))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// B5: behind the mark the wall clock is not believed; ahead of it, it neither raises nor is held by it.
    #[test]
    fn the_wall_clock_is_believed_from_the_mark_on() {
        let signed = Timestamp::from_secs(1_000_000);
        let mut mark = Mark::default();
        assert_eq!(mark.now(Timestamp::from_secs(5), HOUR), Timestamp::from_secs(5));
        mark.raise(signed, HOUR);
        assert_eq!(mark.now(Timestamp::from_secs(5), HOUR * 3), signed.after(HOUR * 2));
        let ahead = signed.after(HOUR * 9000);
        assert_eq!(mark.now(ahead, HOUR * 3), ahead);
        assert_eq!(
            mark.now(signed, HOUR * 4),
            signed.after(HOUR * 3),
            "as if the clock had never been ahead"
        );
    }

    #[test]
    fn only_a_later_time_raises_the_mark() {
        let signed = Timestamp::from_secs(1_000_000);
        let mut mark = Mark::default();
        mark.raise(signed, HOUR);
        mark.raise(signed.after(HOUR / 2), HOUR * 2);
        assert_eq!(mark.at(HOUR * 2), Some(signed.after(HOUR)));
        mark.raise(signed.after(HOUR * 2), HOUR * 2);
        assert_eq!(mark.at(HOUR * 2), Some(signed.after(HOUR * 2)));
    }
}
