//! What the engine has decided, put out for the log.
//!
//! An entry comes out where it is decided, before what is to be written to the store: whoever carries the outputs out
//! makes both durable together, and only then is the answer given.

use core::net::SocketAddr;

use super::errand::Wish;
use super::{Engine, Output};
use crate::access::Subject;
use crate::audit::{Actor, Entry, Origin, What};
use crate::control::{Failure, PeerRef};
use crate::identity::{NodeId, ServiceName};
use crate::people::{self, Principal};
use crate::reject::Reject;
use crate::ticket::TicketRequest;

impl Engine {
    /// Has an entry written.
    pub(super) fn audit(&mut self, entry: Entry) {
        self.output(Output::Audit(Box::new(entry)));
    }

    /// Has written what a user of this host has ordered.
    pub(super) fn audit_order(&mut self, what: What, about: impl ToString, reason: impl ToString) {
        let entry = self.entry(what).by(Actor::default(), Origin::Local);
        self.audit(entry.about(about).because(reason));
    }

    /// What the node does by itself, now.
    pub(super) fn entry(&self, what: What) -> Entry {
        Entry::new(self.clock.time(), what)
    }

    /// What a node has asked or told over its connection, now.
    pub(super) fn entry_from(&self, node: NodeId, what: What) -> Entry {
        let peer = self.peers.get(node);
        let name = peer.and_then(|peer| peer.certificate.as_ref()).map(|known| known.name().to_string());
        let from = peer.and_then(|peer| peer.connected).map_or(Origin::Node, Origin::Remote);
        self.entry(what).by(Actor::node(node, name), from)
    }

    /// A node was admitted, or was not: nothing is said of questions that it is to ask again.
    pub(super) fn audit_admission(
        &mut self,
        (node, source): (NodeId, SocketAddr),
        refused: Option<Reject>,
        known: bool,
    ) {
        let authority = self.membership.authority.as_ref();
        let certificate = authority.and_then(|authority| authority.certificate_of(node));
        let name = certificate.map(|certificate| certificate.name().to_string());
        let entry = match refused {
            None => {
                let until = certificate.map(|certificate| certificate.not_after().to_string());
                let how = if known { "again" } else { "for the first time" };
                let reason = format!("{how}, with a certificate until {}", until.unwrap_or_default());
                self.entry(What::Admitted).because(reason)
            }
            Some(Reject::Retry) => return,
            Some(reject) => self.entry(What::AdmissionRefused).denied().because(reject),
        };
        let about = name.clone().unwrap_or_else(|| node.short());
        self.audit(entry.by(Actor::node(node, name), Origin::Remote(source)).about(about));
    }

    /// Whether this authority has admitted the node before.
    pub(super) fn has_admitted(&self, node: NodeId) -> bool {
        self.membership.authority.as_ref().is_some_and(|authority| authority.certificate_of(node).is_some())
    }

    /// What became of a member's wish for a ticket, which it may have on behalf of a person.
    pub(super) fn audit_minted(
        &mut self,
        requester: NodeId,
        request: &TicketRequest,
        refused: Option<Reject>,
    ) {
        let own = self.membership.member.as_ref().map(|member| member.certificate.name().to_string());
        let about = format!("{}@{}", request.service, own.unwrap_or_else(|| self.node_id().short()));
        let (principal, rule) = self.ground_of(requester, request).unwrap_or_default();
        let mut entry = match refused {
            None => self.entry_from(requester, What::TicketMinted).because(rule.unwrap_or_default()),
            Some(reject) => self.entry_from(requester, What::TicketRefused).denied().because(reject),
        };
        entry.who = on_behalf(entry.who, principal.as_ref());
        self.audit(entry.about(about));
    }

