//! Who sealed a file, when, to whom, and the keys of its content.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::certificate::{CertificateDer, CertificateError, SKEW, VerifiedCertificate};
use crate::codec::{self, DecodeError};
use crate::identity::{ContentKey, Fingerprint, NodeId, NodeName, PublicKey, Secret, Signature};
use crate::label::{Digest, Label};
use crate::seal::{self, Sealed};
use crate::snapshot::{Member, Snapshot};
use crate::time::Timestamp;

/// What a sealed file begins with. The last character is the version of everything that follows.
const MAGIC: &[u8; 16] = b"lanyard/sealed/1";

/// The bytes in front of a header: the magic and the header's length.
pub const PREFIX_LEN: usize = MAGIC.len() + 4;

/// The most bytes of a header with its prefix: a certificate and 64 receivers take about 10,000.
pub const HEADER_MAX: usize = 12 * 1024;

/// The most receivers of one file: a classroom. Each costs 113 bytes of header and two key exchanges to seal.
pub const RECEIVERS_MAX: usize = 64;

/// A header, as it stands behind its prefix.
#[derive(Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) terms: Terms,
    /// By the sender's identity key, over the terms.
    pub(crate) signature: Signature,
}

/// What the sender signs.
#[derive(Serialize, Deserialize)]
pub(crate) struct Terms {
    /// The pin of the network's CA key.
    pub(crate) network: Fingerprint,
    /// The sender's certificate.
    pub(crate) sender: CertificateDer,
    /// When it was sealed, by the sender's clock: nobody else vouches for it.
    pub(crate) sealed_at: Timestamp,
    /// The public half of the key that signs the chunks.
    pub(crate) content_key: PublicKey,
    /// The commitment to the key that encrypts them: all receivers have the same one.
    commitment: Digest,
    /// For whom.
    pub(crate) receivers: Vec<Receiver>,
}

/// One of those that may open a file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Receiver {
    pub(crate) node: NodeId,
    /// The key that encrypts the content, sealed to the sealing key in the node's certificate.
    pub(crate) key: Sealed,
}

/// Why a header was not made or not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// This node is a member of no network.
    #[error("this node is not a member of any network")]
    NotMember,
    /// Nobody, or too many, to seal to.
    #[error("{0} receivers where 1 to {RECEIVERS_MAX} are allowed")]
    Receivers(usize),
    /// This node's certificate does not hold now.
    #[error(transparent)]
    Own(CertificateError),
    /// A receiver's certificate does not hold now.
    #[error("{name}: {error}")]
    Receiver {
        /// The receiver.
        name: NodeName,
        /// Why.
        error: CertificateError,
    },
    /// What is sealed to a receiver's key would be open to everyone.
    #[error("{0} has no usable sealing key")]
    ReceiverKey(NodeName),
    /// The membership of a receiver or of the sender was ended.
    #[error("{0} was revoked")]
    Revoked(NodeName),
    /// It does not begin as sealed files do.
    #[error("not a sealed file of this version")]
    Magic,
    /// A header cannot have that length.
    #[error("a header of {0} bytes where at most {HEADER_MAX} are allowed")]
    Length(usize),
    /// It says another length than it has.
    #[error("{actual} bytes of a header of {expected}")]
    Cut {
        /// The bytes that it should have.
        expected: usize,
        /// The bytes that there are.
        actual: usize,
    },
    /// Not an encoding of a header.
    #[error("the header is {0}")]
    Malformed(#[from] DecodeError),
    /// It was sealed in another network.
    #[error("sealed in the network with the fingerprint {actual}, this is {expected}")]
    Network {
        /// This node's network.
        expected: Fingerprint,
        /// The file's.
        actual: Fingerprint,
    },
    /// It says that it was sealed later than now.
    #[error("sealed at {sealed_at}, it is {now}")]
    Future {
        /// When the sender says that it sealed it.
        sealed_at: Timestamp,
        /// The time.
        now: Timestamp,
    },
    /// The sender's certificate did not hold when it sealed.
    #[error("the sender was no member when it sealed it: {0}")]
    Sender(CertificateError),
    /// The signature is not the sender's, or not over this header.
    #[error("the header is not signed by {0}")]
    Signature(NodeName),
    /// This node is not among the receivers.
    #[error("not sealed to this node, but by {sender} to {receivers} other{}", if *.receivers == 1 { "" } else { "s" })]
    NotForThisNode {
        /// Who sealed it.
        sender: NodeName,
        /// The number of receivers.
        receivers: usize,
    },
    /// The wrapped key does not open, or is not the one that the header commits to.
    #[error("the key that {0} sealed to this node does not open the content")]
    Key(NodeName),
}

