//! Nodes that wait for a person.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::meter::Meter;
use super::{AuthorityError, decode};
use crate::codec;
use crate::control::{Admission, Guid, Modes, RequestRow, Time};
use crate::enrolment::approval::Comparison;
use crate::identity::{NodeId, NodeName, SealingPublicKey};
use crate::label::Digest;
use crate::record::{Record, Table, Write};
use crate::reject::Reject;
use crate::time::Timestamp;

/// Requests that wait: more than a person looks through.
const MAX: usize = 256;

/// Requests from one address: a host that runs a few nodes.
const PER_ADDRESS: usize = 8;

/// How long one waits for its person and its node: over a holiday.
const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Nonces for words within a minute, of one address and in all. Who stands between two people tries one triple of
/// words with each: at this rate two thousand years for an even chance, and most of a day for one in a million.
const NONCES_PER_ADDRESS: u32 = 4;
const NONCES: u32 = 1024;

const KEY: &[u8] = b"request/";

/// A request that waits.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) node: NodeId,
    pub(super) sealing: SealingPublicKey,
    pub(super) name: NodeName,
    pub(super) commitment: Digest,
    /// The authority's part of the words.
    pub(super) nonce: [u8; 32],
    pub(super) shown: Comparison,
    pub(super) address: IpAddr,
    pub(super) since: Timestamp,
    /// The alternative of the rule that it meets, but for the person.
    pub(super) by: Modes,
    pub(super) guid: Option<Guid>,
    /// Who has the name, if another node has.
    pub(super) replaces: Option<NodeId>,
    pub(super) approved: Option<bool>,
}

impl Waiting {
    fn row(&self) -> RequestRow {
        RequestRow {
            id: self.shown.id.clone(),
            name: self.name.clone(),
            node: self.node,
            words: self.shown.words.clone(),
            address: self.address,
            since: Time(self.since),
            by: self.by.to_string(),
            replaces: self.replaces,
            guid: self.guid,
            approved: self.approved,
        }
    }
}

/// The requests that wait, one for a node.
pub(super) struct Requests {
    waiting: BTreeMap<NodeId, Waiting>,
    nonces: Meter,
}

impl Default for Requests {
    fn default() -> Self {
        let nonces = Meter::new(Duration::from_secs(60), NONCES_PER_ADDRESS, NONCES);
        Self { waiting: BTreeMap::new(), nonces }
    }
}

impl Requests {
    pub(super) fn load(records: &[Record]) -> Result<Self, AuthorityError> {
        let mut requests = Self::default();
        for record in records.iter().filter(|record| record.table == Table::Authority) {
            if record.key.starts_with(KEY) {
                let waiting: Waiting = decode(record)?;
                requests.waiting.insert(waiting.node, waiting);
            }
        }
        Ok(requests)
    }

