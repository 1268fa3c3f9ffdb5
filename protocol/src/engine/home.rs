//! A member keeps in touch with its authority, where it is found by those who look for it, and with the addresses
//! that its owner has named.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use super::peers::Greeting;
use super::reach::Reach;
use super::{Dialling, Engine};
use crate::identity::NodeId;
use crate::time::Timestamp;

/// How long after a failure or a loss the authority is tried again: at first, and at most.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// How often a named address is tried at which nobody is connected.
const CONTACT_EVERY: Duration = Duration::from_secs(30);

/// When to turn to the authority next.
#[derive(Debug, Default)]
pub(super) struct Homing {
    next: Option<Timestamp>,
    tries: u32,
}

/// Addresses that the owner has named, and when to try them next.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) next: Option<Timestamp>,
    /// Who answered at each.
    pub(super) answered: BTreeMap<SocketAddr, NodeId>,
}

impl Homing {
    /// The clock was set back by `by`.
    pub(super) fn set_back(&mut self, by: Duration) {
        self.next = self.next.map(|next| next.before(by));
    }
}

impl Contacts {
    /// The clock was set back by `by`.
    pub(super) fn set_back(&mut self, by: Duration) {
        self.next = self.next.map(|next| next.before(by));
    }
}

impl Engine {
    /// The authority's node, unless that is this one.
    fn distant_home(&self) -> Option<NodeId> {
        self.active_member()?;
        self.membership.home.filter(|home| *home != self.node_id())
    }

    pub(super) fn next_homing(&self) -> Option<Timestamp> {
        self.homing.next
    }

    /// Turns to the authority at once, as a node does that was started or has joined.
    pub(super) fn go_home(&mut self, now: Timestamp) {
        let Some(home) = self.distant_home() else {
            self.homing = Homing::default();
            return;
        };
        match self.reach(home, now) {
            Reach::Ready => self.homing = Homing::default(),
            Reach::Refused => {
                // One of the two clocks may be wrong, which does not last: it is greeted again in a while.
                self.peers.set_greeting(home, Greeting::None);
                self.homing = Homing { next: Some(now.after(RETRY_MAX)), tries: 0 };
            }
            Reach::Working | Reach::Nowhere => {
                let wait = RETRY.saturating_mul(1 << self.homing.tries.min(6)).min(RETRY_MAX);
                self.homing.next = Some(now.after(wait));
                self.homing.tries = self.homing.tries.saturating_add(1);
            }
        }
    }

    /// Turns to the authority if it is time to.
    pub(super) fn go_home_if_due(&mut self, now: Timestamp) {
        if self.homing.next.is_some_and(|next| now >= next) {
            self.go_home(now);
        }
    }

    /// The connection with `peer` is gone: if that was the authority, it is turned to again in a moment.
    pub(super) fn lost_touch(&mut self, peer: NodeId, now: Timestamp) {
        if self.distant_home() == Some(peer) {
            self.homing = Homing { next: Some(now.after(RETRY)), tries: 0 };
        }
    }

    /// Dials the named addresses at which nobody is connected, if it is time to.
    pub(super) fn dial_contacts_if_due(&mut self, now: Timestamp) {
        if self.active_member().is_none() || self.contacts.next.is_some_and(|next| now < next) {
            return;
        }
        self.dial_contacts();
        self.contacts.next = (!self.contacts.addresses.is_empty()).then(|| now.after(CONTACT_EVERY));
    }

    /// Dials the named addresses at which nobody is connected.
    pub(super) fn dial_contacts(&mut self) {
        let connected = |address: &&SocketAddr| {
            let node = self.contacts.answered.get(*address);
            node.and_then(|node| self.peers.get(*node)).is_some_and(|peer| peer.connected.is_some())
        };
        let missing: Vec<SocketAddr> =
            self.contacts.addresses.iter().filter(|address| !connected(address)).copied().collect();
        for address in missing {
            self.dial_for(Dialling::Contact(address), None, vec![address]);
        }
    }

    /// Whether a named address is being dialled.
    pub(super) fn dials_contacts(&self) -> bool {
        self.wires.dials.values().any(|dialling| matches!(dialling, Dialling::Contact(_)))
    }
}
