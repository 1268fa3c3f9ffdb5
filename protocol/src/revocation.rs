//! Memberships that were taken away before their certificates end.
//!
//! A revocation names a node's key and the serial number of its last certificate, and carries a signature of the
//! network's CA key of its own: whoever sees one may believe it, wherever it comes from. So denials only add up, in
//! whatever order they arrive. The *head*, also signed, says how far the list has come (its epoch) and what all of it
//! hashes to: who holds the head and the same hash has missed nothing.
//!
//! A revocation is dropped once no certificate of the key can be valid any more; the authority goes on refusing the
//! key (`enrolment`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::certificate::{SKEW, Serial, TrustAnchor, VerifiedCertificate};
use crate::codec;
use crate::identity::{CaKey, Fingerprint, KeyError, NodeId, Signature};
use crate::label::{Digest, Label};
use crate::record::{Record, Table, Write};
use crate::time::Timestamp;

/// Revocations that a list holds at most: of a large network's whole fleet, about a megabyte.
pub const ENTRIES_MAX: usize = 8192;

/// Revocations in one message: 140 bytes each at most, within a frame of 16 KiB.
pub const PAGE: usize = 96;

/// Why an update is not taken. Whoever sent it misbehaves, or is of another network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// The CA key has not signed it.
    #[error("a revocation is not signed by the network's CA key")]
    Signature,
    /// More revocations than a list holds.
    #[error("more than {ENTRIES_MAX} revocations")]
    TooMany,
}

impl From<KeyError> for RevocationError {
    fn from(_: KeyError) -> Self {
        Self::Signature
    }
}

/// One membership that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Whose: the key, so that no other encoding of its certificate helps.
    pub node: NodeId,
    /// The serial number of the last certificate that the key was given.
    pub serial: Serial,
    /// The list's version that it came with.
    pub epoch: u64,
    /// Since when.
    pub at: Timestamp,
    /// When the key's last certificate ends.
    pub until: Timestamp,
}

/// A revocation with the CA key's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRevocation {
    /// What is signed, together with the network's pin.
    pub revocation: Revocation,
    /// By the CA key.
    pub signature: Signature,
}

impl SignedRevocation {
    /// Whether the CA key of `anchor` has signed it.
    ///
    /// # Errors
    /// [`RevocationError::Signature`].
    pub fn verify(&self, anchor: &TrustAnchor) -> Result<(), RevocationError> {
        let signed = Signed { root: anchor.fingerprint(), statement: self.revocation };
        Ok(anchor.key().verify(Label::Revocation, &signed, &self.signature)?)
    }
}

/// How far a list has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version: it only grows.
    pub epoch: u64,
    /// The latest time that the authority had seen signed: what has ended by then is left out.
    pub issued: Timestamp,
    /// The hash of every revocation in the list, in the order of the nodes' ids.
    pub digest: Digest,
}

/// A head with the CA key's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// What is signed, together with the network's pin.
    pub head: Head,
    /// By the CA key.
    pub signature: Signature,
}

impl SignedHead {
    fn verify(&self, anchor: &TrustAnchor) -> Result<(), RevocationError> {
        let signed = Signed { root: anchor.fingerprint(), statement: self.head };
        Ok(anchor.key().verify(Label::RevocationHead, &signed, &self.signature)?)
    }
}

/// What a signature covers: no other network's statement is taken for this one's.
#[derive(Serialize)]
struct Signed<T> {
    root: Fingerprint,
    statement: T,
}

/// What one node tells another of a list: some of its revocations, and at the end of them the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// At most [`PAGE`], in the order of their epochs.
    pub revocations: Vec<SignedRevocation>,
    /// The head, unless more revocations follow.
    pub head: Option<SignedHead>,
}

/// What an update has changed.
#[derive(Debug)]
pub struct Merged {
    /// The list from now on.
    pub list: RevocationList,
    /// The nodes that were not denied before.
    pub news: Vec<NodeId>,
    /// What has to be kept.
    pub writes: Vec<Write>,
    /// Whether the list is the one that the update's head stands for; true of an update without a head.
    pub complete: bool,
}

/// A network's revocations, as far as a node knows them.
#[derive(Clone, Debug, Default)]
pub struct RevocationList {
    /// Shared: most updates change nothing, and cost no copy then.
    entries: Arc<BTreeMap<NodeId, SignedRevocation>>,
    /// When the first of them can be dropped: asked for after every input.
    next_end: Option<Timestamp>,
    head: Option<SignedHead>,
}

const HEAD_KEY: &[u8] = b"head";

