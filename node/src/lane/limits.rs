//! How much of a lane one address, one ticket and one peer may have.
//!
//! A connection that has proven nothing holds a slot of its *address*; at the cap of all of them the busiest
//! address gives way, so that no number of silent sockets keeps a newcomer out. A connection that has proven a
//! ticket gives that slot back and is counted for its ticket and its peer.

use core::num::NonZeroU32;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanyard_protocol::identity::NodeId;
use lanyard_protocol::ticket::TicketId;
use tokio_util::sync::CancellationToken;

use crate::config::LaneLimits;

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
    addresses: BTreeMap<IpAddr, VecDeque<Waiting>>,
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

    /// A slot for a connection from `address`, unless that has all that it may have.
    pub(super) fn take(&self, address: IpAddr) -> Option<UnprovenSlot> {
        let address = network(address);
        let mut table = lock(&self.table);
        if table.addresses.get(&address).is_some_and(|held| held.len() >= self.per_address) {
            return None;
        }
        if table.total >= self.in_all {
            table.evict();
        }
        let (id, evicted) = (table.next, CancellationToken::new());
        table.next += 1;
        table.total += 1;
        table.addresses.entry(address).or_default().push_back(Waiting { id, evicted: evicted.clone() });
        Some(UnprovenSlot { table: Arc::clone(&self.table), address, id, evicted })
    }
}

impl Table {
    /// Takes the oldest slot of the busiest address away.
    fn evict(&mut self) {
        let busiest = self.addresses.iter().max_by_key(|(_, held)| held.len()).map(|(address, _)| *address);
        if let Some(address) = busiest
            && let Some(oldest) = self.addresses.get(&address).and_then(|held| held.front())
        {
            oldest.evicted.cancel();
            let id = oldest.id;
            self.remove(address, id);
        }
    }

    fn remove(&mut self, address: IpAddr, id: u64) {
        let Some(held) = self.addresses.get_mut(&address) else { return };
        let before = held.len();
        held.retain(|waiting| waiting.id != id);
        self.total -= before - held.len();
        if held.is_empty() {
            self.addresses.remove(&address);
        }
    }
}

/// One slot, given back when dropped.
#[derive(Debug)]
pub(super) struct UnprovenSlot {
    table: Arc<Mutex<Table>>,
    address: IpAddr,
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
        lock(&self.table).remove(self.address, self.id);
    }
}

/// What shares one fate: an IPv4 address, or the /64 that one host may take all addresses of.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// The channels that are open, by ticket and by peer.
#[derive(Debug)]
pub(super) struct Proven {
    per_ticket: usize,
    per_peer: usize,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    tickets: BTreeMap<TicketId, usize>,
    peers: BTreeMap<NodeId, usize>,
}

impl Proven {
    pub(super) fn new(limits: &LaneLimits) -> Self {
        let (per_ticket, per_peer) = (count(limits.per_ticket), count(limits.per_peer));
        Self { per_ticket, per_peer, counts: Arc::default() }
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
        *counts.tickets.entry(ticket).or_default() += 1;
        *counts.peers.entry(peer).or_default() += 1;
        Some(ProvenSlot { counts: Arc::clone(&self.counts), ticket, peer })
    }

    fn has_room_in(&self, counts: &Counts, ticket: TicketId, peer: NodeId) -> bool {
        counts.tickets.get(&ticket).is_none_or(|count| *count < self.per_ticket)
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
    use lanyard_protocol::identity::IdentityKey;

    use super::*;

    fn limits() -> LaneLimits {
        let [two, three, four] = [2, 3, 4].map(|number| NonZeroU32::new(number).unwrap());
        LaneLimits {
            pending_per_address: two,
            pending: four,
            per_ticket: two,
            per_peer: three,
            ..LaneLimits::default()
        }
    }

    fn host(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    /// D7, D8: one address has its share, a slot comes back when it is dropped, and an IPv6 host is one address.
    #[test]
    fn an_address_has_its_share_and_no_more() {
        let unproven = Unproven::new(&limits());
        let first = unproven.take(host(1)).unwrap();
        let _second = unproven.take(host(1)).unwrap();
        assert!(unproven.take(host(1)).is_none());
        assert!(unproven.take("::ffff:127.0.0.1".parse().unwrap()).is_none());
        drop(first);
        assert!(unproven.take(host(1)).is_some());
        let six = |text: &str| unproven.take(text.parse().unwrap());
        let _held = (six("2001:db8::1").unwrap(), six("2001:db8::2").unwrap());
        assert!(six("2001:db8::3").is_none());
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
        assert!(lock(&unproven.table).addresses.is_empty());
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
}
