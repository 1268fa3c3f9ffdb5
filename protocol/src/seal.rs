//! Sealing to a public key: HPKE (RFC 9180), one message at a time.
//!
//! One suite: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. Base mode does not say who sealed:
//! whatever needs a sender is signed, or sealed in auth mode, which proves the sender to the receiver (and to
//! nobody else). Auth mode also gives both ends a secret, for one answer under [`seal_once`].

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use hpke::aead::{AeadCtxR, AeadCtxS, ChaCha20Poly1305};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{
    Deserializable as _, HpkeError, Kem, OpModeR, OpModeS, Serializable as _, setup_receiver,
    setup_sender_with_rng,
};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::codec;
use crate::identity::{SealingKey, SealingPublicKey, Secret};
use crate::label::Label;

type Suite = X25519HkdfSha256;
type Sender = AeadCtxS<ChaCha20Poly1305, HkdfSha256, Suite>;
type Receiver = AeadCtxR<ChaCha20Poly1305, HkdfSha256, Suite>;

/// The bytes by which a sealed message is longer than what was sealed: the encapsulated key and the tag.
pub const OVERHEAD: usize = 32 + TAG_LEN;

const TAG_LEN: usize = 16;

/// A message sealed to a public key. Its size is bounded by the message that contains it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The encapsulated key: the sender's ephemeral public key (RFC 9180, section 4.1).
    pub encapped: [u8; 32],
    /// The ciphertext and its tag.
    #[serde(with = "codec::bytes")]
    pub ciphertext: Vec<u8>,
}

/// Why a message was not sealed or not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The receiver's public key has small order: a message sealed to it would be open to everyone.
    #[error("not a usable public key to seal to")]
    Recipient,
    /// The message is altered, not for this key, not from that sender, or not for this purpose. One error for
    /// all: whoever tries learns nothing from which it is.
    #[error("the sealed message does not open")]
    Open,
}

