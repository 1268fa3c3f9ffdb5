//! Somebody logs in at this node, and out.

use core::time::Duration;
use std::sync::Arc;

use super::{LOG_INS_MAX, LOG_INS_OF_ONE, LogIn, REGULARS_MAX, RENEW_AGAIN};
use crate::audit::What;
use crate::control::{self, Answer, Caller, Code, Failure, Password};
use crate::engine::audit::At;
use crate::engine::commands::not_a_member;
use crate::engine::errand::{Origin, Target, Want};
use crate::engine::invite::Stretching;
use crate::engine::{CommandId, Engine, InboundId};
use crate::identity::{NodeId, PersonName, Secret, UserName};
use crate::message::Response;
use crate::people::{
    Actor, Home, LogInRequest, Principal, Proof, SealedPassword, Seat, SignedAssertion, UserRef,
};
use crate::reject::Reject;
use crate::time::Timestamp;

/// Why a log-in ends that the directory no longer vouches for.
const REMOVED: &str = "the user or the person was removed, or has another password";

/// Passwords that a node stretches at the same time, and of them those of one node, or of one uid here.
const STRETCHING_MAX: usize = 64;
const STRETCHING_OF_ONE: usize = 4;

/// Somebody whom the authority is asked about.
pub(in crate::engine) struct LoggingIn {
    pub(super) principal: Principal,
    pub(super) known: Known,
}

/// How somebody is known who logs in.
pub(super) enum Known {
    /// By a password, at this seat.
    Password(Password, Seat),
    /// By being logged in at this seat already.
    Assertion(Box<SignedAssertion>, Seat),
}

/// A password that is being stretched to see whether it is the right one.
pub(in crate::engine) struct Checking {
    principal: Principal,
    to: To,
    began: Timestamp,
}

/// Who waits for it.
#[derive(Clone, Copy)]
enum To {
    /// Somebody at this node.
    Seat(CommandId, Seat),
    /// Another node.
    Node(InboundId, NodeId),
}

impl Engine {
    /// A local user logs in.
    pub(in crate::engine) fn log_in(
        &mut self,
        command: CommandId,
        caller: Caller,
        log_in: control::LogIn,
        now: Timestamp,
    ) {
        let seat = caller.seat();
        let principal = match self.may_log_in(caller, &log_in, now) {
            Ok(principal) => principal,
            Err(failure) => {
                self.audit_not_logged_in(At::Uid(seat.uid), &log_in.user, &failure.message);
                self.answer(command, Err(failure));
                return;
            }
        };
        let here = principal.home != Home::Network || self.membership.authority.is_some();
        let password = log_in.password;
        if here {
            self.check_password(principal, &password.secret(), To::Seat(command, seat), now);
            return;
        }
        let Some(home) = self.membership.home else { return };
        let want = Want::LogIn(Arc::new(LoggingIn { principal, known: Known::Password(password, seat) }));
        self.begin(Origin::Command(command), Target::Node(home), want, now);
    }

    /// Who it is that wants to log in, unless that is nobody, or somebody has guessed too often from there. Charges a
    /// guess.
    fn may_log_in(
        &mut self,
        caller: Caller,
        log_in: &control::LogIn,
        now: Timestamp,
    ) -> Result<Principal, Failure> {
        let member = self.active_member().ok_or_else(not_a_member)?;
        member.certificate.check_time(now).map_err(|error| {
            Failure::new(Code::Denied, error.to_string(), "see `lanyard status`: it has to be renewed first")
        })?;
        let UserRef { user, home } = log_in.user.parse().map_err(|error: crate::identity::NameError| {
            let remedy = "user names are lower case: `ana` of the network, `ana%NODE` of a node's own";
            Failure::new(Code::Usage, error.to_string(), remedy)
        })?;
        let own = member.certificate.name();
        if let Home::Node(node) = &home
            && node != own
        {
            let message = format!("{} is a user of {node}'s own, and this node is {own}", log_in.user);
            return Err(Failure::new(Code::Usage, message, format!("log in at {node}")));
        }
        let person = log_in.person.clone().unwrap_or_else(|| user.clone().into());
        let principal = Principal { user, home, person };
        self.has_room(caller, &principal)?;
        self.charge(caller.seat().uid, now)?;
        Ok(principal)
    }

