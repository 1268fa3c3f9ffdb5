//! Who was seen, where, and with what certificate.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::certificate::{self, AuthenticatedPeer, CertificateDer, TrustAnchor, VerifiedCertificate};
use crate::codec;
use crate::control::{self, PeerRef, PeerState, Time};
use crate::hello::{ADDRESSES_MAX, Addresses};
use crate::identity::{NodeId, NodeName, id_range};
use crate::label::Digest;
use crate::record::{Record, Table, Write};
use crate::time::Timestamp;

/// Peers that a node remembers: those that it deals with, and on an authority everyone who is connected. About two
/// kilobytes each.
const PEERS_MAX: usize = 4096;

/// Discovered peers that are greeted at the same time, without anyone having asked for them.
const GREETINGS_MAX: usize = 16;

/// Authenticated peers up to which discovered ones are greeted without anyone having asked for them.
const GREETED_MAX: usize = 128;

/// How long a record of a peer stays as it is, though the peer is greeted again and again: one write a day for each.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// How long after its certificate's end a peer is remembered: as long as the authority remembers it.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How long an address that did not answer is left alone.
const REDIAL_AFTER: Duration = Duration::from_secs(1);

/// How far the greeting on the present connection is.
#[derive(Debug, Default)]
pub(super) enum Greeting {
    /// Not begun.
    #[default]
    None,
    /// This node's hello is on its way.
    Sent,
    /// The peer has proven that it is a member.
    Done(Box<AuthenticatedPeer>),
    /// The peer is no member, or does not take this node for one.
    Refused,
}

/// How many greetings nobody asked for have begun of late: [`GREETINGS_MAX`] in a second. Whoever announces peers that
/// are not there would otherwise make this node dial without end.
#[derive(Debug, Default)]
pub(super) struct Courtesy {
    since: Timestamp,
    begun: usize,
}

impl Courtesy {
    /// Counts one more greeting, if there is room for it.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        if now < self.since || now.since(self.since) >= Duration::from_secs(1) {
            *self = Self { since: now, begun: 0 };
        }
        let room = self.begun < GREETINGS_MAX;
        self.begun += usize::from(room);
        room
    }
}

/// What is known of a peer.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) certificate: Option<VerifiedCertificate>,
    /// Where it said that it is, or where it was reached.
    pub(super) addresses: Addresses,
    /// Where somebody said that it is: kept apart, so that hearsay pushes out only hearsay.
    pub(super) heard: Vec<SocketAddr>,
    pub(super) greeting: Greeting,
    /// The certificate of this node's that it was shown on the present connection.
    pub(super) shown: Option<Digest>,
    /// The certificate that it is being shown.
    pub(super) showing: Option<Digest>,
    pub(super) connected: Option<SocketAddr>,
    pub(super) dialling: bool,
    /// When every known address was last tried in vain, unless another one has become known since.
    pub(super) failed: Option<Timestamp>,
    pub(super) last_seen: Timestamp,
    pub(super) rtt_ms: Option<f64>,
    /// What the store was last given to keep of it.
    kept: Option<Keeping>,
}

/// What a record says, as far as it decides whether another is to be written.
#[derive(Debug, PartialEq, Eq)]
struct Keeping {
    certificate: Digest,
    addresses: Addresses,
    since: Timestamp,
}

impl Keeping {
    fn of(kept: &Kept, certificate: &VerifiedCertificate) -> Self {
        Self { certificate: certificate.digest(), addresses: kept.addresses.clone(), since: kept.last_seen }
    }

    /// Whether the record still says what `now` would be written. One from the future is written anew.
    fn holds(&self, now: &Self) -> bool {
        let fresh = self.since <= now.since && now.since < self.since.after(KEPT_FOR);
        fresh && self.certificate == now.certificate && self.addresses == now.addresses
    }
}

impl Peer {
    /// Puts an address first that the peer itself said, or at which it answered.
    fn prefer(&mut self, address: SocketAddr) {
        if put_first(&mut self.addresses.control, address) {
            self.failed = None;
        }
    }

