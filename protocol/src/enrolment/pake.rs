//! Proof, by both sides, that they know the same code, from which a listener or an impostor learns nothing.
//!
//! The exchange is SPAKE2 as the `spake2` crate does it: an asymmetric pair of roles on the Ed25519 group. It
//! binds only the two identities and confirms nothing, so both are done here: a transcript over everything said
//! so far, and a confirmation of it by each side.

use argon2::{Algorithm, Argon2, Params, Version};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand_core::CryptoRng;
use sha2::Sha256;
use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::Zeroizing;

use super::message::{KeyRequest, Share};
use crate::certificate::CertificateDer;
use crate::codec;
use crate::control::Admission;
use crate::identity::{NodeId, Secret};
use crate::label::{Digest, Label};

/// Stretches a short secret: Argon2id, 64 MiB, three passes, four lanes (the second choice of RFC 9106, section 4).
///
/// About a tenth of a second and 64 MiB: to be done off the loop.
#[must_use]
#[expect(clippy::expect_used, reason = "the parameters and lengths are constants within RFC 9106's bounds")]
pub fn stretch(secret: &[u8], salt: &[u8; 32]) -> Secret {
    let params = Params::new(64 * 1024, 3, 4, Some(32)).expect("RFC 9106 recommends these");
    let mut stretched = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(secret, salt, stretched.as_mut_slice())
        .expect("32 bytes of output and of salt are within bounds");
    Secret::new(stretched)
}

/// One side of an exchange whose other share has not come yet.
pub(super) struct Exchange {
    state: Spake2<Ed25519Group>,
    share: Share,
}

impl Exchange {
    /// The candidate's side.
    pub(super) fn candidate(
        code: &Secret,
        candidate: NodeId,
        authority: NodeId,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let (password, a, b) = roles(code, candidate, authority);
        Self::new(Spake2::start_a_with_rng(&password, &a, &b, rng))
    }

    /// The authority's side.
    pub(super) fn authority(
        code: &Secret,
        candidate: NodeId,
        authority: NodeId,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let (password, a, b) = roles(code, candidate, authority);
        Self::new(Spake2::start_b_with_rng(&password, &a, &b, rng))
    }

    #[expect(clippy::expect_used, reason = "the crate writes a side byte and a compressed point")]
    fn new((state, share): (Spake2<Ed25519Group>, Vec<u8>)) -> Self {
        Self { state, share: Share::from_slice(&share).expect("a share has 33 bytes") }
    }

    /// The share to send.
    pub(super) fn share(&self) -> &Share {
        &self.share
    }

    /// The shared key, or nothing if `other` is no share of the other role, or one's own sent back.
    pub(super) fn finish(self, other: &Share) -> Option<SharedKey> {
        if other.point == self.share.point {
            return None;
        }
        self.state.finish(&other.to_bytes()).ok().map(|key| SharedKey(Zeroizing::new(key)))
    }
}

fn roles(code: &Secret, candidate: NodeId, authority: NodeId) -> (Password, Identity, Identity) {
    (Password::new(code.expose()), Identity::new(candidate.as_bytes()), Identity::new(authority.as_bytes()))
}

/// The key that both sides have if they started from the same code.
pub(super) struct SharedKey(Zeroizing<Vec<u8>>);

impl SharedKey {
    /// What each side sends to prove that it has the key and saw the same conversation.
    pub(super) fn confirmations(&self, transcript: &Transcript<'_>) -> Confirmations {
        let transcript = transcript.digest();
        let keys = Label::Pake.derive::<64>(transcript.as_bytes(), &self.0, &[]);
        let (authority, candidate) = keys.split_at(32);
        Confirmations {
            authority: Confirmation::new(authority, b"authority", &transcript),
            candidate: Confirmation::new(candidate, b"candidate", &transcript),
        }
    }
}

/// Everything said up to the authority's share.
pub(super) struct Transcript<'a> {
    pub(super) request: &'a KeyRequest,
    pub(super) share: &'a Share,
    pub(super) admission: Admission,
    pub(super) leaf: &'a CertificateDer,
    pub(super) ca: &'a CertificateDer,
    pub(super) token: &'a [u8],
}

impl Transcript<'_> {
    fn digest(&self) -> Digest {
        Label::Pake.hash(&[
            &codec::encode(self.request),
            &codec::encode(self.share),
            &codec::encode(&self.admission),
            self.leaf.as_bytes(),
            self.ca.as_bytes(),
            self.token,
        ])
    }
}

/// Both sides' proofs.
pub(super) struct Confirmations {
    pub(super) authority: Confirmation,
    pub(super) candidate: Confirmation,
}

/// One side's proof: to be sent by that side and checked by the other.
pub(super) struct Confirmation(Hmac<Sha256>);

impl Confirmation {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    fn new(key: &[u8], role: &[u8], transcript: &Digest) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
        mac.update(role);
        mac.update(transcript.as_bytes());
        Self(mac)
    }

    pub(super) fn to_bytes(&self) -> [u8; 32] {
        self.0.clone().finalize().into_bytes().into()
    }

    /// In constant time.
    pub(super) fn fits(&self, received: &[u8; 32]) -> bool {
        self.0.clone().verify(received.into()).is_ok()
    }
}
