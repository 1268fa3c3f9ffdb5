//! What minting and validating a ticket need to know of a node: immutable, shared by every thread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::access::{Notices, Policy, Subject};
use crate::certificate::{
    AuthenticatedPeer, CertificateDer, CertificateError, TrustAnchor, Verified, VerifiedCertificate,
};
use crate::channel::Suites;
use crate::control::{Code, Failure};
use crate::guest::PasswordMark;
use crate::hello::Hello;
use crate::identity::{NodeId, NodeKeys, NodeName, SealingKey, ServiceName, TicketId};
use crate::keyring::KeyRing;
use crate::people::{AssertionError, Principal, SignedAssertion, VerifiedAssertion};
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
    /// What guests' tickets name the passwords of this node's services by.
    pub(crate) guests: Arc<BTreeMap<ServiceName, PasswordMark>>,
}

/// What a node knows by being a member of a network.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) anchor: TrustAnchor,
    pub(crate) certificate: VerifiedCertificate,
    pub(crate) policy: Policy,
    /// Which users have changed of late.
    pub(crate) notices: Arc<Notices>,
    pub(crate) revocations: Arc<RevocationList>,
    /// Certificates that need not be verified again.
    pub(crate) verified: Verified,
}

impl Member {
    /// A node that has just become a member.
    pub(crate) fn new(anchor: TrustAnchor, certificate: VerifiedCertificate, verified: Verified) -> Self {
        Self {
            anchor,
            certificate,
            policy: Policy::starter(),
            notices: Arc::default(),
            revocations: Arc::default(),
            verified,
        }
    }

    /// Why policy does not let this node, or the user who has logged in here, use `service` of `provider`, and what is
    /// lacking (R-T9).
    pub(crate) fn refusal(
        &self,
        user: Option<&VerifiedAssertion>,
        service: &ServiceName,
        provider: &NodeName,
    ) -> Option<Failure> {
        let subject = Subject::of_user(&self.certificate, user);
        if self.policy.decide(&subject, service, provider).is_some() {
            return None;
        }
        let missing = self.policy.missing(&subject, service, provider);
        Some(denied(user.map(VerifiedAssertion::principal), service, provider.as_str(), &missing))
    }

    /// Believes what a requester shows of whom it acts for, if it shows anything.
    ///
    /// # Errors
    /// [`AssertionError`].
    pub(crate) fn believe(
        &self,
        shown: Option<&SignedAssertion>,
        requester: &VerifiedCertificate,
        now: Timestamp,
    ) -> Result<Option<VerifiedAssertion>, AssertionError> {
        shown.map(|shown| shown.clone().verify(self, requester, now)).transpose()
    }

    /// Believes a certificate, or says why not. Whether its membership was taken away is another matter.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub(crate) fn verify(
        &self,
        leaf: &CertificateDer,
        now: Timestamp,
    ) -> Result<VerifiedCertificate, CertificateError> {
        self.verified.verify(&self.anchor, leaf, now)
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
    /// membership was taken away.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub(crate) fn authenticate(
        &self,
        hello: &Hello,
        connection: NodeId,
        now: Timestamp,
    ) -> Result<AuthenticatedPeer, CertificateError> {
        let peer = self.verify(&hello.certificate, now)?.prove(connection)?;
        match self.revoked(connection) {
            Some(revocation) => Err(CertificateError::Revoked { at: revocation.at }),
            None => Ok(peer),
        }
    }
}

/// The failure of a wish for a service that policy does not grant to this node, or to the user who has logged in here.
pub(crate) fn denied(
    user: Option<&Principal>,
    service: &ServiceName,
    provider: &str,
    missing: &[String],
) -> Failure {
    let whom = user.map_or_else(|| "this node".to_owned(), |user| format!("{} here", user.user_text()));
    let missing =
        if missing.is_empty() { String::new() } else { format!(": it lacks {}", missing.join("; or ")) };
    Failure::new(
        Code::Denied,
        format!("policy does not grant {service}@{provider} to {whom}{missing}"),
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

    /// The policy that it goes by, if it is a member of a network.
    #[must_use]
    pub fn policy(&self) -> Option<&Policy> {
        self.member.as_ref().map(|member| &member.policy)
    }

    /// The network's revocations as far as this node knows them, if it is a member of a network.
    #[must_use]
    pub fn revocations(&self) -> Option<&RevocationList> {
        self.member.as_ref().map(|member| member.revocations.as_ref())
    }

    /// Whether `node`'s membership of this node's network was taken away.
    #[must_use]
    pub fn denies(&self, node: NodeId) -> bool {
        self.member.as_ref().is_some_and(|member| member.denies(node))
    }
}
