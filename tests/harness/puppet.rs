//! A peer with keys of its own, which says what it is told to, and is admitted if somebody admits it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lanyard_node::ambient::{self, OsRng};
use lanyard_protocol::certificate::{CertificateDer, TrustAnchor};
use lanyard_protocol::control::{Guid, MachineId};
use lanyard_protocol::enrolment::{Answered, Asked, Hope, HopeInvite, InviteUri, Prospect};
use lanyard_protocol::hello::{Addresses, Hello};
use lanyard_protocol::identity::{NodeId, NodeKeys, NodeName};
use lanyard_protocol::message::{self, Request, Response};

use crate::{Frames, Stranger};

/// A peer without an engine: it has keys, maybe a certificate, and no scruples.
pub struct Puppet {
    keys: NodeKeys,
    certificate: Option<CertificateDer>,
    anchor: Option<TrustAnchor>,
}

impl Puppet {
    /// A peer that nobody knows.
    #[must_use]
    pub fn new() -> Self {
        Self { keys: NodeKeys::generate(&mut OsRng), certificate: None, anchor: None }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.keys.node_id()
    }

    /// Its keys.
    #[must_use]
    pub const fn keys(&self) -> &NodeKeys {
        &self.keys
    }

    /// Its certificate, if it has one.
    #[must_use]
    pub const fn certificate(&self) -> Option<&CertificateDer> {
        self.certificate.as_ref()
    }

    /// What it verifies others' certificates against, if it has one.
    #[must_use]
    pub(crate) const fn anchor(&self) -> Option<&TrustAnchor> {
        self.anchor.as_ref()
    }

    /// A fresh connection to the node at `target` on which it writes the multiplexer's frames by hand.
    ///
    /// # Errors
    /// The node does not take it.
    pub fn frames(&self, target: SocketAddr) -> io::Result<Frames> {
        Frames::with_seed(&self.keys.identity.seed(), target)
    }

    /// A fresh connection to the node at `target`, over which it speaks `protocol`.
    #[must_use]
    pub fn connect(&self, target: SocketAddr, protocol: &'static str) -> Stranger {
        Stranger::with_seed(&self.keys.identity.seed(), target, protocol)
    }

    /// Gets itself a certificate from the authority `node` at `target`, with an invite's URI.
    ///
    /// # Panics
    /// When it is not admitted.
    pub fn enrol(&mut self, name: &str, target: SocketAddr, node: NodeId, uri: &str) {
        let InviteUri { network, root, secret, .. } = uri.parse().expect("it is a URI");
        let mut authority = self.connect(target, "/lanyard/control/1");
        let name: NodeName = name.parse().expect("it is a name");
        let hope = Hope {
            name,
            pinned: true,
            invite: secret.map(HopeInvite::Secret),
            password: None,
            guid: Guid::of(&MachineId::default(), self.id(), &network),
            replace: false,
            own: None,
            confirmed: false,
        };
        let prospect = Prospect { network, root, node };
        let (asked, request) = Asked::stranger(&self.keys, hope, prospect, &mut OsRng);
        let Some(Response::AuthorityKey(key)) = say(&mut authority, &Request::KeyRequest(request)) else {
            panic!("no key")
        };
        let time = (ambient::now(), Duration::from_secs(60));
        let answered = asked.answered(*key, &self.keys, time, &mut OsRng).expect("it is the authority");
        let Answered { requested, request, .. } = answered;
        let Some(Response::Enrolled(answer)) = say(&mut authority, &Request::Enrol(request)) else {
            panic!("no certificate")
        };
        let enrolled = requested.answered(&answer, &self.keys, ambient::now()).expect("it is a certificate");
        self.certificate = Some(enrolled.leaf.der().clone());
        self.anchor = Some(enrolled.anchor);
    }

    /// What it greets others with, if it has a certificate.
    #[must_use]
    pub fn hello(&self) -> Option<Request> {
        let certificate = self.certificate.clone()?;
        Some(Request::Hello(Hello {
            certificate,
            addresses: Addresses::default(),
            revocations: 0,
            policy: 0,
        }))
    }
}

impl Default for Puppet {
    fn default() -> Self {
        Self::new()
    }
}

/// The answer to a request, if there is one that can be read.
pub fn say(to: &mut Stranger, request: &Request) -> Option<Response> {
    to.ask(&message::frame(request)).and_then(|answer| message::parse(&answer).ok())
}
