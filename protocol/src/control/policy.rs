//! Who may do what: shown, changed, explained.

use serde::{Deserialize, Serialize};

use super::ServiceRef;

/// The answer to [`Command::Policy`](super::Command::Policy).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyShown {
    /// Its version; 0 until the authority has signed one.
    pub epoch: u64,
    /// What was written, with its comments.
    pub text: String,
}

/// Asks for another policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyPolicy {
    /// At most 64 KiB.
    pub text: String,
    /// The version that it was made from: if another one holds by now, nothing is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub based_on: Option<u64>,
}

/// Asks what policy decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainPolicy {
    /// For whom: `node:till`, `ana@till`, `role:cashier+entity:shop`.
    pub who: String,
    /// Of what.
    pub service: ServiceRef,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionName {
    /// A grant allows it.
    Allow,
    /// No grant allows it.
    Deny,
}

/// The answer to [`Command::ExplainPolicy`](super::Command::ExplainPolicy).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// What was decided.
    pub decision: DecisionName,
    /// The grant that allows it, with its line.
    pub rule: Option<String>,
    /// What they would need, one of these; empty if it is allowed.
    pub missing: Vec<String>,
}
