//! The one form that this project's certificates have: what stands in them, and how it is read back.
//!
//! Reading believes nothing: no signature is checked here, and no time. The caller writes what was read again
//! and compares the bytes, which is what makes the profile complete; the checks here are for a reason to give.

use x509_parser::asn1_rs::{BitString, Oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo, X509Name, X509Version};

use super::{
    BACKDATE, CertificateDer, CertificateError, LEAF_LIFE_MAX, ProfileError, Role, Serial, Subject, Validity,
};
use crate::identity::{NetworkName, NodeId, PublicKey, SealingPublicKey};
use crate::label::Digest;
use crate::time::Timestamp;

/// This project's arc: a random number under 2.25 (ITU-T X.667), which needs no registration. It has 63 bits
/// and not a UUID's 128, because common tools count arcs in 64.
const ARC: u64 = 4_777_336_675_017_419_915;

/// The extension that carries the sealing key: an X25519 SubjectPublicKeyInfo.
pub(super) const SEALING_KEY_OID: [u64; 4] = [2, 25, ARC, 1];

/// The extension that carries the role: an ENUMERATED, 0 for a member and 1 for an authority.
pub(super) const ROLE_OID: [u64; 4] = [2, 25, ARC, 2];

/// The DER of an X25519 SubjectPublicKeyInfo up to the key itself (RFC 8410, section 4).
const X25519_SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00];

/// id-Ed25519 (RFC 8410, section 3).
const ED25519_OID: [u64; 4] = [1, 3, 101, 112];

const COMMON_NAME_OID: [u64; 4] = [2, 5, 4, 3];

/// An extension of the profile.
struct Known {
    name: &'static str,
    oid: &'static [u64],
    critical: bool,
}

const AUTHORITY_KEY_ID: Known =
    Known { name: "authorityKeyIdentifier", oid: &[2, 5, 29, 35], critical: false };
const SUBJECT_KEY_ID: Known = Known { name: "subjectKeyIdentifier", oid: &[2, 5, 29, 14], critical: false };
const BASIC_CONSTRAINTS: Known = Known { name: "basicConstraints", oid: &[2, 5, 29, 19], critical: true };
const KEY_USAGE: Known = Known { name: "keyUsage", oid: &[2, 5, 29, 15], critical: true };
const EXTENDED_KEY_USAGE: Known = Known { name: "extendedKeyUsage", oid: &[2, 5, 29, 37], critical: false };
const ALT_NAMES: Known = Known { name: "subjectAltName", oid: &[2, 5, 29, 17], critical: false };
const NAME_CONSTRAINTS: Known = Known { name: "nameConstraints", oid: &[2, 5, 29, 30], critical: true };
const SEALING_KEY: Known = Known { name: "sealing key", oid: &SEALING_KEY_OID, critical: false };
const ROLE: Known = Known { name: "role", oid: &ROLE_OID, critical: false };

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
    let extensions = Extensions::of(
        certificate.extensions(),
        &[&KEY_USAGE, &NAME_CONSTRAINTS, &SUBJECT_KEY_ID, &BASIC_CONSTRAINTS],
    )?;
    extensions.expect(&KEY_USAGE, |value| match value {
        ParsedExtension::KeyUsage(usage) => usage.flags == 0b110_0000,
        _ => false,
    })?;
    extensions.expect(&BASIC_CONSTRAINTS, |value| match value {
        ParsedExtension::BasicConstraints(basic) => basic.ca && basic.path_len_constraint == Some(0),
        _ => false,
    })?;
    let contents = AuthorityContents {
        key: ed25519_key(&certificate.subject_pki)?,
        network: extensions.permitted_network()?,
        serial: serial(&certificate)?,
        validity: validity(&certificate)?,
    };
    let signature = ed25519_signature(&certificate.signature_algorithm, &certificate.signature_value)?;
    Ok(ReadAuthority { contents, signed: certificate.tbs_certificate.as_ref().to_vec(), signature })
}

