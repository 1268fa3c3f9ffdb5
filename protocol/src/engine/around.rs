//! Nodes that were seen are asked something, a few at a time: whoever looks for somebody does not know who it is.

use core::time::Duration;
use std::collections::BTreeMap;

use super::peers::Peers;
use super::{Engine, RequestId, Sent};
use crate::identity::NodeId;
use crate::message::Request;
use crate::time::Timestamp;

/// Nodes that are asked at the same time.
pub(super) const ASKED_MAX: usize = 8;

/// How long after it was asked a node is asked again: its answer may be another one by then.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(3);

/// Who is being asked, and who was.
#[derive(Default)]
pub(super) struct Around {
    /// Nodes that are being turned to, and the question once it is out.
    asking: BTreeMap<NodeId, Option<RequestId>>,
    /// When each was last turned to.
    asked: BTreeMap<NodeId, Timestamp>,
}

impl Around {
    /// Those who may be asked now: first those that were not asked for longest.
    pub(super) fn due(&self, peers: &Peers, now: Timestamp) -> Vec<NodeId> {
        let mut due: Vec<(Option<Timestamp>, NodeId)> = peers
            .iter()
            .map(|(id, _)| (self.asked.get(&id).copied(), id))
            .filter(|(asked, id)| {
                !self.asking.contains_key(id) && asked.is_none_or(|asked| now.since(asked) >= ASK_AGAIN)
            })
            .collect();
        due.sort_unstable();
        due.into_iter().map(|(_, id)| id).collect()
    }

    /// Whether as many are being asked as may be.
    pub(super) fn is_full(&self) -> bool {
        self.asking.len() >= ASKED_MAX
    }

    /// Whether nobody is being asked.
    pub(super) fn is_idle(&self) -> bool {
        self.asking.is_empty()
    }

    /// Whether `peer` is being turned to.
    pub(super) fn turns_to(&self, peer: NodeId) -> bool {
        self.asking.contains_key(&peer)
    }

    /// Whether `peer` is to be asked as soon as it is connected.
    pub(super) fn awaits(&self, peer: NodeId) -> bool {
        self.asking.get(&peer) == Some(&None)
    }

    /// `peer` is being turned to from now on, by this question if it is out already.
    pub(super) fn begin(&mut self, peer: NodeId, question: Option<RequestId>, now: Timestamp) {
        self.asking.insert(peer, question);
        self.asked.insert(peer, now);
    }

    /// The question to `peer` is out.
    pub(super) fn put(&mut self, peer: NodeId, question: RequestId) {
        self.asking.insert(peer, Some(question));
    }

    /// `peer` is not being turned to any more.
    pub(super) fn forget(&mut self, peer: NodeId) {
        self.asking.remove(&peer);
    }

    /// `peer` is done with; says whether this was the question to it.
    pub(super) fn answered(&mut self, peer: NodeId, question: RequestId) -> bool {
        let ours = self.asking.get(&peer) == Some(&Some(question));
        if ours {
            self.asking.remove(&peer);
        }
        ours
    }

    /// The clock was set back by `by`.
    pub(super) fn set_back(&mut self, by: Duration) {
        for asked in self.asked.values_mut() {
            *asked = asked.before(by);
        }
    }
}

impl Engine {
    /// Asks `peer`, or connects to it so that it can be asked: the question if it is out, and nothing if neither is
    /// possible now.
    pub(super) fn turn_to(
        &mut self,
        peer: NodeId,
        question: &Request,
        sent: Sent,
        now: Timestamp,
    ) -> Option<Option<RequestId>> {
        let known = self.peers.get(peer)?;
        let (connected, dialling) = (known.connected.is_some(), known.dialling);
        if connected {
            return Some(Some(self.request(peer, question, sent)));
        }
        if !dialling {
            let addresses = known.worth_dialling(now)?;
            self.peers.dial_began(peer);
            self.dial(Some(peer), addresses);
        }
        Some(None)
    }
}
