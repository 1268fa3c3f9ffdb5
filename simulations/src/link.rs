//! What a network does to what is sent over it.

use core::time::Duration;

use rand_core::Rng;

/// How long a sender waits before it sends again what was lost: at first; each time twice as long.
const RESEND_AFTER: Duration = Duration::from_millis(200);

/// How often something is sent before its sender gives up.
const SENDINGS: u32 = 7;

/// Bytes of a packet. What is longer is lost if any of its packets is.
const PACKET: usize = 1400;

/// Hundredths of a percent and finer: a probability in parts of a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chance(u32);

impl Chance {
    /// Never.
    pub const NEVER: Self = Self(0);

    /// A probability from 0 to 1; nothing if it is none.
    #[must_use]
    pub fn new(probability: f64) -> Option<Self> {
        let parts = (0.0..=1.0).contains(&probability).then(|| (probability * 1_000_000.0).round());
        // In range: it was between 0 and 1.
        parts.map(|parts| Self(parts as u32))
    }

    /// As a probability from 0 to 1.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1_000_000.0
    }

    /// Whether it happens this time. What never happens draws nothing.
    pub fn happens(self, rng: &mut impl Rng) -> bool {
        self.0 > 0 && rng.next_u64() % 1_000_000 < u64::from(self.0)
    }
}

/// How a host is attached to the network. Between two hosts the worse of both counts.
///
/// What is lost is sent again by the transport, so it arrives later; after [`SENDINGS`] times it does not arrive at
/// all. What is duplicated is handed to the other engine twice: harsher than any transport, for an engine that bears
/// it bears replays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// One way, at least. The least of all hosts is how far the run can go before hosts must hear of each other.
    pub latency: Duration,
    /// As much more at the most, evenly spread.
    pub jitter: Duration,
    /// Of a packet.
    pub loss: Chance,
    /// Of a message.
    pub duplicate: Chance,
    /// Of a message: that others overtake it.
    pub reorder: Chance,
    /// By how much it is then late at the most.
    pub reorder_by: Duration,
    /// Bytes that a host sends in a second; no limit if 0.
    pub rate: u64,
}

/// The least latency that a link may have: what a message needs through two kernels and a switch.
pub const LATENCY_MIN: Duration = Duration::from_micros(50);

impl Default for Link {
    /// A quiet local network.
    fn default() -> Self {
        Self {
            latency: Duration::from_micros(300),
            jitter: Duration::from_micros(200),
            loss: Chance::NEVER,
            duplicate: Chance::NEVER,
            reorder: Chance::NEVER,
            reorder_by: Duration::from_millis(20),
            rate: 0,
        }
    }
}

/// When a message arrives, from when it has left its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Journey {
    /// Not at all if nothing.
    pub(crate) first: Option<Duration>,
    /// The second time, if it arrives twice.
    pub(crate) second: Option<Duration>,
}

impl Link {
    /// The path between two hosts that are attached so.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let rate = match (self.rate, other.rate) {
            (0, rate) | (rate, 0) => rate,
            (one, two) => one.min(two),
        };
        Self {
            latency: self.latency.max(other.latency),
            jitter: self.jitter.max(other.jitter),
            loss: self.loss.max(other.loss),
            duplicate: self.duplicate.max(other.duplicate),
            reorder: self.reorder.max(other.reorder),
            reorder_by: self.reorder_by.max(other.reorder_by),
            rate,
        }
    }

    /// How long `bytes` occupy the sender.
    pub(crate) fn occupies(&self, bytes: usize) -> Duration {
        if self.rate == 0 {
            return Duration::ZERO;
        }
        let micros = (bytes as u128).saturating_mul(1_000_000) / u128::from(self.rate);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// The journey of a message over a connection.
    pub(crate) fn carry(&self, bytes: usize, rng: &mut impl Rng) -> Journey {
        let mut wait = Duration::ZERO;
        let mut arrived = false;
        for sending in 0..SENDINGS {
            if !self.loses(bytes, rng) {
                arrived = true;
                break;
            }
            wait += RESEND_AFTER * (1 << sending);
        }
        let first = arrived.then(|| wait + self.one_way(rng));
        let second = first.filter(|_| self.duplicate.happens(rng)).map(|_| wait + self.one_way(rng));
        Journey { first, second }
    }

    /// The journey of a datagram, which nobody sends again.
    pub(crate) fn cast(&self, bytes: usize, rng: &mut impl Rng) -> Journey {
        let first = (!self.loses(bytes, rng)).then(|| self.one_way(rng));
        let second = first.filter(|_| self.duplicate.happens(rng)).map(|_| self.one_way(rng));
        Journey { first, second }
    }

    /// By how much a message that is not lost arrives after one that was sent later, at the most.
    pub(crate) fn spread(&self) -> Duration {
        self.jitter + if self.reorder > Chance::NEVER { self.reorder_by } else { Duration::ZERO }
    }

    fn one_way(&self, rng: &mut impl Rng) -> Duration {
        let late = if self.reorder.happens(rng) { up_to(self.reorder_by, rng) } else { Duration::ZERO };
        self.latency + up_to(self.jitter, rng) + late
    }

    fn loses(&self, bytes: usize, rng: &mut impl Rng) -> bool {
        self.loss > Chance::NEVER && (0..=bytes / PACKET).any(|_| self.loss.happens(rng))
    }
}

