//! The network's password, and the wrong guesses at it.

use serde::{Deserialize, Serialize};

use super::{AuthorityError, decode};
use crate::codec;
use crate::control::{PasswordStatus, Time};
use crate::enrolment::guesses::{Guesses, PER_DAY};
use crate::identity::Secret;
use crate::record::{Record, Table, Write};
use crate::reject::Reject;
use crate::time::Timestamp;

const KEY: &[u8] = b"password";

/// What is kept of it: as secret as the CA key.
#[derive(Serialize, Deserialize)]
struct Kept {
    stretched: Secret,
    since: Timestamp,
    wrong: Guesses,
    /// Whether there were so many within a day that it rests until a person sets it again.
    locked: bool,
}

/// The password, if the network has one.
#[derive(Default)]
pub(super) struct Passwords(Option<Kept>);

impl Passwords {
    pub(super) fn load(records: &[Record]) -> Result<Self, AuthorityError> {
        let kept = records.iter().find(|record| record.table == Table::Authority && record.key == KEY);
        Ok(Self(kept.map(decode).transpose()?))
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn set(&mut self, stretched: Secret, now: Timestamp) -> Write {
        self.0 = Some(Kept { stretched, since: now, wrong: Guesses::default(), locked: false });
        self.write()
    }

    fn write(&self) -> Write {
        match &self.0 {
            Some(kept) => Write::set(Table::Authority, KEY, codec::encode(kept)),
            None => Write::erase(Table::Authority, KEY),
        }
    }

    /// Refuses while the password takes no guesses.
    pub(super) fn check(&self, now: Timestamp) -> Result<(), Reject> {
        match &self.0 {
            None => Err(Reject::Password),
            Some(kept) if kept.rests(now) => Err(Reject::PasswordLocked),
            Some(_) => Ok(()),
        }
    }

    /// Charges a guess, and gives what it is compared with.
    pub(super) fn charge(&mut self, now: Timestamp) -> Result<(&Secret, Write), Reject> {
        self.check(now)?;
        let kept = self.0.as_mut().ok_or(Reject::Password)?;
        kept.wrong.charge(now);
        kept.locked = kept.wrong.len() >= PER_DAY;
        let write = self.write();
        let kept = self.0.as_ref().ok_or(Reject::Password)?;
        Ok((&kept.stretched, write))
    }

    /// Takes back the charge of a guess that was right.
    pub(super) fn refund(&mut self, charged: Timestamp) -> Option<Write> {
        let kept = self.0.as_mut()?;
        if !kept.wrong.refund(charged) {
            return None;
        }
        kept.locked = kept.wrong.len() >= PER_DAY;
        Some(self.write())
    }

    pub(super) fn status(&self, now: Timestamp) -> Option<PasswordStatus> {
        let kept = self.0.as_ref()?;
        let wrong = kept.wrong.wrong(now);
        Some(PasswordStatus { since: Time(kept.since), wrong, locked: kept.rests(now) })
    }
}

impl Kept {
    fn rests(&self, now: Timestamp) -> bool {
        self.locked || self.wrong.rests_for(now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use zeroize::Zeroizing;

    use super::*;
    use crate::enrolment::guesses::PER_HOUR;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    const START: Timestamp = Timestamp::from_secs(1_795_253_400);

    fn set() -> Passwords {
        let mut passwords = Passwords::default();
        passwords.set(Secret::new(Zeroizing::new([1; 32])), START);
        passwords
    }

    /// A16: thirty guesses a day, ten of them in an hour, however many ask; then a person has to look.
    #[test]
    fn rests_after_ten_in_an_hour_and_thirty_in_a_day() {
        let mut passwords = set();
        let mut guesses = 0;
        for minute in 0..3 * 24 * 60 {
            guesses += usize::from(passwords.charge(START.after(Duration::from_secs(minute * 60))).is_ok());
        }
        assert_eq!(guesses, PER_DAY);
        let mut passwords = set();
        let first: Vec<bool> = (0..11).map(|_| passwords.charge(START).is_ok()).collect();
        assert_eq!(first.iter().filter(|good| **good).count(), PER_HOUR);
        assert!(passwords.charge(START.after(HOUR)).is_ok());
    }

    /// People who know the password are not locked out by one another.
    #[test]
    fn a_right_guess_costs_nothing() {
        let mut passwords = set();
        for _ in 0..1000 {
            passwords.charge(START).unwrap();
            passwords.refund(START).unwrap();
        }
        assert_eq!(passwords.status(START).unwrap().wrong, 0);
    }
}
