//! Who a node is: its two key pairs, and the names that people give to nodes, networks and services.
//!
//! A node has an Ed25519 *identity key*, which is its [`NodeId`] and its libp2p identity, and an X25519
//! *sealing key*, to which certificates, tickets and files are sealed. A network has an authority with an
//! Ed25519 *CA key* of its own, which is never a node's identity.

mod name;

use core::fmt;

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq as _;
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

pub use self::name::{EntityName, NameError, NetworkName, NodeName, ServiceName};
use crate::codec;
use crate::label::{Digest, Label};

/// A key or a signature that cannot be right, whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a point on the curve, or one of small order.
    #[error("not a usable Ed25519 public key")]
    PublicKey,
    /// The signature does not fit the key, the purpose and the bytes.
    #[error("the signature does not verify")]
    Signature,
    /// An X25519 exchange gave all zeros: the other side's point has small order (RFC 7748, section 6.1).
    #[error("the key exchange is non-contributory")]
    NonContributory,
}

/// An Ed25519 public key that is on the curve and not of small order (RFC 8032).
///
/// Its 32 bytes on the wire, its digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key's 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Verifies `signature` over `value` for `purpose`, strictly: the canonical equation, no small-order point.
    ///
    /// # Errors
    /// [`KeyError::Signature`].
    pub fn verify<T: Serialize>(
        &self,
        purpose: Label,
        value: &T,
        signature: &Signature,
    ) -> Result<(), KeyError> {
        self.verify_bytes(&signing_input(purpose, value), signature)
    }

    /// Verifies a signature over bytes that have a format of their own, as a certificate request has.
    ///
    /// # Errors
    /// [`KeyError::Signature`].
    pub(crate) fn verify_bytes(&self, bytes: &[u8], signature: &Signature) -> Result<(), KeyError> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| KeyError::PublicKey)?;
        key.verify_strict(bytes, &ed25519_dalek::Signature::from_bytes(&signature.to_bytes()))
            .map_err(|_| KeyError::Signature)
    }
}

impl TryFrom<[u8; 32]> for PublicKey {
    type Error = KeyError;

    fn try_from(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::PublicKey)?;
        if key.is_weak() || key.to_bytes() != bytes { Err(KeyError::PublicKey) } else { Ok(Self(bytes)) }
    }
}

impl From<PublicKey> for [u8; 32] {
    fn from(key: PublicKey) -> Self {
        key.0
    }
}

impl core::str::FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| KeyError::PublicKey)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::PublicKey)?;
        Self::try_from(bytes)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse()
        } else {
            <[u8; 32]>::deserialize(deserializer)?.try_into()
        };
        key.map_err(D::Error::custom)
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A node's identity: the public half of its identity key.
///
/// Whoever is connected to a node knows this for certain; a name is believed only from a certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(PublicKey);

impl NodeId {
    /// The node whose identity key has this public half.
    #[must_use]
    pub const fn new(key: PublicKey) -> Self {
        Self(key)
    }

    /// The public half of the node's identity key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.0
    }

    /// The key's 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The first eight digits, for people to tell nodes apart; never for a decision.
    #[must_use]
    pub fn short(&self) -> String {
        HEXLOWER.encode(&self.as_bytes()[..4])
    }
}

impl TryFrom<[u8; 32]> for NodeId {
    type Error = KeyError;

    fn try_from(bytes: [u8; 32]) -> Result<Self, KeyError> {
        PublicKey::try_from(bytes).map(Self)
    }
}

impl core::str::FromStr for NodeId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        text.parse().map(Self)
    }
}

/// The full id: 64 lower-case hexadecimal digits.
impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", self.short())
    }
}

/// The ids that begin with the hexadecimal digits `prefix`, as bytes, or nothing if those are not digits of an id.
pub(crate) fn id_range(prefix: &str) -> Option<core::ops::RangeInclusive<[u8; 32]>> {
    let bound = |fill: &str| -> Option<[u8; 32]> {
        let digits = format!("{prefix}{}", fill.repeat(64_usize.checked_sub(prefix.len())?));
        HEXLOWER.decode(digits.as_bytes()).ok()?.try_into().ok()
    };
    Some(bound("0")?..=bound("f")?)
}

/// An Ed25519 signature, unchecked until [`PublicKey::verify`] says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    r: [u8; 32],
    s: [u8; 32],
}

