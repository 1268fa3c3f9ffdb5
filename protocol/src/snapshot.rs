//! What minting and validating a ticket need to know of a node: immutable, shared by every thread.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::access::{Policy, Subject};
use crate::certificate::{AuthenticatedPeer, CertificateError, TrustAnchor, VerifiedCertificate};
use crate::channel::Suites;
use crate::control::{Code, Failure};
use crate::hello::Hello;
use crate::identity::{NodeId, NodeKeys, NodeName, SealingKey, ServiceName, TicketId};
use crate::keyring::KeyRing;
use crate::revocation::{Revocation, RevocationList};
use crate::time::Timestamp;

/// A node as it was when the engine last changed something that tickets depend on.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) keys: Arc<NodeKeys>,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) suites: Suites,
    pub(crate) member: Option<Arc<Member>>,
    /// Tickets that were taken back one by one: minted here, or held here and given up.
    pub(crate) revoked_tickets: Arc<BTreeSet<TicketId>>,
}

/// What a node knows by being a member of a network.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) anchor: TrustAnchor,
    pub(crate) certificate: VerifiedCertificate,
    pub(crate) policy: Policy,
    pub(crate) revocations: Arc<RevocationList>,
}

impl Member {
    /// A node that has just become a member.
    pub(crate) fn new(anchor: TrustAnchor, certificate: VerifiedCertificate) -> Self {
        Self { anchor, certificate, policy: Policy::starter(), revocations: Arc::default() }
    }

    /// Why policy does not let this node use `service` of `provider`, and what it lacks (R-T9).
    pub(crate) fn refusal(&self, service: &ServiceName, provider: &NodeName) -> Option<Failure> {
        let subject = Subject::of(&self.certificate);
        if self.policy.decide(&subject, service, provider).is_some() {
            return None;
        }
        Some(denied(service, provider.as_str(), &self.policy.missing(&subject, service, provider)))
    }

    /// The revocation that ended `node`'s membership, if one did.
    pub(crate) fn revoked(&self, node: NodeId) -> Option<&Revocation> {
        self.revocations.get(node).map(|entry| &entry.revocation)
    }

    /// Whether `node`'s membership was taken away.
    pub(crate) fn denies(&self, node: NodeId) -> bool {
        self.revocations.denies(node)
    }

    /// Whether this node's own membership was taken away.
    pub(crate) fn is_revoked(&self) -> bool {
        self.denies(self.certificate.node_id())
    }

    /// Believes a peer's certificate on a connection whose other end has proven to be `connection`, unless its
    /// membership was taken away; `known` is a certificate of its that was verified before.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub(crate) fn authenticate(
        &self,
        hello: &Hello,
        known: Option<&VerifiedCertificate>,
        connection: NodeId,
        now: Timestamp,
    ) -> Result<AuthenticatedPeer, CertificateError> {
        let peer = hello.authenticate(&self.anchor, known, connection, now)?;
        match self.revoked(connection) {
            Some(revocation) => Err(CertificateError::Revoked { at: revocation.at }),
            None => Ok(peer),
        }
    }
}

/// The failure of a wish for a service that policy does not grant to this node.
pub(crate) fn denied(service: &ServiceName, provider: &str, missing: &[String]) -> Failure {
    let missing =
        if missing.is_empty() { String::new() } else { format!(": it lacks {}", missing.join("; or ")) };
    Failure::new(
        Code::Denied,
        format!("policy does not grant {service}@{provider} to this node{missing}"),
        "ask whoever keeps the network's policy to grant it",
    )
}

impl Snapshot {
    /// The node.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.keys.node_id()
    }

    /// The node's sealing key: the static key of the channels that it asks for.
    #[must_use]
    pub fn sealing_key(&self) -> &SealingKey {
        &self.keys.sealing
    }

    /// The ciphers that this node's processor is fast at, and the one that every node has.
    #[must_use]
    pub const fn suites(&self) -> Suites {
        self.suites
    }

    /// What others' certificates are verified against, if it is a member of a network.
    #[must_use]
    pub fn anchor(&self) -> Option<&TrustAnchor> {
        self.member.as_ref().map(|member| &member.anchor)
    }

    /// The node's certificate, if it is a member of a network.
    #[must_use]
    pub fn certificate(&self) -> Option<&VerifiedCertificate> {
        self.member.as_ref().map(|member| &member.certificate)
    }
    /// The network's revocations as far as this node knows them, if it is a member of a network.
    #[must_use]
    pub fn revocations(&self) -> Option<&RevocationList> {
        self.member.as_ref().map(|member| member.revocations.as_ref())
    }

    /// Why policy does not let this node use `service` of `provider`, if it does not: then nothing of it is to leave
    /// this host.
    #[must_use]
    pub fn refusal(&self, service: &ServiceName, provider: &NodeName) -> Option<Failure> {
        self.member.as_ref()?.refusal(service, provider)
    }

    /// Whether `node`'s membership of this node's network was taken away.
    #[must_use]
    pub fn denies(&self, node: NodeId) -> bool {
        self.member.as_ref().is_some_and(|member| member.denies(node))
    }
}
