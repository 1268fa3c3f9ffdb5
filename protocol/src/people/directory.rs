//! A directory of users: the network's, at the authority, or a node's own.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::{ROLES_MAX, UserRow};
use crate::codec;
use crate::identity::{PersonName, Secret, UserName, UserRole};
use crate::label::{Digest, Label};
use crate::record::{Record, Table, Write};
use crate::time::Timestamp;

/// The most users of a directory.
pub const USERS_MAX: usize = 16_384;

/// The most people who use one user.
pub const PERSONS_MAX: usize = 16;

/// The longest record: every person and every role, with the longest names.
const RECORD_MAX: usize = 4096;

/// Why a directory does not change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DirectoryError {
    #[error("there is a user {0} already")]
    Exists(UserName),
    #[error("there is no user {0}")]
    NoUser(UserName),
    #[error("nobody else uses {0}")]
    LastPerson(UserName),
    #[error("{person} is not among the people who use {user}")]
    NoPerson { user: UserName, person: PersonName },
    #[error(
        "a directory has at most {USERS_MAX} users, a user at most {PERSONS_MAX} people and {ROLES_MAX} roles"
    )]
    Full,
}

/// How one person's password is known.
#[derive(Serialize, Deserialize)]
pub(crate) struct Credential {
    pub(crate) salt: [u8; 32],
    /// The password, stretched with the salt.
    pub(crate) tag: Secret,
    /// When it was set: log-ins from before it are no longer renewed.
    pub(crate) since: Timestamp,
}

/// A user.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct UserRecord {
    pub(crate) roles: BTreeSet<UserRole>,
    pub(crate) persons: BTreeMap<PersonName, Credential>,
}

/// The users of one directory.
pub(crate) struct Directory {
    table: Table,
    users: BTreeMap<UserName, UserRecord>,
    /// In the place of the salts of users that there are none of: who asks for one twice gets the same.
    decoy: Secret,
}

