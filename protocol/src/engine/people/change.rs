//! A directory changes: that of the network, on its authority, or this node's own.
//!
//! What is taken away ends log-ins: that is told with the policy, in one commit with the change itself.

use core::time::Duration;
use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::manage::not_of_the_network;
use crate::access::{Policy, Privilege, PublishedPolicy};
use crate::audit::{Entry, What};
use crate::control::{Answer, Caller, ChangeUser, Code, Failure, Password, UserChange, UserChanged};
use crate::engine::admission::check_strength_of;
use crate::engine::audit::At;
use crate::engine::commands::not_a_member;
use crate::engine::invite::Stretching;
use crate::engine::{CommandId, Engine, InboundId, Output};
use crate::identity::{NodeId, PersonName, Secret, UserName, UserRole};
use crate::message::{self, Response};
use crate::people::{Assertion, Changed, Credential, Directory, DirectoryError, Home, Managed, Principal};
use crate::record::Write;
use crate::reject::Reject;
use crate::time::Timestamp;

/// How strong a user's password is at least, in bits: wrong ones are counted, and nobody gets at what is stored.
const STRENGTH_MIN: u32 = 25;

/// How long after their log-in people may set a new password of their own: they have just shown that they know it.
const FRESH: Duration = Duration::from_secs(2 * 60);

/// The most roles that a refusal lists.
const ROLES_SHOWN: usize = 8;

/// Who wants a change.
pub(in crate::engine) enum By {
    /// Whoever runs this node.
    Owner,
    /// Somebody who has logged in, here or elsewhere.
    Person(Box<Assertion>),
}

/// Who waits for it.
#[derive(Clone, Copy)]
pub(in crate::engine) enum Reply {
    Command(CommandId),
    Inbound(InboundId),
}

/// A change, with the password in it as it is typed.
pub(super) enum Change {
    Add { roles: BTreeSet<UserRole>, person: PersonName, password: Zeroizing<Vec<u8>> },
    Remove,
    SetPassword { person: PersonName, password: Zeroizing<Vec<u8>>, new: bool },
    RemovePerson { person: PersonName },
    SetRole { role: UserRole, given: bool },
}

/// A password that is being stretched to be kept.
pub(in crate::engine) struct Setting {
    reply: Reply,
    at: At,
    local: bool,
    by: By,
    user: UserName,
    salt: [u8; 32],
    change: Change,
}

impl Setting {
    /// The node for which it is stretched, if for one.
    pub(super) const fn node(&self) -> Option<NodeId> {
        if let At::Node(node) = self.at { Some(node) } else { None }
    }
}

/// A user who is about to be another, once that is written.
pub(in crate::engine) struct Altered {
    local: bool,
    changed: Changed,
    /// Whose log-ins of this node's own end: everybody's, or one person's.
    ends: Option<Option<PersonName>>,
}

impl Altered {
    /// What is to be written.
    pub(in crate::engine) fn write(&self) -> Write {
        self.changed.write.clone()
    }
}

impl Engine {
    /// A local user changes a user.
    pub(in crate::engine) fn change_user(
        &mut self,
        command: CommandId,
        caller: Caller,
        wanted: ChangeUser,
        now: Timestamp,
    ) {
        let ChangeUser { user, local, change } = wanted;
        if let Err(failure) = self.active_member().ok_or_else(not_a_member).map(drop) {
            self.answer(command, Err(failure));
            return;
        }
        if let Err(failure) = check_password(&change) {
            self.answer(command, Err(failure));
            return;
        }
        if local || self.membership.authority.is_some() {
            let by = self.by(caller).map(|by| if local { By::Owner } else { by });
            match by {
                Ok(by) => {
                    let change = Change::of(&user, change);
                    let at = if caller.is_owner() { At::Owner } else { At::Uid(caller.seat().uid) };
                    self.change_directory((Reply::Command(command), at), (local, by), user, change, now);
                }
                Err(failure) => self.answer(command, Err(failure)),
            }
        } else {
            self.manage_at_authority(command, caller, super::manage::What::Change(user, change), now);
        }
    }

