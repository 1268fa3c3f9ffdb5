//! The grammar of `policy`.

use std::path::PathBuf;

use clap::Subcommand;
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
