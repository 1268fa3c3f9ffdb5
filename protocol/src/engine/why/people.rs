//! What policy says of somebody of whom it is asked, who need not be logged in here.

use std::collections::BTreeSet;

use super::links::is_of;
use super::{Broken, Side, Walking};
use crate::access::{OnlineCheck, Rule, Subject};
use crate::certificate::VerifiedCertificate;
use crate::control::{Code, Failure, LinkName};
use crate::engine::Engine;
use crate::engine::people::to_be_renewed;
use crate::identity::{NodeId, NodeName, UserRole};
use crate::people::{Home, UserRef};
use crate::time::Timestamp;

/// What policy says.
pub(super) enum Verdict<'a> {
    /// This grant allows it.
    Granted(Rule<'a>),
    /// A grant allows it to whoever has what only the authority knows of: this.
    Depends(String),
    /// No grant allows it; this is missing.
    Denied(String),
}

impl Engine {
    /// What policy says of the one whose walk it is; nothing where it is not known yet who is at the other end.
    pub(super) fn verdict(&self, walking: &Walking) -> Option<Verdict<'_>> {
        let member = self.membership.member.as_ref()?;
        let own = &member.certificate;
        let theirs = || self.peers.get(walking.node?)?.certificate.as_ref();
        let (requester, provider) = match walking.side {
            Side::Provides(_) => (theirs()?, own.name().clone()),
            Side::Asks(_) | Side::WouldAsk(_) => (own, self.provider_of(walking)?),
        };
        let one = |subject: &Subject| match member.policy.decide(subject, &walking.service, &provider) {
            Some(rule) => Verdict::Granted(rule),
            None => {
                Verdict::Denied(member.policy.missing(subject, &walking.service, &provider).join("; or "))
            }
        };
        let verdict = match &walking.side {
            Side::Asks(actor) => one(&Subject::of_user(requester, self.user_of(actor).ok()?)),
            Side::Provides(None) => one(&Subject::of(requester)),
            Side::WouldAsk(user) | Side::Provides(Some(user)) => {
                let Some(roles) = self.roles_of(walking, user) else {
                    return Some(self.verdict_without_roles(walking, requester, user, &provider, one));
                };
                one(&Subject::of_supposed(requester, user, &roles))
            }
        };
        Some(verdict)
    }

    /// Of a user whose roles are not known here: whether it is granted whatever they are, or depends on them.
    fn verdict_without_roles<'a>(
        &'a self,
        walking: &Walking,
        requester: &VerifiedCertificate,
        user: &UserRef,
        provider: &NodeName,
        one: impl Fn(&Subject) -> Verdict<'a>,
    ) -> Verdict<'a> {
        let without = one(&Subject::of_supposed(requester, user, []));
        let (Verdict::Denied(missing), Some(member)) = (&without, &self.membership.member) else {
            return without;
        };
        let every = Subject::of_supposed(requester, user, member.policy.roles().map(|(role, _)| role));
        match member.policy.decide(&every, &walking.service, provider) {
            Some(_) => Verdict::Depends(missing.clone()),
            None => without,
        }
    }

    fn provider_of(&self, walking: &Walking) -> Option<NodeName> {
        let known = walking.node.and_then(|node| self.peers.get(node)?.certificate.as_ref());
        known.map(|known| known.name().clone()).or_else(|| walking.peer.as_str().parse().ok())
    }

    /// The roles of a user, where they are known: whoever is logged in here has shown them, and the authority gives them.
    fn roles_of(&self, walking: &Walking, user: &UserRef) -> Option<BTreeSet<UserRole>> {
        let here = !matches!(walking.side, Side::Provides(_));
        if let Some(log_in) = self.people.log_in_of(user).filter(|_| here) {
            return Some(log_in.assertion().roles.clone());
        }
        match user.home {
            Home::Node(_) => Some(BTreeSet::new()),
            Home::Network => {
                self.membership.authority.as_ref()?;
                self.people.network().get(&user.user).ok().map(|record| record.roles.clone())
            }
        }
    }

    /// Why this node would not ask on behalf of a user.
    pub(super) fn would_refuse(&self, walking: &Walking, user: &UserRef) -> Option<Broken> {
        let verdict = self.verdict(walking);
        let Some(log_in) = self.people.log_in_of(user) else {
            let then = verdict.map_or_else(String::new, |verdict| match verdict {
                Verdict::Granted(rule) => format!("; policy would grant it by {rule}"),
                Verdict::Depends(missing) => format!("; policy would grant it to {missing}"),
                Verdict::Denied(missing) => format!("; policy would not grant it: it lacks {missing}"),
            });
            let message = format!("{user} is not logged in here{then}");
            let remedy = format!("log in: `lanyard login {user}`");
            return Some((LinkName::Login, Failure::new(Code::Denied, message, remedy)));
        };
        if self.membership.member.as_ref().is_none_or(|member| !log_in.stands(member)) {
            return Some((LinkName::Login, to_be_renewed(log_in.principal())));
        }
        self.denied_by(walking, verdict?)
    }

    fn denied_by(&self, walking: &Walking, verdict: Verdict<'_>) -> Option<Broken> {
        let Verdict::Denied(missing) = verdict else { return None };
        let failure = Failure::new(
            Code::Denied,
            format!(
                "policy does not grant {} to {}: it lacks {missing}",
                self.walked_to(walking),
                self.walker(walking)
            ),
            "ask whoever keeps the network's policy to grant it",
        );
        Some((LinkName::Policy, failure))
    }

    /// The service at its provider.
    fn walked_to(&self, walking: &Walking) -> String {
        let own = self.membership.member.as_ref().map(|member| member.certificate.name().to_string());
        let provider = match walking.side {
            Side::Provides(_) => own.unwrap_or_default(),
            Side::Asks(_) | Side::WouldAsk(_) => walking.peer.to_string(),
        };
        format!("{}@{provider}", walking.service)
    }

    /// Whose walk it is, as policy calls them.
    fn walker(&self, walking: &Walking) -> String {
        match &walking.side {
            Side::Asks(actor) => format!("{actor} here"),
            Side::WouldAsk(user) => format!("{user} here"),
            Side::Provides(None) => self.other(walking),
            Side::Provides(Some(user)) => format!("{user} at {}", self.other(walking)),
        }
    }

    /// Why this node, as the provider, refuses a ticket to a node, or to a user there.
    pub(super) fn refuses_to(
        &self,
        walking: &Walking,
        user: Option<&UserRef>,
        node: NodeId,
        now: Timestamp,
    ) -> Option<Broken> {
        let no_log_in = user.and_then(|user| self.cannot_log_in(user, node));
        let no_log_in = no_log_in.map(|failure| (LinkName::Login, failure));
        no_log_in.or_else(|| self.denied_by(walking, self.verdict(walking)?)).or_else(|| {
            self.mints_nothing(walking, user, node, now).map(|failure| (LinkName::Ticket, failure))
        })
    }

    /// Why a user cannot be logged in at a node, as far as that is known here.
    fn cannot_log_in(&self, user: &UserRef, node: NodeId) -> Option<Failure> {
        let label = self.peers.label(node);
        match &user.home {
            Home::Node(home) if home.as_str() != label => Some(Failure::new(
                Code::Denied,
                format!("{user} is a user of {home}'s own, and can be logged in there alone"),
                format!("ask about a user of the network, or `--from {home}`"),
            )),
            Home::Network if self.membership.authority.is_some() => {
                let error = self.people.network().get(&user.user).err()?;
                Some(Failure::new(
                    Code::Denied,
                    error.to_string(),
                    format!("see who there is: `lanyard user list`; or add them: `lanyard user add {user}`"),
                ))
            }
            Home::Node(_) | Home::Network => None,
        }
    }

    /// Why there is no ticket for what policy grants.
    fn mints_nothing(
        &self,
        walking: &Walking,
        user: Option<&UserRef>,
        node: NodeId,
        now: Timestamp,
    ) -> Option<Failure> {
        let label = self.peers.label(node);
        if self.checks_online(walking) == OnlineCheck::Require && !self.authority_answers(node, now) {
            return Some(Failure::new(
                Code::Denied,
                format!(
                    "the certificate of {label} is to be confirmed with the authority, which cannot be reached"
                ),
                "start the authority, or see why it cannot be reached: `lanyard status`",
            ));
        }
        if self.tickets.minted.has_own_room(node, now, |had| is_of(had, user)) {
            return None;
        }
        Some(Failure::new(
            Code::Failed,
            format!("{} has as many tickets of this node's as one may have", self.walker(walking)),
            "end some of them: `lanyard ticket list`, `lanyard ticket revoke ID`",
        ))
    }

    /// How far the authority is asked about the requester before a ticket is minted, as far as this node knows.
    pub(super) fn checks_online(&self, walking: &Walking) -> OnlineCheck {
        let granted = match self.verdict(walking) {
            Some(Verdict::Granted(rule)) => rule.online_check(),
            Some(Verdict::Depends(_) | Verdict::Denied(_)) | None => OnlineCheck::Never,
        };
        let own = matches!(walking.side, Side::Provides(_)).then_some(self.local.online_check);
        granted.max(own.unwrap_or_default())
    }

    fn authority_answers(&self, requester: NodeId, now: Timestamp) -> bool {
        let home = self.membership.home;
        let reachable = home.is_some_and(|home| self.peers.member(home, now).is_some());
        self.membership.authority.is_some() || home == Some(requester) || reachable
    }
}
