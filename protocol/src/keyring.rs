//! The symmetric keys under which a node seals things to itself: tickets, cookies, retry tokens.
//!
//! A ring holds two *generations* of 32 random bytes, the current and the previous one; every purpose
//! ([`Label`]) gets a key of its own from a generation. A ring lives in memory: after a restart what the old one
//! sealed names a generation that nobody has any more, and is made anew ("re-mint").
//!
//! There is no empty ring and no way to make one from given bytes, so nothing is ever sealed under a key that
//! anyone knows beforehand. A generation is erased when the last ring that holds it is dropped.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::identity::Secret;
use crate::label::Label;
use crate::time::Timestamp;

/// How long a generation seals: 12 hours. It opens for as long again, so what is sealed lives at least this long.
pub const ROTATION: Duration = Duration::from_secs(12 * 60 * 60);

/// The bytes by which a sealed message is longer than what was sealed: generation, nonce and tag.
pub const OVERHEAD: usize = HEADER_LEN + 16;

const GENERATION_LEN: usize = 4;
const NONCE_LEN: usize = 24;
const HEADER_LEN: usize = GENERATION_LEN + NONCE_LEN;

/// The current and the previous generation of a node's symmetric keys.
///
/// Sealing and opening take `&self`, so any number of threads share a ring; rotation makes a new ring, which
/// shares the generation that is still good.
#[derive(Debug)]
pub struct KeyRing {
    current: Arc<Generation>,
    previous: Option<Arc<Generation>>,
}

/// Why a message was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// Sealed under a generation that this ring does not hold: too old, or before a restart. It is to be made
    /// anew, and is nobody's fault.
    #[error("sealed under key generation {generation}, which is not held")]
    UnknownGeneration {
        /// The generation that the message names.
        generation: u32,
    },
    /// Altered, made for another purpose, or never sealed here.
    #[error("the message was not sealed by this key ring")]
    Forged,
}

impl KeyRing {
    /// A ring with one new generation. Its number is random, so that rings before and after a restart do not
    /// take each other's messages for their own; the lower half of the numbers leaves room to count.
    ///
    /// A new ring is also what replaces one that someone got to know who must not: it opens nothing of it.
    pub fn new(now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let id = rng.next_u32() >> 1;
        Self { current: Arc::new(Generation::new(id, now, rng)), previous: None }
    }

    /// The generation that seals.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.current.id
    }

    /// Whether what was sealed under `generation` can still be opened.
    #[must_use]
    pub fn contains(&self, generation: u32) -> bool {
        self.find(generation).is_ok()
    }

    /// When the current generation has sealed long enough.
    #[must_use]
    pub fn next_rotation(&self) -> Timestamp {
        self.current.since.after(ROTATION)
    }

    /// The ring after a rotation at `now`: a new generation, and the current one as the previous, unless that
    /// one's time to open has passed too.
    #[must_use]
    pub fn rotated(&self, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let current = Generation::new(self.current.id.wrapping_add(1), now, rng);
        let outlived = now.since(self.current.since) >= ROTATION + ROTATION;
        let previous = (!outlived).then(|| Arc::clone(&self.current));
        Self { current: Arc::new(current), previous }
    }

    /// Rotates if [`KeyRing::next_rotation`] has come, and says whether it did.
    pub fn rotate_if_due(&mut self, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> bool {
        let due = now >= self.next_rotation();
        if due {
            *self = self.rotated(now, rng);
        }
        due
    }

    /// Seals `plaintext` to this ring, for the purpose `label` and bound to `aad`:
    /// `generation (4, little-endian) ‖ nonce (24) ‖ XChaCha20-Poly1305 ciphertext and tag`.
    ///
    /// The nonce is random, so a copy of the process (a restored snapshot, a fork) repeats one only if it
    /// repeats its randomness.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a message in memory is shorter than the cipher's 256 GiB")]
    pub fn seal(
        &self,
        label: Label,
        aad: &[u8],
        plaintext: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<u8> {
        let mut nonce = XNonce::default();
        rng.fill_bytes(&mut nonce);
        let aad = self.current.associated_data(label, aad);
        let ciphertext = self
            .current
            .cipher(label)
            .encrypt(&nonce, Payload { msg: plaintext, aad: &aad })
            .expect("the plaintext is shorter than 256 GiB");
        [self.current.id.to_le_bytes().as_slice(), nonce.as_slice(), ciphertext.as_slice()].concat()
    }

    /// Opens what this ring sealed for the same `label` and `aad`.
    ///
    /// # Errors
    /// [`RingError`].
    pub fn open(&self, label: Label, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, RingError> {
        let (id, rest) = sealed.split_first_chunk::<GENERATION_LEN>().ok_or(RingError::Forged)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(RingError::Forged)?;
        let generation = self.find(u32::from_le_bytes(*id))?;
        let aad = generation.associated_data(label, aad);
        generation
            .cipher(label)
            .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: &aad })
            .map(Zeroizing::new)
            .map_err(|_| RingError::Forged)
    }

    /// The tag of `data` under the current generation: it names `data` to whoever holds the ring, and is
    /// random to everyone else.
    #[must_use]
    pub fn tag(&self, label: Label, data: &[u8]) -> Tag {
        self.current.tag(label, data)
    }

    /// The tag of `data` under `generation`, to compare a received one with.
    ///
    /// # Errors
    /// [`RingError::UnknownGeneration`].
    pub fn tag_under(&self, generation: u32, label: Label, data: &[u8]) -> Result<Tag, RingError> {
        self.find(generation).map(|generation| generation.tag(label, data))
    }

    fn find(&self, id: u32) -> Result<&Generation, RingError> {
        [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|generation| generation.id == id)
            .map(Arc::as_ref)
            .ok_or(RingError::UnknownGeneration { generation: id })
    }
}