/// Reads a leaf.
pub(super) fn read_leaf(der: &CertificateDer) -> Result<ReadLeaf, CertificateError> {
    let certificate = parse(der)?;
    let extensions = Extensions::of(
        certificate.extensions(),
        &[
            &AUTHORITY_KEY_ID,
            &ALT_NAMES,
            &KEY_USAGE,
            &EXTENDED_KEY_USAGE,
            &SUBJECT_KEY_ID,
            &BASIC_CONSTRAINTS,
            &SEALING_KEY,
            &ROLE,
        ],
    )?;
    extensions.expect_leaf_usage()?;
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
    let names = extensions.alt_names()?;
    let subject = Subject {
        role: decode_role(extensions.raw(&ROLE)?).ok_or(ProfileError::Extension(ROLE.name))?,
        node: NodeId::new(ed25519_key(&certificate.subject_pki)?),
        sealing: decode_sealing_key(extensions.raw(&SEALING_KEY)?)?,
        name: names.spiffe.name.parse().map_err(|_| names.refused())?,
        network: names.spiffe.network.parse().map_err(|_| names.refused())?,
        entity: names.spiffe.entity.parse().map_err(|_| names.refused())?,
    };
    if subject.dns_name() != names.dns {
        return Err(names.refused());
    }
    if common_name(&certificate.subject)? != subject.name.as_str() {
        return Err(ProfileError::Subject);
    }
    Ok(subject)
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

/// The extensions of a certificate or a request: those of the profile, each once, and no other.
pub(super) struct Extensions<'a>(Vec<(&'static str, &'a X509Extension<'a>)>);

impl<'a> Extensions<'a> {
    fn of(all: &'a [X509Extension<'a>], profile: &[&Known]) -> Result<Self, ProfileError> {
        let mut found: Vec<(&'static str, &X509Extension<'_>)> = Vec::with_capacity(profile.len());
        for extension in all {
            let known = profile
                .iter()
                .find(|known| is(&extension.oid, known.oid))
                .ok_or_else(|| unknown(&extension.oid))?;
            if found.iter().any(|(name, _)| *name == known.name) {
                return Err(ProfileError::DuplicateExtension(known.name));
            }
            if extension.critical != known.critical {
                return Err(ProfileError::Extension(known.name));
            }
            found.push((known.name, extension));
        }
        let extensions = Self(found);
        profile.iter().try_for_each(|known| extensions.get(known).map(drop))?;
        Ok(extensions)
    }

    /// The sealing key, of a request that asks for nothing else.
    pub(super) fn requested(all: &'a [X509Extension<'a>]) -> Result<SealingPublicKey, ProfileError> {
        decode_sealing_key(Self::of(all, &[&SEALING_KEY])?.raw(&SEALING_KEY)?)
    }

    fn get(&self, known: &Known) -> Result<&'a X509Extension<'a>, ProfileError> {
        self.0
            .iter()
            .find_map(|(name, extension)| (*name == known.name).then_some(*extension))
            .ok_or(ProfileError::MissingExtension(known.name))
    }

    fn raw(&self, known: &Known) -> Result<&'a [u8], ProfileError> {
        Ok(self.get(known)?.value)
    }

    fn expect(
        &self,
        known: &Known,
        right: impl FnOnce(&ParsedExtension<'_>) -> bool,
    ) -> Result<(), ProfileError> {
        if right(self.get(known)?.parsed_extension()) {
            Ok(())
        } else {
            Err(ProfileError::Extension(known.name))
        }
    }

    /// No CA, no signing of certificates, both ends of a connection and nothing else.
    fn expect_leaf_usage(&self) -> Result<(), ProfileError> {
        self.expect(&BASIC_CONSTRAINTS, |value| match value {
            ParsedExtension::BasicConstraints(basic) => !basic.ca && basic.path_len_constraint.is_none(),
            _ => false,
        })?;
        self.expect(&KEY_USAGE, |value| match value {
            ParsedExtension::KeyUsage(usage) => usage.flags == 1,
            _ => false,
        })?;
        self.expect(&EXTENDED_KEY_USAGE, |value| match value {
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let others = usage.code_signing
                    || usage.email_protection
                    || usage.time_stamping
                    || usage.ocsp_signing
                    || !usage.other.is_empty();
                usage.client_auth && usage.server_auth && !usage.any && !others
            }
            _ => false,
        })
    }

    fn issuer(&self) -> Result<[u8; 20], ProfileError> {
        let id = match self.get(&AUTHORITY_KEY_ID)?.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(authority) => authority.key_identifier.as_ref(),
            _ => None,
        };
        id.and_then(|id| id.0.try_into().ok()).ok_or(ProfileError::Extension(AUTHORITY_KEY_ID.name))
    }

    fn permitted_network(&self) -> Result<NetworkName, ProfileError> {
        let permitted = match self.get(&NAME_CONSTRAINTS)?.parsed_extension() {
            ParsedExtension::NameConstraints(constraints) => constraints.permitted_subtrees.as_deref(),
            _ => None,
        };
        match permitted {
            Some([only]) => match only.base {
                GeneralName::DNSName(name) => name.parse().ok(),
                _ => None,
            },
            _ => None,
        }
        .ok_or(ProfileError::Extension(NAME_CONSTRAINTS.name))
    }

    fn alt_names(&self) -> Result<AltNames<'a>, ProfileError> {
        let names = match self.get(&ALT_NAMES)?.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => names.general_names.as_slice(),
            _ => return Err(ProfileError::Extension(ALT_NAMES.name)),
        };
        match names {
            [GeneralName::URI(uri), GeneralName::DNSName(dns)] => {
                let spiffe = SpiffeId::parse(uri).ok_or_else(|| ProfileError::AltNames(shown(uri)))?;
                Ok(AltNames { uri, spiffe, dns })
            }
            others => Err(ProfileError::AltNames(shown(&format!("{others:?}")))),
        }
    }
}