/// A header to write in front of a content, and the keys to seal that content with.
#[derive(Debug)]
pub struct SealedHeader {
    /// The header, with its prefix.
    pub header: Vec<u8>,
    /// The key that encrypts the content, which every receiver gets.
    pub key: Secret,
    /// The key that signs its chunks, which nobody gets.
    pub signer: ContentKey,
}

/// A header that this node has believed, and the keys to open its content with. Made by [`open`] alone.
#[derive(Debug)]
pub struct OpenedHeader {
    sender: VerifiedCertificate,
    sealed_at: Timestamp,
    receivers: Vec<NodeId>,
    key: Secret,
    signer: PublicKey,
}

impl OpenedHeader {
    /// Who sealed it: a certificate that held at [`Self::sealed_at`], and may have ended since.
    #[must_use]
    pub const fn sender(&self) -> &VerifiedCertificate {
        &self.sender
    }

    /// When, by the word of the sender alone.
    #[must_use]
    pub const fn sealed_at(&self) -> Timestamp {
        self.sealed_at
    }

    /// To whom.
    #[must_use]
    pub fn receivers(&self) -> &[NodeId] {
        &self.receivers
    }

    /// The keys to open the content with: the one that encrypts it and the public half of the one that signs it.
    #[must_use]
    pub fn into_keys(self) -> (Secret, PublicKey) {
        (self.key, self.signer)
    }
}

