//! Things that need another node: found, connected, greeted, and then asked.
//!
//! An errand is looked at again whenever something about its peer has changed, and takes the next step that is
//! possible. So it does not matter in which order things become known.

mod answer;
mod failure;
mod ticket;
mod walk;

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use self::failure::{no_certificate, strangers, unreachable};
pub(super) use self::failure::{this_node, unknown};
use super::commands::certificate_answer;
use super::peers::{Greeting, Resolved};
use super::people::{LoggingIn, Managing};
use super::reach::Reach;
use super::tickets::Place;
use super::why::Walking;
use super::{CommandId, Engine, InboundId, Output, Sent};
use crate::certificate;
use crate::control::{Answer, Code, Failure, PeerRef};
use crate::hello::Addresses;
use crate::identity::{NodeId, ServiceName};
use crate::message::{Lookup, Request, Response, StatusRequest};
use crate::people::Actor;
use crate::reject::Reject;
use crate::ticket::{HeldTicket, TicketRequest};
use crate::time::Timestamp;

/// How long a user waits for another node.
const COMMAND_TIME: Duration = Duration::from_secs(10);

/// How long a peer's request waits for the authority's word: the peer itself gives up after ten seconds.
const CONFIRM_TIME: Duration = Duration::from_secs(3);

/// Errands at the same time, of users and of peers together.
const ERRANDS_MAX: usize = 1024;

/// Of them those of peers.
const INBOUND_MAX: usize = ERRANDS_MAX / 2;

/// Who waits for the end of it.
#[derive(Clone, Copy)]
pub(super) enum Origin {
    Command(CommandId),
    Inbound(InboundId),
    /// Nobody: the node itself.
    Own,
}

/// A service, and on whose behalf it is to be used.
#[derive(Clone)]
pub(super) struct Wish {
    pub(super) service: ServiceName,
    pub(super) actor: Actor,
}

impl Wish {
    pub(super) fn at(&self, provider: NodeId) -> Place {
        Place { provider, service: self.service.clone(), actor: self.actor.clone() }
    }
}

/// What for.
pub(super) enum Want {
    Ping,
    Whois,
    Ticket(Wish),
    Channel(Wish),
    /// The authority's word that a requester's certificate is still good, for a ticket.
    Confirm(NodeId, TicketRequest),
    /// A certificate of the peer's that holds.
    Certificate,
    /// The provider's word that a ticket which this node has given up opens nothing any more.
    Revocation(Arc<HeldTicket>),
    /// The authority's word that somebody has logged in here, or still is.
    LogIn(Arc<LoggingIn>),
    /// Something that somebody who has logged in here wants the authority to change, or to tell.
    Manage(Arc<Managing>),
    /// How far one gets on the way to a service.
    Why(Box<Walking>),
}

/// With whom.
pub(super) enum Target {
    Named(PeerRef),
    Node(NodeId),
}

/// How far it is.
enum Step {
    /// The peer is to be found, connected or greeted.
    Reach { looked_up: bool },
    /// The authority has been asked who and where the peer is.
    LookingUp,
    /// This node has been asked what the errand is for.
    Asked(NodeId, Asking),
}

/// The question that is out, and with it the one kind of answer that fits.
enum Asking {
    Ping,
    /// Of which network a stranger is.
    WhoIs,
    Status,
    Ticket(TicketRequest),
    Revocation,
    LogIn,
    Manage,
}

struct Errand {
    origin: Origin,
    want: Want,
    target: Target,
    step: Step,
    /// Whether a question of it was lost before.
    lost: bool,
    deadline: Timestamp,
}

impl Errand {
    /// Whom it has asked for a ticket: others may wait for the answer.
    const fn asked(&self) -> Option<NodeId> {
        match self.step {
            Step::Asked(node, Asking::Ticket(_)) => Some(node),
            Step::Asked(..) | Step::Reach { .. } | Step::LookingUp => None,
        }
    }

    fn asks_ticket(&self, of: NodeId, wish: &Wish) -> bool {
        let same = match &self.want {
            Want::Ticket(other) | Want::Channel(other) => {
                other.service == wish.service && other.actor == wish.actor
            }
            Want::Why(walking) => walking.is_for(wish),
            Want::Ping
            | Want::Whois
            | Want::Confirm(..)
            | Want::Certificate
            | Want::Revocation(_)
            | Want::LogIn(_)
            | Want::Manage(_) => false,
        };
        same && matches!(&self.step, Step::Asked(node, Asking::Ticket(_)) if *node == of)
    }
}

