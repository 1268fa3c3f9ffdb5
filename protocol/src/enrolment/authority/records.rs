//! Who was enrolled. A record outlives its certificate, so that a node may renew after a long absence.

use core::time::Duration;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AuthorityError, decode};
use crate::certificate::{self, CertificateDer, TrustAnchor, VerifiedCertificate};
use crate::codec;
use crate::identity::{NodeId, NodeName, SealingPublicKey, id_range};
use crate::label::Digest;
use crate::record::{Record, Table, Write};
use crate::reject::Reject;
use crate::time::Timestamp;

/// How long a record lives after the last certificate was issued under it.
const RECORD_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A node that was enrolled.
#[derive(Debug)]
pub struct EnrolmentRecord {
    /// The certificate that was issued last.
    pub certificate: VerifiedCertificate,
    /// When that was.
    pub issued: Timestamp,
    /// When the last certificate of the key ends: not always the one that was issued last.
    pub(super) ends: Timestamp,
}

impl EnrolmentRecord {
    fn live(&self, now: Timestamp) -> bool {
        now < self.issued.after(RECORD_LIFE)
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    certificate: CertificateDer,
    issued: Timestamp,
    ends: Timestamp,
}

/// The records, by name, with an index by each key.
#[derive(Default)]
pub(super) struct Enrolments {
    records: BTreeMap<NodeName, EnrolmentRecord>,
    names: BTreeMap<[u8; 32], NodeName>,
    sealing: BTreeMap<SealingPublicKey, NodeId>,
}

impl Enrolments {
    pub(super) fn load(records: &[Record], anchor: &TrustAnchor) -> Result<Self, AuthorityError> {
        let mut enrolments = Self::default();
        for record in records.iter().filter(|record| record.table == Table::Enrolments) {
            let kept: Kept = decode(record)?;
            // At the time of issue, for it may have ended since.
            let certificate = certificate::verify(anchor, &kept.certificate, kept.issued)?;
            enrolments.insert(EnrolmentRecord { certificate, issued: kept.issued, ends: kept.ends });
        }
        Ok(enrolments)
    }

    fn insert(&mut self, record: EnrolmentRecord) {
        let certificate = &record.certificate;
        let (name, node) = (certificate.name().clone(), certificate.node_id());
        self.names.insert(*node.as_bytes(), name.clone());
        self.sealing.insert(*certificate.sealing_key(), node);
        self.records.insert(name, record);
    }

    /// Records that a certificate was issued.
    pub(super) fn add(&mut self, certificate: &VerifiedCertificate, now: Timestamp) -> Write {
        let ends = self.ends(certificate);
        let held = self.names.get(certificate.node_id().as_bytes()).cloned();
        for name in held.iter().chain([certificate.name()]) {
            self.take(name);
        }
        let kept = Kept { certificate: certificate.der().clone(), issued: now, ends };
        self.insert(EnrolmentRecord { certificate: certificate.clone(), issued: now, ends });
        Write::set(Table::Enrolments, certificate.name().as_str(), codec::encode(&kept))
    }

    /// When every certificate will have ended that the key of this one was ever given.
    pub(super) fn ends(&self, certificate: &VerifiedCertificate) -> Timestamp {
        let end = certificate.not_after();
        self.by_node(certificate.node_id()).map_or(end, |record| record.ends.max(end))
    }

    /// Ends the record of another node that has `name`, which goes to a new key: the one place where that happens.
    pub(super) fn end_replaced(&mut self, name: &NodeName) -> Option<EnrolmentRecord> {
        self.take(name)
    }

    fn take(&mut self, name: &NodeName) -> Option<EnrolmentRecord> {
        let old = self.records.remove(name)?;
        self.names.remove(old.certificate.node_id().as_bytes());
        self.sealing.remove(old.certificate.sealing_key());
        Some(old)
    }

    /// Ends the record of a node.
    pub(super) fn remove(&mut self, node: NodeId) -> Option<Write> {
        let name = self.names.get(node.as_bytes())?.clone();
        self.take(&name);
        Some(Write::erase(Table::Enrolments, name.as_str()))
    }

