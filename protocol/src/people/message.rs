//! What a node tells the authority about its people.

use std::collections::BTreeSet;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::SignedAssertion;
use crate::control::{Code, Failure};
use crate::identity::{NodeId, PersonName, SealingKey, SealingPublicKey, UserName, UserRole};
use crate::label::{Digest, Label};
use crate::seal::{self, SealError, Sealed};

/// The longest password, in bytes.
pub const PASSWORD_MAX: usize = 256;

/// The users in one answer: each has at most 16 roles and 16 people of 64 bytes, and a frame 16 KiB.
pub const USERS_PAGE: usize = 7;

/// A password on its way to the authority, which alone opens it: sealed to the key in its certificate, and padded, so
/// that nobody sees how long it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedPassword(Sealed);

fn info(from: NodeId, to: NodeId) -> Vec<u8> {
    Label::UserPassword.join(&[from.as_bytes(), to.as_bytes()])
}

fn aad(user: &UserName, person: &PersonName) -> Vec<u8> {
    Label::UserPassword.join(&[user.as_str().as_bytes(), person.as_str().as_bytes()])
}

impl SealedPassword {
    /// Seals `password` of `person` as `user` from the node `from` to the authority `to`.
    ///
    /// # Errors
    /// [`SealError::Recipient`], also for a password of more than [`PASSWORD_MAX`] bytes.
    pub fn seal(
        (from, (to, key)): (NodeId, (NodeId, &SealingPublicKey)),
        (user, person): (&UserName, &PersonName),
        password: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, SealError> {
        let mut padded = Zeroizing::new([0; 2 + PASSWORD_MAX]);
        let (length, rest) = padded.split_at_mut(2);
        let length_of = u16::try_from(password.len()).map_err(|_| SealError::Recipient)?;
        length.copy_from_slice(&length_of.to_le_bytes());
        rest.get_mut(..password.len()).ok_or(SealError::Recipient)?.copy_from_slice(password);
        let sealed = seal::seal(key, &info(from, to), &aad(user, person), padded.as_slice(), rng)?;
        Ok(Self(sealed))
    }

    /// The password, for the authority `to`.
    ///
    /// # Errors
    /// [`SealError::Open`].
    pub(crate) fn open(
        &self,
        (from, (to, key)): (NodeId, (NodeId, &SealingKey)),
        (user, person): (&UserName, &PersonName),
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let padded = seal::open(key, &self.0, &info(from, to), &aad(user, person))?;
        let (length, rest) = padded.split_first_chunk().ok_or(SealError::Open)?;
        let password = rest.get(..usize::from(u16::from_le_bytes(*length))).ok_or(SealError::Open)?;
        Ok(Zeroizing::new(password.to_vec()))
    }
}

/// How somebody is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof {
    /// By the password.
    Password(SealedPassword),
    /// By an assertion of the authority's own that has not ended: the user's roles may have changed since.
    Assertion(Box<SignedAssertion>),
}

/// Somebody wants to log in, or to stay so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogInRequest {
    /// As which user of the network.
    pub user: UserName,
    /// Who.
    pub person: PersonName,
    /// How that is known.
    pub proof: Proof,
}

/// Somebody who has logged in at a node manages the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManageRequest {
    /// Who.
    pub assertion: SignedAssertion,
    /// What.
    pub manage: Manage,
}

/// What somebody with the privilege may do from any node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Manage {
    /// The users after the named one.
    List {
        /// The last one of the page before.
        after: Option<UserName>,
    },
    /// A new user.
    Add {
        /// The user.
        user: UserName,
        /// Its roles: at most 16.
        roles: BTreeSet<UserRole>,
        /// Who uses it at first.
        person: PersonName,
        /// With which password.
        password: SealedPassword,
    },
    /// The user is gone, and so are its log-ins.
    Remove {
        /// The user.
        user: UserName,
    },
    /// A person's new password; the log-ins with the old one end.
    SetPassword {
        /// The user.
        user: UserName,
        /// The person.
        person: PersonName,
        /// The password.
        password: SealedPassword,
        /// Whether the person may be new.
        new: bool,
    },
    /// A person uses the user no more.
    RemovePerson {
        /// The user.
        user: UserName,
        /// The person.
        person: PersonName,
    },
    /// Gives or takes a role.
    SetRole {
        /// Whose.
        user: UserName,
        /// Which.
        role: UserRole,
        /// Given or taken.
        given: bool,
    },
    /// A part of a policy that is to be applied; the first begins anew.
    PolicyPart {
        /// From 0.
        number: u8,
        /// The text: at most 12 KiB.
        bytes: Vec<u8>,
    },
    /// The policy that was told in parts is to be applied.
    ApplyPolicy {
        /// The hash of its text.
        text: Digest,
        /// The hash of the text that it was made from: what somebody else has changed since is not overwritten.
        base: Option<Digest>,
    },
}

/// What the authority answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Managed {
    /// It is so, durably: the policy's version now.
    Done {
        /// The version of the policy; users' changes are told with it.
        epoch: u64,
    },
    /// To [`Manage::List`]: at most [`USERS_PAGE`], and whether there are more.
    Users(Vec<UserRow>, bool),
    /// A part is there.
    Part,
    /// It is not done, and why: whoever asks may know.
    Refused(Refusal),
}

/// Why something is not done that somebody with the privilege has asked for, as they are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What kind of failure it is.
    pub code: Code,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let Failure { code, message, remedy, .. } = failure;
        Self { code, message, remedy }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.message, refusal.remedy)
    }
}

/// A user, as it is shown to those who manage users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    /// The user.
    pub user: UserName,
    /// Its roles.
    pub roles: BTreeSet<UserRole>,
    /// Who uses it.
    pub persons: Vec<PersonName>,
}
