//! Guests: devices without a certificate that use one service, because they know its password and policy grants it to
//! guests (R-L7).
//!
//! ```text
//! guest                                                  provider
//!    │  GuestSearch {name}                                   │
//!    │ ────────────────────────────────────────────────────▶ │  is it called so, and takes it guests at all?
//!    │  GuestHere                                            │
//!    │ ◀──────────────────────────────────────────────────── │
//!    │  Guest {name, service, nonce, both its keys, share}   │
//!    │ ────────────────────────────────────────────────────▶ │  charges a guess, and confirms first
//!    │  GuestOffer {chain, lane, share, confirmation}        │
//!    │ ◀──────────────────────────────────────────────────── │
//!    │  does the confirmation fit? is the chain sound?       │
//!    │  GuestProof {confirmation}                            │
//!    │ ────────────────────────────────────────────────────▶ │  does it fit? then the charge is taken back
//!    │  Grant                                                │
//!    │ ◀──────────────────────────────────────────────────── │  a ticket for this service, for an hour at most
//! ```
//!
//! It is the exchange of enrolment ([`SPAKE2`](crate::enrolment)) over a password that each service has of its own, so
//! neither a listener nor an impostor learns anything but whether the one guess was right that an exchange is. The
//! transport has proven both ids before. The guest has no other reason to believe the provider than that it knows the
//! password: whoever has been given it can pass for the provider to others who have, unless they name the provider by
//! its id.
//!
//! A provider that takes guests answers for any service whatever: of one that there is not, or that guests may not use,
//! with a secret that nobody knows. A guess at it is charged, rests and is kept in the same way, so by asking nobody
//! learns which services guests may use.

mod host;
mod message;
mod visitor;

pub(crate) use self::host::{Guests, Identity, Kept, ProvenGuest, Standing};
pub use self::message::{GuestOffer, GuestProof, GuestRequest, GuestSearch};
pub(crate) use self::visitor::{Knocking, VisitError, Welcomed};
use serde::{Deserialize, Serialize};

use crate::identity::{NodeId, ServiceName};
use crate::label::Label;

/// The salt with which the password of a provider's service is stretched.
pub(crate) fn password_salt(provider: NodeId, service: &ServiceName) -> [u8; 32] {
    Label::GuestPassword.hash(&[provider.as_bytes(), service.as_str().as_bytes()]).0
}

/// Names one setting of a service's password: a guest's ticket opens nothing once it was set again, to whatever, or taken
/// away in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PasswordMark([u8; 16]);

impl PasswordMark {
    /// The mark with these bytes.
    #[cfg(test)]
    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests;
