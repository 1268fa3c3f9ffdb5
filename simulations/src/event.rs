//! What can happen to a host, and in which order.

use core::fmt;
use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use lanyard_protocol::channel::ChannelReject;
use lanyard_protocol::control::{Command, ServiceRef};
use lanyard_protocol::engine::{DialId, Finished, PersistId, RequestId, WorkId};
use lanyard_protocol::identity::NodeId;
use lanyard_protocol::time::Timestamp;

use crate::moment::Moment;

/// A host, by its number in the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

impl HostId {
    /// The host's number, for tables that are indexed by it.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The host's address: 10.0.0.1 and on.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        let [_, b, c, d] = (self.0 + 1).to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(10, b, c, d))
    }

    /// Where its node takes control messages.
    #[must_use]
    pub fn control(self) -> SocketAddr {
        SocketAddr::new(self.ip(), 4610)
    }

    /// Where its node takes channels.
    #[must_use]
    pub fn lane(self) -> SocketAddr {
        SocketAddr::new(self.ip(), 4611)
    }

    /// The host that has the address.
    #[must_use]
    pub fn at(address: SocketAddr) -> Option<Self> {
        let IpAddr::V4(ip) = address.ip() else { return None };
        let [a, b, c, d] = ip.octets();
        if a != 10 {
            return None;
        }
        u32::from_be_bytes([0, b, c, d]).checked_sub(1).map(Self)
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {}", self.0)
    }
}

/// A connection, by who dialled it and the number that it gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    /// Who dialled.
    pub dialler: HostId,
    /// Counts up for each host, across its restarts.
    pub number: u64,
}

/// What one host sends to another.
#[derive(Debug)]
pub enum Packet {
    /// A node says on the local network that it is there. The one thing that may be lost for good.
    Announce {
        /// Who says so.
        node: NodeId,
        /// Where it is.
        addresses: Vec<SocketAddr>,
    },
    /// The beginning of a connection. The transport proves the node.
    Dial {
        /// The connection.
        link: LinkId,
        /// Who dials.
        node: NodeId,
        /// From where.
        from: SocketAddr,
    },
    /// The listener's side of it: the transport proves the node.
    Accept {
        /// The connection.
        link: LinkId,
        /// Who listens.
        node: NodeId,
    },
    /// Nobody listens there.
    Refuse {
        /// The connection.
        link: LinkId,
    },
    /// The dialler goes on with it.
    Establish {
        /// The connection.
        link: LinkId,
    },
    /// The connection has ended, or there is none such.
    Close {
        /// The connection.
        link: LinkId,
    },
    /// A request of an engine's.
    Request {
        /// The connection.
        link: LinkId,
        /// The sender's number for it.
        number: u64,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// The answer.
    Response {
        /// The connection.
        link: LinkId,
        /// The asker's number.
        number: u64,
        /// The frame, or silence.
        bytes: Option<Vec<u8>>,
    },
    /// The data plane: a ticket is shown at a lane.
    Present {
        /// The requester's number for the channel.
        channel: u64,
        /// The half of the ticket that is for the provider.
        ticket: Vec<u8>,
    },
    /// The data plane: the provider has taken the ticket, until it expires, or has not.
    Presented {
        /// The requester's number for the channel.
        channel: u64,
        /// When the ticket ends, or why it was not taken.
        verdict: Result<Timestamp, ChannelReject>,
    },
    /// The data plane: the channel has ended.
    End {
        /// Who opened it.
        requester: HostId,
        /// The requester's number for it.
        channel: u64,
    },
}

impl Packet {
    /// A name for the trace.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Announce { .. } => "announce",
            Self::Dial { .. } => "dial",
            Self::Accept { .. } => "accept",
            Self::Refuse { .. } => "refuse",
            Self::Establish { .. } => "establish",
            Self::Close { .. } => "close",
            Self::Request { .. } => "request",
            Self::Response { .. } => "response",
            Self::Present { .. } => "present",
            Self::Presented { .. } => "presented",
            Self::End { .. } => "end",
        }
    }

    /// What an engine or a data plane would read.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Request { bytes, .. } | Self::Response { bytes: Some(bytes), .. } => bytes,
            Self::Present { ticket, .. } => ticket,
            Self::Announce { .. }
            | Self::Dial { .. }
            | Self::Accept { .. }
            | Self::Refuse { .. }
            | Self::Establish { .. }
            | Self::Close { .. }
            | Self::Response { bytes: None, .. }
            | Self::Presented { .. }
            | Self::End { .. } => &[],
        }
    }

    /// Whether it may be handed over twice where the link duplicates. A transport sees to its own handshakes.
    pub(crate) const fn may_repeat(&self) -> bool {
        matches!(self, Self::Announce { .. } | Self::Request { .. } | Self::Present { .. })
    }

    pub(crate) fn copy(&self) -> Option<Self> {
        match self {
            Self::Announce { node, addresses } => {
                Some(Self::Announce { node: *node, addresses: addresses.clone() })
            }
            Self::Request { link, number, bytes } => {
                Some(Self::Request { link: *link, number: *number, bytes: bytes.clone() })
            }
            Self::Present { channel, ticket } => {
                Some(Self::Present { channel: *channel, ticket: ticket.clone() })
            }
            Self::Dial { .. }
            | Self::Accept { .. }
            | Self::Refuse { .. }
            | Self::Establish { .. }
            | Self::Close { .. }
            | Self::Response { .. }
            | Self::Presented { .. }
            | Self::End { .. } => None,
        }
    }
}

