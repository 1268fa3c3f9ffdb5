//! How much of a lane one address, one ticket and one peer may have, and all of them.
//!
//! A connection that has proven nothing holds a slot of its *address*; at the cap of all of them the busiest
//! address gives way, so that no number of silent sockets keeps a newcomer out. A connection that has proven a
//! ticket gives that slot back and is counted for its ticket and its peer.

use core::cmp::Reverse;
use core::num::NonZeroU32;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanyard_protocol::identity::NodeId;
use lanyard_protocol::ticket::TicketId;
use tokio_util::sync::CancellationToken;

use crate::config::LaneLimits;
use crate::origin::Origin;

/// The slots of connections that have proven nothing.
#[derive(Clone, Debug)]
pub(super) struct Unproven {
    per_address: usize,
    in_all: usize,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    total: usize,
    origins: BTreeMap<Origin, VecDeque<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    evicted: CancellationToken,
}

impl Unproven {
    pub(super) fn new(limits: &LaneLimits) -> Self {
        let (per_address, in_all) = (count(limits.pending_per_address), count(limits.pending));
        Self { per_address, in_all, table: Arc::default() }
    }

    /// A slot for a connection from `origin`. An address that has all that it may have gets no more; of a
    /// network, which may be several hosts', the oldest slot gives way.
    pub(super) fn take(&self, origin: Origin) -> Option<UnprovenSlot> {
        let mut table = lock(&self.table);
        if table.origins.get(&origin).is_some_and(|held| held.len() >= self.per_address) {
            match origin {
                Origin::Address(_) | Origin::Member(_) => return None,
                Origin::Network(_) => table.evict_oldest(origin),
            }
        }
        if table.total >= self.in_all {
            table.evict();
        }
        let (id, evicted) = (table.next, CancellationToken::new());
        table.next += 1;
        table.total += 1;
        table.origins.entry(origin).or_default().push_back(Waiting { id, evicted: evicted.clone() });
        Some(UnprovenSlot { table: Arc::clone(&self.table), origin, id, evicted })
    }
}

impl Table {
    /// Takes the oldest slot of the busiest origin away; of several, of the one whose slot is oldest.
    fn evict(&mut self) {
        let age = |held: &VecDeque<Waiting>| Reverse(held.front().map(|oldest| oldest.id));
        let busiest = self.origins.iter().max_by_key(|(_, held)| (held.len(), age(held)));
        if let Some((&origin, _)) = busiest {
            self.evict_oldest(origin);
        }
    }

    fn evict_oldest(&mut self, origin: Origin) {
        if let Some(oldest) = self.origins.get(&origin).and_then(|held| held.front()) {
            oldest.evicted.cancel();
            let id = oldest.id;
            self.remove(origin, id);
        }
    }

    fn remove(&mut self, origin: Origin, id: u64) {
        let Some(held) = self.origins.get_mut(&origin) else { return };
        let before = held.len();
        held.retain(|waiting| waiting.id != id);
        self.total -= before - held.len();
        if held.is_empty() {
            self.origins.remove(&origin);
        }
    }
}

/// One slot, given back when dropped.
#[derive(Debug)]
pub(super) struct UnprovenSlot {
    table: Arc<Mutex<Table>>,
    origin: Origin,
    id: u64,
    evicted: CancellationToken,
}

impl UnprovenSlot {
    /// Cancelled when the slot is taken away.
    pub(super) fn evicted(&self) -> CancellationToken {
        self.evicted.clone()
    }
}

impl Drop for UnprovenSlot {
    fn drop(&mut self) {
        lock(&self.table).remove(self.origin, self.id);
    }
}

/// The channels that are open, by ticket and by peer.
#[derive(Debug)]
pub(super) struct Proven {
    per_ticket: usize,
    per_peer: usize,
    in_all: usize,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    tickets: BTreeMap<TicketId, usize>,
    peers: BTreeMap<NodeId, usize>,
}

impl Proven {
    pub(super) fn new(limits: &LaneLimits) -> Self {
        let (per_ticket, per_peer) = (count(limits.per_ticket), count(limits.per_peer));
        Self { per_ticket, per_peer, in_all: count(limits.open), counts: Arc::default() }
    }

    /// Whether one more channel would be let in. Nothing is counted.
    pub(super) fn has_room(&self, ticket: TicketId, peer: NodeId) -> bool {
        self.has_room_in(&lock(&self.counts), ticket, peer)
    }

    /// Counts one more channel, if there is room for it.
    pub(super) fn take(&self, ticket: TicketId, peer: NodeId) -> Option<ProvenSlot> {
        let mut counts = lock(&self.counts);
        if !self.has_room_in(&counts, ticket, peer) {
            return None;
        }
        counts.total += 1;
        *counts.tickets.entry(ticket).or_default() += 1;
        *counts.peers.entry(peer).or_default() += 1;
        Some(ProvenSlot { counts: Arc::clone(&self.counts), ticket, peer })
    }

    fn has_room_in(&self, counts: &Counts, ticket: TicketId, peer: NodeId) -> bool {
        counts.total < self.in_all
            && counts.tickets.get(&ticket).is_none_or(|count| *count < self.per_ticket)
            && counts.peers.get(&peer).is_none_or(|count| *count < self.per_peer)
    }
}

/// One open channel, counted until this is dropped.
#[derive(Debug)]
pub(super) struct ProvenSlot {
    counts: Arc<Mutex<Counts>>,
    ticket: TicketId,
    peer: NodeId,
}

impl Drop for ProvenSlot {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        counts.total -= 1;
        release(&mut counts.tickets, &self.ticket);
        release(&mut counts.peers, &self.peer);
    }
}

