//! Makes a ticket: a pure function of a snapshot, so any thread may call it.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    ClientHalf, GUEST_TICKET_LIFE, SealedServiceHalf, ServiceHalf, Shown, SignedGrant, TICKET_LIFE, Terms,
    TicketGrant, TicketId, TicketRequest, client_info,
};
use crate::access::{Granted, Grantee};
use crate::certificate::BACKDATE;
use crate::codec;
use crate::identity::Secret;
use crate::label::{Digest, Label};
use crate::people::VerifiedAssertion;
use crate::seal;
use crate::snapshot::Snapshot;
use crate::time::Timestamp;

/// Why there is no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// This node has no certificate of its own.
    #[error("this node is not a member of a network")]
    NotMember,
    /// The request is for another certificate than the one that the requester has shown.
    #[error("the request names another certificate than the one that was shown")]
    OtherCertificate,
    /// Nothing can be sealed to the key in the requester's certificate.
    #[error("the sealing key in the certificate is not usable")]
    SealingKey,
    /// One of the certificates ends before the ticket would begin.
    #[error("a certificate has ended")]
    Ended,
}

/// A ticket that was just made.
#[derive(Debug)]
pub struct Minted {
    /// What the requester is given.
    pub grant: TicketGrant,
    /// What it is good for.
    pub terms: Terms,
}

/// Mints a ticket for one of this node's own services, in answer to `request`.
///
/// It begins with the later of both certificates, and ends after [`TICKET_LIFE`], a guest's after [`GUEST_TICKET_LIFE`],
/// or after less if the grant says so, or with whichever ends first; the log-in of whom it is for among them.
///
/// # Errors
/// [`MintError`].
pub fn mint(
    snapshot: &Snapshot,
    request: &TicketRequest,
    granted: &Granted,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Minted, MintError> {
    let member = snapshot.member.as_ref().ok_or(MintError::NotMember)?;
    let (own, requester) = (&member.certificate, granted.requester());
    if request.certificate != shown_as(requester) || request.service != *granted.service() {
        return Err(MintError::OtherCertificate);
    }
    let (node, entity, log_in, longest) = match requester {
        Grantee::Member(certificate, user) => {
            let log_in = user.as_deref().map(VerifiedAssertion::assertion);
            (certificate.node_id(), certificate.entity(), log_in, TICKET_LIFE)
        }
        Grantee::Guest(guest) => (guest.node_id(), own.entity(), None, GUEST_TICKET_LIFE),
    };
    let certificate = match requester {
        Grantee::Member(certificate, _) => certificate,
        Grantee::Guest(_) => own,
    };
    let life = granted.max_ticket().map_or(longest, |most| most.min(longest));
    let log_in_ends = log_in.map_or_else(|| certificate.not_after(), |log_in| log_in.expires);
    let expires = now.after(life).min(certificate.not_after()).min(own.not_after()).min(log_in_ends);
    if expires <= now {
        return Err(MintError::Ended);
    }
    // As early as both certificates: whose time is ahead mints for those whose is not.
    let begins = certificate.not_before().max(own.not_before());
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    let me = snapshot.node_id();
    let terms = Terms {
        id: TicketId(id),
        service: request.service.clone(),
        requester: node,
        provider: me,
        minter: me,
        entity: entity.clone(),
        user: log_in.map(|log_in| log_in.principal.clone()),
        not_before: begins.min(now.before(BACKDATE)),
        expires,
    };
    let minted = seal_both(snapshot, request, granted, terms, rng)?;
    if let Grantee::Member(certificate, _) = requester {
        member.verified.remember(certificate);
    }
    Ok(minted)
}

/// What the request has to be for: the certificate that was shown, or the exchange over the password.
fn shown_as(requester: &Grantee) -> Digest {
    match requester {
        Grantee::Member(certificate, _) => certificate.digest(),
        Grantee::Guest(guest) => guest.exchange(),
    }
}

fn seal_both(
    snapshot: &Snapshot,
    request: &TicketRequest,
    granted: &Granted,
    terms: Terms,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Minted, MintError> {
    let secret = Secret::generate(rng);
    let (requester, key) = match granted.requester() {
        Grantee::Member(certificate, user) => {
            let assertion = user.as_ref().map(|user| Box::new(user.signed().clone()));
            (Shown::Member { certificate: certificate.der().clone(), assertion }, certificate.sealing_key())
        }
        Grantee::Guest(guest) => {
            let (sealing, password) = (*guest.sealing_key(), guest.password());
            (Shown::Guest { sealing, password }, guest.sealing_key())
        }
    };
    let half = ServiceHalf { terms, secret, requester };
    let for_service = seal_for_service(snapshot, &half, rng);
    let ServiceHalf { terms, secret, .. } = half;
    let half = ClientHalf { terms, secret };
    let for_client = seal::seal(
        key,
        &client_info(half.terms.requester, half.terms.minter),
        &[],
        &Zeroizing::new(codec::encode(&half)),
        rng,
    )
    .map_err(|_| MintError::SealingKey)?;
    let signed = SignedGrant::new(request.digest(), &half.terms, &half.secret, &for_client, &for_service);
    let signature = snapshot.keys.identity.sign(Label::TicketGrant, &signed);
    Ok(Minted { grant: TicketGrant { for_client, for_service, signature }, terms: half.terms })
}

fn seal_for_service(snapshot: &Snapshot, half: &ServiceHalf, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<u8> {
    let service = snapshot.ring.tag(Label::TicketService, half.terms.service.as_str().as_bytes());
    let plaintext = Zeroizing::new(codec::encode(half));
    let sealed = snapshot.ring.seal(Label::TicketForService, &codec::encode(&service), &plaintext, rng);
    codec::encode(&SealedServiceHalf { service, sealed })
}
