//! What comes out of the engine.

use core::net::SocketAddr;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::audit::Entry;
use crate::control::{Answer, Failure};
use crate::identity::{NodeId, NodeName};
use crate::record::Write;
use crate::snapshot::Snapshot;
use crate::ticket::HeldTicket;
use crate::time::Timestamp;

pub(super) mod ids {
    /// Numbers that never come twice from one engine.
    #[derive(Default)]
    pub(crate) struct Counter(u64);

    impl Counter {
        pub(crate) fn next(&mut self) -> u64 {
            self.0 += 1;
            self.0
        }
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);
    };
}

id!(
    /// A request that the engine sent, until it is answered or has failed. Given by the engine.
    RequestId
);
id!(
    /// A request that came in, until it is answered. Given by the caller.
    InboundId
);
id!(
    /// A wish to connect. Given by the engine.
    DialId
);
id!(
    /// Writes on their way to the store. Given by the engine.
    PersistId
);
id!(
    /// A computation on its way. Given by the engine.
    WorkId
);
id!(
    /// A command of a local user, until it is answered. Given by the caller.
    CommandId
);

/// One thing to do, in the order in which they come out.
#[must_use]
#[derive(Debug)]
pub enum Output {
    /// Send `message` as a request to a connected peer; then call `handle_response` or `handle_request_failed`.
    Request {
        /// The id to answer with.
        id: RequestId,
        /// The connected peer.
        to: NodeId,
        /// The bytes: at most [`FRAME_MAX`](crate::message::FRAME_MAX) and one.
        message: Vec<u8>,
    },
    /// Send `message` as the answer to a request.
    Respond {
        /// The request that is answered.
        to: InboundId,
        /// The bytes: at most [`FRAME_MAX`](crate::message::FRAME_MAX) and one.
        message: Vec<u8>,
    },
    /// Close a request without an answer: silence is all that its sender gets.
    Ignore {
        /// The request.
        to: InboundId,
    },
    /// Connect to the first of `addresses` that answers as `peer`; then call `handle_connected` with the id, or
    /// `handle_dial_failed`.
    Connect {
        /// The id to answer with.
        id: DialId,
        /// Who has to be there; without it, whoever is.
        peer: Option<NodeId>,
        /// Where, best first.
        addresses: Vec<SocketAddr>,
    },
    /// Make `writes` durable, all or none; then call `handle_persisted`.
    Persist {
        /// The id to answer with.
        id: PersistId,
        /// The writes.
        writes: Vec<Write>,
    },
    /// Do something slow elsewhere; then call `handle_work`.
    Work {
        /// The id to answer with.
        id: WorkId,
        /// What to do.
        work: Work,
    },
    /// The end of a local command.
    Answer {
        /// The command.
        to: CommandId,
        /// Its result.
        result: Result<Answer, Failure>,
    },
    /// The end of a wish to open a channel.
    Channel {
        /// The command.
        to: CommandId,
        /// The ticket and where to present it.
        result: Result<Box<ChannelGrant>, Failure>,
    },
    /// From now on the data plane validates by this snapshot.
    Snapshot(Arc<Snapshot>),
    /// The peer has just been authenticated: what waits for it may go on.
    Certified {
        /// The peer.
        peer: NodeId,
        /// When its certificate has ended, for good: with the skew that clocks are allowed.
        until: Timestamp,
        /// Whether its connection stays though nobody asks anything: a member's with its authority does, so that news
        /// reach it at once.
        keep: bool,
    },
    /// The peer's membership was taken away, or this node's own: close every connection with it. Its channels end
    /// by the snapshot that came before.
    Disconnect {
        /// The peer.
        peer: NodeId,
    },
    /// It is at least this late, as somebody has signed who must know: [`Mark::raise`](crate::time::Mark::raise) the
    /// mark by which the node, control and data plane, is told the time.
    SignedTime(Timestamp),
    /// This was decided: have it written into the audit log, durably no later than the writes that come out behind it.
    Audit(Box<Entry>),
}

/// Something too slow for the engine's loop.
#[derive(Debug)]
pub enum Work {
    /// Stretch a short secret with Argon2id ([`stretch`](crate::enrolment::stretch)).
    Stretch {
        /// The secret.
        secret: Zeroizing<Vec<u8>>,
        /// The salt: 32 bytes.
        salt: [u8; 32],
    },
}

/// What the data plane needs to open a channel.
#[derive(Debug)]
pub struct ChannelGrant {
    /// The ticket.
    pub ticket: Arc<HeldTicket>,
    /// The provider's name.
    pub provider: NodeName,
    /// The provider's lane, best address first.
    pub lanes: Vec<SocketAddr>,
}
