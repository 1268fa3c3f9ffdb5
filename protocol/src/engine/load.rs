//! An engine from what the store holds.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::peers::{Peers, Remembered};
use super::people::People;
use super::tickets::Place;
use super::{Clock, Damaged, Engine, Local, Membership, Setup, Wires};
use crate::access::{Policy, PublishedPolicy};
use crate::certificate::{
    self, CertificateDer, LEAF_LIFE, LEAF_LIFE_MAX, LEAF_LIFE_MIN, TrustAnchor, Verified, VerifiedCertificate,
};
use crate::codec;
use crate::enrolment::{Authority, OwnRequest};
use crate::guest::Guests;
use crate::hello::Addresses;
use crate::identity::{Fingerprint, IdentityKey, NetworkName, NodeId, NodeKeys, SealingKey};
use crate::keyring::KeyRing;
use crate::people::{Actor, Directory};
use crate::record::{Record, Table, Write};
use crate::revocation::RevocationList;
use crate::snapshot::Member;
use crate::ticket::HeldTicket;
use crate::time::Timestamp;

/// Why there is no engine: without these records the node would start as somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// A record that the node cannot do without is damaged.
    #[error("the record of table {} is damaged, and without it the node is nobody", .0.name())]
    Damaged(Table),
    /// The node has a certificate and no keys: they were lost, and new ones would not fit it.
    #[error("the record of table keys is gone, though the node has a certificate")]
    KeysLost,
}

const KEYS: &[u8] = b"node";
const MEMBER: &[u8] = b"member";
const LOG_IN: &[u8] = b"log in";
const RESTORED: &[u8] = b"restored";

/// The mark of a state that was restored from an export: what was decided since `exported` is unknown to it.
#[must_use]
pub fn restored_mark(exported: Timestamp) -> Write {
    Write::set(Table::Membership, RESTORED, codec::encode(&exported))
}
const TIME: &[u8] = b"time";
const REQUEST: &[u8] = b"request";

#[derive(Serialize, Deserialize)]
struct KeptKeys {
    identity: Zeroizing<[u8; 32]>,
    sealing: Zeroizing<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
struct KeptMember {
    network: NetworkName,
    root: Fingerprint,
    ca: CertificateDer,
    leaf: CertificateDer,
    issued: Timestamp,
    home: NodeId,
}

fn keep_keys(keys: &NodeKeys) -> Write {
    let kept = KeptKeys { identity: keys.identity.seed(), sealing: keys.sealing.to_bytes() };
    Write::set(Table::Keys, KEYS, codec::encode(&kept))
}

/// The writes that make a node a member. Its keys are among them: what the first start has written of them may have
/// failed, on a disk that was full then.
pub(super) fn member_writes(
    keys: &NodeKeys,
    anchor: &TrustAnchor,
    leaf: &VerifiedCertificate,
    home: NodeId,
    now: Timestamp,
) -> Vec<Write> {
    let kept = KeptMember {
        network: anchor.network().clone(),
        root: anchor.fingerprint(),
        ca: anchor.der().clone(),
        leaf: leaf.der().clone(),
        issued: now,
        home,
    };
    vec![keep_keys(keys), Write::set(Table::Membership, MEMBER, codec::encode(&kept))]
}

/// The write that keeps the latest signed time.
pub(super) fn keep_time(signed: Timestamp) -> Write {
    Write::set(Table::Membership, TIME, codec::encode(&signed))
}

/// Where a ticket is kept, if it is: those of people are not, for their log-ins end with this process.
fn ticket_key(place: &Place) -> Option<Vec<u8>> {
    let key = [place.provider.as_bytes().as_slice(), place.service.as_str().as_bytes()].concat();
    (place.actor == Actor::Node).then_some(key)
}

/// The write that keeps a ticket.
pub(super) fn keep_ticket(ticket: &HeldTicket) -> Option<Write> {
    let key = ticket_key(&Place::of(ticket))?;
    Some(Write::set(Table::Tickets, key, ticket.to_record()))
}

/// The write that forgets a ticket.
pub(super) fn erase_ticket(place: &Place) -> Option<Write> {
    ticket_key(place).map(|key| Write::erase(Table::Tickets, key))
}

/// Records that were read, and those that turned out to be of no use.
struct Loading {
    records: Vec<Record>,
    damaged: Vec<Damaged>,
}

impl Loading {
    fn of(&self, table: Table) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.table == table)
    }

    fn find(&self, table: Table, key: &[u8]) -> Option<&Record> {
        self.of(table).find(|record| record.key == key)
    }

    fn is_damaged(&self, table: Table) -> bool {
        self.damaged.iter().any(|damaged| damaged.table == table)
    }

    fn damage(&mut self, table: Table, key: &[u8]) {
        self.damaged.push(Damaged { table, key: String::from_utf8_lossy(key).escape_debug().collect() });
    }
}

