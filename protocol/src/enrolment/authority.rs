//! The side that gives certificates: the CA key, the invites it gave out, and who was enrolled.

mod attempts;
mod invites;
mod records;

use core::time::Duration;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::attempts::{Attempt, Attempts};
use self::invites::Invites;
pub use self::invites::NewInvite;
pub use self::records::EnrolmentRecord;
use self::records::Enrolments;
use super::message::{
    Admitted, AuthorityKey, Credential, EnrolAnswer, EnrolRequest, KeyRequest, PROPOSAL_MAX, PakeAnswer,
    Proof, Proposal, Share, request_info,
};
use super::pake::{Exchange, Transcript};
use crate::certificate::{
    self, CertificateDer, CertificateError, Role, Subject, TrustAnchor, Validity, VerifiedCertificate,
    request,
};
use crate::codec::{self, DecodeError};
use crate::control::{Admission, Mode, Modes};
use crate::identity::{
    CaKey, Fingerprint, NetworkName, NodeId, NodeKeys, NodeName, SealingPublicKey, Signature,
};
use crate::keyring::KeyRing;
use crate::label::{Digest, Label};
use crate::record::{Record, Table, Write};
use crate::reject::Reject;
use crate::seal;
use crate::time::Timestamp;

/// For how long a retry token may be returned. A candidate returns it within a round trip; a person types nothing
/// in between.
const TOKEN_LIFE: Duration = Duration::from_secs(30);

/// An authority's own state that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A record that does not decode.
    #[error("the record {key:?} of table {table} is malformed: {error}", table = table.name())]
    Record {
        /// The table.
        table: Table,
        /// The key.
        key: String,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// The CA's own certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The node, which the transport has proven.
    pub node: NodeId,
    /// Its address, without the port.
    pub address: core::net::IpAddr,
    /// Whether the address is on a network that this host is directly attached to.
    pub attached: bool,
}

/// An answer that may be given once `writes` are durable.
#[derive(Debug)]
pub struct Issued<T> {
    /// The answer.
    pub answer: T,
    /// What has to be durable first.
    pub writes: Vec<Write>,
}

/// A request that is refused, and what has to be durable before that is said.
#[derive(Debug)]
pub struct Refused {
    /// What the candidate is told.
    pub reject: Reject,
    /// What has to be durable first.
    pub writes: Vec<Write>,
}

impl From<Reject> for Refused {
    fn from(reject: Reject) -> Self {
        Self { reject, writes: Vec::new() }
    }
}

/// By what a candidate has proven that it is to be admitted.
enum Proven {
    /// Nothing is used up.
    Free,
    /// One use of the invite with this hash.
    Invite(Digest),
    /// One use of the invite with this number, whose charge is taken back.
    Code(u32),
}

/// A network's authority.
pub struct Authority {
    key: CaKey,
    anchor: TrustAnchor,
    admission: Admission,
    leaf_life: Duration,
    /// Seals retry tokens. Never shared, never stored: a restart only makes candidates ask again.
    ring: KeyRing,
    invites: Invites,
    enrolments: Enrolments,
    attempts: Attempts,
}

/// What stands in the one record of [`Table::Authority`].
#[derive(Serialize, Deserialize)]
struct Kept {
    seed: Zeroizing<[u8; 32]>,
    ca: CertificateDer,
    network: NetworkName,
    admission: Admission,
}

const KEPT_KEY: &[u8] = b"ca";

/// What a retry token holds.
#[derive(Serialize, Deserialize)]
struct Token {
    node: NodeId,
    sealing: SealingPublicKey,
    way: Way,
    expires: Timestamp,
}

/// By what a candidate hoped to be admitted: it cannot come by one way and go on by another.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Way {
    Open,
    Invite,
    Code,
    Renewal,
}

impl Way {
    const fn of(credential: &Credential) -> Self {
        match credential {
            Credential::Open => Self::Open,
            Credential::Invite => Self::Invite,
            Credential::Code { .. } => Self::Code,
            Credential::Renewal => Self::Renewal,
        }
    }
}

