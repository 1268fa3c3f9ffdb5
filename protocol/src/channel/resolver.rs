//! The primitives that the Noise handshake runs on: ours, from the crates that everything else stands on.
//!
//! The library's own choice would bring a second implementation of the curve and read the system's randomness.
//! Here an exchange is [`SealingKey::agree`], which refuses all-zero results, and randomness is injected.

use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use zeroize::{Zeroize as _, Zeroizing};

use super::TAG_LEN;
use crate::identity::{SealingKey, SealingPublicKey};

const KEY_LEN: usize = 32;

/// The primitives of one handshake, with the randomness of its one ephemeral key.
pub(super) struct Resolver {
    ephemeral: Zeroizing<[u8; KEY_LEN]>,
}

impl Resolver {
    pub(super) fn new(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut ephemeral = Zeroizing::new([0; KEY_LEN]);
        rng.fill_bytes(ephemeral.as_mut_slice());
        Self { ephemeral }
    }
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(OneKey { bytes: self.ephemeral.clone(), given: false }))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::new(X25519::default()) as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::SHA256).then(|| Box::new(Sha(Sha256::new())) as Box<dyn Hash>)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::ChaChaPoly)
            .then(|| Box::new(ChaChaPoly(Zeroizing::new([0; KEY_LEN]))) as Box<dyn Cipher>)
    }
}

/// Gives the randomness of one key, once: a handshake draws one ephemeral key and nothing else.
struct OneKey {
    bytes: Zeroizing<[u8; KEY_LEN]>,
    given: bool,
}

impl Random for OneKey {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        if self.given || bytes.len() != KEY_LEN {
            return Err(Error::Rng);
        }
        self.given = true;
        bytes.copy_from_slice(self.bytes.as_slice());
        self.bytes.zeroize();
        Ok(())
    }
}

/// X25519 (RFC 7748). The trait makes it without a key and sets one later.
#[derive(Default)]
struct X25519 {
    key: Option<SealingKey>,
    public: [u8; KEY_LEN],
}

impl X25519 {
    fn set_key(&mut self, bytes: &[u8; KEY_LEN]) {
        let key = SealingKey::from_bytes(bytes);
        self.public = *key.public_key().as_bytes();
        self.key = Some(key);
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        KEY_LEN
    }

    fn priv_len(&self) -> usize {
        KEY_LEN
    }

    fn set(&mut self, privkey: &[u8]) {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        bytes.copy_from_slice(privkey);
        self.set_key(&bytes);
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        rng.try_fill_bytes(bytes.as_mut_slice())?;
        self.set_key(&bytes);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    /// Nothing: only the library's own key generation asks, which is not used.
    fn privkey(&self) -> &[u8] {
        &[]
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let peer = pubkey.first_chunk::<KEY_LEN>().ok_or(Error::Dh)?;
        let key = self.key.as_ref().ok_or(Error::Dh)?;
        let shared = key.agree(&SealingPublicKey(*peer)).map_err(|_| Error::Dh)?;
        out.get_mut(..KEY_LEN).ok_or(Error::Dh)?.copy_from_slice(shared.as_slice());
        Ok(())
    }
}

/// SHA-256 (FIPS 180-4). HMAC and HKDF are the trait's own, as Noise, section 4.3 has them.
struct Sha(Sha256);

impl Hash for Sha {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = Sha256::new();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        out[..32].copy_from_slice(&self.0.finalize_reset());
    }
}

/// ChaCha20-Poly1305 (RFC 8439) with Noise's nonce: four zero bytes, then the counter, little-endian.
struct ChaChaPoly(Zeroizing<[u8; KEY_LEN]>);

impl ChaChaPoly {
    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new((&*self.0).into())
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce
}

