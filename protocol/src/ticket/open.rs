//! Takes a ticket, on either side.

use std::sync::Arc;

use super::{
    ChannelKey, ClientHalf, HeldTicket, Requester, SealedServiceHalf, ServiceHalf, SessionKeyCache, Shown,
    SignedGrant, TICKET_LIFE, Terms, TicketGrant, TicketRequest, ValidTicket, client_info,
};
use crate::access::Subject;
use crate::certificate::{CertificateDer, CertificateError, SKEW, VerifiedCertificate};
use crate::channel::{ChannelReject, FOR_SERVICE_MAX};
use crate::codec;
use crate::identity::NodeKeys;
use crate::keyring::{ROTATION, RingError};
use crate::label::{Digest, Label};
use crate::people::{SignedAssertion, VerifiedAssertion};
use crate::seal;
use crate::snapshot::{Member, Snapshot};
use crate::time::Timestamp;

/// The most bytes of what a half seals.
const HALF_MAX: usize = 6144;

/// Why a requester does not take a grant. The minter misbehaves, or somebody between.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// It does not open with this node's key.
    #[error("the grant is not sealed to this node")]
    Sealed,
    /// The signature does not cover this request, these halves and this secret.
    #[error("the grant is not signed by {0}'s key for this request")]
    Signature(crate::identity::NodeName),
    /// The terms are not those that were asked for.
    #[error("the grant is for another {0}")]
    Terms(&'static str),
    /// The terms' times cannot be.
    #[error("the grant is good from {not_before} to {expires}, it is {now}")]
    Time {
        /// When it begins.
        not_before: Timestamp,
        /// When it ends.
        expires: Timestamp,
        /// The time.
        now: Timestamp,
    },
}

/// Takes the grant that answers `request` on the connection with `provider`, which this node dialled.
///
/// # Errors
/// [`GrantError`].
pub fn accept(
    grant: TicketGrant,
    request: &TicketRequest,
    provider: &VerifiedCertificate,
    keys: &NodeKeys,
    now: Timestamp,
) -> Result<HeldTicket, GrantError> {
    let info = client_info(keys.node_id(), provider.node_id());
    let opened = seal::open(&keys.sealing, &grant.for_client, &info, &[]).map_err(|_| GrantError::Sealed)?;
    let ClientHalf { terms, secret } =
        codec::decode::<_, HALF_MAX>(&opened).map_err(|_| GrantError::Sealed)?;
    let signed = SignedGrant::new(request.digest(), &terms, &secret, &grant.for_client, &grant.for_service);
    provider
        .node_id()
        .public_key()
        .verify(Label::TicketGrant, &signed, &grant.signature)
        .map_err(|_| GrantError::Signature(provider.name().clone()))?;
    check_terms(&terms, request, provider, keys, now)?;
    if grant.for_service.len() > FOR_SERVICE_MAX {
        return Err(GrantError::Terms("size"));
    }
    Ok(HeldTicket::new(terms, secret, *provider.sealing_key(), grant.for_service))
}

fn check_terms(
    terms: &Terms,
    request: &TicketRequest,
    provider: &VerifiedCertificate,
    keys: &NodeKeys,
    now: Timestamp,
) -> Result<(), GrantError> {
    let wrong = if terms.requester != keys.node_id() {
        "requester"
    } else if terms.provider != provider.node_id() || terms.minter != provider.node_id() {
        "provider"
    } else if terms.service != request.service {
        "service"
    } else if terms.user.as_ref() != request.assertion.as_ref().map(|shown| &shown.assertion.principal) {
        "user"
    } else {
        let (not_before, expires) = (terms.not_before, terms.expires);
        let longest = now.after(TICKET_LIFE.max(ROTATION)).after(SKEW);
        if not_before > now.after(SKEW) || expires <= now || expires > longest {
            return Err(GrantError::Time { not_before, expires, now });
        }
        return Ok(());
    };
    Err(GrantError::Terms(wrong))
}

