//! What a signature, a derived key or a hash is for: the one table of context strings.
//!
//! A string that stands here is used for one purpose only, so bytes made for one purpose never pass for
//! another. The strings share the prefix `lanyard/`; certificate requests start with the byte 0x30 and
//! libp2p's own signatures with strings of its own, so these three languages have no word in common.

use core::fmt;

use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The purpose of a signature, a derived key or a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Label {
    /// An authority's answer to a key request, signed by the authority node.
    AuthorityKey,
    /// HPKE info of a sealed certificate request.
    CertificateRequest,
    /// The key of the sealed answer to a certificate request, exported from the request's HPKE context.
    CertificateAnswer,
    /// The key under which an authority seals its retry tokens to itself.
    RetryToken,
    /// The salt with which an invite code is stretched.
    InviteCode,
    /// The stored hash of an invite's secret.
    InviteSecret,
    /// The key schedule of a password-authenticated key exchange.
    Pake,
    /// The hash of a message that a later one refers to.
    MessageHash,
    /// The keys derived from a store's key.
    StoreKey,
    /// What a stored record is bound to: its table and key.
    StoreRecord,
    /// A ticket grant, signed by its minter.
    TicketGrant,
    /// The commitment to a ticket's secret that the grant's signature covers.
    TicketCommitment,
    /// HPKE info of the half of a ticket that is for the requester.
    TicketForClient,
    /// The key under which a provider seals the other half to itself.
    TicketForService,
    /// The key of the tag that names a ticket's service to its provider alone.
    TicketService,
    /// The hash of a ticket's terms.
    TicketTerms,
    /// The prologue of a channel handshake.
    Channel,
    /// The pre-shared key of a channel handshake.
    ChannelPsk,
    /// The record keys of a channel.
    ChannelRecord,
    /// The next record key after a ratchet.
    ChannelRatchet,
    /// The end of a membership, signed by the CA key.
    Revocation,
    /// How far the list of revocations has come, signed by the CA key.
    RevocationHead,
    /// The hash of a list of revocations.
    RevocationDigest,
    /// The key of an export of a node's state, and what each of its frames is bound to.
    StateExport,
    /// The header of a sealed file, signed by its sender.
    EnvelopeHeader,
    /// HPKE info of a sealed file's key, wrapped for one receiver.
    EnvelopeKey,
    /// The commitment to that key that the header's signature covers.
    EnvelopeCommitment,
    /// The key of a sealed file's chunks.
    EnvelopeContent,
    /// A chunk, signed by the key that the header names.
    EnvelopeChunk,
    /// A machine, as one network knows it.
    Guid,
    /// The salt with which a network's password is stretched.
    Password,
    /// A candidate's commitment to its nonce, keys and certificate request.
    ApprovalCommitment,
    /// The words that two people compare, and the id of the request.
    ApprovalWords,
    /// The network's policy, signed by the CA key.
    Policy,
    /// The hash of a part of a policy.
    PolicyPart,
    /// A directory's word that somebody has logged in.
    UserAssertion,
    /// HPKE info and associated data of a user's password on its way to the authority, and the salts of users that there
    /// are none of.
    UserPassword,
    /// The hash of a record of the audit log, which the next one names.
    Audit,
    /// The salt with which the password of a service's guests is stretched.
    GuestPassword,
}

impl Label {
    /// Every label, in order.
    pub const ALL: [Self; 39] = [
        Self::AuthorityKey,
        Self::CertificateRequest,
        Self::CertificateAnswer,
        Self::RetryToken,
        Self::InviteCode,
        Self::InviteSecret,
        Self::Pake,
        Self::MessageHash,
        Self::StoreKey,
        Self::StoreRecord,
        Self::TicketGrant,
        Self::TicketCommitment,
        Self::TicketForClient,
        Self::TicketForService,
        Self::TicketService,
        Self::TicketTerms,
        Self::Channel,
        Self::ChannelPsk,
        Self::ChannelRecord,
        Self::ChannelRatchet,
        Self::Revocation,
        Self::RevocationHead,
        Self::RevocationDigest,
        Self::StateExport,
        Self::EnvelopeHeader,
        Self::EnvelopeKey,
        Self::EnvelopeCommitment,
        Self::EnvelopeContent,
        Self::EnvelopeChunk,
        Self::Guid,
        Self::Password,
        Self::ApprovalCommitment,
        Self::ApprovalWords,
        Self::Policy,
        Self::PolicyPart,
        Self::UserAssertion,
        Self::UserPassword,
        Self::Audit,
        Self::GuestPassword,
    ];

