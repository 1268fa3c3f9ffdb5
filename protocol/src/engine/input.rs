//! What comes into the engine besides commands and messages.

use core::net::SocketAddr;
use core::time::Duration;

use super::DialId;
pub use crate::access::OnlineCheck;
use crate::certificate::Verified;
use crate::control::MachineId;
use crate::identity::Secret;
use crate::record::{Record, Table};

/// What an engine is started with.
#[derive(Default)]
pub struct Setup {
    /// Every record that the engine once asked to persist, as the store returned them.
    pub records: Vec<Record>,
    /// The records that the store found damaged.
    pub damaged: Vec<Damaged>,
    /// How far the node asks the authority whether a certificate is still good before it mints.
    pub online_check: OnlineCheck,
    /// Addresses at which to look for members, beside those that are discovered.
    pub contacts: Vec<SocketAddr>,
    /// How long the certificates live that this node issues as an authority: a minute to 90 days, 72 hours if
    /// nothing is said.
    pub leaf_life: Option<Duration>,
    /// Whether this processor has AES instructions.
    pub has_aes: bool,
    /// What the steady clock says now: see [`Engine::handle_clock`](super::Engine::handle_clock).
    pub steady: Duration,
    /// Certificates that need not be verified again; engines of one process may share them.
    pub verified: Verified,
    /// What tells this machine from every other.
    pub machine: MachineId,
    /// Whether whoever runs the node has to log in before anything leaves it on their behalf. If nothing is said, as it
    /// was said when the network was made.
    pub require_log_in: Option<bool>,
}

/// A record that was written and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The table.
    pub table: Table,
    /// The key, as text.
    pub key: String,
}

/// A transport connection, whose other end has proven that it holds the key of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The other end's address.
    pub remote: SocketAddr,
    /// Whether the address is on a network that this host is directly attached to.
    pub attached: bool,
    /// Which of the engine's wishes made this node dial, if it did.
    pub dialled: Option<DialId>,
}

/// The result of a [`Work`](super::Work).
pub enum Finished {
    /// A short secret, stretched.
    Stretched(Secret),
}
