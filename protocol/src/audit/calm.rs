//! Keeps whoever asks again and again from filling the log, and so from pushing out of it what matters.

use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;
use std::collections::BTreeMap;

use super::{Entry, Origin, What};
use crate::control::DecisionName;
use crate::time::Timestamp;

/// How long the same is counted: what a person who follows a log may miss.
const WINDOW: Duration = Duration::from_secs(60);

/// Refusals of one kind that are written one by one for each place in a window: who mistypes a code tries thrice.
const REFUSALS: u64 = 5;

/// Grants, likewise: a node that starts gets some dozens of tickets.
const GRANTS: u64 = 120;

/// Refusals that are written one by one in a window, from wherever they come: 100 a minute are 60 MB a day at most, and
/// an attacker has as many addresses as he likes.
const REFUSALS_IN_ALL: u64 = 100;

/// Places that are counted apart; the others are counted together.
const PLACES_MAX: usize = 256;

/// From where something comes, as it is counted: an IPv6 network of one customer is one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Host(Option<IpAddr>),
    Others,
}

/// What was not written one by one.
struct Count {
    seen: u64,
    held: u64,
    last: Entry,
}

/// Lets entries pass until there are too many of one kind from one place, and then counts them.
#[derive(Default)]
pub struct Calm {
    since: Option<Timestamp>,
    refusals: u64,
    counts: BTreeMap<(What, DecisionName, Place), Count>,
}

impl Calm {
    /// What is to be written when `entry` comes in: that or nothing, behind what an ended window has held back.
    pub fn take(&mut self, entry: Entry) -> Vec<Entry> {
        let mut out = self.due(entry.at.0);
        let Some(place) = place_of(&entry) else {
            out.push(entry);
            return out;
        };
        self.since.get_or_insert(entry.at.0);
        let key = |place| (entry.what, entry.decision, place);
        let full = self.counts.len() >= PLACES_MAX && !self.counts.contains_key(&key(place));
        let key = key(if full { Place::Others } else { place });
        let refused = entry.decision == DecisionName::Deny;
        let most = if refused { REFUSALS } else { GRANTS };
        let room = !refused || self.refusals < REFUSALS_IN_ALL;
        let count = self.counts.entry(key).or_insert_with(|| Count { seen: 0, held: 0, last: entry.clone() });
        count.seen += 1;
        if room && count.seen <= most {
            self.refusals += u64::from(refused);
            out.push(entry);
        } else {
            count.held += 1;
            count.last = entry;
        }
        out
    }

    /// What was held back, once its window has ended; all begins anew then.
    pub fn due(&mut self, now: Timestamp) -> Vec<Entry> {
        let ended = self.since.is_some_and(|since| now < since || now.since(since) >= WINDOW);
        if ended { self.flush() } else { Vec::new() }
    }

    /// What was held back, now.
    pub fn flush(&mut self) -> Vec<Entry> {
        (self.since, self.refusals) = (None, 0);
        let counts = core::mem::take(&mut self.counts).into_iter();
        counts.filter(|(_, count)| count.held > 0).map(|((_, _, place), count)| count.sum(place)).collect()
    }

    /// Whether something is held back or counted, so that time matters.
    #[must_use]
    pub const fn is_counting(&self) -> bool {
        self.since.is_some()
    }
}

impl Count {
    fn sum(self, place: Place) -> Entry {
        let from = match place {
            Place::Host(Some(address)) => address.to_string(),
            Place::Host(None) => "this host".to_owned(),
            Place::Others => "other places".to_owned(),
        };
        let (seconds, last) = (WINDOW.as_secs(), &self.last.reason);
        let reason = format!("and {} more from {from} within {seconds} s; the last: {last}", self.held);
        Entry { more: self.held, ..self.last.because(reason) }
    }
}

/// What anyone else can cause as often as they like; what the owner orders and the node does by itself is written as
/// it comes.
fn place_of(entry: &Entry) -> Option<Place> {
    match (entry.from, entry.decision) {
        (Origin::Remote(address), _) => Some(Place::Host(Some(network(address.ip())))),
        // Programs of this host that try again and again what they may not.
        (Origin::Local, DecisionName::Deny) => Some(Place::Host(None)),
        (Origin::Local | Origin::Node, _) => None,
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1000);

    fn refused(at: Timestamp, from: &str) -> Entry {
        let from = Origin::Remote(from.parse().unwrap());
        Entry::new(at, What::AdmissionRefused).denied().by(Default::default(), from).because("no")
    }

    /// D8, F7: a stranger who asks ten thousand times gets six lines, of which one says how often.
    #[test]
    fn a_flood_from_one_place_is_counted() {
        let mut calm = Calm::default();
        let entries = (0..10_000).flat_map(|_| calm.take(refused(START, "10.0.0.7:9"))).count();
        assert_eq!(entries as u64, REFUSALS);
        assert!(calm.due(START.after(WINDOW - Duration::from_secs(1))).is_empty());
        let other = calm.take(refused(START, "10.0.0.8:9"));
        assert_eq!(other.len(), 1, "another place is not made to pay for it");
        let [sum]: [Entry; 1] = calm.due(START.after(WINDOW)).try_into().unwrap();
        assert_eq!(sum.more, 10_000 - REFUSALS);
        assert!(sum.reason.starts_with("and 9995 more from 10.0.0.7 within 60 s"), "{}", sum.reason);
        assert!(!calm.is_counting());
        assert_eq!(calm.take(refused(START.after(WINDOW), "10.0.0.7:9")).len(), 1, "it begins anew");
    }

    /// D8, F7: however many addresses an attacker has, the lines and the memory are bounded.
    #[test]
    fn a_flood_from_everywhere_is_counted_together() {
        let mut calm = Calm::default();
        let mut written = 0;
        for number in 0..5000_u32 {
            let from = format!("10.1.{}.{}:9", number / 256, number % 256);
            written += calm.take(refused(START, &from)).len() as u64;
        }
        assert_eq!(written, REFUSALS_IN_ALL);
        assert!(calm.counts.len() <= PLACES_MAX + 1);
        let held: u64 = calm.flush().iter().map(|entry| entry.more).sum();
        assert_eq!(held, 5000 - REFUSALS_IN_ALL, "every one is counted");
    }

    /// D8: the addresses of one IPv6 network are one place.
    #[test]
    fn one_network_of_ipv6_is_one_place() {
        let mut calm = Calm::default();
        let from = |number: u16| format!("[2001:db8::{number:x}]:9");
        let written = (0..100).flat_map(|number| calm.take(refused(START, &from(number)))).count();
        assert_eq!(written as u64, REFUSALS);
    }

    #[test]
    fn what_the_owner_orders_is_written_as_it_comes() {
        let mut calm = Calm::default();
        let ordered = Entry::new(START, What::InviteMade).by(Default::default(), Origin::Local);
        assert!((0..1000).all(|_| calm.take(ordered.clone()).len() == 1));
        assert!(!calm.is_counting());
    }
}