    /// Whether one more log-in has room. Whoever runs the node is kept out by nobody.
    fn has_room(&self, caller: Caller, principal: &Principal) -> Result<(), Failure> {
        let seat = caller.seat();
        let others = || self.people.log_ins.iter().filter(|(other, _)| **other != seat);
        let of_uid = others().filter(|(other, _)| other.uid == seat.uid).count();
        let of_person = others().filter(|(_, it)| it.assertion.principal() == principal).count();
        let full = others().count() >= LOG_INS_MAX && !caller.is_owner();
        if full || of_uid >= LOG_INS_OF_ONE || of_person >= LOG_INS_OF_ONE {
            let remedy = "log out somewhere else: `lanyard logout`";
            return Err(Failure::new(Code::Failed, "too many people are logged in at this node", remedy));
        }
        let checking = self.stretching.values().filter_map(Stretching::seat);
        let of_one = checking.clone().filter(|other| other.uid == seat.uid).count();
        if of_one >= STRETCHING_OF_ONE || checking.count() >= STRETCHING_MAX {
            return Err(Reject::Busy.failure());
        }
        Ok(())
    }

    fn charge(&mut self, uid: u32, now: Timestamp) -> Result<(), Failure> {
        let people = &mut self.people;
        let waits = |wait: Duration| {
            let minutes = wait.as_secs().div_ceil(60);
            let message = "too many wrong passwords were given by this user of the machine";
            Failure::new(Code::Denied, message, format!("wait {minutes} min, then try again"))
        };
        people.guesses_of_uids.charge(&uid, now).map_err(waits)?;
        if !people.regulars.contains(&uid)
            && let Err(wait) = people.guesses_of_strangers.charge(&(), now)
        {
            people.guesses_of_uids.refund(&uid);
            return Err(waits(wait));
        }
        Ok(())
    }

    /// Takes back the charge of a guess that was right, or was not made.
    fn refund(&mut self, uid: u32) {
        self.people.guesses_of_uids.refund(&uid);
        if !self.people.regulars.contains(&uid) {
            self.people.guesses_of_strangers.refund(&());
        }
    }

    /// Begins to check a password; the answer takes as long if there is no such user.
    fn check_password(&mut self, principal: Principal, password: &[u8], to: To, now: Timestamp) {
        let directory = match principal.home {
            Home::Network => &self.people.network,
            Home::Node(_) => &self.people.local,
        };
        let salt = directory.salt(&principal.user, &principal.person);
        let checking = Checking { principal, to, began: now };
        self.stretch_bytes(password, salt, Stretching::LogIn(Box::new(checking)));
    }

    /// A password has been stretched.
    pub(in crate::engine) fn password_checked(&mut self, checking: Checking, guess: &Secret, now: Timestamp) {
        let Checking { principal, to, began } = checking;
        let directory = match principal.home {
            Home::Network => &self.people.network,
            Home::Node(_) => &self.people.local,
        };
        let right = directory.is_right(&principal.user, &principal.person, guess);
        let vouched = if right { self.vouch(to.node(), principal.clone(), began, now) } else { None };
        match (to, vouched) {
            (To::Seat(command, seat), Some(assertion)) => {
                self.logged_in(command, seat, &principal, assertion, now);
            }
            (To::Seat(command, seat), None) => {
                let failure = Reject::Credentials.failure();
                self.audit_not_logged_in(At::Uid(seat.uid), &principal.user_text(), &failure.message);
                self.answer(command, Err(failure));
            }
            (To::Node(inbound, node), Some(assertion)) => {
                self.people.guesses_of_nodes.refund(&node);
                let entry = self.entry_of(What::LoggedIn, At::Node(node), Some(&principal));
                self.audit(entry.about(principal.user_text()));
                self.respond(inbound, &Response::Assertion(Box::new(assertion)));
            }
            (To::Node(inbound, node), None) => {
                let reject = Reject::Credentials;
                self.audit_not_logged_in(At::Node(node), &principal.user_text(), &reject.to_string());
                self.respond(inbound, &Response::Reject(reject));
            }
        }
    }

    /// Somebody was not logged in, as the log is told: the name is as it was typed.
    fn audit_not_logged_in(&mut self, at: At, user: &str, reason: &str) {
        let user: String = user.chars().take(80).collect();
        let entry = self.entry_of(What::LoginRefused, at, None);
        self.audit(entry.denied().about(user).because(reason));
    }

