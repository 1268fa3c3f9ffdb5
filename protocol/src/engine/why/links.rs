//! What is said of each link: that it holds and how, or how it breaks.

use core::fmt::Write as _;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeSet;

use super::people::Verdict;
use super::{Broken, Side, Stranger, Walking};
use crate::access::OnlineCheck;
use crate::control::{Code, Failure, LinkName, PeerRef};
use crate::engine::Engine;
use crate::engine::commands::not_a_member;
use crate::engine::peers::Resolved;
use crate::engine::tickets::Place;
use crate::identity::NodeId;
use crate::people::{Actor, Home, Principal, UserRef};
use crate::reject::Reject;
use crate::time::Timestamp;

impl Engine {
    /// Why this node takes part in nothing, if it is no member now.
    pub(in crate::engine) fn no_membership(&self, now: Timestamp) -> Option<Failure> {
        let Some(member) = &self.membership.member else { return Some(not_a_member()) };
        if let Some(revoked) = self.own_revocation() {
            return Some(revoked);
        }
        let error = member.certificate.check_time(now).err()?;
        let clock = self.clock_fault().map_or_else(String::new, |fault| format!("; {fault}"));
        Some(Failure::new(
            Code::Denied,
            format!("{error}{clock}"),
            "it is renewed when the authority can be reached: `lanyard cert renew`; or set the clock right",
        ))
    }

    /// The node that is known by this name or id, if it is one.
    pub(super) fn known_as(&self, peer: &PeerRef) -> Option<NodeId> {
        match self.peers.resolve(peer) {
            Resolved::One(node) => Some(node),
            Resolved::None | Resolved::Several(_) => None,
        }
    }

    /// The node at the other end, as a person is told it.
    pub(super) fn other(&self, walking: &Walking) -> String {
        walking.node.map_or_else(|| walking.peer.to_string(), |node| self.peers.label(node))
    }

    /// How a link holds, as far as it was tried.
    pub(super) fn holds(&self, link: LinkName, walking: &Walking, now: Timestamp) -> Option<String> {
        match link {
            LinkName::Discovery => self.link_found(walking),
            LinkName::Reachability => self.link_answers(walking),
            LinkName::Certificate => self.link_certified(walking, now),
            LinkName::Login => self.link_login(walking),
            LinkName::Policy => self.link_granted(walking),
            LinkName::Ticket => self.link_ticket(walking, now),
            LinkName::Channel => None,
        }
    }

    fn link_found(&self, walking: &Walking) -> Option<String> {
        let node = walking.node?;
        let peer = self.peers.get(node)?;
        let named = self.contacts.answered.iter().find(|(_, answered)| **answered == node);
        let how = match named {
            Some((address, _)) => format!("it is at the named address {address}"),
            None if walking.told => "the authority has told where it is".to_owned(),
            None if !peer.heard.is_empty() => "it was seen on the network".to_owned(),
            None if self.membership.home == Some(node) => "it is the authority".to_owned(),
            None if self.membership.authority.is_some() => "it was enrolled here".to_owned(),
            None => "it was met before".to_owned(),
        };
        Some(format!("{} is {}: {how}", walking.peer, node.short()))
    }

    fn link_answers(&self, walking: &Walking) -> Option<String> {
        let address = self.peers.get(walking.node?)?.connected?;
        let rtt = walking.rtt_ms.map_or_else(String::new, |rtt| format!(" within {rtt:.2} ms"));
        Some(format!("it answers at {address}{rtt}"))
    }

    fn link_certified(&self, walking: &Walking, now: Timestamp) -> Option<String> {
        let theirs = self.peers.certificate(walking.node?, now)?;
        let own = &self.membership.member.as_ref()?.certificate;
        Some(format!(
            "{} holds until {}, this node's until {}",
            theirs.name(),
            theirs.not_after(),
            own.not_after()
        ))
    }

    fn link_login(&self, walking: &Walking) -> Option<String> {
        let other = self.other(walking);
        let said = |log_in: &crate::people::VerifiedAssertion| {
            format!("{} is logged in here until {}", log_in.principal(), log_in.assertion().expires)
        };
        match &walking.side {
            Side::Asks(Actor::Node) => Some("this node acts for itself".to_owned()),
            Side::Asks(actor @ Actor::Person(_)) => self.user_of(actor).ok().flatten().map(said),
            Side::WouldAsk(user) => self.people.log_in_of(user).map(said),
            Side::Provides(None) => {
                Some(format!("{other} acts for itself: `--as USER` asks for somebody there"))
            }
            Side::Provides(Some(user)) => {
                let known = self.membership.authority.is_some() && user.home == Home::Network;
                let known = if known { "there is such a user; " } else { "" };
                Some(format!("{known}whether {user} is logged in at {other} is known there alone"))
            }
        }
    }

