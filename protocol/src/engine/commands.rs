//! What the users of this host ask.

use std::sync::Arc;

use super::errand::{Origin, Target, Want, Wish, this_node};
use super::{CommandId, Engine, Membership, Output, load};
use crate::audit::What;
use crate::certificate::{Role, VerifiedCertificate};
use crate::control::{
    Answer, AuthorityStatus, Caller, CertificateStatus, Certificates, Code, Command, Epochs, Failure,
    Initialised, Peer, PeerCertificate, PeerRef, RoleName, ServiceRef, State, Status, Time,
};
use crate::enrolment::{Authority, Issued};
use crate::identity::NodeId;
use crate::people::Actor;
use crate::reject::REVOKED_REMEDY;
use crate::snapshot::Member;
use crate::time::Timestamp;

impl Engine {
    /// A local user asks; the answer is an [`Output::Answer`], at once or within ten seconds (thirty for a join).
    pub fn handle_command(&mut self, id: CommandId, caller: Caller, command: Command, now: Timestamp) {
        if let Err(failure) = self.may_command(caller, &command) {
            self.answer(id, Err(failure));
            return;
        }
        match command {
            Command::Init(init) => self.init(id, init, now),
            Command::Join(join) => self.join(id, join, now),
            Command::Invite(request) => self.invite(id, &request, now),
            Command::Status => {
                let status = self.status(caller, now);
                self.answer(id, Ok(Answer::Status(Box::new(status))));
            }
            Command::StatusIn(network) => {
                let guid = Some(self.guid_in(&network));
                let status = Status { guid, ..self.status(caller, now) };
                self.answer(id, Ok(Answer::Status(Box::new(status))));
            }
            Command::Peers => {
                let peers = self.peers.iter().map(|(peer, _)| peer);
                let rows = peers.filter_map(|peer| self.show_peer(peer, now)).collect();
                self.answer(id, Ok(Answer::Peers(rows)));
            }
            Command::Ping(peer) => self.run(id, peer, Want::Ping, now),
            Command::Whois(peer) => self.run(id, peer, Want::Whois, now),
            Command::GetTicket(ServiceRef { service, peer }) => match self.actor(caller) {
                Ok(actor) => self.run_for_service(id, peer, Want::Ticket(Wish { service, actor }), now),
                Err(failure) => self.answer(id, Err(failure)),
            },
            Command::Tickets => {
                let answer = self.show_tickets(caller, now);
                self.answer(id, Ok(answer));
            }
            Command::RevokeTicket(ticket) => self.revoke_ticket(id, caller, &ticket, now),
            Command::Renew => self.renew(id, now),
            Command::Revoke(revoke) => self.revoke(id, &revoke, now),
            Command::Certificates => {
                let result = self.certificates().map(|shown| Answer::Certificates(Box::new(shown)));
                self.answer(id, result);
            }
            Command::CertificateOf(peer) => self.certificate_of(id, peer, now),
            Command::Admission => self.show_admission(id, now),
            Command::SetAdmission(admission) => self.set_admission(id, admission, now),
            Command::SetPassword(set) => self.stretch_password(id, &set),
            Command::Guids => self.show_guids(id, None),
            Command::AddGuid(add) => self.add_guid(id, add, now),
            Command::RemoveGuid(guid) => self.remove_guid(id, &guid),
            Command::Requests => self.show_requests(id, now),
            Command::Decide(decision) => self.decide(id, &decision, now),
            Command::ConfirmJoin(confirm) => self.confirm_join(id, confirm, now),
            Command::Policy => self.show_policy(id),
            Command::ApplyPolicy(apply) => self.apply_policy(id, caller, &apply, now),
            Command::ExplainPolicy(explain) => self.explain_policy(id, &explain),
            Command::Why(ask) => self.why(id, caller, ask, now),
            Command::LogIn(log_in) => self.log_in(id, caller, log_in, now),
            Command::LogOut => self.log_out(id, caller, now),
            Command::WhoAmI => self.who_am_i(id, caller),
            Command::MayUse(actor, ServiceRef { service, peer }) => {
                let refusal = self.not_granted(&Wish { service, actor: actor.clone() }, &peer);
                self.answer(id, refusal.map_or(Ok(Answer::Actor(actor)), Err));
            }
            Command::Actor => {
                let actor = self.actor(caller).map(Answer::Actor);
                self.answer(id, actor);
            }
            Command::Users(list) => self.list_users(id, caller, list, now),
            Command::ChangeUser(change) => self.change_user(id, caller, change, now),
            Command::SetGuest(set) => self.set_guest(id, set, now),
            Command::Guests => self.show_guests(id, now),
        }
    }

