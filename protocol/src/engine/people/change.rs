//! A directory changes: that of the network, on its authority, or this node's own.
//!
//! What is taken away ends log-ins: that is told with the policy, in one commit with the change itself.

use core::time::Duration;
use std::collections::BTreeSet;

use zeroize::Zeroizing;

use crate::access::{Policy, Privilege, PublishedPolicy};
use crate::control::{Answer, Caller, ChangeUser, Code, Failure, Password, UserChange, UserChanged};
use crate::engine::admission::check_strength_of;
use crate::engine::commands::not_a_member;
use crate::engine::invite::Stretching;
use crate::engine::{CommandId, Engine, InboundId, Output};
use crate::identity::{PersonName, Secret, UserName, UserRole};
use crate::message::{self, Response};
use crate::people::{Assertion, Credential, Directory, DirectoryError, Managed};
use crate::record::Write;
use crate::reject::Reject;
use crate::time::Timestamp;

/// How strong a user's password is at least, in bits: wrong ones are counted, and nobody gets at what is stored.
const STRENGTH_MIN: u32 = 25;

/// How long after their log-in people may set a new password of their own: they have just shown that they know it.
const FRESH: Duration = Duration::from_secs(2 * 60);

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
    local: bool,
    user: UserName,
    person: PersonName,
    /// The roles of a user that is new.
    add: Option<BTreeSet<UserRole>>,
    new: bool,
    salt: [u8; 32],
}

