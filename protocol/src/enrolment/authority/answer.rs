//! The first answer: which key to seal to, and what to prove.

use rand_core::CryptoRng;

use super::charge::{Charge, Charged};
use super::{Authority, Issued, Origin, TOKEN_LIFE, Token};
use crate::certificate::VerifiedCertificate;
use crate::codec;
use crate::control::{Mode, Modes};
use crate::enrolment::message::{
    AuthorityKey, Credentials, InviteOffer, KeyRequest, Offer, PakeAnswer, Share, Way,
};
use crate::enrolment::pake::{About, Confirmation, Exchange, Transcript};
use crate::identity::{NodeId, NodeKeys, Secret, Signature};
use crate::label::Label;
use crate::record::Write;
use crate::reject::Reject;
use crate::time::Timestamp;

/// What the authority asks of a candidate.
struct Asking {
    way: Way,
    nonce: Option<[u8; 32]>,
}

/// The exchanges that it takes part in, and what they cost.
#[derive(Default)]
struct Exchanges {
    code: Option<PakeAnswer>,
    password: Option<PakeAnswer>,
    guesses: Charged,
    writes: Vec<Write>,
}

impl Authority {
    /// Answers a request for the authority's key.
    ///
    /// A guess at a code or at the password is charged in the writes, and so before its confirmation leaves.
    ///
    /// # Errors
    /// What the candidate is told.
    pub fn key_request(
        &mut self,
        request: &KeyRequest,
        origin: Origin,
        keys: &NodeKeys,
        leaf: &VerifiedCertificate,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Issued<AuthorityKey>, Reject> {
        if request.identity != origin.node || request.network != *self.anchor.network() {
            return Err(Reject::OtherNetwork);
        }
        self.denied.check(origin.node, &request.sealing)?;
        let Asking { way, nonce } = self.ask(request, origin, now, rng)?;
        self.ring.rotate_if_due(now, rng);
        let commitment = match &request.offer {
            Offer::Renewal => None,
            Offer::Stranger(credentials) => Some(credentials.commitment),
        };
        let expires = now.after(TOKEN_LIFE);
        let token = Token { node: origin.node, sealing: request.sealing, way, commitment, nonce, expires };
        let token = self.ring.seal(Label::RetryToken, &[], &codec::encode(&token), rng);
        let mut answer = AuthorityKey {
            leaf: leaf.der().clone(),
            ca: self.anchor.der().clone(),
            admission: self.admission,
            way,
            token,
            nonce,
            code: None,
            password: None,
            now,
            signature: Signature::from([0; 64]),
        };
        let exchanges = self.exchange(request, &answer, keys.node_id(), now, rng)?;
        if !exchanges.guesses.is_empty() {
            self.attempts.add(origin.node, exchanges.guesses, origin.address, now);
        }
        (answer.code, answer.password) = (exchanges.code, exchanges.password);
        answer.signature = keys.identity.sign(Label::AuthorityKey, &answer.signed(request.digest()));
        Ok(Issued { answer, writes: exchanges.writes })
    }

    /// Chooses what the candidate is to prove.
    fn ask(
        &mut self,
        request: &KeyRequest,
        origin: Origin,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Asking, Reject> {
        let credentials = match &request.offer {
            Offer::Renewal => {
                self.enrolments.check_known(origin.node, &request.sealing, now)?;
                return Ok(Asking { way: Way::Renewal, nonce: None });
            }
            Offer::Stranger(credentials) => credentials,
        };
        if let Some(waiting) = self.requests.find(origin.node, &credentials.commitment, now) {
            return Ok(Asking { way: Way::Waiting, nonce: Some(waiting.nonce) });
        }
        let modes = self.choose(credentials, origin)?;
        let compared = modes.has(Mode::Approval) || credentials.replace;
        let nonce = if compared { Some(self.requests.nonce(origin.counted(), now, rng)?) } else { None };
        Ok(Asking { way: Way::By(modes), nonce })
    }

    /// The alternative of the rule that the candidate may meet: one without a person, if there is one, and one that
    /// uses what it has been given.
    fn choose(&self, credentials: &Credentials, origin: Origin) -> Result<Modes, Reject> {
        let mut offered = Modes::of(&[Mode::Open, Mode::Guid, Mode::Approval]);
        if credentials.invite.is_some() {
            offered = offered.with(Mode::Invite);
        }
        if credentials.password.is_some() {
            offered = offered.with(Mode::Password);
        }
        let mut met: Vec<Modes> =
            self.admission.alternatives().into_iter().filter(|modes| modes.within(offered)).collect();
        if met.is_empty() {
            return Err(Reject::Needed(self.admission));
        }
        met.retain(|modes| origin.attached || !is_for_neighbours(*modes));
        let rank = |modes: &Modes| {
            let has = |mode| modes.has(mode);
            (has(Mode::Approval), !has(Mode::Invite), !has(Mode::Password), !has(Mode::Guid))
        };
        met.into_iter().min_by_key(rank).ok_or(Reject::NotLocal)
    }

    /// Takes part in the exchanges: for a code whenever it is offered, for it shows the candidate who the authority is.
    fn exchange(
        &mut self,
        request: &KeyRequest,
        answer: &AuthorityKey,
        me: NodeId,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Exchanges, Reject> {
        let mut exchanges = Exchanges::default();
        let (Offer::Stranger(credentials), Way::By(modes)) = (&request.offer, answer.way) else {
            return Ok(exchanges);
        };
        let password = credentials.password.as_ref().filter(|_| modes.has(Mode::Password));
        if password.is_some() {
            // First, so that no code is charged for a guess that is not taken.
            self.passwords.check(now)?;
        }
        if let Some(InviteOffer::Code { nameplate, share }) = &credentials.invite {
            let stretched = self.invites.stretched(*nameplate, now)?;
            let (pake, expected) =
                respond(About::Code, stretched, share, (request, answer), me, rng).ok_or(Reject::Invite)?;
            exchanges.writes.extend(self.invites.charge(*nameplate, now)?);
            exchanges.guesses.push(Charge::Code(*nameplate), expected);
            exchanges.code = Some(pake);
        }
        if let Some(share) = password {
            let (stretched, write) = self.passwords.charge(now)?;
            let (pake, expected) = respond(About::Password, stretched, share, (request, answer), me, rng)
                .ok_or(Reject::Password)?;
            exchanges.writes.push(write);
            exchanges.guesses.push(Charge::Password(now), expected);
            exchanges.password = Some(pake);
        }
        Ok(exchanges)
    }
}

/// Whether the alternative asks for nothing that a host elsewhere could not have made up.
pub(super) fn is_for_neighbours(modes: Modes) -> bool {
    modes.has(Mode::Open) || modes == Modes::of(&[Mode::Guid])
}

/// The authority's half of an exchange, and what the candidate will confirm if it knows the secret.
fn respond(
    about: About,
    secret: &Secret,
    share: &Share,
    (request, answer): (&KeyRequest, &AuthorityKey),
    me: NodeId,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Option<(PakeAnswer, Confirmation)> {
    let exchange = Exchange::authority(secret, request.identity, me, rng);
    let ours = exchange.share().clone();
    let shared = exchange.finish(share)?;
    let confirmations = shared.confirmations(&Transcript::of_enrolment(about, request, &ours, answer));
    let confirmation = confirmations.authority.to_bytes();
    Some((PakeAnswer { share: ours, confirmation }, confirmations.candidate))
}
