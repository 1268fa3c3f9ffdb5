//! Certificate requests: PKCS #10 (RFC 2986), signed by the identity key that they name.
//!
//! A request names the node, its two keys and nothing else. Entity, role and life are the authority's to give,
//! so a request that asks for anything more is refused, not trimmed.

use rcgen::CertificateParams;
use x509_parser::certification_request::{X509CertificationRequest, X509CertificationRequestInfo};
use x509_parser::cri_attributes::{ParsedCriAttribute, X509CriAttribute};
use x509_parser::extensions::X509Extension;
use x509_parser::prelude::FromDer as _;

use super::issue::{Signer, node_name, sealing_key_extension, written};
use super::profile::{Extensions, common_name, ed25519_key, ed25519_signature, unknown};
use super::{CertificateError, ProfileError};
use crate::identity::{IdentityKey, NodeId, NodeName, SealingPublicKey, Signature};

/// The most bytes of a certificate request. The longest name makes one of about 300.
pub const REQUEST_MAX: usize = 1024;

/// What a verified request asks for: a certificate of this name for these keys.
///
/// That the identity key is the requester's is proven by the request; that the sealing key is, by the envelope
/// in which the request comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// The identity key, which signed the request.
    pub node: NodeId,
    /// The sealing key.
    pub sealing: SealingPublicKey,
    /// The name that the node would like to have.
    pub name: NodeName,
}

/// The DER of a request for a certificate of `name` for these keys.
#[must_use]
pub fn create(identity: &IdentityKey, sealing: &SealingPublicKey, name: &NodeName) -> Vec<u8> {
    let request = CertificateRequest { node: identity.node_id(), sealing: *sealing, name: name.clone() };
    write(&request, |der| identity.sign_certificate_request(der))
}

/// Reads a request and verifies its signature.
///
/// # Errors
/// [`CertificateError`]: too long, not byte for byte what [`create`] writes, or not signed by its own key.
pub fn verify(der: &[u8]) -> Result<CertificateRequest, CertificateError> {
    if der.len() > REQUEST_MAX {
        return Err(CertificateError::TooLong { actual: der.len(), max: REQUEST_MAX });
    }
    let (rest, parsed) = X509CertificationRequest::from_der(der).map_err(|_| ProfileError::Malformed)?;
    if !rest.is_empty() {
        return Err(ProfileError::Malformed.into());
    }
    let request = read(&parsed.certification_request_info)?;
    let signature = ed25519_signature(&parsed.signature_algorithm, &parsed.signature_value)?;
    if write(&request, |_| signature) != der {
        return Err(ProfileError::NotCanonical.into());
    }
    request
        .node
        .public_key()
        .verify_bytes(parsed.certification_request_info.raw, &Signature::from(signature))
        .map_err(|_| CertificateError::SelfSignature)?;
    Ok(request)
}

fn read(info: &X509CertificationRequestInfo<'_>) -> Result<CertificateRequest, ProfileError> {
    let extensions = match info.attributes() {
        [only] => asked(only)?,
        [] => return Err(ProfileError::MissingExtension("sealing key")),
        [_, second, ..] => return Err(unknown(&second.oid)),
    };
    Ok(CertificateRequest {
        node: NodeId::new(ed25519_key(&info.subject_pki)?),
        sealing: Extensions::of_request(extensions)?.sealing_key()?,
        name: common_name(&info.subject)?.parse().map_err(|_| ProfileError::Subject)?,
    })
}

/// The extensions that the one attribute of a request asks for.
fn asked<'a>(attribute: &'a X509CriAttribute<'a>) -> Result<&'a [X509Extension<'a>], ProfileError> {
    let ParsedCriAttribute::ExtensionRequest(request) = attribute.parsed_attribute() else {
        return Err(unknown(&attribute.oid));
    };
    Ok(&request.extensions)
}

fn write(request: &CertificateRequest, sign: impl Fn(&[u8]) -> [u8; 64]) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = node_name(&request.name);
    params.custom_extensions = vec![sealing_key_extension(&request.sealing)];
    let signer = Signer { key: request.node.public_key(), sign };
    written(params.serialize_request(&signer)).der().to_vec()
}