fn release<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn count(limit: NonZeroU32) -> usize {
    usize::try_from(limit.get()).unwrap_or(usize::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use lanyard_protocol::identity::IdentityKey;

    use super::*;

    fn limits() -> LaneLimits {
        let [two, three, four, five] = [2, 3, 4, 5].map(|number| NonZeroU32::new(number).unwrap());
        LaneLimits {
            pending_per_address: two,
            pending: four,
            per_ticket: two,
            per_peer: three,
            open: five,
            ..LaneLimits::default()
        }
    }

    fn host(last: u8) -> Origin {
        Origin::of(IpAddr::from([127, 0, 0, last]), |_| true)
    }

    fn routed(address: &str) -> Origin {
        Origin::of(address.parse().unwrap(), |_| false)
    }

    fn attached(address: &str) -> Origin {
        Origin::of(address.parse().unwrap(), |_| true)
    }

    /// D7, D8: one address has its share, and a slot comes back when it is dropped.
    #[test]
    fn an_address_has_its_share_and_no_more() {
        let unproven = Unproven::new(&limits());
        let first = unproven.take(host(1)).unwrap();
        let _second = unproven.take(host(1)).unwrap();
        assert!(unproven.take(host(1)).is_none());
        assert!(unproven.take(routed("::ffff:127.0.0.1")).is_none());
        drop(first);
        assert!(unproven.take(host(1)).is_some());
    }

    /// D7: on the local network, a host that holds all that it may keeps out nobody else.
    #[test]
    fn an_attached_ipv6_address_fills_its_own_slots_only() {
        let unproven = Unproven::new(&limits());
        let busy = [1, 2].map(|_| unproven.take(attached("2001:db8::1")).unwrap());
        assert!(unproven.take(attached("2001:db8::1")).is_none());
        let neighbour = unproven.take(attached("2001:db8::2")).unwrap();
        assert!(busy.iter().chain([&neighbour]).all(|slot| !slot.evicted.is_cancelled()));
    }

    /// D7, D8: from afar a /64 has one share, and nobody in it keeps the others of it out.
    #[test]
    fn the_oldest_of_a_routed_network_gives_way() {
        let unproven = Unproven::new(&limits());
        let held =
            ["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(|host| unproven.take(routed(host)).unwrap());
        assert_eq!(held.each_ref().map(|slot| slot.evicted.is_cancelled()), [true, false, false]);
        assert_eq!(lock(&unproven.table).total, 2);
        drop(held);
        assert_eq!(lock(&unproven.table).total, 0);
    }

    /// D8: among origins that hold as much, age decides and not the address.
    #[test]
    fn of_equally_busy_addresses_the_oldest_slot_gives_way() {
        let unproven = Unproven::new(&limits());
        let held = [3, 1, 4, 2].map(|last| unproven.take(host(last)).unwrap());
        let _newcomer = unproven.take(host(9)).unwrap();
        assert_eq!(held.map(|slot| slot.evicted.is_cancelled()), [true, false, false, false]);
    }

    /// D7: when all slots are taken the busiest address loses its oldest; a newcomer is let in.
    #[test]
    fn the_busiest_address_gives_way() {
        let unproven = Unproven::new(&limits());
        let busy = [unproven.take(host(1)).unwrap(), unproven.take(host(1)).unwrap()];
        let quiet = [unproven.take(host(2)).unwrap(), unproven.take(host(3)).unwrap()];
        let newcomer = unproven.take(host(4)).unwrap();
        let evicted: Vec<_> = busy.iter().chain(&quiet).map(|slot| slot.evicted.is_cancelled()).collect();
        assert_eq!(evicted, [true, false, false, false]);
        drop((busy, quiet, newcomer));
        assert_eq!(lock(&unproven.table).total, 0);
        assert!(lock(&unproven.table).origins.is_empty());
    }

    /// D12: channels are counted for their ticket and their peer, and no longer than they live.
    #[test]
    fn channels_are_counted_by_ticket_and_by_peer() {
        let proven = Proven::new(&limits());
        let (a, b) = (IdentityKey::from_seed(&[1; 32]).node_id(), IdentityKey::from_seed(&[2; 32]).node_id());
        let held = [proven.take(TicketId([1; 16]), a).unwrap(), proven.take(TicketId([1; 16]), a).unwrap()];
        assert!(!proven.has_room(TicketId([1; 16]), a) && proven.take(TicketId([1; 16]), a).is_none());
        let third = proven.take(TicketId([2; 16]), a).unwrap();
        assert!(proven.take(TicketId([3; 16]), a).is_none());
        assert!(proven.take(TicketId([3; 16]), b).is_some());
        drop((held, third));
        assert!(lock(&proven.counts).tickets.is_empty() && lock(&proven.counts).peers.is_empty());
    }

    /// D12: there are so many channels in all, whoever has them, and room again when they have ended.
    #[test]
    fn there_are_so_many_channels_in_all() {
        let proven = Proven::new(&limits());
        let peers: [NodeId; 6] =
            core::array::from_fn(|seed| IdentityKey::from_seed(&[seed as u8 + 1; 32]).node_id());
        let mut held: Vec<_> = peers[..5]
            .iter()
            .map(|peer| proven.take(TicketId([peer.as_bytes()[0]; 16]), *peer).unwrap())
            .collect();
        assert!(
            !proven.has_room(TicketId([9; 16]), peers[5])
                && proven.take(TicketId([9; 16]), peers[5]).is_none()
        );
        held.pop();
        assert!(proven.take(TicketId([9; 16]), peers[5]).is_some());
    }
}
