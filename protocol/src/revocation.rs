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
    /// When it was signed.
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
    entries: BTreeMap<NodeId, SignedRevocation>,
    head: Option<SignedHead>,
}

const HEAD_KEY: &[u8] = b"head";

impl RevocationList {
    /// The list that the records hold, and the keys of those that are none.
    #[must_use]
    pub fn load<'a>(records: impl Iterator<Item = &'a Record>) -> (Self, Vec<Vec<u8>>) {
        let (mut list, mut unread) = (Self::default(), Vec::new());
        for record in records {
            if record.key == HEAD_KEY {
                match codec::decode::<_, 256>(&record.value) {
                    Ok(head) => list.head = Some(head),
                    Err(_) => unread.push(record.key.clone()),
                }
            } else {
                match codec::decode::<SignedRevocation, 256>(&record.value) {
                    Ok(entry) => drop(list.entries.insert(entry.revocation.node, entry)),
                    Err(_) => unread.push(record.key.clone()),
                }
            }
        }
        (list, unread)
    }

    /// The list's version, 0 before the first revocation.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.head.map_or(0, |signed| signed.head.epoch)
    }

    /// When the list was signed.
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

    /// The next page for somebody who has the list up to `epoch`.
    #[must_use]
    pub fn since(&self, epoch: u64) -> Update {
        let mut later: Vec<SignedRevocation> =
            self.entries.values().filter(|entry| entry.revocation.epoch > epoch).copied().collect();
        later.sort_by_key(|entry| entry.revocation.epoch);
        let last_page = later.len() <= PAGE;
        later.truncate(PAGE);
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
            if list.entries.insert(entry.revocation.node, *entry).is_none() {
                news.push(entry.revocation.node);
            }
            writes.push(set(entry));
        }
        if list.entries.len() > ENTRIES_MAX {
            return Err(RevocationError::TooMany);
        }
        let complete = match &update.head {
            Some(head) if head.head.epoch > self.epoch() => {
                head.verify(anchor)?;
                list.advance(head, &mut writes)
            }
            Some(head) => head.head.epoch == self.epoch(),
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
        self.entries = kept;
        self.head = Some(*head);
        true
    }

    /// When the next revocation can be dropped.
    #[must_use]
    pub fn next_end(&self) -> Option<Timestamp> {
        self.entries.values().map(|entry| entry.revocation.until.after(SKEW)).min()
    }

    /// Every record of the list.
    #[must_use]
    pub fn to_writes(&self) -> Vec<Write> {
        let head = self.head.map(|head| Write::set(Table::Revocations, HEAD_KEY, codec::encode(&head)));
        self.entries.values().map(set).chain(head).collect()
    }
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
        now: Timestamp,
    ) -> Result<Merged, RevocationError> {
        let (node, serial) = (certificate.node_id(), certificate.serial());
        let revocation = Revocation { node, serial, epoch: list.epoch() + 1, at: now, until };
        let signature = self.signed(Label::Revocation, revocation);
        self.reissue(list, vec![SignedRevocation { revocation, signature }], list.epoch() + 1, now)
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
        now: Timestamp,
    ) -> Result<Merged, RevocationError> {
        let mut merged = list.merge(&Update { revocations: more, head: None }, self.anchor)?;
        let issued = list.issued().map_or(now, |issued| issued.max(now));
        let live: BTreeMap<NodeId, SignedRevocation> = merged
            .list
            .entries
            .iter()
            .filter(|(_, entry)| !has_ended(&entry.revocation, issued))
            .map(|(node, entry)| (*node, *entry))
            .collect();
        let head = Head { epoch, issued, digest: digest(&live) };
        let signature = self.signed(Label::RevocationHead, head);
        merged.complete = merged.list.advance(&SignedHead { head, signature }, &mut merged.writes);
        Ok(merged)
    }
}
