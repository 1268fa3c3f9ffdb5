//! A node looks for an authority, and gets its certificate from it.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::invite::Stretching;
use super::{CommandId, DialId, Engine, Membership, Output, RequestId, Sent, Work, WorkId, load};
use crate::control::{self, Answer, Code as FailureCode, Failure, Joined, Time};
use crate::enrolment::{
    Asked, AuthorityKey, Code, EnrolAnswer, Enrolled, Hope, Invitation, InviteUri, JoinError, Prospect,
    Requested, WhoIsAnswer,
};
use crate::hello::Addresses;
use crate::identity::{NetworkName, NodeId, NodeName, Secret};
use crate::message::{Request, Response};
use crate::record::Write;
use crate::reject::Reject;
use crate::snapshot::Member;
use crate::time::Timestamp;

/// How long a node looks for an authority.
const JOIN_TIME: Duration = Duration::from_secs(30);

/// How long it goes on listening after the first network was found, for another one with the same name.
const LISTEN_TIME: Duration = Duration::from_millis(700);

/// How long after a failure it tries the addresses of a URI, or looks around, again.
const RETRY_TIME: Duration = Duration::from_secs(1);

/// How long a prospect may take for an answer, where there may be another one.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Discovered nodes that are asked at the same time which network they are of.
const ASKED_MAX: usize = 8;

/// How long after it was asked a discovered node is asked again: it may have become a member.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// A node on its way to become a member.
pub(super) struct Joining {
    command: CommandId,
    name: NodeName,
    network: Option<NetworkName>,
    invitation: Invitation,
    deadline: Timestamp,
    /// The next time to do something before the deadline.
    alarm: Option<Timestamp>,
    /// Discovered nodes that are being turned to, and the question once it is out.
    asking: BTreeMap<NodeId, Option<RequestId>>,
    /// When each was last turned to.
    asked: BTreeMap<NodeId, Timestamp>,
    /// The networks that were found, by name, pin and authority.
    found: BTreeMap<Prospect, Vec<SocketAddr>>,
    /// What the last authority said that was turned to in vain.
    setback: Option<Failure>,
    stage: Stage,
}

/// How far it is. An answer counts only if it is the one that the stage waits for.
enum Stage {
    /// Looking for an authority; with a URI, by this dial.
    Searching(Option<DialId>),
    /// Found one; the code is being stretched, with the network's name as salt.
    Stretching(WorkId, Prospect),
    /// Found one; it is being connected.
    Connecting(Prospect, Option<Secret>),
    /// Asked for the key.
    Asked(RequestId, Box<Asked>),
    /// Asked for the certificate.
    Requested(RequestId, Box<Requested>),
}

impl Joining {
    pub(super) fn next_deadline(&self) -> Timestamp {
        self.alarm.map_or(self.deadline, |alarm| alarm.min(self.deadline))
    }

    /// The clock was set back by `by`.
    pub(super) fn clock_set_back(&mut self, by: Duration) {
        self.deadline = self.deadline.before(by);
        self.alarm = self.alarm.map(|alarm| alarm.before(by));
        for asked in self.asked.values_mut() {
            *asked = asked.before(by);
        }
    }

    fn fits(&self, network: &NetworkName) -> bool {
        self.network.as_ref().is_none_or(|wanted| wanted == network)
    }

    fn is_searching(&self) -> bool {
        matches!(self.stage, Stage::Searching(_))
    }

    /// Back to the beginning of the search, to be taken up again at `alarm`.
    fn search_again(&mut self, alarm: Timestamp) {
        self.stage = Stage::Searching(None);
        self.alarm = Some(alarm);
    }
}

impl Engine {
    pub(super) fn join(&mut self, command: CommandId, join: control::Join, now: Timestamp) {
        match self.start_joining(command, join, now) {
            Ok(joining) => {
                self.joining = Some(joining);
                self.search(now);
            }
            Err(failure) => self.answer(command, Err(failure)),
        }
    }