    /// As whom the caller changes what the authority keeps. A node's own users are nobody to the network.
    pub(super) fn by(&self, caller: Caller) -> Result<By, Failure> {
        if caller.is_owner() {
            return Ok(By::Owner);
        }
        let actor = self.actor(caller)?;
        let user = self.user_of(&actor)?.ok_or_else(super::nobody)?;
        if user.principal().home != Home::Network {
            return Err(not_of_the_network(user.principal()));
        }
        Ok(By::Person(Box::new(user.assertion().clone())))
    }

    /// Changes a user, if `by` may, who is `at` some place; `local` says in which directory.
    pub(super) fn change_directory(
        &mut self,
        (reply, at): (Reply, At),
        (local, by): (bool, By),
        user: UserName,
        change: Change,
        now: Timestamp,
    ) {
        if let Err(failure) = self.may_begin(at, (local, &by), &user, &change, now) {
            self.audit_refusal(at, (local, &by), &user, &change, &failure);
            self.reply(reply, Err(failure));
            return;
        }
        match change.password().map(|password| Zeroizing::new(password.to_vec())) {
            Some(password) => {
                let mut salt = [0; 32];
                self.rng.fill_bytes(&mut salt);
                let setting = Setting { reply, at, local, by, user, salt, change };
                self.stretch_bytes(&password, salt, Stretching::Credential(Box::new(setting)));
            }
            None => self.alter((reply, at), (local, &by), user, change, None, now),
        }
    }

    fn may_begin(
        &mut self,
        at: At,
        (local, by): (bool, &By),
        user: &UserName,
        change: &Change,
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.may_alter((local, by), user, change, now)?;
        self.check_exists(local, user, change)?;
        if change.password().is_none() {
            return Ok(());
        }
        if let At::Node(node) = at {
            self.may_stretch_for(node).map_err(Reject::failure)?;
        }
        let own = matches!(by, By::Person(person) if change.is_own_password(user, person));
        if own && self.people.own_changes.charge(user, now).is_err() {
            let message = "this password was changed too often within a short time";
            return Err(Failure::new(Code::Denied, message, "wait ten minutes, then try again"));
        }
        Ok(())
    }

    fn may_alter(
        &self,
        (local, by): (bool, &By),
        user: &UserName,
        change: &Change,
        now: Timestamp,
    ) -> Result<(), Failure> {
        if local { change.fits_local() } else { self.may_change(by, user, change, now) }
    }

    /// A password to be kept has been stretched. Meanwhile another change may have taken the right to set it.
    pub(in crate::engine) fn credential_stretched(&mut self, setting: Setting, tag: Secret, now: Timestamp) {
        let Setting { reply, at, local, by, user, salt, change } = setting;
        match self.may_alter((local, &by), &user, &change, now) {
            Ok(()) => {
                let credential = Credential { salt, tag, since: now };
                self.alter((reply, at), (local, &by), user, change, Some(credential), now);
            }
            Err(failure) => {
                self.audit_refusal(at, (local, &by), &user, &change, &failure);
                self.reply(reply, Err(failure));
            }
        }
    }

    /// Has a user changed as soon as that is written, and everybody told who has to know.
    fn alter(
        &mut self,
        (reply, at): (Reply, At),
        (local, by): (bool, &By),
        user: UserName,
        change: Change,
        credential: Option<Credential>,
        now: Timestamp,
    ) {
        let entry = self.entry_of_change(at, (local, by), &user, &change);
        match self.altered(local, &user, change, credential, now) {
            Ok(Some((altered, published))) => {
                let own = if local { 0 } else { self.policy_epoch() };
                let epoch = published.as_ref().map_or(own, |published| published.policy().epoch());
                self.people.unwritten.insert((local, user));
                self.audit(entry);
                self.persist_user(altered, published, vec![replied(reply, Ok(epoch))]);
            }
            Ok(None) => {
                let epoch = self.policy_epoch();
                self.reply(reply, Ok(epoch));
            }
            Err(failure) => self.reply(reply, Err(failure)),
        }
    }

    fn entry_of_change(&self, at: At, (local, by): (bool, &By), user: &UserName, change: &Change) -> Entry {
        let principal = if let By::Person(person) = by { Some(&person.principal) } else { None };
        let (what, reason) = change.told();
        let own = self.membership.member.as_ref().filter(|_| local).map(|member| member.certificate.name());
        let about = own.map_or_else(|| user.to_string(), |own| format!("{user}%{own}"));
        self.entry_of(what, at, principal).about(about).because(reason)
    }

