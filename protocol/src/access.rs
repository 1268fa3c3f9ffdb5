//! Who may use what. Nothing is allowed that no grant allows.

use crate::certificate::VerifiedCertificate;
use crate::identity::ServiceName;

/// What members may use where nobody has said anything else.
const STARTER: [&str; 2] = ["chat", "file"];

/// A network's policy: which services its members may use at each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    epoch: u64,
    members: Vec<ServiceName>,
}

impl Policy {
    /// The policy of a new network: members chat with each other and offer each other files, and nothing else.
    #[must_use]
    pub fn starter() -> Self {
        Self { epoch: 0, members: STARTER.iter().filter_map(|service| service.parse().ok()).collect() }
    }

    /// The policy's version.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether `requester` may use `service`: the proof that it may, or nothing.
    ///
    /// A service that does not exist is refused like one that is not granted, so a refusal tells nothing of it.
    #[must_use]
    pub fn grant(&self, requester: &VerifiedCertificate, service: &ServiceName) -> Option<Granted> {
        self.members
            .contains(service)
            .then(|| Granted { requester: requester.clone(), service: service.clone() })
    }

    /// Whether a member's request for `service` may leave its host at all.
    #[must_use]
    pub fn may_ask(&self, service: &ServiceName) -> bool {
        self.members.contains(service)
    }
}

/// The proof that policy grants a service to a requester. Made by [`Policy::grant`] alone.
#[derive(Debug)]
pub struct Granted {
    requester: VerifiedCertificate,
    service: ServiceName,
}

impl Granted {
    /// To whom.
    #[must_use]
    pub const fn requester(&self) -> &VerifiedCertificate {
        &self.requester
    }

    /// What.
    #[must_use]
    pub const fn service(&self) -> &ServiceName {
        &self.service
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_policy_grants_chat_and_files_and_nothing_else() {
        let policy = Policy::starter();
        for granted in ["chat", "file"] {
            assert!(policy.may_ask(&granted.parse().unwrap()), "{granted}");
        }
        for denied in ["backup", "files", "chat-2", "shell"] {
            assert!(!policy.may_ask(&denied.parse().unwrap()), "{denied}");
        }
    }
}
