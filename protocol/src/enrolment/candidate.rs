//! The side that wants a certificate. Each step consumes the one before.

use core::time::Duration;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use serde::{Deserialize, Serialize};

use super::approval::{Commitment, Comparison, OwnRequest};
use super::invitation::InviteSecret;
use super::message::{
    ADMITTED_MAX, Admitted, AuthorityKey, Credentials, EnrolAnswer, EnrolRequest, InviteOffer, InviteProof,
    KeyRequest, Offer, Opening, PakeAnswer, Proof, Proofs, Proposal, Share, Way, request_info,
};
use super::pake::{About, Exchange, Transcript};
use crate::certificate::{self, CertificateError, Role, TrustAnchor, VerifiedCertificate, request};
use crate::codec;
use crate::control::{Guid, Mode, Modes};
use crate::identity::{Fingerprint, NetworkName, NodeId, NodeKeys, NodeName, Secret};
use crate::label::Label;
use crate::seal;
use crate::time::Timestamp;

/// Why a candidate does not go on with this authority. Nothing of the candidate's has been given away.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The other side's certificates do not hold, or are not the pinned ones.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The other side is a member, but not an authority.
    #[error("{0} is a member of the network, not its authority")]
    NotAuthority(NodeName),
    /// The answer is not signed by the node that gave it, or was made for another request.
    #[error("the authority's answer is not signed by its key")]
    Signature,
    /// The other side does not know the code.
    #[error(
        "the other side does not know this code: it was mistyped, or that is not the authority that gave it"
    )]
    Code,
    /// The other side does not know the password.
    #[error("the other side does not know this password: it was mistyped, or that is not the authority")]
    Password,
    /// A password was to be proven to an authority that is known by nothing else, and it did not ask for it.
    #[error("the other side does not ask for the password, so nothing shows that it knows it")]
    PasswordUnused,
    /// The way in is not one that the authority's rule has, or asks for what the candidate has not.
    #[error("the authority's answer does not fit its own rule")]
    Rule,
    /// The request was opened to another authority, or that authority has forgotten it: it needs a new nonce.
    #[error("the authority does not know this request any more")]
    Forgotten,
    /// The certificate that came is not the one that was asked for.
    #[error("the authority answered with {0}")]
    Answer(&'static str),
}

/// The authority that a candidate turns to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Prospect {
    /// The network's name.
    pub network: NetworkName,
    /// The pin of its CA key: from a URI, or else hearsay that the certificates must at least agree with.
    pub root: Fingerprint,
    /// The node at the other end of the connection, which the transport has proven.
    pub node: NodeId,
}

/// What a stranger has been given, and what it wants.
pub struct Hope {
    /// The name that it wants.
    pub name: NodeName,
    /// Whether the pin is from a URI and not hearsay.
    pub pinned: bool,
    /// Its invite.
    pub invite: Option<HopeInvite>,
    /// The network's password, stretched.
    pub password: Option<Secret>,
    /// The machine that it runs on.
    pub guid: Guid,
    /// Whether it asks to take the place of the node that has the name.
    pub replace: bool,
    /// Its request, if one is under way.
    pub own: Option<OwnRequest>,
    /// Whether its person has found the same words on both screens.
    pub confirmed: bool,
}

/// An invite, ready for use.
pub enum HopeInvite {
    /// The secret of its URI.
    Secret(InviteSecret),
    /// Its code.
    Code {
        /// The code's public number.
        nameplate: u32,
        /// Its words, stretched.
        secret: Secret,
    },
}

/// What is left of a [`Hope`] while the authority answers.
struct Bringing {
    invite: Option<BringingInvite>,
    password: Option<Exchange>,
    guid: Guid,
    replace: bool,
    own: OwnRequest,
    confirmed: bool,
}

enum BringingInvite {
    Secret(InviteSecret),
    Code(Exchange),
}

