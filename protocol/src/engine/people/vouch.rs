//! What this node says of people: of the network's users as the authority, of its own users by itself.

use std::collections::BTreeSet;

use crate::certificate::VerifiedCertificate;
use crate::engine::Engine;
use crate::identity::NodeId;
use crate::people::{ASSERTION_LIFE, Assertion, Home, Principal, SignedAssertion};
use crate::time::Timestamp;

impl Engine {
    /// Vouches for somebody whose password was right, at `node` or here.
    pub(super) fn vouch(
        &self,
        node: Option<NodeId>,
        principal: Principal,
        authenticated: Timestamp,
        now: Timestamp,
    ) -> Option<SignedAssertion> {
        let node = node.unwrap_or_else(|| self.node_id());
        self.word(node, principal, (authenticated, now.after(ASSERTION_LIFE)), now)
    }

    /// Vouches again for somebody whom this authority has vouched for, unless the user, the person or the password is
    /// another now.
    pub(super) fn vouch_again(
        &self,
        node: NodeId,
        shown: &SignedAssertion,
        now: Timestamp,
    ) -> Option<SignedAssertion> {
        let member = self.membership.member.as_ref()?;
        let certificate = self.certificate_here(node, now)?;
        // What was taken back since is what this is about.
        let said = shown.clone().authenticate(member, &certificate, now).ok()?;
        let said = said.assertion();
        let record = self.people.network.get(&said.principal.user).ok()?;
        let credential = record.persons.get(&said.principal.person)?;
        let same = credential.since <= said.authenticated && said.principal.home == Home::Network;
        if !same || !said.lives(now) {
            return None;
        }
        self.word(node, said.principal.clone(), (said.authenticated, said.expires), now)
    }

    fn certificate_here(&self, node: NodeId, now: Timestamp) -> Option<VerifiedCertificate> {
        if node == self.node_id() {
            return self.membership.member.as_ref().map(|member| member.certificate.clone());
        }
        self.peers.member(node, now).map(|peer| peer.certificate().clone())
    }

    fn word(
        &self,
        node: NodeId,
        principal: Principal,
        (authenticated, ends): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Option<SignedAssertion> {
        let member = self.membership.member.as_ref()?;
        let own = &member.certificate;
        let (roles, certificate, epoch) = match &principal.home {
            Home::Network => {
                let record = self.people.network.get(&principal.user).ok()?;
                (record.roles.clone(), Some(own.der().clone()), member.policy.epoch())
            }
            Home::Node(_) => (BTreeSet::new(), None, 0),
        };
        let assertion = Assertion {
            principal,
            roles,
            entity: self.certificate_here(node, now)?.entity().clone(),
            node,
            authenticated,
            issued: now.max(authenticated),
            epoch,
            expires: ends.min(authenticated.after(ASSERTION_LIFE)).min(own.not_after()),
        };
        let signed =
            SignedAssertion::sign(&self.keys.identity, member.anchor.fingerprint(), certificate, assertion);
        signed.assertion.lives(now).then_some(signed)
    }
}