    /// The context string, always `lanyard/<purpose>/<version>`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorityKey => "lanyard/authority-key/1",
            Self::CertificateRequest => "lanyard/certificate-request/1",
            Self::CertificateAnswer => "lanyard/certificate-answer/1",
            Self::RetryToken => "lanyard/retry-token/1",
            Self::InviteCode => "lanyard/invite-code/1",
            Self::InviteSecret => "lanyard/invite-secret/1",
            Self::Pake => "lanyard/pake/1",
            Self::MessageHash => "lanyard/message-hash/1",
            Self::StoreKey => "lanyard/store-key/1",
            Self::StoreRecord => "lanyard/store-record/1",
            Self::TicketGrant => "lanyard/ticket-grant/1",
            Self::TicketCommitment => "lanyard/ticket-commitment/1",
            Self::TicketForClient => "lanyard/ticket-for-client/1",
            Self::TicketForService => "lanyard/ticket-for-service/1",
            Self::TicketService => "lanyard/ticket-service/1",
            Self::TicketTerms => "lanyard/ticket-terms/1",
            Self::Channel => "lanyard/channel/1",
            Self::ChannelPsk => "lanyard/channel-psk/1",
            Self::ChannelRecord => "lanyard/channel-record/1",
            Self::ChannelRatchet => "lanyard/channel-ratchet/1",
            Self::Revocation => "lanyard/revocation/1",
            Self::RevocationHead => "lanyard/revocation-head/1",
            Self::RevocationDigest => "lanyard/revocation-digest/1",
            Self::StateExport => "lanyard/state-export/1",
            Self::EnvelopeHeader => "lanyard/envelope-header/1",
            Self::EnvelopeKey => "lanyard/envelope-key/1",
            Self::EnvelopeCommitment => "lanyard/envelope-commitment/1",
            Self::EnvelopeContent => "lanyard/envelope-content/1",
            Self::EnvelopeChunk => "lanyard/envelope-chunk/1",
            Self::Guid => "lanyard/guid/1",
            Self::Password => "lanyard/password/1",
            Self::ApprovalCommitment => "lanyard/approval-commitment/1",
            Self::ApprovalWords => "lanyard/approval-words/1",
            Self::Policy => "lanyard/policy/1",
            Self::PolicyPart => "lanyard/policy-part/1",
            Self::UserAssertion => "lanyard/user-assertion/1",
            Self::UserPassword => "lanyard/user-password/1",
            Self::Audit => "lanyard/audit/1",
            Self::GuestPassword => "lanyard/guest-password/1",
        }
    }

    /// `label ‖ 0x00 ‖ parts`, each part behind its length as four little-endian bytes.
    ///
    /// No label is a prefix of another followed by a zero byte, and every part says where it ends, so two
    /// different lists never give the same bytes.
    #[must_use]
    pub fn join(self, parts: &[&[u8]]) -> Vec<u8> {
        let size = parts.iter().map(|part| part.len() + 4).sum::<usize>();
        let mut bytes = Vec::with_capacity(self.as_str().len() + 1 + size);
        bytes.extend_from_slice(self.as_str().as_bytes());
        bytes.push(0);
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// SHA-256 over [`Label::join`].
    #[must_use]
    pub fn hash(self, parts: &[&[u8]]) -> Digest {
        Digest(Sha256::digest(self.join(parts)).into())
    }

    /// A key of `N` bytes by HKDF-SHA256 (RFC 5869) with this label and `context` as info.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "callers ask for at most 96 of the 8,160 bytes that HKDF can give"
    )]
    pub fn derive<const N: usize>(self, salt: &[u8], key: &[u8], context: &[&[u8]]) -> Zeroizing<[u8; N]> {
        let mut derived = Zeroizing::new([0; N]);
        Hkdf::<Sha256>::new(Some(salt), key)
            .expand(&self.join(context), derived.as_mut_slice())
            .expect("HKDF gives up to 255 blocks");
        derived
    }
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The plain SHA-256 of `bytes`, for what is hashed in other protocols' ways (a certificate, a key).
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn labels_are_unique_and_none_is_a_prefix_of_another() {
        let strings = Label::ALL.map(Label::as_str);
        assert_eq!(strings.iter().collect::<BTreeSet<_>>().len(), Label::ALL.len());
        for a in strings {
            assert!(a.starts_with("lanyard/") && a.ends_with("/1"), "{a}");
            assert!(strings.iter().all(|b| a == *b || !b.starts_with(a)), "{a}");
        }
    }

    #[test]
    fn joined_parts_do_not_run_into_each_other() {
        assert_ne!(Label::Pake.join(&[b"ab", b"c"]), Label::Pake.join(&[b"a", b"bc"]));
        assert_ne!(Label::Pake.join(&[b""]), Label::Pake.join(&[]));
    }

    #[test]
    fn derives_distinct_keys_per_label_and_context() {
        let a = Label::Pake.derive::<32>(b"salt", b"key", &[b"a"]);
        assert_ne!(*a, *Label::Pake.derive::<32>(b"salt", b"key", &[b"b"]));
        assert_ne!(*a, *Label::ChannelPsk.derive::<32>(b"salt", b"key", &[b"a"]));
    }
}
