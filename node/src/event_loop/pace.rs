//! When the engine's deadlines are acted on.

use core::time::Duration;

use lanyard_protocol::time::Timestamp;

/// The longest sleep. The engine's deadlines are by the wall clock, which may be set while the loop sleeps; and the
/// engine is to look at the clocks every few minutes.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// The shortest sleep: a timer that is a millisecond early must not spin.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// Sees to it that a deadline which has come is acted on before anything else that waits, so that no stream of
/// events puts it off; and that one which then still stands does not keep the loop from everything else.
#[derive(Debug, Default)]
pub(super) struct Pace {
    acted_on: Option<Timestamp>,
}

impl Pace {
    /// Whether to act on `deadline` at once. Says so once of each.
    pub(super) fn is_due(&mut self, deadline: Timestamp, now: Timestamp) -> bool {
        now >= deadline && self.acted_on.replace(deadline) != Some(deadline)
    }

    /// How long to wait for other things at the most.
    pub(super) fn sleep(deadline: Option<Timestamp>, now: Timestamp) -> Duration {
        deadline.map_or(LONGEST_SLEEP, |deadline| deadline.since(now).clamp(SHORTEST_SLEEP, LONGEST_SLEEP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Timestamp = Timestamp::from_secs(100);

    /// D8: whatever else there is to do, a deadline that has come is next.
    #[test]
    fn a_deadline_that_has_come_is_due() {
        let mut pace = Pace::default();
        assert!(!pace.is_due(DEADLINE, Timestamp::from_millis(99_999)));
        assert!(pace.is_due(DEADLINE, DEADLINE));
        let next = DEADLINE.after(Duration::from_secs(1));
        assert!(!pace.is_due(next, DEADLINE));
        assert!(pace.is_due(next, next.after(Duration::from_secs(60))));
    }

    #[test]
    fn a_deadline_that_stands_still_is_due_once() {
        let mut pace = Pace::default();
        assert!(pace.is_due(DEADLINE, DEADLINE));
        assert!(!pace.is_due(DEADLINE, DEADLINE));
        assert_eq!(Pace::sleep(Some(DEADLINE), DEADLINE), SHORTEST_SLEEP);
    }

    #[test]
    fn sleeps_until_the_deadline_within_bounds() {
        let before = |seconds| DEADLINE.before(Duration::from_secs(seconds));
        assert_eq!(Pace::sleep(Some(DEADLINE), before(7)), Duration::from_secs(7));
        assert_eq!(Pace::sleep(Some(DEADLINE), before(90)), LONGEST_SLEEP);
        assert_eq!(Pace::sleep(None, DEADLINE), LONGEST_SLEEP);
    }
}
