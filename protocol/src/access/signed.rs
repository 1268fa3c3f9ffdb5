//! The policy as the authority signs it, and as it is kept and told in parts.
//!
//! The last part is no text: it says which users have changed of late ([`Notices`]), so that a change of one is told in
//! a few bytes.
//!
//! The *head* says which version it is and what each part hashes to. The CA key signs it, so whoever sees a head may
//! believe it, wherever it comes from, and each part by its hash. A head with a version that is no higher than the
//! present one changes nothing: a policy never goes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Notices;
use super::policy::{FILE_MAX, Policy, PolicyError};
use crate::certificate::TrustAnchor;
use crate::codec;
use crate::identity::{CaKey, Fingerprint, KeyError, Signature};
use crate::label::{Digest, Label};
use crate::record::{Record, Table, Write};

/// The bytes of each part of the text but the last: with a head they fit into a frame.
pub const PART_MAX: usize = 12 * 1024;

/// The most parts: the text's, and the notices.
pub const PARTS_MAX: usize = FILE_MAX.div_ceil(PART_MAX) + 1;

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
    /// The hash of each part, in order: 2 to [`PARTS_MAX`].
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
    /// The part: at most [`PART_MAX`] bytes, of the text or the notices.
    pub bytes: Vec<u8>,
}

fn digest(part: &[u8]) -> Digest {
    Label::PolicyPart.hash(&[part])
}

/// Every part, in order.
fn parts(text: &str, notices: &Notices) -> Vec<Vec<u8>> {
    let text = text.as_bytes().chunks(PART_MAX).map(<[u8]>::to_vec);
    text.chain([codec::encode(notices)]).collect()
}

impl SignedPolicy {
    /// The CA key's word that these are the parts of the policy from now on.
    fn sign(key: &CaKey, anchor: &TrustAnchor, parts: &[Vec<u8>], epoch: u64) -> Self {
        let parts = parts.iter().map(|part| digest(part)).collect();
        let head = PolicyHead { epoch, parts };
        let signature = key.sign(Label::Policy, &Signed { root: anchor.fingerprint(), head: &head });
        Self { head, signature }
    }

    fn verify(&self, anchor: &TrustAnchor) -> Result<(), SignedPolicyError> {
        let signed = Signed { root: anchor.fingerprint(), head: &self.head };
        anchor.key().verify(Label::Policy, &signed, &self.signature)?;
        let bounded = (2..=PARTS_MAX).contains(&self.head.parts.len());
        if bounded { Ok(()) } else { Err(SignedPolicyError::Signature) }
    }
}

/// A policy that the CA key has signed.
#[derive(Clone, Debug)]
pub struct PublishedPolicy {
    signed: SignedPolicy,
    policy: Policy,
    notices: Arc<Notices>,
}

impl PublishedPolicy {
    /// The policy `text` with `notices`, signed as version `epoch`.
    ///
    /// # Errors
    /// [`PolicyError`]
    pub(crate) fn sign(
        key: &CaKey,
        anchor: &TrustAnchor,
        (text, notices): (&str, Notices),
        epoch: u64,
    ) -> Result<Self, PolicyError> {
        let policy = Policy::parse(text, epoch)?;
        let signed = SignedPolicy::sign(key, anchor, &parts(text, &notices), epoch);
        Ok(Self { signed, policy, notices: Arc::new(notices) })
    }

    /// What it says.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Which users have changed of late.
    #[must_use]
    pub const fn notices(&self) -> &Arc<Notices> {
        &self.notices
    }

    /// How many parts it has.
    #[must_use]
    pub fn parts(&self) -> u8 {
        u8::try_from(self.signed.head.parts.len()).unwrap_or(u8::MAX)
    }

    /// One of its parts, if there are so many.
    #[must_use]
    pub fn part(&self, number: u8) -> Option<PolicyPart> {
        let bytes = parts(self.policy.text(), &self.notices).into_iter().nth(usize::from(number))?;
        Some(PolicyPart { policy: self.signed.clone(), number, bytes })
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
        let mut assembly = Assembly::new(signed, anchor, None).map_err(|_| HEAD_KEY.to_vec())?;
        while let Some(number) = assembly.wants() {
            let part = find(&[number]).map(|record| record.value.clone());
            part.and_then(|part| assembly.add(number, part).ok()).ok_or_else(|| vec![number])?;
        }
        assembly.finish(None).map(Some).map_err(|_| HEAD_KEY.to_vec())
    }
}

/// A policy on its way here. It takes no more memory than the longest policy, whoever tells how many parts.
#[derive(Debug)]
pub struct Assembly {
    signed: SignedPolicy,
    /// As many as the head has.
    parts: Vec<Option<Vec<u8>>>,
}

