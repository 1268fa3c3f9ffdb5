//! The extensions of the profile: which there are, and what stands in them.

use x509_parser::asn1_rs::Oid;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, ParsedExtension, X509Extension};

use super::is;
use crate::certificate::{ProfileError, Role};
use crate::identity::{EntityName, NetworkName, NodeName, SealingPublicKey};

/// This project's arc: a random number under 2.25 (ITU-T X.667), which needs no registration. It has 63 bits
/// and not a UUID's 128, because `rcgen` and others count arcs in 64.
const ARC: u64 = 4_777_336_675_017_419_915;

/// The extension that carries the sealing key: an X25519 SubjectPublicKeyInfo.
pub(in crate::certificate) const SEALING_KEY_OID: [u64; 4] = [2, 25, ARC, 1];

/// The extension that carries the role: an ENUMERATED, 0 for a member and 1 for an authority.
pub(in crate::certificate) const ROLE_OID: [u64; 4] = [2, 25, ARC, 2];

/// The DER of an X25519 SubjectPublicKeyInfo up to the key itself (RFC 8410, section 4).
const X25519_SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00];

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

/// In a CA certificate.
const CA: [&Known; 4] = [&KEY_USAGE, &NAME_CONSTRAINTS, &SUBJECT_KEY_ID, &BASIC_CONSTRAINTS];

/// In a leaf.
const LEAF: [&Known; 8] = [
    &AUTHORITY_KEY_ID,
    &ALT_NAMES,
    &KEY_USAGE,
    &EXTENDED_KEY_USAGE,
    &SUBJECT_KEY_ID,
    &BASIC_CONSTRAINTS,
    &SEALING_KEY,
    &ROLE,
];

/// In a request.
const REQUEST: [&Known; 1] = [&SEALING_KEY];

/// `digitalSignature` alone, as `x509-parser` numbers the bits.
const DIGITAL_SIGNATURE: u16 = 1;

/// `keyCertSign` and `cRLSign` alone.
const CA_SIGNATURES: u16 = 1 << 5 | 1 << 6;

/// The extensions of a certificate or a request: those of the profile, each once, and no other.
pub(in crate::certificate) struct Extensions<'a>(Vec<(&'static str, &'a X509Extension<'a>)>);

