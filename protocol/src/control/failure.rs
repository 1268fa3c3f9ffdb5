//! How a command fails.

use serde::{Deserialize, Serialize};

use super::Admission;

/// Why a command was not carried out, as its user is told: what happened, then what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure it is.
    pub code: Code,
    /// What happened, in one line.
    pub message: String,
    /// What to do about it, in one line.
    pub remedy: String,
    /// The rule by which the other side admits, where it was not met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Admission>,
}

impl Failure {
    /// A failure of kind `code`.
    pub fn new(code: Code, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, message: message.into(), remedy: remedy.into(), rule: None }
    }
}

/// The kinds of failure. Each is an exit code of the command line and a status of the local API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// It could not be done.
    Failed,
    /// It was asked wrongly.
    Usage,
    /// No node is running.
    NotRunning,
    /// Policy, admission or the other side said no.
    Denied,
    /// The other side was not reached in time.
    Unreachable,
    /// There is no such peer, ticket, service or file.
    NotFound,
    /// Data is at fault: corrupt, of the wrong hash, under the wrong key.
    Data,
    /// The user interrupted it.
    Interrupted,
}

impl Code {
    /// The exit code of a command that ends so.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotRunning => 3,
            Self::Denied => 4,
            Self::Unreachable => 5,
            Self::NotFound => 6,
            Self::Data => 7,
            Self::Interrupted => 130,
        }
    }
}
