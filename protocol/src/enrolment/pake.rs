//! Proof, by both sides, that they know the same code, from which a listener or an impostor learns nothing.
//!
//! The exchange is SPAKE2 as the `spake2` crate does it: an asymmetric pair of roles on the Ed25519 group. It
//! binds only the two identities and confirms nothing, so both are done here: a transcript over everything said
//! so far, and a confirmation of it by each side. The side that begins is the *candidate*, the other one, which
//! confirms first, the *authority*; so a guest is here in the candidate's place and its provider in the authority's.

use argon2::{Algorithm, Argon2, Params, Version};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand_core::CryptoRng;
use sha2::Sha256;
use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::Zeroizing;

use super::message::{AuthorityKey, KeyRequest, Share};
use crate::codec;
use crate::identity::{Fingerprint, NetworkName, NodeId, Secret};
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

/// The salt with which a network's password is stretched.
pub(crate) fn password_salt(network: &NetworkName, root: Fingerprint) -> [u8; 32] {
    Label::Password.hash(&[network.as_str().as_bytes(), &codec::encode(&root)]).0
}

/// Which secret an exchange is about: what confirms one is no confirmation of the other.
#[derive(Clone, Copy)]
pub(crate) enum About {
    /// The code of an invite.
    Code,
    /// The network's password.
    Password,
    /// The password that guests of a service have.
    Guest,
}

/// One side of an exchange whose other share has not come yet.
pub(crate) struct Exchange {
    state: Spake2<Ed25519Group>,
    share: Share,
}

impl Exchange {
    /// The candidate's side.
    pub(crate) fn candidate(
        code: &Secret,
        candidate: NodeId,
        authority: NodeId,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let (password, a, b) = roles(code, candidate, authority);
        Self::new(Spake2::start_a_with_rng(&password, &a, &b, rng))
    }

    /// The authority's side.
    pub(crate) fn authority(
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
    pub(crate) fn share(&self) -> &Share {
        &self.share
    }

    /// The shared key, or nothing if `other` is no share of the other role, or one's own sent back.
    pub(crate) fn finish(self, other: &Share) -> Option<SharedKey> {
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
pub(crate) struct SharedKey(Zeroizing<Vec<u8>>);

impl SharedKey {
    /// What each side sends to prove that it has the key and saw the same conversation.
    pub(crate) fn confirmations(&self, transcript: &Transcript) -> Confirmations {
        let transcript = transcript.digest();
        let keys = Label::Pake.derive::<64>(transcript.as_bytes(), &self.0, &[]);
        let (authority, candidate) = keys.split_at(32);
        Confirmations {
            authority: Confirmation::new(authority, b"authority", transcript),
            candidate: Confirmation::new(candidate, b"candidate", transcript),
        }
    }
}

/// The hash of everything said up to the authority's share.
pub(crate) struct Transcript(Digest);

impl Transcript {
    /// What was said, part by part.
    pub(crate) fn new(about: About, said: &[&[u8]]) -> Self {
        let about: &[u8] = match about {
            About::Code => b"code",
            About::Password => b"password",
            About::Guest => b"guest",
        };
        Self(Label::Pake.hash(&[&[about], said].concat()))
    }

    /// The request and the answer to it, whose share in this exchange is `share`.
    pub(super) fn of_enrolment(
        about: About,
        request: &KeyRequest,
        share: &Share,
        answer: &AuthorityKey,
    ) -> Self {
        Self::new(
            about,
            &[
                &codec::encode(request),
                &codec::encode(share),
                &codec::encode(&answer.admission),
                &codec::encode(&answer.way),
                &codec::encode(&answer.nonce),
                answer.leaf.as_bytes(),
                answer.ca.as_bytes(),
                &answer.token,
            ],
        )
    }

    /// What stands for it.
    pub(crate) const fn digest(&self) -> &Digest {
        &self.0
    }
}

/// Both sides' proofs.
pub(crate) struct Confirmations {
    pub(crate) authority: Confirmation,
    pub(crate) candidate: Confirmation,
}

/// One side's proof: to be sent by that side and checked by the other.
pub(crate) struct Confirmation(Hmac<Sha256>);

impl Confirmation {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    fn new(key: &[u8], role: &[u8], transcript: &Digest) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
        mac.update(role);
        mac.update(transcript.as_bytes());
        Self(mac)
    }

    pub(crate) fn to_bytes(&self) -> [u8; 32] {
        self.0.clone().finalize().into_bytes().into()
    }

    /// In constant time.
    pub(crate) fn fits(&self, received: &[u8; 32]) -> bool {
        self.0.clone().verify(received.into()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;

    use data_encoding::HEXLOWER;
    use rand_core::{TryCryptoRng, TryRng};

    use super::*;

    /// Gives the bytes that a known answer was made with, and then zeros.
    struct Scripted(Vec<u8>);

    impl TryRng for Scripted {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            unreachable!("a scalar is drawn as bytes")
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            unreachable!("a scalar is drawn as bytes")
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            let mut rest = core::mem::take(&mut self.0);
            rest.resize(bytes.len(), 0);
            bytes.copy_from_slice(&rest);
            Ok(())
        }
    }

    impl TryCryptoRng for Scripted {}

    fn scalar(hex: &str) -> Scripted {
        Scripted(HEXLOWER.decode(hex.as_bytes()).unwrap())
    }

    /// J3: SPAKE2 as python-spake2 (the reference of this variant) computes it: `test_compat`, asymmetric.
    #[test]
    fn spake2_agrees_with_python_spake2() {
        let (password, a, b) = (Password::new(b"password"), Identity::new(b"idA"), Identity::new(b"idB"));
        let (alice, to_bob) = Spake2::<Ed25519Group>::start_a_with_rng(&password, &a, &b, scalar(SCALAR_A));
        let (bob, to_alice) = Spake2::<Ed25519Group>::start_b_with_rng(&password, &a, &b, scalar(SCALAR_B));
        assert_eq!(
            HEXLOWER.encode(&to_bob),
            "416fc960df73c9cf8ed7198b0c9534e2e96a5984bfc5edc023fd24dacf371f2af9"
        );
        assert_eq!(
            HEXLOWER.encode(&to_alice),
            "42354e97b88406922b1df4bea1d7870f17aed3dba7c720b313edae315b00959309"
        );
        for key in [alice.finish(&to_alice), bob.finish(&to_bob)] {
            assert_eq!(HEXLOWER.encode(&key.unwrap()), KEY);
        }
    }

    const SCALAR_A: &str = "25184061a70b1142f1a9f043a52cf7033dc308b5a0a32e42b003ecd59c2ac605";
    const SCALAR_B: &str = "9fb5e845084e0cbe27ac8b4d3af139b33f3f8a047d4234e2d45d33c5cd367b0f";
    const KEY: &str = "712295de7219c675ddd31942184aa26e0a957cf216bc230d165b215047b520c1";
}