    /// This node's own certificate, or begins an errand for that of another.
    fn certificate_of(&mut self, id: CommandId, peer: PeerRef, now: Timestamp) {
        let own = self.membership.member.as_ref().filter(|_| self.is_me(&peer));
        match own.map(|member| &member.certificate) {
            Some(own) if own.check_time(now).is_ok() => {
                let answer = certificate_answer(own);
                self.answer(id, Ok(answer));
            }
            _ => self.run(id, peer, Want::Certificate, now),
        }
    }

    /// A program of this host wants a channel on somebody's behalf; the answer is an [`Output::Channel`].
    pub fn handle_open(&mut self, id: CommandId, actor: Actor, service: ServiceRef, now: Timestamp) {
        let ServiceRef { service, peer } = service;
        self.run_for_service(id, peer, Want::Channel(Wish { service, actor }), now);
    }

    /// Begins an errand, unless policy here says that nothing of it may leave this host.
    fn run_for_service(&mut self, id: CommandId, peer: PeerRef, want: Want, now: Timestamp) {
        let wish = if let Want::Ticket(wish) | Want::Channel(wish) = &want { Some(wish) } else { None };
        let withheld = wish.and_then(|wish| Some((wish, self.not_granted(wish, &peer)?)));
        match withheld {
            Some((wish, failure)) => {
                self.audit_withheld(wish, &peer, &failure);
                self.refuse(id, &want, failure);
            }
            None => self.run(id, peer, want, now),
        }
    }

    fn run(&mut self, id: CommandId, peer: PeerRef, want: Want, now: Timestamp) {
        if let Some(failure) = self.no_membership(now) {
            self.refuse(id, &want, failure);
            return;
        }
        if self.is_me(&peer) {
            self.refuse(id, &want, this_node());
            return;
        }
        self.begin(Origin::Command(id), Target::Named(peer), want, now);
    }

    /// Why this node talks to nobody, if its membership was taken away.
    pub(super) fn own_revocation(&self) -> Option<Failure> {
        let revocation = self.membership.member.as_ref()?.revoked(self.node_id())?;
        let message = format!("this node's membership was revoked at {}", revocation.at);
        Some(Failure::new(Code::Denied, message, REVOKED_REMEDY))
    }

    fn refuse(&mut self, to: CommandId, want: &Want, failure: Failure) {
        if matches!(want, Want::Channel(_)) {
            self.output(Output::Channel { to, result: Err(failure) });
        } else {
            self.answer(to, Err(failure));
        }
    }

    pub(super) fn is_me(&self, peer: &PeerRef) -> bool {
        let named = self.membership.member.as_ref().map(|member| member.certificate.name().as_str());
        named == Some(peer.as_str()) || self.node_id().to_string() == peer.as_str()
    }

    pub(super) fn install_authority(
        &mut self,
        id: CommandId,
        authority: Authority,
        issued: Issued<VerifiedCertificate>,
        now: Timestamp,
    ) {
        let Issued { answer: certificate, mut writes } = issued;
        let anchor = authority.anchor().clone();
        let me = self.node_id();
        writes.extend(load::member_writes(&self.keys, &anchor, &certificate, me, now));
        let initialised = Initialised {
            network: anchor.network().clone(),
            name: certificate.name().clone(),
            id: me,
            fingerprint: anchor.fingerprint(),
            admission: authority.admission(),
        };
        self.audit_order(
            What::MembershipGained,
            anchor.network(),
            format!("as its authority, with the CA {}", anchor.fingerprint()),
        );
        let member = Member::new(anchor, certificate, self.local.verified.clone());
        let membership =
            Membership { member: Some(Arc::new(member)), authority: Some(authority), home: Some(me) };
        let result = Ok(Answer::Initialised(initialised));
        self.persist_membership(writes, membership, vec![Output::Answer { to: id, result }]);
    }