    /// A change was refused.
    fn audit_refusal(&mut self, at: At, by: (bool, &By), user: &UserName, change: &Change, why: &Failure) {
        let (_, wanted) = change.told();
        let entry = self.entry_of_change(at, by, user, change).denied();
        self.audit(entry.because(format!("{wanted}: {}", why.message)));
    }

    /// What a user is to be, and the version of the policy that tells it; nothing if that is what it is.
    fn altered(
        &mut self,
        local: bool,
        user: &UserName,
        change: Change,
        credential: Option<Credential>,
        now: Timestamp,
    ) -> Result<Option<(Altered, Option<PublishedPolicy>)>, Failure> {
        if self.people.unwritten.contains(&(local, user.clone())) {
            return Err(Reject::Busy.failure());
        }
        let directory = if local { &self.people.local } else { &self.people.network };
        let told = change.ends(directory, user);
        let ends = if local && told == Some(true) { Some(change.person().cloned()) } else { None };
        let Some(changed) = change.made(directory, user, credential)? else { return Ok(None) };
        let published = match told {
            Some(ends) if !local => Some(self.notice(user, ends, now)?),
            _ => None,
        };
        Ok(Some((Altered { local, changed, ends }, published)))
    }

    /// A change of a user is written, or could not be.
    pub(in crate::engine) fn user_written(&mut self, altered: Altered, durable: bool, now: Timestamp) {
        let Altered { local, changed, ends } = altered;
        self.people.unwritten.remove(&(local, changed.user.clone()));
        if !durable {
            return;
        }
        if let Some(person) = ends {
            self.end_local_log_ins(&changed.user, person.as_ref(), now);
        }
        let directory = if local { &mut self.people.local } else { &mut self.people.network };
        directory.apply(changed);
    }

    /// The next version of the policy, which says that a user has changed.
    fn notice(&mut self, user: &UserName, ends: bool, now: Timestamp) -> Result<PublishedPolicy, Failure> {
        let member = self.membership.member.as_ref().ok_or_else(not_a_member)?;
        let text = member.policy.text().to_owned();
        let signed = self.clock.signed().unwrap_or_default();
        let epoch = self.next_policy_epoch();
        let notices = self.policies.notices().with(user, ends, (epoch, now), signed);
        self.sign_policy(&text, notices)
    }

    fn directory(&self, local: bool) -> &Directory {
        if local { &self.people.local } else { &self.people.network }
    }

    /// Said before a password is stretched; looked at again after.
    fn check_exists(&self, local: bool, user: &UserName, change: &Change) -> Result<(), Failure> {
        let record = self.directory(local).get(user);
        match (change, record) {
            (Change::Add { .. }, Ok(_)) => Err(DirectoryError::Exists(user.clone()).into()),
            (Change::Add { .. }, Err(_)) => Ok(()),
            (Change::SetPassword { person, new: false, .. }, Ok(record))
                if !record.persons.contains_key(person) =>
            {
                Err(DirectoryError::NoPerson { user: user.clone(), person: person.clone() }.into())
            }
            (_, record) => Ok(record.map(drop)?),
        }
    }

    /// Whether `by` may change the network's user so. Nobody gives, or takes from somebody, what they have not themselves.
    fn may_change(&self, by: &By, user: &UserName, change: &Change, now: Timestamp) -> Result<(), Failure> {
        let member = self.membership.member.as_ref().ok_or_else(not_a_member)?;
        let policy = &member.policy;
        for role in change.roles() {
            if policy.privileges(role).is_none() {
                return Err(no_role(role, policy));
            }
        }
        let By::Person(person) = by else { return Ok(()) };
        if change.is_own_password(user, person) && now.since(person.authenticated) <= FRESH {
            return Ok(());
        }
        may(person, policy, Privilege::ManageUsers)?;
        let own = privileges(policy, &person.roles);
        let record = self.people.network.get(user).ok();
        let mut theirs_now = record.into_iter().flat_map(|record| &record.roles);
        if let Some(gone) = theirs_now.find(|role| policy.privileges(role).is_none()) {
            return Err(Failure::new(
                Code::Denied,
                format!(
                    "{user} has the role {gone}, which the policy has no more: what it allows is not known"
                ),
                "have it taken on the authority: `lanyard role revoke`",
            ));
        }
        let theirs = record.map(|record| privileges(policy, &record.roles)).unwrap_or_default();
        let given = privileges(policy, change.roles());
        let beyond = theirs.union(&given).find(|privilege| !own.contains(privilege));
        match beyond {
            Some(privilege) => Err(Failure::new(
                Code::Denied,
                format!("this is about the privilege {privilege}, which {} has not", person.principal),
                "ask somebody who has it, or whoever runs the authority",
            )),
            None => Ok(()),
        }
    }