pub(super) fn engine(
    setup: Setup,
    now: Timestamp,
    mut rng: Box<dyn CryptoRng + Send>,
) -> Result<Engine, SetupError> {
    let mut loading = Loading { records: setup.records, damaged: setup.damaged };
    let (kept, now) = kept_time(&mut loading, now);
    let (keys, mut first) = keys(&loading, &mut *rng)?;
    let leaf_life = setup.leaf_life.unwrap_or(LEAF_LIFE).clamp(LEAF_LIFE_MIN, LEAF_LIFE_MAX);
    let mut membership = membership(&mut loading, &keys, &setup.verified, leaf_life, now, &mut *rng)?;
    let published = policy(&mut loading, &mut membership);
    first.extend(mend_revocations(&mut membership, kept.unwrap_or_default()));
    let ((peers, spent), tickets) = match &membership.member {
        Some(member) => (
            peers(&mut loading, &member.anchor, membership.authority.is_some(), kept.unwrap_or_default()),
            tickets(&mut loading, &keys, member, now),
        ),
        None => Default::default(),
    };
    first.extend(spent);
    let people = people(&mut loading, setup.require_log_in, &mut *rng);
    let guests = guests(&mut loading);
    let request = own_request(&loading).filter(|_| membership.member.is_none());
    let mut engine = Engine {
        ring: Arc::new(KeyRing::new(now, &mut *rng)),
        keys: Arc::new(keys),
        membership,
        peers,
        tickets: super::Tickets::new(tickets),
        errands: super::Errands::default(),
        homing: super::Homing::default(),
        renewal: super::Renewal::default(),
        spread: super::Spread::default(),
        policies: super::Policies::new(published),
        people,
        guests,
        visits: super::Visits::default(),
        contacts: super::Contacts { addresses: setup.contacts, ..super::Contacts::default() },
        joining: None,
        stretching: BTreeMap::new(),
        pending: BTreeMap::new(),
        local: Local {
            addresses: Addresses::default(),
            online_check: setup.online_check,
            has_aes: setup.has_aes,
            leaf_life,
            restored: restored(&loading),
            damaged: loading.damaged,
            machine: setup.machine,
            own: request,
            verified: setup.verified,
            in_sight: None,
        },
        clock: Clock::new(now, setup.steady),
        wires: Wires::default(),
        rng,
    };
    engine.persist(first, Vec::new());
    engine.publish();
    engine.load_signed_time(kept);
    engine.schedule_renewal(now);
    Ok(engine)
}

/// The write that says that people have to log in at this node.
pub(super) fn keep_log_in_required() -> Write {
    Write::set(Table::Membership, LOG_IN, Vec::new())
}

fn people(loading: &mut Loading, require: Option<bool>, rng: &mut dyn CryptoRng) -> People {
    let mut load = |table| {
        let (directory, unread) = Directory::load(table, loading.of(table), &mut *rng);
        for key in unread {
            loading.damage(table, &key);
        }
        directory
    };
    let (local, network) = (load(Table::LocalUsers), load(Table::Users));
    let kept = loading.find(Table::Membership, LOG_IN).is_some();
    People::new(local, network, require.unwrap_or(kept))
}

