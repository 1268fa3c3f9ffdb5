//! What candidate and authority say to each other.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::invitation::InviteSecret;
use crate::certificate::CertificateDer;
use crate::codec;
use crate::control::{Admission, Guid, Modes};
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
pub enum Offer {
    /// By having been enrolled before.
    Renewal,
    /// By what it has been given. Being near, being a known machine and waiting for a person can be offered by all.
    Stranger(Credentials),
}

/// What a candidate has been given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// An invite.
    pub invite: Option<InviteOffer>,
    /// The network's password, of which only this SPAKE2 share is ever sent.
    pub password: Option<Share>,
    /// Whether it asks to take the place of the node that has its name.
    pub replace: bool,
    /// Binds the candidate to the nonce, keys and certificate request that it will show, before it knows the
    /// authority's nonce.
    pub commitment: Digest,
}

/// An invite, as far as it is shown before the authority is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InviteOffer {
    /// The secret of its URI, which comes sealed.
    Secret,
    /// Its code, of which only this is ever sent.
    Code {
        /// The code's public number, which selects the invite.
        nameplate: u32,
        /// The candidate's SPAKE2 share.
        share: Share,
    },
}

/// By what the authority will admit the candidate, if it proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// By its record.
    Renewal,
    /// By this alternative of the rule.
    By(Modes),
    /// It waits for a person already.
    Waiting,
}

/// Asks an authority for the key to seal a certificate request to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRequest {
    /// The network that the candidate means.
    pub network: NetworkName,
    /// By what it hopes to be admitted.
    pub offer: Offer,
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
    /// The authority's proof that it knows the secret, over everything said so far.
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
    /// The alternative that the candidate is to prove.
    pub way: Way,
    /// To be returned with the certificate request: all that the authority would have to remember.
    pub token: Vec<u8>,
    /// Its part of the words that people compare, if any will.
    pub nonce: Option<[u8; 32]>,
    /// The authority's half of the exchange, if a code was offered.
    pub code: Option<PakeAnswer>,
    /// The authority's half of the exchange, if the password is asked for.
    pub password: Option<PakeAnswer>,
    /// The time at the authority.
    pub now: Timestamp,
    /// By the answering node's identity key, over every field of the answer and the request.
    pub signature: Signature,
}

/// What an [`AuthorityKey`]'s signature covers: the request and every field of the answer.
#[derive(Serialize)]
pub(super) struct SignedAuthorityKey<'a> {
    pub(super) request: Digest,
    pub(super) leaf: Digest,
    pub(super) ca: Digest,
    pub(super) admission: Admission,
    pub(super) way: Way,
    pub(super) token: &'a [u8],
    pub(super) nonce: &'a Option<[u8; 32]>,
    pub(super) code: &'a Option<PakeAnswer>,
    pub(super) password: &'a Option<PakeAnswer>,
    pub(super) now: Timestamp,
}

impl AuthorityKey {
    pub(super) fn signed(&self, request: Digest) -> SignedAuthorityKey<'_> {
        SignedAuthorityKey {
            request,
            leaf: self.leaf.digest(),
            ca: self.ca.digest(),
            admission: self.admission,
            way: self.way,
            token: &self.token,
            nonce: &self.nonce,
            code: &self.code,
            password: &self.password,
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
    /// It was enrolled before, under the same keys.
    Renewal,
    /// It has what the authority asked for, and shows nothing else.
    Stranger(Proofs),
}

/// What a candidate shows to an authority that it believes.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Proofs {
    pub(super) invite: Option<InviteProof>,
    /// The candidate's confirmation that it knows the password.
    pub(super) password: Option<[u8; 32]>,
    /// The machine that it runs on.
    pub(super) guid: Option<Guid>,
    /// What it has committed to.
    pub(super) opening: Option<Opening>,
}

/// The proof of an invite.
#[derive(Serialize, Deserialize)]
pub(super) enum InviteProof {
    /// The secret of the URI.
    Secret(InviteSecret),
    /// The candidate's confirmation that it knows the code.
    Code([u8; 32]),
}

/// What a candidate has committed to.
#[derive(Serialize, Deserialize)]
pub(super) struct Opening {
    /// Its part of the words.
    pub(super) nonce: [u8; 32],
    /// Whether its person has found the same words on both screens.
    pub(super) confirmed: bool,
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