    /// Puts an address first that somebody announced.
    fn hear(&mut self, address: SocketAddr) {
        if !self.addresses.control.contains(&address) && put_first(&mut self.heard, address) {
            self.failed = None;
        }
    }

    /// Every address, the more trustworthy first.
    pub(super) fn all_addresses(&self) -> Vec<SocketAddr> {
        self.addresses.control.iter().chain(&self.heard).copied().collect()
    }

    /// Where to try to connect, if there is any address that was not tried in vain just now.
    pub(super) fn worth_dialling(&self, now: Timestamp) -> Option<Vec<SocketAddr>> {
        // A failure that lies in the future was before the clock was set back.
        let tired = self.failed.is_some_and(|failed| failed <= now && now.since(failed) < REDIAL_AFTER);
        let addresses = self.all_addresses();
        (!tired && !addresses.is_empty()).then_some(addresses)
    }
}

/// What is kept of a peer that has proven its membership.
#[derive(Serialize, Deserialize)]
struct Kept {
    certificate: CertificateDer,
    addresses: Addresses,
    last_seen: Timestamp,
}

/// How a name or an id was resolved.
pub(super) enum Resolved {
    One(NodeId),
    None,
    Several(Vec<String>),
}

/// What became of a kept record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Remembered {
    /// The peer is known by it.
    Known,
    /// It is of no use any more and to be erased: it ended long ago, or there is no room for it.
    Spent,
    /// It cannot be read, or does not hold.
    Damaged,
}

#[derive(Default)]
pub(super) struct Peers {
    known: BTreeMap<[u8; 32], (NodeId, Peer)>,
    /// Peers that had to give way and of which the store still has a record: erased with the next write. Each was
    /// kept before, so there are at most as many as there are peers.
    evicted: BTreeSet<[u8; 32]>,
}

impl Peers {
    /// Takes in a kept record.
    pub(super) fn load(&mut self, record: &Record, anchor: &TrustAnchor, now: Timestamp) -> Remembered {
        let Ok(kept) = codec::decode::<Kept, 4096>(&record.value) else { return Remembered::Damaged };
        if self.known.len() >= PEERS_MAX {
            return Remembered::Spent;
        }
        // It held when it was kept; that it may have ended since is looked at when it is used.
        let Ok(certificate) = certificate::verify(anchor, &kept.certificate, kept.last_seen) else {
            return Remembered::Damaged;
        };
        if now >= certificate.not_after().after(FORGOTTEN_AFTER) {
            return Remembered::Spent;
        }
        let peer = Peer {
            kept: Some(Keeping::of(&kept, &certificate)),
            addresses: kept.addresses.bounded(),
            last_seen: kept.last_seen,
            certificate: Some(certificate.clone()),
            ..Peer::default()
        };
        self.known.insert(*certificate.node_id().as_bytes(), (certificate.node_id(), peer));
        Remembered::Known
    }

    pub(super) fn get(&self, id: NodeId) -> Option<&Peer> {
        self.known.get(id.as_bytes()).map(|(_, peer)| peer)
    }