/// Whoever was a guest of a service whose record is damaged is none any more, until its password is set again.
fn guests(loading: &mut Loading) -> Guests {
    let (guests, unread) = Guests::load(loading.of(Table::Guests));
    for key in unread {
        loading.damage(Table::Guests, &key);
    }
    guests
}

fn restored(loading: &Loading) -> Option<Timestamp> {
    codec::decode::<_, 16>(&loading.find(Table::Membership, RESTORED)?.value).ok()
}

/// The signed time that was kept, and the time that it is at least.
fn kept_time(loading: &mut Loading, wall: Timestamp) -> (Option<Timestamp>, Timestamp) {
    let record = loading.find(Table::Membership, TIME).map(|record| codec::decode::<_, 16>(&record.value));
    let kept = match record {
        Some(Ok(kept)) => Some(kept),
        Some(Err(_)) => {
            loading.damage(Table::Membership, TIME);
            None
        }
        None => None,
    };
    (kept, kept.map_or(wall, |kept: Timestamp| kept.max(wall)))
}

/// The write that keeps this node's own request to be admitted.
pub(super) fn keep_request(request: &OwnRequest) -> Write {
    Write::set(Table::Keys, REQUEST, codec::encode(request))
}

/// The write that forgets it.
pub(super) fn erase_request() -> Write {
    Write::erase(Table::Keys, REQUEST)
}

fn own_request(loading: &Loading) -> Option<OwnRequest> {
    codec::decode::<_, 512>(&loading.find(Table::Keys, REQUEST)?.value).ok()
}

fn keys(loading: &Loading, rng: &mut dyn CryptoRng) -> Result<(NodeKeys, Vec<Write>), SetupError> {
    if let Some(record) = loading.find(Table::Keys, KEYS) {
        let kept: KeptKeys =
            codec::decode::<_, 128>(&record.value).map_err(|_| SetupError::Damaged(Table::Keys))?;
        let identity = IdentityKey::from_seed(&kept.identity);
        return Ok((NodeKeys { identity, sealing: SealingKey::from_bytes(&kept.sealing) }, Vec::new()));
    }
    if loading.is_damaged(Table::Keys) {
        return Err(SetupError::Damaged(Table::Keys));
    }
    if loading.find(Table::Membership, MEMBER).is_some() {
        return Err(SetupError::KeysLost);
    }
    let keys = NodeKeys::generate(rng);
    let first = vec![keep_keys(&keys)];
    Ok((keys, first))
}

