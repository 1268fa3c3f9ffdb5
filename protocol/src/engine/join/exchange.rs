//! A node asks an authority for its certificate.

use core::time::Duration;

use super::search::addresses_of;
use super::{RETRY_TIME, Secrets, Stage, Stretched, refused, unreachable};
use crate::control::Guid;
use crate::control::{Code as FailureCode, Failure};
use crate::engine::invite::Stretching;
use crate::engine::{Engine, Output, RequestId, Sent, Work, WorkId};
use crate::enrolment::{
    Answered, Asked, AuthorityKey, Code, EnrolAnswer, Hope, HopeInvite, Invitation, InviteSecret, JoinError,
    Prospect, Requested, password_salt,
};
use crate::identity::NodeId;
use crate::message::{Request, Response};
use crate::reject::Reject;
use crate::time::Timestamp;

/// How long a prospect may take for an answer, where there may be another one.
const ANSWER_TIME: Duration = Duration::from_secs(5);

impl Engine {
    /// Has stretched what is to be proven to this prospect, and then connects to it.
    pub(super) fn prepare(&mut self, prospect: Prospect, secrets: Secrets, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        let under_way = self.local.own.as_ref().is_some_and(|own| own.is_for(&prospect, &joining.wish.name));
        let next = match (&joining.wish.invitation, &joining.wish.password) {
            _ if under_way => None,
            (Invitation::Code(code), _) if secrets.code.is_none() => {
                let salt = Code::salt(&prospect.network, code.nameplate());
                Some((code.secret(), salt, Stretching::JoinCode))
            }
            (_, Some(password)) if secrets.password.is_none() => {
                let salt = password_salt(&prospect.network, prospect.root);
                Some((password.secret(), salt, Stretching::JoinPassword))
            }
            _ => None,
        };
        let Some((secret, salt, purpose)) = next else {
            self.connect(prospect, secrets, now);
            return;
        };
        let id = WorkId(self.wires.next.next());
        joining.stage = Stage::Stretching(id, prospect, secrets);
        self.stretching.insert(id, purpose);
        self.output(Output::Work { id, work: Work::Stretch { secret, salt } });
    }

    pub(in crate::engine) fn join_stretched(&mut self, id: WorkId, stretched: Stretched, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if matches!(joining.stage, Stage::Stretching(ours, ..) if ours == id)
            && let Stage::Stretching(_, prospect, mut secrets) =
                core::mem::replace(&mut joining.stage, Stage::Searching(None))
        {
            match stretched {
                Stretched::Code(secret) => secrets.code = Some(secret),
                Stretched::Password(secret) => secrets.password = Some(secret),
            }
            self.prepare(prospect, secrets, now);
        }
    }

    pub(super) fn connect(&mut self, prospect: Prospect, secrets: Secrets, now: Timestamp) {
        let node = prospect.node;
        if let Some(joining) = &self.joining {
            let addresses = addresses_of(&joining.wish.invitation);
            if !addresses.is_empty() && self.peers.get(node).is_none() {
                self.peers.seen(node, addresses, now);
            }
        }
        let known = self
            .peers
            .get(node)
            .map(|peer| (peer.connected.is_some(), peer.dialling, peer.worth_dialling(now)));
        match known {
            Some((true, ..)) => {
                self.ask_key(prospect, secrets, now);
                return;
            }
            Some((false, true, _)) => {}
            Some((false, false, Some(addresses))) => {
                self.peers.dial_began(node);
                self.dial(Some(node), addresses);
            }
            Some((false, false, None)) | None => {
                self.stand(Stage::Connecting(prospect, secrets), now);
                self.set_back(unreachable(), now);
                return;
            }
        }
        self.stand(Stage::Connecting(prospect, secrets), now);
    }

    pub(super) fn ask_key(&mut self, prospect: Prospect, secrets: Secrets, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        let node = prospect.node;
        let wish = &joining.wish;
        let invite = match (&wish.invitation, secrets.code) {
            (Invitation::Code(typed), Some(secret)) => {
                Some(HopeInvite::Code { nameplate: typed.nameplate(), secret })
            }
            (Invitation::Uri(uri), _) => uri.secret.as_ref().map(InviteSecret::again).map(HopeInvite::Secret),
            (Invitation::Open | Invitation::Code(_), _) => None,
        };
        let hope = Hope {
            name: wish.name.clone(),
            pinned: matches!(wish.invitation, Invitation::Uri(_)),
            invite,
            password: secrets.password,
            guid: Guid::of(&self.local.machine, self.keys.node_id(), &prospect.network),
            replace: wish.replace,
            own: self.local.own.clone(),
            confirmed: joining.confirmed,
        };
        self.local.in_sight = Some(prospect.network.clone());
        let (asked, request) = Asked::stranger(&self.keys, hope, prospect.clone(), &mut *self.rng);
        let id = self.request(node, &Request::KeyRequest(request), Sent::Join(node));
        self.stand(Stage::Asked(id, prospect, Box::new(asked)), now);
    }

    /// Waits for an authority's answer.
    fn stand(&mut self, stage: Stage, now: Timestamp) {
        if let Some(joining) = &mut self.joining {
            joining.stage = stage;
            joining.alarm = Some(now.after(ANSWER_TIME));
        }
    }

