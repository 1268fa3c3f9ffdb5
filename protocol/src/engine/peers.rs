//! Who was seen, where, and with what certificate.

mod kept;
mod peer;
mod table;
#[cfg(test)]
mod tests;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeSet;

pub(super) use self::kept::Remembered;
use self::kept::{FORGOTTEN_AFTER, Keeping, Kept, erase};
pub(super) use self::peer::{Greeting, Peer};
use self::table::Table;
use crate::certificate::{self, AuthenticatedPeer, CertificateError, TrustAnchor, VerifiedCertificate};
use crate::codec;
use crate::control::{self, PeerRef, PeerState, Time};
use crate::hello::Addresses;
use crate::identity::{NodeId, id_range};
use crate::label::Digest;
use crate::record::{self, Record, Write};
use crate::time::Timestamp;

/// Peers that a member remembers: those that it deals with. About two kilobytes each.
pub(super) const PEERS_MAX: usize = 4096;

/// Peers that an authority remembers: everyone who is connected, and so as many as it enrols.
pub(super) const PEERS_OF_AUTHORITY: usize = 16_384;

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

pub(super) struct Peers {
    known: Table,
    /// How many there may be.
    most: usize,
    /// Peers that had to give way and of which the store still has a record: erased with the next write. Each was
    /// kept before, so there are at most as many as there are peers.
    evicted: BTreeSet<[u8; 32]>,
}

impl Default for Peers {
    fn default() -> Self {
        Self { known: Table::default(), most: PEERS_MAX, evicted: BTreeSet::new() }
    }
}

impl Peers {
    /// As many as an authority has room for.
    pub(super) fn of_authority() -> Self {
        Self { most: PEERS_OF_AUTHORITY, ..Self::default() }
    }

    /// From now on there is as much room as an authority has.
    pub(super) const fn make_room_for_authority(&mut self) {
        self.most = PEERS_OF_AUTHORITY;
    }