    fn start_joining(
        &mut self,
        command: CommandId,
        join: control::Join,
        now: Timestamp,
    ) -> Result<Joining, Failure> {
        self.check_free_to_found(now)?;
        let invitation = match join.invite.as_deref() {
            None => Invitation::Open,
            Some(text) => text.parse().map_err(|error| {
                let remedy = "copy it again from where `lanyard invite` printed it";
                Failure::new(FailureCode::Usage, format!("{error}"), remedy)
            })?,
        };
        Ok(Joining {
            command,
            name: join.name,
            network: join.network,
            invitation,
            deadline: now.after(JOIN_TIME),
            alarm: None,
            asking: BTreeMap::new(),
            asked: BTreeMap::new(),
            found: BTreeMap::new(),
            setback: None,
            stage: Stage::Searching(None),
        })
    }

    /// Refuses to make or join a network where the node has one, or is about to.
    pub(super) fn check_free_to_found(&self, now: Timestamp) -> Result<(), Failure> {
        // A member whose certificate has ended, or was revoked, may turn to another network, or to its own as a new node.
        let held = self.membership.member.as_ref().filter(|member| {
            let valid = member.certificate.check_time(now).is_ok() && !member.is_revoked();
            self.membership.authority.is_some() || valid
        });
        if let Some(member) = held {
            return Err(Failure::new(
                FailureCode::Failed,
                format!("this node is a member of {} already; nothing was changed", member.anchor.network()),
                "use another state directory for another network: `lanyard --state DIR …`",
            ));
        }
        if self.joining.is_some() || self.is_installing() {
            let wait = "wait for its end";
            return Err(Failure::new(FailureCode::Failed, "this node is joining a network already", wait));
        }
        Ok(())
    }

    /// Turns to everyone who may know an authority.
    fn search(&mut self, now: Timestamp) {
        let Some(joining) = &self.joining else { return };
        if let Invitation::Uri(uri) = &joining.invitation {
            let addresses = uri.addresses.clone();
            let dial = self.dial(None, addresses);
            if let Some(joining) = &mut self.joining {
                joining.stage = Stage::Searching(Some(dial));
            }
        } else {
            self.ask_around(now);
        }
    }

    /// Asks discovered nodes which network they are of: a few at a time, those first that were not asked for longest.
    pub(super) fn ask_around(&mut self, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if !joining.is_searching() || matches!(joining.invitation, Invitation::Uri(_)) {
            return;
        }
        let mut next: Vec<(Option<Timestamp>, NodeId)> = self
            .peers
            .iter()
            .map(|(id, _)| (joining.asked.get(&id).copied(), id))
            .filter(|(asked, id)| {
                !joining.asking.contains_key(id) && asked.is_none_or(|asked| now.since(asked) >= ASK_AGAIN)
            })
            .collect();
        next.sort();
        if joining.found.is_empty() {
            joining.alarm = Some(now.after(RETRY_TIME));
        }
        for (_, peer) in next {
            if self.joining.as_ref().is_none_or(|joining| joining.asking.len() >= ASKED_MAX) {
                break;
            }
            self.ask_whois(peer, now);
        }
    }

    fn ask_whois(&mut self, peer: NodeId, now: Timestamp) {
        let Some(known) = self.peers.get(peer) else { return };
        let addresses = known.worth_dialling(now);
        let (connected, dialling) = (known.connected.is_some(), known.dialling);
        let mut question = None;
        if connected {
            question = Some(self.request(peer, &Request::WhoIs, Sent::WhoIs(peer)));
        } else if let (Some(addresses), false) = (addresses, dialling) {
            self.peers.dial_began(peer);
            self.dial(Some(peer), addresses);
        } else if !dialling {
            return;
        }
        if let Some(joining) = &mut self.joining {
            joining.asking.insert(peer, question);
            joining.asked.insert(peer, now);
        }
    }

    /// The dial of a URI's addresses has come through.
    pub(super) fn join_uri_connected(&mut self, dial: DialId, peer: NodeId, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        let ours = matches!(joining.stage, Stage::Searching(Some(ours)) if ours == dial);
        if let (true, Invitation::Uri(InviteUri { network, root, .. })) = (ours, &joining.invitation) {
            let prospect = Prospect { network: network.clone(), root: *root, node: peer };
            self.ask_key(prospect, None, now);
        }
    }

