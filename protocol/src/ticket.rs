//! Session tickets: what authenticates a requester to a provider, and the key material of their channels.
//!
//! A requester asks over an authenticated connection; the minter answers with a grant of two halves. Both hold the
//! ticket's secret and terms. `for_client` is sealed to the sealing key in the requester's certificate.
//! `for_service` is opaque to the requester, which shows it to the provider when it opens a channel: the provider
//! has sealed it to itself, together with the requester's certificate, and remembers nothing in between. The
//! minter signs over both halves, the request, a commitment to the secret and both identities, so no half can be
//! exchanged for one that an attacker has made.

mod cache;
mod key;
mod mint;
mod minted;
mod open;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod vectors;

use core::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::cache::SessionKeyCache;
use self::key::ChannelKey;
pub use self::mint::{MintError, Minted, mint};
pub(crate) use self::minted::{MintedTicket, MintedTickets};
pub use self::open::{GrantError, TicketError, accept, recheck, validate};
use crate::certificate::{CertificateDer, VerifiedCertificate};
use crate::channel::{HandshakeError, Psk};
use crate::codec;
pub use crate::identity::TicketId;
use crate::identity::{EntityName, NodeId, SealingKey, SealingPublicKey, Secret, ServiceName, Signature};
use crate::keyring::Tag;
use crate::label::{Digest, Label};
use crate::people::{Principal, SignedAssertion, VerifiedAssertion};
use crate::seal::Sealed;
use crate::snapshot::Snapshot;
use crate::time::Timestamp;

/// How long a ticket lives: a working day. Never longer than a rotation of the key ring that sealed it, nor than
/// either certificate.
pub const TICKET_LIFE: Duration = Duration::from_secs(8 * 60 * 60);

/// How long before its end a requester no longer uses a ticket, so that none ends on the way.
pub const RENEW_BEFORE: Duration = Duration::from_secs(30);

/// Asks for a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketRequest {
    /// Fresh randomness, so that no old grant fits.
    pub nonce: [u8; 32],
    /// The service.
    pub service: ServiceName,
    /// The SHA-256 of the requester's certificate: the one that it has shown on this connection.
    pub certificate: Digest,
    /// On behalf of whom, if of a person who has logged in there.
    pub assertion: Option<Box<SignedAssertion>>,
}

impl TicketRequest {
    /// What the grant's signature refers to.
    fn digest(&self) -> Digest {
        Label::MessageHash.hash(&[b"ticket-request", &codec::encode(self)])
    }
}

/// A ticket, on its way to the requester.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketGrant {
    /// A `ClientHalf`, sealed to the requester.
    pub for_client: Sealed,
    /// A `ServiceHalf`, sealed by the provider to itself.
    #[serde(with = "codec::bytes")]
    pub for_service: Vec<u8>,
    /// By the minter's identity key, over a `SignedGrant`.
    pub signature: Signature,
}

/// What a grant's signature covers.
#[derive(Serialize)]
struct SignedGrant {
    request: Digest,
    requester: NodeId,
    provider: NodeId,
    minter: NodeId,
    commitment: Digest,
    for_client: Digest,
    for_service: Digest,
}

impl SignedGrant {
    fn new(request: Digest, terms: &Terms, secret: &Secret, for_client: &Sealed, for_service: &[u8]) -> Self {
        Self {
            request,
            requester: terms.requester,
            provider: terms.provider,
            minter: terms.minter,
            commitment: Label::TicketCommitment.hash(&[secret.expose(), &terms.encoded()]),
            for_client: Digest::of(&codec::encode(for_client)),
            for_service: Digest::of(for_service),
        }
    }
}

/// What a ticket is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The ticket's id.
    pub id: TicketId,
    /// The one service that it opens.
    pub service: ServiceName,
    /// Who may use it.
    pub requester: NodeId,
    /// Where it is good.
    pub provider: NodeId,
    /// Who minted it.
    pub minter: NodeId,
    /// The entity that the requester belongs to.
    pub entity: EntityName,
    /// On behalf of whom, if of a person.
    pub user: Option<Principal>,
    /// When it begins.
    pub not_before: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