impl Directory {
    /// The directory that the records of `table` hold, and the keys of those that are none.
    pub(crate) fn load<'a>(
        table: Table,
        records: impl Iterator<Item = &'a Record>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Self, Vec<Vec<u8>>) {
        let (mut users, mut unread) = (BTreeMap::new(), Vec::new());
        for record in records {
            let user = core::str::from_utf8(&record.key).ok().and_then(|user| user.parse().ok());
            match (user, codec::decode::<UserRecord, RECORD_MAX>(&record.value)) {
                (Some(user), Ok(kept)) => drop(users.insert(user, kept)),
                _ => unread.push(record.key.clone()),
            }
        }
        (Self { table, users, decoy: Secret::generate(rng) }, unread)
    }

    /// The user's record.
    pub(crate) fn get(&self, user: &UserName) -> Result<&UserRecord, DirectoryError> {
        self.users.get(user).ok_or_else(|| DirectoryError::NoUser(user.clone()))
    }

    /// With which salt a guess at the password is to be stretched: of somebody whom there is not, too.
    pub(crate) fn salt(&self, user: &UserName, person: &PersonName) -> [u8; 32] {
        let credential = self.users.get(user).and_then(|record| record.persons.get(person));
        let decoy = || {
            let parts: [&[u8]; 3] =
                [self.decoy.expose(), user.as_str().as_bytes(), person.as_str().as_bytes()];
            let Digest(salt) = Label::UserPassword.hash(&parts);
            salt
        };
        credential.map_or_else(decoy, |credential| credential.salt)
    }

    /// Whether a guess was right. Of somebody whom there is not it never is, and that takes as long to say.
    pub(crate) fn is_right(&self, user: &UserName, person: &PersonName, guess: &Secret) -> bool {
        let credential = self.users.get(user).and_then(|record| record.persons.get(person));
        let known = credential.map_or(&self.decoy, |credential| &credential.tag);
        let same = known == guess;
        same && credential.is_some()
    }

    /// What a new user is.
    pub(crate) fn added(
        &self,
        user: &UserName,
        roles: BTreeSet<UserRole>,
        person: PersonName,
        credential: Credential,
    ) -> Result<Changed, DirectoryError> {
        if self.users.contains_key(user) {
            return Err(DirectoryError::Exists(user.clone()));
        }
        if self.users.len() >= USERS_MAX || roles.len() > ROLES_MAX {
            return Err(DirectoryError::Full);
        }
        let persons = BTreeMap::from([(person, credential)]);
        Ok(self.changed(user, Some(&UserRecord { roles, persons })))
    }

    /// What is left of a user that is removed.
    pub(crate) fn removed(&self, user: &UserName) -> Result<Changed, DirectoryError> {
        self.get(user)?;
        Ok(self.changed(user, None))
    }

    /// What a user is whose person has another password; `new` says that the person may be new, too.
    pub(crate) fn with_credential(
        &self,
        user: &UserName,
        person: PersonName,
        credential: Credential,
        new: bool,
    ) -> Result<Changed, DirectoryError> {
        let mut record = self.copy(user)?;
        let known = record.persons.contains_key(&person);
        match (known, new) {
            (false, false) => return Err(DirectoryError::NoPerson { user: user.clone(), person }),
            (false, true) if record.persons.len() >= PERSONS_MAX => return Err(DirectoryError::Full),
            _ => record.persons.insert(person, credential),
        };
        Ok(self.changed(user, Some(&record)))
    }

    /// What a user is that the person uses no more. The last one stays: a user whom nobody uses is to be removed.
    pub(crate) fn without_person(
        &self,
        user: &UserName,
        person: &PersonName,
    ) -> Result<Changed, DirectoryError> {
        let mut record = self.copy(user)?;
        if record.persons.remove(person).is_none() {
            return Err(DirectoryError::NoPerson { user: user.clone(), person: person.clone() });
        }
        if record.persons.is_empty() {
            return Err(DirectoryError::LastPerson(user.clone()));
        }
        Ok(self.changed(user, Some(&record)))
    }

    /// What a user is with a role more or less; nothing if that is what it is.
    pub(crate) fn with_role(
        &self,
        user: &UserName,
        role: &UserRole,
        given: bool,
    ) -> Result<Option<Changed>, DirectoryError> {
        let mut record = self.copy(user)?;
        if given && !record.roles.contains(role) && record.roles.len() >= ROLES_MAX {
            return Err(DirectoryError::Full);
        }
        let other = if given { record.roles.insert(role.clone()) } else { record.roles.remove(role) };
        Ok(other.then(|| self.changed(user, Some(&record))))
    }

    /// From now on a user is as was written.
    pub(crate) fn apply(&mut self, changed: Changed) {
        let Changed { user, write } = changed;
        let record = write.value.and_then(|value| codec::decode::<UserRecord, RECORD_MAX>(&value).ok());
        match record {
            Some(record) => drop(self.users.insert(user, record)),
            None => drop(self.users.remove(&user)),
        }
    }

    /// The users after `after`, at most `most`.
    pub(crate) fn list(&self, after: Option<&UserName>, most: usize) -> Vec<UserRow> {
        let later = self.users.iter().filter(|(user, _)| after.is_none_or(|after| *user > after));
        later.take(most).map(|(user, record)| record.row(user)).collect()
    }

    /// The writes that forget every user.
    pub(crate) fn erase(&self) -> Vec<Write> {
        self.users.keys().map(|user| Write::erase(self.table, user.as_str().as_bytes())).collect()
    }

    /// A copy of the user's record, to be changed: nothing holds that is not written.
    fn copy(&self, user: &UserName) -> Result<UserRecord, DirectoryError> {
        let record = codec::encode(self.get(user)?);
        codec::decode::<UserRecord, RECORD_MAX>(&record).map_err(|_| DirectoryError::Full)
    }

    fn changed(&self, user: &UserName, record: Option<&UserRecord>) -> Changed {
        let value = record.map(codec::encode);
        let write = Write { table: self.table, key: user.as_str().as_bytes().to_vec(), value };
        Changed { user: user.clone(), write }
    }
}

/// A user as it is to be, once that is written.
pub(crate) struct Changed {
    pub(crate) user: UserName,
    pub(crate) write: Write,
}