struct AltNames<'a> {
    uri: &'a str,
    spiffe: SpiffeId<'a>,
    dns: &'a str,
}

impl AltNames<'_> {
    fn refused(&self) -> ProfileError {
        ProfileError::AltNames(shown(&format!("{}, {}", self.uri, self.dns)))
    }
}

struct SpiffeId<'a> {
    network: &'a str,
    entity: &'a str,
    name: &'a str,
}

impl<'a> SpiffeId<'a> {
    fn parse(uri: &'a str) -> Option<Self> {
        let (network, path) = uri.strip_prefix("spiffe://")?.split_once("/entity/")?;
        let (entity, name) = path.split_once("/node/")?;
        Some(Self { network, entity, name })
    }
}

/// An extension or attribute that is not of the profile.
pub(super) fn unknown(oid: &Oid<'_>) -> ProfileError {
    ProfileError::UnknownExtension(shown(&oid.to_id_string()))
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

/// The key identifier of RFC 7093, section 2, method 1: the first 160 bits of the key's SHA-256.
pub(super) fn key_identifier(key: &PublicKey) -> [u8; 20] {
    let mut id = [0; 20];
    id.copy_from_slice(&Digest::of(key.as_bytes()).as_bytes()[..20]);
    id
}

pub(super) fn encode_sealing_key(key: &SealingPublicKey) -> [u8; 44] {
    let mut info = [0; 44];
    info[..12].copy_from_slice(&X25519_SPKI_PREFIX);
    info[12..].copy_from_slice(key.as_bytes());
    info
}

fn decode_sealing_key(info: &[u8]) -> Result<SealingPublicKey, ProfileError> {
    info.strip_prefix(&X25519_SPKI_PREFIX)
        .and_then(|key| key.try_into().ok())
        .map(SealingPublicKey)
        .ok_or(ProfileError::Extension(SEALING_KEY.name))
}

pub(super) const fn encode_role(role: Role) -> [u8; 3] {
    match role {
        Role::Member => [0x0a, 0x01, 0x00],
        Role::Authority => [0x0a, 0x01, 0x01],
    }
}

fn decode_role(value: &[u8]) -> Option<Role> {
    [Role::Member, Role::Authority].into_iter().find(|role| encode_role(*role) == value)
}