/// The errands that have not ended, by number.
#[derive(Default)]
pub(super) struct Errands {
    running: BTreeMap<u64, Errand>,
}

impl Errands {
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.running.values().map(|errand| errand.deadline).min()
    }

    /// The clock was set back by `by`.
    pub(super) fn set_back(&mut self, by: Duration) {
        for errand in self.running.values_mut() {
            errand.deadline = errand.deadline.before(by);
        }
    }

    fn inbound(&self) -> usize {
        self.running.values().filter(|errand| matches!(errand.origin, Origin::Inbound(_))).count()
    }

    /// The clock has jumped ahead by `by`.
    pub(super) fn set_forward(&mut self, by: Duration) {
        for errand in self.running.values_mut() {
            errand.deadline = errand.deadline.after(by);
        }
    }

    fn numbers(&self) -> Vec<u64> {
        self.running.keys().copied().collect()
    }
}

impl Engine {
    /// Begins an errand and takes its first steps.
    pub(super) fn begin(&mut self, origin: Origin, target: Target, want: Want, now: Timestamp) {
        match origin {
            Origin::Command(_) | Origin::Own if self.errands.running.len() >= ERRANDS_MAX => {
                self.end(origin, &want, Err(Reject::Busy.failure()), now);
                return;
            }
            // Peers keep no user waiting; and that there is much to do confirms nothing.
            Origin::Inbound(inbound) if self.errands.inbound() >= INBOUND_MAX => {
                self.respond(inbound, &Response::Reject(Reject::Busy));
                return;
            }
            Origin::Command(_) | Origin::Own | Origin::Inbound(_) => {}
        }
        let time = match origin {
            Origin::Command(_) | Origin::Own => COMMAND_TIME,
            Origin::Inbound(_) => CONFIRM_TIME,
        };
        let number = self.wires.next.next();
        let step = Step::Reach { looked_up: false };
        let errand = Errand { origin, want, target, step, lost: false, deadline: now.after(time) };
        self.errands.running.insert(number, errand);
        self.advance(number, now);
    }

    /// A local caller went away: its errand is forgotten.
    pub fn handle_cancel(&mut self, id: CommandId, now: Timestamp) {
        let cancelled = |errand: &Errand| matches!(errand.origin, Origin::Command(command) if command == id);
        let running = &mut self.errands.running;
        let asked: Vec<NodeId> = running
            .extract_if(.., |_, errand| cancelled(errand))
            .filter_map(|(_, errand)| errand.asked())
            .collect();
        for node in asked {
            self.advance_errands_for(node, now);
        }
        self.cancel_joining(id);
        self.cancel_renewal(id);
        self.cancel_revocation(id);
    }

    pub(super) fn advance_errands_for(&mut self, peer: NodeId, now: Timestamp) {
        for number in self.errands.numbers() {
            let Some(errand) = self.errands.running.get(&number) else { continue };
            let home = self.membership.home == Some(peer);
            let concerned = home
                || match &errand.target {
                    Target::Node(node) => *node == peer,
                    Target::Named(_) => true,
                };
            // While a question is out, only its answer matters.
            if concerned && matches!(errand.step, Step::Reach { .. }) {
                self.advance(number, now);
            }
        }
    }

    pub(super) fn give_up_errands(&mut self, now: Timestamp) {
        for number in self.errands.numbers() {
            if self.errands.running.get(&number).is_some_and(|errand| now >= errand.deadline) {
                self.give_up(number, now);
            }
        }
    }

    /// Ends an errand whose peer cannot be reached, at once or in time.
    fn give_up(&mut self, number: u64, now: Timestamp) {
        let revoked = self.revoked_by_name(number);
        let Some(errand) = self.errands.running.remove(&number) else { return };
        let asked = errand.asked();
        let whom = match &errand.target {
            Target::Named(peer) => peer.to_string(),
            Target::Node(node) => self.peers.label(*node),
        };
        let certificate = matches!(errand.want, Want::Certificate);
        let failure = revoked
            .or_else(|| certificate.then(|| no_certificate(&whom)))
            .unwrap_or_else(|| unreachable(&whom));
        self.end(errand.origin, &errand.want, Err(failure), now);
        if let Some(node) = asked {
            self.advance_errands_for(node, now);
        }
    }