fn membership(
    loading: &mut Loading,
    keys: &NodeKeys,
    verified: &Verified,
    leaf_life: Duration,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<Membership, SetupError> {
    let damaged = SetupError::Damaged(Table::Membership);
    // Without the time that was kept the node is who it is.
    let is_time = |record: &Damaged| record.key.as_bytes() == TIME;
    if loading.damaged.iter().any(|record| record.table == Table::Membership && !is_time(record)) {
        return Err(damaged);
    }
    let Some(record) = loading.find(Table::Membership, MEMBER) else { return Ok(Membership::default()) };
    let (mut member, home) = member(record, keys, verified).ok_or(damaged)?;
    let (revocations, unread) = RevocationList::load(loading.of(Table::Revocations));
    member.revocations = Arc::new(revocations);
    for key in unread {
        loading.damage(Table::Revocations, &key);
    }
    // Without it the node still is a member: it serves the rest, and admits nobody.
    let authority = Authority::load(&loading.records, leaf_life, now, rng).unwrap_or_else(|_| {
        loading.damage(Table::Authority, b"ca");
        None
    });
    let authority =
        authority.filter(|authority| authority.anchor().fingerprint() == member.anchor.fingerprint());
    Ok(Membership { member: Some(Arc::new(member)), authority, home: Some(home) })
}

/// A list that has lost a record is not taken for whole: a member is told all of it again, and an authority signs
/// what is left anew, so that a member which knows more tells it.
fn mend_revocations(membership: &mut Membership, signed: Timestamp) -> Vec<Write> {
    let Some(member) = &membership.member else { return Vec::new() };
    let list = &member.revocations;
    if list.is_whole() {
        return Vec::new();
    }
    let (list, writes) = match &membership.authority {
        None => (list.without_head(), Vec::new()),
        Some(authority) => match authority.reissue(list, list.epoch() + 1, signed) {
            Ok(reissued) => (reissued.list, reissued.writes),
            Err(_) => return Vec::new(),
        },
    };
    membership.member = Some(Arc::new(Member { revocations: Arc::new(list), ..(**member).clone() }));
    writes
}

/// The policy that was kept. One that was damaged grants nothing until somebody tells it again: what it had taken away
/// must not come back.
fn policy(loading: &mut Loading, membership: &mut Membership) -> Option<PublishedPolicy> {
    let member = membership.member.as_ref()?;
    let damaged = loading.is_damaged(Table::Policy);
    let records: Vec<&Record> = loading.of(Table::Policy).collect();
    let loaded = PublishedPolicy::load(records.iter().copied(), &member.anchor);
    let mut notices = Arc::default();
    let (policy, published) = match loaded {
        Ok(Some(published)) => {
            notices = Arc::clone(published.notices());
            (published.policy().clone(), Some(published))
        }
        Ok(None) if !damaged => return None,
        Ok(None) => (Policy::nothing(), None),
        Err(key) => {
            if !damaged {
                loading.damage(Table::Policy, &key);
            }
            (Policy::nothing(), None)
        }
    };
    membership.member = Some(Arc::new(Member { policy, notices, ..(**member).clone() }));
    published
}

fn member(record: &Record, keys: &NodeKeys, verified: &Verified) -> Option<(Member, NodeId)> {
    let kept: KeptMember = codec::decode::<_, 8192>(&record.value).ok()?;
    let anchor = TrustAnchor::new(kept.ca, kept.root, kept.network).ok()?;
    // At the time of issue: a certificate that has ended since still says who this node is.
    let certificate = certificate::verify(&anchor, &kept.leaf, kept.issued).ok()?;
    let ours =
        certificate.node_id() == keys.node_id() && *certificate.sealing_key() == keys.sealing.public_key();
    ours.then(|| (Member::new(anchor, certificate, verified.clone()), kept.home))
}

/// `signed` is the latest time that somebody has signed: what the wall clock says makes nothing forgotten.
fn peers(
    loading: &mut Loading,
    anchor: &TrustAnchor,
    authority: bool,
    signed: Timestamp,
) -> (Peers, Vec<Write>) {
    let mut peers = if authority { Peers::of_authority() } else { Peers::default() };
    let (mut spent, mut unread) = (Vec::new(), Vec::new());
    for record in loading.of(Table::Peers) {
        match peers.load(record, anchor, signed) {
            Remembered::Known => {}
            Remembered::Spent => spent.push(Write::erase(Table::Peers, record.key.clone())),
            Remembered::Damaged => unread.push(record.key.clone()),
        }
    }
    for key in unread {
        loading.damage(Table::Peers, &key);
    }
    (peers, spent)
}

fn tickets(
    loading: &mut Loading,
    keys: &NodeKeys,
    member: &Member,
    now: Timestamp,
) -> BTreeMap<Place, Arc<HeldTicket>> {
    let mut tickets = BTreeMap::new();
    let mut unread = Vec::new();
    for record in loading.of(Table::Tickets) {
        match HeldTicket::from_record(&record.value, keys.node_id()) {
            Some(ticket) if ticket.usable(now) && !member.denies(ticket.terms().provider) => {
                tickets.insert(Place::of(&ticket), Arc::new(ticket));
            }
            Some(_) => {}
            None => unread.push(record.key.clone()),
        }
    }
    for key in unread {
        loading.damage(Table::Tickets, &key);
    }
    tickets
}
