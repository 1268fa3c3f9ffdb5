//! The machines that may join, and the node that each has joined as.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AuthorityError, decode};
use crate::codec;
use crate::control::{AddGuid, Guid, GuidRow, Time};
use crate::identity::{NodeId, NodeName};
use crate::record::{Record, Table, Write};
use crate::reject::Reject;
use crate::time::Timestamp;

/// Machines on the list: more than one authority has nodes.
const MAX: usize = 8192;

const KEY: &[u8] = b"guid/";

/// A machine on the list.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Listed {
    name: Option<NodeName>,
    added: Timestamp,
    /// The first key that came with the machine: trusted on first use, and from then on no other.
    node: Option<NodeId>,
}

/// The list.
#[derive(Default)]
pub(super) struct Guids(BTreeMap<Guid, Listed>);

impl Guids {
    pub(super) fn load(records: &[Record]) -> Result<Self, AuthorityError> {
        let mut guids = BTreeMap::new();
        for record in records.iter().filter(|record| record.table == Table::Authority) {
            let guid = record.key.strip_prefix(KEY).and_then(|guid| core::str::from_utf8(guid).ok());
            if let Some(guid) = guid.and_then(|guid| guid.parse().ok()) {
                guids.insert(guid, decode(record)?);
            }
        }
        Ok(Self(guids))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn rows(&self) -> Vec<GuidRow> {
        let row = |(guid, kept): (&Guid, &Listed)| GuidRow {
            guid: *guid,
            name: kept.name.clone(),
            added: Time(kept.added),
            node: kept.node,
        };
        self.0.iter().map(row).collect()
    }

    pub(super) fn get(&self, guid: &Guid) -> Option<Listed> {
        self.0.get(guid).cloned()
    }

    /// The machine as it was on the list, if it was.
    pub(super) fn put_back(&mut self, guid: Guid, listed: Option<Listed>) {
        match listed {
            Some(listed) => drop(self.0.insert(guid, listed)),
            None => drop(self.0.remove(&guid)),
        }
    }

    /// Puts a machine on the list, or gives it another name.
    pub(super) fn add(&mut self, add: AddGuid, now: Timestamp) -> Result<Write, Reject> {
        if self.0.len() >= MAX && !self.0.contains_key(&add.guid) {
            return Err(Reject::Busy);
        }
        let kept = self.0.entry(add.guid).or_insert(Listed { name: None, added: now, node: None });
        kept.name = add.name.or_else(|| kept.name.take());
        Ok(set(&add.guid, kept))
    }

    pub(super) fn remove(&mut self, guid: &Guid) -> Option<Write> {
        self.0.remove(guid).map(|_| Write::erase(Table::Authority, key(guid)))
    }

    /// Refuses a machine that is not on the list and one that has joined as another node, in the same words.
    pub(super) fn check(&self, guid: &Guid, node: NodeId) -> Result<(), Reject> {
        let known = self.0.get(guid).is_some_and(|kept| kept.node.is_none_or(|first| first == node));
        if known { Ok(()) } else { Err(Reject::Guid) }
    }

    /// The machine has joined as `node`.
    pub(super) fn bind(&mut self, guid: &Guid, node: NodeId) -> Option<Write> {
        let kept = self.0.get_mut(guid)?;
        kept.node = Some(node);
        Some(set(guid, kept))
    }
}

fn key(guid: &Guid) -> Vec<u8> {
    [KEY, guid.to_string().as_bytes()].concat()
}

fn set(guid: &Guid, kept: &Listed) -> Write {
    Write::set(Table::Authority, key(guid), codec::encode(kept))
}