    /// Takes the next step that is possible.
    fn advance(&mut self, number: u64, now: Timestamp) {
        let Some(errand) = self.errands.running.get(&number) else { return };
        let target = match &errand.target {
            Target::Node(node) => Some(*node),
            Target::Named(name) => match self.peers.resolve(name) {
                Resolved::One(node) => Some(node),
                Resolved::None => None,
                Resolved::Several(which) => {
                    let failure = Failure::new(
                        Code::Usage,
                        format!("{name} fits several peers: {}", which.join(", ")),
                        "use a name, or more of the id",
                    );
                    self.fail(number, failure, now);
                    return;
                }
            },
        };
        match target {
            Some(node) if self.needs_no_reach(number, node, now) => {}
            Some(_) if self.may_be_another(number) => self.look_up(number, now),
            Some(node) => {
                if self.walk_is_turned_away(number, node) {
                    return;
                }
                match self.reach(node, now) {
                    Reach::Ready => self.ask(number, node, now),
                    Reach::Working => {}
                    Reach::Nowhere => self.look_up(number, now),
                    Reach::Refused if self.walk_meets_stranger(number, node) => {}
                    Reach::Refused => self.fail(number, self.refusal(node), now),
                }
            }
            None => self.look_up(number, now),
        }
    }

    /// Whether the only node known by the name that is meant was revoked: another one may have the name now.
    fn may_be_another(&self, number: u64) -> bool {
        let step = self.errands.running.get(&number).map(|errand| &errand.step);
        matches!(step, Some(Step::Reach { looked_up: false })) && self.revoked_by_name(number).is_some()
    }

    /// The failure of an errand that names a node which was revoked.
    fn revoked_by_name(&self, number: u64) -> Option<Failure> {
        let Target::Named(name) = &self.errands.running.get(&number)?.target else { return None };
        let Resolved::One(node) = self.peers.resolve(name) else { return None };
        self.membership.member.as_ref()?.denies(node).then(|| self.refusal(node))
    }

    /// Why a peer that is there is not talked to.
    fn refusal(&self, node: NodeId) -> Failure {
        if self.peers.get(node).is_some_and(|peer| matches!(peer.greeting, Greeting::Busy)) {
            return Reject::Busy.failure();
        }
        let whom = self.peers.label(node);
        let revoked = self.membership.member.as_ref().and_then(|member| member.revoked(node));
        revoked.map_or_else(
            || strangers(&whom),
            |revocation| {
                let (at, remedy) = (revocation.at, "see who is there: `lanyard peers`");
                Failure::new(Code::Denied, format!("the membership of {whom} was revoked at {at}"), remedy)
            },
        )
    }

    /// Ends an errand that can be ended with what is known already.
    fn needs_no_reach(&mut self, number: u64, node: NodeId, now: Timestamp) -> bool {
        let Some(errand) = self.errands.running.get(&number) else { return true };
        let answer = match &errand.want {
            Want::Whois if self.peers.get(node).is_some_and(|peer| peer.certificate.is_some()) => {
                self.show_peer(node, now).map(|peer| Answer::Peer(Box::new(peer)))
            }
            Want::Ticket(wish) => self.held(node, wish, now).map(|held| self.show_ticket(&held)),
            Want::Certificate => self.peers.certificate(node, now).map(certificate_answer),
            Want::Whois
            | Want::Ping
            | Want::Channel(_)
            | Want::Confirm(..)
            | Want::Revocation(_)
            | Want::LogIn(_)
            | Want::Manage(_)
            | Want::Why(_) => None,
        };
        let Some(answer) = answer else { return false };
        self.succeed(number, answer, now);
        true
    }

    /// Asks the authority who and where the peer is, once in an errand.
    fn look_up(&mut self, number: u64, now: Timestamp) {
        let Some(errand) = self.errands.running.get(&number) else { return };
        let Step::Reach { looked_up } = errand.step else { return };
        let name = match &errand.target {
            Target::Named(name) => name.to_string(),
            Target::Node(node) => node.to_string(),
        };
        let home = self.membership.home;
        if self.membership.authority.is_some() {
            self.look_up_here(number, &name, looked_up, now);
            return;
        }
        match home {
            Some(home) if !looked_up && name != home.to_string() => match self.reach(home, now) {
                Reach::Ready => {
                    self.set_step(number, Step::LookingUp);
                    let sent = Sent::Errand(number);
                    self.request(home, &Request::Lookup(Lookup { peer: name }), sent);
                }
                Reach::Working => {}
                Reach::Nowhere | Reach::Refused => self.give_up(number, now),
            },
            _ => self.give_up(number, now),
        }
    }