impl RevocationList {
    /// The list that the records hold, and the keys of those that are none.
    #[must_use]
    pub fn load<'a>(records: impl Iterator<Item = &'a Record>) -> (Self, Vec<Vec<u8>>) {
        let (mut list, mut entries, mut unread) = (Self::default(), BTreeMap::new(), Vec::new());
        for record in records {
            if record.key == HEAD_KEY {
                match codec::decode::<_, 256>(&record.value) {
                    Ok(head) => list.head = Some(head),
                    Err(_) => unread.push(record.key.clone()),
                }
            } else {
                match codec::decode::<SignedRevocation, 256>(&record.value) {
                    Ok(entry) => drop(entries.insert(entry.revocation.node, entry)),
                    Err(_) => unread.push(record.key.clone()),
                }
            }
        }
        list.set_entries(entries);
        (list, unread)
    }

    /// The list's version, 0 before the first revocation.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.head.map_or(0, |signed| signed.head.epoch)
    }

    /// By which time what has ended was left out: the latest that the authority had seen signed.
    #[must_use]
    pub fn issued(&self) -> Option<Timestamp> {
        self.head.map(|signed| signed.head.issued)
    }

    /// The revocation that denies `node`, if one does.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<&SignedRevocation> {
        self.entries.get(&node)
    }

    /// Whether `node` is denied.
    #[must_use]
    pub fn denies(&self, node: NodeId) -> bool {
        self.entries.contains_key(&node)
    }

    /// Whether one more node can be revoked.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.entries.len() < ENTRIES_MAX
    }

    /// The next page for somebody who has the list up to `epoch`.
    #[must_use]
    pub fn since(&self, epoch: u64) -> Update {
        let mut later: Vec<SignedRevocation> =
            self.entries.values().filter(|entry| entry.revocation.epoch > epoch).copied().collect();
        later.sort_by_key(|entry| entry.revocation.epoch);
        let last_page = later.len() <= PAGE;
        if let Some(next) = later.get(PAGE).map(|entry| entry.revocation.epoch) {
            // The next page begins with a later epoch, and two histories of one authority may share some.
            let whole = later[..PAGE].partition_point(|entry| entry.revocation.epoch < next);
            later.truncate(if whole == 0 { PAGE } else { whole });
        }
        Update { revocations: later, head: self.head.filter(|_| last_page) }
    }

    /// The list with what `update` adds to it. Nothing that was denied is denied no more, but for what has ended by
    /// the time of the new head; an older head than the present one changes nothing.
    ///
    /// # Errors
    /// [`RevocationError`]; nothing of the update is to be believed then.
    pub fn merge(&self, update: &Update, anchor: &TrustAnchor) -> Result<Merged, RevocationError> {
        let unknown = |entry: &&SignedRevocation| {
            self.get(entry.revocation.node).is_none_or(|held| held.revocation.epoch < entry.revocation.epoch)
        };
        let ended = |entry: &&SignedRevocation| {
            self.issued().is_some_and(|issued| has_ended(&entry.revocation, issued))
        };
        let mut list = self.clone();
        let (mut news, mut writes) = (Vec::new(), Vec::new());
        for entry in update.revocations.iter().filter(|entry| unknown(entry) && !ended(entry)) {
            entry.verify(anchor)?;
            if Arc::make_mut(&mut list.entries).insert(entry.revocation.node, *entry).is_none() {
                news.push(entry.revocation.node);
            }
            writes.push(set(entry));
        }
        if list.entries.len() > ENTRIES_MAX {
            return Err(RevocationError::TooMany);
        }
        if !writes.is_empty() {
            list.next_end = first_end(&list.entries);
        }
        let complete = match &update.head {
            Some(head) if head.head.epoch > self.epoch() => {
                head.verify(anchor)?;
                list.advance(head, &mut writes)
            }
            Some(head) if head.head.epoch == self.epoch() => {
                let same = self.head.is_some_and(|held| held.head.digest == head.head.digest);
                if !same {
                    head.verify(anchor)?;
                }
                same
            }
            Some(_) => false,
            None => true,
        };
        Ok(Merged { list, news, writes, complete })
    }

    /// Goes on to `head`, if that is the head of this list.
    fn advance(&mut self, head: &SignedHead, writes: &mut Vec<Write>) -> bool {
        let (kept, ended) = self
            .entries
            .iter()
            .partition::<BTreeMap<_, _>, _>(|(_, entry)| !has_ended(&entry.revocation, head.head.issued));
        if digest(&kept) != head.head.digest {
            return false;
        }
        writes.extend(ended.keys().map(|node| Write::erase(Table::Revocations, node.as_bytes().as_slice())));
        writes.push(Write::set(Table::Revocations, HEAD_KEY, codec::encode(head)));
        self.set_entries(kept);
        self.head = Some(*head);
        true
    }

    /// When the next revocation can be dropped.
    #[must_use]
    pub const fn next_end(&self) -> Option<Timestamp> {
        self.next_end
    }

    fn set_entries(&mut self, entries: BTreeMap<NodeId, SignedRevocation>) {
        self.next_end = first_end(&entries);
        self.entries = Arc::new(entries);
    }

    /// Whether the list has everything that its head stands for. It has not if a record was lost. What is newer than the
    /// head, as what a node is shown of its own revocation, takes nothing away.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.head.is_none_or(|SignedHead { head, .. }| {
            let mut entries = live(&self.entries, head.issued);
            entries.retain(|_, entry| entry.revocation.epoch <= head.epoch);
            digest(&entries) == head.digest
        })
    }

    /// The list without its head: what there is of it is obeyed, and all of it is to be told again.
    #[must_use]
    pub(crate) fn without_head(&self) -> Self {
        Self { head: None, ..self.clone() }
    }

    /// Every record of the list.
    #[must_use]
    pub fn to_writes(&self) -> Vec<Write> {
        let head = self.head.map(|head| Write::set(Table::Revocations, HEAD_KEY, codec::encode(&head)));
        self.entries.values().map(set).chain(head).collect()
    }
}

