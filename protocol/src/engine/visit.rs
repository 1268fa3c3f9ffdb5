//! This node is a guest: it finds a provider by its name, proves that it knows a service's password, and is given a
//! ticket for that service. No certificate is needed for it, and none is shown.
//!
//! Whoever says that he is called so is given a share of the exchange, and with it one guess at the password: so that is
//! given to few, one after the other.

mod search;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::around::Around;
use super::invite::Stretching;
use super::{ChannelGrant, CommandId, Engine, Output, RequestId, Sent, WorkId};
use crate::control::{Code, Failure, Visit as Wish};
use crate::guest::{self, GuestOffer, Knocking, VisitError, Welcomed};
use crate::identity::{NodeId, NodeName, Secret, TicketId};
use crate::message::{Request, Response};
use crate::reject::Reject;
use crate::ticket::{self, HeldTicket, TicketGrant, TicketRequest};
use crate::time::Timestamp;

/// How long a visit may take until there is a ticket: as long as a user waits for another node.
const VISIT_TIME: Duration = Duration::from_secs(10);

/// Visits at the same time, and tickets that are held as a guest: as many as ports that are forwarded.
const VISITS_MAX: usize = 64;

/// Nodes that are given a share in one visit: the provider, and two who only say that they are called so.
const SHARES_MAX: usize = 3;

/// A ticket that this node holds as a guest, and what it takes to use it. It is held in memory alone.
struct Held {
    wish: Wish,
    ticket: Arc<HeldTicket>,
    provider: NodeName,
    lanes: Vec<SocketAddr>,
}

impl Held {
    fn grant(&self) -> ChannelGrant {
        let (ticket, provider) = (Arc::clone(&self.ticket), self.provider.clone());
        ChannelGrant { ticket, provider, lanes: self.lanes.clone() }
    }
}

/// How far a visit is. An answer counts only if it is the one that the stage waits for.
enum Stage {
    /// Looking for the provider.
    Looking,
    /// The password is being stretched for this node.
    Stretching(WorkId, NodeId),
    /// The share is out.
    Knocking(RequestId, NodeId, Box<Knocking>),
    /// The proof is out.
    Welcomed(RequestId, Box<Welcomed>),
}

/// A visit that has not come to an end.
struct Visit {
    wish: Wish,
    /// Who waits for it.
    waiting: Vec<CommandId>,
    began: Timestamp,
    deadline: Timestamp,
    /// When to look around again.
    alarm: Option<Timestamp>,
    /// When the named addresses were dialled last.
    dialled: Option<Timestamp>,
    around: Around,
    /// Whether anybody has answered.
    heard: bool,
    /// Who says that he is called so, and was given no share yet.
    willing: BTreeSet<NodeId>,
    /// Who was given one.
    tried: BTreeSet<NodeId>,
    /// Why the last one was left.
    setback: Option<Failure>,
    stage: Stage,
}

/// This node's visits, and the tickets that it holds as a guest.
#[derive(Default)]
pub(super) struct Visits {
    running: BTreeMap<u64, Visit>,
    held: Vec<Held>,
}

impl Visits {
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.running.values().flat_map(|visit| visit.alarm.into_iter().chain([visit.deadline])).min()
    }

    /// The clock was set back by `by`.
    pub(super) fn set_back(&mut self, by: Duration) {
        for visit in self.running.values_mut() {
            (visit.began, visit.deadline) = (visit.began.before(by), visit.deadline.before(by));
            visit.alarm = visit.alarm.map(|alarm| alarm.before(by));
            visit.dialled = visit.dialled.map(|dialled| dialled.before(by));
            visit.around.set_back(by);
        }
    }

    /// The clock has jumped ahead by `by`.
    pub(super) fn set_forward(&mut self, by: Duration) {
        for visit in self.running.values_mut() {
            visit.deadline = visit.deadline.after(by);
        }
    }

    /// A ticket is not good any more, as its provider says.
    pub(super) fn forget_ticket(&mut self, id: TicketId) {
        self.held.retain(|held| held.ticket.terms().id != id);
    }

    fn held(&self, wish: &Wish, now: Timestamp) -> Option<&Held> {
        self.held.iter().find(|held| held.wish == *wish && held.ticket.usable(now))
    }

    /// Keeps a ticket, in the place of one for the same, or else of the one that ends first where there are too many.
    fn keep(&mut self, new: Held, now: Timestamp) {
        self.held.retain(|held| held.wish != new.wish && held.ticket.usable(now));
        if self.held.len() >= VISITS_MAX {
            let ends = |(_, held): &(usize, &Held)| held.ticket.terms().expires;
            if let Some((first, _)) = self.held.iter().enumerate().min_by_key(ends) {
                self.held.remove(first);
            }
        }
        self.held.push(new);
    }

    fn numbers(&self) -> Vec<u64> {
        self.running.keys().copied().collect()
    }
}