impl UserRecord {
    /// The user as it is shown to those who manage users.
    pub(crate) fn row(&self, user: &UserName) -> UserRow {
        UserRow {
            user: user.clone(),
            roles: self.roles.clone(),
            persons: self.persons.keys().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;
    use zeroize::Zeroizing;

    use super::*;

    fn name<T: core::str::FromStr<Err: core::fmt::Debug>>(text: &str) -> T {
        text.parse().unwrap()
    }

    fn credential(byte: u8) -> Credential {
        let tag = Secret::new(Zeroizing::new([byte; 32]));
        Credential { salt: [byte; 32], tag, since: Timestamp::from_secs(1) }
    }

    fn directory() -> Directory {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (mut directory, unread) = Directory::load(Table::Users, core::iter::empty(), &mut rng);
        assert!(unread.is_empty());
        let added = directory.added(&name("ana"), BTreeSet::new(), name("ana"), credential(7)).unwrap();
        assert!(directory.get(&name("ana")).is_err(), "nothing holds that is not written");
        directory.apply(added);
        directory
    }

    /// I1: of a user, a person and a password that there are none of, everything looks the same.
    #[test]
    fn nobody_is_told_apart_from_somebody() {
        let directory = directory();
        let (ana, eve, guess) = (name("ana"), name("eve"), Secret::new(Zeroizing::new([7; 32])));
        assert!(directory.is_right(&ana, &name("ana"), &guess));
        assert!(!directory.is_right(&ana, &name("ben"), &guess));
        assert!(!directory.is_right(&eve, &name("eve"), &guess));
        let decoy = directory.salt(&eve, &name("eve"));
        assert_eq!(decoy, directory.salt(&eve, &name("eve")));
        assert_ne!(decoy, directory.salt(&ana, &name("ben")));
        assert_ne!(decoy, directory.salt(&ana, &name("ana")));
    }

    /// The decoy that stands in for a password is nobody's password.
    #[test]
    fn the_decoy_opens_nothing() {
        let directory = directory();
        let decoy = Secret::new(Zeroizing::new(*directory.decoy.expose()));
        assert!(!directory.is_right(&name("eve"), &name("eve"), &decoy));
    }

    #[test]
    fn what_was_written_is_read_again() {
        let mut directory = directory();
        let Changed { user, write } =
            directory.with_role(&name("ana"), &name("cashier"), true).unwrap().unwrap();
        let (key, value) = (write.key.clone(), write.value.clone().unwrap());
        let record = Record { table: write.table, key, value };
        directory.apply(Changed { user, write });
        assert!(directory.with_role(&name("ana"), &name("cashier"), true).unwrap().is_none());
        let torn = Record { table: Table::Users, key: b"ben".to_vec(), value: vec![1] };
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let (read, unread) = Directory::load(Table::Users, [&record, &torn].into_iter(), &mut rng);
        assert_eq!(read.list(None, 9), directory.list(None, 9));
        assert_eq!(unread, [b"ben".to_vec()]);
    }

    #[test]
    fn the_longest_record_fits() {
        let mut directory = directory();
        let ana = name("ana");
        let long = |number: usize| format!("{number:02}{}", "x".repeat(61));
        for number in 0..PERSONS_MAX - 1 {
            let more = directory.with_credential(&ana, name(&long(number)), credential(1), true);
            directory.apply(more.unwrap());
        }
        for number in 0..ROLES_MAX {
            let more = directory.with_role(&ana, &name(&long(number)), true).unwrap();
            directory.apply(more.unwrap());
        }
        let full = directory.with_credential(&ana, name("ben"), credential(1), true).map(drop);
        assert_eq!(full, Err(DirectoryError::Full));
        assert_eq!(directory.with_role(&ana, &name("cashier"), true).map(drop), Err(DirectoryError::Full));
        let longest = codec::encode(directory.get(&ana).unwrap()).len();
        assert!(longest <= RECORD_MAX, "{longest}");
    }

    /// A user whom nobody uses would be one whom nobody can log in as, and who is still there.
    #[test]
    fn the_last_person_stays() {
        let mut directory = directory();
        let (ana, ben) = (name("ana"), name("ben"));
        let last = directory.without_person(&ana, &name("ana")).map(drop);
        assert_eq!(last, Err(DirectoryError::LastPerson(ana.clone())));
        directory.apply(directory.with_credential(&ana, name("ben"), credential(1), true).unwrap());
        directory.apply(directory.without_person(&ana, &name("ana")).unwrap());
        assert!(directory.without_person(&ana, &ben).is_err());
    }
}
