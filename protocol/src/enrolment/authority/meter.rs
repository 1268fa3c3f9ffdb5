//! How often strangers may do a thing.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use crate::time::Timestamp;

/// Counts by address within a window; when it is over, all begin anew.
pub(super) struct Meter {
    window: Duration,
    per_address: u32,
    in_all: u32,
    since: Timestamp,
    used: u32,
    /// At most `in_all` of them.
    by: BTreeMap<IpAddr, u32>,
}

impl Meter {
    pub(super) fn new(window: Duration, per_address: u32, in_all: u32) -> Self {
        Self { window, per_address, in_all, since: Timestamp::default(), used: 0, by: BTreeMap::new() }
    }

    /// Whether `address` may do it once more.
    pub(super) fn take(&mut self, address: IpAddr, now: Timestamp) -> bool {
        // A clock that was set back ends the window as well, or it might never end.
        if now < self.since || now.since(self.since) >= self.window {
            (self.since, self.used) = (now, 0);
            self.by.clear();
        }
        let by = self.by.get(&address).copied().unwrap_or(0);
        if self.used >= self.in_all || by >= self.per_address {
            return false;
        }
        self.used += 1;
        self.by.insert(address, by + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_address_and_in_all_and_begins_anew() {
        let mut meter = Meter::new(Duration::from_secs(60), 2, 3);
        let start = Timestamp::from_secs(1000);
        let [a, b]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        let taken = [a, a, a, b, b].map(|address| meter.take(address, start));
        assert_eq!(taken, [true, true, false, true, false]);
        assert!(meter.take(b, start.after(Duration::from_secs(60))));
        assert!(meter.take(a, start), "a clock that was set back locks nobody out");
    }
}