/// The first 16 bytes of an HMAC-SHA256 (RFC 2104) under a generation's key. Compared in constant time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Tag([u8; 16]);

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Tag {}

/// One generation: 32 random bytes, never used but to derive a key per purpose.
struct Generation {
    id: u32,
    since: Timestamp,
    secret: Secret,
}

impl Generation {
    fn new(id: u32, since: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { id, since, secret: Secret::generate(rng) }
    }

    fn key(&self, label: Label) -> Zeroizing<[u8; 32]> {
        label.derive(&[], self.secret.expose(), &[])
    }

    fn cipher(&self, label: Label) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key(label)).into())
    }

    fn associated_data(&self, label: Label, aad: &[u8]) -> Vec<u8> {
        label.join(&[&self.id.to_le_bytes(), aad])
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn tag(&self, label: Label, data: &[u8]) -> Tag {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.key(label).as_slice()).expect("a key of any length");
        mac.update(data);
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut tag = [0; 16];
        tag.copy_from_slice(&full[..16]);
        Tag(tag)
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generation({}, since {}, ..)", self.id, self.since)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_795_253_400);
    const LABEL: Label = Label::TicketForService;

    fn rng(seed: u8) -> ChaCha20Rng {
        ChaCha20Rng::from_seed([seed; 32])
    }

    #[test]
    fn opens_what_it_sealed() {
        let mut rng = rng(1);
        let ring = KeyRing::new(START, &mut rng);
        let sealed = ring.seal(LABEL, b"chat", b"ticket", &mut rng);
        assert_eq!(sealed.len(), b"ticket".len() + OVERHEAD);
        assert_eq!(sealed[..4], ring.generation().to_le_bytes());
        assert_eq!(ring.open(LABEL, b"chat", &sealed).unwrap().as_slice(), b"ticket");
    }

    /// C3: what is sealed for one service or purpose opens for no other.
    #[test]
    fn refuses_another_purpose_or_service() {
        let mut rng = rng(1);
        let ring = KeyRing::new(START, &mut rng);
        let sealed = ring.seal(LABEL, b"chat", b"ticket", &mut rng);
        assert_eq!(ring.open(LABEL, b"backup", &sealed), Err(RingError::Forged));
        for other in Label::ALL.into_iter().filter(|label| *label != LABEL) {
            assert_eq!(ring.open(other, b"chat", &sealed), Err(RingError::Forged), "{other:?}");
        }
    }

    /// C11: each flipped bit and each cut is refused; swapped parts too.
    #[test]
    fn refuses_altered_messages() {
        let mut rng = rng(1);
        let ring = KeyRing::new(START, &mut rng);
        let sealed = ring.seal(LABEL, b"chat", b"ticket", &mut rng);
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let error = ring.open(LABEL, b"chat", &altered).unwrap_err();
            assert_eq!(matches!(error, RingError::UnknownGeneration { .. }), bit < 32, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(ring.open(LABEL, b"chat", &sealed[..length]), Err(RingError::Forged), "{length}");
        }
        let other = ring.seal(LABEL, b"chat", b"ticket", &mut rng);
        for cut in 5..sealed.len() - 1 {
            let swapped = [&sealed[..cut], &other[cut..]].concat();
            assert_eq!(ring.open(LABEL, b"chat", &swapped), Err(RingError::Forged), "cut {cut}");
        }
    }

    /// C6: a new ring is keyed at once, and well-known keys open nothing of it, nor does a ring forge for it.
    #[test]
    fn well_known_keys_open_nothing() {
        let mut rng = rng(1);
        let ring = KeyRing::new(START, &mut rng);
        let sealed = ring.seal(LABEL, b"chat", b"ticket", &mut rng);
        for byte in [0, 1, 0x41, 0xff] {
            let secret = Secret::new(Zeroizing::new([byte; 32]));
            let known = Generation { id: ring.generation(), since: START, secret };
            let known = KeyRing { current: Arc::new(known), previous: None };
            assert_eq!(known.open(LABEL, b"chat", &sealed), Err(RingError::Forged), "{byte}");
            let forged = known.seal(LABEL, b"chat", b"ticket", &mut rng);
            assert_eq!(ring.open(LABEL, b"chat", &forged), Err(RingError::Forged), "{byte}");
        }
    }

    /// B13, C7: after a restart what the old ring sealed is re-minted, never accepted.
    #[test]
    fn refuses_what_was_sealed_before_a_restart() {
        let mut rng = rng(1);
        let sealed = KeyRing::new(START, &mut rng).seal(LABEL, b"chat", b"ticket", &mut rng);
        let restarted = KeyRing::new(START, &mut rng);
        assert!(matches!(restarted.open(LABEL, b"chat", &sealed), Err(RingError::UnknownGeneration { .. })));
    }

    #[test]
    fn opens_for_one_rotation_after_its_own() {
        let mut rng = rng(1);
        let mut ring = KeyRing::new(START, &mut rng);
        let first = ring.generation();
        let sealed = ring.seal(LABEL, b"chat", b"ticket", &mut rng);
        let just_before = ring.next_rotation().before(Duration::from_millis(1));
        assert!(!ring.rotate_if_due(just_before, &mut rng));
        assert!(ring.rotate_if_due(ring.next_rotation(), &mut rng));
        assert_ne!(ring.generation(), first);
        assert!(ring.open(LABEL, b"chat", &sealed).is_ok(), "the previous generation still opens");
        assert!(ring.rotate_if_due(ring.next_rotation(), &mut rng));
        assert!(!ring.contains(first));
        assert_eq!(
            ring.open(LABEL, b"chat", &sealed),
            Err(RingError::UnknownGeneration { generation: first })
        );
    }

    #[test]
    fn a_rotation_that_comes_a_day_late_keeps_nothing() {
        let mut rng = rng(1);
        let ring = KeyRing::new(START, &mut rng);
        let late = ring.rotated(START.after(ROTATION + ROTATION), &mut rng);
        assert!(!late.contains(ring.generation()));
    }

    /// C5: a ring from before a rotation does not know the new generation, and says so.
    #[test]
    fn an_older_ring_asks_for_a_new_ticket() {
        let mut rng = rng(1);
        let old = KeyRing::new(START, &mut rng);
        let new = old.rotated(START, &mut rng);
        let sealed = new.seal(LABEL, b"chat", b"ticket", &mut rng);
        let generation = new.generation();
        assert_eq!(old.open(LABEL, b"chat", &sealed), Err(RingError::UnknownGeneration { generation }));
    }

    #[test]
    fn rotation_shares_the_generation_and_erases_the_one_before() {
        let mut rng = rng(1);
        let ring = KeyRing::new(START, &mut rng);
        let first = Arc::downgrade(&ring.current);
        let second = ring.rotated(START, &mut rng);
        drop(ring);
        assert!(first.upgrade().is_some(), "held as the previous generation");
        let third = second.rotated(START, &mut rng);
        drop(second);
        assert!(first.upgrade().is_none(), "erased");
        assert!(third.previous.is_some());
    }

    /// C13: no nonce repeats over many seals, nor after the same ring is restored with fresh randomness.
    #[test]
    fn nonces_are_unique_across_restores() {
        const SEALS: usize = 1_000;
        let ring = KeyRing::new(START, &mut rng(0));
        let mut nonces = BTreeSet::new();
        for restore in 1..=100 {
            let mut rng = rng(restore);
            for _ in 0..SEALS {
                let sealed = ring.seal(LABEL, b"", b"", &mut rng);
                nonces.insert(sealed[GENERATION_LEN..HEADER_LEN].to_vec());
            }
        }
        assert_eq!(nonces.len(), 100 * SEALS);
    }

    #[test]
    fn tags_name_data_to_holders_of_the_generation_alone() {
        let mut rng = rng(1);
        let ring = KeyRing::new(START, &mut rng);
        let tag = ring.tag(Label::TicketService, b"chat");
        let rotated = ring.rotated(START, &mut rng);
        assert_eq!(rotated.tag_under(ring.generation(), Label::TicketService, b"chat"), Ok(tag));
        assert_ne!(rotated.tag(Label::TicketService, b"chat"), tag, "one tag per generation");
        assert_ne!(ring.tag(Label::TicketService, b"backup"), tag);
        assert_ne!(ring.tag(Label::TicketTerms, b"chat"), tag);
        let unknown = rotated.generation() + 1;
        assert_eq!(
            ring.tag_under(unknown, Label::TicketService, b"chat"),
            Err(RingError::UnknownGeneration { generation: unknown })
        );
    }

    /// G6: a ring prints no key. Threads share one ring.
    #[test]
    fn prints_no_key_and_is_shared_by_threads() {
        fn shareable<T: Send + Sync>(_: &T) {}
        let ring = KeyRing::new(START, &mut rng(1));
        shareable(&ring);
        assert!(
            format!("{ring:?}").ends_with("since 2026-11-21T09:30:00Z, ..), previous: None }"),
            "{ring:?}"
        );
    }
}
