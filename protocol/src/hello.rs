//! How two members of a network authenticate each other on a connection.
//!
//! The one that dialled shows its certificate first; the one that listens shows its own only to a member. The
//! transport has proven both ids, so a certificate is good for the connection if its key is the proven one.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::certificate::{
    self, AuthenticatedPeer, CertificateDer, CertificateError, TrustAnchor, VerifiedCertificate,
};
use crate::identity::NodeId;
use crate::time::Timestamp;

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
    /// The first [`ADDRESSES_MAX`] of each kind.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.control.truncate(ADDRESSES_MAX);
        self.lane.truncate(ADDRESSES_MAX);
        self
    }
}

impl Hello {
    /// Believes the certificate on a connection whose other end has proven to be `connection`; `known` is what it has
    /// shown before.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn authenticate(
        &self,
        anchor: &TrustAnchor,
        known: Option<&VerifiedCertificate>,
        connection: NodeId,
        now: Timestamp,
    ) -> Result<AuthenticatedPeer, CertificateError> {
        certificate::verify_again(anchor, &self.certificate, known, now)?.prove(connection)
    }
}