/// Why a provider does not believe a ticket.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TicketError {
    /// Not a ticket of this provider's: altered, of another provider, or sealed under a generation that is gone.
    /// The requester is told "no ticket" and asks for a new one.
    #[error("no ticket: {0}")]
    NoTicket(#[from] RingError),
    /// What was sealed is not what this provider seals, which it would have had to do itself.
    #[error("no ticket: its content is not one")]
    Content,
    /// The requester's certificate does not hold any more.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// This node is not a member of a network.
    #[error("no ticket: this node is not a member of a network")]
    NotMember,
    /// The ticket's time is over. Told to its proven holder alone, who needs the ticket for that.
    #[error("the ticket expired at {expires}, it is {now}")]
    Expired {
        /// The ticket.
        ticket: Arc<ValidTicket>,
        /// When it ended.
        expires: Timestamp,
        /// The time.
        now: Timestamp,
    },
    /// Policy no longer grants the service. Told to its proven holder alone.
    #[error("policy no longer grants it")]
    NotAllowed(Arc<ValidTicket>),
    /// The requester's or the minter's membership was taken away. Told to the ticket's proven holder alone.
    #[error("the ticket stands on a membership that was revoked")]
    Revoked(Arc<ValidTicket>),
    /// The ticket was taken back, by whoever runs its provider or by its requester. Told to its proven holder alone.
    #[error("the ticket was revoked")]
    TakenBack(Arc<ValidTicket>),
    /// The log-in that it stands on was taken back, or is not believed any more. Told to its proven holder alone, who
    /// gets another one if there still is a log-in.
    #[error("the ticket stands on a log-in that was taken back")]
    LoggedOut(Arc<ValidTicket>),
    /// The time of a ticket that this node holds is over.
    #[error("the ticket expired at {expires}, it is {now}")]
    Over {
        /// When it ended.
        expires: Timestamp,
        /// The time.
        now: Timestamp,
    },
    /// The membership of the provider of a ticket that this node holds was taken away.
    #[error("the membership of the ticket's provider was revoked")]
    ProviderRevoked,
    /// This node has revoked a ticket that it held.
    #[error("the ticket was given up")]
    GivenUp,
}

impl TicketError {
    /// What a channel ends with that the ticket has opened.
    #[must_use]
    pub const fn ending(&self) -> ChannelReject {
        match self {
            Self::NotAllowed(_) => ChannelReject::NotAllowed,
            Self::Certificate(_)
            | Self::Revoked(_)
            | Self::TakenBack(_)
            | Self::ProviderRevoked
            | Self::GivenUp => ChannelReject::Revoked,
            Self::Expired { .. }
            | Self::LoggedOut(_)
            | Self::Over { .. }
            | Self::NoTicket(_)
            | Self::Content
            | Self::NotMember => ChannelReject::Expired,
        }
    }
}

/// Opens and believes the half of a ticket that its holder shows, or says why not.
///
/// The first time costs a decryption, and a path validation unless this process has minted the ticket; its first channel
/// costs a key exchange. Then the cache has it, and a hit looks at expiry, policy and the ring's generations again.
///
/// # Errors
/// [`TicketError`].
pub fn validate(
    snapshot: &Snapshot,
    cache: &SessionKeyCache,
    for_service: &[u8],
    now: Timestamp,
) -> Result<Arc<ValidTicket>, TicketError> {
    let digest = Digest::of(for_service);
    let ticket = match cache.get(&digest) {
        Some(ticket) => ticket,
        None => {
            let ticket = Arc::new(open(snapshot, for_service, now)?);
            cache.insert(digest, Arc::clone(&ticket));
            ticket
        }
    };
    recheck(snapshot, ticket, now)
}

