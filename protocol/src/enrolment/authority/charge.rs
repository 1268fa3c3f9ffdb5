//! What a candidate's guesses were charged to.

use crate::enrolment::pake::Confirmation;
use crate::time::Timestamp;

/// What a guess was charged to.
#[derive(Clone, Copy)]
pub(super) enum Charge {
    /// To the invite with this number.
    Code(u32),
    /// To the password, at this time.
    Password(Timestamp),
}

/// The guesses of one candidate, each with what it will confirm if it was right.
#[derive(Default)]
pub(super) struct Charged(Vec<(Charge, Confirmation)>);

impl Charged {
    pub(super) fn push(&mut self, charge: Charge, expected: Confirmation) {
        self.0.push((charge, expected));
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The charges for guesses that were right. `code` and `password` are what the candidate confirms.
    pub(super) fn right(self, code: Option<&[u8; 32]>, password: Option<&[u8; 32]>) -> Vec<Charge> {
        let right = |(charge, expected): &(Charge, Confirmation)| {
            let confirmed = match charge {
                Charge::Code(_) => code,
                Charge::Password(_) => password,
            };
            confirmed.is_some_and(|confirmation| expected.fits(confirmation))
        };
        self.0.iter().filter(|guess| right(guess)).map(|(charge, _)| *charge).collect()
    }
}
