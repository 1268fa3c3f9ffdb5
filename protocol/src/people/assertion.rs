//! A directory's word that somebody has logged in at a node.

use core::time::Duration;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Home, Principal};
use crate::certificate::{self, CertificateDer, CertificateError, Role, SKEW, VerifiedCertificate};
use crate::identity::{EntityName, Fingerprint, IdentityKey, KeyError, NodeId, UserRole};
use crate::label::Label;
use crate::snapshot::Member;
use crate::time::Timestamp;

/// How long a log-in lasts: a working day with its breaks.
pub const ASSERTION_LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// The most roles of one user.
pub const ROLES_MAX: usize = 16;

/// Why an assertion is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// It is about a log-in at another node.
    #[error("the log-in was at another node")]
    OtherNode,
    /// It says that the user belongs elsewhere than its node does.
    #[error("the log-in is of {asserted}, and the node of {node}")]
    Entity {
        /// As it says.
        asserted: EntityName,
        /// As the node's certificate says.
        node: EntityName,
    },
    /// A node's own directory knows no roles of the network, and no user of another's.
    #[error("a node vouches for its own users alone, and for no roles of the network")]
    Overreach,
    /// Whoever has signed it is not the authority.
    #[error("the log-in is not vouched for by the network's authority")]
    NotAuthority,
    /// The certificate of whoever has signed it does not hold.
    #[error("whoever vouches for the log-in has no certificate that holds: {0}")]
    Certificate(#[from] CertificateError),
    /// The signature does not fit.
    #[error("the log-in's signature does not verify")]
    Signature,
    /// It is not good yet, or not for so long.
    #[error("the log-in is good from {issued} to {expires}, it is {now}")]
    Time {
        /// When it was signed.
        issued: Timestamp,
        /// When it ends.
        expires: Timestamp,
        /// The time.
        now: Timestamp,
    },
    /// The directory has taken it back since.
    #[error("the log-in was taken back: the user was removed, or has fewer rights now")]
    TakenBack,
}

impl From<KeyError> for AssertionError {
    fn from(_: KeyError) -> Self {
        Self::Signature
    }
}

/// What a directory says of somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// Who it is.
    pub principal: Principal,
    /// What the user does; of a node's own users nothing. At most [`ROLES_MAX`].
    pub roles: BTreeSet<UserRole>,
    /// Whom the user belongs to: the same as its node.
    pub entity: EntityName,
    /// Where the user has logged in.
    pub node: NodeId,
    /// When the password was checked.
    pub authenticated: Timestamp,
    /// When this was signed: it may be renewed without the password, and not beyond its end.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

impl Assertion {
    /// Whether its time is not over.
    #[must_use]
    pub fn lives(&self, now: Timestamp) -> bool {
        self.issued <= self.expires && now < self.expires
    }
}

/// What a signature covers: no other network's assertion is taken for this one's.
#[derive(Serialize)]
struct Signed<'a> {
    root: Fingerprint,
    assertion: &'a Assertion,
}

/// An assertion with the signature of whoever has checked the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedAssertion {
    /// What is signed, together with the network's pin.
    pub assertion: Assertion,
    /// The certificate of the authority's node that has signed it; nothing if that is the node of the log-in itself.
    pub certificate: Option<CertificateDer>,
    /// By that node's identity key.
    pub signature: crate::identity::Signature,
}

impl SignedAssertion {
    /// The word of the node with this key.
    pub(crate) fn sign(
        key: &IdentityKey,
        root: Fingerprint,
        certificate: Option<CertificateDer>,
        assertion: Assertion,
    ) -> Self {
        let signature = key.sign(Label::UserAssertion, &Signed { root, assertion: &assertion });
        Self { assertion, certificate, signature }
    }

    /// Believes what is said of somebody at the node of `requester`, whose certificate was verified: it is signed by
    /// whoever may, it holds now, and nothing that is known takes it back.
    ///
    /// # Errors
    /// [`AssertionError`].
    pub(crate) fn verify(
        self,
        member: &Member,
        requester: &VerifiedCertificate,
        now: Timestamp,
    ) -> Result<VerifiedAssertion, AssertionError> {
        let (issued, expires) = (self.assertion.issued, self.assertion.expires);
        let verified = self.authenticate(member, requester, now)?;
        if issued > now.after(SKEW) || expires <= now {
            return Err(AssertionError::Time { issued, expires, now });
        }
        if verified.stands(member) { Ok(verified) } else { Err(AssertionError::TakenBack) }
    }

    /// Believes that it was said, by whoever may: whether it still holds is another matter. `now` is what the
    /// certificate of whoever has signed it must hold at.
    ///
    /// # Errors
    /// [`AssertionError`].
    pub(crate) fn authenticate(
        self,
        member: &Member,
        requester: &VerifiedCertificate,
        now: Timestamp,
    ) -> Result<VerifiedAssertion, AssertionError> {
        let said = &self.assertion;
        if said.node != requester.node_id() {
            return Err(AssertionError::OtherNode);
        }
        if said.entity != *requester.entity() {
            let (asserted, node) = (said.entity.clone(), requester.entity().clone());
            return Err(AssertionError::Entity { asserted, node });
        }
        let directory = match (&said.principal.home, &self.certificate) {
            (Home::Network, Some(der)) => {
                let authority = certificate::verify(&member.anchor, der, now)?;
                if authority.role() != Role::Authority || said.roles.len() > ROLES_MAX {
                    return Err(AssertionError::NotAuthority);
                }
                authority.node_id()
            }
            (Home::Node(node), None) if node == requester.name() && said.roles.is_empty() => said.node,
            (Home::Network, None) => return Err(AssertionError::NotAuthority),
            (Home::Node(_), _) => return Err(AssertionError::Overreach),
        };
        let signed = Signed { root: member.anchor.fingerprint(), assertion: said };
        directory.public_key().verify(Label::UserAssertion, &signed, &self.signature)?;
        let (issued, expires) = (said.issued, said.expires);
        let longest = said.authenticated.after(ASSERTION_LIFE);
        if said.authenticated > issued || expires > longest {
            return Err(AssertionError::Time { issued, expires, now });
        }
        Ok(VerifiedAssertion { signed: self, directory })
    }
}

/// An assertion that is believed. Made by [`SignedAssertion`]'s verification alone.
#[derive(Clone, Debug)]
pub struct VerifiedAssertion {
    signed: SignedAssertion,
    directory: NodeId,
}

impl VerifiedAssertion {
    /// What is said.
    #[must_use]
    pub const fn assertion(&self) -> &Assertion {
        &self.signed.assertion
    }

    /// Who it is.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.signed.assertion.principal
    }

    /// As it is shown to others.
    #[must_use]
    pub const fn signed(&self) -> &SignedAssertion {
        &self.signed
    }

    /// Whether nothing that was learnt since takes it back. Its time is another matter.
    pub(crate) fn stands(&self, member: &Member) -> bool {
        !member.denies(self.directory) && !member.notices.end(self.assertion())
    }
}
