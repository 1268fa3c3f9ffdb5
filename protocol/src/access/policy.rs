//! A network's policy: a text that people write, and what it decides.
//!
//! ```toml
//! version = 1
//!
//! [roles]
//! member  = ["service.use"]       # every node with a certificate has this role
//! cashier = ["service.use"]       # a role's privileges: a closed list
//!
//! [[grant]]
//! to      = ["role:cashier", "entity:shop"] # every kind that is named must fit; of several of one kind, any
//! service = ["stock@backoffice", "chat@*"]  # at one provider, or at every one
//! limits  = { max_ticket = "30m", online_check = "prefer" }
//!
//! [[tests]]                       # run before a policy is applied
//! who   = "role:cashier+entity:shop"
//! allow = ["stock@backoffice"]
//! deny  = ["backup@nas"]
//! ```

mod check;
mod edit;
mod file;
mod index;
mod who;

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::check::FailedTest;
pub use self::edit::{Edit, EditError};
pub use self::file::{FILE_MAX, GRANTS_MAX, Pattern, PolicyError, Privilege};
use self::file::{File, Grant, line_of};
use self::index::Index;
pub use self::who::{Kind, NoWho, Subject, Who};
use crate::identity::{NodeName, ServiceName, UserRole};

/// The policy of a new network: members chat with each other and offer each other files, and nothing more.
pub const STARTER: &str = include_str!("policy/starter.toml");

/// The most that a refusal says of what is missing: whoever is refused needs one of them.
const MISSING_MAX: usize = 8;

/// How far a node asks the authority on-line whether a peer's certificate is still good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnlineCheck {
    /// Not at all: the certificate decides.
    #[default]
    Never,
    /// If the authority answers; without an answer the certificate decides.
    Prefer,
    /// Always: without an answer there is no ticket.
    Require,
}

/// A network's policy: which services its members may use at each other. A copy is cheap.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Arc<Rules>,
    epoch: u64,
}

#[derive(Debug)]
struct Rules {
    text: String,
    file: File,
    index: Index,
}

impl Policy {
    /// The policy that the text is, as version `epoch`.
    ///
    /// # Errors
    /// [`PolicyError`]
    pub fn parse(text: &str, epoch: u64) -> Result<Self, PolicyError> {
        let file = File::parse(text)?;
        let privileges = |role: &str| file.privileges(role).unwrap_or_default().to_vec();
        let index = Index::new(file.grants.iter().map(toml::Spanned::get_ref), privileges);
        Ok(Self { rules: Arc::new(Rules { text: text.to_owned(), file, index }), epoch })
    }

    /// The same policy as version `epoch`.
    #[must_use]
    pub(crate) fn as_version(&self, epoch: u64) -> Self {
        Self { rules: Arc::clone(&self.rules), epoch }
    }

    /// The policy of a network in which nobody has said anything else, [`STARTER`].
    #[must_use]
    pub fn starter() -> Self {
        Self::parse(STARTER, 0).unwrap_or_else(|_| Self::nothing())
    }

    /// A policy that grants nothing: in the place of one that cannot be read.
    #[must_use]
    pub fn nothing() -> Self {
        let file = File::default();
        Self { rules: Arc::new(Rules { text: String::new(), file, index: Index::default() }), epoch: 0 }
    }

