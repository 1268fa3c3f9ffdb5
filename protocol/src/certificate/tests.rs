//! Whatever is not a certificate of ours is refused. The certificates with a fault are written by the issuing
//! code and spoilt before they are signed.

mod encoding;
mod faults;
mod issued;
mod requests;
mod vectors;

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use rcgen::{
    Attribute, BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyUsagePurpose, NameConstraints, SanType,
    SerialNumber,
};

use super::issue::{Signer, ca_names, leaf_params, sealing_key_extension, written};
use super::profile::{LeafContents, ROLE_OID, SEALING_KEY_OID};
use super::request::{CertificateRequest, REQUEST_MAX};
use super::*;
use crate::codec::{self, DecodeError};
use crate::identity::{CaKey, Fingerprint, IdentityKey, PublicKey, SealingKey};

const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([7; 32])
}

fn ca_key() -> CaKey {
    CaKey::from_seed(&[1; 32])
}

fn identity() -> IdentityKey {
    IdentityKey::from_seed(&[2; 32])
}

fn sealing() -> SealingKey {
    SealingKey::from_bytes(&[3; 32])
}

fn network() -> NetworkName {
    "shop.lan".parse().unwrap()
}

fn pin() -> Fingerprint {
    Fingerprint::of(&ca_key().public_key())
}

fn validity() -> Validity {
    Validity::starting(NOW, LEAF_LIFE).unwrap()
}

fn subject() -> Subject {
    Subject {
        name: "till".parse().unwrap(),
        network: network(),
        entity: "shop".parse().unwrap(),
        role: Role::Member,
        node: identity().node_id(),
        sealing: sealing().public_key(),
    }
}

fn contents() -> LeafContents {
    LeafContents { subject: subject(), serial: Serial([0x11; 16]), validity: validity() }
}

fn anchor() -> TrustAnchor {
    anchor_issued(NOW)
}

fn anchor_issued(now: Timestamp) -> TrustAnchor {
    let ca = issue_ca(&ca_key(), &network(), now, &mut rng()).unwrap();
    TrustAnchor::new(ca, pin(), network()).unwrap()
}

fn leaf() -> CertificateDer {
    let mut rng = ChaCha20Rng::from_seed([8; 32]);
    issue_leaf(&ca_key(), &anchor(), subject(), validity(), &mut rng).unwrap()
}

fn csr() -> Vec<u8> {
    request::create(&identity(), &sealing().public_key(), &"till".parse().unwrap())
}

fn sealing_content() -> Vec<u8> {
    sealing_key_extension(&sealing().public_key()).content().to_vec()
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

/// Why the leaf is not believed.
#[track_caller]
fn refusal(leaf: &CertificateDer) -> CertificateError {
    verify(&anchor(), leaf, NOW).unwrap_err()
}

/// Asserts that a leaf with one fault planted is refused for it.
#[track_caller]
fn refused(plant: impl FnOnce(&mut CertificateParams), right: impl FnOnce(&ProfileError) -> bool) {
    let error = refusal(&forged(plant));
    assert!(matches!(&error, CertificateError::Profile(profile) if right(profile)), "{error:?}");
}

/// A leaf with one fault planted, signed by the CA.
fn forged(plant: impl FnOnce(&mut CertificateParams)) -> CertificateDer {
    let mut params = leaf_params(&contents());
    plant(&mut params);
    issued(&params)
}

fn issued(params: &CertificateParams) -> CertificateDer {
    let (ca, node) = (ca_key(), identity().node_id());
    let key = ca.public_key();
    let names = ca_names(&network(), &key);
    let sign = |der: &[u8]| ca.sign_certificate(der);
    signed(params, &names, &Signer { key: &key, sign }, node.public_key())
}

fn signed<F: Fn(&[u8]) -> [u8; 64]>(
    params: &CertificateParams,
    issuer: &CertificateParams,
    signer: &Signer<'_, F>,
    key: &PublicKey,
) -> CertificateDer {
    let bare = Signer { key, sign: () };
    CertificateDer(written(params.signed_by(&bare, &Issuer::from_params(issuer, signer))).der().to_vec())
}

/// The certificate with the one place where `find` stands altered, signed by the CA again.
fn resigned(certificate: &CertificateDer, find: &[u8], alter: impl FnOnce(&mut [u8])) -> CertificateDer {
    let mut der = certificate.0.clone();
    let places = || der.windows(find.len()).enumerate().filter(|(_, window)| *window == find);
    assert_eq!(places().count(), 1);
    let at = places().map(|(at, _)| at).next().unwrap();
    alter(&mut der[at..at + find.len()]);
    assert_eq!((&der[..2], &der[4..6]), (&[0x30, 0x82][..], &[0x30, 0x82][..]));
    let end = 8 + usize::from(u16::from_be_bytes([der[6], der[7]]));
    let signature = ca_key().sign_certificate(&der[4..end]);
    let start = der.len() - 64;
    der[start..].copy_from_slice(&signature);
    CertificateDer(der)
}

/// A request with one fault planted, of `identity` and signed by `signer`.
fn requested(
    plant: impl FnOnce(&mut CertificateParams),
    signer: &IdentityKey,
    attributes: Vec<Attribute>,
) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = leaf_params(&contents()).distinguished_name;
    params.custom_extensions = vec![sealing_key_extension(&sealing().public_key())];
    plant(&mut params);
    let node = identity().node_id();
    let sign = |der: &[u8]| signer.sign_certificate_request(der);
    let key = Signer { key: node.public_key(), sign };
    written(params.serialize_request_with_attributes(&key, attributes)).der().to_vec()
}

/// Adds the order of Ed25519's group (RFC 8032, section 5.1) to a little-endian number.
fn add_group_order(number: &mut [u8]) {
    let order = HEXLOWER.decode(b"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut carry = 0;
    for (digit, add) in number.iter_mut().zip(order) {
        let sum = u16::from(*digit) + u16::from(add) + carry;
        *digit = sum as u8;
        carry = sum >> 8;
    }
}
