//! The side that gives certificates: the CA key, the invites it gave out, and who was enrolled.

mod admit;
mod answer;
mod charge;
mod denied;
mod guids;
mod invites;
mod manage;
mod meter;
mod passwords;
mod prove;
mod records;
mod requests;

use core::time::Duration;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::admit::Open;
use self::charge::Charged;
use self::denied::Denied;
use self::guids::Guids;
use self::invites::Invites;
pub use self::invites::NewInvite;
pub use self::manage::{Change, Undo};
use self::passwords::Passwords;
pub use self::records::EnrolmentRecord;
use self::records::Enrolments;
use self::requests::Requests;
use super::attempts::Attempts;
use super::message::{EnrolAnswer, Way};
use crate::certificate::{
    self, CertificateDer, CertificateError, Role, Subject, TrustAnchor, Validity, VerifiedCertificate,
};
use crate::codec::{self, DecodeError};
use crate::control::Admission;
use crate::identity::{CaKey, Fingerprint, NetworkName, NodeId, NodeKeys, NodeName, SealingPublicKey};
use crate::keyring::KeyRing;
use crate::label::Digest;
use crate::record::{Record, Table, Write};
use crate::reject::Reject;
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

impl Origin {
    /// The address that a stranger's share is counted by: of an IPv6 network elsewhere, which one host may have all of,
    /// the network.
    pub(crate) fn counted(&self) -> core::net::IpAddr {
        match self.address {
            core::net::IpAddr::V6(address) if !self.attached => {
                core::net::IpAddr::V6((u128::from(address) >> 64 << 64).into())
            }
            address @ (core::net::IpAddr::V4(_) | core::net::IpAddr::V6(_)) => address,
        }
    }
}

/// What becomes of a certificate request that is not refused.
#[derive(Debug)]
pub enum Verdict {
    /// Here is the certificate; and whose name it has, if that was another's: that membership has to be taken away
    /// before the answer is given ([`Authority::revoke_replaced`]).
    Admitted(EnrolAnswer, Option<Box<EnrolmentRecord>>),
    /// Two people have yet to confirm it.
    Waiting,
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

/// A network's authority.
pub struct Authority {
    key: CaKey,
    anchor: TrustAnchor,
    admission: Admission,
    leaf_life: Duration,
    /// Seals retry tokens. Never shared, never stored: a restart only makes candidates ask again.
    ring: KeyRing,
    invites: Invites,
    passwords: Passwords,
    guids: Guids,
    requests: Requests,
    enrolments: Enrolments,
    attempts: Attempts<Charged>,
    denied: Denied,
    /// How many come in without anything.
    open: Open,
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

/// What a retry token holds: a candidate cannot come by one way and go on by another.
#[derive(Serialize, Deserialize)]
struct Token {
    node: NodeId,
    sealing: SealingPublicKey,
    way: Way,
    commitment: Option<Digest>,
    nonce: Option<[u8; 32]>,
    expires: Timestamp,
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
            passwords: Passwords::default(),
            guids: Guids::default(),
            requests: Requests::default(),
            enrolments: Enrolments::default(),
            attempts: Attempts::default(),
            denied: Denied::default(),
            open: Open::default(),
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
            passwords: Passwords::load(records)?,
            guids: Guids::load(records)?,
            requests: Requests::load(records)?,
            enrolments: Enrolments::load(records, &anchor)?,
            attempts: Attempts::default(),
            denied: Denied::load(records)?,
            open: Open::default(),
            anchor,
        }))
    }

    /// The network's trust anchor.
    #[must_use]
    pub const fn anchor(&self) -> &TrustAnchor {
        &self.anchor
    }

    /// The record of the node with this name.
    #[must_use]
    pub fn by_name(&self, name: &NodeName) -> Option<&EnrolmentRecord> {
        self.enrolments.by_name(name)
    }

    /// The certificate that the node was given last.
    #[must_use]
    pub fn certificate_of(&self, node: NodeId) -> Option<&VerifiedCertificate> {
        self.enrolments.by_node(node).map(|record| &record.certificate)
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
