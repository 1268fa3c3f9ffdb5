//! What strangers, peers and local programs may use up, and why that much.

use core::num::NonZeroU32;
use core::time::Duration;

use serde::{Deserialize, Deserializer};

/// Every limit of a node's own. What the protocol itself limits stands in `lanyard-protocol`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Control connections.
    pub network: NetworkLimits,
    /// Lanes.
    pub lanes: LaneLimits,
    /// The control socket.
    pub local: LocalLimits,
    /// Conversations.
    pub chat: ChatLimits,
}

/// Limits on control connections.
///
/// An incoming connection takes a slot until its peer has proven a certificate; proving one gives it back. A
/// cap on the slots alone would let a few silent sockets keep everybody out, so each address has few of them,
/// and when all are taken it is the busiest address that gives way. A routed IPv6 /64 counts as one address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkLimits {
    /// How long a connection may take to be established, in seconds. 3: a hundred times what a slow machine
    /// on a local network needs.
    #[serde(rename = "handshake_seconds", deserialize_with = "seconds")]
    pub handshake: Duration,
    /// How long a request may wait for its answer, in seconds. 10: as long as a command waits.
    #[serde(rename = "request_seconds", deserialize_with = "seconds")]
    pub request: Duration,
    /// How long a connection without a request is kept, in seconds. 600: a handshake every ten minutes costs next to
    /// nothing. The one between a member and its authority is kept for good.
    #[serde(rename = "idle_seconds", deserialize_with = "seconds")]
    pub idle: Duration,
    /// How long after one ping the next follows, and how long it may take, in seconds. After two in vain the connection
    /// is over. 15: a cable that was pulled is noticed within a minute, and an idle connection costs a packet now and
    /// then.
    #[serde(rename = "ping_seconds", deserialize_with = "seconds")]
    pub ping: Duration,
    /// Slots of one address. 8: a person behind it who tries again and again.
    pub pending_per_address: NonZeroU32,
    /// Slots in all. 256.
    pub pending: NonZeroU32,
    /// Slots in all that are kept for addresses which have proven membership. 32; no more than half of all.
    pub pending_reserved: NonZeroU32,
    /// Handshakes that one address may start in a second, on average. 20: each costs about 100 µs.
    pub handshakes_per_second: NonZeroU32,
    /// Handshakes that one address may start at once. 8: as many as it has slots.
    pub handshake_burst: NonZeroU32,
    /// Connections of one peer. 4: one each way over both transports; the oldest gives way.
    pub connections_per_peer: NonZeroU32,
    /// Requests that one connection may have open at a time, those of this node and those of the peer together.
    /// 32: a peer has half of them, which is more than it asks at once. A connection has 16 streams more for
    /// what is no request, and each stream can make this node keep 256 KiB.
    pub requests_per_connection: NonZeroU32,
    /// Requests of one address a second, on average, of peers that have proven nothing. 20: a node that joins
    /// asks about four times, and the dearest answer costs a signature and two Diffie-Hellman exchanges.
    pub stranger_requests_per_second: NonZeroU32,
    /// Requests of one address at once, of peers that have proven nothing. 32: four of each of its slots.
    pub stranger_request_burst: NonZeroU32,
}

impl Default for NetworkLimits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(3),
            request: Duration::from_secs(10),
            idle: Duration::from_secs(600),
            ping: Duration::from_secs(15),
            pending_per_address: at_least_one(8),
            pending: at_least_one(256),
            pending_reserved: at_least_one(32),
            handshakes_per_second: at_least_one(20),
            handshake_burst: at_least_one(8),
            connections_per_peer: at_least_one(4),
            requests_per_connection: at_least_one(32),
            stranger_requests_per_second: at_least_one(20),
            stranger_request_burst: at_least_one(32),
        }
    }
}

/// Limits on lanes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LaneLimits {
    /// How long the channel's handshake may take, in seconds. 3.
    #[serde(rename = "handshake_seconds", deserialize_with = "seconds")]
    pub handshake: Duration,
    /// Lanes of one address that have not proven a ticket. 8. A routed IPv6 /64 counts as one address.
    pub pending_per_address: NonZeroU32,
    /// Lanes in all that have not proven a ticket. 256.
    pub pending: NonZeroU32,
    /// Channels that one ticket may have open. 1,024: a proxy with a busy browser behind it.
    pub per_ticket: NonZeroU32,
    /// Channels that one peer may have open. 4,096: four busy proxies.
    pub per_peer: NonZeroU32,
    /// Channels that peers may have open in all. 16,384: four peers that take all they can. Each is a descriptor, and
    /// up to 256 KiB; where there are fewer descriptors there are fewer channels, in all and for one peer.
    pub open: NonZeroU32,
}

impl Default for LaneLimits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(3),
            pending_per_address: at_least_one(8),
            pending: at_least_one(256),
            per_ticket: at_least_one(1024),
            per_peer: at_least_one(4096),
            open: at_least_one(16_384),
        }
    }
}

/// Limits on the control socket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalLimits {
    /// Connections at a time. 256.
    pub connections: NonZeroU32,
    /// Connections at a time of uids other than the node's. 32: they cannot keep the owner out.
    pub anonymous: NonZeroU32,
    /// How long a program may take to send a request's head, in seconds. 5.
    #[serde(rename = "head_seconds", deserialize_with = "seconds")]
    pub head: Duration,
    /// How long a request other than a stream of events may take, in seconds. 60: `join` waits 30 for an
    /// authority.
    #[serde(rename = "request_seconds", deserialize_with = "seconds")]
    pub request: Duration,
}

impl Default for LocalLimits {
    fn default() -> Self {
        Self {
            connections: at_least_one(256),
            anonymous: at_least_one(32),
            head: Duration::from_secs(5),
            request: Duration::from_secs(60),
        }
    }
}

/// Limits on what is kept of the messages that others write, in KiB. A message counts its text and 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChatLimits {
    /// Of one peer's. 16,384, which is 16 MiB: a thousand of the longest, or fifty thousand lines. At the limit its
    /// oldest give way.
    #[serde(rename = "kib_per_peer")]
    pub per_peer: NonZeroU32,
    /// Of all peers'. 262,144, which is 256 MiB: sixteen peers that write without end. At the limit the oldest of the
    /// peer that has most give way.
    #[serde(rename = "kib")]
    pub in_all: NonZeroU32,
}

impl Default for ChatLimits {
    fn default() -> Self {
        Self { per_peer: at_least_one(16 << 10), in_all: at_least_one(256 << 10) }
    }
}

const fn at_least_one(limit: u32) -> NonZeroU32 {
    match NonZeroU32::new(limit) {
        Some(limit) => limit,
        None => NonZeroU32::MIN,
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    NonZeroU32::deserialize(deserializer).map(|seconds| Duration::from_secs(seconds.get().into()))
}
