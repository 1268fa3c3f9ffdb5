//! How a node gets its certificate.
//!
//! ```text
//! candidate                                              authority
//!    │  KeyRequest {offer, commitment, both public keys}     │
//!    │ ────────────────────────────────────────────────────▶ │  nothing is kept but what a guess costs
//!    │  AuthorityKey {chain, rule, way, token, nonce; signed}│  which alternative of the rule may this one meet?
//!    │ ◀──────────────────────────────────────────────────── │
//!    │  is this the authority? (pin, PAKE, words, first use) │
//!    │  Enrol {token, request sealed to the authority's key} │
//!    │ ────────────────────────────────────────────────────▶ │  does it meet it? (what it asks for, all of it)
//!    │  Enrolled {certificate sealed to the candidate}       │
//!    │ ◀──────────────────────────────────────────────────── │  answered once the record is durable
//!    │  Waiting                                              │  where two people have yet to compare words:
//!    │ ◀──────────────────────────────────────────────────── │  the candidate asks again until they have
//! ```
//!
//! A listener learns that somebody joins, under which keys, and whether by code; not the certificate, its name,
//! or any secret. The transport has proven both ids before the first message.

mod approval;
mod attempts;
mod authority;
mod candidate;
mod guesses;
mod invitation;
mod message;
mod pake;
#[cfg(test)]
mod vectors;
mod words;

pub use self::approval::{Comparison, OwnRequest};
pub(crate) use self::attempts::Attempts;
pub use self::authority::{
    Authority, AuthorityError, Change, EnrolmentRecord, Issued, NewInvite, Origin, Refused, Undo, Verdict,
};
pub use self::candidate::{Answered, Asked, Enrolled, Hope, HopeInvite, JoinError, Prospect, Requested};
pub(crate) use self::guesses::Guesses;
pub use self::invitation::{Code, Invitation, InvitationError, InviteSecret, InviteUri};
pub use self::message::{
    AuthorityKey, Credentials, EnrolAnswer, EnrolRequest, InviteOffer, KeyRequest, Offer, PakeAnswer,
    SHARE_LEN, Share, Way, WhoIsAnswer,
};
pub use self::pake::stretch;
pub(crate) use self::pake::{About, Confirmation, Exchange, Transcript, password_salt};