    fn reply(&mut self, reply: Reply, result: Result<u64, Failure>) {
        self.output(replied(reply, result));
    }
}

/// Whether somebody has the privilege.
pub(super) fn may(person: &Assertion, policy: &Policy, privilege: Privilege) -> Result<(), Failure> {
    if policy.gives(privilege, &person.roles) {
        return Ok(());
    }
    Err(Failure::new(
        Code::Denied,
        format!("{} lacks the privilege {privilege}", person.principal),
        "ask whoever manages users for a role that has it: `lanyard role list`",
    ))
}

fn privileges<'a>(policy: &Policy, roles: impl IntoIterator<Item = &'a UserRole>) -> BTreeSet<Privilege> {
    roles.into_iter().filter_map(|role| policy.privileges(role)).flatten().copied().collect()
}

fn replied(reply: Reply, result: Result<u64, Failure>) -> Output {
    match reply {
        Reply::Command(to) => {
            Output::Answer { to, result: result.map(|epoch| Answer::UserChanged(UserChanged { epoch })) }
        }
        Reply::Inbound(to) => {
            let managed = match result {
                Ok(epoch) => Managed::Done { epoch },
                Err(failure) => Managed::Refused(failure.into()),
            };
            Output::Respond { to, message: message::frame(&Response::Managed(managed)) }
        }
    }
}

/// Whether a new password will do, where it is typed.
fn check_password(change: &UserChange) -> Result<(), Failure> {
    match change {
        UserChange::Add { password, weak, .. } | UserChange::SetPassword { password, weak, .. } => {
            check_strength_of(password, STRENGTH_MIN, *weak)
        }
        UserChange::Remove | UserChange::RemovePerson { .. } | UserChange::SetRole { .. } => Ok(()),
    }
}

impl Change {
    fn of(user: &UserName, change: UserChange) -> Self {
        let or_same = |person: Option<PersonName>| person.unwrap_or_else(|| user.clone().into());
        let typed = |password: &Password| password.secret();
        match change {
            UserChange::Add { roles, person, password, .. } => {
                Self::Add { roles, person: or_same(person), password: typed(&password) }
            }
            UserChange::Remove => Self::Remove,
            UserChange::SetPassword { person, password, new, .. } => {
                Self::SetPassword { person: or_same(person), password: typed(&password), new }
            }
            UserChange::RemovePerson { person } => Self::RemovePerson { person },
            UserChange::SetRole { role, given } => Self::SetRole { role, given },
        }
    }

    /// What the log says of it.
    fn told(&self) -> (What, String) {
        match self {
            Self::Add { roles, person, .. } => {
                let roles: Vec<&str> = roles.iter().map(UserRole::as_str).collect();
                (What::UserChanged, format!("added for {person}, with the roles: {}", roles.join(", ")))
            }
            Self::Remove => (What::UserChanged, "removed".to_owned()),
            Self::SetPassword { person, .. } => (What::UserChanged, format!("a password for {person}")),
            Self::RemovePerson { person } => (What::UserChanged, format!("used by {person} no more")),
            Self::SetRole { role, given: true } => (What::RoleChanged, format!("given {role}")),
            Self::SetRole { role, given: false } => (What::RoleChanged, format!("{role} taken")),
        }
    }

    /// The password that it sets, if one.
    fn password(&self) -> Option<&[u8]> {
        match self {
            Self::Add { password, .. } | Self::SetPassword { password, .. } => Some(password),
            Self::Remove | Self::RemovePerson { .. } | Self::SetRole { .. } => None,
        }
    }

