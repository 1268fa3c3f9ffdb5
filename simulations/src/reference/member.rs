//! Memberships: who has become a member, who is heard as one, and whose membership was taken away.

use std::collections::BTreeSet;

use lanyard_protocol::certificate::SKEW;
use lanyard_protocol::identity::NodeId;

use super::{Check, Invariant, Reference};
use crate::event::HostId;
use crate::fact::{Certified, Observed};
use crate::moment::Moment;

impl Reference {
    /// Everybody who was to join has: `hosts` are those who were to.
    pub fn look_whether_joined(&mut self, hosts: &[HostId], at: Moment) {
        if !self.demand.joined {
            return;
        }
        let missing: Vec<HostId> = hosts
            .iter()
            .copied()
            .filter(|host| !self.state(*host).acknowledged && self.state(*host).up)
            .collect();
        if let Some(first) = missing.first() {
            let what = format!("{} of {} hosts have not become members", missing.len(), hosts.len());
            self.violate(Invariant::Joined, at, what, &[*first, self.authority]);
        }
    }

    pub(super) fn certified(&mut self, host: HostId, certified: &Certified, at: Moment) {
        let (node, network) = (certified.node, certified.network);
        let first = !self.ends.contains_key(&node);
        let end = self.ends.entry(node).or_insert((certified.not_after, network));
        *end = (end.0.max(certified.not_after), network);
        self.state_mut(host).certificate = Some(certified.clone());
        if first && !certified.authority {
            self.joined += 1;
            if self.invites_only && self.joined > self.invited {
                let what = format!("{} nodes have joined, with invites for {}", self.joined, self.invited);
                self.violate(Invariant::Acknowledged, at, what, &[host, self.authority]);
            }
        }
        let holders = self.names.entry((network, certified.name.clone())).or_default();
        holders.insert(node);
        let live = |node: &&NodeId| {
            let holds = self.ends.get(*node).is_some_and(|(end, _)| *end > at.wall());
            holds && !self.revoked.contains_key(*node)
        };
        if holders.iter().filter(live).count() > 1 {
            let what = format!("{} nodes hold the name {}", holders.len(), certified.name);
            self.violate(Invariant::OneHolder, at, what, &[host, self.authority]);
        }
    }

    /// A host has heard a node as a member.
    pub(super) fn heard(&mut self, host: HostId, peer: NodeId, what: &str, observed: &Observed) {
        let at = observed.at;
        let own = self.state(host).certificate.as_ref().map(|own| own.network);
        let from = self.nodes.get(&peer).copied().unwrap_or(host);
        match self.ends.get(&peer).copied() {
            Some((end, network)) if Some(network) == own => {
                // By its own clock: what is not right by that is a fault, whatever the clock.
                if observed.now > end.after(SKEW) {
                    let what = format!("{from} was heard ({what}) whose certificate ended at {end}");
                    self.violate(Invariant::Heard, at, what, &[host, from]);
                }
            }
            Some(_) => {
                let what = format!("{from} was heard ({what}), which is of another network");
                self.violate(Invariant::Heard, at, what, &[host, from]);
            }
            None => {
                let what = format!("{from} was heard ({what}), which has no certificate");
                self.violate(Invariant::Heard, at, what, &[host, from]);
            }
        }
        if let Some(told) = self.revoked.get(&peer).copied()
            && let Some(by) = self.knows_by(host, told, self.demand.revocation.0).filter(|by| *by < at)
        {
            let late = at.since(by);
            let what =
                format!("{from} was heard ({what}), whose membership was taken away, {late:?} too late");
            self.violate(Invariant::Heard, at, what, &[host, from]);
        }
    }

    pub(super) fn revoked_at(&mut self, whose: HostId, told: Moment, at: Moment) {
        let Some(node) = self.state(whose).node else { return };
        self.revoked.insert(node, told);
        let epoch = self.state(self.authority).epoch;
        self.state_mut(self.authority).confirmed = epoch;
        let providers: BTreeSet<HostId> = self.channels.keys().map(|(provider, _, _)| *provider).collect();
        for provider in providers {
            let due = told.after(self.demand.revocation.0).max(at);
            self.checks.insert((due, Check::ChannelsOf(provider, node)));
        }
    }
}
