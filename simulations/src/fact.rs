//! What a run can be judged by: what hosts did, as nobody of them knows it.

use core::time::Duration;

use lanyard_protocol::certificate::Role;
use lanyard_protocol::control::{Answer, Failure};
use lanyard_protocol::identity::{NodeId, NodeName};
use lanyard_protocol::snapshot::Snapshot;
use lanyard_protocol::ticket::TicketId;
use lanyard_protocol::time::Timestamp;

use crate::event::HostId;
use crate::moment::Moment;

/// A fact, with where and when it became one.
#[derive(Debug)]
pub struct Observed {
    /// When.
    pub at: Moment,
    /// At which host.
    pub host: HostId,
    /// What that host took for the time.
    pub now: Timestamp,
    /// What.
    pub fact: Fact,
}

/// Something that a host did or became.
#[derive(Debug)]
pub enum Fact {
    /// It runs, as this node.
    Started {
        /// The node.
        node: NodeId,
        /// What its store held of a certificate.
        member: bool,
        /// How far its list of revocations has come.
        epoch: u64,
        /// The version of the policy that its store held; 0 if none.
        policy: u64,
    },
    /// It does not run any more.
    Stopped,
    /// It is a member by a certificate that it did not have before.
    Certified(Certified),
    /// Its list of revocations has come this far.
    Epoch(u64),
    /// It has said to another how far its list has come, and that this is durable.
    Confirmed(u64),
    /// It goes by this policy from now on.
    Policy {
        /// The version.
        version: u64,
        /// The BLAKE3 hash of the text.
        text: [u8; 32],
    },
    /// It has told another a part of a policy.
    PolicyTold {
        /// On which host that one is.
        to: HostId,
        /// Of which version.
        version: u64,
        /// Which part.
        part: u8,
        /// In how many bytes, with headers.
        bytes: u64,
    },
    /// It has answered somebody who told it a part of a policy.
    PolicyTaken {
        /// In how many bytes, with headers.
        bytes: u64,
    },
    /// It has answered a question that only members may ask.
    Heard {
        /// Whose question.
        peer: NodeId,
        /// What was answered.
        what: &'static str,
    },
    /// A user's command has ended.
    Answered {
        /// Which.
        order: u64,
        /// How.
        result: Result<Box<Answer>, Failure>,
        /// After how long.
        took: Duration,
    },
    /// A user's wish for a channel has ended.
    Opened {
        /// Which.
        order: u64,
        /// The ticket, or why there is none.
        result: Result<TicketId, Failure>,
        /// After how long.
        took: Duration,
    },
    /// As a provider, it has taken a ticket and begun a channel.
    Channel {
        /// For whom.
        requester: NodeId,
        /// On which host that is.
        from: HostId,
        /// The requester's number for it.
        channel: u64,
        /// When the ticket ends.
        expires: Timestamp,
    },
    /// As a provider, it has ended a channel.
    ChannelEnded {
        /// On which host the requester is.
        from: HostId,
        /// The requester's number for it.
        channel: u64,
    },
    /// Its engine has broken the contract.
    Broken(String),
    /// An adversary has got what it must not get.
    Breached(String),
}

/// A certificate that a host has installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: NodeName,
    /// The network's pin, in short.
    pub network: [u8; 32],
    /// When the authority issued it.
    pub issued: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// Whether it is an authority's.
    pub authority: bool,
}

impl Certified {
    /// The certificate of a node, if it is a member of a network.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Option<Self> {
        let (certificate, anchor) = (snapshot.certificate()?, snapshot.anchor()?);
        Some(Self {
            node: certificate.node_id(),
            name: certificate.name().clone(),
            network: anchor.fingerprint().0.0,
            issued: certificate.issued(),
            not_after: certificate.not_after(),
            authority: certificate.role() == Role::Authority,
        })
    }
}
