//! What a guest and a provider say to each other before there is a ticket.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::certificate::CertificateDer;
use crate::codec;
use crate::control::PeerRef;
use crate::enrolment::{About, Share, Transcript};
use crate::identity::{NodeId, SealingPublicKey, ServiceName};

/// Asks whether a node has this name, or this id, and takes guests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestSearch {
    /// A node's name, or its whole id.
    pub provider: PeerRef,
}

/// A guest's half of an exchange over a service's password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestRequest {
    /// Whom the guest means: a node's name, or its whole id.
    pub provider: PeerRef,
    /// Which service.
    pub service: ServiceName,
    /// Fresh randomness, so that no old answer fits.
    pub nonce: [u8; 32],
    /// The guest's node: the one that the transport proved.
    pub identity: NodeId,
    /// The guest's sealing key, to which its ticket is sealed and with which it opens channels.
    pub sealing: SealingPublicKey,
    /// The guest's SPAKE2 share.
    pub share: Share,
}

/// The provider's half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestOffer {
    /// The provider's certificate.
    pub leaf: CertificateDer,
    /// Its network's CA certificate, which the guest has nothing to compare with.
    pub ca: CertificateDer,
    /// Where the provider takes channels: at most eight addresses are read.
    pub lane: Vec<SocketAddr>,
    /// The provider's SPAKE2 share.
    pub share: Share,
    /// The provider's proof that it knows the password, over everything said so far.
    pub confirmation: [u8; 32],
}

/// The guest's proof that it knows the password, over the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestProof {
    /// The confirmation.
    pub confirmation: [u8; 32],
}

/// Everything said up to the provider's share.
pub(super) fn transcript(
    request: &GuestRequest,
    (leaf, ca): (&CertificateDer, &CertificateDer),
    lane: &[SocketAddr],
    share: &Share,
) -> Transcript {
    Transcript::new(
        About::Guest,
        &[
            &codec::encode(request),
            leaf.as_bytes(),
            ca.as_bytes(),
            &codec::encode(&lane.to_vec()),
            &codec::encode(share),
        ],
    )
}
