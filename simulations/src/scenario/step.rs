//! What can be made to happen at a time.

use std::collections::BTreeSet;

use lanyard_protocol::identity::{UserName, UserRole};
use serde::Deserialize;

use super::{LinkSpec, PolicyChange, Who};
use crate::units::{Shift, Span};

/// How a node ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// As it should: everything is written, and connections are closed.
    #[default]
    Stop,
    /// `kill -9`: some of what was not confirmed may be written.
    Kill,
    /// A power cut: what was not confirmed is lost, and nobody is told.
    PowerCut,
}

/// Something that happens at a time.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    /// When.
    pub time: Span,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum What {
    /// These hosts are cut off from all others, and see each other.
    Cut {
        /// Who.
        who: Who,
        /// For how long; until `heal` if nothing is said.
        #[serde(default, rename = "for")]
        lasts: Option<Span>,
    },
    /// The network is whole again.
    Heal,
    /// The authority takes memberships away.
    Revoke {
        /// Whose.
        who: Who,
    },
    /// Nodes end.
    End {
        /// Whose.
        who: Who,
        /// How.
        #[serde(default)]
        how: Ending,
        /// After how long they are started again; never if nothing is said.
        #[serde(default)]
        back: Option<Span>,
    },
    /// Nodes are started.
    Start {
        /// Whose.
        who: Who,
    },
    /// Wall clocks are set.
    Clock {
        /// Whose.
        who: Who,
        /// By how much.
        by: Shift,
    },
    /// Hosts are attached in another way.
    Link {
        /// Which.
        who: Who,
        /// How.
        link: LinkSpec,
    },
    /// Disks are full.
    Full {
        /// Whose.
        who: Who,
        /// For how long.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// Members renew their certificates now.
    Renew {
        /// Who.
        who: Who,
    },
    /// The authority applies a policy.
    Policy(PolicyChange),
    /// The authority has a new user.
    User {
        /// Which.
        user: UserName,
        /// What it does: roles that the policy has.
        #[serde(default)]
        roles: BTreeSet<UserRole>,
    },
    /// The authority gives a user a role, or takes it away.
    Role {
        /// Whom.
        user: UserName,
        /// Which.
        role: UserRole,
        /// Given or taken.
        given: bool,
    },
    /// Each opens a channel to some others, picked at random: all of which has to work.
    Reach {
        /// Who.
        who: Who,
        /// To how many.
        others: u32,
        /// Spread over how long.
        within: Span,
    },
}
