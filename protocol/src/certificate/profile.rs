//! The one form that this project's certificates have: what stands in them, and how it is read back.
//!
//! Reading believes nothing: no signature is checked here, and no time. The caller writes what was read again
//! and compares the bytes, which is what makes the profile complete; the checks here are for a reason to give.

mod extensions;

use x509_parser::asn1_rs::{BitString, Oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo, X509Name, X509Version};

use self::extensions::AltNames;
pub(super) use self::extensions::{
    Extensions, ROLE_OID, SEALING_KEY_OID, encode_role, encode_sealing_key, unknown,
};
use super::{
    BACKDATE, CertificateDer, CertificateError, LEAF_LIFE_MAX, ProfileError, Serial, Subject, Validity,
};
use crate::identity::{NetworkName, NodeId, PublicKey};
use crate::label::Digest;
use crate::time::Timestamp;

/// id-Ed25519 (RFC 8410, section 3).
const ED25519_OID: [u64; 4] = [1, 3, 101, 112];

const COMMON_NAME_OID: [u64; 4] = [2, 5, 4, 3];

/// What a CA certificate says.
pub(super) struct AuthorityContents {
    pub(super) key: PublicKey,
    pub(super) network: NetworkName,
    pub(super) serial: Serial,
    pub(super) validity: Validity,
}

/// What a leaf says, but for its issuer's key identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeafContents {
    pub(super) subject: Subject,
    pub(super) serial: Serial,
    pub(super) validity: Validity,
}

/// A CA certificate that was read and is not believed.
pub(super) struct ReadAuthority {
    pub(super) contents: AuthorityContents,
    /// What is signed.
    pub(super) signed: Vec<u8>,
    pub(super) signature: [u8; 64],
}

/// A leaf that was read and is not believed.
pub(super) struct ReadLeaf {
    pub(super) contents: LeafContents,
    /// The identifier of the key that issued it, as it claims.
    pub(super) issuer: [u8; 20],
    pub(super) signature: [u8; 64],
}

/// Reads a CA certificate.
pub(super) fn read_ca(der: &CertificateDer) -> Result<ReadAuthority, CertificateError> {
    let certificate = parse(der)?;
    let extensions = Extensions::of_ca(certificate.extensions())?;
    let contents = AuthorityContents {
        key: ed25519_key(&certificate.subject_pki)?,
        network: extensions.network()?,
        serial: serial(&certificate)?,
        validity: validity(&certificate)?,
    };
    let signature = ed25519_signature(&certificate.signature_algorithm, &certificate.signature_value)?;
    Ok(ReadAuthority { contents, signed: certificate.tbs_certificate.as_ref().to_vec(), signature })
}

/// Reads a leaf.
pub(super) fn read_leaf(der: &CertificateDer) -> Result<ReadLeaf, CertificateError> {
    let certificate = parse(der)?;
    let extensions = Extensions::of_leaf(certificate.extensions())?;
    let contents = LeafContents {
        subject: leaf_subject(&certificate, &extensions)?,
        serial: serial(&certificate)?,
        validity: validity(&certificate)?,
    };
    if contents.validity.length() > LEAF_LIFE_MAX + BACKDATE {
        let (not_before, not_after) = (contents.validity.not_before(), contents.validity.not_after());
        return Err(ProfileError::Validity { not_before, not_after }.into());
    }
    let signature = ed25519_signature(&certificate.signature_algorithm, &certificate.signature_value)?;
    Ok(ReadLeaf { contents, issuer: extensions.issuer()?, signature })
}

/// The whole of `der` as an X.509 v3 certificate.
fn parse(der: &CertificateDer) -> Result<X509Certificate<'_>, ProfileError> {
    let (rest, certificate) =
        X509Certificate::from_der(der.as_bytes()).map_err(|_| ProfileError::Malformed)?;
    if !rest.is_empty() || certificate.version() != X509Version::V3 {
        return Err(ProfileError::Malformed);
    }
    Ok(certificate)
}

fn leaf_subject(
    certificate: &X509Certificate<'_>,
    extensions: &Extensions<'_>,
) -> Result<Subject, ProfileError> {
    let AltNames { network, entity, name } = extensions.alt_names()?;
    if common_name(&certificate.subject)? != name.as_str() {
        return Err(ProfileError::Subject);
    }
    let node = NodeId::new(ed25519_key(&certificate.subject_pki)?);
    let (role, sealing) = (extensions.role()?, extensions.sealing_key()?);
    Ok(Subject { name, network, entity, role, node, sealing })
}

/// The one common name of which a name consists.
pub(super) fn common_name<'a>(name: &'a X509Name<'_>) -> Result<&'a str, ProfileError> {
    let mut attributes = name.iter_attributes();
    match (attributes.next(), attributes.next()) {
        (Some(only), None) if is(only.attr_type(), &COMMON_NAME_OID) => {
            only.as_str().map_err(|_| ProfileError::Subject)
        }
        _ => Err(ProfileError::Subject),
    }
}

/// The key of an Ed25519 SubjectPublicKeyInfo.
pub(super) fn ed25519_key(info: &SubjectPublicKeyInfo<'_>) -> Result<PublicKey, ProfileError> {
    let bytes: Result<[u8; 32], _> = info.subject_public_key.data.as_ref().try_into();
    bytes
        .ok()
        .filter(|_| is_ed25519(&info.algorithm))
        .and_then(|bytes| PublicKey::try_from(bytes).ok())
        .ok_or(ProfileError::Algorithm("public key"))
}

/// The value of an Ed25519 signature.
pub(super) fn ed25519_signature(
    algorithm: &AlgorithmIdentifier<'_>,
    value: &BitString<'_>,
) -> Result<[u8; 64], ProfileError> {
    let bytes: Result<[u8; 64], _> = value.data.as_ref().try_into();
    bytes.ok().filter(|_| is_ed25519(algorithm)).ok_or(ProfileError::Algorithm("signature"))
}

fn is_ed25519(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    is(&algorithm.algorithm, &ED25519_OID) && algorithm.parameters.is_none()
}

fn is(oid: &Oid<'_>, arcs: &[u64]) -> bool {
    oid.iter().is_some_and(|own| own.eq(arcs.iter().copied()))
}

fn serial(certificate: &X509Certificate<'_>) -> Result<Serial, ProfileError> {
    Serial::from_integer(certificate.raw_serial()).ok_or(ProfileError::Serial)
}

fn validity(certificate: &X509Certificate<'_>) -> Result<Validity, ProfileError> {
    let time = |seconds: i64| u64::try_from(seconds).map(Timestamp::from_secs);
    let bounds = certificate.validity();
    let not_before = time(bounds.not_before.timestamp()).map_err(|_| ProfileError::Malformed)?;
    let not_after = time(bounds.not_after.timestamp()).map_err(|_| ProfileError::Malformed)?;
    Validity::new(not_before, not_after).map_err(|_| ProfileError::Validity { not_before, not_after })
}

/// The key identifier of RFC 7093, section 2, method 1: the first 160 bits of the key's SHA-256.
pub(super) fn key_identifier(key: &PublicKey) -> [u8; 20] {
    let mut id = [0; 20];
    id.copy_from_slice(&Digest::of(key.as_bytes()).as_bytes()[..20]);
    id
}