    /// Takes in a kept record.
    pub(super) fn load(&mut self, record: &Record, anchor: &TrustAnchor, now: Timestamp) -> Remembered {
        let Ok(kept) = codec::decode::<Kept, 4096>(&record.value) else { return Remembered::Damaged };
        if self.known.len() >= self.most {
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
        self.known.insert(certificate.node_id(), peer);
        Remembered::Known
    }

    pub(super) fn get(&self, id: NodeId) -> Option<&Peer> {
        self.known.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.known.iter()
    }

    /// Whether there is room for `id`, if need be that of the stranger who was not seen for longest; none while members
    /// alone fill it. Who has room is known from then on.
    pub(super) fn has_room(&mut self, id: NodeId, now: Timestamp) -> bool {
        if self.known.get(id).is_none() {
            if self.known.len() >= self.most && !self.evict() {
                return false;
            }
            self.known.insert(id, Peer::default());
        }
        self.known.change(id, |peer| peer.last_seen = now);
        true
    }

    /// The stranger who was not seen for longest gives way; says whether there was one.
    fn evict(&mut self) -> bool {
        let strangers = self.known.iter().filter(|(_, peer)| !matches!(peer.greeting, Greeting::Done(_)));
        let rank = |peer: &Peer| (peer.certificate.is_some(), peer.connected.is_some(), peer.last_seen);
        let oldest = strangers.min_by_key(|(_, peer)| rank(peer)).map(|(id, _)| id);
        let evicted = oldest.and_then(|oldest| self.known.remove(oldest));
        if let (Some(oldest), Some(_)) = (oldest, evicted.as_ref().and_then(|peer| peer.kept.as_ref())) {
            self.evicted.insert(*oldest.as_bytes());
        }
        evicted.is_some()
    }

    /// A peer was discovered; says whether there is room for it.
    pub(super) fn seen(&mut self, id: NodeId, addresses: Vec<SocketAddr>, now: Timestamp) -> bool {
        self.has_room(id, now)
            && self
                .known
                .change(id, |peer| addresses.into_iter().for_each(|address| peer.hear(address)))
                .is_some()
    }

    /// A connection is there. One that this node dialled shows an address that works.
    pub(super) fn connected(&mut self, id: NodeId, remote: SocketAddr, dialled: bool, now: Timestamp) {
        if self.has_room(id, now) {
            self.known.change(id, |peer| {
                peer.connected = Some(remote);
                peer.failed = None;
                if dialled {
                    peer.prefer(remote);
                }
            });
        }
    }

    pub(super) fn disconnected(&mut self, id: NodeId, now: Timestamp) {
        self.known.change(id, |peer| {
            peer.connected = None;
            peer.greeting = Greeting::None;
            (peer.shown, peer.showing) = (None, None);
            peer.last_seen = now;
        });
    }

    pub(super) fn dial_began(&mut self, id: NodeId) {
        self.known.change(id, |peer| peer.dialling = true);
    }

    /// A dial has ended: in vain at the time `failed`, or with a connection.
    pub(super) fn dial_ended(&mut self, id: NodeId, failed: Option<Timestamp>) {
        self.known.change(id, |peer| (peer.dialling, peer.failed) = (false, failed));
    }

    pub(super) fn set_greeting(&mut self, id: NodeId, greeting: Greeting) {
        self.known.change(id, |peer| peer.greeting = greeting);
    }

    /// Why the certificate that the peer has shown is not believed, if it is not.
    pub(super) fn set_unproven(&mut self, id: NodeId, why: Option<CertificateError>) {
        self.known.change(id, |peer| peer.unproven = why);
    }

    /// The peer's membership was taken away, or this node's own.
    pub(super) fn refuse(&mut self, id: NodeId) {
        self.set_greeting(id, Greeting::Refused);
    }

    /// Whoever was refused, or refused this node, may be greeted again.
    pub(super) fn forget_refusals(&mut self) {
        self.known.change_all(|_, peer| {
            if matches!(peer.greeting, Greeting::Refused) {
                peer.greeting = Greeting::None;
            }
        });
    }

    pub(super) fn show_begins(&mut self, id: NodeId, certificate: Digest) {
        self.known.change(id, |peer| peer.showing = Some(certificate));
    }

    /// The peer has not taken note of this node's certificate after all.
    pub(super) fn forget_shown(&mut self, id: NodeId) {
        self.known.change(id, |peer| peer.shown = None);
    }

    /// The peer has taken note of this node's certificate, or has not.
    pub(super) fn show_ended(&mut self, id: NodeId, shown: Option<Digest>) {
        self.known.change(id, |peer| (peer.showing, peer.shown) = (None, shown.or(peer.shown)));
    }

    /// Forgets what was proven in a network that this node has left.
    pub(super) fn forget_certificates(&mut self) -> Vec<Write> {
        let mut writes = Vec::new();
        let mut ids = Vec::new();
        self.known.change_all(|id, peer| {
            ids.push(id);
            peer.greeting = Greeting::None;
            writes.extend(peer.kept.take().map(|_| erase(id.as_bytes())));
        });
        for id in ids {
            self.known.set_certificate(id, None);
        }
        writes
    }

    pub(super) fn set_rtt(&mut self, id: NodeId, rtt_ms: f64) {
        self.known.change(id, |peer| peer.rtt_ms = Some(rtt_ms));
    }

    /// The peer has proven its membership on the present connection. Greetings and their answers overtake each other, and
    /// on one connection a node's certificates only get newer: an older one takes the place of none that holds.
    pub(super) fn authenticated(
        &mut self,
        proven: AuthenticatedPeer,
        addresses: Addresses,
        now: Timestamp,
    ) -> Vec<Write> {
        let id = proven.node_id();
        let shown = proven.certificate().issued();
        if self.member(id, now).is_some_and(|known| known.certificate().issued() > shown) {
            return Vec::new();
        }
        let writes = self.learn(proven.certificate().clone(), addresses, now);
        self.set_greeting(id, Greeting::Done(Box::new(proven)));
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
        let other = self.known.by_name(certificate.name()).filter(|other| *other != id);
        if let Some(other) = other {
            self.known.set_certificate(other, None);
            let kept = self.known.change(other, |peer| peer.kept.take()).flatten();
            writes.extend(kept.map(|_| erase(other.as_bytes())));
        }
        let room = self.has_room(id, now);
        writes.extend(core::mem::take(&mut self.evicted).iter().map(erase));
        if room {
            // The last write to a key counts: it may have been evicted a moment ago.
            writes.extend(self.known.change(id, |peer| note(peer, &certificate, addresses, now)).flatten());
            self.known.set_certificate(id, Some(certificate));
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
        let counts = self.known.counts();
        fresh && counts.busy < GREETINGS_MAX && counts.greeted < GREETED_MAX
    }

    /// The node that a person means: by name before by id.
    pub(super) fn resolve(&self, peer: &PeerRef) -> Resolved {
        if let Some(id) = peer.as_str().parse().ok().and_then(|name| self.known.by_name(&name)) {
            return Resolved::One(id);
        }
        let Some(range) = id_range(peer.as_str()) else { return Resolved::None };
        let found: Vec<NodeId> = self.known.range(range).take(3).collect();
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

/// Takes note of where a peer with this certificate is; the write by which that is kept, if it is new.
fn note(
    peer: &mut Peer,
    certificate: &VerifiedCertificate,
    addresses: Addresses,
    now: Timestamp,
) -> Option<Write> {
    let addresses = addresses.bounded();
    for address in addresses.control.into_iter().rev() {
        peer.prefer(address);
    }
    if !addresses.lane.is_empty() {
        peer.addresses.lane = addresses.lane;
    }
    // Whoever was refused as a stranger may be a member since.
    let new = peer.certificate.as_ref() != Some(certificate);
    if new && matches!(peer.greeting, Greeting::Refused) {
        peer.greeting = Greeting::None;
    }
    let kept =
        Kept { certificate: certificate.der().clone(), addresses: peer.addresses.clone(), last_seen: now };
    let keeping = Keeping::of(&kept, certificate);
    if peer.kept.as_ref().is_some_and(|before| before.holds(&keeping)) {
        return None;
    }
    peer.kept = Some(keeping);
    let key = certificate.node_id();
    Some(Write::set(record::Table::Peers, key.as_bytes().as_slice(), codec::encode(&kept)))
}