impl Engine {
    /// A program of this host wants a channel as a guest; the answer is an [`Output::Channel`]. Who wants the same at the
    /// same time, or while the ticket is good, shares it.
    pub fn handle_open_guest(&mut self, id: CommandId, wish: Wish, now: Timestamp) {
        if let Some(held) = self.visits.held(&wish, now) {
            let result = Ok(Box::new(held.grant()));
            self.output(Output::Channel { to: id, result });
            return;
        }
        if let Some(visit) = self.visits.running.values_mut().find(|visit| visit.wish == wish) {
            visit.waiting.push(id);
            return;
        }
        if self.visits.running.len() >= VISITS_MAX {
            self.output(Output::Channel { to: id, result: Err(Reject::Busy.failure()) });
            return;
        }
        let own = self.is_me(&wish.service.peer).then(super::errand::this_node);
        if let Some(failure) = own.or_else(|| self.own_revocation()) {
            self.output(Output::Channel { to: id, result: Err(failure) });
            return;
        }
        let number = self.wires.next.next();
        let visit = Visit {
            wish,
            waiting: vec![id],
            began: now,
            deadline: now.after(VISIT_TIME),
            alarm: None,
            dialled: None,
            around: Around::default(),
            heard: false,
            willing: BTreeSet::new(),
            tried: BTreeSet::new(),
            setback: None,
            stage: Stage::Looking,
        };
        self.visits.running.insert(number, visit);
        self.look_around(number, now);
    }

    /// A local caller went away.
    pub(super) fn cancel_visit(&mut self, id: CommandId) {
        for visit in self.visits.running.values_mut() {
            visit.waiting.retain(|waiting| *waiting != id);
        }
        self.visits.running.retain(|_, visit| !visit.waiting.is_empty());
    }

    /// Acts on the deadlines of visits.
    pub(super) fn go_on_visiting(&mut self, now: Timestamp) {
        for number in self.visits.numbers() {
            let Some(visit) = self.visits.running.get_mut(&number) else { continue };
            if now >= visit.deadline {
                let failure = visit.setback.take().unwrap_or_else(|| search::not_found(visit));
                self.end_visit(number, Err(failure));
            } else if visit.alarm.is_some_and(|alarm| now >= alarm) {
                visit.alarm = None;
                self.look_around(number, now);
            }
        }
    }

    fn end_visit(&mut self, number: u64, result: Result<&Held, Failure>) {
        let Some(visit) = self.visits.running.remove(&number) else { return };
        for to in visit.waiting {
            let result = match &result {
                Ok(held) => Ok(Box::new(held.grant())),
                Err(failure) => Err(failure.clone()),
            };
            self.output(Output::Channel { to, result });
        }
    }

    /// Turns to the next who says that he is the one, if there is nobody else just now.
    fn knock(&mut self, number: u64, now: Timestamp) {
        let Some(visit) = self.visits.running.get_mut(&number) else { return };
        if !matches!(visit.stage, Stage::Looking) {
            return;
        }
        let next = if visit.tried.len() < SHARES_MAX { visit.willing.pop_first() } else { None };
        match (next, visit.setback.take()) {
            (Some(node), setback) => {
                visit.setback = setback;
                visit.tried.insert(node);
                let (service, password) = (&visit.wish.service.service, visit.wish.password.clone());
                let salt = guest::password_salt(node, service);
                let work = self.stretch(&password, salt, Stretching::Visit(number));
                if let Some(visit) = self.visits.running.get_mut(&number) {
                    visit.stage = Stage::Stretching(work, node);
                }
            }
            // Nobody else is there who may be the one.
            (None, Some(failure)) if visit.around.is_idle() || visit.tried.len() >= SHARES_MAX => {
                self.end_visit(number, Err(failure));
            }
            (None, setback) => {
                visit.setback = setback;
                self.look_around(number, now);
            }
        }
    }

    /// The password has been stretched for a node: it is given the share.
    pub(super) fn visit_stretched(&mut self, number: u64, work: WorkId, stretched: &Secret, now: Timestamp) {
        let Some(visit) = self.visits.running.get(&number) else { return };
        let Stage::Stretching(ours, node) = visit.stage else { return };
        if ours != work {
            return;
        }
        let knocking = Knocking::new(stretched, &visit.wish.service, node, &self.keys, &mut *self.rng);
        if self.peers.get(node).is_none_or(|peer| peer.connected.is_none()) {
            self.visit_set_back(number, away(node), now);
            return;
        }
        let request = Request::Guest(knocking.request().clone());
        let id = self.request(node, &request, Sent::Visit(number, node));
        if let Some(visit) = self.visits.running.get_mut(&number) {
            visit.stage = Stage::Knocking(id, node, Box::new(knocking));
        }
    }

