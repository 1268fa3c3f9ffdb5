//! The policy as the authority signs it, and as it is kept and told in parts.
//!
//! The *head* says which version it is and what each part hashes to. The CA key signs it, so whoever sees a head may
//! believe it, wherever it comes from, and each part by its hash. A head with a version that is no higher than the
//! present one changes nothing: a policy never goes back.

use serde::{Deserialize, Serialize};

use super::policy::{FILE_MAX, Policy, PolicyError};
use crate::certificate::TrustAnchor;
use crate::codec;
use crate::identity::{CaKey, Fingerprint, KeyError, Signature};
use crate::label::{Digest, Label};
use crate::record::{Record, Table, Write};

/// The bytes of each part but the last: with a head they fit into a frame.
pub const PART_MAX: usize = 12 * 1024;

/// The most parts.
pub const PARTS_MAX: usize = FILE_MAX.div_ceil(PART_MAX);

const HEAD_KEY: &[u8] = b"head";

/// Why a policy that is told is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignedPolicyError {
    /// The CA key has not signed the head.
    #[error("a policy is not signed by the network's CA key")]
    Signature,
    /// A part is none of those that the head stands for.
    #[error("part {0} of the policy is not the one that was signed")]
    Part(u8),
    /// What was signed is nothing that this node can read.
    #[error("the policy cannot be read: {0}")]
    Unreadable(#[from] PolicyError),
}

impl From<KeyError> for SignedPolicyError {
    fn from(_: KeyError) -> Self {
        Self::Signature
    }
}

/// What a policy's signature is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyHead {
    /// The version: it only grows.
    pub epoch: u64,
    /// The hash of each part, in order: 1 to [`PARTS_MAX`].
    pub parts: Vec<Digest>,
}

/// A head with the CA key's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedPolicy {
    /// What is signed, together with the network's pin.
    pub head: PolicyHead,
    /// By the CA key.
    pub signature: Signature,
}

/// What a signature covers: no other network's policy is taken for this one's.
#[derive(Serialize)]
struct Signed<'a> {
    root: Fingerprint,
    head: &'a PolicyHead,
}

/// What one node tells another: one part, and the head that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyPart {
    /// The head.
    pub policy: SignedPolicy,
    /// Which part, from 0.
    pub number: u8,
    /// The part: at most [`PART_MAX`] bytes of the text.
    pub bytes: Vec<u8>,
}

fn digest(part: &[u8]) -> Digest {
    Label::PolicyPart.hash(&[part])
}

impl SignedPolicy {
    /// The CA key's word that `text` is the policy from now on.
    pub(crate) fn sign(key: &CaKey, anchor: &TrustAnchor, text: &str, epoch: u64) -> Self {
        let parts = text.as_bytes().chunks(PART_MAX).map(digest).collect();
        let head = PolicyHead { epoch, parts };
        let signature = key.sign(Label::Policy, &Signed { root: anchor.fingerprint(), head: &head });
        Self { head, signature }
    }

    fn verify(&self, anchor: &TrustAnchor) -> Result<(), SignedPolicyError> {
        let signed = Signed { root: anchor.fingerprint(), head: &self.head };
        anchor.key().verify(Label::Policy, &signed, &self.signature)?;
        let bounded = (1..=PARTS_MAX).contains(&self.head.parts.len());
        if bounded { Ok(()) } else { Err(SignedPolicyError::Signature) }
    }
}

/// A policy that the CA key has signed.
#[derive(Clone, Debug)]
pub struct PublishedPolicy {
    signed: SignedPolicy,
    policy: Policy,
}

impl PublishedPolicy {
    /// The policy `text`, signed as version `epoch`.
    ///
    /// # Errors
    /// [`PolicyError`]
    pub(crate) fn sign(
        key: &CaKey,
        anchor: &TrustAnchor,
        text: &str,
        epoch: u64,
    ) -> Result<Self, PolicyError> {
        let policy = Policy::parse(text, epoch)?;
        Ok(Self { signed: SignedPolicy::sign(key, anchor, text, epoch), policy })
    }

    /// What it says.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// One of its parts, if there are so many.
    #[must_use]
    pub fn part(&self, number: u8) -> Option<PolicyPart> {
        let bytes = self.policy.text().as_bytes().chunks(PART_MAX).nth(usize::from(number))?;
        Some(PolicyPart { policy: self.signed.clone(), number, bytes: bytes.to_vec() })
    }

