//! The people who use a network: users in a directory, their credentials, and the log-ins that a directory vouches for.
//!
//! A *user* is what policy knows (`ana`, `cashier`); the *people* who use it have a credential each, so that it can be
//! told who did something. The network's directory is the authority's; every node may have one of its own, whose users
//! are called `ana%till`. Whoever has checked a password signs an *assertion* (RFC 7521's word) that names the node at
//! which the user has logged in: it is worth nothing anywhere else, ends after twelve hours at the latest, and ends
//! earlier when the directory takes something away ([`Notices`](crate::access::Notices)).

mod actor;
mod assertion;
mod attempts;
mod directory;
mod message;

pub(crate) use self::actor::UserRef;
pub use self::actor::{Actor, Home, Principal, Seat};
pub use self::assertion::{
    ASSERTION_LIFE, Assertion, AssertionError, ROLES_MAX, SignedAssertion, VerifiedAssertion,
};
pub(crate) use self::attempts::Attempts;
pub(crate) use self::directory::{Changed, Credential, Directory, DirectoryError};
pub use self::directory::{PERSONS_MAX, USERS_MAX};
pub use self::message::{
    LogInRequest, Manage, ManageRequest, Managed, PASSWORD_MAX, Proof, Refusal, SealedPassword, USERS_PAGE,
    UserRow,
};