    /// The policy's version; 0 until the authority has signed one.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.rules.text
    }

    /// The rule that lets `subject` use `service` of `provider`: the first in the file, or nothing.
    #[must_use]
    pub fn decide(&self, subject: &Subject, service: &ServiceName, provider: &NodeName) -> Option<Rule<'_>> {
        let candidates = self.rules.index.candidates(subject, service, provider);
        let fits = |number: &usize| {
            self.rules.file.grants.get(*number).is_some_and(|grant| self.fits(grant.get_ref(), subject))
        };
        let number = candidates.filter(fits).min()?;
        Some(Rule { policy: self, number })
    }

    fn fits(&self, grant: &Grant, subject: &Subject) -> bool {
        self.lacks(grant, subject).next().is_none()
    }

    /// The kinds that the grant names, and of which `subject` has none of those that it names.
    fn lacks<'a>(&'a self, grant: &'a Grant, subject: &'a Subject) -> impl Iterator<Item = Kind> {
        let of = |kind: Kind| grant.to.iter().filter(move |who| who.kind() == kind);
        Kind::ALL.into_iter().filter(move |kind| {
            let mut named = of(*kind).peekable();
            named.peek().is_some() && !named.any(|who| subject.is(who) && self.may_use_services(who))
        })
    }

    /// Whether one of the roles has the privilege.
    #[must_use]
    pub fn gives<'a>(&self, privilege: Privilege, roles: impl IntoIterator<Item = &'a UserRole>) -> bool {
        roles.into_iter().any(|role| self.privileges(role).is_some_and(|given| given.contains(&privilege)))
    }

    /// The privileges of a role, if the policy has it.
    #[must_use]
    pub fn privileges(&self, role: &UserRole) -> Option<&[Privilege]> {
        self.rules.file.privileges(role.as_str())
    }

    /// The roles that the policy has, and what each may do.
    pub fn roles(&self) -> impl Iterator<Item = (&UserRole, &[Privilege])> {
        self.rules.file.roles.iter().map(|(role, privileges)| (role, privileges.as_slice()))
    }

    fn may_use_services(&self, who: &Who) -> bool {
        let privileges = || self.rules.file.privileges(who.name()).unwrap_or_default();
        who.kind() != Kind::Role || privileges().contains(&Privilege::UseServices)
    }

    /// Whether anybody of whom this is said may use `service` at some provider: if not, nobody needs to be asked.
    #[must_use]
    pub fn may_ask_somebody(&self, subject: &Subject, service: &ServiceName) -> bool {
        let grants = self.rules.file.grants.iter().map(toml::Spanned::get_ref);
        grants
            .filter(|grant| grant.service.iter().any(|pattern| pattern.service == *service))
            .any(|grant| self.fits(grant, subject))
    }

    /// What `subject` would need to use `service` of `provider`, one line for each grant that it is not enough for;
    /// of a service that is granted to nobody, the privilege alone.
    #[must_use]
    pub fn missing(&self, subject: &Subject, service: &ServiceName, provider: &NodeName) -> Vec<String> {
        let grants = self.rules.file.grants.iter().map(toml::Spanned::get_ref);
        let fitting = grants.filter(|grant| {
            grant.service.iter().any(|pattern| {
                pattern.service == *service && pattern.provider.as_ref().is_none_or(|one| one == provider)
            })
        });
        let mut missing: Vec<String> = fitting.map(|grant| self.needed(grant, subject)).collect();
        missing.dedup();
        missing.truncate(MISSING_MAX);
        if missing.is_empty() {
            missing.push(format!("{} on {service}@{provider}, which no grant gives", Privilege::UseServices));
        }
        missing
    }

    /// What the grant asks for that the subject has not, as in `role:cashier or role:chief, and entity:shop`.
    fn needed(&self, grant: &Grant, subject: &Subject) -> String {
        let kinds = self.lacks(grant, subject).map(|kind| {
            let whos = grant.to.iter().filter(|who| who.kind() == kind);
            let whos = whos.map(|who| match (subject.is(who), self.may_use_services(who)) {
                (true, false) => format!("{} for {who}", Privilege::UseServices),
                _ => who.to_string(),
            });
            whos.collect::<Vec<_>>().join(" or ")
        });
        kinds.collect::<Vec<_>>().join(", and ")
    }
}

/// The grant that allows something.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    policy: &'a Policy,
    number: usize,
}

impl Rule<'_> {
    fn grant(&self) -> Option<&Grant> {
        self.policy.rules.file.grants.get(self.number).map(toml::Spanned::get_ref)
    }

    /// How long a ticket lives at most, if the grant says so.
    #[must_use]
    pub fn max_ticket(&self) -> Option<Duration> {
        self.grant()?.limits.max_ticket.map(|life| life.0)
    }

    /// How far the provider asks the authority first, beside what it does by itself.
    #[must_use]
    pub fn online_check(&self) -> OnlineCheck {
        self.grant().and_then(|grant| grant.limits.online_check).unwrap_or_default()
    }
}

impl fmt::Display for Rule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = &self.policy.rules;
        let start = rules.file.grants.get(self.number).map_or(0, |grant| grant.span().start);
        write!(f, "grant {} (line {})", self.number + 1, line_of(&rules.text, start))
    }
}

#[cfg(test)]
mod tests;