impl Authority {
    /// A new network with a new CA key, and the certificate of its authority's node.
    ///
    /// # Errors
    /// [`CertificateError`] if the clock is beyond what X.509 can write.
    pub fn create(
        network: NetworkName,
        name: NodeName,
        (admission, leaf_life): (Admission, Duration),
        keys: &NodeKeys,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Issued<VerifiedCertificate>), CertificateError> {
        let key = CaKey::generate(rng);
        let ca = certificate::issue_ca(&key, &network, now, rng)?;
        let anchor = TrustAnchor::new(ca.clone(), Fingerprint::of(&key.public_key()), network.clone())?;
        let kept = Kept { seed: key.seed(), ca, network, admission };
        let mut authority = Self {
            key,
            anchor,
            admission,
            leaf_life,
            ring: KeyRing::new(now, rng),
            invites: Invites::default(),
            enrolments: Enrolments::default(),
            attempts: Attempts::default(),
        };
        let sealing = keys.sealing.public_key();
        let leaf = authority.issue(name, Role::Authority, keys.node_id(), sealing, now, rng)?;
        let writes = vec![
            Write::set(Table::Authority, KEPT_KEY, codec::encode(&kept)),
            authority.enrolments.add(&leaf, now),
        ];
        Ok((authority, Issued { answer: leaf, writes }))
    }

    /// The authority that the records hold, if they hold one.
    ///
    /// # Errors
    /// [`AuthorityError`] if a record is not what an authority writes.
    pub fn load(
        records: &[Record],
        leaf_life: Duration,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Option<Self>, AuthorityError> {
        let Some(kept) =
            records.iter().find(|record| record.table == Table::Authority && record.key == KEPT_KEY)
        else {
            return Ok(None);
        };
        let kept: Kept = decode(kept)?;
        let key = CaKey::from_seed(&kept.seed);
        let anchor = TrustAnchor::new(kept.ca, Fingerprint::of(&key.public_key()), kept.network)?;
        Ok(Some(Self {
            key,
            admission: kept.admission,
            leaf_life,
            ring: KeyRing::new(now, rng),
            invites: Invites::load(records)?,
            enrolments: Enrolments::load(records, &anchor)?,
            attempts: Attempts::default(),
            anchor,
        }))
    }

    /// The network's trust anchor.
    #[must_use]
    pub const fn anchor(&self) -> &TrustAnchor {
        &self.anchor
    }

    /// How strangers get in.
    #[must_use]
    pub const fn admission(&self) -> Admission {
        self.admission
    }

    /// The record of the node with this name.
    #[must_use]
    pub fn by_name(&self, name: &NodeName) -> Option<&EnrolmentRecord> {
        self.enrolments.by_name(name)
    }

    /// The records of the nodes whose id begins with `prefix`: at most two, for that is one too many.
    #[must_use]
    pub fn by_id_prefix(&self, prefix: &str) -> Vec<&EnrolmentRecord> {
        self.enrolments.by_id_prefix(prefix)
    }

    /// Whether `certificate` is the one that its node's live record stands for.
    #[must_use]
    pub fn vouches_for(&self, certificate: Digest, node: NodeId, now: Timestamp) -> bool {
        self.enrolments.vouches_for(certificate, node, now)
    }

    /// The number of the next invite's code, the lowest that is free, so that codes stay short.
    #[must_use]
    pub fn free_nameplate(&self, now: Timestamp) -> u32 {
        self.invites.free_nameplate(now)
    }

    /// Keeps an invite, whose code has been stretched.
    ///
    /// # Errors
    /// [`Reject::Busy`] if there are too many.
    pub fn add_invite(&mut self, invite: NewInvite, now: Timestamp) -> Result<Vec<Write>, Reject> {
        self.invites.add(invite, now)
    }

    /// Answers a request for the authority's key.
    ///
    /// An attempt with a code is charged in the writes, and so before its confirmation leaves.
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
        let way = Way::of(&request.credential);
        match way {
            Way::Open => self.check_open(origin)?,
            Way::Renewal => self.enrolments.check_known(origin.node, &request.sealing, now)?,
            Way::Invite | Way::Code => {}
        }
        self.ring.rotate_if_due(now, rng);
        let token =
            Token { node: origin.node, sealing: request.sealing, way, expires: now.after(TOKEN_LIFE) };
        let token = self.ring.seal(Label::RetryToken, &[], &codec::encode(&token), rng);
        let (pake, writes) = match &request.credential {
            Credential::Open | Credential::Invite | Credential::Renewal => (None, Vec::new()),
            Credential::Code { nameplate, share } => {
                let (pake, writes) = self.try_code(
                    *nameplate,
                    share,
                    request,
                    origin,
                    (leaf, &token),
                    keys.node_id(),
                    now,
                    rng,
                )?;
                (Some(pake), writes)
            }
        };
        let mut answer = AuthorityKey {
            leaf: leaf.der().clone(),
            ca: self.anchor.der().clone(),
            admission: self.admission,
            token,
            pake,
            now,
            signature: Signature::from([0; 64]),
        };
        answer.signature = keys.identity.sign(Label::AuthorityKey, &answer.signed(request.digest()));
        Ok(Issued { answer, writes })
    }