    fn link_granted(&self, walking: &Walking) -> Option<String> {
        match self.verdict(walking)? {
            Verdict::Granted(rule) => Some(format!("{rule} allows it")),
            Verdict::Depends(missing) => {
                Some(format!("it is granted to {missing}: the authority knows who that is"))
            }
            Verdict::Denied(_) => None,
        }
    }

    fn link_ticket(&self, walking: &Walking, now: Timestamp) -> Option<String> {
        let node = walking.node?;
        let actor = match &walking.side {
            Side::Asks(actor) => actor.clone(),
            Side::WouldAsk(user) => Actor::Person(self.people.log_in_of(user)?.principal().clone()),
            Side::Provides(user) => return Some(self.minted_for(walking, user.as_ref(), node, now)),
        };
        let place = Place { provider: node, service: walking.service.clone(), actor };
        let held = self.tickets.held.get(&place).filter(|held| held.usable(now))?;
        let how = if walking.asked { "got now, good" } else { "held" };
        Some(format!("{how} until {}{}", held.terms().expires, self.limits(walking)))
    }

    /// What the grant limits, in brackets.
    fn limits(&self, walking: &Walking) -> String {
        let life = match self.verdict(walking) {
            Some(Verdict::Granted(rule)) => rule.max_ticket(),
            Some(Verdict::Depends(_) | Verdict::Denied(_)) | None => None,
        };
        let life = life.map(|life| format!("at most {}", brief(life)));
        let check = match self.checks_online(walking) {
            OnlineCheck::Never => None,
            OnlineCheck::Prefer => Some("the authority is asked if it answers".to_owned()),
            OnlineCheck::Require => Some("the authority is always asked".to_owned()),
        };
        let limits: Vec<String> = life.into_iter().chain(check).collect();
        if limits.is_empty() { String::new() } else { format!(" (by the grant: {})", limits.join(", ")) }
    }

    fn minted_for(&self, walking: &Walking, user: Option<&UserRef>, node: NodeId, now: Timestamp) -> String {
        let of_user = |ticket: &&crate::ticket::MintedTicket| {
            ticket.service == walking.service && is_of(ticket.user.as_ref(), user)
        };
        let live = self.tickets.minted.live_of(node, now).filter(of_user);
        let (revoked, good): (Vec<_>, Vec<_>) = live.partition(|ticket| ticket.revoked);
        let mut said = match good.iter().map(|ticket| ticket.expires).max() {
            Some(last) if good.len() == 1 => format!("one lives, until {last}"),
            Some(last) => format!("{} live, the last until {last}", good.len()),
            None => "none lives: it is minted when it is asked for".to_owned(),
        };
        if !revoked.is_empty() {
            let _ = write!(said, "; {} taken back", revoked.len());
        }
        said + &self.limits(walking)
    }
}

impl Engine {
    /// The link at which a walk has ended, and what is said of it.
    pub(super) fn broken(&self, walking: &Walking, failure: Failure, now: Timestamp) -> Broken {
        let revoked = walking
            .node
            .or_else(|| self.known_as(&walking.peer))
            .is_some_and(|node| self.membership.member.as_ref().is_some_and(|member| member.denies(node)));
        let stranger = matches!(walking.rejected, Some(Reject::NotMember | Reject::Revoked));
        match (walking.at, failure.code) {
            (LinkName::Discovery | LinkName::Reachability, Code::Denied) if revoked => {
                (LinkName::Certificate, failure)
            }
            (LinkName::Reachability, Code::Denied) if stranger => {
                (LinkName::Certificate, self.said_unbelieved(walking, not_taken(&self.other(walking)), now))
            }
            (LinkName::Discovery, Code::Unreachable) => (walking.at, self.said_unknown(walking, failure)),
            (LinkName::Reachability, Code::Unreachable) => {
                (walking.at, self.said_unanswered(walking, failure, now))
            }
            (LinkName::Certificate, _) if !revoked => {
                (walking.at, self.said_unbelieved(walking, failure, now))
            }
            (LinkName::Ticket, _) => (walking.at, self.said_unminted(walking, failure)),
            (at, _) => (at, failure),
        }
    }

    fn said_unknown(&self, walking: &Walking, failure: Failure) -> Failure {
        let message = format!(
            "{} is not known here, and the authority, which knows everybody, cannot be reached",
            walking.peer
        );
        let remedy = "see that the authority is up and on this network: `lanyard status` on both";
        Failure { message, remedy: remedy.to_owned(), ..failure }
    }

