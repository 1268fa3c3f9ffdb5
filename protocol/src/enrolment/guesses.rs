//! Wrong guesses at one password, from wherever.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Wrong guesses within an hour after which a password rests: people who mistype.
pub(super) const PER_HOUR: usize = 10;

/// Wrong guesses within a day after which it rests: ten thousand a year is what a guesser could make of it otherwise.
pub(super) const PER_DAY: usize = 30;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// When a password was guessed wrongly. Every guess counts as wrong until it has turned out to be right.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Guesses(Vec<Timestamp>);

impl Guesses {
    /// Charges a guess. Those that are a day old are forgotten.
    pub(crate) fn charge(&mut self, now: Timestamp) {
        self.0.retain(|wrong| now.since(*wrong) < DAY);
        self.0.push(now);
    }

    /// Takes back the charge of a guess that was right; says whether there was one.
    pub(crate) fn refund(&mut self, charged: Timestamp) -> bool {
        let at = self.0.iter().position(|wrong| *wrong == charged);
        at.map(|at| self.0.remove(at)).is_some()
    }

    /// How many there were within a day.
    pub(crate) fn wrong(&self, now: Timestamp) -> usize {
        self.within(DAY, now).count()
    }

    /// For how long no guess is taken, if none is.
    pub(crate) fn rests_for(&self, now: Timestamp) -> Option<Duration> {
        let limits = [(HOUR, PER_HOUR), (DAY, PER_DAY)];
        let rests = limits.into_iter().filter_map(|(time, most)| {
            let mut within: Vec<Timestamp> = self.within(time, now).collect();
            within.sort_unstable();
            // When all but `most - 1` of them are so old that they no longer count.
            let ends = within.len().checked_sub(most).and_then(|at| within.get(at))?.after(time);
            Some(ends.since(now))
        });
        rests.max()
    }

    /// The last one, if there is any.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.0.iter().max().copied()
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    fn within(&self, time: Duration, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        self.0.iter().copied().filter(move |wrong| now.since(*wrong) < time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);
    const MINUTE: Duration = Duration::from_secs(60);

    /// A16: it rests from the tenth within an hour and from the thirtieth within a day, and says for how long.
    #[test]
    fn rests_until_few_enough_are_left() {
        let mut guesses = Guesses::default();
        for minute in 0..10 {
            assert_eq!(guesses.rests_for(NOW.after(minute * MINUTE)), None, "{minute}");
            guesses.charge(NOW.after(minute * MINUTE));
        }
        assert_eq!(guesses.rests_for(NOW.after(9 * MINUTE)), Some(51 * MINUTE));
        assert_eq!(guesses.rests_for(NOW.after(60 * MINUTE)), None);
        for hour in 1..3 {
            (0..10).for_each(|minute| guesses.charge(NOW.after((100 * hour + minute) * MINUTE)));
        }
        assert_eq!(guesses.wrong(NOW.after(300 * MINUTE)), 30);
        assert_eq!(guesses.rests_for(NOW.after(300 * MINUTE)), Some((24 * 60 - 300) * MINUTE));
        assert_eq!(guesses.rests_for(NOW.after(DAY)), None);
    }
}
