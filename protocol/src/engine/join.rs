//! A node looks for an authority, and gets its certificate from it.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::invite::Stretching;
use super::{CommandId, Engine, Membership, Output, Sent, Work, WorkId, load};
use crate::access::Policy;
use crate::control::{self, Answer, Code as FailureCode, Failure, Joined, Time};
use crate::enrolment::{
    Asked, AuthorityKey, Code, EnrolAnswer, Enrolled, Hope, Invitation, InviteUri, JoinError, Prospect,
    Requested, WhoIsAnswer,
};
use crate::hello::Addresses;
use crate::identity::{NetworkName, NodeId, NodeName, Secret};
use crate::message::{Request, Response};
use crate::reject::Reject;
use crate::snapshot::Member;
use crate::time::Timestamp;

/// How long a node looks for an authority.
const JOIN_TIME: Duration = Duration::from_secs(30);

/// How long it goes on listening after the first network was found, for another one with the same name.
const LISTEN_TIME: Duration = Duration::from_millis(700);

/// How long after a failure it tries the addresses of a URI again.
const RETRY_TIME: Duration = Duration::from_secs(1);

/// Discovered nodes that are asked which network they are of, in all and so at the same time.
const ASKED_MAX: usize = 8;

/// A node on its way to become a member.
pub(super) struct Joining {
    command: CommandId,
    name: NodeName,
    network: Option<NetworkName>,
    invitation: Invitation,
    deadline: Timestamp,
    /// The next time to do something before the deadline.
    alarm: Option<Timestamp>,
    /// Discovered nodes that have been turned to.
    turned_to: BTreeSet<NodeId>,
    /// The networks that were found, by pin and authority.
    found: BTreeMap<Prospect, Vec<SocketAddr>>,
    stage: Stage,
}

/// How far it is.
enum Stage {
    /// Looking for an authority.
    Searching,
    /// Found one; the code is being stretched, with the network's name as salt.
    Stretching(Prospect),
    /// Found one; it is being connected.
    Connecting(Prospect, Option<Secret>),
    /// Asked for the key.
    Asked(Box<Asked>),
    /// Asked for the certificate.
    Requested(Box<Requested>),
    /// Have it; it is on its way to the store.
    Installing,
}

impl Joining {
    pub(super) fn next_deadline(&self) -> Timestamp {
        self.alarm.map_or(self.deadline, |alarm| alarm.min(self.deadline))
    }

