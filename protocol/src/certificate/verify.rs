//! Believes a certificate or does not. Only here is `webpki` known.

use core::time::Duration;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer as PkiDer, TrustAnchor as PkiAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::issue::{write_ca, write_leaf};
use super::profile::{LeafContents, ReadLeaf, key_identifier, read_ca, read_leaf};
use super::{
    BACKDATE, CertificateDer, CertificateError, Moment, ProfileError, Role, Serial, Subject, Validity,
};
use crate::identity::{
    EntityName, Fingerprint, NetworkName, NodeId, NodeName, PublicKey, SealingPublicKey, Signature,
};
use crate::label::Digest;
use crate::time::Timestamp;

/// The CA certificate of a network: pinned, of the one form that ours have, and signed by its own key.
///
/// Whether it still is valid is asked at each [`verify`].
#[derive(Clone, Debug)]
pub struct TrustAnchor {
    der: CertificateDer,
    network: NetworkName,
    key: PublicKey,
    key_id: [u8; 20],
    validity: Validity,
    webpki: PkiAnchor<'static>,
}

impl TrustAnchor {
    /// The CA certificate `der` of `network`, whose key has the fingerprint `pin`.
    ///
    /// # Errors
    /// [`CertificateError`]: not a CA certificate of ours, another network's, or not the one that was pinned.
    pub fn new(
        der: CertificateDer,
        pin: Fingerprint,
        network: NetworkName,
    ) -> Result<Self, CertificateError> {
        let ca = read_ca(&der)?;
        let (key, validity) = (ca.contents.key, ca.contents.validity);
        let actual = Fingerprint::of(&key);
        if actual != pin {
            return Err(CertificateError::Pin { expected: pin, actual });
        }
        if ca.contents.network != network {
            return Err(CertificateError::Network { expected: network, actual: ca.contents.network });
        }
        if write_ca(&ca.contents, |_| ca.signature) != der.as_bytes() {
            return Err(ProfileError::NotCanonical.into());
        }
        key.verify_bytes(&ca.signed, &Signature::from(ca.signature))
            .map_err(|_| CertificateError::SelfSignature)?;
        let webpki = pki_anchor(&der)?;
        Ok(Self { der, network, key, key_id: key_identifier(&key), validity, webpki })
    }

    /// The CA certificate of whichever network `der` says, under whichever key: somebody has to vouch for it otherwise.
    ///
    /// # Errors
    /// [`CertificateError`]: not a CA certificate of ours.
    pub(crate) fn of_stranger(der: CertificateDer) -> Result<Self, CertificateError> {
        let ca = read_ca(&der)?.contents;
        Self::new(der, Fingerprint::of(&ca.key), ca.network)
    }

    /// The CA certificate.
    #[must_use]
    pub const fn der(&self) -> &CertificateDer {
        &self.der
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> &NetworkName {
        &self.network
    }

    /// The public half of the CA key.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The pin of the CA key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.key)
    }

    /// From when to when the CA certificate is good.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), CertificateError> {
        let (not_before, not_after) = (self.validity.not_before(), self.validity.not_after());
        match self.validity.at(now) {
            Moment::Before => Err(CertificateError::AuthorityNotYetValid { not_before, now }),
            Moment::Within => Ok(()),
            Moment::After => Err(CertificateError::AuthorityExpired { not_after, now }),
        }
    }

    /// Refuses what needs no signature check to be refused.
    fn check_claims(&self, der: &CertificateDer, leaf: &ReadLeaf) -> Result<(), CertificateError> {
        let contents = &leaf.contents;
        if contents.subject.network != self.network {
            let (expected, actual) = (self.network.clone(), contents.subject.network.clone());
            return Err(CertificateError::Network { expected, actual });
        }
        if leaf.issuer != self.key_id {
            return Err(CertificateError::OtherAuthority { expected: self.fingerprint() });
        }
        if !self.validity.contains(&contents.validity) {
            return Err(ProfileError::OutlivesAuthority.into());
        }
        if write_leaf(contents, &self.key, |_| leaf.signature) != der.as_bytes() {
            return Err(ProfileError::NotCanonical.into());
        }
        Ok(())
    }

    /// Path validation (RFC 5280, section 6) at a time within the leaf's validity.
    fn check_path(&self, der: &CertificateDer, time: Timestamp) -> Result<(), CertificateError> {
        let path = |error: webpki::Error| CertificateError::Path(error.to_string());
        let der = PkiDer::from(der.as_bytes());
        let leaf = EndEntityCert::try_from(&der).map_err(path)?;
        leaf.verify_for_usage(
            &[webpki::aws_lc_rs::ED25519],
            core::slice::from_ref(&self.webpki),
            &[],
            UnixTime::since_unix_epoch(Duration::from_secs(time.as_secs())),
            KeyUsage::client_auth(),
            None,
            None,
        )
        .map(drop)
        .map_err(path)
    }
}

