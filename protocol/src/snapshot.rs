//! What minting and validating a ticket need to know of a node: immutable, shared by every thread.

use std::sync::Arc;

use crate::access::Policy;
use crate::certificate::{TrustAnchor, VerifiedCertificate};
use crate::channel::Suites;
use crate::identity::{NodeId, NodeKeys, SealingKey};
use crate::keyring::KeyRing;

/// A node as it was when the engine last changed something that tickets depend on.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) keys: Arc<NodeKeys>,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) suites: Suites,
    pub(crate) member: Option<Arc<Member>>,
}

/// What a node knows by being a member of a network.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) anchor: TrustAnchor,
    pub(crate) certificate: VerifiedCertificate,
    pub(crate) policy: Policy,
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
}
