//! Keys that are never admitted again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Authority, AuthorityError, EnrolmentRecord, decode};
use crate::access::{Notices, PolicyError, PublishedPolicy};
use crate::certificate::VerifiedCertificate;
use crate::codec;
use crate::identity::{NodeId, NodeName, SealingPublicKey};
use crate::record::{Record, Table, Write};
use crate::reject::Reject;
use crate::revocation::{Issuer, Merged, RevocationError, RevocationList, Times};
use crate::time::Timestamp;

/// Characters of a reason that are kept.
const REASON_MAX: usize = 200;

/// What is kept of a node whose membership was taken away. It outlives the revocation list's entry.
///
/// Of a node whose enrolment the authority has forgotten, as after its store was restored, only the key is known.
#[derive(Serialize, Deserialize)]
struct DeniedNode {
    name: Option<NodeName>,
    node: NodeId,
    sealing: Option<SealingPublicKey>,
    at: Timestamp,
    reason: String,
}

/// The keys that were denied, and by what name they went.
#[derive(Default)]
pub(super) struct Denied {
    nodes: BTreeMap<NodeId, Option<NodeName>>,
    sealing: BTreeSet<SealingPublicKey>,
}

impl Denied {
    pub(super) fn load(records: &[Record]) -> Result<Self, AuthorityError> {
        let mut denied = Self::default();
        for record in records.iter().filter(|record| record.table == Table::Denied) {
            denied.insert(decode(record)?);
        }
        Ok(denied)
    }

    fn insert(&mut self, denied: DeniedNode) {
        self.sealing.extend(denied.sealing);
        self.nodes.insert(denied.node, denied.name);
    }

    fn add(&mut self, certificate: &VerifiedCertificate, reason: &str, at: Timestamp) -> Write {
        let (name, sealing) = (Some(certificate.name().clone()), Some(*certificate.sealing_key()));
        let reason = reason.chars().take(REASON_MAX).collect();
        self.keep(DeniedNode { name, node: certificate.node_id(), sealing, at, reason })
    }

    /// A node of which nothing else is known. Nothing if it is denied already.
    fn add_unknown(&mut self, node: NodeId, at: Timestamp) -> Option<Write> {
        let known = self.nodes.contains_key(&node);
        (!known).then(|| self.keep(DeniedNode { name: None, node, sealing: None, at, reason: String::new() }))
    }

    fn keep(&mut self, denied: DeniedNode) -> Write {
        let write = Write::set(Table::Denied, denied.node.as_bytes().as_slice(), codec::encode(&denied));
        self.insert(denied);
        write
    }

    /// Refuses a key that was denied, in whichever part.
    pub(super) fn check(&self, node: NodeId, sealing: &SealingPublicKey) -> Result<(), Reject> {
        if self.nodes.contains_key(&node) || self.sealing.contains(sealing) {
            return Err(Reject::Revoked);
        }
        Ok(())
    }
}

impl Authority {
    /// Takes the membership of an enrolled node away: its record ends, its key is never admitted again, and the list
    /// tells everyone.
    ///
    /// # Errors
    /// [`RevocationError::TooMany`].
    pub fn revoke(
        &mut self,
        certificate: &VerifiedCertificate,
        reason: &str,
        list: &RevocationList,
        times: Times,
    ) -> Result<Merged, RevocationError> {
        let ends = self.enrolments.ends(certificate);
        self.revoke_until(certificate, ends, reason, list, times)
    }

    /// Takes the membership of a node away whose name was given to another key ([`Verdict::Admitted`]).
    ///
    /// # Errors
    /// [`RevocationError::TooMany`].
    ///
    /// [`Verdict::Admitted`]: super::Verdict::Admitted
    pub fn revoke_replaced(
        &mut self,
        replaced: &EnrolmentRecord,
        list: &RevocationList,
        times: Times,
    ) -> Result<Merged, RevocationError> {
        self.revoke_until(&replaced.certificate, replaced.ends, "replaced", list, times)
    }

    fn revoke_until(
        &mut self,
        certificate: &VerifiedCertificate,
        ends: Timestamp,
        reason: &str,
        list: &RevocationList,
        times: Times,
    ) -> Result<Merged, RevocationError> {
        let mut merged = self.issuer().revoke(list, certificate, ends, times)?;
        merged.writes.extend(self.expel(certificate, reason, times.now));
        Ok(merged)
    }

    /// Ends the record of a node, and keeps its keys from ever being admitted again.
    fn expel(&mut self, certificate: &VerifiedCertificate, reason: &str, now: Timestamp) -> Vec<Write> {
        let denied = self.denied.add(certificate, reason, now);
        self.enrolments.remove(certificate.node_id()).into_iter().chain([denied]).collect()
    }

    /// Takes in revocations that this authority has signed and does not remember, as after its store was restored:
    /// the records of those nodes end again, and keys of which there is no record are denied all the same.
    pub fn recall(&mut self, news: &[NodeId], now: Timestamp) -> Vec<Write> {
        let mut writes = Vec::new();
        for node in news {
            match self.enrolments.by_node(*node).map(|record| record.certificate.clone()) {
                Some(certificate) => writes.extend(self.expel(&certificate, "", now)),
                None => writes.extend(self.denied.add_unknown(*node, now)),
            }
        }
        writes
    }

    /// The list under a new head of version `epoch`, without what has ended at the time `signed`, which others have
    /// signed: by a clock that runs ahead for a while those who were revoked would be heard again.
    ///
    /// # Errors
    /// [`RevocationError`].
    pub fn reissue(
        &self,
        list: &RevocationList,
        epoch: u64,
        signed: Timestamp,
    ) -> Result<Merged, RevocationError> {
        self.issuer().reissue(list, Vec::new(), epoch, signed)
    }

    /// The node that was denied under this name, or whose id this is the beginning of.
    #[must_use]
    pub fn denied_as(&self, name: &str) -> Option<NodeId> {
        let called = |(node, known): &(&NodeId, &Option<NodeName>)| {
            known.as_ref().is_some_and(|known| known.as_str() == name)
                || (name.len() >= 4 && node.to_string().starts_with(name))
        };
        self.denied.nodes.iter().find(called).map(|(node, _)| *node)
    }

    /// Every node with a live record.
    pub fn enrolled(&self, now: Timestamp) -> impl Iterator<Item = &EnrolmentRecord> {
        self.enrolments.live(now)
    }

    /// The CA key's word that `text` is the network's policy, with `notices` of users who have changed of late, as
    /// version `epoch`.
    ///
    /// # Errors
    /// [`PolicyError`]
    pub fn sign_policy(
        &self,
        text: &str,
        notices: Notices,
        epoch: u64,
    ) -> Result<PublishedPolicy, PolicyError> {
        PublishedPolicy::sign(&self.key, &self.anchor, (text, notices), epoch)
    }

    fn issuer(&self) -> Issuer<'_> {
        Issuer { key: &self.key, anchor: &self.anchor }
    }
}
