//! Certificates: who issued them, what they say, and whether to believe it.
//!
//! A network has one CA certificate, signed by itself, and issues leaves to nodes. Both have one fixed form
//! (the *profile*): a certificate is read field by field, written again from those fields, and refused unless
//! the bytes are the same. So every certificate has one encoding, and nothing that stands in it goes unread.
//! Path validation is `rustls-webpki`'s (RFC 5280, section 6), behind that check.
//!
//! [`verify()`] returns a [`VerifiedCertificate`], which says what the authority vouched for;
//! [`VerifiedCertificate::prove`] makes an [`AuthenticatedPeer`] of it on the connection that proved its key.

mod error;
mod issue;
mod profile;
pub mod request;
#[cfg(test)]
mod tests;
mod verified;
mod verify;

use core::fmt;
use core::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use rand_core::CryptoRng;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

pub use self::error::{CertificateError, ProfileError};
pub use self::issue::{issue_ca, issue_leaf};
pub use self::verified::Verified;
pub use self::verify::{AuthenticatedPeer, TrustAnchor, VerifiedCertificate, verify};
use crate::codec;
use crate::identity::{EntityName, NetworkName, NodeId, NodeName, SealingPublicKey};
use crate::label::Digest;
use crate::time::Timestamp;

/// How long a leaf lives where nothing else is said. Renewal begins after a third of it, so an authority may
/// be away for two days without anyone noticing.
pub const LEAF_LIFE: Duration = Duration::from_hours(72);

/// The longest life of a leaf: the 90 days that an enrolment record outlives the last renewal. A longer one
/// would be believed after the authority has forgotten the node.
pub const LEAF_LIFE_MAX: Duration = Duration::from_hours(90 * 24);

/// The shortest life of a leaf: one that renews every half minute, for tests and demonstrations.
pub const LEAF_LIFE_MIN: Duration = Duration::from_mins(1);

/// How long a CA certificate lives: ten years.
pub const CA_LIFE: Duration = Duration::from_hours(3650 * 24);

/// How far before its issue a certificate begins, for nodes whose clocks are behind.
pub const BACKDATE: Duration = Duration::from_mins(5);

/// How far beyond its bounds a certificate is still accepted, for nodes whose clocks disagree.
pub const SKEW: Duration = Duration::from_secs(300);

/// The most bytes of a certificate. The longest names make one of about 1,050.
pub const CERTIFICATE_MAX: usize = 2048;

/// The most bytes of a PEM file with one certificate in it: room for what `openssl x509 -text` puts in front.
const PEM_MAX: usize = 16 * 1024;

/// A certificate's DER, of at most [`CERTIFICATE_MAX`] bytes and otherwise unchecked until [`verify()`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "AnyDer")]
pub struct CertificateDer(#[serde(with = "codec::bytes")] Vec<u8>);

/// As it is read, before its length is looked at.
#[derive(Deserialize)]
struct AnyDer(#[serde(with = "codec::bytes")] Vec<u8>);

impl TryFrom<AnyDer> for CertificateDer {
    type Error = CertificateError;

    fn try_from(AnyDer(der): AnyDer) -> Result<Self, CertificateError> {
        Self::try_from(der)
    }
}

impl CertificateDer {
    /// The DER's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The SHA-256 of the DER, by which a certificate is referred to.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// The certificate as other programs read it (RFC 7468), ending with a newline.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        for line in self.0.chunks(48) {
            BASE64.encode_append(line, &mut pem);
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
        pem
    }

    /// The one certificate in a PEM text (RFC 7468), whatever else stands around it.
    ///
    /// # Errors
    /// [`CertificateError::Pem`] if there is none or more than one, [`CertificateError::TooLong`].
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        if text.len() > PEM_MAX {
            return Err(CertificateError::TooLong { actual: text.len(), max: PEM_MAX });
        }
        let mut found = rustls_pki_types::CertificateDer::pem_slice_iter(text.as_bytes());
        match (found.next(), found.next()) {
            (Some(Ok(der)), None) => Self::try_from(der.to_vec()),
            (None, _) => Err(CertificateError::Pem("no certificate")),
            (Some(Ok(_)), Some(_)) => Err(CertificateError::Pem("more than one certificate")),
            (Some(Err(_)), _) => Err(CertificateError::Pem("malformed")),
        }
    }
}

impl TryFrom<Vec<u8>> for CertificateDer {
    type Error = CertificateError;

    fn try_from(der: Vec<u8>) -> Result<Self, CertificateError> {
        if der.len() > CERTIFICATE_MAX {
            return Err(CertificateError::TooLong { actual: der.len(), max: CERTIFICATE_MAX });
        }
        Ok(Self(der))
    }
}