impl Terms {
    /// The terms as they are hashed and bound.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// What `for_client` seals.
#[derive(Serialize, Deserialize)]
struct ClientHalf {
    terms: Terms,
    secret: Secret,
}

/// `for_service` as it travels.
#[derive(Serialize, Deserialize)]
struct SealedServiceHalf {
    /// Names the service to whoever holds the ring, and nothing to anyone else.
    service: Tag,
    /// A [`ServiceHalf`] under the provider's key ring, bound to the tag.
    #[serde(with = "codec::bytes")]
    sealed: Vec<u8>,
}

/// What `for_service` seals.
#[derive(Serialize, Deserialize)]
struct ServiceHalf {
    terms: Terms,
    secret: Secret,
    certificate: CertificateDer,
    assertion: Option<Box<SignedAssertion>>,
}

/// The HPKE info of `for_client`: both ends of the ticket.
fn client_info(requester: NodeId, minter: NodeId) -> Vec<u8> {
    Label::TicketForClient.join(&[requester.as_bytes(), minter.as_bytes()])
}

/// A ticket in the hands of its requester.
#[derive(Debug)]
pub struct HeldTicket {
    terms: Terms,
    key: ChannelKey,
    provider_key: SealingPublicKey,
    for_service: Vec<u8>,
}

/// What a requester keeps of a ticket. It holds the secret: the store seals every record.
#[derive(Serialize, Deserialize)]
struct KeptTicket {
    terms: Terms,
    secret: Secret,
    provider_key: SealingPublicKey,
    #[serde(with = "codec::bytes")]
    for_service: Vec<u8>,
}

impl HeldTicket {
    const fn new(terms: Terms, secret: Secret, provider_key: SealingPublicKey, for_service: Vec<u8>) -> Self {
        Self { terms, key: ChannelKey::new(secret), provider_key, for_service }
    }

    /// The ticket that a record holds, or nothing if it is no such record or not this node's.
    #[must_use]
    pub fn from_record(value: &[u8], me: NodeId) -> Option<Self> {
        let kept: KeptTicket = codec::decode::<_, 8192>(value).ok()?;
        let KeptTicket { terms, secret, provider_key, for_service } = kept;
        if terms.requester != me || provider_key.has_small_order() {
            return None;
        }
        Some(Self::new(terms, secret, provider_key, for_service))
    }

    /// The record to keep.
    #[must_use]
    pub fn to_record(&self) -> Vec<u8> {
        codec::encode(&KeptTicket {
            terms: self.terms.clone(),
            secret: Secret::new(zeroize::Zeroizing::new(*self.key.secret().expose())),
            provider_key: self.provider_key,
            for_service: self.for_service.clone(),
        })
    }

    /// What it is good for.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What to show the provider.
    #[must_use]
    pub fn for_service(&self) -> &[u8] {
        &self.for_service
    }

    /// The key of its channels' handshakes, where `key` is this node's: made for the first of them.
    ///
    /// # Errors
    /// [`HandshakeError::NonContributory`].
    pub fn psk(&self, key: &SealingKey) -> Result<&Psk, HandshakeError> {
        self.key.psk(key, &self.provider_key, || self.terms.encoded())
    }

    /// Whether the channels that it has opened may go on: what [`recheck`] is on the provider's side.
    ///
    /// # Errors
    /// [`TicketError`].
    pub fn check(&self, snapshot: &Snapshot, now: Timestamp) -> Result<(), TicketError> {
        let member = snapshot.member.as_ref().filter(|member| !member.is_revoked());
        if member.ok_or(TicketError::NotMember)?.denies(self.terms.provider) {
            return Err(TicketError::ProviderRevoked);
        }
        if snapshot.revoked_tickets.contains(&self.terms.id) {
            return Err(TicketError::GivenUp);
        }
        let expires = self.terms.expires;
        if now >= expires { Err(TicketError::Over { expires, now }) } else { Ok(()) }
    }

    /// Whether it is still worth showing.
    #[must_use]
    pub fn usable(&self, now: Timestamp) -> bool {
        now.after(RENEW_BEFORE) < self.terms.expires
    }
}

/// A ticket that its provider has opened and believes. Made by [`validate`] alone.
#[derive(Debug)]
pub struct ValidTicket {
    terms: Terms,
    encoded_terms: Vec<u8>,
    requester: VerifiedCertificate,
    user: Option<VerifiedAssertion>,
    generation: u32,
    key: ChannelKey,
}

impl ValidTicket {
    /// What it is good for.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The terms as the handshake binds them.
    #[must_use]
    pub fn encoded_terms(&self) -> &[u8] {
        &self.encoded_terms
    }

    /// The person on whose behalf it was minted, if it was for one.
    #[must_use]
    pub const fn user(&self) -> Option<&VerifiedAssertion> {
        self.user.as_ref()
    }

    /// The requester's certificate.
    #[must_use]
    pub const fn requester(&self) -> &VerifiedCertificate {
        &self.requester
    }

    /// The key of its channels' handshakes, where `key` is this node's: made for the first of them.
    ///
    /// # Errors
    /// [`HandshakeError::NonContributory`].
    pub fn psk(&self, key: &SealingKey) -> Result<&Psk, HandshakeError> {
        self.key.psk(key, self.requester.sealing_key(), || self.encoded_terms.clone())
    }
}
