//! Why a service can be used, or cannot: the same steps as its use, link by link, and how far they lead.
//!
//! A walk is an errand ([`errand`](super::errand)) that asks for nothing but a round trip and, if it gets so far, the
//! ticket. What login or policy refuse at this node is refused before anything is sent, as when the service is used:
//! what would have had to be sent for it was then not tried.

mod links;
mod people;

use super::errand::{Origin, Target, Want, Wish, this_node};
use super::{CommandId, Engine};
use crate::control::{
    Answer, AskWhy, Caller, Code, Failure, LinkName, Onward, PeerRef, ServiceRef, Walk, Walked,
};
use crate::identity::{NetworkName, NodeId, ServiceName};
use crate::people::{Actor, UserRef};
use crate::reject::Reject;
use crate::time::Timestamp;

/// A link that fails, and how.
pub(super) type Broken = (LinkName, Failure);

/// A walk on its way.
pub(super) struct Walking {
    pub(super) service: ServiceName,
    /// The node at the other end, as it was named.
    pub(super) peer: PeerRef,
    pub(super) side: Side,
    /// The link that is being tried.
    pub(super) at: LinkName,
    /// The node at the other end, once it is known.
    pub(super) node: Option<NodeId>,
    /// Whether the authority has said where it is.
    pub(super) told: bool,
    /// The round trip, in milliseconds.
    pub(super) rtt_ms: Option<f64>,
    /// Whether the provider was asked for the ticket.
    pub(super) asked: bool,
    /// How often it was turned to since it has answered last.
    pub(super) turns: u32,
    /// What the other end has said no with.
    pub(super) rejected: Option<Reject>,
    /// What the other end says of its network, where neither takes the other for a member.
    pub(super) stranger: Option<Stranger>,
}

/// Where this node stands.
pub(super) enum Side {
    /// It asks, on somebody's behalf: as far as a channel.
    Asks(Actor),
    /// It would ask on behalf of a user: as far as policy.
    WouldAsk(UserRef),
    /// It provides the service: to the other node, or to a user there.
    Provides(Option<UserRef>),
}

/// What somebody says who does not take this node for a member of its network.
pub(super) enum Stranger {
    /// It has been asked, and has not said.
    Silent,
    /// It is a member of none at the moment.
    None,
    /// Of this one, which is this node's own or another.
    Of { network: NetworkName, ours: bool },
}

impl Walking {
    /// The wish whose ticket it asks for, if it goes so far.
    pub(super) fn wish(&self) -> Option<Wish> {
        let Side::Asks(actor) = &self.side else { return None };
        Some(Wish { service: self.service.clone(), actor: actor.clone() })
    }

    /// Whether its ticket is the one for `wish`.
    pub(super) fn is_for(&self, wish: &Wish) -> bool {
        matches!(&self.side, Side::Asks(actor) if *actor == wish.actor) && self.service == wish.service
    }
}

impl Engine {
    /// A local user asks why a service can be used, or cannot.
    pub(super) fn why(&mut self, id: CommandId, caller: Caller, ask: AskWhy, now: Timestamp) {
        // Without a membership there is nothing to walk.
        if let Some(failure) = self.no_membership(now) {
            let mut walk = Walk::default();
            walk.fails(LinkName::Certificate, failure);
            self.answer(id, Ok(walked(walk, Onward::Nowhere)));
            return;
        }
        let (walking, nobody) = match self.set_out(caller, ask) {
            Ok(set_out) => set_out,
            Err(failure) => {
                self.answer(id, Err(failure));
                return;
            }
        };
        let refused = nobody.map(|failure| (LinkName::Login, failure));
        match refused.or_else(|| self.refused_here(&walking)) {
            Some(broken) => {
                let walk = self.walk_to(&walking, Some(broken), now);
                self.answer(id, Ok(walked(walk, Onward::Nowhere)));
            }
            None => {
                let target = Target::Named(walking.peer.clone());
                self.begin(Origin::Command(id), target, Want::Why(Box::new(walking)), now);
            }
        }
    }