impl Assembly {
    /// The first step of taking the policy with this head. The parts that `known` has in common with it are there.
    ///
    /// # Errors
    /// [`SignedPolicyError::Signature`]
    pub fn new(
        signed: SignedPolicy,
        anchor: &TrustAnchor,
        known: Option<&PublishedPolicy>,
    ) -> Result<Self, SignedPolicyError> {
        signed.verify(anchor)?;
        let of_known = known.map(|known| parts(known.policy.text(), &known.notices)).unwrap_or_default();
        let have: BTreeMap<Digest, Vec<u8>> =
            of_known.into_iter().map(|part| (digest(&part), part)).collect();
        let parts = signed.head.parts.iter().map(|part| have.get(part).cloned()).collect();
        Ok(Self { signed, parts })
    }

    /// The head.
    #[must_use]
    pub const fn signed(&self) -> &SignedPolicy {
        &self.signed
    }

    /// The part that is needed next, if one is.
    #[must_use]
    pub fn wants(&self) -> Option<u8> {
        let missing = self.parts.iter().position(Option::is_none)?;
        u8::try_from(missing).ok()
    }

    /// Takes a part, if it is missing; another one changes nothing.
    ///
    /// # Errors
    /// [`SignedPolicyError::Part`]
    pub fn add(&mut self, number: u8, part: Vec<u8>) -> Result<(), SignedPolicyError> {
        let place = usize::from(number);
        let Some(missing) = self.parts.get_mut(place).filter(|held| held.is_none()) else { return Ok(()) };
        let right = self.signed.head.parts.get(place) == Some(&digest(&part));
        if !right || part.len() > PART_MAX {
            return Err(SignedPolicyError::Part(number));
        }
        *missing = Some(part);
        Ok(())
    }

    /// The policy, once all of it is there. A text that is the same as that of `known` is not read again.
    ///
    /// # Errors
    /// [`SignedPolicyError::Unreadable`], and [`SignedPolicyError::Part`] if a part is missing or is not what it should
    /// be.
    pub fn finish(mut self, known: Option<&Policy>) -> Result<PublishedPolicy, SignedPolicyError> {
        if let Some(missing) = self.wants() {
            return Err(SignedPolicyError::Part(missing));
        }
        let last = u8::try_from(self.parts.len() - 1).unwrap_or(u8::MAX);
        let notices = self.parts.pop().flatten().unwrap_or_default();
        let notices: Notices =
            codec::decode::<_, PART_MAX>(&notices).map_err(|_| SignedPolicyError::Part(last))?;
        let text = self.parts.into_iter().flatten().collect::<Vec<_>>().concat();
        let text = String::from_utf8(text).map_err(|_| SignedPolicyError::Part(0))?;
        let epoch = self.signed.head.epoch;
        let policy = match known.filter(|known| known.text() == text) {
            Some(known) => known.as_version(epoch),
            None => Policy::parse(&text, epoch)?,
        };
        Ok(PublishedPolicy { signed: self.signed, policy, notices: Arc::new(notices) })
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;
    use crate::access::STARTER;
    use crate::certificate;
    use crate::identity::NetworkName;
    use crate::message::{self, Request};
    use crate::time::Timestamp;

    fn network(seed: u64) -> (CaKey, TrustAnchor) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let key = CaKey::generate(&mut rng);
        let name: NetworkName = "shop.lan".parse().unwrap();
        let ca = certificate::issue_ca(&key, &name, Timestamp::from_secs(1_795_253_400), &mut rng).unwrap();
        let anchor = TrustAnchor::new(ca, Fingerprint::of(&key.public_key()), name).unwrap();
        (key, anchor)
    }

    /// A policy of the greatest length.
    fn longest() -> String {
        format!("{STARTER}{}", "#".repeat(FILE_MAX - STARTER.len()))
    }

    /// R-T14: the longest policy comes together from its parts, whatever comes twice or too early, and fits into frames.
    #[test]
    fn a_policy_comes_together_from_its_parts() {
        let (key, anchor) = network(1);
        let published = PublishedPolicy::sign(&key, &anchor, (&longest(), Notices::default()), 3).unwrap();
        let mut assembly = Assembly::new(published.part(0).unwrap().policy, &anchor, None).unwrap();
        let mut taken = 0;
        while let Some(wanted) = assembly.wants() {
            for part in
                [PARTS_MAX as u8, wanted, wanted].into_iter().filter_map(|number| published.part(number))
            {
                let frame = message::frame(&Request::Policy(part.clone()));
                assert!(frame.len() <= message::FRAME_MAX, "{}", frame.len());
                assembly.add(part.number, part.bytes).unwrap();
            }
            taken += 1;
        }
        assert_eq!(taken, PARTS_MAX);
        let whole = assembly.finish(None).unwrap();
        assert_eq!((whole.policy().text(), whole.policy().epoch()), (longest().as_str(), 3));
    }