impl Signature {
    /// The 64 bytes `R ‖ S` of RFC 8032.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.r);
        bytes[32..].copy_from_slice(&self.s);
        bytes
    }
}

impl From<[u8; 64]> for Signature {
    fn from(bytes: [u8; 64]) -> Self {
        let mut signature = Self { r: [0; 32], s: [0; 32] };
        signature.r.copy_from_slice(&bytes[..32]);
        signature.s.copy_from_slice(&bytes[32..]);
        signature
    }
}

/// `label ‖ 0x00 ‖ encoding`: what a signature over `value` signs. Built here and nowhere else.
fn signing_input<T: Serialize>(purpose: Label, value: &T) -> Vec<u8> {
    let mut bytes = purpose.as_str().as_bytes().to_vec();
    bytes.push(0);
    bytes.extend(codec::encode(value));
    bytes
}

/// A secret Ed25519 key: what all of them have in common, and nothing that signs.
macro_rules! signing_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Zeroized on drop, cannot be copied, and prints nothing of itself.
        pub struct $name(SigningKey);

        impl $name {
            /// A new key from `rng`.
            pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
                let mut seed = Zeroizing::new([0; 32]);
                rng.fill_bytes(seed.as_mut_slice());
                Self::from_seed(&seed)
            }

            /// The key with this seed (RFC 8032, section 5.1.5).
            #[must_use]
            pub fn from_seed(seed: &[u8; 32]) -> Self {
                Self(SigningKey::from_bytes(seed))
            }

            /// The seed, for whoever has to keep the key.
            #[must_use]
            pub fn seed(&self) -> Zeroizing<[u8; 32]> {
                Zeroizing::new(self.0.to_bytes())
            }

            /// The public half.
            #[must_use]
            pub fn public_key(&self) -> PublicKey {
                PublicKey(self.0.verifying_key().to_bytes())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

signing_key!(
    /// The secret half of an Ed25519 key pair: a node's identity key. Whoever holds its seed is the node.
    ///
    /// It signs what has a purpose of its own ([`Label`]), certificate requests, and libp2p's handshakes through a
    /// copy of the seed.
    IdentityKey
);

impl IdentityKey {
    /// The node that the key is the identity of.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        NodeId(self.public_key())
    }

    /// Signs `value` for `purpose`.
    #[must_use]
    pub fn sign<T: Serialize>(&self, purpose: Label, value: &T) -> Signature {
        self.0.sign(&signing_input(purpose, value)).to_bytes().into()
    }

    /// Signs a certificate request, whose DER starts with 0x30 as no label does.
    pub(crate) fn sign_certificate_request(&self, der: &[u8]) -> [u8; 64] {
        self.0.sign(der).to_bytes()
    }
}

signing_key!(
    /// The secret half of an Ed25519 key pair that is made for one sealed file and signs its chunks. The file's header,
    /// which the sender's identity key signs, names the public half; this half is gone when the file is written.
    ContentKey
);

impl ContentKey {
    /// The seed, as the local API hands it to the process that writes the file.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        Secret::new(self.seed())
    }

    /// Signs `value` for `purpose`.
    #[must_use]
    pub fn sign<T: Serialize>(&self, purpose: Label, value: &T) -> Signature {
        self.0.sign(&signing_input(purpose, value)).to_bytes().into()
    }
}

signing_key!(
    /// The secret half of a network's CA key. It signs certificates and revocations, and nothing of a node's. Whoever
    /// holds its seed is the network.
    CaKey
);

impl CaKey {
    /// Signs `value` for `purpose`.
    pub(crate) fn sign<T: Serialize>(&self, purpose: Label, value: &T) -> Signature {
        self.0.sign(&signing_input(purpose, value)).to_bytes().into()
    }

    /// Signs the DER of a certificate to be, which starts with 0x30 as no label does.
    pub(crate) fn sign_certificate(&self, der: &[u8]) -> [u8; 64] {
        self.0.sign(der).to_bytes()
    }
}

/// The public half of a sealing key: an X25519 public key (RFC 7748), any 32 bytes.
///
/// Whether an exchange with it is contributory is known only once it is made: see [`SealingKey::agree`]. A certificate
/// has none with which it never is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SealingPublicKey(pub [u8; 32]);

/// The encodings below 2^255 of the X25519 points whose order divides eight, which give every exchange the result
/// zero: 0, 1, the two of order eight, and the prime and its neighbours, which stand for -1, 0 and 1.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    small_order(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    small_order(0xec, 0xff, 0x7f),
    small_order(0xed, 0xff, 0x7f),
    small_order(0xee, 0xff, 0x7f),
];