    /// The walk that is asked for; and, where nobody acts whose walk it would be, why not.
    fn set_out(&self, caller: Caller, ask: AskWhy) -> Result<(Walking, Option<Failure>), Failure> {
        let ServiceRef { service, peer: provider } = ask.service;
        let user = ask.user.map(|user| user.parse().map_err(|error| no_user(&error))).transpose()?;
        let elsewhere = ask.from.filter(|from| !self.is_me(from));
        let (peer, side, nobody) = match (elsewhere, self.is_me(&provider), user) {
            (Some(from), true, user) => (from, Side::Provides(user), None),
            (Some(from), false, _) => return Err(bystander(&from, &provider)),
            (None, true, _) => return Err(Failure { remedy: name_requester(&provider), ..this_node() }),
            (None, false, Some(user)) => (provider, Side::WouldAsk(user), None),
            (None, false, None) => match self.actor(caller) {
                Ok(actor) => (provider, Side::Asks(actor), None),
                Err(failure) => (provider, Side::Asks(Actor::Node), Some(failure)),
            },
        };
        let walking = Walking {
            service,
            node: self.known_as(&peer),
            peer,
            side,
            at: LinkName::Discovery,
            told: false,
            rtt_ms: None,
            asked: false,
            turns: 0,
            rejected: None,
            stranger: None,
        };
        Ok((walking, nobody))
    }

    /// What this node itself refuses, before it turns to anybody.
    fn refused_here(&self, walking: &Walking) -> Option<Broken> {
        match &walking.side {
            Side::Asks(actor) => {
                if let Err(failure) = self.user_of(actor) {
                    return Some((LinkName::Login, failure));
                }
                let wish = walking.wish()?;
                self.not_granted(&wish, &walking.peer).map(|failure| (LinkName::Policy, failure))
            }
            Side::WouldAsk(user) => self.would_refuse(walking, user),
            Side::Provides(_) => None,
        }
    }

    /// What breaks beyond the certificates, of a peer that answers: who acts, policy, and on the provider the ticket.
    pub(super) fn breaks_beyond(&self, walking: &Walking, node: NodeId, now: Timestamp) -> Option<Broken> {
        match &walking.side {
            Side::Asks(actor) => {
                if let Err(failure) = self.user_of(actor) {
                    return Some((LinkName::Login, failure));
                }
                let place = walking.wish()?.at(node);
                self.not_granted_at(&place).map(|failure| (LinkName::Policy, failure))
            }
            Side::WouldAsk(user) => self.would_refuse(walking, user),
            Side::Provides(user) => self.refuses_to(walking, user.as_ref(), node, now),
        }
    }

    /// The walk up to the link that breaks, or as far as it was tried.
    pub(super) fn walk_to(&self, walking: &Walking, mut broken: Option<Broken>, now: Timestamp) -> Walk {
        let mut walk = Walk::default();
        for link in LinkName::ALL {
            if let Some((_, failure)) = broken.take_if(|(at, _)| *at == link) {
                walk.fails(link, failure);
                break;
            }
            if let Some(detail) = self.holds(link, walking, now) {
                walk.holds(link, detail);
            }
        }
        walk
    }

    /// The answer to a walk that an errand has made.
    pub(super) fn walk_ended(
        &self,
        walking: &Walking,
        result: Result<(), Failure>,
        now: Timestamp,
    ) -> Answer {
        let broken = result.err().map(|failure| self.broken(walking, failure, now));
        let next = match (&broken, &walking.side) {
            (None, Side::Asks(actor)) => Onward::Channel(actor.clone()),
            (None, Side::Provides(_)) => Onward::Service(walking.service.clone()),
            (Some(_), _) | (None, Side::WouldAsk(_)) => Onward::Nowhere,
        };
        walked(self.walk_to(walking, broken, now), next)
    }
}

fn walked(walk: Walk, next: Onward) -> Answer {
    Answer::Why(Box::new(Walked { walk, next }))
}

fn no_user(error: &crate::identity::NameError) -> Failure {
    Failure::new(
        Code::Usage,
        error.to_string(),
        "name a user of the network, as in ana, or of a node's own, as in ana%till",
    )
}

fn name_requester(provider: &PeerRef) -> String {
    format!("name who wants to use it: `--from PEER`; or, on another node, a service @{provider}")
}

fn bystander(from: &PeerRef, provider: &PeerRef) -> Failure {
    Failure::new(
        Code::Usage,
        format!("this node is neither {from} nor {provider}, and sees nothing of what is between them"),
        format!("run it on {from} without `--from`, or as it is on {provider}"),
    )
}