    /// What [`Engine::look_up`] does on the authority itself, which knows a node from its enrolment on.
    fn look_up_here(&mut self, number: u64, name: &str, looked_up: bool, now: Timestamp) {
        match self.find_enrolled(name) {
            Err(reject) => self.not_found(number, reject, now),
            Ok(_) if looked_up => self.give_up(number, now),
            Ok(certificate) => {
                self.learn(certificate, Addresses::default(), now);
                self.walk_was_told(number);
                self.set_step(number, Step::Reach { looked_up: true });
                self.advance(number, now);
            }
        }
    }

    fn learn(&mut self, certificate: certificate::VerifiedCertificate, addresses: Addresses, now: Timestamp) {
        let writes = self.peers.learn(certificate, addresses, now);
        self.persist(writes, Vec::new());
    }

    fn set_step(&mut self, number: u64, step: Step) {
        if let Some(errand) = self.errands.running.get_mut(&number) {
            errand.step = step;
        }
    }

    /// Asks an authenticated peer what the errand is for.
    fn ask(&mut self, number: u64, node: NodeId, now: Timestamp) {
        let Some(errand) = self.errands.running.get(&number) else { return };
        let (request, asking) = match &errand.want {
            Want::Why(_) => {
                self.walk_on(number, node, now);
                return;
            }
            Want::Ping | Want::Whois | Want::Certificate => (Request::Ping, Asking::Ping),
            Want::Confirm(requester, request) => {
                let status = StatusRequest { node: *requester, certificate: request.certificate };
                (Request::Status(status), Asking::Status)
            }
            Want::Revocation(held) => (Request::RevokeTicket(held.terms().id), Asking::Revocation),
            Want::LogIn(log_in) => {
                let log_in = Arc::clone(log_in);
                match self.log_in_request(&log_in, node, now) {
                    Ok(request) => (Request::LogIn(request), Asking::LogIn),
                    Err(failure) => {
                        self.fail(number, failure, now);
                        return;
                    }
                }
            }
            Want::Manage(managing) => {
                let managing = Arc::clone(managing);
                match self.manage_request(&managing, node, now) {
                    Ok(request) => (Request::Manage(Box::new(request)), Asking::Manage),
                    Err(failure) => {
                        self.fail(number, failure, now);
                        return;
                    }
                }
            }
            Want::Ticket(wish) | Want::Channel(wish) => {
                let wish = wish.clone();
                if let Some(failure) = self.not_granted_at(&wish.at(node)) {
                    self.fail(number, failure, now);
                    return;
                }
                if let Some(held) = self.held(node, &wish, now) {
                    self.deliver(number, held, now);
                    return;
                }
                // One ticket serves all who want it at once.
                if self.errands.running.values().any(|errand| errand.asks_ticket(node, &wish)) {
                    return;
                }
                let Some(request) = self.ticket_request(&wish) else { return };
                (Request::Ticket(request.clone()), Asking::Ticket(request))
            }
        };
        self.put(number, node, &request, asking);
    }

    fn succeed(&mut self, number: u64, answer: Answer, now: Timestamp) {
        if let Some(errand) = self.errands.running.remove(&number) {
            self.end(errand.origin, &errand.want, Ok(answer), now);
        }
    }

    /// Takes an errand away whose end is told by somebody else.
    pub(super) fn take_errand(&mut self, number: u64) -> Option<(Origin, Want)> {
        self.errands.running.remove(&number).map(|errand| (errand.origin, errand.want))
    }

    fn fail(&mut self, number: u64, failure: Failure, now: Timestamp) {
        if let Some(errand) = self.errands.running.remove(&number) {
            self.end(errand.origin, &errand.want, Err(failure), now);
        }
    }

    fn end(&mut self, origin: Origin, want: &Want, result: Result<Answer, Failure>, now: Timestamp) {
        match (origin, want, result) {
            (Origin::Command(to), Want::Channel(_), Err(failure)) => {
                self.output(Output::Channel { to, result: Err(failure) });
            }
            (Origin::Command(to), Want::Revocation(held), result) => {
                self.ticket_given_up(to, held, result.is_ok());
            }
            (Origin::Command(to), Want::LogIn(log_in), Err(failure)) => {
                self.not_logged_in(log_in, &failure);
                self.answer(to, Err(failure));
            }
            (origin, Want::Why(walking), result) => self.end_walk(origin, walking, result.map(drop), now),
            (Origin::Command(to), _, result) => self.answer(to, result),
            (Origin::Inbound(inbound), Want::Confirm(requester, request), Err(_)) => {
                self.unconfirmed(*requester, request, inbound, now);
            }
            (Origin::Own, Want::LogIn(log_in), Err(failure)) => self.not_renewed(log_in, &failure, now),
            (Origin::Inbound(_) | Origin::Own, ..) => {}
        }
    }
}
