//! Exchanges that wait for the other side's confirmation: an authority's with candidates, a provider's with guests.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use crate::identity::NodeId;
use crate::time::Timestamp;

/// Unconfirmed attempts from one address: one person, and one more who starts over.
const PER_ADDRESS: usize = 2;

/// Unconfirmed attempts in all: a classroom that joins at once.
const IN_ALL: usize = 64;

/// How long the other side may take to confirm.
const LIFE: Duration = Duration::from_secs(30);

/// An exchange that this side has confirmed and the other has not.
struct Attempt<T> {
    exchange: T,
    address: IpAddr,
    since: Timestamp,
}

/// At most [`IN_ALL`] attempts, one for a node.
pub(crate) struct Attempts<T>(BTreeMap<NodeId, Attempt<T>>);

impl<T> Default for Attempts<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Attempts<T> {
    /// Adds an attempt. At a limit the oldest one of the same address, or of the busiest, gives way.
    pub(crate) fn add(&mut self, node: NodeId, exchange: T, address: IpAddr, now: Timestamp) {
        self.0.retain(|_, attempt| now.since(attempt.since) < LIFE);
        self.0.remove(&node);
        while self.of(address) >= PER_ADDRESS {
            self.drop_oldest_of(address);
        }
        if self.0.len() >= IN_ALL
            && let Some(busiest) = self.busiest()
        {
            self.drop_oldest_of(busiest);
        }
        self.0.insert(node, Attempt { exchange, address, since: now });
    }

    /// Ends the node's attempt: it has one confirmation, right or wrong.
    pub(crate) fn take(&mut self, node: NodeId, now: Timestamp) -> Option<T> {
        let attempt = self.0.remove(&node).filter(|attempt| now.since(attempt.since) < LIFE)?;
        Some(attempt.exchange)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentityKey;

    const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

    fn node(number: u8) -> NodeId {
        IdentityKey::from_seed(&[number; 32]).node_id()
    }

    fn address(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    /// A3, A16, A11: one address has two exchanges under way, all have 64, each for 30 seconds; the busiest gives way.
    #[test]
    fn unconfirmed_exchanges_are_bounded() {
        let mut attempts = Attempts::default();
        for number in 0..3 {
            attempts.add(node(number), number, address(0), NOW.after(Duration::from_millis(number.into())));
        }
        assert_eq!(attempts.take(node(0), NOW), None, "the oldest of the address has given way");
        for number in 3..70 {
            attempts.add(node(number), number, address(number), NOW.after(Duration::from_secs(1)));
        }
        assert_eq!(attempts.0.len(), IN_ALL);
        assert_eq!(attempts.take(node(1), NOW.after(Duration::from_secs(2))), None, "of the busiest");
        assert_eq!(attempts.take(node(69), NOW.after(Duration::from_secs(30))), Some(69));
        assert_eq!(attempts.take(node(69), NOW.after(Duration::from_secs(30))), None, "one try");
        assert_eq!(attempts.take(node(68), NOW.after(Duration::from_secs(31))), None, "too late");
    }
}