/// What is looked at each time that a ticket is shown, at each ratchet of its channels, and for each of them
/// whenever the snapshot changes.
///
/// # Errors
/// [`TicketError`].
pub fn recheck(
    snapshot: &Snapshot,
    ticket: Arc<ValidTicket>,
    now: Timestamp,
) -> Result<Arc<ValidTicket>, TicketError> {
    let member = snapshot.member.as_ref().ok_or(TicketError::NotMember)?;
    if !snapshot.ring.contains(ticket.generation) {
        return Err(RingError::UnknownGeneration { generation: ticket.generation }.into());
    }
    if now >= ticket.terms.expires {
        let expires = ticket.terms.expires;
        return Err(TicketError::Expired { ticket, expires, now });
    }
    if member.is_revoked() {
        return Err(TicketError::NotMember);
    }
    if member.denies(ticket.terms.requester) || member.denies(ticket.terms.minter) {
        return Err(TicketError::Revoked(ticket));
    }
    if snapshot.revoked_tickets.contains(&ticket.terms.id) {
        return Err(TicketError::TakenBack(ticket));
    }
    let provider = member.certificate.name();
    let service = &ticket.terms.service;
    let subject = match &ticket.requester {
        Requester::Member(_, Some(user)) if !user.stands(member) => {
            return Err(TicketError::LoggedOut(ticket));
        }
        Requester::Member(certificate, user) => Subject::of_user(certificate, user.as_deref()),
        // Another password, or none any more.
        Requester::Guest { password, .. } if snapshot.guests.get(service) != Some(password) => {
            return Err(TicketError::TakenBack(ticket));
        }
        Requester::Guest { .. } => Subject::guest(),
    };
    if member.policy.decide(&subject, service, provider).is_none() {
        return Err(TicketError::NotAllowed(ticket));
    }
    Ok(ticket)
}

fn open(snapshot: &Snapshot, for_service: &[u8], now: Timestamp) -> Result<ValidTicket, TicketError> {
    let member = snapshot.member.as_ref().ok_or(TicketError::NotMember)?;
    let outer: SealedServiceHalf =
        codec::decode::<_, FOR_SERVICE_MAX>(for_service).map_err(|_| RingError::Forged)?;
    let generation = outer.sealed.first_chunk().map(|id| u32::from_le_bytes(*id)).ok_or(RingError::Forged)?;
    let opened =
        snapshot.ring.open(Label::TicketForService, &codec::encode(&outer.service), &outer.sealed)?;
    let half: ServiceHalf = codec::decode::<_, HALF_MAX>(&opened).map_err(|_| TicketError::Content)?;
    let ServiceHalf { terms, secret, requester } = half;
    let tag = snapshot.ring.tag_under(generation, Label::TicketService, terms.service.as_str().as_bytes())?;
    let requester = match requester {
        Shown::Member { certificate, assertion } => {
            believe(member, &certificate, assertion, now.min(terms.expires))?
        }
        Shown::Guest { sealing, password } => Requester::Guest { sealing, password },
    };
    let of_requester = match &requester {
        Requester::Member(certificate, user) => {
            terms.requester == certificate.node_id()
                && terms.entity == *certificate.entity()
                && terms.user.as_ref() == user.as_deref().map(VerifiedAssertion::principal)
        }
        Requester::Guest { .. } => terms.entity == *member.certificate.entity() && terms.user.is_none(),
    };
    if tag != outer.service || terms.provider != snapshot.node_id() || !of_requester {
        return Err(TicketError::Content);
    }
    let encoded_terms = terms.encoded();
    Ok(ValidTicket { terms, encoded_terms, requester, generation, key: ChannelKey::new(secret) })
}

/// Believes what a member has shown, as of the time `at`. A ticket outlives neither certificate nor log-in, so at its
/// own time both still held; whether they were taken back since is looked at each time.
fn believe(
    member: &Member,
    certificate: &CertificateDer,
    assertion: Option<Box<SignedAssertion>>,
    at: Timestamp,
) -> Result<Requester, TicketError> {
    let requester = member.verify(certificate, at)?;
    let user = assertion.map(|shown| shown.authenticate(member, &requester, at)).transpose();
    let user = user.map_err(|_| TicketError::Content)?;
    Ok(Requester::Member(Box::new(requester), user.map(Box::new)))
}