    /// B8: a part that was not signed is refused, and does not count.
    #[test]
    fn refuses_a_part_that_was_not_signed() {
        let (key, anchor) = network(1);
        let published = PublishedPolicy::sign(&key, &anchor, (&longest(), Notices::default()), 1).unwrap();
        let other = PublishedPolicy::sign(&key, &anchor, (STARTER, Notices::default()), 1).unwrap();
        let first = published.part(0).unwrap();
        let mut assembly = Assembly::new(first.policy.clone(), &anchor, None).unwrap();
        let mut altered = first.bytes.clone();
        altered[7] ^= 1;
        let second = published.part(1).unwrap().bytes;
        for wrong in [altered, second, other.part(0).unwrap().bytes, Vec::new()] {
            assert_eq!(assembly.add(0, wrong), Err(SignedPolicyError::Part(0)));
            assert_eq!(assembly.wants(), Some(0));
        }
        assembly.add(0, first.bytes).unwrap();
        assert_eq!(assembly.wants(), Some(1));
        assert_eq!(assembly.finish(None).unwrap_err(), SignedPolicyError::Part(1));
    }

    fn signed(key: &CaKey, anchor: &TrustAnchor, text: &str) -> SignedPolicy {
        SignedPolicy::sign(key, anchor, &parts(text, &Notices::default()), 1)
    }

    /// B8, B14: a head is believed for the signature of this network's CA key over all of it, and has parts, but not many.
    #[test]
    fn refuses_a_head_that_was_not_signed() {
        let ((key, anchor), (foreign, elsewhere)) = (network(1), network(2));
        let good = signed(&key, &anchor, STARTER);
        assert!(Assembly::new(good.clone(), &anchor, None).is_ok());
        let (mut later, mut longer) = (good.clone(), good.clone());
        later.head.epoch = 2;
        longer.head.parts.push(longer.head.parts[0]);
        let many = "#".repeat(FILE_MAX + PART_MAX);
        for wrong in [
            later,
            longer,
            signed(&foreign, &elsewhere, STARTER),
            signed(&foreign, &anchor, STARTER),
            signed(&key, &elsewhere, STARTER),
            SignedPolicy::sign(&key, &anchor, &[], 1),
            signed(&key, &anchor, &many),
        ] {
            assert_eq!(Assembly::new(wrong, &anchor, None).unwrap_err(), SignedPolicyError::Signature);
        }
    }

    /// What the CA key has signed and this node cannot read is not taken.
    #[test]
    fn refuses_a_policy_that_cannot_be_read() {
        let (key, anchor) = network(1);
        for text in ["version = 2", "version = 1\nwords = 3", "\u{1b}"] {
            let mut assembly = Assembly::new(signed(&key, &anchor, text), &anchor, None).unwrap();
            assembly.add(0, text.as_bytes().to_vec()).unwrap();
            assembly.add(1, codec::encode(&Notices::default())).unwrap();
            assert!(matches!(assembly.finish(None), Err(SignedPolicyError::Unreadable(_))), "{text:?}");
        }
    }

    /// R-T14: of a policy that is much like the one before, the parts that differ are told.
    #[test]
    fn a_change_is_told_in_the_parts_that_differ() {
        let (key, anchor) = network(1);
        let before = PublishedPolicy::sign(&key, &anchor, (&longest(), Notices::default()), 1).unwrap();
        let ana = "ana".parse().unwrap();
        let noticed = Notices::default().with(&ana, true, (2, Timestamp::from_secs(9)), Timestamp::default());
        let after = PublishedPolicy::sign(&key, &anchor, (&longest(), noticed.clone()), 2).unwrap();
        let last = after.part(after.parts() - 1).unwrap();
        let mut assembly = Assembly::new(last.policy.clone(), &anchor, Some(&before)).unwrap();
        assert_eq!(assembly.wants(), Some(after.parts() - 1));
        assert!(last.bytes.len() < 64);
        assembly.add(last.number, last.bytes).unwrap();
        let whole = assembly.finish(Some(before.policy())).unwrap();
        assert_eq!((**whole.notices()).clone(), noticed);
        assert_eq!((whole.policy().text(), whole.policy().epoch()), (before.policy().text(), 2));
    }
}
