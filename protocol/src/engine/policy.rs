//! What the network's policy lets this node ask, and others ask of it.

mod manage;
mod spread;

pub(super) use self::spread::Policies;
use super::errand::Wish;
use super::peers::Resolved;
use super::tickets::Place;
use super::{Engine, OnlineCheck};
use crate::access::Subject;
use crate::control::{Failure, PeerRef};
use crate::identity::{NodeId, NodeName};
use crate::people::VerifiedAssertion;
use crate::snapshot::denied;
use crate::ticket::TicketRequest;
use crate::time::Timestamp;

impl Engine {
    /// Why nothing of a request for a peer's service may leave this host, if nobody is logged in who may ask, or policy
    /// does not grant it.
    ///
    /// A peer that is named by an id nobody here knows may be anyone who provides it, until it is found.
    pub(super) fn not_granted(&self, wish: &Wish, peer: &PeerRef) -> Option<Failure> {
        let member = self.membership.member.as_ref()?;
        let user = match self.user_of(&wish.actor) {
            Ok(user) => user,
            Err(failure) => return Some(failure),
        };
        let subject = Subject::of_user(&member.certificate, user);
        let known = match self.peers.resolve(peer) {
            Resolved::One(node) => self.name_of(node).cloned(),
            Resolved::None | Resolved::Several(_) => None,
        };
        let may_be_id = known.is_none() && peer.as_str().bytes().all(|byte| byte.is_ascii_hexdigit());
        if may_be_id && member.policy.may_ask_somebody(&subject, &wish.service) {
            return None;
        }
        let name = known.or_else(|| peer.as_str().parse().ok());
        match name {
            Some(name) => member.refusal(user, &wish.service, &name),
            None => Some(denied(user.map(VerifiedAssertion::principal), &wish.service, peer.as_str(), &[])),
        }
    }

    /// As [`Engine::not_granted`], of a node that is known.
    pub(super) fn not_granted_at(&self, place: &Place) -> Option<Failure> {
        let member = self.membership.member.as_ref()?;
        let user = match self.user_of(&place.actor) {
            Ok(user) => user,
            Err(failure) => return Some(failure),
        };
        match self.name_of(place.provider) {
            Some(name) => member.refusal(user, &place.service, name),
            None => {
                let principal = user.map(VerifiedAssertion::principal);
                Some(denied(principal, &place.service, &place.provider.short(), &[]))
            }
        }
    }

    /// Whether a service of another node may be used on somebody's behalf.
    pub(super) fn is_granted(&self, place: &Place) -> bool {
        self.not_granted_at(place).is_none()
    }

    fn name_of(&self, node: NodeId) -> Option<&NodeName> {
        self.peers.get(node)?.certificate.as_ref().map(|known| known.name())
    }

    /// How far the authority is asked about a requester: what this node's owner wants, or the grant, if that is more.
    pub(super) fn online_check_for(
        &self,
        requester: NodeId,
        request: &TicketRequest,
        now: Timestamp,
    ) -> OnlineCheck {
        let asked = || {
            let member = self.membership.member.as_ref()?;
            let peer = self.peers.member(requester, now)?.certificate();
            let user = member.believe(request.assertion.as_deref(), peer, now).ok()?;
            let subject = Subject::of_user(peer, user.as_ref());
            let rule = member.policy.decide(&subject, &request.service, member.certificate.name())?;
            Some(rule.online_check())
        };
        self.local.online_check.max(asked().unwrap_or_default())
    }
}
