//! How often an address may do something: a table of token buckets without input or output.

use core::num::NonZeroU32;
use core::time::Duration;
use std::collections::BTreeMap;
use std::time::Instant;

use crate::origin::Origin;

/// Addresses that are remembered. One that is forgotten starts with a full burst.
const MAX_ADDRESSES: usize = 1024;

/// A rate, and who has used how much of it of late.
pub(super) struct Rates {
    per_second: f64,
    burst: f64,
    buckets: BTreeMap<Origin, Bucket>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Rates {
    pub(super) fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        let [per_second, burst] = [per_second, burst].map(|number| f64::from(number.get()));
        Self { per_second, burst, buckets: BTreeMap::new() }
    }

    /// Charges `address` for once more, and says whether it may.
    #[must_use]
    pub(super) fn charge(&mut self, address: Origin, now: Instant) -> bool {
        if self.buckets.len() >= MAX_ADDRESSES && !self.buckets.contains_key(&address) {
            self.forget(now);
        }
        let bucket = self.buckets.entry(address).or_insert(Bucket { tokens: self.burst, at: now });
        let refilled = now.saturating_duration_since(bucket.at).as_secs_f64() * self.per_second;
        bucket.tokens = (bucket.tokens + refilled).min(self.burst);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    /// Forgets addresses that have been quiet, all of them if there are none: a flood from more addresses than
    /// are remembered is met by the slots, which every connection of a stranger holds one of.
    fn forget(&mut self, now: Instant) {
        self.buckets.retain(|_, bucket| now.saturating_duration_since(bucket.at) < Duration::from_secs(1));
        if self.buckets.len() >= MAX_ADDRESSES {
            self.buckets.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    /// D8: a burst at once, then so many a second; others are not slowed down.
    #[test]
    fn an_address_has_a_burst_and_a_rate() {
        let (mut rates, start) = (rates(), now());
        for _ in 0..3 {
            assert!(rates.charge(ip(1), start));
        }
        assert!(!rates.charge(ip(1), start));
        assert!(rates.charge(ip(2), start));
        let later = start + Duration::from_millis(50);
        assert!(rates.charge(ip(1), later));
        assert!(!rates.charge(ip(1), later));
    }

    /// D8: a host that takes all addresses of its routed IPv6 network is one.
    #[test]
    fn a_routed_network_has_one_rate() {
        let (mut rates, start) = (rates(), now());
        let of = |host: u128| Origin::of(Ipv6Addr::from_bits((0x2001_0db8 << 96) + host).into(), |_| false);
        let charged = (0..1000).filter(|host| rates.charge(of(*host), start)).count();
        assert_eq!(charged, 3);
        assert!(rates.charge(of(1 << 64), start), "the next network is another one");
    }

    #[test]
    fn quiet_saves_up_no_more_than_a_burst() {
        let (mut rates, start) = (rates(), now());
        let later = start + Duration::from_secs(3600);
        assert!(rates.charge(ip(1), start));
        let charged = (0..10).filter(|_| rates.charge(ip(1), later)).count();
        assert_eq!(charged, 3);
    }

    /// D8: the table is bounded, and whoever is busy stays in it while others are quiet.
    #[test]
    fn a_flood_from_everywhere_fills_a_bounded_table() {
        let (mut rates, start) = (rates(), now());
        for address in 0..1000 {
            assert!(rates.charge(ip(address), start));
        }
        let later = start + Duration::from_secs(2);
        let busy = (0..10).filter(|_| rates.charge(ip(5000), later)).count();
        for address in 1000..2000 {
            assert!(rates.charge(ip(address), later));
            assert!(rates.buckets.len() <= MAX_ADDRESSES, "{}", rates.buckets.len());
        }
        assert_eq!(busy, 3);
        assert!(!rates.charge(ip(5000), later));
    }

    /// 20 a second, 3 at once.
    fn rates() -> Rates {
        Rates::new(NonZeroU32::new(20).unwrap(), NonZeroU32::new(3).unwrap())
    }

    fn ip(host: u32) -> Origin {
        Origin::Address(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + host)))
    }

    fn now() -> Instant {
        crate::ambient::monotonic()
    }
}
