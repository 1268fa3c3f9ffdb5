//! Writes certificates. Only here and in [`request`](super::request) is `rcgen` known.
//!
//! A certificate is written by the same code when it is issued and when it is checked: see [`Signer`].

use rand_core::CryptoRng;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, NameConstraints, PublicKeyData, SanType,
    SerialNumber, SignatureAlgorithm, SigningKey,
};
use time::OffsetDateTime;

use super::profile::{
    AuthorityContents, LeafContents, ROLE_OID, SEALING_KEY_OID, encode_role, encode_sealing_key,
    key_identifier,
};
use super::{
    BACKDATE, CA_LIFE, CertificateDer, CertificateError, LEAF_LIFE_MAX, Serial, Subject, TrustAnchor,
    Validity,
};
use crate::identity::{CaKey, NetworkName, NodeName, PublicKey, SealingPublicKey};
use crate::time::Timestamp;

/// Issues a network's CA certificate, signed by itself: path length 0, [`CA_LIFE`] from [`BACKDATE`] before
/// `now`, good for DNS names under the network's alone.
///
/// # Errors
/// [`CertificateError::Misuse`] if `now` is so late that X.509 cannot write the end.
pub fn issue_ca(
    key: &CaKey,
    network: &NetworkName,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<CertificateDer, CertificateError> {
    let contents = AuthorityContents {
        key: key.public_key(),
        network: network.clone(),
        serial: Serial::generate(rng),
        validity: Validity::starting(now, CA_LIFE)?,
    };
    CertificateDer::try_from(write_ca(&contents, |der| key.sign_certificate(der)))
}

/// Issues a leaf to `subject`, with a random serial number. Its validity is cut to that of the CA certificate.
///
/// # Errors
/// [`CertificateError::Misuse`] if `key` is not the anchor's, the subject is of another network, or the
/// validity is longer than [`LEAF_LIFE_MAX`] or nowhere within the CA's.
pub fn issue_leaf(
    key: &CaKey,
    anchor: &TrustAnchor,
    subject: Subject,
    validity: Validity,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<CertificateDer, CertificateError> {
    if key.public_key() != *anchor.key() {
        return Err(CertificateError::Misuse("the CA key is not that of the CA certificate"));
    }
    if subject.network != *anchor.network() {
        return Err(CertificateError::Misuse("a network issues certificates for its own nodes alone"));
    }
    if validity.length() > LEAF_LIFE_MAX + BACKDATE {
        return Err(CertificateError::Misuse("a leaf lives for at most 90 days"));
    }
    let contents = LeafContents {
        subject,
        serial: Serial::generate(rng),
        validity: validity.within(&anchor.validity())?,
    };
    CertificateDer::try_from(write_leaf(&contents, anchor.key(), |der| key.sign_certificate(der)))
}

/// The DER of a CA certificate with these contents and the signature that `sign` gives.
pub(super) fn write_ca(contents: &AuthorityContents, sign: impl Fn(&[u8]) -> [u8; 64]) -> Vec<u8> {
    written(ca_params(contents).self_signed(&Signer { key: &contents.key, sign })).der().to_vec()
}

/// The DER of a leaf with these contents, `issuer`'s name and key identifier and the signature that `sign`
/// gives.
pub(super) fn write_leaf(
    contents: &LeafContents,
    issuer: &PublicKey,
    sign: impl Fn(&[u8]) -> [u8; 64],
) -> Vec<u8> {
    let ca = ca_names(&contents.subject.network, issuer);
    let signer = Issuer::from_params(&ca, Signer { key: issuer, sign });
    let key = BareKey(contents.subject.node.public_key());
    written(leaf_params(contents).signed_by(&key, &signer)).der().to_vec()
}

pub(super) fn ca_params(contents: &AuthorityContents) -> CertificateParams {
    let mut params = ca_names(&contents.network, &contents.key);
    date(&mut params, &contents.serial, &contents.validity);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(contents.network.to_string())],
        excluded_subtrees: Vec::new(),
    });
    params
}

pub(super) fn leaf_params(contents: &LeafContents) -> CertificateParams {
    let subject = &contents.subject;
    let mut params = named(node_name(&subject.name), subject.node.public_key());
    date(&mut params, &contents.serial, &contents.validity);
    params.subject_alt_names = vec![
        SanType::URI(written(subject.spiffe_id().try_into())),
        SanType::DnsName(written(subject.dns_name().try_into())),
    ];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    params.custom_extensions = vec![
        sealing_key_extension(&subject.sealing),
        CustomExtension::from_oid_content(&ROLE_OID, encode_role(subject.role).to_vec()),
    ];
    params.use_authority_key_identifier_extension = true;
    params
}

/// The extension that carries the sealing key, in a leaf and in a request for one.
pub(super) fn sealing_key_extension(key: &SealingPublicKey) -> CustomExtension {
    CustomExtension::from_oid_content(&SEALING_KEY_OID, encode_sealing_key(key).to_vec())
}

/// `<network> Lanyard CA`, the network cut so that the whole fits RFC 5280's 64 characters: a name for people,
/// for it is the key that tells authorities apart.
pub(super) fn ca_names(network: &NetworkName, key: &PublicKey) -> CertificateParams {
    const SUFFIX: &str = " Lanyard CA";
    let mut name: String = network.as_str().chars().take(64 - SUFFIX.len()).collect();
    name.push_str(SUFFIX);
    named(common_name(name), key)
}

/// The subject of a node's certificate and of its request for one.
pub(super) fn node_name(name: &NodeName) -> DistinguishedName {
    common_name(name.to_string())
}

fn common_name(name: String) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn named(distinguished_name: DistinguishedName, key: &PublicKey) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name;
    params.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier(key).to_vec());
    params
}

fn date(params: &mut CertificateParams, serial: &Serial, validity: &Validity) {
    params.serial_number = Some(SerialNumber::from_slice(serial.as_bytes()));
    params.not_before = calendar(validity.not_before());
    params.not_after = calendar(validity.not_after());
}

#[expect(clippy::expect_used, reason = "a validity ends by the year 9999, which the calendar holds")]
fn calendar(time: Timestamp) -> OffsetDateTime {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .expect("a validity ends by the year 9999")
}

/// What `rcgen` wrote, which it cannot refuse to.
#[expect(clippy::expect_used, reason = "every name of ours is ASCII and every field is given")]
pub(super) fn written<T>(result: Result<T, rcgen::Error>) -> T {
    result.expect("our names are ASCII and every field is given")
}

/// An Ed25519 key that signs by a function: with the CA key when a certificate is issued, and with the
/// signature that stands in a certificate when it is written again to be compared.
pub(super) struct Signer<'a, F> {
    pub(super) key: &'a PublicKey,
    pub(super) sign: F,
}

impl<F> PublicKeyData for Signer<'_, F> {
    fn der_bytes(&self) -> &[u8] {
        self.key.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl<F: Fn(&[u8]) -> [u8; 64]> SigningKey for Signer<'_, F> {
    fn sign(&self, der: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok((self.sign)(der).to_vec())
    }
}

struct BareKey<'a>(&'a PublicKey);

impl PublicKeyData for BareKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}
