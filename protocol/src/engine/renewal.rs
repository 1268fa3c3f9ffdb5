//! A node renews its certificate by itself, from a third of its life on.
//!
//! By its enrolment record, so also after its certificate has ended: then it gets a new one and nothing else. The
//! authority's own node issues its own.

use core::time::Duration;

use super::persist::not_kept;
use super::reach::Reach;
use super::{CommandId, Engine, RequestId, Sent, load};
use crate::certificate::{SKEW, VerifiedCertificate};
use crate::control::{Answer, Code, Failure};
use crate::enrolment::{Asked, Issued, Prospect, Requested};
use crate::identity::NodeId;
use crate::message::{Request, Response};
use crate::record::Write;
use crate::snapshot::Member;
use crate::time::Timestamp;

/// How long after a failure renewal is tried again: at first, and at most.
const RETRY: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(5 * 60);

/// How long a user waits for a renewal.
const WAIT: Duration = Duration::from_secs(10);

/// The next renewal.
#[derive(Default)]
pub(super) struct Renewal {
    due: Option<Timestamp>,
    tries: u32,
    stage: Stage,
    /// Who waits for its end, and until when.
    waiting: Vec<(CommandId, Timestamp)>,
}

/// How far it is.
#[derive(Default)]
enum Stage {
    /// Not begun, or the authority is being connected.
    #[default]
    Idle,
    /// Asked for the authority's key.
    Asked(RequestId, Box<Asked>),
    /// Asked for the certificate.
    Requested(RequestId, Box<Requested>),
    /// Have it; it is on its way to the store.
    Installing,
}

impl Engine {
    pub(super) fn next_renewal(&self) -> Option<Timestamp> {
        let waiting = self.renewal.waiting.iter().map(|(_, until)| *until);
        self.renewal.due.into_iter().chain(waiting).min()
    }