    fn said_unanswered(&self, walking: &Walking, failure: Failure, now: Timestamp) -> Failure {
        let addresses = walking.node.and_then(|node| self.peers.get(node)).map(|peer| peer.all_addresses());
        let addresses: BTreeSet<SocketAddr> = addresses.into_iter().flatten().collect();
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let other = self.other(walking);
        let tried = if addresses.is_empty() {
            format!("no address of {other} is known")
        } else {
            format!("{other} does not answer at {}", addresses.join(", "))
        };
        let authority = match self.membership.home {
            Some(home) if Some(home) == walking.node => ", and it is the authority",
            Some(home) if home == self.node_id() => "; this node is the authority",
            Some(home) if self.peers.member(home, now).is_some() => "; the authority answers",
            Some(_) | None => "; neither does the authority",
        };
        Failure { message: format!("{tried}{authority}"), ..failure }
    }

    fn said_unbelieved(&self, walking: &Walking, failure: Failure, now: Timestamp) -> Failure {
        let other = self.other(walking);
        let peer = walking.node.and_then(|node| self.peers.get(node));
        let ended = peer.and_then(|peer| peer.certificate.as_ref()?.check_time(now).err());
        let shown = peer.and_then(|peer| peer.unproven.clone());
        let renewed = format!(
            "see `lanyard status` on {other}: it renews its certificate when it reaches the authority"
        );
        let (message, remedy) = match (&walking.stranger, ended.or(shown)) {
            (Some(Stranger::Of { network, ours: false }), _) => (
                format!("{other} is a member of another network, {network}"),
                "join the same network: `lanyard join` on one of the two".to_owned(),
            ),
            (_, Some(error)) => (format!("the certificate of {other} does not hold: {error}"), renewed),
            (Some(Stranger::None), None) => (
                format!("{other} is a member of no network at the moment: never joined, expired or revoked"),
                renewed,
            ),
            (Some(Stranger::Of { ours: true, .. }), None) => (
                format!("{other} is of this network and does not take this node's certificate"),
                "compare state and clock of both: `lanyard status` on each".to_owned(),
            ),
            (Some(Stranger::Silent) | None, None) => return failure,
        };
        Failure { message, remedy, ..failure }
    }

    fn said_unminted(&self, walking: &Walking, failure: Failure) -> Failure {
        let other = self.other(walking);
        if failure.code == Code::Unreachable {
            let message = format!("{other} has not answered the request for a ticket");
            return Failure { message, remedy: "try again in a moment".to_owned(), ..failure };
        }
        let Some(reject) = walking.rejected else { return failure };
        let (own, theirs) =
            (self.policy_epoch(), walking.node.and_then(|node| self.policies.version_of(node)));
        let message = format!("{other} mints no ticket: {reject}");
        match theirs.filter(|_| reject == Reject::Denied) {
            Some(theirs) if theirs < own => Failure {
                message: format!("{message}; it goes by version {theirs} of the policy, this node by {own}"),
                remedy: format!("it is being told: try again; if it stays, see `lanyard status` on {other}"),
                ..failure
            },
            Some(theirs) if theirs > own => Failure {
                message: format!("{message}; it goes by version {theirs} of the policy, this node by {own}"),
                remedy: "this node is being told: see whether the authority answers: `lanyard status`"
                    .to_owned(),
                ..failure
            },
            Some(_) => Failure { message: format!("{message}; both go by version {own}"), ..failure },
            None => Failure { message, ..failure },
        }
    }
}

/// Whether something is on behalf of this user, whoever uses it; or of nobody.
pub(super) fn is_of(had: Option<&Principal>, user: Option<&UserRef>) -> bool {
    match (had, user) {
        (None, None) => true,
        (Some(had), Some(user)) => had.user == user.user && had.home == user.home,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// The failure of asking somebody who does not take this node for a member any more.
fn not_taken(other: &str) -> Failure {
    Failure::new(
        Code::Denied,
        format!("{other} does not take this node for a member of its network now"),
        "compare network, state and clock of both: `lanyard status` on each",
    )
}

/// A time in the largest unit in which it is whole.
fn brief(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => "0s".to_owned(),
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_their_largest_unit() {
        for (seconds, said) in [(0, "0s"), (90, "90s"), (1800, "30m"), (28_800, "8h")] {
            assert_eq!(brief(Duration::from_secs(seconds)), said);
        }
    }
}
