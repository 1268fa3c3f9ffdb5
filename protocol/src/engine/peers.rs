//! Who was seen, where, and with what certificate.

mod kept;
mod peer;
#[cfg(test)]
mod tests;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

pub(super) use self::kept::Remembered;
use self::kept::{FORGOTTEN_AFTER, Keeping, Kept, erase};
pub(super) use self::peer::{Greeting, Peer};
use crate::certificate::{self, AuthenticatedPeer, TrustAnchor, VerifiedCertificate};
use crate::codec;
use crate::control::{self, PeerRef, PeerState, Time};
use crate::hello::Addresses;
use crate::identity::{NodeId, NodeName, id_range};
use crate::label::Digest;
use crate::record::{Record, Table, Write};
use crate::time::Timestamp;

/// Peers that a node remembers: those that it deals with, and on an authority everyone who is connected. About two
/// kilobytes each.
pub(super) const PEERS_MAX: usize = 4096;

/// Discovered peers that are greeted at the same time, without anyone having asked for them.
const GREETINGS_MAX: usize = 16;

/// Authenticated peers up to which discovered ones are greeted without anyone having asked for them.
const GREETED_MAX: usize = 128;

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

/// How a name or an id was resolved.
pub(super) enum Resolved {
    One(NodeId),
    None,
    Several(Vec<String>),
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

    /// Whether there is room for `id`; none while members alone fill it.
    pub(super) fn has_room(&mut self, id: NodeId, now: Timestamp) -> bool {
        self.make(id, now).is_some()
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
            Greeting::None | Greeting::Sent | Greeting::Refused | Greeting::Busy => None,
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
