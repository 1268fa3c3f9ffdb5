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
use crate::guest::ProvenGuest;
use crate::identity::{NodeName, ServiceName};
use crate::people::VerifiedAssertion;

/// The proof that policy grants a service to a requester. Made by [`Policy::grant`] and, for guests, by
/// `Policy::grant_to_guest` alone.
#[derive(Debug)]
pub struct Granted {
    requester: Grantee,
    service: ServiceName,
    max_ticket: Option<Duration>,
}

/// To whom a service is granted.
#[derive(Debug)]
pub(crate) enum Grantee {
    /// To a member, or to somebody who has logged in there.
    Member(Box<VerifiedCertificate>, Option<Box<VerifiedAssertion>>),
    /// To somebody who knows the service's password.
    Guest(Box<ProvenGuest>),
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
        let requester = Grantee::Member(Box::new(requester.clone()), user.map(Box::new));
        Some(Granted { requester, service: service.clone(), max_ticket })
    }

    /// Whether somebody without a certificate, who knows the service's password, may use it at `provider`.
    #[must_use]
    pub(crate) fn grant_to_guest(&self, guest: ProvenGuest, provider: &NodeName) -> Option<Granted> {
        let service = guest.service().clone();
        let max_ticket = self.decide(&Subject::guest(), &service, provider)?.max_ticket();
        Some(Granted { requester: Grantee::Guest(Box::new(guest)), service, max_ticket })
    }
}

impl Granted {
    /// To whom.
    pub(crate) const fn requester(&self) -> &Grantee {
        &self.requester
    }

    /// On behalf of whom, if of a person.
    #[must_use]
    pub fn user(&self) -> Option<&VerifiedAssertion> {
        match &self.requester {
            Grantee::Member(_, user) => user.as_deref(),
            Grantee::Guest(_) => None,
        }
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
