//! How two members of a network authenticate each other on a connection.
//!
//! The one that dialled shows its certificate first; the one that listens shows its own only to a member. The
//! transport has proven both ids, so a certificate is good for the connection if its key is the proven one.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::certificate::CertificateDer;

/// The most addresses that a node tells of itself: a few interfaces in both address families.
pub const ADDRESSES_MAX: usize = 8;

/// A certificate, and where its node listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The certificate.
    pub certificate: CertificateDer,
    /// Where the node can be reached.
    pub addresses: Addresses,
    /// How far the node's list of revocations has come.
    pub revocations: u64,
    /// The version of the policy that the node goes by.
    pub policy: u64,
}

/// Where a node can be reached: hearsay that costs at most a connection to somebody who cannot prove the id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// For control messages.
    pub control: Vec<SocketAddr>,
    /// For channels.
    pub lane: Vec<SocketAddr>,
}

impl Addresses {
    /// The first [`ADDRESSES_MAX`] of each kind, in no more memory than they take: a frame has room for thousands.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for addresses in [&mut self.control, &mut self.lane] {
            addresses.truncate(ADDRESSES_MAX);
            addresses.shrink_to_fit();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D9: what a member says of itself in a whole frame takes no more memory here than a few addresses.
    #[test]
    fn keeps_a_few_addresses_and_no_room_for_more() {
        let many: Vec<SocketAddr> =
            (1..=2_000).map(|port| SocketAddr::from(([10, 77, 0, 1], port))).collect();
        let kept = Addresses { control: many.clone(), lane: many.clone() }.bounded();
        for addresses in [&kept.control, &kept.lane] {
            assert_eq!(addresses[..], many[..ADDRESSES_MAX]);
            assert!(addresses.capacity() < 4 * ADDRESSES_MAX, "{}", addresses.capacity());
        }
    }
}