    /// On whose behalf a ticket is asked for, and the rule that grants it, if one does.
    fn ground_of(
        &self,
        requester: NodeId,
        request: &TicketRequest,
    ) -> Option<(Option<Principal>, Option<String>)> {
        let (member, now) = (self.membership.member.as_ref()?, self.clock.time());
        let peer = self.peers.member(requester, now)?.certificate();
        let user = member.believe(request.assertion.as_deref(), peer, now).ok()?;
        let subject = Subject::of_user(peer, user.as_ref());
        let rule = member.policy.decide(&subject, &request.service, member.certificate.name());
        let rule = rule.map(|rule| format!("policy {}, {rule}", member.policy.epoch()));
        Some((user.map(|user| user.principal().clone()), rule))
    }

    /// A program of this host wanted what policy does not grant it.
    pub(super) fn audit_withheld(&mut self, wish: &Wish, peer: &PeerRef, failure: &Failure) {
        let principal = match &wish.actor {
            people::Actor::Person(principal) => Some(principal),
            people::Actor::Node => None,
        };
        let who = on_behalf(Actor::default(), principal);
        let entry = self.entry(What::TicketRefused).denied().by(who, Origin::Local);
        self.audit(entry.about(format!("{}@{peer}", wish.service)).because(&failure.message));
    }

    /// What a provider has answered to this node's wish for a ticket.
    pub(super) fn audit_received(
        &mut self,
        provider: NodeId,
        service: &ServiceName,
        refused: Option<Reject>,
    ) {
        let about = format!("{service}@{}", self.peers.label(provider));
        let entry = match refused {
            None => self.entry_from(provider, What::TicketReceived),
            Some(reject) => self.entry_from(provider, What::TicketRefused).denied().because(reject),
        };
        self.audit(entry.about(about));
    }

    /// Memberships were taken away, as `teller` says, or by whoever keeps this authority.
    pub(super) fn audit_revoked(&mut self, nodes: &[NodeId], teller: Option<NodeId>, reason: &str) {
        for node in nodes {
            let own = *node == self.node_id();
            let what = if own { What::MembershipLost } else { What::Revoked };
            let entry = match teller {
                Some(teller) => self.entry_from(teller, what),
                None => self.entry(what).by(Actor::default(), Origin::Local),
            };
            let entry = entry.denied().about(self.name_or_id(*node)).because(reason);
            self.audit(entry);
        }
    }

    /// What a node is called in the log: this authority remembers the names of those whom it has admitted.
    fn name_or_id(&self, node: NodeId) -> String {
        if node == self.node_id() {
            let own = self.membership.member.as_ref().map(|member| member.certificate.name().to_string());
            return own.unwrap_or_else(|| node.short());
        }
        let authority = self.membership.authority.as_ref();
        let enrolled = authority.and_then(|authority| authority.certificate_of(node));
        enrolled.map_or_else(|| self.peers.label(node), |certificate| certificate.name().to_string())
    }

    /// A clock is wrong that was right, or the other way round.
    pub(super) fn audit_clock(&mut self) {
        let entry = self.entry(What::ClockFault);
        let entry = match self.clock_fault() {
            Some(fault) => entry.denied().because(fault),
            None => entry.because("this host's clock is right again"),
        };
        self.audit(entry);
    }
}

/// Where somebody is who logs in, or changes users.
#[derive(Clone, Copy)]
pub(super) enum At {
    /// At this host, with this uid.
    Uid(u32),
    /// Whoever runs this node.
    Owner,
    /// At another node.
    Node(NodeId),
}

impl Engine {
    /// What a person has done, or wanted to, now.
    pub(super) fn entry_of(&self, what: What, at: At, principal: Option<&Principal>) -> Entry {
        let mut entry = match at {
            At::Uid(uid) => self.entry(what).by(Actor { uid: Some(uid), ..Actor::default() }, Origin::Local),
            At::Owner => self.entry(what).by(Actor::default(), Origin::Local),
            At::Node(node) => self.entry_from(node, what),
        };
        entry.who = on_behalf(entry.who, principal);
        entry
    }
}

/// The same, acting for a person who has logged in.
fn on_behalf(who: Actor, principal: Option<&Principal>) -> Actor {
    let Some(principal) = principal else { return who };
    Actor { person: Some(principal.person.to_string()), user: Some(principal.user_text()), ..who }
}
