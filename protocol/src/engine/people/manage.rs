//! Somebody who has logged in at any node manages the network: users, roles, the policy.

use std::sync::Arc;

use super::change::{By, Change, Reply, may};
use crate::access::{FILE_MAX, PART_MAX, Privilege};
use crate::audit;
use crate::control::{Answer, Caller, Code, Failure, ListUsers, PolicyShown, UserChange, UserChanged, Users};
use crate::engine::audit::At;
use crate::engine::commands::not_a_member;
use crate::engine::errand::{Origin, Target, Want};
use crate::engine::{CommandId, Engine, InboundId, Output};
use crate::identity::{NodeId, PersonName, UserName};
use crate::label::{Digest, Label};
use crate::message::{self, Response};
use crate::people::{
    Assertion, Home, Manage, ManageRequest, Managed, Principal, SealedPassword, Seat, USERS_MAX, USERS_PAGE,
    UserRow,
};
use crate::reject::Reject;
use crate::time::Timestamp;

/// Nodes from which a policy is being told at the same time.
const STAGED_MAX: usize = 16;

/// A policy that is being told to an authority, part by part.
#[derive(Default)]
pub(in crate::engine) struct Staged {
    parts: u8,
    text: Vec<u8>,
}

/// What somebody wants of the authority.
#[derive(Clone)]
pub(in crate::engine) enum What {
    /// To see the users.
    Users,
    /// To change one.
    Change(UserName, UserChange),
    /// To change the policy, which was made from the one with this hash.
    Policy { text: String, base: Option<Digest> },
}

/// How far that is.
#[derive(Clone)]
pub(in crate::engine) struct Managing {
    /// Where the person sits, and so by which log-in.
    seat: Seat,
    what: What,
    /// Parts of a policy that are there.
    told: u8,
    /// Users that were listed.
    rows: Vec<UserRow>,
}

/// The hash of a policy's text, by which a change says what it was made from.
pub(in crate::engine) fn text_digest(text: &str) -> Digest {
    Label::MessageHash.hash(&[b"policy-text", text.as_bytes()])
}

impl Engine {
    /// A local user asks for the users of a directory.
    pub(in crate::engine) fn list_users(
        &mut self,
        command: CommandId,
        caller: Caller,
        list: ListUsers,
        now: Timestamp,
    ) {
        if self.membership.member.is_none() {
            self.answer(command, Err(not_a_member()));
        } else if list.local {
            let users = self.people.local.list(None, USERS_MAX);
            self.answer(command, Ok(Answer::Users(Users { users })));
        } else if self.membership.authority.is_some() {
            let result = self.by(caller).and_then(|by| self.may_manage(&by, Privilege::ManageUsers));
            let users = self.people.network.list(None, USERS_MAX);
            self.answer(command, result.map(|()| Answer::Users(Users { users })));
        } else {
            self.manage_at_authority(command, caller, What::Users, now);
        }
    }

    fn may_manage(&self, by: &By, privilege: Privilege) -> Result<(), Failure> {
        let member = self.membership.member.as_ref().ok_or_else(not_a_member)?;
        match by {
            By::Owner => Ok(()),
            By::Person(person) => may(person, &member.policy, privilege),
        }
    }

    /// Whether the caller may change the policy, on the authority.
    pub(in crate::engine) fn may_apply_policy(&self, caller: Caller) -> Result<(), Failure> {
        self.by(caller).and_then(|by| self.may_manage(&by, Privilege::ChangePolicy))
    }

    /// Has the authority do what somebody here wants.
    pub(in crate::engine) fn manage_at_authority(
        &mut self,
        command: CommandId,
        caller: Caller,
        what: What,
        now: Timestamp,
    ) {
        let wanted = self.managing(caller, what);
        match (wanted, self.membership.home) {
            (Ok(managing), Some(home)) => {
                let want = Want::Manage(Arc::new(managing));
                self.begin(Origin::Command(command), Target::Node(home), want, now);
            }
            (Ok(_), None) => self.answer(command, Err(not_a_member())),
            (Err(failure), _) => self.answer(command, Err(failure)),
        }
    }

    fn managing(&self, caller: Caller, what: What) -> Result<Managing, Failure> {
        let member = self.active_member().ok_or_else(not_a_member)?;
        let remedy = "log in as a user with that privilege: `lanyard login USER`; or run it on the authority";
        let (Some(user), privilege) = (self.people.at(caller.seat()), what.privilege()) else {
            let message = "this node is not the authority, and nobody is logged in here who could ask it";
            return Err(Failure::new(Code::Denied, message, remedy));
        };
        let principal = user.principal();
        // What is refused here causes no packet. The authority decides by what it knows itself.
        let own_password = matches!(&what, What::Change(user, UserChange::SetPassword { new: false, .. })
            if *user == principal.user);
        if principal.home != Home::Network {
            return Err(not_of_the_network(principal));
        }
        if !own_password {
            may(user.assertion(), &member.policy, privilege)?;
        }
        Ok(Managing { seat: caller.seat(), what, told: 0, rows: Vec::new() })
    }

