//! The control protocol's messages: one request, one answer, each in one frame.
//!
//! A frame is a version byte and the encoding of a [`Request`] or a [`Response`]. What a request's sender must have
//! proven is said here, in one place, for every kind of request.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::access::PolicyPart;
use crate::certificate::CertificateDer;
use crate::codec::{self, DecodeError};
use crate::enrolment::{AuthorityKey, EnrolAnswer, EnrolRequest, KeyRequest, WhoIsAnswer};
use crate::guest::{GuestOffer, GuestProof, GuestRequest, GuestSearch};
use crate::hello::{Addresses, Hello};
use crate::identity::NodeId;
use crate::label::Digest;
use crate::people::{LogInRequest, ManageRequest, Managed, SignedAssertion};
use crate::reject::Reject;
use crate::revocation::{SignedRevocation, Update};
use crate::ticket::{TicketGrant, TicketId, TicketRequest};

/// The version of the frames.
pub const VERSION: u8 = 1;

/// The most bytes of a frame. The largest message, an authority's key with two certificates, is a third of it.
pub const FRAME_MAX: usize = 16 * 1024;

/// A name or the beginning of an id, of a node that the authority may know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// At most 64 bytes.
    pub peer: String,
}

/// A node that the authority knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its certificate.
    pub certificate: CertificateDer,
    /// Where it last said that it listens.
    pub addresses: Addresses,
}

/// Asks the authority whether a certificate is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRequest {
    /// Whose certificate.
    pub node: NodeId,
    /// The SHA-256 of the certificate.
    pub certificate: Digest,
}

/// How far a node has come with a policy that it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyTaken {
    /// The version of the policy that it goes by.
    pub epoch: u64,
    /// The part that it needs next of the one that it was told of.
    pub wants: Option<u8>,
}

/// What one node asks another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Which network is this, and where is its authority?
    WhoIs,
    /// Which key are certificate requests sealed to?
    KeyRequest(KeyRequest),
    /// Here is a certificate request.
    Enrol(EnrolRequest),
    /// This is who I am; who are you?
    Hello(Hello),
    /// Who has this name, and where?
    Lookup(Lookup),
    /// Is this certificate still good?
    Status(StatusRequest),
    /// I want to use a service of yours.
    Ticket(TicketRequest),
    /// Are you there?
    Ping,
    /// These memberships were taken away.
    Revocations(Update),
    /// I give up this ticket that you have minted for me.
    RevokeTicket(TicketId),
    /// This is a part of the network's policy.
    Policy(PolicyPart),
    /// Somebody here says who they are.
    LogIn(LogInRequest),
    /// Somebody who has logged in here manages the network.
    Manage(Box<ManageRequest>),
    /// Are you called so, and do you take guests?
    GuestSearch(GuestSearch),
    /// I am a guest, and know the password of a service of yours.
    Guest(GuestRequest),
    /// This proves it.
    GuestProof(GuestProof),
}

/// What the sender of a request must have proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing but its id.
    Anyone,
    /// That it is a member of this network.
    Member,
}

impl Request {
    /// What the sender must have proven. The one place that says so.
    #[must_use]
    pub const fn access(&self) -> Access {
        match self {
            Self::WhoIs
            | Self::KeyRequest(_)
            | Self::Enrol(_)
            | Self::Hello(_)
            | Self::GuestSearch(_)
            | Self::Guest(_)
            | Self::GuestProof(_) => Access::Anyone,
            Self::Lookup(_)
            | Self::Status(_)
            | Self::Ticket(_)
            | Self::Ping
            | Self::Revocations(_)
            | Self::RevokeTicket(_)
            | Self::Policy(_)
            | Self::LogIn(_)
            | Self::Manage(_) => Access::Member,
        }
    }
}

/// What the other node answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// To [`Request::WhoIs`].
    WhoIs(WhoIsAnswer),
    /// To [`Request::KeyRequest`].
    AuthorityKey(Box<AuthorityKey>),
    /// To [`Request::Enrol`].
    Enrolled(EnrolAnswer),
    /// To [`Request::Hello`].
    Hello(Hello),
    /// To [`Request::Lookup`].
    Found(Found),
    /// To [`Request::Status`]: whether the certificate is the one that the authority's live record stands for.
    Status(bool),
    /// To [`Request::Ticket`] and [`Request::GuestProof`].
    Grant(TicketGrant),
    /// To [`Request::Ping`].
    Pong,
    /// To any.
    Reject(Reject),
    /// To [`Request::Revocations`]: how far the list has come with it.
    Revocations(u64),
    /// To [`Request::Hello`], from a node whose membership was taken away: the proof.
    Revoked(SignedRevocation),
    /// To [`Request::Enrol`]: two people have yet to confirm it, so ask again.
    Waiting,
    /// To [`Request::RevokeTicket`]: it opens nothing any more, and its channels end.
    TicketRevoked,
    /// To [`Request::Policy`].
    Policy(PolicyTaken),
    /// To [`Request::LogIn`].
    Assertion(Box<SignedAssertion>),
    /// To [`Request::Manage`].
    Managed(Managed),
    /// To [`Request::GuestSearch`].
    GuestHere,
    /// To [`Request::Guest`].
    GuestOffer(Box<GuestOffer>),
}

/// The frame of a message.
#[must_use]
pub fn frame<T: Serialize>(message: &T) -> Vec<u8> {
    codec::encode_behind(&[VERSION], message)
}

/// The message in a frame.
///
/// # Errors
/// [`DecodeError`], also for another version.
pub fn parse<T: Serialize + DeserializeOwned>(frame: &[u8]) -> Result<T, DecodeError> {
    match frame.split_first() {
        Some((&VERSION, message)) => codec::decode::<_, FRAME_MAX>(message),
        Some((version, _)) => Err(DecodeError::Malformed(format!("version {version}, not {VERSION}"))),
        None => Err(DecodeError::Malformed("an empty frame".to_owned())),
    }
}

#[cfg(test)]
mod vectors;