impl From<CertificateDer> for Vec<u8> {
    fn from(certificate: CertificateDer) -> Self {
        certificate.0
    }
}

impl fmt::Debug for CertificateDer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateDer({})", self.digest())
    }
}

/// What a node is to its network, as the authority says it in the node's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// An ordinary member.
    Member,
    /// A node that speaks for the authority: the only kind that may answer a request to enrol.
    Authority,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Member => "member",
            Self::Authority => "authority",
        })
    }
}

/// Whom a leaf is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The node's name within the network.
    pub name: NodeName,
    /// The network.
    pub network: NetworkName,
    /// The organisation, shop or household that the node belongs to.
    pub entity: EntityName,
    /// What the node is to the network.
    pub role: Role,
    /// The node's identity key: the certificate's public key.
    pub node: NodeId,
    /// The key to which others seal what is for the node.
    pub sealing: SealingPublicKey,
}

impl Subject {
    /// The SPIFFE id: `spiffe://<network>/entity/<entity>/node/<name>`.
    #[must_use]
    pub fn spiffe_id(&self) -> String {
        format!("spiffe://{}/entity/{}/node/{}", self.network, self.entity, self.name)
    }

    /// The DNS name: `<name>.<network>`.
    #[must_use]
    pub fn dns_name(&self) -> String {
        format!("{}.{}", self.name, self.network)
    }
}

/// From when to when a certificate is good, both inclusive and in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Validity {
    /// The last second that X.509 can write: the end of the year 9999.
    const LAST: Timestamp = Timestamp::from_secs(253_402_300_799);

    /// From `not_before` to `not_after`, both rounded down to whole seconds.
    ///
    /// # Errors
    /// [`CertificateError::Misuse`] if that is no time at all, or ends after the year 9999.
    pub fn new(not_before: Timestamp, not_after: Timestamp) -> Result<Self, CertificateError> {
        let (not_before, not_after) = (not_before.whole_seconds(), not_after.whole_seconds());
        if not_before >= not_after || not_after > Self::LAST {
            return Err(CertificateError::Misuse("a certificate must end after it begins, by the year 9999"));
        }
        Ok(Self { not_before, not_after })
    }

    /// From [`BACKDATE`] before `now` to `life` after it.
    ///
    /// # Errors
    /// As [`Validity::new`].
    pub fn starting(now: Timestamp, life: Duration) -> Result<Self, CertificateError> {
        Self::new(now.before(BACKDATE), now.after(life))
    }

    /// The first second.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last second.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    fn length(&self) -> Duration {
        self.not_after.since(self.not_before)
    }

    fn contains(&self, other: &Self) -> bool {
        self.not_before <= other.not_before && other.not_after <= self.not_after
    }

    /// What of this lies within `other`.
    fn within(&self, other: &Self) -> Result<Self, CertificateError> {
        Self::new(self.not_before.max(other.not_before), self.not_after.min(other.not_after))
    }

    /// Where `now` is, give or take [`SKEW`].
    fn at(&self, now: Timestamp) -> Moment {
        if now.after(SKEW) < self.not_before {
            Moment::Before
        } else if now > self.not_after.after(SKEW) {
            Moment::After
        } else {
            Moment::Within
        }
    }
}

enum Moment {
    Before,
    Within,
    After,
}

/// A certificate's serial number: a positive number of at most 128 bits (RFC 5280, section 4.1.2.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "[u8; 16]", into = "[u8; 16]")]
pub struct Serial([u8; 16]);

impl Serial {
    /// 128 random bits, not all zero.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; 16];
        while bytes == [0; 16] {
            rng.fill_bytes(&mut bytes);
        }
        Self(bytes)
    }

    /// The number's 16 bytes, the most significant first.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The number that the content of a DER INTEGER stands for.
    fn from_integer(content: &[u8]) -> Option<Self> {
        let magnitude = match content {
            [0, rest @ ..] => rest,
            [0x80..=0xff, ..] => return None,
            positive => positive,
        };
        let mut bytes = [0; 16];
        let start = bytes.len().checked_sub(magnitude.len())?;
        bytes[start..].copy_from_slice(magnitude);
        Self::try_from(bytes).ok()
    }
}

impl TryFrom<[u8; 16]> for Serial {
    type Error = CertificateError;

    fn try_from(bytes: [u8; 16]) -> Result<Self, CertificateError> {
        if bytes == [0; 16] { Err(ProfileError::Serial.into()) } else { Ok(Self(bytes)) }
    }
}

impl From<Serial> for [u8; 16] {
    fn from(serial: Serial) -> Self {
        serial.0
    }
}

/// 32 lower-case hexadecimal digits.
impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}