    /// The next question to the authority.
    pub(in crate::engine) fn manage_request(
        &mut self,
        managing: &Managing,
        authority: NodeId,
        now: Timestamp,
    ) -> Result<ManageRequest, Failure> {
        let user = self.people.at(managing.seat).ok_or_else(super::nobody)?;
        let assertion = user.signed().clone();
        let manage = match &managing.what {
            What::Users => Manage::List { after: managing.rows.last().map(|row| row.user.clone()) },
            What::Policy { text, base } => {
                match text.as_bytes().chunks(PART_MAX).nth(usize::from(managing.told)) {
                    Some(bytes) => Manage::PolicyPart { number: managing.told, bytes: bytes.to_vec() },
                    None => Manage::ApplyPolicy { text: text_digest(text), base: *base },
                }
            }
            What::Change(user, change) => self.sealed_change(authority, user, change, now)?,
        };
        Ok(ManageRequest { assertion, manage })
    }

    fn sealed_change(
        &mut self,
        authority: NodeId,
        user: &UserName,
        change: &UserChange,
        now: Timestamp,
    ) -> Result<Manage, Failure> {
        let or_same = |person: &Option<PersonName>| person.clone().unwrap_or_else(|| user.clone().into());
        Ok(match change {
            UserChange::Add { roles, person, password, .. } => {
                let (user, person) = (user.clone(), or_same(person));
                let password = self.seal_password(authority, (&user, &person), password, now)?;
                Manage::Add { user, roles: roles.clone(), person, password }
            }
            UserChange::SetPassword { person, password, new, .. } => {
                let (user, person) = (user.clone(), or_same(person));
                let password = self.seal_password(authority, (&user, &person), password, now)?;
                Manage::SetPassword { user, person, password, new: *new }
            }
            UserChange::Remove => Manage::Remove { user: user.clone() },
            UserChange::RemovePerson { person } => {
                Manage::RemovePerson { user: user.clone(), person: person.clone() }
            }
            UserChange::SetRole { role, given } => {
                Manage::SetRole { user: user.clone(), role: role.clone(), given: *given }
            }
        })
    }

    /// The authority has answered.
    pub(in crate::engine) fn managed(&mut self, number: u64, managed: Managed, now: Timestamp) {
        let Some((Origin::Command(command), Want::Manage(managing))) = self.take_errand(number) else {
            return;
        };
        let mut next = (*managing).clone();
        let answer = match (managed, &managing.what) {
            (Managed::Refused(refusal), _) => Err(refusal.into()),
            (Managed::Done { epoch }, What::Policy { text, .. }) => {
                Ok(Answer::Policy(PolicyShown { epoch, text: text.clone() }))
            }
            (Managed::Done { epoch }, What::Change(..)) => Ok(Answer::UserChanged(UserChanged { epoch })),
            (Managed::Users(rows, more), What::Users) => {
                let advanced = rows
                    .first()
                    .is_some_and(|first| next.rows.last().is_none_or(|last| last.user < first.user));
                next.rows.extend(rows);
                if more && advanced && next.rows.len() < USERS_MAX {
                    self.ask_on(command, next, now);
                    return;
                }
                Ok(Answer::Users(Users { users: next.rows }))
            }
            (Managed::Part, What::Policy { .. }) if next.told < u8::MAX => {
                next.told += 1;
                self.ask_on(command, next, now);
                return;
            }
            (Managed::Done { .. } | Managed::Users(..) | Managed::Part, _) => Err(Reject::Invalid.failure()),
        };
        self.answer(command, answer);
    }

    fn ask_on(&mut self, command: CommandId, next: Managing, now: Timestamp) {
        let Some(home) = self.membership.home else { return };
        self.begin(Origin::Command(command), Target::Node(home), Want::Manage(Arc::new(next)), now);
    }

    /// A member asks on behalf of somebody who has logged in there.
    pub(in crate::engine) fn manage_requested(
        &mut self,
        from: NodeId,
        inbound: InboundId,
        request: ManageRequest,
        now: Timestamp,
    ) {
        let ManageRequest { assertion, manage } = request;
        let (Some(member), Some(_)) = (self.membership.member.clone(), &self.membership.authority) else {
            self.respond(inbound, &Response::Reject(Reject::NotAuthority));
            return;
        };
        let peer = self.peers.member(from, now).map(|peer| peer.certificate().clone());
        let believed = peer.and_then(|peer| assertion.verify(&member, &peer, now).ok());
        let Some(person) = believed.filter(|person| person.principal().home == Home::Network) else {
            self.respond(inbound, &Response::Reject(Reject::LogIn));
            return;
        };
        let person = person.assertion().clone();
        if let Err(refused) = self.manage(from, inbound, person, manage, now) {
            let response = match refused {
                Refused::Reject(reject) => Response::Reject(reject),
                Refused::Failure(failure) => Response::Managed(Managed::Refused(failure.into())),
            };
            self.respond(inbound, &response);
        }
    }

