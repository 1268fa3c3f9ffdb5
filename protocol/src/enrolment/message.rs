//! What candidate and authority say to each other.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::invitation::InviteSecret;
use crate::certificate::CertificateDer;
use crate::codec;
use crate::control::Admission;
use crate::identity::{Fingerprint, NetworkName, NodeId, SealingPublicKey, Signature};
use crate::label::{Digest, Label};
use crate::seal::Sealed;
use crate::time::Timestamp;

/// The bytes of a SPAKE2 share: a side byte and a compressed point.
pub const SHARE_LEN: usize = 33;

/// A SPAKE2 share, of exactly [`SHARE_LEN`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub(super) side: u8,
    pub(super) point: [u8; 32],
}

impl Share {
    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let (side, point) = bytes.split_first()?;
        Some(Self { side: *side, point: point.try_into().ok()? })
    }

    pub(super) fn to_bytes(&self) -> [u8; SHARE_LEN] {
        let mut bytes = [self.side; SHARE_LEN];
        bytes[1..].copy_from_slice(&self.point);
        bytes
    }
}

/// What every member tells anyone who asks: which network this is and where its authority is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoIsAnswer {
    /// The network's name.
    pub network: NetworkName,
    /// The pin of its CA key. Hearsay, until it is compared with something better.
    pub root: Fingerprint,
    /// The authority's node.
    pub authority: NodeId,
    /// Where the authority listens: at most four addresses, so that the answer stays under 512 bytes.
    pub addresses: Vec<SocketAddr>,
}

/// By what a candidate hopes to be admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credential {
    /// By being on the local network.
    Open,
    /// By an invite's secret, which comes sealed.
    Invite,
    /// By an invite's code, of which only this is ever sent.
    Code {
        /// The code's public number, which selects the invite.
        nameplate: u32,
        /// The candidate's SPAKE2 share.
        share: Share,
    },
    /// By having been enrolled before.
    Renewal,
}

/// Asks an authority for the key to seal a certificate request to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRequest {
    /// The network that the candidate means.
    pub network: NetworkName,
    /// By what it hopes to be admitted.
    pub credential: Credential,
    /// Fresh randomness, so that no old answer fits.
    pub nonce: [u8; 32],
    /// The candidate's node: the one that the transport proved.
    pub identity: NodeId,
    /// The candidate's sealing key.
    pub sealing: SealingPublicKey,
}

impl KeyRequest {
    /// What later messages refer to this one by.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Label::MessageHash.hash(&[b"key-request", &codec::encode(self)])
    }
}

/// The authority's half of a SPAKE2 exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PakeAnswer {
    /// The authority's share.
    pub share: Share,
    /// The authority's proof that it knows the code, over everything said so far.
    pub confirmation: [u8; 32],
}

/// The authority's answer to a [`KeyRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityKey {
    /// The certificate of the answering node, with the authority role. Its sealing key is the one to seal to.
    pub leaf: CertificateDer,
    /// The network's CA certificate.
    pub ca: CertificateDer,
    /// How strangers get in.
    pub admission: Admission,
    /// To be returned with the certificate request: all that the authority would have to remember.
    pub token: Vec<u8>,
    /// The authority's half of the exchange, if a code was offered.
    pub pake: Option<PakeAnswer>,
    /// The time at the authority.
    pub now: Timestamp,
    /// By the answering node's identity key, over every field of the answer and the request.
    pub signature: Signature,
}

/// What an [`AuthorityKey`]'s signature covers: the request and every field of the answer.
#[derive(Serialize)]
pub(crate) struct SignedAuthorityKey<'a> {
    pub(super) request: Digest,
    pub(super) leaf: Digest,
    pub(super) ca: Digest,
    pub(super) admission: Admission,
    pub(super) token: &'a [u8],
    pub(super) pake: &'a Option<PakeAnswer>,
    pub(super) now: Timestamp,
}

impl AuthorityKey {
    pub(crate) fn signed(&self, request: Digest) -> SignedAuthorityKey<'_> {
        SignedAuthorityKey {
            request,
            leaf: self.leaf.digest(),
            ca: self.ca.digest(),
            admission: self.admission,
            token: &self.token,
            pake: &self.pake,
            now: self.now,
        }
    }
}

/// A certificate request, sealed to the authority's key and authenticated by the candidate's sealing key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// The token of the [`AuthorityKey`].
    pub token: Vec<u8>,
    /// A `Proposal`, in HPKE's auth mode.
    pub sealed: Sealed,
}

/// What an [`EnrolRequest`] seals.
#[derive(Serialize, Deserialize)]
pub(super) struct Proposal {
    /// The certificate request (PKCS#10, RFC 2986).
    pub(super) request: Vec<u8>,
    /// Why the candidate should be admitted.
    pub(super) proof: Proof,
}

/// Why a candidate should be admitted.
#[derive(Serialize, Deserialize)]
pub(super) enum Proof {
    /// It is on the local network.
    Open,
    /// It knows an invite's secret.
    Invite(InviteSecret),
    /// It knows the code: the candidate's confirmation.
    Code([u8; 32]),
    /// It was enrolled before, under the same keys.
    Renewal,
}

/// The answer to an [`EnrolRequest`]: an `Admitted` under the key that the request's context exports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolAnswer {
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
}

/// What an [`EnrolAnswer`] seals.
#[derive(Serialize, Deserialize)]
pub(super) struct Admitted {
    pub(super) leaf: CertificateDer,
    pub(super) policy_epoch: u64,
    pub(super) revocation_epoch: u64,
}

/// The HPKE info of a sealed certificate request.
pub(super) fn request_info(network: &NetworkName, authority: NodeId, token: &[u8]) -> Vec<u8> {
    Label::CertificateRequest.join(&[network.as_str().as_bytes(), authority.as_bytes(), token])
}

/// The most bytes of a sealed certificate request once it is open.
pub(super) const PROPOSAL_MAX: usize = 2048;

/// The most bytes of a sealed answer once it is open.
pub(super) const ADMITTED_MAX: usize = 4096;