    fn fits(&self, network: &NetworkName) -> bool {
        self.network.as_ref().is_none_or(|wanted| wanted == network)
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
        let member = self.membership.member.as_ref();
        // One whose certificate has ended may turn to another authority, or to its own as to a new one.
        if let Some(member) = member.filter(|member| member.certificate.check_time(now).is_ok()) {
            return Err(Failure::new(
                FailureCode::Failed,
                format!("this node is a member of {} already; nothing was changed", member.anchor.network()),
                "use another state directory for another network: `lanyard --state DIR join …`",
            ));
        }
        if self.joining.is_some() {
            let wait = "wait for its end";
            return Err(Failure::new(FailureCode::Failed, "this node is joining a network already", wait));
        }
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
            turned_to: BTreeSet::new(),
            found: BTreeMap::new(),
            stage: Stage::Searching,
        })
    }

    /// Turns to everyone who may know an authority.
    fn search(&mut self, now: Timestamp) {
        let Some(joining) = &self.joining else { return };
        if let Invitation::Uri(uri) = &joining.invitation {
            let addresses = uri.addresses.clone();
            self.dial(None, addresses);
            return;
        }
        let seen: Vec<NodeId> = self.peers.iter().map(|(id, _)| id).collect();
        for peer in seen {
            self.ask_whois(peer, now);
        }
    }

    /// Asks a discovered node which network it is of: connects to it first if need be.
    pub(super) fn ask_whois(&mut self, peer: NodeId, _now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        let by_uri = matches!(joining.invitation, Invitation::Uri(_));
        if by_uri || !matches!(joining.stage, Stage::Searching) || joining.turned_to.len() >= ASKED_MAX {
            return;
        }
        let Some(known) = self.peers.get(peer) else { return };
        if known.addresses.control.is_empty() || !joining.turned_to.insert(peer) {
            return;
        }
        if known.connected.is_some() {
            self.request(peer, &Request::WhoIs, Sent::Join(peer));
        } else if !known.dialling {
            let addresses = known.addresses.control.clone();
            self.peers.dial_began(peer);
            self.dial(Some(peer), addresses);
        }
    }

    /// A node that was dialled for joining is connected.
    pub(super) fn join_connected(&mut self, peer: NodeId, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        match &joining.stage {
            Stage::Searching => match &joining.invitation {
                Invitation::Uri(InviteUri { network, root, .. }) => {
                    let prospect = Prospect { network: network.clone(), root: *root, node: peer };
                    self.ask_key(prospect, None, now);
                }
                Invitation::Open | Invitation::Code(_) => {
                    self.request(peer, &Request::WhoIs, Sent::Join(peer));
                }
            },
            Stage::Connecting(prospect, _) if prospect.node == peer => {
                let Stage::Connecting(prospect, code) =
                    core::mem::replace(&mut joining.stage, Stage::Searching)
                else {
                    return;
                };
                self.ask_key(prospect, code, now);
            }
            Stage::Stretching(_)
            | Stage::Connecting(..)
            | Stage::Asked(_)
            | Stage::Requested(_)
            | Stage::Installing => {}
        }
    }

    pub(super) fn join_dial_failed(&mut self, peer: NodeId, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if matches!(&joining.stage, Stage::Connecting(prospect, _) if prospect.node == peer) {
            joining.stage = Stage::Searching;
            joining.found.retain(|prospect, _| prospect.node != peer);
            joining.turned_to.clear();
            joining.alarm = Some(now.after(RETRY_TIME));
        }
    }

    pub(super) fn join_uri_failed(&mut self, now: Timestamp) {
        if let Some(joining) = &mut self.joining {
            joining.alarm = Some(now.after(RETRY_TIME));
        }
    }

    /// Acts on the deadlines of joining.
    pub(super) fn go_on_joining(&mut self, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if now >= joining.deadline {
            let failure = not_found(joining);
            self.end_joining(Err(failure));
        } else if joining.alarm.is_some_and(|alarm| now >= alarm) {
            joining.alarm = None;
            if joining.found.is_empty() { self.search(now) } else { self.choose(now) }
        }
    }

    /// The answer to a step of joining.
    pub(super) fn join_answered(&mut self, peer: NodeId, response: Option<Response>, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        let stage = core::mem::replace(&mut joining.stage, Stage::Searching);
        match (stage, response) {
            (stage @ (Stage::Searching | Stage::Stretching(_) | Stage::Connecting(..)), response) => {
                joining.stage = stage;
                if let Some(Response::WhoIs(answer)) = response {
                    self.network_found(answer, now);
                }
            }
            (Stage::Asked(asked), Some(Response::AuthorityKey(answer))) => {
                self.key_answered(*asked, *answer, peer, now);
            }
            (Stage::Requested(requested), Some(Response::Enrolled(answer))) => {
                self.enrolled(*requested, &answer, now);
            }
            (Stage::Installing, _) => joining.stage = Stage::Installing,
            (_, Some(Response::Reject(reject))) => self.join_rejected(reject, peer, now),
            (_, Some(_)) => self.end_joining(Err(Reject::Invalid.failure())),
            (_, None) => joining.alarm = Some(now.after(RETRY_TIME)),
        }
    }

    /// A member told which network it is of.
    fn network_found(&mut self, answer: WhoIsAnswer, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if !matches!(joining.stage, Stage::Searching) || !joining.fits(&answer.network) {
            return;
        }
        let prospect = Prospect { network: answer.network, root: answer.root, node: answer.authority };
        if joining.found.is_empty() {
            joining.alarm = Some(now.after(LISTEN_TIME));
        }
        joining.found.entry(prospect).or_default().extend(answer.addresses.into_iter().take(4));
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
                joining.stage = Stage::Stretching(prospect);
                let id = WorkId(self.wires.next.next());
                self.stretching.insert(id, Stretching::Join);
                self.output(Output::Work { id, work: Work::Stretch { secret, salt } });
            }
            Invitation::Open | Invitation::Uri(_) => self.connect(prospect, None, now),
        }
    }

    pub(super) fn join_stretched(&mut self, secret: Secret, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if !matches!(joining.stage, Stage::Stretching(_)) {
            return;
        }
        if let Stage::Stretching(prospect) = core::mem::replace(&mut joining.stage, Stage::Searching) {
            self.connect(prospect, Some(secret), now);
        }
    }

    fn connect(&mut self, prospect: Prospect, code: Option<Secret>, now: Timestamp) {
        let Some(peer) = self.peers.get(prospect.node) else { return };
        if peer.connected.is_some() {
            self.ask_key(prospect, code, now);
            return;
        }
        let (node, addresses, dialling) = (prospect.node, peer.addresses.control.clone(), peer.dialling);
        if let Some(joining) = &mut self.joining {
            joining.stage = Stage::Connecting(prospect, code);
        }
        if !dialling {
            self.peers.dial_began(node);
            self.dial(Some(node), addresses);
        }
    }

    fn ask_key(&mut self, prospect: Prospect, code: Option<Secret>, _now: Timestamp) {
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
        joining.stage = Stage::Asked(Box::new(asked));
        self.request(node, &Request::KeyRequest(request), Sent::Join(node));
    }

    fn key_answered(&mut self, asked: Asked, answer: AuthorityKey, peer: NodeId, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        match asked.answered(answer, &joining.name, &self.keys, now, &mut *self.rng) {
            Ok((requested, request)) => {
                joining.stage = Stage::Requested(Box::new(requested));
                self.request(peer, &Request::Enrol(request), Sent::Join(peer));
            }
            Err(JoinError::Code) if !joining.found.is_empty() => self.choose(now),
            Err(error) => self.end_joining(Err(refused(&error))),
        }
    }

    fn join_rejected(&mut self, reject: Reject, peer: NodeId, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        let elsewhere = matches!(reject, Reject::Invite | Reject::OtherNetwork | Reject::NotAuthority);
        if elsewhere && !joining.found.is_empty() {
            self.choose(now);
        } else if reject == Reject::Retry {
            joining.turned_to.remove(&peer);
            joining.alarm = Some(now.after(RETRY_TIME));
        } else {
            self.end_joining(Err(reject.failure()));
        }
    }

    fn enrolled(&mut self, requested: Requested, answer: &EnrolAnswer, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        match requested.answered(answer, &self.keys, now) {
            Ok(enrolled) => {
                joining.stage = Stage::Installing;
                self.install(enrolled, now);
            }
            Err(error) => self.end_joining(Err(refused(&error))),
        }
    }

    fn install(&mut self, enrolled: Enrolled, now: Timestamp) {
        let Some(joining) = self.joining.take() else { return };
        let Enrolled { leaf, anchor, authority, pinned } = enrolled;
        let home = authority.node_id();
        let mut writes = load::member_writes(&anchor, &leaf, home, now);
        writes.extend(self.peers.learn(authority, Addresses::default(), now));
        let joined = Joined {
            network: anchor.network().clone(),
            name: leaf.name().clone(),
            id: self.node_id(),
            fingerprint: anchor.fingerprint(),
            pinned,
            not_after: Time(leaf.not_after()),
        };
        let member = Member { anchor, certificate: leaf, policy: Policy::starter() };
        let membership = Membership { member: Some(Arc::new(member)), authority: None, home: Some(home) };
        let result = Ok(Answer::Joined(joined));
        self.persist_membership(writes, membership, vec![Output::Answer { to: joining.command, result }]);
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
