//! A peer is brought nearer to being asked: connected, greeted, shown this node's certificate.

use super::peers::{Greeting, Peer};
use super::{Engine, Output, Sent};
use crate::certificate::{AuthenticatedPeer, CertificateError, SKEW};
use crate::hello::Hello;
use crate::identity::NodeId;
use crate::label::Digest;
use crate::message::{Request, Response};
use crate::reject::Reject;
use crate::snapshot::Member;
use crate::time::Timestamp;

/// Whether a peer can be asked now.
pub(super) enum Reach {
    Ready,
    Working,
    /// There is no address, or none that works.
    Nowhere,
    /// It is there, and the greeting failed.
    Refused,
}

impl Engine {
    /// Brings a peer nearer to being asked: connects to it, greets it.
    pub(super) fn reach(&mut self, node: NodeId, now: Timestamp) -> Reach {
        if self.active_member().is_none_or(|member| member.denies(node)) {
            return Reach::Refused;
        }
        let Some(peer) = self.peers.get(node) else { return Reach::Nowhere };
        match (&peer.greeting, peer.connected) {
            (Greeting::Done(proven), Some(_)) if proven.certificate().check_time(now).is_ok() => {
                self.reach_shown(node, now)
            }
            (Greeting::Refused | Greeting::Busy, Some(_)) => Reach::Refused,
            (Greeting::Sent, Some(_)) => Reach::Working,
            (_, Some(_)) => self.greet(node, now),
            (_, None) if peer.dialling => Reach::Working,
            (_, None) => match peer.worth_dialling(now) {
                Some(addresses) => {
                    self.peers.dial_began(node);
                    self.dial(Some(node), addresses);
                    Reach::Working
                }
                None => Reach::Nowhere,
            },
        }
    }

    /// A member is ready to be asked once it has seen the certificate that this node has now.
    fn reach_shown(&mut self, node: NodeId, now: Timestamp) -> Reach {
        let own = self.membership.member.as_ref().map(|member| member.certificate.digest());
        let Some(peer) = self.peers.get(node) else { return Reach::Nowhere };
        if peer.shown == own {
            Reach::Ready
        } else if peer.showing == own {
            Reach::Working
        } else {
            self.greet(node, now)
        }
    }

    fn greet(&mut self, node: NodeId, now: Timestamp) -> Reach {
        let Some(hello) = self.hello() else { return Reach::Refused };
        let shown = hello.certificate.digest();
        self.peers.show_begins(node, shown);
        if self.peers.member(node, now).is_none() {
            self.peers.set_greeting(node, Greeting::Sent);
        }
        self.request(node, &Request::Hello(hello), Sent::Hello(node, shown));
        Reach::Working
    }

    pub(super) fn hello(&self) -> Option<Hello> {
        let member = self.active_member()?;
        let addresses = self.local.addresses.clone().bounded();
        let (certificate, revocations) = (member.certificate.der().clone(), member.revocations.epoch());
        Some(Hello { certificate, addresses, revocations, policy: member.policy.epoch() })
    }

    /// Greets every connected peer that is known as a member, as a node does that has a new certificate.
    pub(super) fn greet_everyone(&mut self, now: Timestamp) {
        // Not strangers: whoever only listens is shown nothing.
        let known = |peer: &Peer| peer.connected.is_some() && peer.certificate.is_some();
        let peers: Vec<NodeId> =
            self.peers.iter().filter(|(_, peer)| known(peer)).map(|(id, _)| id).collect();
        for peer in peers {
            self.greet(peer, now);
        }
    }

    /// Believes what the peer shows on a connection whose other end has proven to be it. What this node knows of it
    /// already need not be verified again: from before, or because it has issued it.
    pub(super) fn authenticate(
        &self,
        member: &Member,
        hello: &Hello,
        peer: NodeId,
        now: Timestamp,
    ) -> Result<AuthenticatedPeer, CertificateError> {
        let met = self.peers.get(peer).and_then(|peer| peer.certificate.as_ref());
        let issued =
            || self.membership.authority.as_ref().and_then(|authority| authority.certificate_of(peer));
        if let Some(known) = met.or_else(issued) {
            member.verified.remember(known);
        }
        member.authenticate(hello, peer, now)
    }

    /// The answer to a greeting.
    pub(super) fn greeted(
        &mut self,
        peer: NodeId,
        shown: Digest,
        response: Option<Response>,
        now: Timestamp,
    ) {
        let proven = match (&response, self.active_member()) {
            (Some(Response::Hello(hello)), Some(member)) => {
                let proven = self.authenticate(member, hello, peer, now);
                Some(proven.map(|proven| (proven, hello.clone())))
            }
            _ => None,
        };
        let (proven, unproven) = match proven {
            Some(Ok(proven)) => (Some(proven), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        self.peers.set_unproven(peer, unproven);
        let busy = matches!(response, Some(Response::Reject(Reject::Busy)));
        if let Some(Response::Revoked(entry)) = &response {
            self.told_revoked(*entry, now);
        }
        self.peers.show_ended(peer, proven.is_some().then_some(shown));
        match proven {
            Some((proven, hello)) => self.authenticated(proven, &hello, now),
            // Without an answer the connection is about to end; with another one the peer is no member.
            None if self.peers.member(peer, now).is_some() => {}
            None if response.is_none() => self.peers.set_greeting(peer, Greeting::None),
            None if busy => self.peers.set_greeting(peer, Greeting::Busy),
            None => self.peers.set_greeting(peer, Greeting::Refused),
        }
        self.advance_errands_for(peer, now);
        if busy && self.peers.member(peer, now).is_none() {
            // Whoever waited for it has been told. It is greeted again by whoever wants it next.
            self.peers.set_greeting(peer, Greeting::None);
        }
    }

    /// A peer has proven its membership on the present connection.
    pub(super) fn authenticated(&mut self, proven: AuthenticatedPeer, hello: &Hello, now: Timestamp) {
        let (peer, until) = (proven.node_id(), proven.certificate().not_after().after(SKEW));
        self.saw_signed_time(proven.certificate().issued(), now);
        let writes = self.peers.authenticated(proven, hello.addresses.clone(), now);
        self.persist(writes, Vec::new());
        let keep = self.membership.authority.is_some() || self.membership.home == Some(peer);
        self.output(Output::Certified { peer, until, keep });
        self.compare_lists(peer, hello.revocations, now);
        self.compare_policies(peer, hello.policy);
    }
}
