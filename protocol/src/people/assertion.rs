//! A directory's word that somebody has logged in at a node.

use core::time::Duration;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Home, Principal};
use crate::certificate::{CertificateDer, CertificateError, Role, SKEW, VerifiedCertificate};
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
    /// By which version of the policy the authority went then; a node's own users have 0. What changes with a later one
    /// ends the log-in ([`Notices`](crate::access::Notices)).
    pub epoch: u64,
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
                let authority = member.verify(der, now)?;
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

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::access::Notices;
    use crate::certificate::{self, LEAF_LIFE, Subject, TrustAnchor, Validity, Verified};
    use crate::identity::{CaKey, NetworkName, NodeKeys, SealingKey};

    const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

    fn keys(seed: u8) -> NodeKeys {
        let identity = IdentityKey::from_seed(&[seed; 32]);
        NodeKeys { identity, sealing: SealingKey::from_bytes(&[seed + 1; 32]) }
    }

    /// A network with an authority, `office`, and two members.
    struct World {
        anchor: TrustAnchor,
        office: (NodeKeys, VerifiedCertificate),
        till: (NodeKeys, VerifiedCertificate),
        nas: (NodeKeys, VerifiedCertificate),
    }

    impl World {
        fn new() -> Self {
            let mut rng = ChaCha20Rng::seed_from_u64(1);
            let (ca, network) = (CaKey::from_seed(&[1; 32]), "shop.lan".parse::<NetworkName>().unwrap());
            let der = certificate::issue_ca(&ca, &network, NOW, &mut rng).unwrap();
            let anchor = TrustAnchor::new(der, Fingerprint::of(&ca.public_key()), network.clone()).unwrap();
            let mut leaf = |seed: u8, name: &str, role: Role| {
                let keys = keys(seed);
                let subject = Subject {
                    name: name.parse().unwrap(),
                    entity: network.default_entity(),
                    network: network.clone(),
                    role,
                    node: keys.node_id(),
                    sealing: keys.sealing.public_key(),
                };
                let validity = Validity::starting(NOW, LEAF_LIFE).unwrap();
                let der = certificate::issue_leaf(&ca, &anchor, subject, validity, &mut rng).unwrap();
                let leaf = certificate::verify(&anchor, &der, NOW).unwrap();
                (keys, leaf)
            };
            let office = leaf(10, "office", Role::Authority);
            let (till, nas) = (leaf(20, "till", Role::Member), leaf(30, "nas", Role::Member));
            Self { anchor, office, till, nas }
        }

        /// A provider.
        fn member(&self) -> Member {
            Member::new(self.anchor.clone(), self.nas.1.clone(), Verified::default())
        }

        /// `ana` at the till.
        fn assertion(&self) -> Assertion {
            let user: crate::identity::UserName = "ana".parse().unwrap();
            Assertion {
                principal: Principal { person: user.clone().into(), user, home: Home::Network },
                roles: ["cashier".parse().unwrap()].into(),
                entity: self.till.1.entity().clone(),
                node: self.till.1.node_id(),
                authenticated: NOW,
                issued: NOW,
                epoch: 1,
                expires: NOW.after(ASSERTION_LIFE),
            }
        }

        fn signed_by(
            &self,
            (keys, leaf): &(NodeKeys, VerifiedCertificate),
            assertion: Assertion,
            shown: bool,
        ) -> SignedAssertion {
            let certificate = shown.then(|| leaf.der().clone());
            SignedAssertion::sign(&keys.identity, self.anchor.fingerprint(), certificate, assertion)
        }

        fn judged(&self, signed: SignedAssertion) -> Result<VerifiedAssertion, AssertionError> {
            signed.verify(&self.member(), &self.till.1, NOW)
        }
    }

    fn local(assertion: Assertion, node: &str) -> Assertion {
        let home = Home::Node(node.parse().unwrap());
        Assertion { principal: Principal { home, ..assertion.principal }, ..assertion }
    }

    /// R-T1, B14: the authority vouches for users of the network and their roles, a node for its own users without roles.
    #[test]
    fn who_vouches_for_whom() {
        let world = World::new();
        let ana = world.assertion();
        assert!(world.judged(world.signed_by(&world.office, ana.clone(), true)).is_ok());
        let eve = Assertion { roles: BTreeSet::new(), ..local(ana.clone(), "till") };
        assert!(world.judged(world.signed_by(&world.till, eve.clone(), false)).is_ok());
        for (name, signed) in [
            ("a member for a user of the network", world.signed_by(&world.till, ana.clone(), true)),
            ("another member", world.signed_by(&world.nas, ana.clone(), true)),
            ("a member without a certificate", world.signed_by(&world.till, ana.clone(), false)),
            ("the authority without its certificate", world.signed_by(&world.office, ana.clone(), false)),
            (
                "a node for its own user with a role",
                world.signed_by(&world.till, local(ana.clone(), "till"), false),
            ),
            ("a node with a certificate for its own user", world.signed_by(&world.till, eve.clone(), true)),
            ("another node for the till's user", world.signed_by(&world.nas, eve.clone(), false)),
            ("a node for another's user", world.signed_by(&world.till, local(eve.clone(), "nas"), false)),
            ("the authority for the till's user", world.signed_by(&world.office, eve, true)),
        ] {
            assert!(world.judged(signed).is_err(), "{name}");
        }
    }

    /// R-T5, B4, B7: an assertion is for its node and entity, lives no longer than a log-in may, and ends with what was
    /// learnt since.
    #[test]
    fn when_an_assertion_is_good() {
        let world = World::new();
        let ana = world.assertion();
        let by_office = |assertion: Assertion| world.signed_by(&world.office, assertion, true);
        let second = Duration::from_secs(1);
        for (name, wrong) in [
            ("another node", Assertion { node: world.nas.1.node_id(), ..ana.clone() }),
            ("another entity", Assertion { entity: "bank".parse().unwrap(), ..ana.clone() }),
            ("over", Assertion { expires: NOW, ..ana.clone() }),
            ("too long", Assertion { expires: ana.expires.after(second), ..ana.clone() }),
            ("signed before the log-in", Assertion { issued: NOW.before(second), ..ana.clone() }),
            ("to come", {
                let to_come = NOW.after(SKEW).after(second);
                Assertion { authenticated: to_come, issued: to_come, ..ana.clone() }
            }),
            ("seventeen roles", {
                let roles = (0..=ROLES_MAX).map(|number| format!("role-{number}").parse().unwrap());
                Assertion { roles: roles.collect(), ..ana.clone() }
            }),
        ] {
            assert!(world.judged(by_office(wrong)).is_err(), "{name}");
        }
        let good = world.judged(by_office(ana.clone())).unwrap();
        let mut member = world.member();
        assert!(good.stands(&member));
        let notices = Notices::default().with(&"ana".parse().unwrap(), true, (2, NOW), NOW);
        member.notices = std::sync::Arc::new(notices);
        assert!(!good.stands(&member));
        let again = by_office(Assertion { epoch: 2, ..ana });
        assert!(again.verify(&member, &world.till.1, NOW).is_ok());
        let elsewhere = by_office(world.assertion());
        assert_eq!(
            elsewhere.verify(&world.member(), &world.nas.1, NOW).unwrap_err(),
            AssertionError::OtherNode
        );
    }
}