    pub(super) fn join_uri_failed(&mut self, dial: DialId, now: Timestamp) {
        if let Some(joining) = &mut self.joining
            && matches!(joining.stage, Stage::Searching(Some(ours)) if ours == dial)
        {
            joining.search_again(now.after(RETRY_TIME));
        }
    }

    /// A discovered node is connected.
    pub(super) fn join_peer_connected(&mut self, peer: NodeId, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if joining.is_searching() && joining.asking.contains_key(&peer) {
            let question = self.request(peer, &Request::WhoIs, Sent::WhoIs(peer));
            if let Some(joining) = &mut self.joining {
                joining.asking.insert(peer, Some(question));
            }
        } else if matches!(&joining.stage, Stage::Connecting(prospect, _) if prospect.node == peer)
            && let Stage::Connecting(prospect, code) =
                core::mem::replace(&mut joining.stage, Stage::Searching(None))
        {
            self.ask_key(prospect, code, now);
        }
    }

    pub(super) fn join_dial_failed(&mut self, peer: NodeId, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        joining.asking.remove(&peer);
        if matches!(&joining.stage, Stage::Connecting(prospect, _) if prospect.node == peer) {
            self.set_back(unreachable(), now);
        } else {
            self.ask_around(now);
        }
    }

    /// Acts on the deadlines of joining.
    pub(super) fn go_on_joining(&mut self, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if now >= joining.deadline {
            let failure = joining.setback.take().unwrap_or_else(|| not_found(joining));
            self.end_joining(Err(failure));
        } else if joining.alarm.is_some_and(|alarm| now >= alarm) {
            joining.alarm = None;
            match (&joining.stage, joining.found.is_empty()) {
                (Stage::Searching(_), true) => self.search(now),
                (Stage::Searching(_), false) => self.choose(now),
                // A prospect has taken too long.
                _ => self.set_back(unreachable(), now),
            }
        }
    }

    /// The answer to the question which network a node is of.
    pub(super) fn whois_answered(
        &mut self,
        request: RequestId,
        peer: NodeId,
        response: Option<Response>,
        now: Timestamp,
    ) {
        let Some(joining) = &mut self.joining else { return };
        if joining.asking.get(&peer) != Some(&Some(request)) {
            return;
        }
        joining.asking.remove(&peer);
        if let Some(Response::WhoIs(answer)) = response {
            self.network_found(answer, now);
        }
        self.ask_around(now);
    }

    /// The answer to a step of joining.
    pub(super) fn join_answered(
        &mut self,
        request: RequestId,
        peer: NodeId,
        response: Option<Response>,
        now: Timestamp,
    ) {
        let Some(joining) = &mut self.joining else { return };
        if !matches!(joining.stage, Stage::Asked(id, _) | Stage::Requested(id, _) if id == request) {
            return;
        }
        joining.alarm = None;
        match (core::mem::replace(&mut joining.stage, Stage::Searching(None)), response) {
            (Stage::Asked(_, asked), Some(Response::AuthorityKey(answer))) => {
                self.key_answered(*asked, *answer, peer, now);
            }
            (Stage::Requested(_, requested), Some(Response::Enrolled(answer))) => {
                self.enrolled(*requested, &answer, now);
            }
            (_, Some(Response::Reject(Reject::Retry)) | None) => joining.search_again(now.after(RETRY_TIME)),
            (_, Some(Response::Reject(reject))) => self.set_back(reject.failure(), now),
            (_, Some(_)) => self.set_back(Reject::Invalid.failure(), now),
        }
    }

    /// A member told which network it is of.
    fn network_found(&mut self, answer: WhoIsAnswer, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if !joining.is_searching() || !joining.fits(&answer.network) || joining.found.len() >= ASKED_MAX {
            return;
        }
        let prospect = Prospect { network: answer.network, root: answer.root, node: answer.authority };
        if joining.found.is_empty() {
            joining.alarm = Some(now.after(LISTEN_TIME));
        }
        joining.found.entry(prospect).or_insert_with(|| answer.addresses.into_iter().take(4).collect());
    }