fn live(entries: &BTreeMap<NodeId, SignedRevocation>, at: Timestamp) -> BTreeMap<NodeId, SignedRevocation> {
    let live = entries.iter().filter(|(_, entry)| !has_ended(&entry.revocation, at));
    live.map(|(node, entry)| (*node, *entry)).collect()
}

fn first_end(entries: &BTreeMap<NodeId, SignedRevocation>) -> Option<Timestamp> {
    entries.values().map(|entry| entry.revocation.until.after(SKEW)).min()
}

/// No certificate of the key can be valid at the time `now`.
fn has_ended(revocation: &Revocation, now: Timestamp) -> bool {
    revocation.until.after(SKEW) < now
}

fn set(entry: &SignedRevocation) -> Write {
    Write::set(Table::Revocations, entry.revocation.node.as_bytes().as_slice(), codec::encode(entry))
}

fn digest(entries: &BTreeMap<NodeId, SignedRevocation>) -> Digest {
    let entries: Vec<u8> = entries.values().flat_map(|entry| codec::encode(&entry.revocation)).collect();
    Label::RevocationDigest.hash(&[&entries])
}

/// When somebody is revoked.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The time, which this host's wall clock may have made up.
    pub now: Timestamp,
    /// The latest time that somebody else has signed: nothing is dropped from a list by any other.
    pub signed: Timestamp,
}

/// What only the holder of the CA key can do with a list.
pub(crate) struct Issuer<'a> {
    pub(crate) key: &'a CaKey,
    pub(crate) anchor: &'a TrustAnchor,
}