    fn status(&self, caller: Caller, now: Timestamp) -> Status {
        let owner = caller.is_owner();
        let member = self.membership.member.as_ref();
        let expired = member.is_some_and(|member| member.certificate.check_time(now).is_err());
        let revoked = member.is_some_and(|member| member.is_revoked());
        let state = match &self.joining {
            Some(_) => State::Waiting,
            None if revoked => State::Revoked,
            None if expired => State::Expired,
            None => State::Running,
        };
        let shown = member.filter(|_| owner);
        Status {
            name: shown.map(|member| member.certificate.name().clone()),
            id: owner.then(|| self.node_id()),
            network: shown.map(|member| member.anchor.network().clone()),
            role: self.role(),
            state,
            certificate: shown.map(|member| CertificateStatus {
                serial: member.certificate.serial().to_string(),
                not_after: Time(member.certificate.not_after()),
            }),
            authority: self.authority_status(now),
            epochs: Epochs {
                policy: member.map_or(0, |member| member.policy.epoch()),
                revocations: member.map_or(0, |member| member.revocations.epoch()),
            },
            pending: if owner { self.waiting(now) } else { Vec::new() },
            warnings: if owner { self.warnings(now) } else { Vec::new() },
            addresses: if owner { self.local.addresses.control.clone() } else { Vec::new() },
            guid: self.guid().filter(|_| owner),
            guests: if owner { self.guest_services().cloned().collect() } else { Vec::new() },
        }
    }

    fn role(&self) -> RoleName {
        match (&self.membership.member, &self.membership.authority) {
            (None, _) => RoleName::None,
            (Some(_), Some(_)) => RoleName::Authority,
            (Some(_), None) => RoleName::Member,
        }
    }

    fn authority_status(&self, now: Timestamp) -> Option<AuthorityStatus> {
        let home: NodeId = self.membership.home?;
        if home == self.node_id() {
            return Some(AuthorityStatus { reachable: true, last_seen: Some(Time(now)) });
        }
        let last_seen = self.peers.get(home).map(|peer| Time(peer.last_seen));
        Some(AuthorityStatus { reachable: self.peers.member(home, now).is_some(), last_seen })
    }

    fn warnings(&self, now: Timestamp) -> Vec<String> {
        let damaged = self.local.damaged.iter().map(|damaged| {
            let table = damaged.table.name();
            format!("the record {:?} of table {table} is damaged and was left out", damaged.key)
        });
        let ended =
            self.membership.member.as_ref().and_then(|member| member.certificate.check_time(now).err());
        let clock = self.clock_fault().map(|fault| fault.to_string());
        let restored = self.local.restored.filter(|_| self.membership.authority.is_some()).map(|exported| {
            format!(
                "this state was restored from an export of {exported}: nodes that were enrolled since then join \
                 again; revocations since then are learnt from members"
            )
        });
        let guests = self.guest_warnings(now);
        damaged
            .chain(ended.map(|error| error.to_string()))
            .chain(clock)
            .chain(restored)
            .chain(guests)
            .collect()
    }

    /// The peer as a user is shown it.
    pub(super) fn show_peer(&self, peer: NodeId, now: Timestamp) -> Option<Peer> {
        let revoked = self.membership.member.as_ref().is_some_and(|member| member.denies(peer));
        self.peers.show(peer, revoked, now)
    }

    pub(super) fn certificates(&self) -> Result<Certificates, Failure> {
        let member = self.membership.member.as_ref().ok_or_else(not_a_member)?;
        let certificate = &member.certificate;
        Ok(Certificates {
            certificate: certificate.der().to_pem(),
            ca: member.anchor.der().to_pem(),
            fingerprint: member.anchor.fingerprint(),
            spiffe_id: certificate.subject().spiffe_id(),
            serial: certificate.serial().to_string(),
            role: match certificate.role() {
                Role::Authority => RoleName::Authority,
                Role::Member => RoleName::Member,
            },
            not_before: Time(certificate.not_before()),
            not_after: Time(certificate.not_after()),
        })
    }
}

pub(super) fn certificate_answer(certificate: &VerifiedCertificate) -> Answer {
    Answer::CertificateOf(PeerCertificate { certificate: certificate.der().to_pem() })
}

pub(super) fn not_a_member() -> Failure {
    Failure::new(
        Code::Denied,
        "this node is not a member of any network",
        "join one: `lanyard join`, or make one: `lanyard init`",
    )
}
