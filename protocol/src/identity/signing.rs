//! The secret keys that sign.

use core::fmt;

use ed25519_dalek::{Signer as _, SigningKey};
use rand_core::CryptoRng;
use serde::Serialize;
use zeroize::Zeroizing;

use super::public_key::signing_input;
use super::{NodeId, PublicKey, Secret, Signature};
use crate::label::Label;

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
        NodeId::new(self.public_key())
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

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    use crate::identity::KeyError;

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
}