    /// The answer to something that a visit has asked.
    pub(super) fn visit_answered(
        &mut self,
        number: u64,
        request: RequestId,
        peer: NodeId,
        response: Option<Response>,
        now: Timestamp,
    ) {
        let Some(visit) = self.visits.running.get_mut(&number) else { return };
        if visit.around.answered(peer, request) {
            self.search_answered(number, peer, response, now);
            return;
        }
        let ours = match &visit.stage {
            Stage::Knocking(id, ..) | Stage::Welcomed(id, _) => *id == request,
            Stage::Looking | Stage::Stretching(..) => false,
        };
        if !ours {
            return;
        }
        match (core::mem::replace(&mut visit.stage, Stage::Looking), response) {
            (Stage::Knocking(_, node, knocking), Some(Response::GuestOffer(offer))) => {
                self.offered(number, node, *knocking, *offer, now);
            }
            (Stage::Welcomed(_, welcomed), Some(Response::Grant(grant))) => {
                self.granted_as_guest(number, *welcomed, grant, now);
            }
            (_, Some(Response::Reject(Reject::Unknown | Reject::Denied | Reject::Password))) => {
                self.visit_set_back(number, refused(&VisitError::Password), now);
            }
            (_, Some(Response::Reject(reject))) => self.visit_set_back(number, reject.failure(), now),
            (_, Some(_)) => self.visit_set_back(number, Reject::Invalid.failure(), now),
            (_, None) => self.visit_set_back(number, away(peer), now),
        }
    }

    /// A provider has answered the share.
    fn offered(&mut self, number: u64, node: NodeId, knocking: Knocking, offer: GuestOffer, now: Timestamp) {
        match knocking.believe(offer, now) {
            Ok((welcomed, proof)) => {
                let id = self.request(node, &Request::GuestProof(proof), Sent::Visit(number, node));
                if let Some(visit) = self.visits.running.get_mut(&number) {
                    visit.stage = Stage::Welcomed(id, Box::new(welcomed));
                }
            }
            Err(error) => self.visit_set_back(number, refused(&error), now),
        }
    }

    /// A provider that was believed has given a ticket.
    fn granted_as_guest(&mut self, number: u64, welcomed: Welcomed, grant: TicketGrant, now: Timestamp) {
        let Some(visit) = self.visits.running.get(&number) else { return };
        let Welcomed { provider, mut lane, nonce, exchange } = welcomed;
        let wish = visit.wish.clone();
        let request = TicketRequest::of_guest(nonce, wish.service.service.clone(), exchange);
        match ticket::accept(grant, &request, &provider, &self.keys, now) {
            Ok(ticket) => {
                let here = self.peers.get(provider.node_id()).and_then(|peer| peer.connected);
                lane.sort_by_key(|lane| Some(lane.ip()) != here.map(|here| here.ip()));
                let ticket = Arc::new(ticket.of_guest());
                let held = Held { wish, ticket, provider: provider.name().clone(), lanes: lane };
                self.end_visit(number, Ok(&held));
                self.visits.keep(held, now);
            }
            Err(error) => {
                let message = format!("{} answered with a ticket that is not good: {error}", provider.name());
                let remedy = "see whether somebody is tampering with that machine or with the network";
                self.visit_set_back(number, Failure::new(Code::Denied, message, remedy), now);
            }
        }
    }

    /// Leaves a node that came to nothing.
    fn visit_set_back(&mut self, number: u64, failure: Failure, now: Timestamp) {
        if let Some(visit) = self.visits.running.get_mut(&number) {
            visit.stage = Stage::Looking;
            visit.setback = Some(failure);
            self.knock(number, now);
        }
    }
}

fn away(node: NodeId) -> Failure {
    Failure::new(
        Code::Unreachable,
        format!("the node {} has gone away", node.short()),
        "try again when it is back",
    )
}

fn refused(error: &VisitError) -> Failure {
    let remedy = match error {
        VisitError::Password => {
            "check the spelling, where case and spaces inside count, and the service's name; or ask whoever runs it"
        }
        VisitError::Certificate(_) => "set this host's clock right, or ask whoever runs it",
        VisitError::Other(_) => "use that name, or ask whoever runs it",
    };
    Failure::new(Code::Denied, error.to_string(), remedy)
}