    /// The answer to a step of joining.
    pub(in crate::engine) fn join_answered(
        &mut self,
        request: RequestId,
        peer: NodeId,
        response: Option<Response>,
        now: Timestamp,
    ) {
        let Some(joining) = &mut self.joining else { return };
        if !matches!(joining.stage, Stage::Asked(id, ..) | Stage::Requested(id, ..) if id == request) {
            return;
        }
        joining.alarm = None;
        match (core::mem::replace(&mut joining.stage, Stage::Searching(None)), response) {
            (Stage::Asked(_, prospect, asked), Some(Response::AuthorityKey(answer))) => {
                self.key_answered(prospect, *asked, *answer, peer, now);
            }
            (Stage::Requested(_, _, requested), Some(Response::Enrolled(answer))) => {
                self.enrolled(*requested, &answer, now);
            }
            (Stage::Requested(_, prospect, _), Some(Response::Waiting)) if joining.is_compared() => {
                self.wait(prospect, now);
            }
            (stage, Some(Response::Reject(reject))) => self.rejected(stage, reject, now),
            (stage, None) => self.unanswered(stage, now),
            (_, Some(_)) => self.set_back(Reject::Invalid.failure(), now),
        }
    }

    /// What an authority did not answer is asked again: by one that waits, of the same authority.
    pub(super) fn unanswered(&mut self, stage: Stage, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        match stage {
            Stage::Asked(_, prospect, _)
            | Stage::Requested(_, prospect, _)
            | Stage::Connecting(prospect, _)
            | Stage::Waiting(prospect)
                if joining.is_compared() =>
            {
                self.wait(prospect, now);
            }
            Stage::Asked(..)
            | Stage::Requested(..)
            | Stage::Connecting(..)
            | Stage::Waiting(_)
            | Stage::Searching(_)
            | Stage::Stretching(..) => joining.search_again(now.after(RETRY_TIME)),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other no, and any to come, is final")]
    fn rejected(&mut self, stage: Stage, reject: Reject, now: Timestamp) {
        match reject {
            Reject::Retry => self.unanswered(stage, now),
            Reject::Busy | Reject::Unavailable
                if self.joining.as_ref().is_some_and(super::Joining::is_compared) =>
            {
                self.unanswered(stage, now);
            }
            // A request that was under way is not known any more, and shows nothing else.
            Reject::Needed(_) | Reject::NotLocal if self.local.own.is_some() => {
                self.begin_anew(reject.failure(), now)
            }
            Reject::Guid => {
                let mut failure = reject.failure();
                if let Some(guid) = self.guid() {
                    failure.remedy = format!("have it put there: `lanyard admission guid add {guid}`");
                }
                self.admission_denied(failure, now);
            }
            reject => self.admission_denied(reject.failure(), now),
        }
    }

    /// The authority has said no.
    fn admission_denied(&mut self, failure: Failure, now: Timestamp) {
        if self.joining.as_ref().is_some_and(super::Joining::is_compared) {
            self.forget_request();
            self.end_joining(Err(failure));
        } else {
            self.set_back(failure, now);
        }
    }

    fn key_answered(
        &mut self,
        prospect: Prospect,
        asked: Asked,
        answer: AuthorityKey,
        peer: NodeId,
        now: Timestamp,
    ) {
        match asked.answered(answer, &self.keys, (now, self.clock.lead()), &mut *self.rng) {
            Ok(Answered { requested, request, compared }) => {
                let request = Request::Enrol(request);
                let id = match compared {
                    None => self.request(peer, &request, Sent::Join(peer)),
                    Some((own, shown)) => self.show_and_send(peer, &request, own, shown),
                };
                self.stand(Stage::Requested(id, prospect, Box::new(requested)), now);
            }
            Err(JoinError::Forgotten) => self.begin_anew(refused(&JoinError::Forgotten), now),
            Err(error) => self.set_back(refused(&error), now),
        }
    }

    /// An authority was turned to in vain. Nothing that it said is final as long as another one is in sight: with a code
    /// only who knows the code is the authority, and without one all in sight are of the same CA, so that one which is
    /// not believed, or lets nobody in, may be somebody in between. Silence is not final either.
    pub(super) fn set_back(&mut self, failure: Failure, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        let silence = failure.code == FailureCode::Unreachable;
        if silence && joining.is_compared() {
            let stage = core::mem::replace(&mut joining.stage, Stage::Searching(None));
            self.unanswered(stage, now);
            return;
        }
        let elsewhere = !joining.sight.found.is_empty();
        if !elsewhere && !silence {
            self.end_joining(Err(failure));
            return;
        }
        if !silence || joining.setback.is_none() {
            joining.setback = Some(failure);
        }
        joining.search_again(now.after(if elsewhere { Duration::ZERO } else { RETRY_TIME }));
    }

    fn enrolled(&mut self, requested: Requested, answer: &EnrolAnswer, now: Timestamp) {
        match requested.answered(answer, &self.keys, now) {
            Ok(enrolled) => self.install(enrolled, now),
            Err(error) => self.set_back(refused(&error), now),
        }
    }
}