    /// The authority, or this node itself, has vouched for somebody at a seat here.
    fn logged_in(
        &mut self,
        command: CommandId,
        seat: Seat,
        principal: &Principal,
        assertion: SignedAssertion,
        now: Timestamp,
    ) {
        let Some(member) = self.membership.member.clone() else { return };
        let verified = assertion.verify(&member, &member.certificate, now);
        let result = match verified {
            Ok(assertion) if assertion.principal() == principal => {
                self.refund(seat.uid);
                self.people.recognise(seat.uid);
                self.end_log_in(seat, "somebody else has logged in there", now);
                let until = format!("until {}", assertion.assertion().expires);
                let entry = self.entry_of(What::LoggedIn, At::Uid(seat.uid), Some(principal));
                self.audit(entry.about(principal.user_text()).because(until));
                self.people.log_ins.insert(seat, LogIn { assertion, renewing: false });
                Ok(Answer::WhoAmI(self.shown(Caller::Other(seat))))
            }
            Ok(_) => Err(Reject::Invalid.failure()),
            Err(error) => {
                self.refund(seat.uid);
                Err(Failure::new(
                    Code::Failed,
                    format!("what is said of the log-in does not hold: {error}"),
                    "set the clocks of this host and of the authority right, then try again",
                ))
            }
        };
        self.answer(command, result);
    }

    /// A local user logs out.
    pub(in crate::engine) fn log_out(&mut self, command: CommandId, caller: Caller, now: Timestamp) {
        self.end_log_in(caller.seat(), "", now);
        self.who_am_i(command, caller);
    }

    /// Whatever was opened by the log-in at a seat ends, unless the same person is logged in at another.
    fn end_log_in(&mut self, seat: Seat, why: &str, now: Timestamp) {
        let Some(log_in) = self.people.log_ins.remove(&seat) else { return };
        let principal = log_in.assertion.principal();
        let entry = self.entry_of(What::LoggedOut, At::Uid(seat.uid), Some(principal));
        self.audit(entry.about(principal.user_text()).because(why));
        if self.people.of(principal).next().is_none() {
            self.give_up_tickets_of(&Actor::Person(principal.clone()), now);
        }
    }

    /// Log-ins whose time is over end.
    pub(in crate::engine) fn end_log_ins(&mut self, now: Timestamp) {
        let over = |log_in: &LogIn| log_in.assertion.assertion().expires <= now;
        let ended = self.people.log_ins.iter().filter(|(_, log_in)| over(log_in));
        for seat in ended.map(|(seat, _)| *seat).collect::<Vec<Seat>>() {
            self.end_log_in(seat, "its time is over", now);
        }
    }

    /// The authority has said that users have changed: those of them who are logged in here are renewed, and until then
    /// those from whom something was taken use nothing.
    pub(in crate::engine) fn review_log_ins(&mut self, now: Timestamp) {
        let Some(member) = self.membership.member.clone() else { return };
        let outdated = |log_in: &LogIn| {
            let assertion = log_in.assertion.assertion();
            !log_in.renewing && (member.notices.outdate(assertion) || !log_in.assertion.stands(&member))
        };
        self.people.review = None;
        let log_ins = self.people.log_ins.iter();
        let seats = log_ins.filter(|(_, log_in)| outdated(log_in)).map(|(seat, _)| *seat);
        for seat in seats.collect::<Vec<Seat>>() {
            let Some(log_in) = self.people.log_ins.get_mut(&seat) else { continue };
            let network = log_in.assertion.principal().home == Home::Network;
            log_in.renewing = network;
            let (principal, shown) =
                (log_in.assertion.principal().clone(), Box::new(log_in.assertion.signed().clone()));
            if !log_in.assertion.stands(&member) {
                self.give_up_tickets_of(&Actor::Person(principal.clone()), now);
            }
            if network {
                self.renew_log_in(principal, shown, seat, now);
            }
        }
    }

    /// Looks again at log-ins that could not be renewed, if it is time to.
    pub(in crate::engine) fn review_log_ins_if_due(&mut self, now: Timestamp) {
        if self.people.review.is_some_and(|review| now >= review) {
            self.review_log_ins(now);
        }
    }