impl Issuer<'_> {
    fn signed<T: Serialize + Copy>(&self, purpose: Label, statement: T) -> Signature {
        self.key.sign(purpose, &Signed { root: self.anchor.fingerprint(), statement })
    }

    /// The list with one more node on it, whose certificates have all ended by `until`.
    ///
    /// # Errors
    /// [`RevocationError::TooMany`].
    pub(crate) fn revoke(
        &self,
        list: &RevocationList,
        certificate: &VerifiedCertificate,
        until: Timestamp,
        times: impl Into<Times>,
    ) -> Result<Merged, RevocationError> {
        let Times { now, signed } = times.into();
        let (node, serial) = (certificate.node_id(), certificate.serial());
        let revocation = Revocation { node, serial, epoch: list.epoch() + 1, at: now, until };
        let signature = self.signed(Label::Revocation, revocation);
        self.reissue(list, vec![SignedRevocation { revocation, signature }], list.epoch() + 1, signed)
    }

    /// The list with `more` on it and without what has ended, under a new head.
    ///
    /// # Errors
    /// [`RevocationError`].
    pub(crate) fn reissue(
        &self,
        list: &RevocationList,
        more: Vec<SignedRevocation>,
        epoch: u64,
        signed: Timestamp,
    ) -> Result<Merged, RevocationError> {
        let mut merged = list.merge(&Update { revocations: more, head: None }, self.anchor)?;
        let issued = list.issued().map_or(signed, |issued| issued.max(signed));
        let head = Head { epoch, issued, digest: digest(&live(&merged.list.entries, issued)) };
        let signature = self.signed(Label::RevocationHead, head);
        merged.complete = merged.list.advance(&SignedHead { head, signature }, &mut merged.writes);
        Ok(merged)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;
    use crate::certificate::{self, LEAF_LIFE, Role, Subject, Validity};
    use crate::identity::{NetworkName, NodeKeys};

    const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

    /// A network's CA, and those whom it revokes.
    struct Network {
        key: CaKey,
        anchor: TrustAnchor,
        rng: ChaCha20Rng,
    }

    impl Network {
        fn new(seed: u64) -> Self {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let key = CaKey::generate(&mut rng);
            let name: NetworkName = "shop.lan".parse().unwrap();
            let ca = certificate::issue_ca(&key, &name, NOW, &mut rng).unwrap();
            let anchor = TrustAnchor::new(ca, Fingerprint::of(&key.public_key()), name).unwrap();
            Self { key, anchor, rng }
        }

        fn member(&mut self) -> VerifiedCertificate {
            let keys = NodeKeys::generate(&mut self.rng);
            let network = self.anchor.network().clone();
            let subject = Subject {
                name: format!("node-{}", &keys.node_id().short()).parse().unwrap(),
                entity: network.default_entity(),
                network,
                role: Role::Member,
                node: keys.node_id(),
                sealing: keys.sealing.public_key(),
            };
            let validity = Validity::starting(NOW, LEAF_LIFE).unwrap();
            let der =
                certificate::issue_leaf(&self.key, &self.anchor, subject, validity, &mut self.rng).unwrap();
            certificate::verify(&self.anchor, &der, NOW).unwrap()
        }

        fn issuer(&self) -> Issuer<'_> {
            Issuer { key: &self.key, anchor: &self.anchor }
        }

        /// A list of so many, one revoked a second after the other.
        fn list(&mut self, revoked: u64) -> RevocationList {
            let mut list = RevocationList::default();
            for second in 0..revoked {
                let member = self.member();
                let at = NOW.after(Duration::from_secs(second));
                list = self.issuer().revoke(&list, &member, member.not_after(), at).unwrap().list;
            }
            list
        }
    }

    /// In a network whose clocks are right.
    impl From<Timestamp> for Times {
        fn from(now: Timestamp) -> Self {
            Self { now, signed: now }
        }
    }

    /// Sends `from` to `to` page by page, beginning after `epoch`.
    fn send(from: &RevocationList, to: &RevocationList, epoch: u64, anchor: &TrustAnchor) -> Merged {
        let (mut to, mut epoch) = (to.clone(), epoch);
        loop {
            let update = from.since(epoch);
            let merged = to.merge(&update, anchor).unwrap();
            if update.head.is_some() {
                return merged;
            }
            epoch = update.revocations.last().unwrap().revocation.epoch;
            to = merged.list;
        }
    }

    #[test]
    fn a_list_arrives_in_pages_and_in_deltas() {
        let mut network = Network::new(1);
        let old = network.list(3);
        let merged = send(&old, &RevocationList::default(), 0, &network.anchor);
        assert!(merged.complete && merged.news.len() == 3 && merged.list.epoch() == 3);
        let long = network.list(2 * PAGE as u64 + 7);
        let whole = send(&long, &RevocationList::default(), 0, &network.anchor);
        assert!(whole.complete && whole.list.epoch() == long.epoch());
        let nothing = send(&long, &whole.list, whole.list.epoch(), &network.anchor);
        assert!(nothing.complete && nothing.news.is_empty() && nothing.writes.is_empty());
    }

    /// B8: an older head changes nothing, and what it says no more is still denied.
    #[test]
    fn a_list_never_goes_back() {
        let mut network = Network::new(2);
        let old = network.list(2);
        let member = network.member();
        let new = network.issuer().revoke(&old, &member, member.not_after(), NOW).unwrap().list;
        let merged = new.merge(&old.since(0), &network.anchor).unwrap();
        assert_eq!((merged.list.epoch(), merged.writes.len(), merged.complete), (3, 0, false));
        assert!(merged.list.denies(member.node_id()));
    }

    /// B8: a head does not stand for a list that lacks one of its revocations.
    #[test]
    fn a_list_that_lacks_something_is_not_taken_for_whole() {
        let mut network = Network::new(3);
        let list = network.list(3);
        for missing in 0..3 {
            let mut update = list.since(0);
            update.revocations.remove(missing);
            let merged = RevocationList::default().merge(&update, &network.anchor).unwrap();
            assert!(!merged.complete && merged.news.len() == 2);
            assert_eq!(merged.list.epoch(), 0);
            let whole = send(&list, &merged.list, 0, &network.anchor);
            assert!(whole.complete && whole.news.len() == 1);
        }
    }

    /// B8: the CA key of another network of the same name revokes nothing here.
    #[test]
    fn refuses_what_another_network_signed() {
        let (mut network, mut other) = (Network::new(4), Network::new(5));
        let (list, foreign) = (network.list(1), other.list(2));
        let refused = list.merge(&foreign.since(0), &network.anchor).unwrap_err();
        assert_eq!(refused, RevocationError::Signature);
        // Nor does a signature for the one stand for the other.
        let entry = foreign.since(0).revocations[0];
        let head = SignedHead { head: foreign.head.unwrap().head, signature: entry.signature };
        let update = Update { revocations: Vec::new(), head: Some(head) };
        assert_eq!(foreign.merge(&update, &other.anchor).map(|merged| merged.complete), Ok(true));
        let fresh = RevocationList::default();
        assert_eq!(fresh.merge(&update, &other.anchor).unwrap_err(), RevocationError::Signature);
    }

    #[test]
    fn what_has_ended_is_dropped_by_all_at_the_same_head() {
        let mut network = Network::new(6);
        let list = network.list(2);
        let held = send(&list, &RevocationList::default(), 0, &network.anchor).list;
        let later = NOW.after(LEAF_LIFE).after(SKEW).after(Duration::from_secs(1));
        let issued = network.issuer().reissue(&list, Vec::new(), 3, later).unwrap();
        assert!(issued.complete && issued.list.entries.is_empty());
        let merged = send(&issued.list, &held, 2, &network.anchor);
        assert!(merged.complete && merged.list.entries.is_empty() && merged.list.epoch() == 3);
        // What was dropped does not come back with somebody who is behind.
        let again = merged.list.merge(&list.since(0), &network.anchor).unwrap();
        assert!(again.news.is_empty() && again.writes.is_empty());
    }

    /// B5, B7: a wall clock that is ahead drops nobody who was revoked before.
    #[test]
    fn only_signed_time_drops_a_revocation() {
        let mut network = Network::new(8);
        let (list, member) = (network.list(2), network.member());
        let ahead = Times { now: NOW.after(LEAF_LIFE * 2), signed: NOW };
        let merged = network.issuer().revoke(&list, &member, member.not_after(), ahead).unwrap();
        assert!(merged.complete && merged.list.entries.len() == 3);
    }

    /// B8: what two histories of one authority revoked at the same epoch comes on the same page.
    #[test]
    fn no_page_ends_between_two_of_one_epoch() {
        let mut network = Network::new(9);
        let list = network.list(PAGE as u64);
        let other = network.member();
        let forked = network.list(PAGE as u64 - 1);
        let forked = network.issuer().revoke(&forked, &other, other.not_after(), NOW).unwrap().list;
        let more = forked.entries.values().copied().collect();
        let both = network.issuer().reissue(&list, more, 1000, NOW).unwrap().list;
        let told = send(&both, &RevocationList::default(), 0, &network.anchor);
        assert!(told.complete && told.list.entries.len() == both.entries.len());
    }

    #[test]
    fn a_list_that_has_lost_a_record_is_not_whole() {
        let mut network = Network::new(10);
        let list = network.list(3);
        assert!(list.is_whole() && RevocationList::default().is_whole());
        let mut less = list.clone();
        Arc::make_mut(&mut less.entries).pop_first();
        assert!(!less.is_whole() && less.without_head().is_whole() && less.without_head().epoch() == 0);
    }

    /// B8: who knows more than its head says has lost nothing, and does not begin anew.
    #[test]
    fn a_list_that_knows_more_than_its_head_is_whole() {
        let mut network = Network::new(10);
        let (older, newer) = (network.list(3), network.list(4));
        let update = Update { head: None, ..newer.since(older.epoch()) };
        let merged = older.merge(&update, &network.anchor).unwrap();
        assert!(!merged.news.is_empty() && merged.list.epoch() == older.epoch());
        assert!(merged.list.is_whole());
    }

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let mut network = Network::new(7);
        let list = network.list(4);
        let mut records: Vec<Record> = list
            .to_writes()
            .into_iter()
            .map(|write| Record { table: write.table, key: write.key, value: write.value.unwrap() })
            .collect();
        let (read, unread) = RevocationList::load(records.iter());
        assert!(unread.is_empty() && read.entries == list.entries && read.head == list.head);
        records[0].value.pop();
        let (_, unread) = RevocationList::load(records.iter());
        assert_eq!(unread, [records[0].key.clone()]);
    }
}
