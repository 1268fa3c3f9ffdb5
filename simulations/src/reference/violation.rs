//! What is not as it ought to be.

use core::fmt;

use serde::Serialize;

use crate::event::HostId;
use crate::moment::Moment;

/// What always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// Nobody is heard as a member who is none, or whose membership was taken away longer ago than the bound.
    Heard,
    /// No channel outlives its ticket.
    Ticket,
    /// What was acknowledged is there after a crash, and an invite lets in as many as it says.
    Acknowledged,
    /// A name has one holder.
    OneHolder,
    /// Every deadline that is acted on is told, and every one that has come is acted on.
    Contract,
    /// Lists of revocations become the same everywhere.
    Convergence,
    /// Whoever is in touch goes by the policy that the authority has signed, and nobody goes back to an older one.
    Policy,
    /// Who ought to reach whom does, and who must not does not.
    Reach,
    /// Every command has an answer.
    Answered,
    /// Everybody who was to join has.
    Joined,
    /// Nobody's time is moved by what others say, but by the authority.
    Time,
    /// No adversary gets what it must not get.
    Breach,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Heard => "heard",
            Self::Ticket => "ticket",
            Self::Acknowledged => "acknowledged",
            Self::OneHolder => "one-holder",
            Self::Contract => "contract",
            Self::Convergence => "convergence",
            Self::Policy => "policy",
            Self::Reach => "reach",
            Self::Answered => "answered",
            Self::Joined => "joined",
            Self::Time => "time",
            Self::Breach => "breach",
        })
    }
}

/// An invariant that does not hold.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// When it was found.
    pub at: Moment,
    /// What is wrong.
    pub what: String,
    /// At which hosts.
    pub hosts: Vec<HostId>,
}