    fn renew_log_in(
        &mut self,
        principal: Principal,
        shown: Box<SignedAssertion>,
        seat: Seat,
        now: Timestamp,
    ) {
        if self.membership.authority.is_some() {
            let own = self.node_id();
            match self.vouch_again(own, &shown, now) {
                Some(assertion) => self.log_in_renewed(seat, &shown, &assertion, now),
                None => self.end_log_in(seat, REMOVED, now),
            }
        } else if let Some(home) = self.membership.home {
            let known = Known::Assertion(shown, seat);
            let want = Want::LogIn(Arc::new(LoggingIn { principal, known }));
            self.begin(Origin::Own, Target::Node(home), want, now);
        }
    }

    /// What the authority says now of somebody who was logged in at a seat by `shown`.
    fn log_in_renewed(
        &mut self,
        seat: Seat,
        shown: &SignedAssertion,
        assertion: &SignedAssertion,
        now: Timestamp,
    ) {
        let Some(member) = self.membership.member.clone() else { return };
        let same = |log_in: &&mut LogIn| log_in.assertion.signed() == shown;
        let Some(log_in) = self.people.log_ins.get_mut(&seat).filter(same) else { return };
        log_in.renewing = false;
        match assertion.clone().verify(&member, &member.certificate, now) {
            Ok(renewed) if renewed.principal() == log_in.assertion.principal() => log_in.assertion = renewed,
            // More was taken back while the question was on its way, or a clock is wrong: it is asked again.
            Ok(_) | Err(_) => self.people.review = Some(now.after(RENEW_AGAIN)),
        }
    }

    /// The authority could not be asked about a log-in, or has said that it is no more.
    pub(in crate::engine) fn not_renewed(&mut self, log_in: &LoggingIn, failure: &Failure, now: Timestamp) {
        let Known::Assertion(shown, seat) = &log_in.known else { return };
        let same = |log_in: &&mut LogIn| *log_in.assertion.signed() == **shown;
        let Some(log_in) = self.people.log_ins.get_mut(seat).filter(same) else { return };
        log_in.renewing = false;
        if *failure == Reject::LogIn.failure() {
            self.end_log_in(*seat, REMOVED, now);
        } else {
            self.people.review = Some(now.after(RENEW_AGAIN));
        }
    }

    /// A user of this node's own was removed, or the person has another password, or uses it no more.
    pub(super) fn end_local_log_ins(&mut self, user: &UserName, person: Option<&PersonName>, now: Timestamp) {
        let ends = |log_in: &Principal| {
            let same = log_in.home != Home::Network && log_in.user == *user;
            same && person.is_none_or(|person| log_in.person == *person)
        };
        self.end_log_ins_where(ends, now);
    }

    fn end_log_ins_where(&mut self, ends: impl Fn(&Principal) -> bool, now: Timestamp) {
        let ended = self.people.log_ins.iter().filter(|(_, log_in)| ends(log_in.assertion.principal()));
        for seat in ended.map(|(seat, _)| *seat).collect::<Vec<Seat>>() {
            self.end_log_in(seat, REMOVED, now);
        }
    }

    /// The question to the authority about somebody here.
    pub(in crate::engine) fn log_in_request(
        &mut self,
        log_in: &LoggingIn,
        authority: NodeId,
        now: Timestamp,
    ) -> Result<LogInRequest, Failure> {
        let Principal { user, person, .. } = log_in.principal.clone();
        let proof = match &log_in.known {
            Known::Password(password, _) => {
                let sealed = self.seal_password(authority, (&user, &person), password, now)?;
                Proof::Password(sealed)
            }
            Known::Assertion(shown, _) => Proof::Assertion(shown.clone()),
        };
        Ok(LogInRequest { user, person, proof })
    }

    /// A password for the authority's eyes alone.
    pub(super) fn seal_password(
        &mut self,
        authority: NodeId,
        whose: (&UserName, &PersonName),
        password: &Password,
        now: Timestamp,
    ) -> Result<SealedPassword, Failure> {
        let lost =
            || Failure::new(Code::Unreachable, "the authority has gone away", "try again when it is back");
        let peer = self.peers.member(authority, now).ok_or_else(lost)?;
        let key = *peer.certificate().sealing_key();
        let own = self.node_id();
        let sealed = SealedPassword::seal(
            (own, (authority, &key)),
            whose,
            password.as_str().as_bytes(),
            &mut *self.rng,
        );
        sealed.map_err(|error| Failure::new(Code::Usage, error.to_string(), "choose a shorter password"))
    }

