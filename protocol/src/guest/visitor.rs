//! The guest's side.

use core::net::SocketAddr;

use rand_core::CryptoRng;

use super::message::transcript;
use super::{GuestOffer, GuestProof, GuestRequest};
use crate::certificate::{self, CertificateError, TrustAnchor, VerifiedCertificate};
use crate::control::{PeerRef, ServiceRef};
use crate::enrolment::Exchange;
use crate::hello::ADDRESSES_MAX;
use crate::identity::{NodeId, NodeKeys, NodeName, Secret};
use crate::label::Digest;
use crate::time::Timestamp;

/// Why a guest does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VisitError {
    /// The other side knows another password, or none.
    #[error("the password is wrong, or guests may not use it")]
    Password,
    /// The other side knows the password, and its certificate does not hold.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The other side knows the password, and is somebody else.
    #[error("it is called {0}")]
    Other(NodeName),
}

/// A guest that has sent its share to `provider` and waits for the other one.
pub(crate) struct Knocking {
    exchange: Exchange,
    request: GuestRequest,
    provider: NodeId,
}

impl Knocking {
    /// Begins an exchange with the node `provider`, for whose service the password was stretched.
    pub(crate) fn new(
        stretched: &Secret,
        wanted: &ServiceRef,
        provider: NodeId,
        keys: &NodeKeys,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let exchange = Exchange::candidate(stretched, keys.node_id(), provider, rng);
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let request = GuestRequest {
            provider: wanted.peer.clone(),
            service: wanted.service.clone(),
            nonce,
            identity: keys.node_id(),
            sealing: keys.sealing.public_key(),
            share: exchange.share().clone(),
        };
        Self { exchange, request, provider }
    }

    /// What to send.
    pub(crate) const fn request(&self) -> &GuestRequest {
        &self.request
    }

    /// Believes the provider, if it knows the password and its certificate is of the connection's key and of the name
    /// that is meant. What the certificate says is believed because the confirmation covers it.
    ///
    /// # Errors
    /// [`VisitError`]. Nothing is to be sent then: the proof is for who is believed.
    pub(crate) fn believe(
        self,
        offer: GuestOffer,
        now: Timestamp,
    ) -> Result<(Welcomed, GuestProof), VisitError> {
        let Self { exchange, request, provider } = self;
        let GuestOffer { leaf, ca, mut lane, share, confirmation } = offer;
        let transcript = transcript(&request, (&leaf, &ca), &lane, &share);
        let shared = exchange.finish(&share).ok_or(VisitError::Password)?;
        let confirmations = shared.confirmations(&transcript);
        if !confirmations.authority.fits(&confirmation) {
            return Err(VisitError::Password);
        }
        let anchor = TrustAnchor::of_stranger(ca)?;
        let certificate = certificate::verify(&anchor, &leaf, now)?.prove(provider)?.certificate().clone();
        if !is_meant(&request.provider, &certificate) {
            return Err(VisitError::Other(certificate.name().clone()));
        }
        lane.truncate(ADDRESSES_MAX);
        let (nonce, exchange) = (request.nonce, *transcript.digest());
        let proof = GuestProof { confirmation: confirmations.candidate.to_bytes() };
        Ok((Welcomed { provider: certificate, lane, nonce, exchange }, proof))
    }
}

/// Whether a name, or a whole id, is that of the node with this certificate.
fn is_meant(wanted: &PeerRef, certificate: &VerifiedCertificate) -> bool {
    wanted.as_str() == certificate.name().as_str() || wanted.as_str() == certificate.node_id().to_string()
}

/// A guest that believes the provider and waits for its ticket.
pub(crate) struct Welcomed {
    pub(crate) provider: VerifiedCertificate,
    pub(crate) lane: Vec<SocketAddr>,
    /// What the grant has to answer: the nonce of its request, and the hash of the exchange.
    pub(crate) nonce: [u8; 32],
    pub(crate) exchange: Digest,
}