    fn manage(
        &mut self,
        from: NodeId,
        inbound: InboundId,
        person: Assertion,
        manage: Manage,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let principal = person.principal.clone();
        let by = By::Person(Box::new(person));
        let (user, change) = match manage {
            Manage::List { after } => {
                self.may_manage(&by, Privilege::ManageUsers)?;
                let mut rows = self.people.network.list(after.as_ref(), USERS_PAGE + 1);
                let more = rows.len() > USERS_PAGE;
                rows.truncate(USERS_PAGE);
                self.respond(inbound, &Response::Managed(Managed::Users(rows, more)));
                return Ok(());
            }
            Manage::PolicyPart { number, bytes } => {
                self.may_manage(&by, Privilege::ChangePolicy)?;
                self.stage((from, principal), number, bytes)?;
                self.respond(inbound, &Response::Managed(Managed::Part));
                return Ok(());
            }
            Manage::ApplyPolicy { text, base } => {
                self.may_manage(&by, Privilege::ChangePolicy)?;
                return Ok(self.apply_staged(&(from, principal), inbound, text, base)?);
            }
            Manage::Add { user, roles, person, password } => {
                let password = self.opened(from, (&user, &person), &password)?;
                (user, Change::Add { roles, person, password })
            }
            Manage::SetPassword { user, person, password, new } => {
                let password = self.opened(from, (&user, &person), &password)?;
                (user, Change::SetPassword { person, password, new })
            }
            Manage::Remove { user } => (user, Change::Remove),
            Manage::RemovePerson { user, person } => (user, Change::RemovePerson { person }),
            Manage::SetRole { user, role, given } => (user, Change::SetRole { role, given }),
        };
        self.change_directory((Reply::Inbound(inbound), At::Node(from)), (false, by), user, change, now);
        Ok(())
    }

    fn opened(
        &self,
        from: NodeId,
        whose: (&UserName, &PersonName),
        password: &SealedPassword,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, Refused> {
        let own = (self.node_id(), &self.keys.sealing);
        password.open((from, own), whose).map_err(|_| Refused::Reject(Reject::Invalid))
    }

    /// Takes a part of a policy that somebody tells, in their order; the first begins anew.
    fn stage(&mut self, from: (NodeId, Principal), number: u8, bytes: Vec<u8>) -> Result<(), Refused> {
        let staged = &mut self.people.staged;
        if number == 0 {
            staged.remove(&from);
        }
        if !staged.contains_key(&from) && staged.len() >= STAGED_MAX {
            return Err(Refused::Reject(Reject::Busy));
        }
        let staging = staged.entry(from.clone()).or_default();
        let fits = bytes.len() <= PART_MAX && staging.text.len() + bytes.len() <= FILE_MAX;
        if !fits || number != staging.parts {
            staged.remove(&from);
            return Err(Refused::Reject(Reject::Invalid));
        }
        staging.parts += 1;
        staging.text.extend(bytes);
        Ok(())
    }

    fn apply_staged(
        &mut self,
        from: &(NodeId, Principal),
        inbound: InboundId,
        digest: Digest,
        base: Option<Digest>,
    ) -> Result<(), Failure> {
        let staged = self.people.staged.remove(from).unwrap_or_default();
        let text = String::from_utf8(staged.text).ok().filter(|text| text_digest(text) == digest);
        let text = text.ok_or_else(|| Reject::Invalid.failure())?;
        let member = self.membership.member.as_ref().ok_or_else(not_a_member)?;
        if base.is_some_and(|base| base != text_digest(member.policy.text())) {
            return Err(changed_meanwhile());
        }
        let published = self.next_policy(&text)?;
        let epoch = published.as_ref().map_or_else(|| self.policy_epoch(), |new| new.policy().epoch());
        let response = Response::Managed(Managed::Done { epoch });
        match published {
            Some(published) => {
                let applied = self.entry_of(audit::What::PolicyApplied, At::Node(from.0), Some(&from.1));
                self.audit(applied.about(format!("version {epoch}")));
                let respond = Output::Respond { to: inbound, message: message::frame(&response) };
                self.persist_policy(published, vec![respond]);
            }
            None => self.respond(inbound, &response),
        }
        Ok(())
    }
}

/// Why something is not done: a fault of the node that asks, or something that the person is to be told.
enum Refused {
    Reject(Reject),
    Failure(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl What {
    const fn privilege(&self) -> Privilege {
        match self {
            Self::Users | Self::Change(..) => Privilege::ManageUsers,
            Self::Policy { .. } => Privilege::ChangePolicy,
        }
    }
}

/// Why somebody manages nothing who is known to one node alone.
pub(super) fn not_of_the_network(principal: &Principal) -> Failure {
    Failure::new(
        Code::Denied,
        format!("{principal} is a user of this node's own, and manages nothing of the network"),
        "log in as a user of the network who may, or run it as the user that runs the authority",
    )
}

pub(in crate::engine) fn changed_meanwhile() -> Failure {
    Failure::new(
        Code::Failed,
        "the policy was changed by somebody else meanwhile; nothing was changed",
        "look at it again: `lanyard policy show`",
    )
}
