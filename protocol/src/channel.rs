//! Channels: the handshake that a ticket opens, and the records that follow it.
//!
//! ```text
//! requester                                                        provider
//!    │  preamble: version, offered suites, for_service, message 1     │
//!    │ ─────────────────────────────────────────────────────────────▶ │  opens for_service, reads message 1
//!    │            reply: no ticket, or message 2 (suite, or why not)  │
//!    │ ◀───────────────────────────────────────────────────────────── │
//!    │  records                                                       │
//!    │ ─────────────────────────────────────────────────────────────▶ │  the first one completes the handshake
//! ```
//!
//! The handshake is `Noise_KNpsk0_25519_ChaChaPoly_SHA256` (Noise, revision 34): the requester's static key is the
//! sealing key in its certificate, the pre-shared key comes from the ticket *and* from an exchange between the
//! requester's and the provider's static keys ([`Psk`]), and the prologue binds what both sides think that they
//! talk about ([`Binding`]). So a minter cannot pass for the requester, nor for the provider, and a recorded
//! channel stays closed when every long-lived key is known later.
//!
//! A replayed preamble passes message 1, and gets nothing for it: a provider has an [`Unconfirmed`] until the
//! requester's first record opens, and an [`Unconfirmed`] can neither send nor be taken for a channel. An
//! application that waits for the other side's first word sends an empty record first.
//!
//! Everything here is bytes in, bytes out; [`Preamble`], [`Reply`] and [`Header`] say what is read from a stream and
//! in what order.

mod handshake;
mod key;
mod opener;
mod preamble;
mod record;
mod resolver;
mod sealer;
mod sequence;
mod suite;
#[cfg(test)]
mod vectors;

use core::fmt;

use zeroize::Zeroizing;

pub use self::handshake::{HandshakeError, Initiator, Opened, Responder, Unconfirmed};
pub use self::opener::{Opener, ReceiveError, Record};
pub use self::preamble::{FOR_SERVICE_MAX, Preamble, PreambleError, Prefix, Reply, VERSION};
pub use self::record::{HEADER_LEN, Header, Kind, PAYLOAD_MAX, RECORD_MAX, TAG_LEN};
pub use self::sealer::{REKEY_AFTER, Sealer, SendError};
pub use self::sequence::RECORDS_PER_KEY;
pub use self::suite::{Suite, Suites};
use crate::identity::{NodeId, Secret, ServiceName};
use crate::label::{Digest, Label};

/// The length of the handshake's first message: an ephemeral key and a tag.
pub const MESSAGE_1_LEN: usize = 32 + TAG_LEN;

/// The length of the handshake's second message: an ephemeral key, one byte and a tag.
pub const MESSAGE_2_LEN: usize = 32 + 1 + TAG_LEN;

/// What both sides of a channel must agree on, byte for byte, or the handshake fails.
///
/// Each side fills it from what it knows by itself: its own identity, the peer that it dialled or that the
/// certificate names, the service that it wants or serves.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// The half of the ticket that is for the provider, as it is sent.
    pub for_service: &'a [u8],
    /// The ticket's terms, encoded.
    pub terms: &'a [u8],
    /// Who asks.
    pub requester: NodeId,
    /// Who is asked.
    pub provider: NodeId,
    /// The service, of those that the provider runs.
    pub service: &'a ServiceName,
}

impl Binding<'_> {
    /// The handshake's prologue. The offered suites are in it, so that nobody takes one off the list.
    fn prologue(&self, offered: Suites) -> Vec<u8> {
        Label::Channel.join(&[
            Digest::of(self.for_service).as_bytes(),
            Label::TicketTerms.hash(&[self.terms]).as_bytes(),
            self.requester.as_bytes(),
            self.provider.as_bytes(),
            self.service.as_str().as_bytes(),
            &[offered.to_byte()],
        ])
    }
}

/// A ticket's pre-shared key: made once per ticket, used for every channel that the ticket opens.
///
/// Zeroized on drop, cannot be copied, and prints as `Psk(..)`.
pub struct Psk(Zeroizing<[u8; 32]>);

impl Psk {
    /// HKDF-SHA256 with the ticket's secret as salt, over `shared`: what [`SealingKey::agree`] gives for the
    /// requester's sealing key and the provider's static key.
    ///
    /// Without `shared` whoever minted the ticket could open channels in the requester's name, or answer them
    /// in the provider's.
    ///
    /// [`SealingKey::agree`]: crate::identity::SealingKey::agree
    #[must_use]
    pub fn derive(ticket_secret: &Secret, shared: &[u8; 32], terms: &[u8]) -> Self {
        let terms = Label::TicketTerms.hash(&[terms]);
        Self(Label::ChannelPsk.derive(ticket_secret.expose(), shared, &[terms.as_bytes()]))
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Psk(..)")
    }
}

/// Why a provider does not open the channel that a proven holder of the ticket asks for.
///
/// Said inside message 2 of the handshake, so only the holder reads it, and knows that the provider said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
pub enum ChannelReject {
    /// The ticket's time is over: a new one may be asked for.
    #[error("the ticket has expired")]
    Expired = 0x81,
    /// The ticket is revoked, or a certificate, user or key that it stands on.
    #[error("the ticket is revoked")]
    Revoked = 0x82,
    /// The policy no longer allows what the ticket says.
    #[error("not allowed any more")]
    NotAllowed = 0x83,
    /// The service is not running or cannot be reached by the provider.
    #[error("the service is not available")]
    Unavailable = 0x84,
    /// As many channels are open as this ticket, peer or provider may have.
    #[error("too many channels are open")]
    Busy = 0x85,
}

impl ChannelReject {
    /// Every reason, in order of its code.
    pub const ALL: [Self; 5] =
        [Self::Expired, Self::Revoked, Self::NotAllowed, Self::Unavailable, Self::Busy];

    /// The byte that stands for this reason in message 2. No suite has it.
    const fn to_byte(self) -> u8 {
        self as u8
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.to_byte() == byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_never_taken_for_a_suite() {
        for reason in ChannelReject::ALL {
            assert_eq!(ChannelReject::from_byte(reason.to_byte()), Some(reason));
            assert_eq!(Suite::from_byte(reason.to_byte()), None);
        }
    }

    /// G6: a pre-shared key never prints itself.
    #[test]
    fn a_psk_prints_nothing() {
        let psk = Psk::derive(&Secret::new(Zeroizing::new([0x41; 32])), &[0x42; 32], b"terms");
        assert_eq!(format!("{psk:?}"), "Psk(..)");
    }
}