    /// Answers one guess at a code.
    #[expect(clippy::too_many_arguments, reason = "the transcript of an exchange is made of all of them")]
    fn try_code(
        &mut self,
        nameplate: u32,
        share: &Share,
        request: &KeyRequest,
        origin: Origin,
        (leaf, token): (&VerifiedCertificate, &[u8]),
        me: NodeId,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(PakeAnswer, Vec<Write>), Reject> {
        let stretched = self.invites.stretched(nameplate, now)?;
        let exchange = Exchange::authority(stretched, origin.node, me, rng);
        let ours = exchange.share().clone();
        let shared = exchange.finish(share).ok_or(Reject::Invite)?;
        let confirmations = shared.confirmations(&Transcript {
            request,
            share: &ours,
            admission: self.admission,
            leaf: leaf.der(),
            ca: self.anchor.der(),
            token,
        });
        let confirmation = confirmations.authority.to_bytes();
        let attempt = Attempt::new(nameplate, confirmations.candidate, origin.address, now);
        self.attempts.add(origin.node, attempt, now);
        let writes = self.invites.charge(nameplate, now)?;
        Ok((PakeAnswer { share: ours, confirmation }, writes))
    }

    fn check_open(&self, origin: Origin) -> Result<(), Reject> {
        match self.admission.allows(Modes::of(&[Mode::Open])) {
            true if origin.attached => Ok(()),
            true => Err(Reject::NotLocal),
            false => Err(Reject::InviteNeeded),
        }
    }

    /// Answers a certificate request.
    ///
    /// # Errors
    /// What the candidate is told.
    pub fn enrol(
        &mut self,
        request: &EnrolRequest,
        origin: Origin,
        keys: &NodeKeys,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Issued<EnrolAnswer>, Refused> {
        let token = self.open_token(&request.token, origin, now)?;
        let info = request_info(self.anchor.network(), keys.node_id(), &request.token);
        let (proposal, key) = seal::open_authenticated(
            &keys.sealing,
            &token.sealing,
            &request.sealed,
            &info,
            &[],
            Label::CertificateAnswer,
        )
        .map_err(|_| Reject::Invalid)?;
        let proposal: Proposal = codec::decode::<_, PROPOSAL_MAX>(&proposal).map_err(|_| Reject::Invalid)?;
        let wanted = request::verify(&proposal.request).map_err(|_| Reject::Invalid)?;
        if wanted.node != origin.node || wanted.sealing != token.sealing {
            return Err(Reject::Invalid.into());
        }
        // Who is not admitted learns nothing of names; who is admitted and must choose another name has used nothing
        // up, and gets a guess back that was right.
        let proven = self.prove(&proposal.proof, &token, origin, now)?;
        if let Err(reject) = self.enrolments.check_free(&wanted.name, wanted.node, &wanted.sealing, now) {
            return Err(Refused { reject, writes: self.refund(&proven, now) });
        }
        let mut writes = self.redeem(&proven, origin, now)?;
        let leaf = self
            .issue(wanted.name, Role::Member, wanted.node, wanted.sealing, now, rng)
            .map_err(|_| Refused::from(Reject::Unavailable))?;
        writes.push(self.enrolments.add(&leaf, now));
        let admitted = Admitted { leaf: leaf.der().clone(), policy_epoch: 0, revocation_epoch: 0 };
        let ciphertext = seal::seal_once(key, &[], &codec::encode(&admitted));
        Ok(Issued { answer: EnrolAnswer { ciphertext }, writes })
    }

    fn open_token(&self, token: &[u8], origin: Origin, now: Timestamp) -> Result<Token, Reject> {
        let token = self.ring.open(Label::RetryToken, &[], token).map_err(|_| Reject::Retry)?;
        let token: Token = codec::decode::<_, 128>(&token).map_err(|_| Reject::Retry)?;
        if token.node != origin.node || now >= token.expires {
            return Err(Reject::Retry);
        }
        Ok(token)
    }

    /// Whether the proof admits.
    fn prove(
        &mut self,
        proof: &Proof,
        token: &Token,
        origin: Origin,
        now: Timestamp,
    ) -> Result<Proven, Reject> {
        match (proof, token.way) {
            (Proof::Open, Way::Open) => self.check_open(origin).map(|()| Proven::Free),
            (Proof::Invite(secret), Way::Invite) => {
                let digest = secret.digest();
                self.invites.check_secret(&digest, origin.node, now).map(|()| Proven::Invite(digest))
            }
            (Proof::Code(confirmation), Way::Code) => {
                let attempt = self.attempts.take(origin.node, now).ok_or(Reject::Retry)?;
                if attempt.fits(confirmation) {
                    Ok(Proven::Code(attempt.nameplate()))
                } else {
                    Err(Reject::Invite)
                }
            }
            (Proof::Renewal, Way::Renewal) => {
                self.enrolments.check_known(origin.node, &token.sealing, now).map(|()| Proven::Free)
            }
            (Proof::Open | Proof::Invite(_) | Proof::Code(_) | Proof::Renewal, _) => Err(Reject::Invalid),
        }
    }

    /// Uses up what admits.
    fn redeem(&mut self, proven: &Proven, origin: Origin, now: Timestamp) -> Result<Vec<Write>, Reject> {
        match proven {
            Proven::Free => Ok(Vec::new()),
            Proven::Invite(digest) => self.invites.redeem_secret(digest, origin.node, now),
            Proven::Code(nameplate) => self.invites.redeem_code(*nameplate, origin.node, now),
        }
    }

    /// Takes back the charge of a guess that was right and admitted nobody.
    fn refund(&mut self, proven: &Proven, now: Timestamp) -> Vec<Write> {
        match proven {
            Proven::Free | Proven::Invite(_) => Vec::new(),
            Proven::Code(nameplate) => self.invites.refund(*nameplate, now),
        }
    }

    /// The certificate of the authority's own node, issued anew.
    ///
    /// # Errors
    /// [`CertificateError`] if the CA certificate has ended.
    pub fn renew_own(
        &mut self,
        own: &VerifiedCertificate,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Issued<VerifiedCertificate>, CertificateError> {
        let (name, sealing) = (own.name().clone(), *own.sealing_key());
        let leaf = self.issue(name, Role::Authority, own.node_id(), sealing, now, rng)?;
        let writes = vec![self.enrolments.add(&leaf, now)];
        Ok(Issued { answer: leaf, writes })
    }

    fn issue(
        &self,
        name: NodeName,
        role: Role,
        node: NodeId,
        sealing: SealingPublicKey,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<VerifiedCertificate, CertificateError> {
        let network = self.anchor.network().clone();
        let entity = network.default_entity();
        let subject = Subject { name, network, entity, role, node, sealing };
        let der = certificate::issue_leaf(
            &self.key,
            &self.anchor,
            subject,
            Validity::starting(now, self.leaf_life)?,
            rng,
        )?;
        certificate::verify(&self.anchor, &der, now)
    }
}

fn decode<T: Serialize + serde::de::DeserializeOwned>(record: &Record) -> Result<T, AuthorityError> {
    codec::decode::<_, { crate::record::VALUE_MAX }>(&record.value).map_err(|error| AuthorityError::Record {
        table: record.table,
        key: String::from_utf8_lossy(&record.key).into_owned(),
        error,
    })
}
