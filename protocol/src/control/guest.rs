//! Guests of a node's services, and their use.

use serde::{Deserialize, Serialize};

use super::{Password, ServiceRef, Time};
use crate::identity::ServiceName;

/// The password by which guests are to use a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestPassword {
    /// The password.
    pub password: Password,
    /// Takes it also if it is weak.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub weak: bool,
}

/// Asks for a service of this node's to have a password for guests from now on, or none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetGuest {
    /// The service.
    pub service: ServiceName,
    /// The password. With another one than before, and without one, the tickets of guests open nothing any more.
    pub password: Option<GuestPassword>,
}

/// How a service stands that guests may use by a password, if policy grants it to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestStatus {
    /// The service.
    pub service: ServiceName,
    /// Since when it has the password.
    pub since: Time,
    /// Whether policy grants it to guests.
    pub granted: bool,
    /// Wrong guesses within a day.
    pub wrong: usize,
    /// For how many seconds no guess is taken, if none is.
    pub rests_s: Option<u64>,
}

/// Somebody without a certificate, or as one, wants to use a service by its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The service.
    pub service: ServiceRef,
    /// Its password.
    pub password: Password,
}