impl Cipher for ChaChaPoly {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; KEY_LEN]) {
        self.0.copy_from_slice(key);
    }

    #[expect(clippy::expect_used, reason = "a handshake message is shorter than the cipher's 256 GiB")]
    fn encrypt(&self, counter: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let (body, rest) = out.split_at_mut(plaintext.len());
        body.copy_from_slice(plaintext);
        let tag = self
            .cipher()
            .encrypt_inout_detached(&nonce(counter), authtext, body.into())
            .expect("the plaintext is shorter than 256 GiB");
        rest[..TAG_LEN].copy_from_slice(&tag);
        plaintext.len() + TAG_LEN
    }

    fn decrypt(
        &self,
        counter: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let (body, tag) = ciphertext.split_last_chunk::<TAG_LEN>().ok_or(Error::Decrypt)?;
        let out = out.get_mut(..body.len()).ok_or(Error::Decrypt)?;
        out.copy_from_slice(body);
        self.cipher()
            .decrypt_inout_detached(&nonce(counter), authtext, out.into(), &Tag::from(*tag))
            .map_err(|_| Error::Decrypt)?;
        Ok(body.len())
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use serde_json::Value;
    use snow::{Builder, HandshakeState};

    use super::*;

    /// The published vector of the pattern, both ways: messages, handshake hash, and what the split keys seal.
    #[test]
    fn follows_the_published_noise_vector() {
        let vector: Value = serde_json::from_str(include_str!("../../vectors/noise-knpsk0.json")).unwrap();
        let requester = SealingKey::from_bytes(&array(&vector["init_static"]));
        assert_eq!(requester.public_key().as_bytes(), &array(&vector["resp_remote_static"]));
        let psk = array(&vector["init_psks"][0]);
        let prologue = hex(&vector["init_prologue"]);
        let builder = |ephemeral: &Value| {
            let resolver = Resolver { ephemeral: Zeroizing::new(array(ephemeral)) };
            let pattern = vector["protocol_name"].as_str().unwrap().parse().unwrap();
            Builder::with_resolver(pattern, Box::new(resolver))
                .prologue(&prologue)
                .unwrap()
                .psk(0, &psk)
                .unwrap()
        };
        let key = requester.to_bytes();
        let public = requester.public_key();
        let initiator = builder(&vector["init_ephemeral"]).local_private_key(key.as_slice()).unwrap();
        let responder = builder(&vector["resp_ephemeral"]).remote_public_key(public.as_bytes()).unwrap();
        let mut initiator = initiator.build_initiator().unwrap();
        let mut responder = responder.build_responder().unwrap();

        let messages = vector["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 6);
        relay(&messages[0], &mut initiator, &mut responder);
        relay(&messages[1], &mut responder, &mut initiator);
        assert_eq!(initiator.get_handshake_hash(), hex(&vector["handshake_hash"]));
        assert_eq!(responder.get_handshake_hash(), hex(&vector["handshake_hash"]));

        let (from_initiator, from_responder) = initiator.dangerously_get_raw_split();
        assert_eq!(responder.dangerously_get_raw_split(), (from_initiator, from_responder));
        for (index, message) in messages[2..].iter().enumerate() {
            let key = if index % 2 == 0 { from_initiator } else { from_responder };
            let payload = hex(&message["payload"]);
            let mut out = vec![0; payload.len() + TAG_LEN];
            ChaChaPoly(Zeroizing::new(key)).encrypt((index / 2) as u64, &[], &payload, &mut out);
            assert_eq!(out, hex(&message["ciphertext"]), "message {}", index + 2);
        }
    }

    fn relay(message: &Value, from: &mut HandshakeState, to: &mut HandshakeState) {
        let (payload, mut wire, mut read) = (hex(&message["payload"]), [0; 128], [0; 128]);
        let length = from.write_message(&payload, &mut wire).unwrap();
        assert_eq!(wire[..length], hex(&message["ciphertext"]));
        let length = to.read_message(&wire[..length], &mut read).unwrap();
        assert_eq!(read[..length], payload);
    }

    /// B10: an exchange with a point of small order fails.
    #[test]
    fn refuses_all_zero_results() {
        let mut dh = X25519::default();
        dh.set(&[7; KEY_LEN]);
        assert_eq!(dh.dh(&[0; KEY_LEN], &mut [0; KEY_LEN]), Err(Error::Dh));
        assert_eq!(dh.dh(&[9; KEY_LEN], &mut [0; KEY_LEN]), Ok(()));
    }

    #[test]
    fn a_handshake_draws_one_key_and_no_second() {
        let resolver = Resolver { ephemeral: Zeroizing::new([7; KEY_LEN]) };
        let mut random = resolver.resolve_rng().unwrap();
        let mut key = [0; KEY_LEN];
        assert_eq!(random.try_fill_bytes(&mut key), Ok(()));
        assert_eq!(key, [7; KEY_LEN]);
        assert_eq!(random.try_fill_bytes(&mut key), Err(Error::Rng));
    }

    #[test]
    fn has_no_other_primitive() {
        let resolver = Resolver { ephemeral: Zeroizing::new([7; KEY_LEN]) };
        assert!(resolver.resolve_dh(&DHChoice::Curve448).is_none());
        assert!(resolver.resolve_hash(&HashChoice::Blake2s).is_none());
        assert!(resolver.resolve_cipher(&CipherChoice::AESGCM).is_none());
    }

    fn hex(value: &Value) -> Vec<u8> {
        HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
    }

    fn array(value: &Value) -> [u8; KEY_LEN] {
        hex(value).try_into().unwrap()
    }
}