    /// The records that are live.
    pub(super) fn live(&self, now: Timestamp) -> impl Iterator<Item = &EnrolmentRecord> {
        self.records.values().filter(move |record| record.live(now))
    }

    /// How many are live. Those that have ended stay, for what they say of keys, and stand in nobody's way.
    pub(super) fn count(&self, now: Timestamp) -> usize {
        self.live(now).count()
    }

    /// Whether the node has a record.
    pub(super) fn has(&self, node: NodeId) -> bool {
        self.names.contains_key(node.as_bytes())
    }

    /// Whether the node has a record under that name.
    pub(super) fn is_named(&self, node: NodeId, name: &NodeName) -> bool {
        self.names.get(node.as_bytes()).is_some_and(|held| held == name)
    }

    /// Refuses a node that has no live record under these keys.
    pub(super) fn check_known(
        &self,
        node: NodeId,
        sealing: &SealingPublicKey,
        now: Timestamp,
    ) -> Result<(), Reject> {
        let known = self
            .by_node(node)
            .is_some_and(|record| record.live(now) && record.certificate.sealing_key() == sealing);
        if known { Ok(()) } else { Err(Reject::NotMember) }
    }

    /// Refuses a name or a key that another live record holds.
    pub(super) fn check_free(
        &self,
        name: &NodeName,
        node: NodeId,
        sealing: &SealingPublicKey,
        now: Timestamp,
    ) -> Result<(), Reject> {
        if self.by_name(name).is_some_and(|record| record.live(now) && record.certificate.node_id() != node) {
            return Err(Reject::NameTaken);
        }
        if self.names.get(node.as_bytes()).is_some_and(|held| held != name) {
            return Err(Reject::KeyTaken);
        }
        if self.sealing.get(sealing).is_some_and(|holder| *holder != node) {
            return Err(Reject::KeyTaken);
        }
        Ok(())
    }

    pub(super) fn by_name(&self, name: &NodeName) -> Option<&EnrolmentRecord> {
        self.records.get(name)
    }

    pub(super) fn by_node(&self, node: NodeId) -> Option<&EnrolmentRecord> {
        self.names.get(node.as_bytes()).and_then(|name| self.records.get(name))
    }

    pub(super) fn by_id_prefix(&self, prefix: &str) -> Vec<&EnrolmentRecord> {
        let Some(range) = id_range(prefix) else { return Vec::new() };
        self.names.range(range).take(2).filter_map(|(_, name)| self.records.get(name)).collect()
    }

    pub(super) fn vouches_for(&self, certificate: Digest, node: NodeId, now: Timestamp) -> bool {
        self.by_node(node)
            .is_some_and(|record| record.live(now) && record.certificate.digest() == certificate)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;
    use crate::certificate::{LEAF_LIFE, Role, Subject, Validity, issue_ca, issue_leaf};
    use crate::identity::{CaKey, Fingerprint, NetworkName, NodeKeys};

    const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

    /// A11: nodes that came in and went ages ago keep nobody out.
    #[test]
    fn only_live_records_count() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (key, network): (_, NetworkName) = (CaKey::generate(&mut rng), "shop.lan".parse().unwrap());
        let ca = issue_ca(&key, &network, NOW, &mut rng).unwrap();
        let anchor = TrustAnchor::new(ca, Fingerprint::of(&key.public_key()), network.clone()).unwrap();
        let keys = NodeKeys::generate(&mut rng);
        let subject = Subject {
            name: "till".parse().unwrap(),
            entity: network.default_entity(),
            network,
            role: Role::Member,
            node: keys.node_id(),
            sealing: keys.sealing.public_key(),
        };
        let validity = Validity::starting(NOW, LEAF_LIFE).unwrap();
        let leaf = issue_leaf(&key, &anchor, subject, validity, &mut rng).unwrap();
        let mut enrolments = Enrolments::default();
        let _ = enrolments.add(&certificate::verify(&anchor, &leaf, NOW).unwrap(), NOW);
        assert_eq!(enrolments.count(NOW), 1);
        assert_eq!(enrolments.count(NOW.after(RECORD_LIFE)), 0);
    }
}