fn pki_anchor(der: &CertificateDer) -> Result<PkiAnchor<'static>, CertificateError> {
    webpki::anchor_from_trusted_cert(&PkiDer::from(der.as_bytes()))
        .map(|anchor| anchor.to_owned())
        .map_err(|error| CertificateError::Path(error.to_string()))
}

/// Believes `leaf` at the time `now`, or says why not: it has the one form that ours have, `anchor` issued it,
/// and both are valid, give or take [`SKEW`](super::SKEW).
///
/// Who shows it is another matter: see [`VerifiedCertificate::prove`]. So is whether it was revoked.
///
/// # Errors
/// [`CertificateError`].
pub fn verify(
    anchor: &TrustAnchor,
    leaf: &CertificateDer,
    now: Timestamp,
) -> Result<VerifiedCertificate, CertificateError> {
    anchor.check_time(now)?;
    let read = read_leaf(leaf)?;
    anchor.check_claims(leaf, &read)?;
    check_time(&read.contents.validity, now)?;
    let validity = read.contents.validity;
    anchor.check_path(leaf, now.clamp(validity.not_before(), validity.not_after()))?;
    let root = anchor.fingerprint();
    let verified = Contents { der: leaf.clone(), digest: leaf.digest(), says: read.contents, root };
    Ok(VerifiedCertificate(Arc::new(verified)))
}

fn check_time(validity: &Validity, now: Timestamp) -> Result<(), CertificateError> {
    match validity.at(now) {
        Moment::Before => Err(CertificateError::NotYetValid { not_before: validity.not_before(), now }),
        Moment::Within => Ok(()),
        Moment::After => Err(CertificateError::Expired { not_after: validity.not_after(), now }),
    }
}

/// A leaf that a network's authority issued, and what it says. Made by [`verify`] alone. Clones are the same memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCertificate(Arc<Contents>);

#[derive(Debug, PartialEq, Eq)]
struct Contents {
    der: CertificateDer,
    digest: Digest,
    says: LeafContents,
    /// Under which CA key.
    root: Fingerprint,
}

impl VerifiedCertificate {
    /// Whether it is `leaf`, verified under the key of `anchor`.
    pub(super) fn is(&self, anchor: &TrustAnchor, leaf: &CertificateDer) -> bool {
        self.0.der == *leaf && self.0.root == anchor.fingerprint()
    }

    /// The certificate itself.
    #[must_use]
    pub fn der(&self) -> &CertificateDer {
        &self.0.der
    }

    /// The SHA-256 of the certificate.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The serial number, by which it is revoked.
    #[must_use]
    pub fn serial(&self) -> Serial {
        self.0.says.serial
    }

    /// Everything that it says of the node.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.0.says.subject
    }

    /// The node's identity key.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.0.says.subject.node
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &NodeName {
        &self.0.says.subject.name
    }

    /// The organisation, shop or household that the node belongs to.
    #[must_use]
    pub fn entity(&self) -> &EntityName {
        &self.0.says.subject.entity
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &NetworkName {
        &self.0.says.subject.network
    }

    /// What the node is to the network.
    #[must_use]
    pub fn role(&self) -> Role {
        self.0.says.subject.role
    }

    /// The key to which to seal what is for the node.
    #[must_use]
    pub fn sealing_key(&self) -> &SealingPublicKey {
        &self.0.says.subject.sealing
    }

    /// The first second of its validity.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.0.says.validity.not_before()
    }

    /// The last second of its validity, which is never after the end of the CA certificate's.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.0.says.validity.not_after()
    }

    /// When the authority issued it, by the authority's clock. It may seem up to [`BACKDATE`] later for a
    /// certificate as old as the network.
    #[must_use]
    pub fn issued(&self) -> Timestamp {
        self.not_before().after(BACKDATE)
    }

    /// Looks at the time again, for a certificate that was verified earlier.
    ///
    /// # Errors
    /// [`CertificateError::NotYetValid`], [`CertificateError::Expired`].
    pub fn check_time(&self, now: Timestamp) -> Result<(), CertificateError> {
        check_time(&self.0.says.validity, now)
    }

    /// Binds the certificate to the connection on which it was shown, whose other end has proved to hold the
    /// identity key of `connection`.
    ///
    /// # Errors
    /// [`CertificateError::OtherNode`] if it is somebody else's certificate.
    pub fn prove(self, connection: NodeId) -> Result<AuthenticatedPeer, CertificateError> {
        if self.node_id() != connection {
            return Err(CertificateError::OtherNode { certificate: self.node_id(), connection });
        }
        Ok(AuthenticatedPeer(self))
    }
}

/// The other end of a connection, which holds the key of its verified certificate. Made by
/// [`VerifiedCertificate::prove`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatedPeer(VerifiedCertificate);

impl AuthenticatedPeer {
    /// The peer's certificate.
    #[must_use]
    pub const fn certificate(&self) -> &VerifiedCertificate {
        &self.0
    }

    /// The peer's identity key.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.0.node_id()
    }
}
