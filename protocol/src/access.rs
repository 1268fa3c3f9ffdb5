//! Who may use what. Nothing is allowed that no grant allows.

mod notices;
mod policy;
mod signed;

use core::time::Duration;

pub use self::notices::{NOTICES_MAX, Notices};
pub use self::policy::{
    Edit, EditError, FILE_MAX, FailedTest, GRANTS_MAX, Kind, NoWho, OnlineCheck, Pattern, Policy,
    PolicyError, Privilege, Rule, STARTER, Subject, Who,
};
pub use self::signed::{
    Assembly, PART_MAX, PARTS_MAX, PolicyHead, PolicyPart, PublishedPolicy, SignedPolicy, SignedPolicyError,
};
use crate::certificate::VerifiedCertificate;
use crate::identity::{NodeName, ServiceName};
use crate::people::VerifiedAssertion;

/// The proof that policy grants a service to a requester. Made by [`Policy::grant`] alone.
#[derive(Debug)]
pub struct Granted {
    requester: VerifiedCertificate,
    user: Option<VerifiedAssertion>,
    service: ServiceName,
    max_ticket: Option<Duration>,
}

impl Policy {
    /// Whether `requester`, or the `user` who has logged in there, may use `service` of `provider`: the proof that it
    /// may, or nothing.
    ///
    /// A service that does not exist is refused like one that is not granted, so a refusal tells nothing of it.
    #[must_use]
    pub fn grant(
        &self,
        requester: &VerifiedCertificate,
        user: Option<VerifiedAssertion>,
        service: &ServiceName,
        provider: &NodeName,
    ) -> Option<Granted> {
        let rule = self.decide(&Subject::of_user(requester, user.as_ref()), service, provider)?;
        let max_ticket = rule.max_ticket();
        Some(Granted { requester: requester.clone(), user, service: service.clone(), max_ticket })
    }
}

impl Granted {
    /// To whom.
    #[must_use]
    pub const fn requester(&self) -> &VerifiedCertificate {
        &self.requester
    }

    /// On behalf of whom, if of a person.
    #[must_use]
    pub const fn user(&self) -> Option<&VerifiedAssertion> {
        self.user.as_ref()
    }

    /// What.
    #[must_use]
    pub const fn service(&self) -> &ServiceName {
        &self.service
    }

    /// How long a ticket for it lives at most, where the grant says so.
    #[must_use]
    pub const fn max_ticket(&self) -> Option<Duration> {
        self.max_ticket
    }
}