/// A candidate that has sent a [`KeyRequest`].
pub struct Asked {
    request: KeyRequest,
    prospect: Prospect,
    name: NodeName,
    pinned: bool,
    /// Nothing if it is to be renewed.
    bringing: Option<Bringing>,
}

/// A candidate that knows its authority, and what it sends to it.
pub struct Answered {
    /// To go on with.
    pub requested: Requested,
    /// To be sent.
    pub request: EnrolRequest,
    /// If people will compare words: what they are, and what has to be kept before the request is sent.
    pub compared: Option<(OwnRequest, Comparison)>,
}

impl Asked {
    /// Asks for a new certificate in the place of `name`'s old one.
    pub fn renewal(
        keys: &NodeKeys,
        prospect: Prospect,
        name: NodeName,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Self, KeyRequest) {
        let request = key_request(&prospect, Offer::Renewal, keys, rng);
        (Self { request: request.clone(), prospect, name, pinned: true, bringing: None }, request)
    }

    /// Asks for a first certificate: the request is to be sent to the prospect.
    ///
    /// A request that is under way already is shown again, and nothing else is.
    pub fn stranger(
        keys: &NodeKeys,
        hope: Hope,
        prospect: Prospect,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Self, KeyRequest) {
        let Hope { name, pinned, mut invite, mut password, guid, replace, own, confirmed } = hope;
        let own = own.filter(|own| own.is_for(&prospect, &name));
        if own.is_some() {
            (invite, password) = (None, None);
        }
        let pinned = pinned
            || matches!(invite, Some(HopeInvite::Code { .. }))
            || own.as_ref().is_some_and(|own| own.pinned);
        let own = own.unwrap_or_else(|| OwnRequest::new(prospect.clone(), name.clone(), pinned, rng));
        let (offered, invite) = offer_invite(invite, (keys.node_id(), prospect.node), rng);
        let password =
            password.map(|secret| Exchange::candidate(&secret, keys.node_id(), prospect.node, rng));
        let sealing = keys.sealing.public_key();
        let wanted = request::create(&keys.identity, &sealing, &name);
        let commitment =
            Commitment { nonce: &own.nonce, node: keys.node_id(), sealing: &sealing, request: &wanted };
        let credentials = Credentials {
            invite: offered,
            password: password.as_ref().map(|exchange| exchange.share().clone()),
            replace,
            commitment: commitment.digest(),
        };
        let request = key_request(&prospect, Offer::Stranger(credentials), keys, rng);
        let bringing = Some(Bringing { invite, password, guid, replace, own, confirmed });
        (Self { request: request.clone(), prospect, name, pinned, bringing }, request)
    }

