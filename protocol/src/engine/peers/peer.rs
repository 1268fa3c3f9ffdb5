//! What is known of one peer.

use core::net::SocketAddr;
use core::time::Duration;

use super::kept::Keeping;
use crate::certificate::{AuthenticatedPeer, CertificateError, VerifiedCertificate};
use crate::hello::{ADDRESSES_MAX, Addresses};
use crate::label::Digest;
use crate::time::Timestamp;

/// How long an address that did not answer is left alone.
const REDIAL_AFTER: Duration = Duration::from_secs(1);

/// How far the greeting on the present connection is.
#[derive(Debug, Default)]
pub(in crate::engine) enum Greeting {
    /// Not begun.
    #[default]
    None,
    /// This node's hello is on its way.
    Sent,
    /// The peer has proven that it is a member.
    Done(Box<AuthenticatedPeer>),
    /// The peer is no member, or does not take this node for one.
    Refused,
    /// The peer has no room for this node at the moment.
    Busy,
}

/// What is known of a peer.
#[derive(Debug, Default)]
pub(in crate::engine) struct Peer {
    pub(in crate::engine) certificate: Option<VerifiedCertificate>,
    /// Where it said that it is, or where it was reached.
    pub(in crate::engine) addresses: Addresses,
    /// Where somebody said that it is: kept apart, so that hearsay pushes out only hearsay.
    pub(in crate::engine) heard: Vec<SocketAddr>,
    pub(in crate::engine) greeting: Greeting,
    /// Why the certificate that it showed last was not believed, if it was not.
    pub(in crate::engine) unproven: Option<CertificateError>,
    /// The certificate of this node's that it was shown on the present connection.
    pub(in crate::engine) shown: Option<Digest>,
    /// The certificate that it is being shown.
    pub(in crate::engine) showing: Option<Digest>,
    pub(in crate::engine) connected: Option<SocketAddr>,
    pub(in crate::engine) dialling: bool,
    /// When every known address was last tried in vain, unless another one has become known since.
    pub(in crate::engine) failed: Option<Timestamp>,
    pub(in crate::engine) last_seen: Timestamp,
    pub(in crate::engine) rtt_ms: Option<f64>,
    /// What the store was last given to keep of it.
    pub(super) kept: Option<Keeping>,
}

impl Peer {
    /// Puts an address first that the peer itself said, or at which it answered.
    pub(super) fn prefer(&mut self, address: SocketAddr) {
        if put_first(&mut self.addresses.control, address) {
            self.failed = None;
        }
    }

    /// Puts an address first that somebody announced.
    pub(super) fn hear(&mut self, address: SocketAddr) {
        if !self.addresses.control.contains(&address) && put_first(&mut self.heard, address) {
            self.failed = None;
        }
    }

    /// Every address, the more trustworthy first.
    pub(in crate::engine) fn all_addresses(&self) -> Vec<SocketAddr> {
        self.addresses.control.iter().chain(&self.heard).copied().collect()
    }

    /// Where to try to connect, if there is any address that was not tried in vain just now.
    pub(in crate::engine) fn worth_dialling(&self, now: Timestamp) -> Option<Vec<SocketAddr>> {
        // A failure that lies in the future was before the clock was set back.
        let tired = self.failed.is_some_and(|failed| failed <= now && now.since(failed) < REDIAL_AFTER);
        let addresses = self.all_addresses();
        (!tired && !addresses.is_empty()).then_some(addresses)
    }
}

/// Puts `address` first, and keeps at most [`ADDRESSES_MAX`]; says whether it is new.
fn put_first(addresses: &mut Vec<SocketAddr>, address: SocketAddr) -> bool {
    let new = !addresses.contains(&address);
    addresses.retain(|other| *other != address);
    addresses.insert(0, address);
    addresses.truncate(ADDRESSES_MAX);
    new
}