/// Seals `plaintext` to `to` in base mode: only `to` opens it, and anyone could have sealed it.
///
/// `info` says what for, and `aad` is bound to the message and not carried by it.
///
/// # Errors
/// [`SealError::Recipient`].
pub fn seal(
    to: &SealingPublicKey,
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Sealed, SealError> {
    let (encapped, mut context) = sender(&OpModeS::Base, to, info, rng)?;
    Ok(Sealed { encapped, ciphertext: encrypt(&mut context, aad, plaintext) })
}

/// Opens what was sealed to `key` in base mode, for the same `info` and `aad`.
///
/// # Errors
/// [`SealError::Open`].
pub fn open(
    key: &SealingKey,
    sealed: &Sealed,
    info: &[u8],
    aad: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let mut context = receiver(&OpModeR::Base, key, &sealed.encapped, info)?;
    decrypt(&mut context, aad, &sealed.ciphertext)
}

/// Seals `plaintext` from `from` to `to` in auth mode, and exports a secret for `exporter` that `to` will share.
///
/// The receiver is sure of the sender and cannot convince others. Whoever steals the *receiver's* key can also
/// forge messages to it (RFC 9180, section 9.1.1), so what must bind others is signed too.
///
/// # Errors
/// [`SealError::Recipient`].
pub fn seal_authenticated(
    from: &SealingKey,
    to: &SealingPublicKey,
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    exporter: Label,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(Sealed, Secret), SealError> {
    let mode = OpModeS::Auth((private(from), public(&from.public_key())));
    let (encapped, mut context) = sender(&mode, to, info, rng)?;
    let ciphertext = encrypt(&mut context, aad, plaintext);
    let secret = exported(|out| context.export(exporter.as_str().as_bytes(), out));
    Ok((Sealed { encapped, ciphertext }, secret))
}

/// Opens what `from` sealed to `key` in auth mode, and exports the secret for `exporter` that both share.
///
/// # Errors
/// [`SealError::Open`].
pub fn open_authenticated(
    key: &SealingKey,
    from: &SealingPublicKey,
    sealed: &Sealed,
    info: &[u8],
    aad: &[u8],
    exporter: Label,
) -> Result<(Zeroizing<Vec<u8>>, Secret), SealError> {
    let mut context = receiver(&OpModeR::Auth(public(from)), key, &sealed.encapped, info)?;
    let plaintext = decrypt(&mut context, aad, &sealed.ciphertext)?;
    let secret = exported(|out| context.export(exporter.as_str().as_bytes(), out));
    Ok((plaintext, secret))
}

/// Seals the one message that `key` is for: ChaCha20-Poly1305 (RFC 8439) with a nonce of zeros.
///
/// This value of the key is gone afterwards; whoever can make it again must not seal anything else with it, unless
/// nobody but the key's other holder ever sees both messages. That is so of an authority's answer: a request that is
/// sent again while its token holds opens to the same key and may get another certificate, but the transport gives
/// both answers to the candidate alone, which has the key.
#[must_use]
#[expect(clippy::expect_used, reason = "a message in memory is shorter than the cipher's 256 GiB")]
#[expect(clippy::needless_pass_by_value, reason = "a key that seals once is consumed")]
pub fn seal_once(key: Secret, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    chacha20poly1305::ChaCha20Poly1305::new(key.expose().into())
        .encrypt(&[0; 12].into(), Payload { msg: plaintext, aad })
        .expect("the plaintext is shorter than 256 GiB")
}

/// Opens the one message that `key` is for.
///
/// # Errors
/// [`SealError::Open`], after which the key is gone all the same: there is one attempt.
#[expect(clippy::needless_pass_by_value, reason = "a key that opens once is consumed")]
pub fn open_once(key: Secret, aad: &[u8], ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    chacha20poly1305::ChaCha20Poly1305::new(key.expose().into())
        .decrypt(&[0; 12].into(), Payload { msg: ciphertext, aad })
        .map(Zeroizing::new)
        .map_err(|_| SealError::Open)
}

fn sender(
    mode: &OpModeS<'_, Suite>,
    to: &SealingPublicKey,
    info: &[u8],
    mut rng: &mut (impl CryptoRng + ?Sized),
) -> Result<([u8; 32], Sender), SealError> {
    let (encapped, context) =
        setup_sender_with_rng(mode, &public(to), info, &mut rng).map_err(|_| SealError::Recipient)?;
    Ok((encapped.to_bytes().into(), context))
}

fn receiver(
    mode: &OpModeR<'_, Suite>,
    key: &SealingKey,
    encapped: &[u8; 32],
    info: &[u8],
) -> Result<Receiver, SealError> {
    <Suite as Kem>::EncappedKey::from_bytes(encapped)
        .and_then(|encapped| setup_receiver(mode, &private(key), &encapped, info))
        .map_err(|_| SealError::Open)
}

#[expect(clippy::expect_used, reason = "the first message of a context is within every limit")]
fn encrypt(context: &mut Sender, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    context.seal(plaintext, aad).expect("the first message of a context is sealed")
}

fn decrypt(context: &mut Receiver, aad: &[u8], ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    context.open(ciphertext, aad).map(Zeroizing::new).map_err(|_| SealError::Open)
}

#[expect(clippy::expect_used, reason = "32 of the 8,160 bytes that HKDF can give")]
fn exported(export: impl FnOnce(&mut [u8]) -> Result<(), HpkeError>) -> Secret {
    let mut secret = Zeroizing::new([0; 32]);
    export(secret.as_mut_slice()).expect("HKDF gives 32 bytes");
    Secret::new(secret)
}

#[expect(clippy::expect_used, reason = "any 32 bytes are an X25519 private key")]
fn private(key: &SealingKey) -> <Suite as Kem>::PrivateKey {
    <Suite as Kem>::PrivateKey::from_bytes(key.to_bytes().as_slice()).expect("32 bytes")
}

#[expect(clippy::expect_used, reason = "any 32 bytes are an X25519 public key")]
fn public(key: &SealingPublicKey) -> <Suite as Kem>::PublicKey {
    <Suite as Kem>::PublicKey::from_bytes(key.as_bytes()).expect("32 bytes")
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;

    use data_encoding::HEXLOWER;
    use rand_chacha::ChaCha20Rng;
    use rand_core::{SeedableRng as _, TryCryptoRng, TryRng};
    use serde_json::Value;

    use super::*;

    const INFO: &[u8] = b"info";
    const AAD: &[u8] = b"aad";

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([7; 32])
    }

    /// RFC 9180, appendix A.2.1: base mode, both ways, with its exports.
    #[test]
    fn base_mode_follows_rfc_9180() {
        let vector = &vectors()[0];
        assert_eq!(vector["mode"], 0);
        let (key, to, info) = receiver_of(vector);
        let (encapped, mut context) =
            sender(&OpModeS::Base, &to, &info, &mut Fixed(hex(&vector["ikmE"]))).unwrap();
        check_sender(vector, encapped, &mut context);
        let receiver = receiver(&OpModeR::Base, &key, &encapped, &info).unwrap();
        check_exports(vector, |context, out| receiver.export(context, out));
        let sealed = Sealed { encapped, ciphertext: hex(&vector["encryption"]["ct"]) };
        let opened = open(&key, &sealed, &info, &hex(&vector["encryption"]["aad"]));
        assert_eq!(opened.unwrap().as_slice(), hex(&vector["encryption"]["pt"]));
    }

    /// RFC 9180, appendix A.2.3: auth mode, both ways, with its exports.
    #[test]
    fn auth_mode_follows_rfc_9180() {
        let vector = &vectors()[1];
        assert_eq!(vector["mode"], 2);
        let (key, to, info) = receiver_of(vector);
        let from = SealingKey::from_bytes(&array(&vector["skSm"]));
        assert_eq!(from.public_key().as_bytes(), &array(&vector["pkSm"]));
        let mode = OpModeS::Auth((private(&from), public(&from.public_key())));
        let (encapped, mut context) = sender(&mode, &to, &info, &mut Fixed(hex(&vector["ikmE"]))).unwrap();
        check_sender(vector, encapped, &mut context);
        let receiver = receiver(&OpModeR::Auth(public(&from.public_key())), &key, &encapped, &info).unwrap();
        check_exports(vector, |context, out| receiver.export(context, out));
        let sealed = Sealed { encapped, ciphertext: hex(&vector["encryption"]["ct"]) };
        let aad = hex(&vector["encryption"]["aad"]);
        let opened = open_authenticated(&key, &from.public_key(), &sealed, &info, &aad, Label::Pake);
        assert_eq!(opened.unwrap().0.as_slice(), hex(&vector["encryption"]["pt"]));
    }

    /// C11: whatever is altered, wherever, the message does not open, and the error is the same.
    #[test]
    fn refuses_altered_messages() {
        let key = SealingKey::from_bytes(&[1; 32]);
        let sealed = seal(&key.public_key(), INFO, AAD, b"badge", &mut rng()).unwrap();
        assert_eq!(open(&key, &sealed, INFO, AAD).unwrap().as_slice(), b"badge");
        assert_eq!(sealed.encapped.len() + sealed.ciphertext.len(), b"badge".len() + OVERHEAD);
        // The highest bit of an X25519 public key is ignored by the exchange, but not by HPKE's key schedule.
        for bit in 0..32 * 8 {
            let mut altered = sealed.clone();
            altered.encapped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&key, &altered, INFO, AAD), Err(SealError::Open), "encapped bit {bit}");
        }
        for bit in 0..sealed.ciphertext.len() * 8 {
            let mut altered = sealed.clone();
            altered.ciphertext[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&key, &altered, INFO, AAD), Err(SealError::Open), "ciphertext bit {bit}");
        }
        for length in 0..sealed.ciphertext.len() {
            let mut altered = sealed.clone();
            altered.ciphertext.truncate(length);
            assert_eq!(open(&key, &altered, INFO, AAD), Err(SealError::Open), "length {length}");
        }
    }

    #[test]
    fn opens_for_one_key_and_one_purpose_only() {
        let key = SealingKey::from_bytes(&[1; 32]);
        let sealed = seal(&key.public_key(), INFO, AAD, b"badge", &mut rng()).unwrap();
        let other = SealingKey::from_bytes(&[2; 32]);
        assert_eq!(open(&other, &sealed, INFO, AAD), Err(SealError::Open));
        assert_eq!(open(&key, &sealed, b"other", AAD), Err(SealError::Open));
        assert_eq!(open(&key, &sealed, INFO, b"other"), Err(SealError::Open));
    }

    /// C9: a message that claims another sender does not open in auth mode, nor does one without a sender.
    #[test]
    fn auth_mode_proves_the_sender() {
        let [from, to, mallory] = [1, 2, 3].map(|byte| SealingKey::from_bytes(&[byte; 32]));
        let (sealed, ours) = seal_authenticated(
            &from,
            &to.public_key(),
            INFO,
            AAD,
            b"csr",
            Label::CertificateAnswer,
            &mut rng(),
        )
        .unwrap();
        let open_from = |sender: &SealingKey, sealed: &Sealed, label| {
            open_authenticated(&to, &sender.public_key(), sealed, INFO, AAD, label)
        };
        let (plaintext, theirs) = open_from(&from, &sealed, Label::CertificateAnswer).unwrap();
        assert_eq!((plaintext.as_slice(), &theirs), (b"csr".as_slice(), &ours));
        assert_eq!(open_from(&mallory, &sealed, Label::CertificateAnswer), Err(SealError::Open));
        let unsigned = seal(&to.public_key(), INFO, AAD, b"csr", &mut rng()).unwrap();
        assert_eq!(open_from(&from, &unsigned, Label::CertificateAnswer), Err(SealError::Open));
        assert_ne!(open_from(&from, &sealed, Label::Pake).unwrap().1, ours, "one secret per label");
    }

    /// B10: nothing is sealed to, or opened from, a point of small order.
    #[test]
    fn refuses_points_of_small_order() {
        let key = SealingKey::from_bytes(&[1; 32]);
        let mut rng = rng();
        assert_eq!(seal(&SealingPublicKey([0; 32]), INFO, AAD, b"", &mut rng), Err(SealError::Recipient));
        let sealed = Sealed { encapped: [0; 32], ciphertext: vec![0; 16] };
        assert_eq!(open(&key, &sealed, INFO, AAD), Err(SealError::Open));
    }

    #[test]
    fn accepts_a_borrowed_generator_of_any_type() {
        let mut rng = rng();
        let rng: &mut dyn CryptoRng = &mut rng;
        let key = SealingKey::generate(rng);
        assert!(seal(&key.public_key(), INFO, AAD, b"", rng).is_ok());
    }

    #[test]
    fn a_single_use_key_opens_what_it_sealed_and_nothing_else() {
        let key = || Secret::new(Zeroizing::new([9; 32]));
        let sealed = seal_once(key(), AAD, b"certificate");
        assert_eq!(open_once(key(), AAD, &sealed).unwrap().as_slice(), b"certificate");
        assert_eq!(open_once(key(), b"other", &sealed), Err(SealError::Open));
        assert_eq!(open_once(key(), AAD, &sealed[1..]), Err(SealError::Open));
        assert_eq!(open_once(Secret::new(Zeroizing::new([8; 32])), AAD, &sealed), Err(SealError::Open));
    }

    fn vectors() -> Vec<Value> {
        let file: Value = serde_json::from_str(include_str!("../vectors/hpke-rfc9180.json")).unwrap();
        let vectors = file["vectors"].as_array().unwrap().clone();
        assert_eq!(vectors.len(), 2);
        vectors
    }

    fn receiver_of(vector: &Value) -> (SealingKey, SealingPublicKey, Vec<u8>) {
        let key = SealingKey::from_bytes(&array(&vector["skRm"]));
        assert_eq!(key.public_key().as_bytes(), &array(&vector["pkRm"]));
        let to = key.public_key();
        (key, to, hex(&vector["info"]))
    }

    fn check_sender(vector: &Value, encapped: [u8; 32], context: &mut Sender) {
        assert_eq!(encapped, array(&vector["enc"]));
        let encryption = &vector["encryption"];
        let ciphertext = encrypt(context, &hex(&encryption["aad"]), &hex(&encryption["pt"]));
        assert_eq!(ciphertext, hex(&encryption["ct"]));
        check_exports(vector, |exporter, out| context.export(exporter, out));
    }

    fn check_exports(vector: &Value, export: impl Fn(&[u8], &mut [u8]) -> Result<(), HpkeError>) {
        let exports = vector["exports"].as_array().unwrap();
        assert_eq!(exports.len(), 3);
        for value in exports {
            let secret = exported(|out| export(&hex(&value["exporter_context"]), out));
            assert_eq!(secret.expose(), &array(&value["exported_value"]));
        }
    }

    fn hex(value: &Value) -> Vec<u8> {
        HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
    }

    fn array(value: &Value) -> [u8; 32] {
        hex(value).try_into().unwrap()
    }

    /// Gives the bytes it holds and nothing else: the RFC's ephemeral key material.
    struct Fixed(Vec<u8>);

    impl TryRng for Fixed {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            unreachable!("keys are drawn as bytes")
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            unreachable!("keys are drawn as bytes")
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            bytes.copy_from_slice(&self.0);
            Ok(())
        }
    }

    impl TryCryptoRng for Fixed {}
}
