//! Who was seen, where, and with what certificate.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

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

#[derive(Default)]
pub(super) struct Peers(BTreeMap<[u8; 32], (NodeId, Peer)>);

impl Peers {
    /// Takes in a kept record; says whether it could be read and still holds.
    pub(super) fn load(&mut self, record: &Record, anchor: &TrustAnchor) -> bool {
        let Ok(kept) = codec::decode::<Kept, 4096>(&record.value) else { return false };
        if self.0.len() >= PEERS_MAX {
            return true;
        }
        // It held when it was kept; that it may have ended since is looked at when it is used.
        let Ok(certificate) = certificate::verify(anchor, &kept.certificate, kept.last_seen) else {
            return false;
        };
        let peer = Peer {
            addresses: kept.addresses.bounded(),
            last_seen: kept.last_seen,
            certificate: Some(certificate.clone()),
            ..Peer::default()
        };
        self.0.insert(*certificate.node_id().as_bytes(), (certificate.node_id(), peer));
        true
    }

    pub(super) fn get(&self, id: NodeId) -> Option<&Peer> {
        self.0.get(id.as_bytes()).map(|(_, peer)| peer)
    }

    fn get_mut(&mut self, id: NodeId) -> Option<&mut Peer> {
        self.0.get_mut(id.as_bytes()).map(|(_, peer)| peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.0.values().map(|(id, peer)| (*id, peer))
    }

    /// Room for `id`, if need be that of the stranger who was not seen for longest; none among members alone.
    fn make(&mut self, id: NodeId, now: Timestamp) -> Option<&mut Peer> {
        if !self.0.contains_key(id.as_bytes()) && self.0.len() >= PEERS_MAX {
            let strangers = self.0.values().filter(|(_, peer)| !matches!(peer.greeting, Greeting::Done(_)));
            let rank = |peer: &Peer| (peer.certificate.is_some(), peer.connected.is_some(), peer.last_seen);
            let oldest = *strangers.min_by_key(|(_, peer)| rank(peer))?.0.as_bytes();
            self.0.remove(&oldest);
        }
        let (_, peer) = self.0.entry(*id.as_bytes()).or_insert_with(|| (id, Peer::default()));
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

    /// Whoever was refused, or refused this node, may be greeted again.
    pub(super) fn forget_refusals(&mut self) {
        for (_, peer) in self.0.values_mut() {
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
        for (id, peer) in self.0.values_mut() {
            peer.greeting = Greeting::None;
            if peer.certificate.take().is_some() {
                writes.push(Write::erase(Table::Peers, id.as_bytes().as_slice()));
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
    ) -> Option<Write> {
        let id = proven.node_id();
        let certificate = proven.certificate().clone();
        let write = self.learn(certificate, addresses, now)?;
        self.get_mut(id)?.greeting = Greeting::Done(Box::new(proven));
        Some(write)
    }

    /// The peer's certificate is known, from the peer or from the authority.
    pub(super) fn learn(
        &mut self,
        certificate: VerifiedCertificate,
        addresses: Addresses,
        now: Timestamp,
    ) -> Option<Write> {
        let id = certificate.node_id();
        // One name, one node: the newer certificate is the one that the authority stands for.
        let other = self.by_name(certificate.name()).filter(|other| *other != id);
        if let Some(other) = other.and_then(|other| self.get_mut(other)) {
            other.certificate = None;
        }
        let peer = self.make(id, now)?;
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
        peer.certificate = Some(certificate);
        Some(Write::set(Table::Peers, id.as_bytes().as_slice(), codec::encode(&kept)))
    }

    /// The peer, if it has proven its membership on the present connection, by a certificate that still holds.
    pub(super) fn member(&self, id: NodeId, now: Timestamp) -> Option<&AuthenticatedPeer> {
        match &self.get(id)?.greeting {
            Greeting::Done(proven) => proven.certificate().check_time(now).is_ok().then_some(proven.as_ref()),
            Greeting::None | Greeting::Sent | Greeting::Refused => None,
        }
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
        let found: Vec<NodeId> = self.0.range(range).take(3).map(|(_, (id, _))| *id).collect();
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
    pub(super) fn show(&self, id: NodeId, now: Timestamp) -> Option<control::Peer> {
        let peer = self.get(id)?;
        let known = peer.certificate.as_ref();
        let state = match known {
            None => PeerState::Seen,
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

/// Puts `address` first, and keeps at most [`ADDRESSES_MAX`]; says whether it is new.
fn put_first(addresses: &mut Vec<SocketAddr>, address: SocketAddr) -> bool {
    let new = !addresses.contains(&address);
    addresses.retain(|other| *other != address);
    addresses.insert(0, address);
    addresses.truncate(ADDRESSES_MAX);
    new
}