impl<'a> Extensions<'a> {
    /// Those of a CA certificate with path length 0 that signs certificates and revocation lists.
    pub(super) fn of_ca(all: &'a [X509Extension<'a>]) -> Result<Self, ProfileError> {
        let extensions = Self::of(all, &CA)?;
        extensions.expect_basic_constraints(true, Some(0))?;
        extensions.expect_key_usage(CA_SIGNATURES)?;
        Ok(extensions)
    }

    /// Those of a leaf that is no CA, signs no certificate and serves both ends of a connection.
    pub(super) fn of_leaf(all: &'a [X509Extension<'a>]) -> Result<Self, ProfileError> {
        let extensions = Self::of(all, &LEAF)?;
        extensions.expect_basic_constraints(false, None)?;
        extensions.expect_key_usage(DIGITAL_SIGNATURE)?;
        extensions.value(&EXTENDED_KEY_USAGE, |parsed| {
            let ParsedExtension::ExtendedKeyUsage(usage) = parsed else { return None };
            is_client_and_server(usage).then_some(())
        })?;
        Ok(extensions)
    }

    /// Those of a request that asks for nothing but a sealing key's place in the certificate.
    pub(in crate::certificate) fn of_request(all: &'a [X509Extension<'a>]) -> Result<Self, ProfileError> {
        Self::of(all, &REQUEST)
    }

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

    fn get(&self, known: &Known) -> Result<&'a X509Extension<'a>, ProfileError> {
        self.0
            .iter()
            .find_map(|(name, extension)| (*name == known.name).then_some(*extension))
            .ok_or(ProfileError::MissingExtension(known.name))
    }

    fn value<T>(
        &self,
        known: &Known,
        read: impl FnOnce(&'a ParsedExtension<'a>) -> Option<T>,
    ) -> Result<T, ProfileError> {
        read(self.get(known)?.parsed_extension()).ok_or(ProfileError::Extension(known.name))
    }

    fn expect_basic_constraints(&self, ca: bool, path_length: Option<u32>) -> Result<(), ProfileError> {
        self.value(&BASIC_CONSTRAINTS, |parsed| {
            let ParsedExtension::BasicConstraints(basic) = parsed else { return None };
            (basic.ca == ca && basic.path_len_constraint == path_length).then_some(())
        })
    }

    fn expect_key_usage(&self, flags: u16) -> Result<(), ProfileError> {
        self.value(&KEY_USAGE, |parsed| {
            let ParsedExtension::KeyUsage(usage) = parsed else { return None };
            (usage.flags == flags).then_some(())
        })
    }

    /// The identifier of the key that issued the certificate, as it claims.
    pub(super) fn issuer(&self) -> Result<[u8; 20], ProfileError> {
        self.value(&AUTHORITY_KEY_ID, |parsed| {
            let ParsedExtension::AuthorityKeyIdentifier(authority) = parsed else { return None };
            authority.key_identifier.as_ref().and_then(|id| id.0.try_into().ok())
        })
    }

    /// The one network whose DNS names a CA may certify.
    pub(super) fn network(&self) -> Result<NetworkName, ProfileError> {
        self.value(&NAME_CONSTRAINTS, |parsed| {
            let ParsedExtension::NameConstraints(constraints) = parsed else { return None };
            let [only] = constraints.permitted_subtrees.as_deref()? else { return None };
            let GeneralName::DNSName(name) = only.base else { return None };
            name.parse().ok()
        })
    }

    /// The two names of a leaf.
    pub(super) fn alt_names(&self) -> Result<AltNames, ProfileError> {
        let names = self.value(&ALT_NAMES, |parsed| {
            let ParsedExtension::SubjectAlternativeName(names) = parsed else { return None };
            Some(names.general_names.as_slice())
        })?;
        match names {
            [GeneralName::URI(uri), GeneralName::DNSName(dns)] => {
                AltNames::new(uri, dns).ok_or_else(|| ProfileError::AltNames(shown(&format!("{uri}, {dns}"))))
            }
            others => Err(ProfileError::AltNames(shown(&format!("{others:?}")))),
        }
    }

    /// The sealing key.
    pub(in crate::certificate) fn sealing_key(&self) -> Result<SealingPublicKey, ProfileError> {
        decode_sealing_key(self.get(&SEALING_KEY)?.value).ok_or(ProfileError::Extension(SEALING_KEY.name))
    }

    /// The role.
    pub(super) fn role(&self) -> Result<Role, ProfileError> {
        decode_role(self.get(&ROLE)?.value).ok_or(ProfileError::Extension(ROLE.name))
    }
}

fn is_client_and_server(usage: &ExtendedKeyUsage<'_>) -> bool {
    let others = usage.code_signing || usage.email_protection || usage.time_stamping || usage.ocsp_signing;
    usage.client_auth && usage.server_auth && !usage.any && !others && usage.other.is_empty()
}

/// `spiffe://<network>/entity/<entity>/node/<name>`, and the DNS name that goes with it.
pub(super) struct AltNames {
    pub(super) network: NetworkName,
    pub(super) entity: EntityName,
    pub(super) name: NodeName,
}

impl AltNames {
    fn new(uri: &str, dns: &str) -> Option<Self> {
        let (network, path) = uri.strip_prefix("spiffe://")?.split_once("/entity/")?;
        let (entity, name) = path.split_once("/node/")?;
        let names =
            Self { network: network.parse().ok()?, entity: entity.parse().ok()?, name: name.parse().ok()? };
        (dns == format!("{}.{}", names.name, names.network)).then_some(names)
    }
}

/// An extension or attribute that is not of the profile.
pub(in crate::certificate) fn unknown(oid: &Oid<'_>) -> ProfileError {
    ProfileError::UnknownExtension(shown(&oid.to_id_string()))
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

pub(in crate::certificate) fn encode_sealing_key(key: &SealingPublicKey) -> [u8; 44] {
    let mut info = [0; 44];
    info[..12].copy_from_slice(&X25519_SPKI_PREFIX);
    info[12..].copy_from_slice(key.as_bytes());
    info
}

fn decode_sealing_key(info: &[u8]) -> Option<SealingPublicKey> {
    let key = info.strip_prefix(&X25519_SPKI_PREFIX)?.try_into().ok().map(SealingPublicKey)?;
    (!key.has_small_order()).then_some(key)
}

pub(in crate::certificate) const fn encode_role(role: Role) -> [u8; 3] {
    match role {
        Role::Member => [0x0a, 0x01, 0x00],
        Role::Authority => [0x0a, 0x01, 0x01],
    }
}

fn decode_role(value: &[u8]) -> Option<Role> {
    [Role::Member, Role::Authority].into_iter().find(|role| encode_role(*role) == value)
}
