//! What two people compare: three words that agree on both screens only if nobody stands between them.
//!
//! Thirty bits are enough because neither side can choose them. The candidate commits to its nonce, keys and
//! certificate request before it learns the authority's nonce, and the authority gives its nonce before it learns the
//! candidate's. So whoever stands between has one chance in 2^30 with each request that a person looks at.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::candidate::Prospect;
use super::words;
use crate::codec;
use crate::identity::{Fingerprint, NodeId, NodeName, SealingPublicKey};
use crate::label::{Digest, Label};

/// A request as both screens show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Its id: 8 hexadecimal digits.
    pub id: String,
    /// Three words of 1,024.
    pub words: String,
}

/// A candidate's request: everything that it commits to.
pub(super) struct Commitment<'a> {
    pub(super) nonce: &'a [u8; 32],
    pub(super) node: NodeId,
    pub(super) sealing: &'a SealingPublicKey,
    /// The certificate request, which has the name in it.
    pub(super) request: &'a [u8],
}

impl Commitment<'_> {
    fn parts(&self) -> [&[u8]; 4] {
        [self.nonce, self.node.as_bytes(), self.sealing.as_bytes(), self.request]
    }

    pub(super) fn digest(&self) -> Digest {
        Label::ApprovalCommitment.hash(&self.parts())
    }

    /// What is shown of the request at the authority with these keys, which gave `theirs`.
    pub(super) fn compare(
        &self,
        root: Fingerprint,
        (authority, sealing): (NodeId, &SealingPublicKey),
        theirs: &[u8; 32],
    ) -> Comparison {
        let root = codec::encode(&root);
        let mut parts: Vec<&[u8]> = vec![&root, authority.as_bytes(), sealing.as_bytes(), theirs];
        parts.extend(self.parts());
        let digest = Label::ApprovalWords.hash(&parts);
        let [a, b, c, d, e, f, g, h, i, j, ..] = *digest.as_bytes();
        let words = [[a, b], [c, d], [e, f]].map(|pair| words::word(u16::from_be_bytes(pair)));
        Comparison { id: data_encoding::HEXLOWER.encode(&[g, h, i, j]), words: words.join("-") }
    }
}

/// A candidate's own request: kept, so that a join which is started again is the same request, and never opened to
/// anybody else than the first time.
#[derive(Clone, Serialize, Deserialize)]
pub struct OwnRequest {
    pub(super) prospect: Prospect,
    pub(super) name: NodeName,
    pub(super) nonce: Zeroizing<[u8; 32]>,
    /// The authority's nonce, once the commitment has been opened to it.
    pub(super) theirs: Option<[u8; 32]>,
    /// Whether the authority was known otherwise than by comparison.
    pub(super) pinned: bool,
}

impl OwnRequest {
    pub(super) fn new(
        prospect: Prospect,
        name: NodeName,
        pinned: bool,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let mut nonce = Zeroizing::new([0; 32]);
        rng.fill_bytes(nonce.as_mut_slice());
        Self { prospect, name, nonce, theirs: None, pinned }
    }

    /// Whether the two are one request, opened to the same authority.
    pub(crate) fn is_opened_like(&self, other: &Self) -> bool {
        *self.nonce == *other.nonce && self.theirs == other.theirs
    }

    /// Whether it is a request for this name at this authority.
    #[must_use]
    pub fn is_for(&self, prospect: &Prospect, name: &NodeName) -> bool {
        self.prospect == *prospect && self.name == *name
    }
}

impl core::fmt::Debug for OwnRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "OwnRequest({}, ..)", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{CaKey, IdentityKey};

    fn shown(change: usize) -> Comparison {
        let key = |seed: u8| IdentityKey::from_seed(&[seed; 32]).node_id();
        let pick = |at: usize, value: u8| if at == change { value + 100 } else { value };
        let (nonce, sealing) = ([pick(1, 1); 32], SealingPublicKey([pick(2, 2); 32]));
        let request = [pick(3, 3)];
        let commitment =
            Commitment { nonce: &nonce, node: key(pick(4, 4)), sealing: &sealing, request: &request };
        let root = Fingerprint::of(&CaKey::from_seed(&[pick(5, 5); 32]).public_key());
        commitment.compare(root, (key(pick(6, 6)), &SealingPublicKey([pick(7, 7); 32])), &[pick(8, 8); 32])
    }

    /// A15: everything that an attacker could exchange is in the words.
    #[test]
    fn the_words_cover_both_sides_keys_nonces_and_the_request() {
        let same = shown(0);
        assert_eq!(same, shown(0));
        assert_eq!((same.words.split('-').count(), same.id.len()), (3, 8));
        for change in 1..=8 {
            let other = shown(change);
            assert!(other.words != same.words && other.id != same.id, "{change}");
        }
    }
}