    /// Enough was heard: turns to an authority, if it is clear which.
    fn choose(&mut self, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        let networks: BTreeSet<&NetworkName> =
            joining.found.keys().map(|prospect| &prospect.network).collect();
        let roots: BTreeSet<_> = joining.found.keys().map(|prospect| prospect.root).collect();
        let names: Vec<String> = networks.iter().map(ToString::to_string).collect();
        let by_code = matches!(joining.invitation, Invitation::Code(_));
        if names.len() > 1 {
            let failure = Failure::new(
                FailureCode::Usage,
                format!("several networks are in sight: {}", names.join(", ")),
                "say which: `lanyard join --network NAME`",
            );
            self.end_joining(Err(failure));
        } else if roots.len() > 1 && !by_code {
            let failure = Failure::new(
                FailureCode::Denied,
                format!(
                    "two different authorities claim the network {}: one of them is false",
                    names.join("")
                ),
                "join neither unseen: ask for a URI or a code where you trust the authority, and report this",
            );
            self.end_joining(Err(failure));
        } else if let Some((prospect, addresses)) = joining.found.pop_first() {
            self.turn_to(prospect, addresses, now);
        }
    }

    fn turn_to(&mut self, prospect: Prospect, addresses: Vec<SocketAddr>, now: Timestamp) {
        self.peers.seen(prospect.node, addresses, now);
        let Some(joining) = &mut self.joining else { return };
        match &joining.invitation {
            Invitation::Code(code) => {
                let (secret, salt) = (code.secret(), Code::salt(&prospect.network, code.nameplate()));
                let id = WorkId(self.wires.next.next());
                joining.stage = Stage::Stretching(id, prospect);
                self.stretching.insert(id, Stretching::Join);
                self.output(Output::Work { id, work: Work::Stretch { secret, salt } });
            }
            Invitation::Open | Invitation::Uri(_) => self.connect(prospect, None, now),
        }
    }

    pub(super) fn join_stretched(&mut self, id: WorkId, secret: Secret, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if matches!(joining.stage, Stage::Stretching(ours, _) if ours == id)
            && let Stage::Stretching(_, prospect) =
                core::mem::replace(&mut joining.stage, Stage::Searching(None))
        {
            self.connect(prospect, Some(secret), now);
        }
    }

    fn connect(&mut self, prospect: Prospect, code: Option<Secret>, now: Timestamp) {
        let node = prospect.node;
        let known = self
            .peers
            .get(node)
            .map(|peer| (peer.connected.is_some(), peer.dialling, peer.worth_dialling(now)));
        match known {
            Some((true, ..)) => {
                self.ask_key(prospect, code, now);
                return;
            }
            Some((false, true, _)) => {}
            Some((false, false, Some(addresses))) => {
                self.peers.dial_began(node);
                self.dial(Some(node), addresses);
            }
            Some((false, false, None)) | None => {
                self.set_back(unreachable(), now);
                return;
            }
        }
        if let Some(joining) = &mut self.joining {
            joining.stage = Stage::Connecting(prospect, code);
            joining.alarm = Some(now.after(ANSWER_TIME));
        }
    }

    fn ask_key(&mut self, prospect: Prospect, code: Option<Secret>, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        let node = prospect.node;
        let hope = match (&mut joining.invitation, code) {
            (Invitation::Code(typed), Some(secret)) => Hope::Code { nameplate: typed.nameplate(), secret },
            (Invitation::Uri(uri), _) => {
                Hope::Uri(uri.secret.as_ref().map(crate::enrolment::InviteSecret::again))
            }
            (Invitation::Open | Invitation::Code(_), _) => Hope::Open,
        };
        let (asked, request) = Asked::new(&self.keys, hope, prospect, &mut *self.rng);
        let id = self.request(node, &Request::KeyRequest(request), Sent::Join(node));
        self.stand(Stage::Asked(id, Box::new(asked)), now);
    }

    /// Waits for an authority's answer.
    fn stand(&mut self, stage: Stage, now: Timestamp) {
        if let Some(joining) = &mut self.joining {
            joining.stage = stage;
            joining.alarm = Some(now.after(ANSWER_TIME));
        }
    }

