//! How a node gets its certificate.
//!
//! ```text
//! candidate                                              authority
//!    │  KeyRequest {credential, nonce, both public keys}     │
//!    │ ────────────────────────────────────────────────────▶ │  nothing is kept but what a code needs
//!    │  AuthorityKey {chain, token, PAKE answer; signed}     │
//!    │ ◀──────────────────────────────────────────────────── │
//!    │  is this the authority? (pin, PAKE, or first use)     │
//!    │  Enrol {token, request sealed to the authority's key} │
//!    │ ────────────────────────────────────────────────────▶ │  is this one admitted? (invite, code, open)
//!    │  Enrolled {certificate sealed to the candidate}       │
//!    │ ◀──────────────────────────────────────────────────── │  answered once the record is durable
//! ```
//!
//! A listener learns that somebody joins, under which keys, and whether by code; not the certificate, its name,
//! or any secret. The transport has proven both ids before the first message.

mod authority;
mod candidate;
mod invitation;
mod message;
mod pake;
#[cfg(test)]
mod vectors;
mod words;

pub use self::authority::{Authority, AuthorityError, EnrolmentRecord, Issued, NewInvite, Origin, Refused};
pub use self::candidate::{Asked, Enrolled, Hope, JoinError, Prospect, Requested};
pub use self::invitation::{Code, Invitation, InvitationError, InviteSecret, InviteUri};
pub use self::message::{
    AuthorityKey, Credential, EnrolAnswer, EnrolRequest, KeyRequest, PakeAnswer, SHARE_LEN, Share,
    WhoIsAnswer,
};
pub use self::pake::stretch;