    /// Judges the authority's answer, and if that is the authority, asks it for a certificate.
    ///
    /// It is judged by the time that the authority has signed if that is later than `now`, but by at most `lead`: what
    /// issues the certificates also says when.
    ///
    /// # Errors
    /// [`JoinError`]; the other side then knows nothing but what the [`KeyRequest`] said.
    pub fn answered(
        self,
        answer: AuthorityKey,
        keys: &NodeKeys,
        (now, lead): (Timestamp, Duration),
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Answered, JoinError> {
        let Prospect { network, root, node } = self.prospect;
        let anchor = TrustAnchor::new(answer.ca.clone(), root, network)?;
        let told = answer.now.min(now.after(lead));
        let leaf = certificate::verify(&anchor, &answer.leaf, now.max(told))?.prove(node)?;
        let leaf = leaf.certificate();
        if leaf.role() != Role::Authority {
            return Err(JoinError::NotAuthority(leaf.name().clone()));
        }
        let signed = answer.signed(self.request.digest());
        node.public_key()
            .verify(Label::AuthorityKey, &signed, &answer.signature)
            .map_err(|_| JoinError::Signature)?;
        let request = request::create(&keys.identity, &keys.sealing.public_key(), &self.name);
        let (proof, compared) = match self.bringing {
            None if answer.way == Way::Renewal => (Proof::Renewal, None),
            None => return Err(JoinError::Rule),
            Some(bringing) => {
                let sealing = keys.sealing.public_key();
                let opened = bringing.open(&answer, (root, leaf), (keys.node_id(), &sealing, &request))?;
                let proofs = bringing.prove(&self.request, &answer, self.pinned)?;
                (Proof::Stranger(proofs), opened)
            }
        };
        let (sealed, key) = seal::seal_authenticated(
            &keys.sealing,
            leaf.sealing_key(),
            &request_info(anchor.network(), node, &answer.token),
            &[],
            &Zeroizing::new(codec::encode(&Proposal { request, proof })),
            Label::CertificateAnswer,
            rng,
        )
        .map_err(|_| JoinError::Answer("a key that nothing can be sealed to"))?;
        let requested =
            Requested { anchor, authority: leaf.clone(), key, name: self.name, pinned: self.pinned, told };
        Ok(Answered { requested, request: EnrolRequest { token: answer.token, sealed }, compared })
    }
}

fn key_request(
    prospect: &Prospect,
    offer: Offer,
    keys: &NodeKeys,
    rng: &mut (impl CryptoRng + ?Sized),
) -> KeyRequest {
    let mut nonce = [0; 32];
    rng.fill_bytes(&mut nonce);
    KeyRequest {
        network: prospect.network.clone(),
        offer,
        nonce,
        identity: keys.node_id(),
        sealing: keys.sealing.public_key(),
    }
}

fn offer_invite(
    invite: Option<HopeInvite>,
    (me, authority): (NodeId, NodeId),
    rng: &mut (impl CryptoRng + ?Sized),
) -> (Option<InviteOffer>, Option<BringingInvite>) {
    match invite {
        None => (None, None),
        Some(HopeInvite::Secret(secret)) => (Some(InviteOffer::Secret), Some(BringingInvite::Secret(secret))),
        Some(HopeInvite::Code { nameplate, secret }) => {
            let exchange = Exchange::candidate(&secret, me, authority, rng);
            let share = exchange.share().clone();
            (Some(InviteOffer::Code { nameplate, share }), Some(BringingInvite::Code(exchange)))
        }
    }
}

impl Bringing {
    /// What people will compare, if they will. The commitment is opened to one authority and its one nonce only.
    fn open(
        &self,
        answer: &AuthorityKey,
        (root, leaf): (Fingerprint, &VerifiedCertificate),
        (node, sealing, request): (NodeId, &crate::identity::SealingPublicKey, &[u8]),
    ) -> Result<Option<(OwnRequest, Comparison)>, JoinError> {
        let compared = match answer.way {
            Way::Renewal => return Err(JoinError::Rule),
            Way::Waiting => true,
            Way::By(modes) => modes.has(Mode::Approval) || self.replace,
        };
        let theirs = match (answer.nonce, compared) {
            (Some(theirs), true) => theirs,
            (None, false) => return Ok(None),
            (Some(_), false) | (None, true) => return Err(JoinError::Rule),
        };
        if self.own.theirs.is_some_and(|known| known != theirs) {
            return Err(JoinError::Forgotten);
        }
        let commitment = Commitment { nonce: &self.own.nonce, node, sealing, request };
        let shown = commitment.compare(root, (leaf.node_id(), leaf.sealing_key()), &theirs);
        Ok(Some((OwnRequest { theirs: Some(theirs), ..self.own.clone() }, shown)))
    }

