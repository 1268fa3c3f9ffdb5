//! The grammar of `policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lanyard_protocol::access::Pattern;
use lanyard_protocol::control::ServiceRef;

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Print it, with its comments
    Show,
    /// Run the tests in a file, then make it the policy everywhere; on the authority
    Apply {
        /// The policy
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Let somebody use a service: one grant more, which is shown before it holds; on the authority
    Allow(PolicyEdit),
    /// Take away what lets somebody use a service, and nothing else; on the authority
    Forbid(PolicyEdit),
    /// Change it in $VISUAL or $EDITOR, then make it the policy everywhere; on the authority
    Edit {
        /// Apply it without asking
        #[arg(long)]
        yes: bool,
    },
    /// Run the tests that stand in the policy, or in a file
    Test {
        /// A policy that is not applied yet; needs no running node
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Show what a file would change
    Diff {
        /// The policy to compare with the present one
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Say whether somebody may use a service, and by which grant, or what they lack
    Explain {
        /// node:till, ana@till, role:cashier+entity:shop, guest
        #[arg(value_name = "WHO")]
        who: String,
        /// NAME@PEER
        #[arg(value_name = "SERVICE")]
        service: ServiceRef,
    },
}

/// One edit.
#[derive(Args, Debug)]
pub(crate) struct PolicyEdit {
    /// user:ana, role:cashier, node:till, entity:shop, account:a1, guest, ana@till, or a name that only one of them has
    #[arg(value_name = "WHO")]
    pub(crate) who: String,
    /// NAME@PEER, or NAME@* at every provider
    #[arg(value_name = "SERVICE")]
    pub(crate) service: Pattern,
    /// Apply it without asking
    #[arg(long)]
    pub(crate) yes: bool,
}
