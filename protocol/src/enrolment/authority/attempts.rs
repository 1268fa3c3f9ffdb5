//! Exchanges that wait for the candidate's confirmation.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use super::super::pake::Confirmation;
use crate::identity::NodeId;
use crate::time::Timestamp;

/// Unconfirmed attempts from one address: one person, and one more who starts over.
const PER_ADDRESS: usize = 2;

/// Unconfirmed attempts in all: a classroom that joins at once.
const IN_ALL: usize = 64;

/// How long a candidate may take to confirm.
const LIFE: Duration = Duration::from_secs(30);

/// What a guess was charged to.
#[derive(Clone, Copy)]
pub(super) enum Charge {
    /// To the invite with this number.
    Code(u32),
    /// To the password, at this time.
    Password(Timestamp),
}

/// The exchanges of one candidate that the authority has confirmed and the candidate has not.
pub(super) struct Attempt {
    guesses: Vec<(Charge, Confirmation)>,
    address: IpAddr,
    since: Timestamp,
}

impl Attempt {
    pub(super) fn new(guesses: Vec<(Charge, Confirmation)>, address: IpAddr, since: Timestamp) -> Self {
        Self { guesses, address, since }
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
        self.guesses.iter().filter(|guess| right(guess)).map(|(charge, _)| *charge).collect()
    }
}

/// At most [`IN_ALL`] attempts, one for a node.
#[derive(Default)]
pub(super) struct Attempts(BTreeMap<NodeId, Attempt>);

impl Attempts {
    /// Adds an attempt. At a limit the oldest one of the same address, or of the busiest, gives way.
    pub(super) fn add(&mut self, node: NodeId, attempt: Attempt, now: Timestamp) {
        self.0.retain(|_, attempt| now.since(attempt.since) < LIFE);
        self.0.remove(&node);
        while self.of(attempt.address) >= PER_ADDRESS {
            self.drop_oldest_of(attempt.address);
        }
        if self.0.len() >= IN_ALL
            && let Some(busiest) = self.busiest()
        {
            self.drop_oldest_of(busiest);
        }
        self.0.insert(node, attempt);
    }

    /// Ends the node's attempt: it has one confirmation, right or wrong.
    pub(super) fn take(&mut self, node: NodeId, now: Timestamp) -> Option<Attempt> {
        self.0.remove(&node).filter(|attempt| now.since(attempt.since) < LIFE)
    }

    fn of(&self, address: IpAddr) -> usize {
        self.0.values().filter(|attempt| attempt.address == address).count()
    }

    fn busiest(&self) -> Option<IpAddr> {
        self.0.values().map(|attempt| attempt.address).max_by_key(|address| self.of(*address))
    }

    fn drop_oldest_of(&mut self, address: IpAddr) {
        let of_address = self.0.iter().filter(|(_, attempt)| attempt.address == address);
        if let Some(node) = of_address.min_by_key(|(_, attempt)| attempt.since).map(|(node, _)| *node) {
            self.0.remove(&node);
        }
    }
}