    /// Every record of it.
    #[must_use]
    pub fn to_writes(&self) -> Vec<Write> {
        let head = Write::set(Table::Policy, HEAD_KEY, codec::encode(&self.signed));
        let parts = (0_u8..).take(PARTS_MAX).map(|number| Write {
            table: Table::Policy,
            key: vec![number],
            value: self.part(number).map(|part| part.bytes),
        });
        core::iter::once(head).chain(parts).collect()
    }

    /// The writes that forget a policy.
    #[must_use]
    pub fn erase() -> Vec<Write> {
        let parts = (0_u8..).take(PARTS_MAX).map(|number| vec![number]);
        parts.chain([HEAD_KEY.to_vec()]).map(|key| Write::erase(Table::Policy, key)).collect()
    }

    /// The policy that the records hold, if they hold one.
    ///
    /// # Errors
    /// The key of a record that is damaged or gone.
    pub fn load<'a>(
        records: impl Iterator<Item = &'a Record> + Clone,
        anchor: &TrustAnchor,
    ) -> Result<Option<Self>, Vec<u8>> {
        let find = |key: &[u8]| records.clone().find(|record| record.key == key);
        if records.clone().next().is_none() {
            return Ok(None);
        }
        let head = find(HEAD_KEY).and_then(|record| codec::decode::<SignedPolicy, 512>(&record.value).ok());
        let signed = head.ok_or_else(|| HEAD_KEY.to_vec())?;
        let mut assembly = Assembly::new(signed, anchor).map_err(|_| HEAD_KEY.to_vec())?;
        while let Some(number) = assembly.wants() {
            let part = find(&[number]).map(|record| record.value.clone());
            part.and_then(|part| assembly.add(number, part).ok()).ok_or_else(|| vec![number])?;
        }
        assembly.finish().map(Some).map_err(|_| HEAD_KEY.to_vec())
    }
}

/// A policy on its way here. It takes no more memory than the longest policy, whoever tells how many parts.
#[derive(Debug)]
pub struct Assembly {
    signed: SignedPolicy,
    /// The parts up to now, in order.
    bytes: Vec<u8>,
    next: u8,
}

impl Assembly {
    /// The first step of taking the policy with this head.
    ///
    /// # Errors
    /// [`SignedPolicyError::Signature`]
    pub fn new(signed: SignedPolicy, anchor: &TrustAnchor) -> Result<Self, SignedPolicyError> {
        signed.verify(anchor)?;
        Ok(Self { signed, bytes: Vec::new(), next: 0 })
    }

    /// The head.
    #[must_use]
    pub const fn signed(&self) -> &SignedPolicy {
        &self.signed
    }

    /// The part that is needed next, if one is.
    #[must_use]
    pub fn wants(&self) -> Option<u8> {
        (usize::from(self.next) < self.signed.head.parts.len()).then_some(self.next)
    }

    /// Takes a part, if it is the next; another one changes nothing.
    ///
    /// # Errors
    /// [`SignedPolicyError::Part`]
    pub fn add(&mut self, number: u8, part: Vec<u8>) -> Result<(), SignedPolicyError> {
        if self.wants() != Some(number) {
            return Ok(());
        }
        let right = self.signed.head.parts.get(usize::from(number)) == Some(&digest(&part));
        if !right || part.len() > PART_MAX {
            return Err(SignedPolicyError::Part(number));
        }
        self.bytes.extend(part);
        self.next += 1;
        Ok(())
    }

    /// The policy, once all of it is there.
    ///
    /// # Errors
    /// [`SignedPolicyError::Unreadable`], and [`SignedPolicyError::Part`] if a part is missing or is no text.
    pub fn finish(self) -> Result<PublishedPolicy, SignedPolicyError> {
        if let Some(missing) = self.wants() {
            return Err(SignedPolicyError::Part(missing));
        }
        let text = String::from_utf8(self.bytes).map_err(|_| SignedPolicyError::Part(0))?;
        let policy = Policy::parse(&text, self.signed.head.epoch)?;
        Ok(PublishedPolicy { signed: self.signed, policy })
    }
}