const fn small_order(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

impl SealingPublicKey {
    /// The key's 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether no exchange with this key can succeed. The highest bit does not count (RFC 7748, section 5).
    pub(crate) fn has_small_order(&self) -> bool {
        let mut point = self.0;
        point[31] &= 0x7f;
        SMALL_ORDER.contains(&point)
    }
}

impl fmt::Debug for SealingPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingPublicKey({})", HEXLOWER.encode(&self.0))
    }
}

/// The secret half of an X25519 key pair, to which others seal.
///
/// Zeroized on drop, cannot be copied, and prints as `SealingKey(..)`.
pub struct SealingKey(StaticSecret);

impl SealingKey {
    /// A new key from `rng`.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self::from_bytes(&bytes)
    }

    /// The key with these bytes, clamped when used (RFC 7748, section 5).
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(StaticSecret::from(*bytes))
    }

    /// The key's bytes, for the node's store. Whoever holds them opens what is sealed to the node.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> SealingPublicKey {
        SealingPublicKey(x25519_dalek::PublicKey::from(&self.0).to_bytes())
    }

    /// X25519 with `peer`'s public key (RFC 7748, section 6.1).
    ///
    /// # Errors
    /// [`KeyError::NonContributory`] if the result is all zeros, which gives away nothing and proves nothing.
    pub fn agree(&self, peer: &SealingPublicKey) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let shared = self.0.diffie_hellman(&x25519_dalek::PublicKey::from(peer.0));
        if shared.was_contributory() {
            Ok(Zeroizing::new(shared.to_bytes()))
        } else {
            Err(KeyError::NonContributory)
        }
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

/// A node's two key pairs.
#[derive(Debug)]
pub struct NodeKeys {
    /// The identity key.
    pub identity: IdentityKey,
    /// The sealing key.
    pub sealing: SealingKey,
}

impl NodeKeys {
    /// New keys from `rng`.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { identity: IdentityKey::generate(rng), sealing: SealingKey::generate(rng) }
    }

    /// The node whose keys these are.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.identity.node_id()
    }
}