    fn get_mut(&mut self, id: NodeId) -> Option<&mut Peer> {
        self.known.get_mut(id.as_bytes()).map(|(_, peer)| peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.known.values().map(|(id, peer)| (*id, peer))
    }

    /// Room for `id`, if need be that of the stranger who was not seen for longest; none among members alone.
    fn make(&mut self, id: NodeId, now: Timestamp) -> Option<&mut Peer> {
        if !self.known.contains_key(id.as_bytes()) && self.known.len() >= PEERS_MAX {
            let strangers =
                self.known.values().filter(|(_, peer)| !matches!(peer.greeting, Greeting::Done(_)));
            let rank = |peer: &Peer| (peer.certificate.is_some(), peer.connected.is_some(), peer.last_seen);
            let oldest = *strangers.min_by_key(|(_, peer)| rank(peer))?.0.as_bytes();
            let evicted = self.known.remove(&oldest);
            if evicted.is_some_and(|(_, peer)| peer.kept.is_some()) {
                self.evicted.insert(oldest);
            }
        }
        let (_, peer) = self.known.entry(*id.as_bytes()).or_insert_with(|| (id, Peer::default()));
        peer.last_seen = now;
        Some(peer)
    }

    /// A peer was discovered; says whether there is room for it.
    pub(super) fn seen(&mut self, id: NodeId, addresses: Vec<SocketAddr>, now: Timestamp) -> bool {
        let Some(peer) = self.make(id, now) else { return false };
        for address in addresses {
            peer.hear(address);
        }
        true
    }

    /// A connection is there. One that this node dialled shows an address that works.
    pub(super) fn connected(&mut self, id: NodeId, remote: SocketAddr, dialled: bool, now: Timestamp) {
        if let Some(peer) = self.make(id, now) {
            peer.connected = Some(remote);
            peer.failed = None;
            if dialled {
                peer.prefer(remote);
            }
        }
    }

    pub(super) fn disconnected(&mut self, id: NodeId, now: Timestamp) {
        if let Some(peer) = self.get_mut(id) {
            peer.connected = None;
            peer.greeting = Greeting::None;
            (peer.shown, peer.showing) = (None, None);
            peer.last_seen = now;
        }
    }

    pub(super) fn dial_began(&mut self, id: NodeId) {
        if let Some(peer) = self.get_mut(id) {
            peer.dialling = true;
        }
    }

    /// A dial has ended: in vain at the time `failed`, or with a connection.
    pub(super) fn dial_ended(&mut self, id: NodeId, failed: Option<Timestamp>) {
        if let Some(peer) = self.get_mut(id) {
            peer.dialling = false;
            peer.failed = failed;
        }
    }

    pub(super) fn set_greeting(&mut self, id: NodeId, greeting: Greeting) {
        if let Some(peer) = self.get_mut(id) {
            peer.greeting = greeting;
        }
    }

    /// The peer's membership was taken away, or this node's own.
    pub(super) fn refuse(&mut self, id: NodeId) {
        self.set_greeting(id, Greeting::Refused);
    }

    /// Whoever was refused, or refused this node, may be greeted again.
    pub(super) fn forget_refusals(&mut self) {
        for (_, peer) in self.known.values_mut() {
            if matches!(peer.greeting, Greeting::Refused) {
                peer.greeting = Greeting::None;
            }
        }
    }

    pub(super) fn show_begins(&mut self, id: NodeId, certificate: Digest) {
        if let Some(peer) = self.get_mut(id) {
            peer.showing = Some(certificate);
        }
    }

    /// The peer has taken note of this node's certificate, or has not.
    pub(super) fn show_ended(&mut self, id: NodeId, shown: Option<Digest>) {
        if let Some(peer) = self.get_mut(id) {
            peer.showing = None;
            peer.shown = shown.or(peer.shown);
        }
    }

    /// Forgets what was proven in a network that this node has left.
    pub(super) fn forget_certificates(&mut self) -> Vec<Write> {
        let mut writes = Vec::new();
        for (id, peer) in self.known.values_mut() {
            peer.greeting = Greeting::None;
            peer.certificate = None;
            if peer.kept.take().is_some() {
                writes.push(erase(id.as_bytes()));
            }
        }
        writes
    }

    pub(super) fn set_rtt(&mut self, id: NodeId, rtt_ms: f64) {
        if let Some(peer) = self.get_mut(id) {
            peer.rtt_ms = Some(rtt_ms);
        }
    }

    /// The peer has proven its membership on the present connection.
    pub(super) fn authenticated(
        &mut self,
        proven: AuthenticatedPeer,
        addresses: Addresses,
        now: Timestamp,
    ) -> Vec<Write> {
        let id = proven.node_id();
        let writes = self.learn(proven.certificate().clone(), addresses, now);
        if let Some(peer) = self.get_mut(id) {
            peer.greeting = Greeting::Done(Box::new(proven));
        }
        writes
    }

    /// The peer's certificate is known, from the peer or from the authority. The record of a peer is written when
    /// it says something new, and once a day: every connection begins with a greeting, and the store has better
    /// things to do. If such a write fails, the peer is asked for again after the next start.
    pub(super) fn learn(
        &mut self,
        certificate: VerifiedCertificate,
        addresses: Addresses,
        now: Timestamp,
    ) -> Vec<Write> {
        let id = certificate.node_id();
        let mut writes = Vec::new();
        // One name, one node: the newer certificate is the one that the authority stands for.
        let other = self.by_name(certificate.name()).filter(|other| *other != id);
        if let Some((id, other)) = other.and_then(|id| Some((id, self.get_mut(id)?))) {
            other.certificate = None;
            writes.extend(other.kept.take().map(|_| erase(id.as_bytes())));
        }
        let _ = self.make(id, now);
        writes.extend(core::mem::take(&mut self.evicted).iter().map(erase));
        let Some(peer) = self.get_mut(id) else { return writes };
        let addresses = addresses.bounded();
        for address in addresses.control.into_iter().rev() {
            peer.prefer(address);
        }
        if !addresses.lane.is_empty() {
            peer.addresses.lane = addresses.lane;
        }
        let kept = Kept {
            certificate: certificate.der().clone(),
            addresses: peer.addresses.clone(),
            last_seen: now,
        };
        // Whoever was refused as a stranger may be a member since.
        let new = peer.certificate.as_ref() != Some(&certificate);
        if new && matches!(peer.greeting, Greeting::Refused) {
            peer.greeting = Greeting::None;
        }
        let keeping = Keeping::of(&kept, &certificate);
        peer.certificate = Some(certificate);
        if !peer.kept.as_ref().is_some_and(|before| before.holds(&keeping)) {
            peer.kept = Some(keeping);
            // The last write to a key counts: it may have been evicted a moment ago.
            writes.push(Write::set(Table::Peers, id.as_bytes().as_slice(), codec::encode(&kept)));
        }
        writes
    }

    /// The peer, if it has proven its membership on the present connection, by a certificate that still holds.
    pub(super) fn member(&self, id: NodeId, now: Timestamp) -> Option<&AuthenticatedPeer> {
        match &self.get(id)?.greeting {
            Greeting::Done(proven) => proven.certificate().check_time(now).is_ok().then_some(proven.as_ref()),
            Greeting::None | Greeting::Sent | Greeting::Refused => None,
        }
    }

    /// The peer's certificate, if one is known that holds.
    pub(super) fn certificate(&self, id: NodeId, now: Timestamp) -> Option<&VerifiedCertificate> {
        self.get(id)?.certificate.as_ref().filter(|known| known.check_time(now).is_ok())
    }

    /// Whether a discovered peer should be greeted without anyone having asked for it.
    pub(super) fn wants_greeting(&self, id: NodeId) -> bool {
        let Some(peer) = self.get(id) else { return false };
        let fresh = peer.connected.is_none() && !peer.dialling && peer.certificate.is_none();
        let busy =
            self.iter().filter(|(_, peer)| peer.dialling || matches!(peer.greeting, Greeting::Sent)).count();
        let greeted = self.iter().filter(|(_, peer)| matches!(peer.greeting, Greeting::Done(_))).count();
        fresh && busy < GREETINGS_MAX && greeted < GREETED_MAX
    }

    fn by_name(&self, name: &NodeName) -> Option<NodeId> {
        let named =
            |peer: &Peer| peer.certificate.as_ref().is_some_and(|certificate| certificate.name() == name);
        self.iter().find(|(_, peer)| named(peer)).map(|(id, _)| id)
    }

    /// The node that a person means: by name before by id.
    pub(super) fn resolve(&self, peer: &PeerRef) -> Resolved {
        if let Some(id) = peer.as_str().parse().ok().and_then(|name| self.by_name(&name)) {
            return Resolved::One(id);
        }
        let Some(range) = id_range(peer.as_str()) else { return Resolved::None };
        let found: Vec<NodeId> = self.known.range(range).take(3).map(|(_, (id, _))| *id).collect();
        match found.as_slice() {
            [] => Resolved::None,
            [one] => Resolved::One(*one),
            several => Resolved::Several(several.iter().map(|id| self.label(*id)).collect()),
        }
    }

    /// The peer's name, or the beginning of its id.
    pub(super) fn label(&self, id: NodeId) -> String {
        let name =
            self.get(id).and_then(|peer| peer.certificate.as_ref()).map(|known| known.name().to_string());
        name.unwrap_or_else(|| id.short())
    }

    /// The peer as a user is shown it.
    pub(super) fn show(&self, id: NodeId, revoked: bool, now: Timestamp) -> Option<control::Peer> {
        let peer = self.get(id)?;
        let known = peer.certificate.as_ref();
        let state = match known {
            None => PeerState::Seen,
            Some(_) if revoked => PeerState::Revoked,
            Some(certificate) if certificate.check_time(now).is_err() => PeerState::Expired,
            Some(_) if self.member(id, now).is_some() => PeerState::Connected,
            Some(_) => PeerState::Certified,
        };
        Some(control::Peer {
            name: known.map(|known| known.name().clone()),
            id,
            entity: known.map(|known| known.entity().clone()),
            state,
            addresses: peer.all_addresses(),
            rtt_ms: peer.rtt_ms,
            not_after: known.map(|known| Time(known.not_after())),
        })
    }
}

fn erase(id: &[u8; 32]) -> Write {
    Write::erase(Table::Peers, id.as_slice())
}

/// Puts `address` first, and keeps at most [`ADDRESSES_MAX`]; says whether it is new.
fn put_first(addresses: &mut Vec<SocketAddr>, address: SocketAddr) -> bool {
    let new = !addresses.contains(&address);
    addresses.retain(|other| *other != address);
    addresses.insert(0, address);
    addresses.truncate(ADDRESSES_MAX);
    new
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::certificate::{LEAF_LIFE_MAX, Role, Subject, Validity, issue_ca, issue_leaf};
    use crate::identity::{CaKey, Fingerprint, IdentityKey, SealingKey};

    const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);
    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// A record says something new, or is a day old: the greeting that every connection begins with writes nothing.
    #[test]
    fn a_peer_that_has_not_changed_is_written_once_a_day() {
        let (network, mut peers) = (Network::new(), Peers::default());
        let till = network.leaf(1, "till", NOW);
        assert_eq!(erased_and_set(&peers.learn(till.clone(), at(1), NOW)), (0, 1));
        for (addresses, passed, written) in [
            (at(1), HOUR, 0),
            (Addresses::default(), HOUR * 2, 0),
            (at(1), HOUR * 23, 0),
            (at(1), HOUR * 24, 1),
            (at(1), HOUR * 25, 0),
            (at(2), HOUR * 26, 1),
            (at(2), HOUR * 27, 0),
        ] {
            let writes = peers.learn(till.clone(), addresses, NOW.after(passed));
            assert_eq!(erased_and_set(&writes), (0, written), "after {passed:?}");
        }
        let renewed = network.leaf(1, "till", NOW.after(HOUR * 28));
        assert_eq!(erased_and_set(&peers.learn(renewed.clone(), at(2), NOW.after(HOUR * 28))), (0, 1));
        // The clock was set back: what is on record lies in the future.
        assert_eq!(erased_and_set(&peers.learn(renewed, at(2), NOW.after(HOUR * 27))), (0, 1));
    }

