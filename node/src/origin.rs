//! Who counts as one, where it is counted how much a stranger takes.
//!
//! From afar, an IPv6 host is its /64: it may have every address in it. On the local network that would be
//! everybody, and one host could keep all others out: there, each address counts for itself.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

use lanyard_protocol::identity::NodeId;

/// What shares one fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// One host, as far as anyone can tell.
    Address(IpAddr),
    /// The /64 that one host may take all addresses of, and that several may share.
    Network(Ipv6Addr),
    /// A member, on connections on which it has proven that it is one.
    Member(NodeId),
}

impl Origin {
    /// The origin of what comes from `address`. `is_attached` says whether no router has passed it on.
    pub(crate) fn of(address: IpAddr, is_attached: impl FnOnce(IpAddr) -> bool) -> Self {
        match address.to_canonical() {
            IpAddr::V6(routed) if !is_attached(routed.into()) => {
                Self::Network(Ipv6Addr::from_bits(routed.to_bits() & !u128::from(u64::MAX)))
            }
            address @ (IpAddr::V4(_) | IpAddr::V6(_)) => Self::Address(address),
        }
    }
}

/// The address, or the network as in `2001:db8::/64`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Network(network) => write!(f, "{network}/64"),
            Self::Member(node) => write!(f, "member {}", node.short()),
        }
    }
}