/// A number less than `count`, and 0 if there is none.
pub(crate) fn pick(count: usize, rng: &mut impl Rng) -> usize {
    let drawn = rng.next_u64() % (count as u64).max(1);
    usize::try_from(drawn).unwrap_or(0)
}

/// A duration of at most `most`, evenly spread.
pub(crate) fn up_to(most: Duration, rng: &mut impl Rng) -> Duration {
    let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX - 1);
    if most == 0 { Duration::ZERO } else { Duration::from_micros(rng.next_u64() % (most + 1)) }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(7)
    }

    #[test]
    fn a_quiet_link_carries_everything_within_latency_and_jitter() {
        let (link, mut rng) = (Link::default(), rng());
        for _ in 0..1000 {
            let Journey { first: Some(first), second: None } = link.carry(500, &mut rng) else { panic!() };
            assert!((link.latency..=link.latency + link.jitter).contains(&first), "{first:?}");
        }
    }

    #[test]
    fn what_is_lost_on_a_connection_arrives_later_and_a_datagram_never() {
        let link = Link { loss: Chance::new(0.5).unwrap(), ..Link::default() };
        let mut rng = rng();
        let journeys: Vec<Journey> = (0..1000).map(|_| link.carry(500, &mut rng)).collect();
        let late = journeys.iter().filter(|journey| journey.first.is_some_and(|first| first > RESEND_AFTER));
        assert!((400..600).contains(&late.count()));
        let lost = journeys.iter().filter(|journey| journey.first.is_none()).count();
        assert!((1..30).contains(&lost), "one in 128, and not {lost}");
        let cast = (0..1000).filter(|_| link.cast(500, &mut rng).first.is_none()).count();
        assert!((400..600).contains(&cast), "{cast}");
    }

    #[test]
    fn more_packets_are_lost_more_often() {
        let link = Link { loss: Chance::new(0.1).unwrap(), ..Link::default() };
        let mut rng = rng();
        let lost = |bytes, rng: &mut ChaCha20Rng| {
            (0..2000).filter(|_| link.cast(bytes, rng).first.is_none()).count()
        };
        let (short, long) = (lost(100, &mut rng), lost(10_000, &mut rng));
        assert!(long > short * 3, "{short} and {long}");
    }

    #[test]
    fn the_worse_of_both_ends_counts() {
        let slow = Link { latency: Duration::from_millis(40), rate: 1000, ..Link::default() };
        let path = Link::default().and(&slow);
        assert_eq!((path.latency, path.rate), (slow.latency, 1000));
        assert_eq!(path.occupies(2000), Duration::from_secs(2));
        assert_eq!(Link::default().occupies(2000), Duration::ZERO);
    }

    #[test]
    fn a_probability_is_between_nothing_and_one() {
        assert_eq!(Chance::new(1.1), None);
        assert_eq!(Chance::new(-0.1), None);
        assert_eq!(Chance::new(f64::NAN), None);
        assert!((Chance::new(0.25).unwrap().as_f64() - 0.25).abs() < 1e-9);
    }
}