/// Makes the header of a file for `receivers`, in the name of the node of `snapshot`. One that is named twice counts
/// once; the node itself is no receiver unless it is named.
///
/// # Errors
/// [`HeaderError`], the first six kinds.
pub fn seal(
    snapshot: &Snapshot,
    receivers: &[VerifiedCertificate],
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<SealedHeader, HeaderError> {
    let member = snapshot.member.as_deref().ok_or(HeaderError::NotMember)?;
    member.certificate.check_time(now).map_err(HeaderError::Own)?;
    let receivers = distinct(receivers);
    if receivers.is_empty() || receivers.len() > RECEIVERS_MAX {
        return Err(HeaderError::Receivers(receivers.len()));
    }
    let (key, signer) = (Secret::generate(rng), ContentKey::generate(rng));
    let network = member.anchor.fingerprint();
    let sender = snapshot.node_id();
    let mut wrapped = Vec::with_capacity(receivers.len());
    for receiver in receivers {
        check_receiver(member, receiver, now)?;
        let node = receiver.node_id();
        let info = key_info(network, sender, node, &signer.public_key());
        let key = seal::seal(receiver.sealing_key(), &info, &[], key.expose(), rng)
            .map_err(|_| HeaderError::ReceiverKey(receiver.name().clone()))?;
        wrapped.push(Receiver { node, key });
    }
    let terms = Terms {
        network,
        sender: member.certificate.der().clone(),
        sealed_at: now,
        content_key: signer.public_key(),
        commitment: commitment(&key),
        receivers: wrapped,
    };
    let signature = snapshot.keys.identity.sign(Label::EnvelopeHeader, &terms);
    Ok(SealedHeader { header: with_prefix(&codec::encode(&Header { terms, signature })), key, signer })
}

fn distinct(receivers: &[VerifiedCertificate]) -> Vec<&VerifiedCertificate> {
    let mut kept: Vec<&VerifiedCertificate> = Vec::with_capacity(receivers.len());
    for receiver in receivers {
        if kept.iter().all(|other| other.node_id() != receiver.node_id()) {
            kept.push(receiver);
        }
    }
    kept
}

fn check_receiver(
    member: &Member,
    receiver: &VerifiedCertificate,
    now: Timestamp,
) -> Result<(), HeaderError> {
    member
        .verify(receiver.der(), now)
        .map_err(|error| HeaderError::Receiver { name: receiver.name().clone(), error })?;
    check_not_revoked(member, receiver)
}

/// Neither is anything sealed to a node whose membership was ended, nor is anything believed of one, whenever it says
/// that it sealed it.
fn check_not_revoked(member: &Member, node: &VerifiedCertificate) -> Result<(), HeaderError> {
    if member.denies(node.node_id()) { Err(HeaderError::Revoked(node.name().clone())) } else { Ok(()) }
}

/// The length of a header with its prefix, of which these are the first bytes.
///
/// # Errors
/// [`HeaderError::Magic`], [`HeaderError::Length`].
pub fn header_len(prefix: &[u8; PREFIX_LEN]) -> Result<usize, HeaderError> {
    let length = prefix.strip_prefix(MAGIC.as_slice()).ok_or(HeaderError::Magic)?;
    let length = length.first_chunk().map(|length| u32::from_le_bytes(*length)).ok_or(HeaderError::Magic)?;
    let length = PREFIX_LEN.saturating_add(length as usize);
    if length > HEADER_MAX { Err(HeaderError::Length(length)) } else { Ok(length) }
}

pub(super) fn with_prefix(header: &[u8]) -> Vec<u8> {
    [MAGIC.as_slice(), &(header.len() as u32).to_le_bytes(), header].concat()
}

/// Believes a header with its prefix, and opens the key of its content, or says why not.
///
/// The sender's certificate must have held when it says that it sealed; that it has ended since is no fault.
///
/// # Errors
/// [`HeaderError`], all but those of sealing.
pub fn open(snapshot: &Snapshot, header: &[u8], now: Timestamp) -> Result<OpenedHeader, HeaderError> {
    let member = snapshot.member.as_deref().ok_or(HeaderError::NotMember)?;
    let Header { terms, signature } = parse(header)?;
    let expected = member.anchor.fingerprint();
    if terms.network != expected {
        return Err(HeaderError::Network { expected, actual: terms.network });
    }
    if terms.sealed_at > now.after(SKEW) {
        return Err(HeaderError::Future { sealed_at: terms.sealed_at, now });
    }
    let sender = member.verify(&terms.sender, terms.sealed_at).map_err(HeaderError::Sender)?;
    check_not_revoked(member, &sender)?;
    sender
        .node_id()
        .public_key()
        .verify(Label::EnvelopeHeader, &terms, &signature)
        .map_err(|_| HeaderError::Signature(sender.name().clone()))?;
    let key = unwrap_key(snapshot, &terms, &sender)?;
    Ok(OpenedHeader {
        sealed_at: terms.sealed_at,
        receivers: terms.receivers.iter().map(|receiver| receiver.node).collect(),
        key,
        signer: terms.content_key,
        sender,
    })
}

fn parse(header: &[u8]) -> Result<Header, HeaderError> {
    let prefix = header.first_chunk().ok_or(HeaderError::Magic)?;
    let (expected, actual) = (header_len(prefix)?, header.len());
    if expected != actual {
        return Err(HeaderError::Cut { expected, actual });
    }
    let header: Header = codec::decode::<_, HEADER_MAX>(&header[PREFIX_LEN..])?;
    let receivers = header.terms.receivers.len();
    if receivers == 0 || receivers > RECEIVERS_MAX {
        return Err(HeaderError::Receivers(receivers));
    }
    Ok(header)
}

fn unwrap_key(
    snapshot: &Snapshot,
    terms: &Terms,
    sender: &VerifiedCertificate,
) -> Result<Secret, HeaderError> {
    let me = snapshot.node_id();
    let Some(mine) = terms.receivers.iter().find(|receiver| receiver.node == me) else {
        let (sender, receivers) = (sender.name().clone(), terms.receivers.len());
        return Err(HeaderError::NotForThisNode { sender, receivers });
    };
    let fault = || HeaderError::Key(sender.name().clone());
    let info = key_info(terms.network, sender.node_id(), me, &terms.content_key);
    let opened = seal::open(snapshot.sealing_key(), &mine.key, &info, &[]).map_err(|_| fault())?;
    let key: Secret = codec::decode::<_, 32>(&opened).map_err(|_| fault())?;
    if commitment(&key) == terms.commitment { Ok(key) } else { Err(fault()) }
}

/// The HPKE info of a wrapped key: whoever copies it into a header of his own makes it useless.
pub(crate) fn key_info(
    network: Fingerprint,
    sender: NodeId,
    receiver: NodeId,
    content_key: &PublicKey,
) -> Vec<u8> {
    Label::EnvelopeKey.join(&[
        network.0.as_bytes(),
        sender.as_bytes(),
        receiver.as_bytes(),
        content_key.as_bytes(),
    ])
}

/// Binds the sender to one key for all receivers: ChaCha20-Poly1305 alone would open under several.
pub(super) fn commitment(key: &Secret) -> Digest {
    Label::EnvelopeCommitment.hash(&[key.expose()])
}