    /// What was kept is what the next start knows, and it is not written again.
    #[test]
    fn a_loaded_record_is_not_written_again() {
        let (network, mut peers) = (Network::new(), Peers::default());
        let till = network.leaf(1, "till", NOW);
        let records = records(peers.learn(till.clone(), at(1), NOW));
        let mut peers = Peers::default();
        assert_eq!(peers.load(&records[0], &network.anchor, NOW), Remembered::Known);
        assert_eq!(erased_and_set(&peers.learn(till, at(1), NOW.after(HOUR))), (0, 0));
    }

    #[test]
    fn a_name_that_has_moved_takes_the_old_record_along() {
        let (network, mut peers) = (Network::new(), Peers::default());
        let _ = peers.learn(network.leaf(1, "till", NOW), at(1), NOW);
        let writes = peers.learn(network.leaf(2, "till", NOW), at(2), NOW);
        assert_eq!(erased_and_set(&writes), (1, 1));
        assert_eq!(writes[0].key, network.leaf(1, "till", NOW).node_id().as_bytes());
    }

    #[test]
    fn a_peer_is_forgotten_90_days_after_its_end() {
        let (network, mut peers) = (Network::new(), Peers::default());
        let till = network.leaf(1, "till", NOW);
        let end = till.not_after().after(FORGOTTEN_AFTER);
        let record = records(peers.learn(till, at(1), NOW)).remove(0);
        let load = |now| Peers::default().load(&record, &network.anchor, now);
        assert_eq!(load(Timestamp::from_millis(end.as_millis() - 1)), Remembered::Known);
        assert_eq!(load(end), Remembered::Spent);
    }

