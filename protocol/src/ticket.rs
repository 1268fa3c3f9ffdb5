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
use crate::guest::PasswordMark;
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

/// How long a guest's ticket lives: whoever goes on needs the password at hand once an hour, and is counted by it.
pub const GUEST_TICKET_LIFE: Duration = Duration::from_secs(60 * 60);

/// How long before its end a requester no longer uses a ticket, so that none ends on the way.
pub const RENEW_BEFORE: Duration = Duration::from_secs(30);

/// Asks for a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketRequest {
    /// Fresh randomness, so that no old grant fits.
    pub nonce: [u8; 32],
    /// The service.
    pub service: ServiceName,
    /// The SHA-256 of the requester's certificate: the one that it has shown on this connection. Of a guest, which has
    /// none and does not send this, the hash of its exchange with the provider.
    pub certificate: Digest,
    /// On behalf of whom, if of a person who has logged in there.
    pub assertion: Option<Box<SignedAssertion>>,
}

impl TicketRequest {
    /// What a guest's exchange stands for.
    pub(crate) const fn of_guest(nonce: [u8; 32], service: ServiceName, exchange: Digest) -> Self {
        Self { nonce, service, certificate: exchange, assertion: None }
    }

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
    /// The entity that the requester belongs to; of a guest, which belongs to none, the provider's.
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
    requester: Shown,
}

/// What a requester has shown.
#[derive(Serialize, Deserialize)]
enum Shown {
    /// A certificate, and on behalf of whom it asks.
    Member { certificate: CertificateDer, assertion: Option<Box<SignedAssertion>> },
    /// That it knows the service's password.
    Guest { sealing: SealingPublicKey, password: PasswordMark },
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
    /// Whether it was got by a password: it asks for no membership.
    by_password: bool,
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
        Self { terms, key: ChannelKey::new(secret), provider_key, for_service, by_password: false }
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

    /// This ticket, which a guest got by a password.
    pub(crate) fn of_guest(self) -> Self {
        Self { by_password: true, ..self }
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
        if member.is_none() && !self.by_password {
            return Err(TicketError::NotMember);
        }
        if member.is_some_and(|member| member.denies(self.terms.provider)) {
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
    requester: Requester,
    generation: u32,
    key: ChannelKey,
}

/// Who is behind a ticket.
#[derive(Debug)]
enum Requester {
    /// A member, or somebody who has logged in there.
    Member(Box<VerifiedCertificate>, Option<Box<VerifiedAssertion>>),
    /// Somebody who knew the service's password.
    Guest { sealing: SealingPublicKey, password: PasswordMark },
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
    pub fn user(&self) -> Option<&VerifiedAssertion> {
        match &self.requester {
            Requester::Member(_, user) => user.as_deref(),
            Requester::Guest { .. } => None,
        }
    }

    /// The requester's certificate; a guest has none.
    #[must_use]
    pub fn requester(&self) -> Option<&VerifiedCertificate> {
        match &self.requester {
            Requester::Member(certificate, _) => Some(certificate),
            Requester::Guest { .. } => None,
        }
    }

    /// The requester's sealing key: the static key of its channels.
    #[must_use]
    pub fn sealing_key(&self) -> &SealingPublicKey {
        match &self.requester {
            Requester::Member(certificate, _) => certificate.sealing_key(),
            Requester::Guest { sealing, .. } => sealing,
        }
    }

    /// The key of its channels' handshakes, where `key` is this node's: made for the first of them.
    ///
    /// # Errors
    /// [`HandshakeError::NonContributory`].
    pub fn psk(&self, key: &SealingKey) -> Result<&Psk, HandshakeError> {
        self.key.psk(key, self.sealing_key(), || self.encoded_terms.clone())
    }
}
