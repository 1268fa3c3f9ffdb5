//! Why a certificate or a request for one is not accepted.

use crate::identity::{Fingerprint, NetworkName, NodeId};
use crate::time::Timestamp;

/// Why a certificate or a certificate request is not accepted.
///
/// The other side is at fault, but for [`CertificateError::Misuse`]. What of theirs is shown is escaped and cut
/// to 80 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// More bytes than any of ours has.
    #[error("{actual} bytes where at most {max} are allowed")]
    TooLong {
        /// The bytes that came.
        actual: usize,
        /// The bytes that are allowed.
        max: usize,
    },
    /// A text that is not one certificate in PEM.
    #[error("not a certificate in PEM: {0}")]
    Pem(&'static str),
    /// Not of the form that this project's certificates and requests have.
    #[error("not a certificate or request of the expected form: {0}")]
    Profile(#[from] ProfileError),
    /// A CA certificate with another key than the one that was pinned.
    #[error("the authority's fingerprint is {actual}, not {expected}")]
    Pin {
        /// The fingerprint that was pinned.
        expected: Fingerprint,
        /// The fingerprint of the certificate that came.
        actual: Fingerprint,
    },
    /// A certificate of a network with another name.
    #[error("the certificate is for network {actual}, not {expected}")]
    Network {
        /// The network that it should be for.
        expected: NetworkName,
        /// The network that it is for.
        actual: NetworkName,
    },
    /// A leaf that names the key of another authority as its issuer's.
    #[error("the certificate was issued by an authority other than {expected}")]
    OtherAuthority {
        /// The authority that should have issued it.
        expected: Fingerprint,
    },
    /// No path from the leaf to the network's CA, most often because the signature does not verify.
    #[error("the certificate does not chain to the network's authority: {0}")]
    Path(String),
    /// A signature by the very key in the certificate or request that does not verify.
    #[error("the self-signature does not verify")]
    SelfSignature,
    /// The leaf is not yet good, even with the skew allowed.
    #[error("the certificate is not valid before {not_before}, it is {now}")]
    NotYetValid {
        /// The first second of its validity.
        not_before: Timestamp,
        /// The time.
        now: Timestamp,
    },
    /// The leaf is no longer good, even with the skew allowed.
    #[error("the certificate expired at {not_after}, it is {now}")]
    Expired {
        /// The last second of its validity.
        not_after: Timestamp,
        /// The time.
        now: Timestamp,
    },
    /// The network's CA certificate is not yet good, even with the skew allowed.
    #[error("the authority's certificate is not valid before {not_before}, it is {now}")]
    AuthorityNotYetValid {
        /// The first second of its validity.
        not_before: Timestamp,
        /// The time.
        now: Timestamp,
    },
    /// The network's CA certificate is no longer good, even with the skew allowed.
    #[error("the authority's certificate expired at {not_after}, it is {now}")]
    AuthorityExpired {
        /// The last second of its validity.
        not_after: Timestamp,
        /// The time.
        now: Timestamp,
    },
    /// A good certificate, shown by another node than the one it was issued to.
    #[error("the certificate is for node {certificate}, the connection is with {connection}")]
    OtherNode {
        /// The node that the certificate is for.
        certificate: NodeId,
        /// The node that the connection proved.
        connection: NodeId,
    },
    /// The membership that the certificate stands for was taken away.
    #[error("the membership was revoked at {at}")]
    Revoked {
        /// Since when.
        at: Timestamp,
    },
    /// The caller asked for what cannot be issued.
    #[error("{0}")]
    Misuse(&'static str),
}

/// Where a certificate or a request departs from the one form that ours have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Not DER, or followed by something.
    #[error("malformed or trailing bytes")]
    Malformed,
    /// The serial number is not a positive number of at most 128 bits.
    #[error("the serial number is not a positive number of at most 128 bits")]
    Serial,
    /// The key or the signature is not Ed25519's (RFC 8410).
    #[error("the {0} is not Ed25519")]
    Algorithm(&'static str),
    /// A validity that cannot be, or is longer than any leaf may live.
    #[error("valid from {not_before} to {not_after}")]
    Validity {
        /// The first second.
        not_before: Timestamp,
        /// The last second.
        not_after: Timestamp,
    },
    /// A leaf that begins before or ends after the certificate of its issuer.
    #[error("valid when its issuer's certificate is not")]
    OutlivesAuthority,
    /// The subject is not exactly one common name, or not the name that stands elsewhere.
    #[error("the subject is not the one common name that is expected")]
    Subject,
    /// An extension that is missing.
    #[error("no extension {0}")]
    MissingExtension(&'static str),
    /// An extension, or an attribute of a request, that ours never have.
    #[error("unexpected extension or attribute {0:?}")]
    UnknownExtension(String),
    /// An extension that stands twice.
    #[error("extension {0} twice")]
    DuplicateExtension(&'static str),
    /// An extension whose value is not what it should be.
    #[error("extension {0} has a value or criticality that ours never have")]
    Extension(&'static str),
    /// Alternative names that are not one SPIFFE id and the one DNS name that goes with it.
    #[error("the alternative names are {0:?}")]
    AltNames(String),
    /// The fields are good, but the bytes are not those that they are written as.
    #[error("not the one encoding of what it says")]
    NotCanonical,
}