    /// Whoever has to give way leaves nothing behind: not in the table that is full, nor in a store that holds more
    /// than fits.
    #[test]
    fn a_peer_that_gave_way_is_erased() {
        let network = Network::new();
        let till = network.leaf(1, "till", NOW);
        let mut full = Peers::default();
        let _ = full.learn(till.clone(), at(1), NOW);
        for number in 1..PEERS_MAX as u64 {
            // Connected, so they rank higher than one that is not.
            let node = IdentityKey::from_seed(&seed(number + 1)).node_id();
            full.connected(node, at(1).control[0], false, NOW);
            full.get_mut(node).unwrap().certificate = Some(till.clone());
        }
        full.get_mut(till.node_id()).unwrap().certificate = None;
        let writes = full.learn(network.leaf(9_999, "newcomer", NOW), at(2), NOW);
        assert_eq!(erased_and_set(&writes), (1, 1));
        assert_eq!(writes[0].key, till.node_id().as_bytes());

        let record = records(Peers::default().learn(till, at(1), NOW)).remove(0);
        assert_eq!(full.load(&record, &network.anchor, NOW), Remembered::Spent);
    }

    struct Network {
        key: CaKey,
        anchor: TrustAnchor,
    }

    impl Network {
        fn new() -> Self {
            let key = CaKey::from_seed(&[1; 32]);
            let network = "shop.lan".parse().unwrap();
            let ca = issue_ca(&key, &network, NOW, &mut rng(0)).unwrap();
            let anchor = TrustAnchor::new(ca, Fingerprint::of(&key.public_key()), network).unwrap();
            Self { key, anchor }
        }

