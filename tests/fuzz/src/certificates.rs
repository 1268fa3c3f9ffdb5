//! Certificates and requests: nobody forges a signature, so what is believed was made here.

use std::sync::OnceLock;
use std::time::Duration;

use ed25519_dalek::{Signer as _, SigningKey};
use lanyard_protocol::certificate::{
    self, BACKDATE, CertificateDer, LEAF_LIFE, LEAF_LIFE_MAX, Role, Subject, TrustAnchor, Validity, request,
};
use lanyard_protocol::identity::{CaKey, Fingerprint, IdentityKey, NetworkName, SealingKey};

use crate::world::{NOW, rng};

/// The CA key of the vectors.
const CA_SEED: [u8; 32] = [1; 32];

/// A CA key that has signed nothing but what is made here.
const OTHER_SEED: [u8; 32] = [50; 32];

struct Network {
    anchor: TrustAnchor,
    pin: Fingerprint,
    name: NetworkName,
    leaf: CertificateDer,
    request: Vec<u8>,
}

impl Network {
    fn get() -> &'static Self {
        static NETWORK: OnceLock<Network> = OnceLock::new();
        NETWORK.get_or_init(|| Self::new(&OTHER_SEED))
    }

    fn of_the_vectors() -> &'static Self {
        static NETWORK: OnceLock<Network> = OnceLock::new();
        NETWORK.get_or_init(|| Self::new(&CA_SEED))
    }

    fn new(ca_seed: &[u8; 32]) -> Self {
        let (ca, name) = (CaKey::from_seed(ca_seed), "shop.lan".parse::<NetworkName>().unwrap());
        let pin = Fingerprint::of(&ca.public_key());
        let der = certificate::issue_ca(&ca, &name, NOW, &mut rng(1)).unwrap();
        let anchor = TrustAnchor::new(der, pin, name.clone()).unwrap();
        let (identity, sealing) =
            (IdentityKey::from_seed(&[2; 32]), SealingKey::from_bytes(&[3; 32]).public_key());
        let subject = Subject {
            name: "till".parse().unwrap(),
            network: name.clone(),
            entity: "shop".parse().unwrap(),
            role: Role::Member,
            node: identity.node_id(),
            sealing,
        };
        let validity = Validity::starting(NOW, LEAF_LIFE).unwrap();
        let leaf = certificate::issue_leaf(&ca, &anchor, subject, validity, &mut rng(2)).unwrap();
        let request = request::create(&identity, &sealing, &"till".parse().unwrap());
        Self { anchor, pin, name, leaf, request }
    }
}

/// The CA certificate and the leaf that are the only good ones.
#[cfg(test)]
pub(crate) fn good() -> (Vec<u8>, Vec<u8>) {
    let network = Network::get();
    (network.anchor.der().as_bytes().to_vec(), network.leaf.as_bytes().to_vec())
}

/// A certificate as a peer shows it.
pub fn certificate(data: &[u8]) {
    let network = Network::get();
    let Ok(leaf) = CertificateDer::try_from(data.to_vec()) else { return };
    if let Ok(verified) = certificate::verify(&network.anchor, &leaf, NOW) {
        assert_eq!(verified.der(), &network.leaf, "nobody signed this");
    }
}

/// The signed part of a certificate, which the authority signs whatever it is: what is believed then is of the one
/// form, of this network and no longer than it may be.
pub fn signed_certificate(data: &[u8]) {
    let network = Network::of_the_vectors();
    let signature = SigningKey::from_bytes(&CA_SEED).sign(data).to_bytes();
    let rest = [&[0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 65, 0][..], &signature].concat();
    let Ok(length) = u16::try_from(data.len() + rest.len()) else { return };
    let der = [&[0x30, 0x82], &length.to_be_bytes()[..], data, &rest].concat();
    let Ok(leaf) = CertificateDer::try_from(der) else { return };
    let Ok(verified) = certificate::verify(&network.anchor, &leaf, NOW) else { return };
    let subject = verified.subject();
    assert_eq!(subject.network, network.name);
    assert!(verified.not_after().since(verified.not_before()) <= LEAF_LIFE_MAX + BACKDATE);
    assert!(verified.not_after() <= network.anchor.validity().not_after());
    assert!(
        SealingKey::from_bytes(&[9; 32]).agree(&subject.sealing).is_ok(),
        "a key to which nothing is sealed"
    );
    // What it says, issued again, is as long: nothing else stood in it but another serial number.
    let validity = Validity::new(verified.not_before(), verified.not_after()).unwrap();
    let ca = CaKey::from_seed(&CA_SEED);
    let again =
        certificate::issue_leaf(&ca, &network.anchor, subject.clone(), validity, &mut rng(3)).unwrap();
    assert!(again.as_bytes().len().abs_diff(verified.der().as_bytes().len()) <= 16);
    assert!(verified.check_time(verified.not_after().after(Duration::from_secs(301))).is_err());
}

/// A CA certificate as an authority shows it to whoever has the pin.
pub fn authority(data: &[u8]) {
    let network = Network::get();
    let Ok(ca) = CertificateDer::try_from(data.to_vec()) else { return };
    if let Ok(anchor) = TrustAnchor::new(ca, network.pin, network.name.clone()) {
        assert_eq!(anchor.der(), network.anchor.der(), "nobody signed this");
    }
}

/// A certificate request.
pub fn certificate_request(data: &[u8]) {
    if let Ok(request) = request::verify(data) {
        assert_eq!(data, Network::get().request, "nobody signed this: {request:?}");
    }
}

/// A certificate in PEM.
pub fn pem(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(certificate) = CertificateDer::from_pem(text) {
        assert_eq!(CertificateDer::from_pem(&certificate.to_pem()), Ok(certificate));
    }
}