    fn key_answered(&mut self, asked: Asked, answer: AuthorityKey, peer: NodeId, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        let time = (now, self.clock.lead());
        match asked.answered(answer, &joining.name, &self.keys, time, &mut *self.rng) {
            Ok((requested, request)) => {
                let id = self.request(peer, &Request::Enrol(request), Sent::Join(peer));
                self.stand(Stage::Requested(id, Box::new(requested)), now);
            }
            Err(error) => self.set_back(refused(&error), now),
        }
    }

    /// An authority was turned to in vain. With a code nothing that it said is final as long as there may be another
    /// one: only who knows the code is the authority. Silence is not final either.
    fn set_back(&mut self, failure: Failure, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        let by_code = matches!(joining.invitation, Invitation::Code(_));
        let silence = failure.code == FailureCode::Unreachable;
        let elsewhere = by_code && !joining.found.is_empty();
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

    fn install(&mut self, enrolled: Enrolled, now: Timestamp) {
        let Some(joining) = self.joining.take() else { return };
        let Enrolled { leaf, anchor, authority, pinned, told } = enrolled;
        self.told_the_time(told);
        let home = authority.node_id();
        let mut writes = load::member_writes(&self.keys, &anchor, &leaf, home, now);
        writes.extend(self.forget_network());
        writes.extend(self.peers.learn(authority, Addresses::default(), now));
        let joined = Joined {
            network: anchor.network().clone(),
            name: leaf.name().clone(),
            id: self.node_id(),
            fingerprint: anchor.fingerprint(),
            pinned,
            not_after: Time(leaf.not_after()),
        };
        let member = Member::new(anchor, leaf);
        let membership = Membership { member: Some(Arc::new(member)), authority: None, home: Some(home) };
        let result = Ok(Answer::Joined(joined));
        self.persist_membership(writes, membership, vec![Output::Answer { to: joining.command, result }]);
    }

    /// What a node kept of a network whose member it is no longer: its tickets, its peers' certificates, and who was
    /// revoked there.
    fn forget_network(&mut self) -> Vec<Write> {
        let tickets: Vec<_> = core::mem::take(&mut self.tickets).into_keys().collect();
        let mut writes: Vec<Write> = tickets.iter().map(load::erase_ticket).collect();
        if let Some(member) = &self.membership.member {
            let kept = member.revocations.to_writes().into_iter();
            writes.extend(kept.map(|write| Write::erase(write.table, write.key)));
        }
        writes.extend(self.peers.forget_certificates());
        writes
    }

    fn end_joining(&mut self, result: Result<Answer, Failure>) {
        if let Some(joining) = self.joining.take() {
            self.answer(joining.command, result);
        }
    }

    /// The user who joined went away.
    pub(super) fn cancel_joining(&mut self, command: CommandId) {
        if self.joining.as_ref().is_some_and(|joining| joining.command == command) {
            self.joining = None;
        }
    }
}

fn unreachable() -> Failure {
    Failure::new(
        FailureCode::Unreachable,
        "the authority was found, but does not answer",
        "see whether it is up: `lanyard status` there",
    )
}

fn not_found(joining: &Joining) -> Failure {
    let message = match &joining.invitation {
        Invitation::Uri(uri) => {
            let addresses: Vec<String> = uri.addresses.iter().map(SocketAddr::to_string).collect();
            format!("no authority answers at {}", addresses.join(" or "))
        }
        Invitation::Open | Invitation::Code(_) => "no authority was found on the local network".to_owned(),
    };
    Failure::new(
        FailureCode::Unreachable,
        message,
        "see that `lanyard up` runs on the authority and a firewall lets TCP and UDP 4610 through; \
         where multicast does not reach, use the URI of `lanyard invite --uri`",
    )
}

fn refused(error: &JoinError) -> Failure {
    let remedy = match error {
        JoinError::Code => "check the spelling, or ask for a new code: `lanyard invite` on the authority",
        JoinError::NotAuthority(_) => {
            "use the URI that `lanyard invite --uri` prints on the authority itself"
        }
        JoinError::Certificate(_) | JoinError::Signature | JoinError::Answer(_) => {
            "do not go on: ask for a new URI where you trust the authority, and report this"
        }
    };
    Failure::new(FailureCode::Denied, error.to_string(), remedy)
}