    /// Plans the renewal of the present certificate, which this node has had since `since` by its own clock: a third
    /// into its life, and up to a sixth later, so that nodes which were enrolled together do not come back together.
    /// What is overdue waits a moment at the most.
    fn plan_renewal(&mut self, since: Timestamp, now: Timestamp) {
        let Some(member) = self.active_member() else { return };
        let life = member.certificate.not_after().since(member.certificate.issued());
        // One that begins later was issued by a clock that has been set back since.
        let early = now.after(SKEW) < member.certificate.not_before();
        let late = early || now.since(since) > life / 3;
        let (from, spread) = if late { (now, RETRY) } else { (since.after(life / 3), life / 6) };
        let spread = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX).max(1);
        let jitter = Duration::from_millis(self.rng.next_u64() % spread);
        self.renewal.due = Some(from.after(jitter));
        self.renewal.tries = 0;
    }

    /// Plans the renewal of the certificate that the store held.
    pub(super) fn schedule_renewal(&mut self, now: Timestamp) {
        let issued = self.membership.member.as_ref().map(|member| member.certificate.issued());
        self.plan_renewal(issued.unwrap_or(now), now);
    }

    /// The node has a new certificate. Its life is counted from now on: by a clock that is ahead of the authority's it
    /// may seem old already, and would be renewed without end.
    pub(super) fn renewed(&mut self, now: Timestamp) {
        self.plan_renewal(now, now);
        self.renewal.stage = Stage::Idle;
        for (command, _) in core::mem::take(&mut self.renewal.waiting) {
            let shown = self.certificates().map(|shown| Answer::Certificates(Box::new(shown)));
            self.answer(command, shown);
        }
    }

    /// The clock was set back by `by`.
    pub(super) fn set_renewal_back(&mut self, by: Duration, now: Timestamp) {
        for (_, until) in &mut self.renewal.waiting {
            *until = until.before(by);
        }
        if self.renewal.tries > 0 || !matches!(self.renewal.stage, Stage::Idle) {
            self.renewal.due = self.renewal.due.map(|due| due.before(by));
        } else {
            self.schedule_renewal(now);
        }
    }

    /// The authority is turned to at once, to hear from it what time it is.
    pub(super) fn renew_soon(&mut self, now: Timestamp) {
        if self.membership.member.is_some() && self.membership.authority.is_none() {
            self.renewal.due = Some(now);
        }
    }

    /// A local user wants it now.
    pub(super) fn renew(&mut self, command: CommandId, now: Timestamp) {
        if self.membership.member.is_none() {
            let result = self.certificates().map(|shown| Answer::Certificates(Box::new(shown)));
            self.answer(command, result);
            return;
        }
        if let Some(failure) = self.own_revocation() {
            self.answer(command, Err(failure));
            return;
        }
        self.renewal.waiting.push((command, now.after(WAIT)));
        if matches!(self.renewal.stage, Stage::Idle) {
            self.renewal.due = Some(now);
            self.renew_if_due(now);
        }
    }

    pub(super) fn renew_if_due(&mut self, now: Timestamp) {
        if self.renewal.waiting.iter().any(|(_, until)| now >= *until) {
            self.tell_waiting(&not_renewed());
        }
        if self.renewal.due.is_none_or(|due| now < due) {
            return;
        }
        self.plan_retry(now);
        if !matches!(self.renewal.stage, Stage::Idle) {
            // A question is out, and has an end of its own.
            return;
        }
        let (Some(member), Some(home)) = (self.active_member().cloned(), self.membership.home) else {
            return;
        };
        if self.membership.authority.is_some() {
            self.renew_own(&member, now);
        } else if self.peers.get(home).is_some_and(|peer| peer.connected.is_some()) {
            self.ask_for_renewal(&member, home);
        } else if matches!(self.reach(home, now), Reach::Nowhere | Reach::Refused) {
            self.renewal_failed(now);
        }
    }

    fn plan_retry(&mut self, now: Timestamp) {
        let wait = RETRY.saturating_mul(1 << self.renewal.tries.min(8)).min(RETRY_MAX);
        self.renewal.tries = self.renewal.tries.saturating_add(1);
        self.renewal.due = Some(now.after(wait));
    }

    /// It has come to nothing this time: who waits is told, and it is tried again when it is due.
    pub(super) fn renewal_failed(&mut self, _now: Timestamp) {
        self.renewal.stage = Stage::Idle;
        self.tell_waiting(&not_renewed());
    }

    /// There is a new certificate and the store did not keep it: the old one goes on.
    pub(super) fn renewal_not_kept(&mut self) {
        self.renewal.stage = Stage::Idle;
        self.tell_waiting(&not_kept());
    }

    /// The authority could not be connected.
    pub(super) fn renewal_dial_failed(&mut self, peer: NodeId, now: Timestamp) {
        if self.membership.home == Some(peer) && matches!(self.renewal.stage, Stage::Idle) {
            self.renewal_failed(now);
        }
    }

    /// A user who waited went away.
    pub(super) fn cancel_renewal(&mut self, command: CommandId) {
        self.renewal.waiting.retain(|(waiting, _)| *waiting != command);
    }

    fn tell_waiting(&mut self, failure: &Failure) {
        for (command, _) in core::mem::take(&mut self.renewal.waiting) {
            self.answer(command, Err(failure.clone()));
        }
    }

    /// The authority has been connected, for whatever reason: a renewal that is overdue goes on at once.
    pub(super) fn renewal_connected(&mut self, peer: NodeId, now: Timestamp) {
        let waiting = self.renewal.tries > 0 && matches!(self.renewal.stage, Stage::Idle);
        if waiting && self.membership.home == Some(peer) && self.membership.authority.is_none() {
            self.renewal.due = Some(now);
            self.renew_if_due(now);
        }
    }

    fn renew_own(&mut self, member: &Member, now: Timestamp) {
        let Some(authority) = &mut self.membership.authority else { return };
        match authority.renew_own(&member.certificate, now, &mut *self.rng) {
            Ok(Issued { answer, writes }) => self.install_renewed(member, answer, writes, now),
            Err(_) => self.renewal_failed(now),
        }
    }

    fn ask_for_renewal(&mut self, member: &Member, home: NodeId) {
        let prospect = Prospect {
            network: member.anchor.network().clone(),
            root: member.anchor.fingerprint(),
            node: home,
        };
        let name = member.certificate.name().clone();
        let (asked, request) = Asked::renewal(&self.keys, prospect, name, &mut *self.rng);
        let id = self.request(home, &Request::KeyRequest(request), Sent::Renewal(home));
        self.renewal.stage = Stage::Asked(id, Box::new(asked));
    }

    /// The answer to a step of renewal.
    pub(super) fn renewal_answered(
        &mut self,
        request: RequestId,
        home: NodeId,
        response: Option<Response>,
        now: Timestamp,
    ) {
        let ours =
            matches!(self.renewal.stage, Stage::Asked(id, _) | Stage::Requested(id, _) if id == request);
        let Some(member) = self.membership.member.clone().filter(|_| ours) else { return };
        match (core::mem::take(&mut self.renewal.stage), response) {
            (Stage::Asked(_, asked), Some(Response::AuthorityKey(answer))) => {
                match asked.answered(*answer, &self.keys, (now, self.clock.lead()), &mut *self.rng) {
                    Ok(answered) => {
                        let id = self.request(home, &Request::Enrol(answered.request), Sent::Renewal(home));
                        self.renewal.stage = Stage::Requested(id, Box::new(answered.requested));
                    }
                    Err(_) => self.renewal_failed(now),
                }
            }
            (Stage::Requested(_, requested), Some(Response::Enrolled(answer))) => {
                match requested.answered(&answer, &self.keys, now) {
                    Ok(enrolled) => {
                        self.told_the_time(enrolled.told);
                        self.install_renewed(&member, enrolled.leaf, Vec::new(), now.max(enrolled.told));
                    }
                    Err(_) => self.renewal_failed(now),
                }
            }
            _ => self.renewal_failed(now),
        }
    }

    fn install_renewed(
        &mut self,
        member: &Member,
        leaf: VerifiedCertificate,
        mut writes: Vec<Write>,
        now: Timestamp,
    ) {
        let Some(home) = self.membership.home else { return };
        self.renewal.stage = Stage::Installing;
        writes.extend(load::member_writes(&self.keys, &member.anchor, &leaf, home, now));
        self.persist_certificate(writes, leaf, member.anchor.fingerprint());
    }
}

fn not_renewed() -> Failure {
    Failure::new(
        Code::Unreachable,
        "the authority did not renew the certificate",
        "see whether the authority is up: `lanyard status` there; it is tried again by itself",
    )
}