    /// The authority's part of the words for a new request.
    pub(super) fn nonce(
        &mut self,
        address: IpAddr,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<[u8; 32], Reject> {
        if !self.nonces.take(address, now) {
            return Err(Reject::Busy);
        }
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        Ok(nonce)
    }

    /// The node's request, if it is the one that it has committed to.
    pub(super) fn find(&self, node: NodeId, commitment: &Digest, now: Timestamp) -> Option<&Waiting> {
        self.waiting
            .get(&node)
            .filter(|waiting| waiting.commitment == *commitment && now.since(waiting.since) < LIFE)
    }

    /// Takes a request in, instead of an older one of the same node.
    pub(super) fn add(&mut self, waiting: Waiting, now: Timestamp) -> Result<Vec<Write>, Reject> {
        let mut writes = self.drop_if(|old| now.since(old.since) >= LIFE);
        let others = || self.waiting.values().filter(|other| other.node != waiting.node);
        let same = |address: IpAddr| others().filter(|other| other.address == address).count();
        if same(waiting.address) >= PER_ADDRESS || others().any(|other| other.shown.id == waiting.shown.id) {
            return Err(Reject::Busy);
        }
        // Those that were denied and whose nodes never asked what became of them: a person clears the queue so.
        let denied = others().filter(|other| other.approved == Some(false)).min_by_key(|other| other.since);
        let denied = denied.map(|other| other.node);
        if others().count() >= MAX
            && let Some(denied) = denied
        {
            writes.extend(self.drop_if(|other| other.node == denied));
        } else if others().count() >= MAX {
            let busiest = others().max_by_key(|other| (same(other.address), other.address));
            let busiest = busiest
                .map(|other| other.address)
                .filter(|address| same(*address) > same(waiting.address) + 1);
            let newest = others()
                .filter(|other| Some(other.address) == busiest && other.approved.is_none())
                .max_by_key(|other| other.since);
            let newest = newest.map(|other| other.node).ok_or(Reject::Busy)?;
            writes.extend(self.drop_if(|other| other.node == newest));
        }
        writes.push(set(&waiting));
        self.waiting.insert(waiting.node, waiting);
        Ok(writes)
    }

    /// Ends a node's request.
    pub(super) fn end(&mut self, node: NodeId) -> Vec<Write> {
        self.drop_if(|waiting| waiting.node == node)
    }

    /// Drops the requests that meet no alternative of the rule any more.
    pub(super) fn fit(&mut self, admission: Admission) -> Vec<Write> {
        self.drop_if(|waiting| !admission.allows(waiting.by))
    }

    fn drop_if(&mut self, ended: impl Fn(&Waiting) -> bool) -> Vec<Write> {
        let ended: Vec<NodeId> =
            self.waiting.values().filter(|waiting| ended(waiting)).map(|waiting| waiting.node).collect();
        for node in &ended {
            self.waiting.remove(node);
        }
        ended.iter().map(|node| Write::erase(Table::Authority, key(*node))).collect()
    }

    /// What waits, the oldest first.
    pub(super) fn rows(&self, now: Timestamp) -> Vec<RequestRow> {
        let mut rows: Vec<RequestRow> = self
            .waiting
            .values()
            .filter(|waiting| now.since(waiting.since) < LIFE)
            .map(Waiting::row)
            .collect();
        rows.sort_by_key(|row| (row.since, row.id.clone()));
        rows
    }

    /// A person has decided on the request with this id; and what had been decided before.
    pub(super) fn decide(
        &mut self,
        id: &str,
        approve: bool,
        now: Timestamp,
    ) -> Option<(RequestRow, Write, Option<bool>)> {
        let waiting = self
            .waiting
            .values_mut()
            .find(|waiting| waiting.shown.id == id && now.since(waiting.since) < LIFE)?;
        let before = waiting.approved.replace(approve);
        Some((waiting.row(), set(waiting), before))
    }

    /// A decision that could not be kept is what it was before.
    pub(super) fn put_back(&mut self, node: NodeId, approved: Option<bool>) {
        if let Some(waiting) = self.waiting.get_mut(&node) {
            waiting.approved = approved;
        }
    }
}

fn key(node: NodeId) -> Vec<u8> {
    [KEY, node.as_bytes()].concat()
}

fn set(waiting: &Waiting) -> Write {
    Write::set(Table::Authority, key(waiting.node), codec::encode(waiting))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{IdentityKey, SealingKey};

    const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

    fn waiting(number: u16) -> Waiting {
        let [high, low] = number.to_be_bytes();
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&[high, low]);
        Waiting {
            node: IdentityKey::from_seed(&seed).node_id(),
            sealing: SealingKey::from_bytes(&seed).public_key(),
            name: format!("till-{number}").parse().unwrap(),
            commitment: Digest::of(&seed),
            nonce: seed,
            shown: Comparison { id: format!("{number:08x}"), words: String::new() },
            address: [10, 77, high, low].into(),
            since: NOW,
            by: Modes::default(),
            guid: None,
            replaces: None,
            approved: None,
        }
    }

    /// A11: a person who denies what fills the queue makes room for others, though the denied never ask again.
    #[test]
    fn what_was_denied_gives_way() {
        let mut requests = Requests::default();
        for number in 0..MAX as u16 {
            requests.add(waiting(number), NOW).unwrap();
        }
        let newcomer = || waiting(MAX as u16);
        assert_eq!(requests.add(newcomer(), NOW).unwrap_err(), Reject::Busy, "nobody is pushed out");
        requests.decide("00000007", false, NOW).unwrap();
        let writes = requests.add(newcomer(), NOW).unwrap();
        assert_eq!(writes.len(), 2, "one goes and one comes");
        let ids: Vec<String> = requests.rows(NOW).into_iter().map(|row| row.id).collect();
        assert!(ids.len() == MAX && !ids.contains(&"00000007".to_owned()));
    }
}