    /// The person whom it concerns; nothing if everybody who uses the user.
    const fn person(&self) -> Option<&PersonName> {
        match self {
            Self::Add { person, .. } | Self::SetPassword { person, .. } | Self::RemovePerson { person } => {
                Some(person)
            }
            Self::Remove | Self::SetRole { .. } => None,
        }
    }

    /// Whether others have to know of it, and then whether it takes something away.
    fn ends(&self, directory: &Directory, user: &UserName) -> Option<bool> {
        let known = |person| directory.get(user).is_ok_and(|record| record.persons.contains_key(person));
        match self {
            Self::Add { .. } => None,
            // Somebody new has no log-ins.
            Self::SetPassword { person, .. } => known(person).then_some(true),
            Self::Remove | Self::RemovePerson { .. } => Some(true),
            Self::SetRole { given, .. } => Some(!given),
        }
    }

    /// What the user is then; nothing if that is what it is.
    fn made(
        self,
        directory: &Directory,
        user: &UserName,
        credential: Option<Credential>,
    ) -> Result<Option<Changed>, DirectoryError> {
        match (self, credential) {
            (Self::Add { roles, person, .. }, Some(credential)) => {
                directory.added(user, roles, person, credential).map(Some)
            }
            (Self::SetPassword { person, new, .. }, Some(credential)) => {
                directory.with_credential(user, person, credential, new).map(Some)
            }
            (Self::Remove, _) => directory.removed(user).map(Some),
            (Self::RemovePerson { person }, _) => directory.without_person(user, &person).map(Some),
            (Self::SetRole { role, given }, _) => directory.with_role(user, &role, given),
            // A password that was not stretched is none.
            (Self::Add { .. } | Self::SetPassword { .. }, None) => Ok(None),
        }
    }

    /// The roles that it gives.
    fn roles(&self) -> impl Iterator<Item = &UserRole> {
        let (many, one) = match self {
            Self::Add { roles, .. } => (Some(roles), None),
            Self::SetRole { role, given: true } => (None, Some(role)),
            Self::SetRole { .. } | Self::Remove | Self::SetPassword { .. } | Self::RemovePerson { .. } => {
                (None, None)
            }
        };
        many.into_iter().flatten().chain(one)
    }

    fn is_own_password(&self, of: &UserName, by: &Assertion) -> bool {
        let Principal { user, home, person: own } = &by.principal;
        let same = *home == Home::Network && user == of;
        same && matches!(self, Self::SetPassword { person, new: false, .. } if person == own)
    }

    /// Roles are the network's, and a node's own directory has none of them.
    fn fits_local(&self) -> Result<(), Failure> {
        let role = matches!(self, Self::SetRole { .. }) || self.roles().next().is_some();
        if !role {
            return Ok(());
        }
        Err(Failure::new(
            Code::Usage,
            "a node's own users have no roles of the network",
            "grant to such a user by name: `lanyard policy allow user:NAME%NODE SERVICE`",
        ))
    }
}

fn no_role(role: &UserRole, policy: &Policy) -> Failure {
    let roles = policy.roles().map(|(role, _)| role.as_str());
    let more = (policy.roles().count() > ROLES_SHOWN).then_some("and more");
    let known: Vec<&str> = roles.take(ROLES_SHOWN).chain(more).collect();
    Failure::new(
        Code::NotFound,
        format!("the policy has no role {role}; it has: {}", known.join(", ")),
        "put it under [roles] there: `lanyard policy edit`",
    )
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        let (code, remedy) = match &error {
            DirectoryError::Exists(_) => (Code::Failed, "choose another name, or see `lanyard user list`"),
            DirectoryError::NoUser(_) | DirectoryError::NoPerson { .. } => {
                (Code::NotFound, "see who there is: `lanyard user list`")
            }
            DirectoryError::LastPerson(_) => (Code::Failed, "remove the user instead: `lanyard user remove`"),
            DirectoryError::Full => {
                (Code::Failed, "remove those that are no longer used: `lanyard user list`")
            }
        };
        Self::new(code, error.to_string(), remedy)
    }
}