    /// The authority's word on somebody, to an errand that asked for it.
    pub(in crate::engine) fn vouched(&mut self, number: u64, assertion: SignedAssertion, now: Timestamp) {
        let Some((origin, Want::LogIn(asked))) = self.take_errand(number) else { return };
        match (origin, &asked.known) {
            (Origin::Command(command), Known::Password(_, seat)) => {
                self.logged_in(command, *seat, &asked.principal, assertion, now);
            }
            (_, Known::Assertion(shown, seat)) => self.log_in_renewed(*seat, shown, &assertion, now),
            (Origin::Inbound(_) | Origin::Own, Known::Password(..)) => {}
        }
    }

    /// A log-in came to nothing. Where the authority has not looked at the password that was no guess.
    pub(in crate::engine) fn not_logged_in(&mut self, log_in: &LoggingIn, failure: &Failure) {
        let Known::Password(_, seat) = &log_in.known else { return };
        self.audit_not_logged_in(At::Uid(seat.uid), &log_in.principal.user_text(), &failure.message);
        if *failure != Reject::Credentials.failure() {
            self.refund(seat.uid);
        }
    }

    /// A member asks the authority about somebody there.
    pub(in crate::engine) fn log_in_requested(
        &mut self,
        from: NodeId,
        inbound: InboundId,
        request: LogInRequest,
        now: Timestamp,
    ) {
        if self.membership.authority.is_none() {
            self.respond(inbound, &Response::Reject(Reject::NotAuthority));
            return;
        }
        let LogInRequest { user, person, proof } = request;
        let principal = Principal { user, home: Home::Network, person };
        let sealed = match proof {
            Proof::Password(sealed) => sealed,
            Proof::Assertion(shown) => {
                let again = self
                    .vouch_again(from, &shown, now)
                    .filter(|again| again.assertion.principal == principal);
                let refused = Response::Reject(Reject::LogIn);
                self.respond(inbound, &again.map_or(refused, |again| Response::Assertion(Box::new(again))));
                return;
            }
        };
        let own = (self.node_id(), &self.keys.sealing);
        let opened = sealed.open((from, own), (&principal.user, &principal.person));
        let Ok(password) = opened else {
            self.respond(inbound, &Response::Reject(Reject::Invalid));
            return;
        };
        match self.may_guess(from, now) {
            Ok(()) => self.check_password(principal, &password, To::Node(inbound, from), now),
            Err(reject) => {
                self.audit_not_logged_in(At::Node(from), &principal.user_text(), &reject.to_string());
                self.respond(inbound, &Response::Reject(reject));
            }
        }
    }

    /// Charges a guess of another node's, unless it has none left.
    fn may_guess(&mut self, from: NodeId, now: Timestamp) -> Result<(), Reject> {
        self.may_stretch_for(from)?;
        self.people.guesses_of_nodes.charge(&from, now).map_err(|_| Reject::TooManyGuesses)
    }

    /// Whether one more password is stretched for another node.
    pub(super) fn may_stretch_for(&self, from: NodeId) -> Result<(), Reject> {
        let of = self.stretching.values().filter_map(Stretching::node);
        let of_one = of.clone().filter(|node| *node == from).count();
        if of_one >= STRETCHING_OF_ONE || of.count() >= STRETCHING_MAX {
            return Err(Reject::Busy);
        }
        Ok(())
    }
}

impl super::People {
    /// Somebody with this uid has logged in.
    fn recognise(&mut self, uid: u32) {
        if self.regulars.len() < REGULARS_MAX {
            self.regulars.insert(uid);
        }
    }
}

impl Stretching {
    /// The node for which a user's password is stretched, if for one.
    fn node(&self) -> Option<NodeId> {
        match self {
            Self::LogIn(checking) => checking.to.node(),
            Self::Credential(setting) => setting.node(),
            Self::Invite(_)
            | Self::JoinCode
            | Self::JoinPassword
            | Self::Network(_)
            | Self::Password(_)
            | Self::Guest(_)
            | Self::Visit(_) => None,
        }
    }

    /// The seat at which somebody waits for it.
    fn seat(&self) -> Option<Seat> {
        if let Self::LogIn(checking) = self
            && let To::Seat(_, seat) = checking.to
        {
            return Some(seat);
        }
        None
    }
}

impl To {
    /// The node where it is; nothing for this one.
    const fn node(self) -> Option<NodeId> {
        match self {
            Self::Seat(..) => None,
            Self::Node(_, node) => Some(node),
        }
    }
}
