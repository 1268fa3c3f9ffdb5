//! The side that wants a certificate. Each step consumes the one before.

use core::time::Duration;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::invitation::InviteSecret;
use super::message::{
    ADMITTED_MAX, Admitted, AuthorityKey, Credential, EnrolAnswer, EnrolRequest, KeyRequest, Proof, Proposal,
    request_info,
};
use super::pake::{Exchange, Transcript};
use crate::certificate::{self, CertificateError, Role, TrustAnchor, VerifiedCertificate, request};
use crate::codec;
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
    /// The certificate that came is not the one that was asked for.
    #[error("the authority answered with {0}")]
    Answer(&'static str),
}

/// The authority that a candidate turns to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prospect {
    /// The network's name.
    pub network: NetworkName,
    /// The pin of its CA key: from a URI, or else hearsay that the certificates must at least agree with.
    pub root: Fingerprint,
    /// The node at the other end of the connection, which the transport has proven.
    pub node: NodeId,
}

/// Why the candidate hopes to be admitted.
pub enum Hope {
    /// It is on the local network. The authority is trusted on first use.
    Open,
    /// A URI pinned the network, and gave a secret or hopes for open admission.
    Uri(Option<InviteSecret>),
    /// A code, stretched.
    Code {
        /// The code's public number.
        nameplate: u32,
        /// Its secret, stretched.
        secret: Secret,
    },
    /// It was enrolled before, by this authority.
    Renewal,
}

/// What is left of a [`Hope`] while the authority answers.
enum Bringing {
    Nothing,
    Record,
    Secret(InviteSecret),
    Code(Exchange),
}

/// A candidate that has sent a [`KeyRequest`].
pub struct Asked {
    request: KeyRequest,
    prospect: Prospect,
    pinned: bool,
    bringing: Bringing,
}

impl Asked {
    /// Begins: the request is to be sent to the prospect.
    pub fn new(
        keys: &NodeKeys,
        hope: Hope,
        prospect: Prospect,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Self, KeyRequest) {
        let pinned = !matches!(hope, Hope::Open);
        let (credential, bringing) = match hope {
            Hope::Open | Hope::Uri(None) => (Credential::Open, Bringing::Nothing),
            Hope::Renewal => (Credential::Renewal, Bringing::Record),
            Hope::Uri(Some(secret)) => (Credential::Invite, Bringing::Secret(secret)),
            Hope::Code { nameplate, secret } => {
                let exchange = Exchange::candidate(&secret, keys.node_id(), prospect.node, rng);
                let share = exchange.share().clone();
                (Credential::Code { nameplate, share }, Bringing::Code(exchange))
            }
        };
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let request = KeyRequest {
            network: prospect.network.clone(),
            credential,
            nonce,
            identity: keys.node_id(),
            sealing: keys.sealing.public_key(),
        };
        (Self { request: request.clone(), prospect, pinned, bringing }, request)
    }

    /// Judges the authority's answer, and if that is the authority, asks it for a certificate in the name `name`.
    ///
    /// It is judged by the time that the authority has signed if that is later than `now`, but by at most `lead`: what
    /// issues the certificates also says when.
    ///
    /// # Errors
    /// [`JoinError`]; the other side then knows nothing but what the [`KeyRequest`] said.
    pub fn answered(
        self,
        answer: AuthorityKey,
        name: &NodeName,
        keys: &NodeKeys,
        (now, lead): (Timestamp, Duration),
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Requested, EnrolRequest), JoinError> {
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
        let proof = prove(self.bringing, &self.request, &answer)?;
        let request = request::create(&keys.identity, &keys.sealing.public_key(), name);
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
            Requested { anchor, authority: leaf.clone(), key, name: name.clone(), pinned: self.pinned, told };
        Ok((requested, EnrolRequest { token: answer.token, sealed }))
    }
}

fn prove(bringing: Bringing, request: &KeyRequest, answer: &AuthorityKey) -> Result<Proof, JoinError> {
    let exchange = match bringing {
        Bringing::Nothing => return Ok(Proof::Open),
        Bringing::Record => return Ok(Proof::Renewal),
        Bringing::Secret(secret) => return Ok(Proof::Invite(secret)),
        Bringing::Code(exchange) => exchange,
    };
    let pake = answer.pake.as_ref().ok_or(JoinError::Code)?;
    let shared = exchange.finish(&pake.share).ok_or(JoinError::Code)?;
    let confirmations = shared.confirmations(&Transcript {
        request,
        share: &pake.share,
        admission: answer.admission,
        leaf: &answer.leaf,
        ca: &answer.ca,
        token: &answer.token,
    });
    if !confirmations.authority.fits(&pake.confirmation) {
        return Err(JoinError::Code);
    }
    Ok(Proof::Code(confirmations.candidate.to_bytes()))
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