/// How a user was before a change, to put it back if the change cannot be kept.
pub(in crate::engine) struct Undo {
    local: bool,
    user: UserName,
    before: Option<Vec<u8>>,
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
                    self.change_directory(Reply::Command(command), (local, by), user, change, now);
                }
                Err(failure) => self.answer(command, Err(failure)),
            }
        } else {
            self.manage_at_authority(command, caller, super::manage::What::Change(user, change), now);
        }
    }

    /// As whom the caller changes what this node keeps.
    pub(super) fn by(&self, caller: Caller) -> Result<By, Failure> {
        if caller.is_owner() {
            return Ok(By::Owner);
        }
        let actor = self.actor(caller)?;
        let user = self.user_of(&actor)?;
        let assertion = user.map(|user| By::Person(Box::new(user.assertion().clone())));
        assertion.ok_or_else(super::nobody)
    }

    /// Changes a user, if `by` may; `local` says in which directory.
    pub(super) fn change_directory(
        &mut self,
        reply: Reply,
        (local, by): (bool, By),
        user: UserName,
        change: Change,
        now: Timestamp,
    ) {
        let checked = if local { change.fits_local() } else { self.may_change(&by, &user, &change, now) };
        let checked = checked.and_then(|()| self.check_exists(local, &user, &change));
        if let Err(failure) = checked {
            self.reply(reply, Err(failure));
            return;
        }
        match change {
            Change::Add { roles, person, password } => {
                self.set_password_of(reply, local, (user, person), (Some(roles), true), &password);
            }
            Change::SetPassword { person, password, new } => {
                self.set_password_of(reply, local, (user, person), (None, new), &password);
            }
            Change::Remove => {
                self.alter(reply, local, &user, true, now, |directory, user| {
                    directory.remove(user).map(Some)
                });
            }
            Change::RemovePerson { person } => {
                let remove = |directory: &mut Directory, user: &UserName| {
                    directory.remove_person(user, &person).map(Some)
                };
                self.alter(reply, local, &user, true, now, remove);
            }
            Change::SetRole { role, given } => {
                let set = |directory: &mut Directory, user: &UserName| directory.set_role(user, &role, given);
                self.alter(reply, local, &user, !given, now, set);
            }
        }
    }

    fn set_password_of(
        &mut self,
        reply: Reply,
        local: bool,
        (user, person): (UserName, PersonName),
        (add, new): (Option<BTreeSet<UserRole>>, bool),
        password: &[u8],
    ) {
        let mut salt = [0; 32];
        self.rng.fill_bytes(&mut salt);
        let setting = Setting { reply, local, user, person, add, new, salt };
        self.stretch_bytes(password, salt, Stretching::Credential(Box::new(setting)));
    }

    /// A password to be kept has been stretched.
    pub(in crate::engine) fn credential_stretched(&mut self, setting: Setting, tag: Secret, now: Timestamp) {
        let Setting { reply, local, user, person, add, new, salt } = setting;
        let credential = Credential { salt, tag, since: now };
        let added = add.is_some();
        let known = self.directory(local).get(&user).is_ok_and(|record| record.persons.contains_key(&person));
        // The log-ins with an old password end; somebody new had none.
        let ends = !added && known;
        let change = |directory: &mut Directory, user: &UserName| match add {
            Some(roles) => directory.add(user.clone(), roles, person, credential).map(Some),
            None => directory.set_credential(user, person, credential, new).map(Some),
        };
        if ends {
            self.alter(reply, local, &user, true, now, change);
        } else {
            self.alter_unnoticed(reply, local, &user, change);
        }
    }

    /// Changes a user, and tells everybody; `ends` says whether that takes something away.
    fn alter(
        &mut self,
        reply: Reply,
        local: bool,
        user: &UserName,
        ends: bool,
        now: Timestamp,
        change: impl FnOnce(&mut Directory, &UserName) -> Result<Option<Write>, DirectoryError>,
    ) {
        if local {
            self.alter_unnoticed(reply, local, user, change);
            if ends {
                self.end_local_log_ins(user, now);
            }
            return;
        }
        if self.policies.is_unwritten() {
            self.reply(reply, Err(Reject::Busy.failure()));
            return;
        }
        let before = self.people.network.record_of(user);
        match change(&mut self.people.network, user) {
            Ok(None) => self.reply(reply, Ok(self.policy_epoch())),
            Ok(Some(write)) => {
                let undo = Undo { local, user: user.clone(), before };
                match self.notice(user, ends, now) {
                    Ok(published) => {
                        let then = vec![replied(reply, Ok(published.policy().epoch()))];
                        self.persist_user(vec![write], undo, Some(published), then);
                    }
                    Err(failure) => {
                        self.undo_user(undo);
                        self.reply(reply, Err(failure));
                    }
                }
            }
            Err(error) => self.reply(reply, Err(error.into())),
        }
    }

    /// Changes a user of whom nobody else has to know.
    fn alter_unnoticed(
        &mut self,
        reply: Reply,
        local: bool,
        user: &UserName,
        change: impl FnOnce(&mut Directory, &UserName) -> Result<Option<Write>, DirectoryError>,
    ) {
        let directory = if local { &mut self.people.local } else { &mut self.people.network };
        let before = directory.record_of(user);
        match change(directory, user) {
            Ok(write) => {
                let epoch = if local { 0 } else { self.policy_epoch() };
                let undo = Undo { local, user: user.clone(), before };
                self.persist_user(write.into_iter().collect(), undo, None, vec![replied(reply, Ok(epoch))]);
            }
            Err(error) => self.reply(reply, Err(error.into())),
        }
    }

    /// The next version of the policy, which says that a user has changed.
    fn notice(&mut self, user: &UserName, ends: bool, now: Timestamp) -> Result<PublishedPolicy, Failure> {
        let member = self.membership.member.as_ref().ok_or_else(not_a_member)?;
        let text = member.policy.text().to_owned();
        let signed = self.clock.signed().unwrap_or_default();
        let notices = self.policies.notices().with(user, ends, now, signed);
        self.sign_policy(&text, notices)
    }

    fn directory(&self, local: bool) -> &Directory {
        if local { &self.people.local } else { &self.people.network }
    }

    /// Puts a user back as it was.
    pub(in crate::engine) fn undo_user(&mut self, undo: Undo) {
        let Undo { local, user, before } = undo;
        let directory = if local { &mut self.people.local } else { &mut self.people.network };
        directory.put_back(user, before.as_deref());
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
        matches!(self, Self::SetPassword { person, new: false, .. }
            if *of == by.principal.user && *person == by.principal.person)
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
    let known: Vec<&str> = policy.roles().map(|(role, _)| role.as_str()).collect();
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
            DirectoryError::Full => {
                (Code::Failed, "remove those that are no longer used: `lanyard user list`")
            }
        };
        Self::new(code, error.to_string(), remedy)
    }
}
