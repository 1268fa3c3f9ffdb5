//! How often a password may be guessed wrongly, and by whom.
//!
//! What is counted is where guesses come from. A user as such is never locked: whoever wants to keep somebody out by
//! guessing at their name keeps out themselves.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use crate::time::Timestamp;

/// Sources that are remembered. Of more, the one that was quiet for longest gives way.
const SOURCES_MAX: usize = 4096;

/// Wrong guesses of each source, of late.
#[derive(Debug)]
pub(crate) struct Attempts<K> {
    wrong: BTreeMap<K, VecDeque<Timestamp>>,
    most: usize,
    within: Duration,
}

impl<K: Ord + Clone> Attempts<K> {
    /// So many wrong guesses of one source are allowed within so long.
    pub(crate) const fn new(most: usize, within: Duration) -> Self {
        Self { wrong: BTreeMap::new(), most, within }
    }

    /// Charges a guess, unless the source has none left: then it says for how long.
    pub(crate) fn charge(&mut self, source: &K, now: Timestamp) -> Result<(), Duration> {
        if !self.wrong.contains_key(source) && self.wrong.len() >= SOURCES_MAX {
            let oldest = self.wrong.iter().min_by_key(|(_, wrong)| wrong.back().copied());
            if let Some(oldest) = oldest.map(|(source, _)| source.clone()) {
                self.wrong.remove(&oldest);
            }
        }
        let wrong = self.wrong.entry(source.clone()).or_default();
        // A guess "in the future" is one from before the clock was set back: it is let go.
        wrong.retain(|at| *at <= now && now.since(*at) < self.within);
        if let Some(first) = wrong.front().filter(|_| wrong.len() >= self.most) {
            return Err(self.within.saturating_sub(now.since(*first)));
        }
        wrong.push_back(now);
        Ok(())
    }

    /// Takes back the charge of a guess that was right, or was not made. Those before it stay: somebody who knows one
    /// password has no more guesses at the others.
    pub(crate) fn refund(&mut self, source: &K) {
        if let Some(wrong) = self.wrong.get_mut(source) {
            wrong.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);
    const MINUTE: Duration = Duration::from_secs(60);

    /// I2: who guesses wrongly waits; who does not, does not.
    #[test]
    fn a_source_waits_and_no_other_does() {
        let mut attempts = Attempts::new(3, 10 * MINUTE);
        for _ in 0..3 {
            attempts.charge(&"a", NOW).unwrap();
        }
        assert_eq!(attempts.charge(&"a", NOW.after(MINUTE)), Err(9 * MINUTE));
        attempts.charge(&"b", NOW).unwrap();
        attempts.charge(&"a", NOW.after(10 * MINUTE)).unwrap();
    }

    /// I2: a right guess costs nothing, and forgives no wrong ones: those at other users' passwords.
    #[test]
    fn a_right_guess_costs_nothing_and_forgives_nothing() {
        let mut attempts = Attempts::new(2, 10 * MINUTE);
        for _ in 0..5 {
            attempts.charge(&"a", NOW).unwrap();
            attempts.refund(&"a");
        }
        attempts.charge(&"a", NOW).unwrap();
        attempts.charge(&"a", NOW).unwrap();
        assert!(attempts.charge(&"a", NOW).is_err());
    }

    /// I2: a clock that is set back keeps nobody out.
    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_out() {
        let mut attempts = Attempts::new(1, 10 * MINUTE);
        attempts.charge(&"a", NOW.after(100 * MINUTE)).unwrap();
        attempts.charge(&"a", NOW).unwrap();
    }

    /// D4: strangers' names fill no memory.
    #[test]
    fn remembers_so_many_sources_and_no_more() {
        let mut attempts = Attempts::new(1, MINUTE);
        for number in 0..SOURCES_MAX as u64 + 50 {
            attempts.charge(&number, NOW.after(Duration::from_millis(number))).unwrap();
        }
        assert_eq!(attempts.wrong.len(), SOURCES_MAX);
        assert!(!attempts.wrong.contains_key(&0) && attempts.wrong.contains_key(&4145));
    }
}
