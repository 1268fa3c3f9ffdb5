//! How errands fail, in words.

use crate::control::{Code, Failure};
use crate::reject::Reject;

/// The failure of a look-up.
pub(in crate::engine) fn unknown(name: &str, reject: Reject) -> Failure {
    if reject != Reject::Unknown {
        return reject.failure();
    }
    Failure::new(
        Code::NotFound,
        format!("there is no peer {name} in this network"),
        "see who is there: `lanyard peers`",
    )
}

/// The failure of turning to somebody who does not answer.
pub(super) fn unreachable(whom: &str) -> Failure {
    Failure::new(
        Code::Unreachable,
        format!("{whom} cannot be reached"),
        "see whether it is up and on this network: `lanyard status` there, `lanyard peers` here",
    )
}

/// The failure of a search for a certificate: whatever is known of the peer, there is none that can be used.
pub(super) fn no_certificate(whom: &str) -> Failure {
    Failure::new(
        Code::NotFound,
        format!("no certificate of {whom} is known here that holds now"),
        format!(
            "when {whom} or the authority is in reach, `lanyard ping {whom}` gets it, and this node keeps it"
        ),
    )
}

/// The failure of a greeting.
pub(super) fn strangers(whom: &str) -> Failure {
    Failure::new(
        Code::Denied,
        format!("{whom} and this node do not take each other for members of one network"),
        "compare network, state and clock of both: `lanyard status` on each",
    )
}

/// The failure of asking for oneself.
pub(in crate::engine) fn this_node() -> Failure {
    Failure::new(Code::Usage, "that is this node itself", "name another node: `lanyard peers` lists them")
}

/// The authority has not answered what somebody wanted changed.
pub(super) fn perhaps_done() -> Failure {
    Failure::new(
        Code::Unreachable,
        "the authority did not answer, and may or may not have done it",
        "see how it is before you ask again: `lanyard user list`, `lanyard policy show`",
    )
}
