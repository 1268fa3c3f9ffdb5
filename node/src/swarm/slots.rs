//! Which connections of strangers may be open: a table without input or output.
//!
//! A connection holds a slot from its first packet until its peer has proven a certificate. A cap on slots
//! alone is a way to lock everybody out, so an address has few slots and few handshakes a second, and a
//! newcomer is not refused while some other address holds more slots than he does: the busiest gives one up.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::rates::Rates;
use crate::config::NetworkLimits;
use crate::origin::Origin;

/// Addresses that are remembered to have proven membership.
const MAX_PROVEN: usize = 1024;

/// A connection, as libp2p counts them: later ones are greater.
pub(super) type Id = libp2p::swarm::ConnectionId;

/// Why a connection gets no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Its address holds as many slots as an address may.
    #[error("{0} has {1} unproven connections already")]
    Address(Origin, u32),
    /// Its address has started too many handshakes of late.
    #[error("{0} starts more handshakes than {1} a second")]
    Rate(Origin, u32),
    /// Every slot is taken, and nobody holds more of them than its own address.
    #[error("all {0} slots for unproven connections are taken")]
    Full(u32),
    /// Its slot was given to another while its handshake lasted.
    #[error("its slot was given to another address")]
    GivenAway,
}

/// The slots and who holds them.
pub(super) struct Slots {
    limits: NetworkLimits,
    slots: BTreeMap<Id, Slot>,
    handshakes: Rates,
    proven: BTreeSet<Origin>,
}

struct Slot {
    address: Origin,
    /// Given to another: it no longer counts, and is closed as soon as that is possible.
    given_away: bool,
}

impl Slots {
    pub(super) fn new(limits: NetworkLimits) -> Self {
        let handshakes = Rates::new(limits.handshakes_per_second, limits.handshake_burst);
        Self { limits, slots: BTreeMap::new(), handshakes, proven: BTreeSet::new() }
    }

    /// Gives `id` a slot, maybe one that another had: that one is returned and has to be closed.
    ///
    /// # Errors
    /// [`Refusal`], and the connection has to be closed before any handshake.
    pub(super) fn take(&mut self, id: Id, address: Origin, now: Instant) -> Result<Option<Id>, Refusal> {
        let per_address = self.limits.pending_per_address.get();
        let own = self.held_by(address);
        let full = own >= per_address;
        if full && matches!(address, Origin::Address(_)) {
            return Err(Refusal::Address(address, per_address));
        }
        if !self.handshakes.charge(address, now) {
            return Err(Refusal::Rate(address, self.limits.handshakes_per_second.get()));
        }
        let given_up = if full {
            // A network may be several hosts: its oldest slot gives way, so that none keeps the others out.
            Some(self.give_up(|origin| origin == address, 0)?)
        } else if self.live() >= self.cap(address) {
            Some(self.give_up(|_| true, own)?)
        } else {
            None
        };
        self.slots.insert(id, Slot { address, given_away: false });
        Ok(given_up)
    }

    /// Whether `id` still has its slot, now that its handshake is done.
    ///
    /// # Errors
    /// [`Refusal::GivenAway`], and the connection has to be closed.
    pub(super) fn check(&self, id: Id) -> Result<(), Refusal> {
        match self.slots.get(&id) {
            Some(slot) if slot.given_away => Err(Refusal::GivenAway),
            Some(_) | None => Ok(()),
        }
    }

    /// The peer of `id` has proven membership: the slot is free, and its address gets in when others do not.
    pub(super) fn prove(&mut self, id: Id) {
        if let Some(slot) = self.slots.remove(&id) {
            if self.proven.len() >= MAX_PROVEN {
                self.proven.pop_first();
            }
            self.proven.insert(slot.address);
        }
    }

    /// What was proven from `address` counts no longer.
    pub(super) fn forget(&mut self, address: Origin) {
        self.proven.remove(&address);
    }