/// What a user of a host wants.
#[derive(Debug)]
pub enum Wish {
    /// A command.
    Command(Box<Command>),
    /// A channel to a service, for so long.
    Open(ServiceRef, Duration),
}

/// What a host's own kernel, disk, clock or user does.
#[derive(Debug)]
pub(crate) enum Local {
    /// The oldest batch that is not durable has become so, or has failed to.
    Synced(PersistId),
    /// A batch that the disk did not take.
    Unwritten(PersistId),
    /// A computation has ended.
    Worked(WorkId, FinishedWork),
    /// A request could not be sent.
    Unsent(RequestId),
    /// A dial has had its time.
    DialOver(DialId),
    /// The last connection with a node has gone.
    Gone(NodeId),
    /// Is a connection still used?
    Idle(LinkId),
    /// A channel has had its time, or its ticket has.
    Lapse { requester: HostId, channel: u64 },
    /// The user of a channel has done with it.
    Leave { channel: u64 },
    /// A ticket that was shown got no answer.
    Unpresented { channel: u64 },
    /// A user wants something.
    Order { order: u64, wish: Wish },
    /// The user looks at the clock, or anybody does.
    Look,
}

/// A [`Finished`] that can be printed.
pub(crate) struct FinishedWork(pub(crate) Finished);

impl fmt::Debug for FinishedWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Finished(..)")
    }
}

/// One thing that happens at a host.
#[derive(Debug)]
pub(crate) enum Event {
    /// Something arrived.
    Arrived(HostId, Packet),
    /// Something of the host's own, in its life with this number.
    Local(u32, Local),
}

/// An event with its place in the order of all: by time, then by who caused it, then by that one's count.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) at: Moment,
    pub(crate) source: HostId,
    pub(crate) number: u64,
    pub(crate) event: Event,
}

impl Entry {
    const fn key(&self) -> (Moment, HostId, u64) {
        (self.at, self.source, self.number)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_by_its_address_and_a_foreign_address_by_nobody() {
        for number in [0, 1, 255, 256, 70_000] {
            assert_eq!(HostId::at(HostId(number).control()), Some(HostId(number)));
        }
        assert_eq!(HostId::at("192.0.2.1:4610".parse().unwrap()), None);
        assert_eq!(HostId::at("10.0.0.0:4610".parse().unwrap()), None);
    }
}