/// 32 secret bytes of no other type: a ticket's secret, a channel's key.
///
/// Zeroized on drop, cannot be copied, compared in constant time, and prints as `Secret(..)`.
///
/// Its 32 bytes in a record, their digits in JSON: the local API hands its owner the keys of a sealed file.
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// New bytes from `rng`.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(bytes)
    }

    /// The secret with these bytes.
    #[must_use]
    pub const fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The bytes, for a key derivation or a store.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&Zeroizing::new(HEXLOWER.encode(self.expose())))
        } else {
            self.expose().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Zeroizing::deserialize(deserializer).map(Self);
        }
        let refused = || D::Error::custom("not 64 lower-case hexadecimal digits");
        let digits = Zeroizing::new(String::deserialize(deserializer)?);
        let decoded = HEXLOWER.decode(digits.as_bytes()).map(Zeroizing::new).map_err(|_| refused())?;
        let mut bytes = Zeroizing::new([0; 32]);
        if decoded.len() != bytes.len() {
            return Err(refused());
        }
        bytes.copy_from_slice(&decoded);
        Ok(Self(bytes))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A network's pin: the SHA-256 of its first CA certificate's SubjectPublicKeyInfo (RFC 7469's form of pin).
///
/// Two networks with the same name are told apart by it, and a joiner that was given it out of band believes
/// no other authority.
///
/// Its 32 bytes on the wire, its digits in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub Digest);

impl Fingerprint {
    /// The pin of an Ed25519 CA key.
    #[must_use]
    pub fn of(key: &PublicKey) -> Self {
        let mut spki = ED25519_SPKI_PREFIX.to_vec();
        spki.extend_from_slice(key.as_bytes());
        Self(Digest::of(&spki))
    }
}

/// The DER of an Ed25519 SubjectPublicKeyInfo up to the key itself (RFC 8410, section 4).
const ED25519_SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            Digest::deserialize(deserializer).map(Self)
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::str::FromStr for Fingerprint {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bytes = HEXLOWER.decode(text.to_ascii_lowercase().as_bytes()).ok();
        let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(|bytes| Self(Digest(bytes)))
            .ok_or_else(|| NameError::Fingerprint(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 1: the secret key's public half.
    #[test]
    fn identity_key_follows_rfc_8032() {
        let seed =
            HEXLOWER.decode(b"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let key = IdentityKey::from_seed(&seed.try_into().unwrap());
        assert_eq!(
            key.node_id().to_string(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        let expected = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
        assert_eq!(HEXLOWER.encode(&key.sign_certificate_request(b"")), expected);
    }

    /// RFC 7748, section 6.1.
    #[test]
    fn sealing_key_follows_rfc_7748() {
        let bytes = |hex: &[u8]| -> [u8; 32] { HEXLOWER.decode(hex).unwrap().try_into().unwrap() };
        let bob = SealingKey::from_bytes(&bytes(
            b"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        ));
        let bob_public = bytes(b"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        assert_eq!(bob.public_key(), SealingPublicKey(bob_public));
        let alice_public = bytes(b"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        let shared = bytes(b"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!(bob.agree(&SealingPublicKey(alice_public)).as_deref(), Ok(&shared));
    }

    /// G6: a secret never prints itself.
    #[test]
    fn secrets_print_nothing() {
        let secret = Secret::new(Zeroizing::new([0x41; 32]));
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(format!("{:?}", IdentityKey::from_seed(&[0x41; 32])), "IdentityKey(..)");
        assert_eq!(format!("{:?}", SealingKey::from_bytes(&[0x41; 32])), "SealingKey(..)");
        assert_eq!(format!("{:?}", CaKey::from_seed(&[0x41; 32])), "CaKey(..)");
    }

    /// B10: points of small order are no identities.
    #[test]
    fn refuses_small_order_identities() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(NodeId::try_from(identity), Err(KeyError::PublicKey));
        assert_eq!(NodeId::try_from([0; 32]), Err(KeyError::PublicKey));
    }

    /// B10: an all-zero shared secret is refused.
    #[test]
    fn refuses_non_contributory_exchanges() {
        let key = SealingKey::from_bytes(&[7; 32]);
        assert_eq!(key.agree(&SealingPublicKey([0; 32])).map(|_| ()), Err(KeyError::NonContributory));
    }

    /// B14: a signature made for one purpose fits no other.
    #[test]
    fn signatures_are_bound_to_their_purpose() {
        let key = IdentityKey::from_seed(&[7; 32]);
        let signature = key.sign(Label::TicketGrant, &7_u8);
        let public = *key.node_id().public_key();
        assert_eq!(public.verify(Label::TicketGrant, &7_u8, &signature), Ok(()));
        for other in Label::ALL.into_iter().filter(|label| *label != Label::TicketGrant) {
            assert_eq!(public.verify(other, &7_u8, &signature), Err(KeyError::Signature), "{other:?}");
        }
    }

    #[test]
    fn a_prefix_selects_the_ids_that_begin_with_it() {
        let id = *IdentityKey::from_seed(&[7; 32]).node_id().as_bytes();
        let text = HEXLOWER.encode(&id);
        for prefix in ["", &text[..1], &text[..7], &text] {
            assert!(id_range(prefix).is_some_and(|range| range.contains(&id)), "{prefix}");
        }
        let other = if text.starts_with('0') { "1" } else { "0" };
        assert!(id_range(other).is_some_and(|range| !range.contains(&id)));
        assert!(id_range("till").is_none() && id_range(&"0".repeat(65)).is_none());
    }

    #[test]
    fn ids_and_fingerprints_are_digits_in_json_and_bytes_on_the_wire() {
        let id = IdentityKey::from_seed(&[7; 32]).node_id();
        let pin = Fingerprint::of(id.public_key());
        let json = serde_json::to_string(&(id, pin)).unwrap();
        assert_eq!(json, format!("[\"{id}\",\"{pin}\"]"));
        assert_eq!(serde_json::from_str::<(NodeId, Fingerprint)>(&json).unwrap(), (id, pin));
        assert!(serde_json::from_str::<NodeId>(&format!("\"{}\"", "0".repeat(64))).is_err());
        assert_eq!(codec::encode(&(id, pin)).len(), 64);
    }

    #[test]
    fn fingerprint_is_the_hash_of_the_public_key_info() {
        let key = CaKey::from_seed(&[7; 32]).public_key();
        let text = Fingerprint::of(&key).to_string();
        assert_eq!(text.parse(), Ok(Fingerprint::of(&key)));
        assert_eq!(text.to_uppercase().parse(), Ok(Fingerprint::of(&key)));
        assert!("12".parse::<Fingerprint>().is_err());
    }
}