    /// Shows what the authority asks for, if its own rule does, and nothing else.
    fn prove(self, request: &KeyRequest, answer: &AuthorityKey, pinned: bool) -> Result<Proofs, JoinError> {
        let nonce = *self.own.nonce;
        let opening = answer.nonce.map(|_| Opening { nonce, confirmed: self.confirmed });
        let by = match answer.way {
            Way::Renewal => return Err(JoinError::Rule),
            Way::Waiting => return Ok(Proofs { opening, ..Proofs::default() }),
            Way::By(by) => by,
        };
        self.check_rule(by, answer, pinned)?;
        let invite = match self.invite {
            None => None,
            Some(BringingInvite::Secret(secret)) => {
                by.has(Mode::Invite).then_some(InviteProof::Secret(secret))
            }
            Some(BringingInvite::Code(exchange)) => {
                let confirmed = confirm(About::Code, exchange, &answer.code, (request, answer));
                Some(InviteProof::Code(confirmed.ok_or(JoinError::Code)?))
            }
        };
        let password = match self.password.filter(|_| by.has(Mode::Password)) {
            None => None,
            Some(exchange) => {
                let confirmed = confirm(About::Password, exchange, &answer.password, (request, answer));
                Some(confirmed.ok_or(JoinError::Password)?)
            }
        };
        let guid = by.has(Mode::Guid).then_some(self.guid);
        Ok(Proofs { invite, password, guid, opening })
    }

    fn check_rule(&self, by: Modes, answer: &AuthorityKey, pinned: bool) -> Result<(), JoinError> {
        let lacks = (by.has(Mode::Invite) && self.invite.is_none())
            || (by.has(Mode::Password) && self.password.is_none());
        if lacks || !answer.admission.allows(by) {
            return Err(JoinError::Rule);
        }
        if self.password.is_some() && !by.has(Mode::Password) && !pinned {
            return Err(JoinError::PasswordUnused);
        }
        Ok(())
    }
}

/// The candidate's confirmation, if the authority's is right.
fn confirm(
    about: About,
    exchange: Exchange,
    theirs: &Option<PakeAnswer>,
    (request, answer): (&KeyRequest, &AuthorityKey),
) -> Option<[u8; 32]> {
    let PakeAnswer { share, confirmation }: &PakeAnswer = theirs.as_ref()?;
    let share: &Share = share;
    let shared = exchange.finish(share)?;
    let confirmations = shared.confirmations(&Transcript::of_enrolment(about, request, share, answer));
    confirmations.authority.fits(confirmation).then(|| confirmations.candidate.to_bytes())
}

/// A candidate that has sent its certificate request.
pub struct Requested {
    anchor: TrustAnchor,
    authority: VerifiedCertificate,
    key: Secret,
    name: NodeName,
    pinned: bool,
    told: Timestamp,
}

/// What a candidate has become.
pub struct Enrolled {
    /// Its certificate.
    pub leaf: VerifiedCertificate,
    /// Its network's trust anchor.
    pub anchor: TrustAnchor,
    /// The certificate of the authority's node.
    pub authority: VerifiedCertificate,
    /// Whether the authority was known beforehand; otherwise it was trusted on first use.
    pub pinned: bool,
    /// The time that the authority signed just now, as far as it is believed.
    pub told: Timestamp,
}

impl Requested {
    /// Opens and checks the certificate.
    ///
    /// # Errors
    /// [`JoinError`] if it is not the certificate that was asked for.
    pub fn answered(
        self,
        answer: &EnrolAnswer,
        keys: &NodeKeys,
        now: Timestamp,
    ) -> Result<Enrolled, JoinError> {
        let opened = seal::open_once(self.key, &[], &answer.ciphertext)
            .map_err(|_| JoinError::Answer("something that does not open"))?;
        let admitted: Admitted = codec::decode::<_, ADMITTED_MAX>(&opened)
            .map_err(|_| JoinError::Answer("something that is no certificate"))?;
        let leaf = certificate::verify(&self.anchor, &admitted.leaf, now.max(self.told))?;
        if leaf.node_id() != keys.node_id() || *leaf.sealing_key() != keys.sealing.public_key() {
            return Err(JoinError::Answer("a certificate for another key"));
        }
        if *leaf.name() != self.name {
            return Err(JoinError::Answer("a certificate for another name"));
        }
        let Self { anchor, authority, pinned, told, .. } = self;
        Ok(Enrolled { leaf, anchor, authority, pinned, told })
    }
}