        fn leaf(&self, node: u64, name: &str, now: Timestamp) -> VerifiedCertificate {
            let subject = Subject {
                name: name.parse().unwrap(),
                network: self.anchor.network().clone(),
                entity: "shop".parse().unwrap(),
                role: Role::Member,
                node: IdentityKey::from_seed(&seed(node)).node_id(),
                sealing: SealingKey::from_bytes(&seed(node)).public_key(),
            };
            let validity = Validity::starting(now, LEAF_LIFE_MAX).unwrap();
            let leaf = issue_leaf(&self.key, &self.anchor, subject, validity, &mut rng(node)).unwrap();
            certificate::verify(&self.anchor, &leaf, now).unwrap()
        }
    }

    fn rng(seed: u64) -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(seed)
    }

    fn seed(number: u64) -> [u8; 32] {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        seed
    }

    fn at(host: u8) -> Addresses {
        Addresses { control: vec![([10, 77, 0, host], 4610).into()], lane: Vec::new() }
    }

    fn erased_and_set(writes: &[Write]) -> (usize, usize) {
        let erased = writes.iter().filter(|write| write.value.is_none()).count();
        (erased, writes.len() - erased)
    }

    fn records(writes: Vec<Write>) -> Vec<Record> {
        let record = |write: Write| Some(Record { table: write.table, key: write.key, value: write.value? });
        writes.into_iter().filter_map(record).collect()
    }
}