    /// `id` is closed.
    pub(super) fn release(&mut self, id: Id) {
        self.slots.remove(&id);
    }

    fn live(&self) -> u32 {
        count(self.slots.values().filter(|slot| !slot.given_away))
    }

    fn held_by(&self, address: Origin) -> u32 {
        count(self.slots.values().filter(|slot| !slot.given_away && slot.address == address))
    }

    fn cap(&self, address: Origin) -> u32 {
        let all = self.limits.pending.get();
        let reserved = self.limits.pending_reserved.get().min(all / 2);
        if self.proven.contains(&address) { all } else { all - reserved }
    }

    /// Takes the oldest slot of the address that holds most, of those that `may` give one up, if that is more than
    /// `own`. Of several, it is the one whose slot is oldest: nobody chooses an address for which others give way.
    fn give_up(&mut self, may: impl Fn(Origin) -> bool, own: u32) -> Result<Id, Refusal> {
        let full = Refusal::Full(self.limits.pending.get());
        // A slot that was given away is a socket until it is closed: those are bounded, too.
        if self.slots.len() >= 2 * self.limits.pending.get() as usize {
            return Err(full);
        }
        let mut held: BTreeMap<Origin, (u32, Id)> = BTreeMap::new();
        for (id, slot) in self.slots.iter().filter(|(_, slot)| !slot.given_away && may(slot.address)) {
            held.entry(slot.address).or_insert((0, *id)).0 += 1;
        }
        let (most, oldest) =
            held.into_values().max_by_key(|(held, oldest)| (*held, Reverse(*oldest))).ok_or(full)?;
        if most <= own {
            return Err(full);
        }
        if let Some(slot) = self.slots.get_mut(&oldest) {
            slot.given_away = true;
        }
        Ok(oldest)
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use core::num::NonZeroU32;
    use core::time::Duration;

    use super::*;

    /// D7: an address has few slots, and keeps only itself out.
    #[test]
    fn an_address_fills_its_own_slots_only() {
        let mut slots = Slots::new(limits());
        for id in 0..2 {
            assert_eq!(slots.take(conn(id), ip(1), now()), Ok(None));
        }
        assert_eq!(slots.take(conn(2), ip(1), now()), Err(Refusal::Address(ip(1), 2)));
        assert_eq!(slots.take(conn(3), ip(2), now()), Ok(None));
        slots.release(conn(0));
        assert_eq!(slots.take(conn(4), ip(1), now()), Ok(None));
    }

    /// D8: when all slots are taken, the busiest address gives one up and a newcomer gets in.
    #[test]
    fn the_busiest_address_gives_way_to_a_newcomer() {
        let mut slots = Slots::new(limits());
        for (id, host) in [(0, 1), (1, 2), (2, 2), (3, 3)] {
            assert_eq!(slots.take(conn(id), ip(host), now()), Ok(None));
        }
        assert_eq!(slots.take(conn(4), ip(9), now()), Ok(Some(conn(1))));
        assert_eq!(slots.check(conn(1)), Err(Refusal::GivenAway));
        assert_eq!(slots.check(conn(4)), Ok(()));
        assert_eq!(slots.take(conn(5), ip(9), now()), Err(Refusal::Full(6)), "nobody holds more than one");
    }

    /// D8: among addresses that hold as much, age decides and not the address.
    #[test]
    fn of_equally_busy_addresses_the_oldest_slot_gives_way() {
        for (first, second) in [(1, 9), (9, 1)] {
            let mut slots = Slots::new(limits());
            for (id, host) in [(0, first), (1, second), (2, second), (3, first)] {
                assert_eq!(slots.take(conn(id), ip(host), now()), Ok(None));
            }
            assert_eq!(slots.take(conn(4), ip(5), now()), Ok(Some(conn(0))));
        }
    }

    /// D7: some slots are kept for addresses that have proven membership.
    #[test]
    fn proven_addresses_find_room_where_strangers_do_not() {
        let mut slots = Slots::new(limits());
        assert_eq!(slots.take(conn(0), ip(1), now()), Ok(None));
        slots.prove(conn(0));
        for id in 1..=4 {
            assert_eq!(slots.take(conn(id.into()), ip(10 + id), now()), Ok(None));
        }
        assert_eq!(slots.take(conn(5), ip(1), now()), Ok(None), "no stranger had to go for it");
        assert_eq!(slots.take(conn(6), ip(1), now()), Ok(None));
    }

    /// D7: an address whose member is one no longer is let in like any other.
    #[test]
    fn a_forgotten_address_is_a_strangers() {
        let mut slots = Slots::new(limits());
        assert_eq!(slots.take(conn(0), ip(1), now()), Ok(None));
        slots.prove(conn(0));
        slots.forget(ip(1));
        for id in 1..=4 {
            assert_eq!(slots.take(conn(id.into()), ip(10 + id), now()), Ok(None));
        }
        assert_eq!(slots.take(conn(5), ip(1), now()), Ok(Some(conn(1))), "somebody had to go for it");
    }

    #[test]
    fn proving_gives_the_slot_back() {
        let mut slots = Slots::new(limits());
        for id in 0..100 {
            assert_eq!(slots.take(conn(id), ip(1), later(id)), Ok(None));
            slots.prove(conn(id));
        }
    }

    /// D8: an address that connects and goes, again and again, is slowed down.
    #[test]
    fn an_address_starts_so_many_handshakes_a_second() {
        let mut slots = Slots::new(limits());
        let start = now();
        for id in 0..3 {
            assert_eq!(slots.take(conn(id), ip(1), start), Ok(None));
            slots.release(conn(id));
        }
        assert_eq!(slots.take(conn(3), ip(1), start), Err(Refusal::Rate(ip(1), 20)));
        assert_eq!(slots.take(conn(4), ip(2), start), Ok(None), "others are not");
        assert_eq!(slots.take(conn(5), ip(1), start + Duration::from_millis(50)), Ok(None));
    }

    /// D7: a host that takes all addresses of its routed IPv6 network has the slots of one, and keeps no other host of
    /// that network out.
    #[test]
    fn a_routed_network_has_the_slots_of_one_address() {
        let mut slots = Slots::new(limits());
        let of = |host: u128| Origin::of(Ipv6Addr::from_bits((0x2001_0db8 << 96) + host).into(), |_| false);
        assert_eq!(slots.take(conn(0), of(1), now()), Ok(None));
        assert_eq!(slots.take(conn(1), of(2), now()), Ok(None));
        assert_eq!(slots.take(conn(2), of(3), now()), Ok(Some(conn(0))), "the oldest of the network goes");
        assert_eq!(slots.held_by(of(9)), 2);
        assert_eq!(slots.take(conn(3), of(1 << 64), now()), Ok(None), "the next network is another one");
    }

    /// D8: the table is bounded, whatever comes.
    #[test]
    fn a_flood_from_everywhere_fills_a_bounded_table() {
        let mut slots = Slots::new(limits());
        for id in 0..10_000 {
            let host = Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(id / 2).unwrap());
            let address = Origin::Address(host.into());
            let _ = slots.take(conn(id), address, now());
        }
        assert!(slots.slots.len() <= 12, "{}", slots.slots.len());
    }

    fn limits() -> NetworkLimits {
        let number = |number| NonZeroU32::new(number).unwrap();
        NetworkLimits {
            pending_per_address: number(2),
            pending: number(6),
            pending_reserved: number(2),
            handshake_burst: number(3),
            ..NetworkLimits::default()
        }
    }

    fn conn(id: usize) -> Id {
        Id::new_unchecked(id)
    }

    fn ip(host: u8) -> Origin {
        Origin::Address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, host)))
    }

    fn now() -> Instant {
        crate::ambient::monotonic()
    }

    fn later(seconds: usize) -> Instant {
        now() + Duration::from_secs(u64::try_from(seconds).unwrap())
    }
}
