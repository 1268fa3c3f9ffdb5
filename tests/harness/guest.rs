//! A guest that speaks by hand, from `manual/wire.md`: SPAKE2, its confirmations and a ticket, without the project's own
//! side of them.

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use lanyard_node::ambient::{self, Clock, OsRng};
use lanyard_node::channel::Lease;
use lanyard_node::channel::handshake::{OpenError, Requester};
use lanyard_protocol::certificate::{self, TrustAnchor};
use lanyard_protocol::channel::{Binding, Suites};
use lanyard_protocol::codec;
use lanyard_protocol::enrolment::{InviteUri, SHARE_LEN, stretch};
use lanyard_protocol::guest::{GuestOffer, GuestProof, GuestRequest};
use lanyard_protocol::identity::NodeId;
use lanyard_protocol::label::Label;
use lanyard_protocol::message::{Request, Response};
use lanyard_protocol::ticket::{self, HeldTicket, TicketRequest};
use sha2::Sha256;
use spake2::{Ed25519Group, Identity, Password, Spake2};

use crate::{Puppet, Stranger, say};

impl Puppet {
    /// Becomes a guest of a service of the node `provider`, called `name`, whose network's URI is known; or what it is
    /// answered instead.
    ///
    /// # Errors
    /// The first answer that is no good.
    ///
    /// # Panics
    /// When what it is given does not hold, or is of a provider that does not know the password.
    pub fn visit(
        &self,
        to: &mut Stranger,
        (name, provider, uri): (&str, NodeId, &str),
        (service, password): (&str, &str),
    ) -> Result<HeldTicket, Box<Option<Response>>> {
        let keys = self.keys();
        let salt = Label::GuestPassword.hash(&[provider.as_bytes(), service.as_bytes()]);
        let stretched = stretch(password.as_bytes(), &salt.0);
        let (a, b) = (Identity::new(self.id().as_bytes()), Identity::new(provider.as_bytes()));
        let (state, share) =
            Spake2::<Ed25519Group>::start_a_with_rng(&Password::new(stretched.expose()), &a, &b, OsRng);
        let request = GuestRequest {
            provider: name.parse().expect("it is a name"),
            service: service.parse().expect("it is a name"),
            nonce: [42; 32],
            identity: self.id(),
            sealing: keys.sealing.public_key(),
            share: codec::decode::<_, SHARE_LEN>(&share).expect("a share has 33 bytes"),
        };
        let offer = match say(to, &Request::Guest(request.clone())) {
            Some(Response::GuestOffer(offer)) => *offer,
            other => return Err(Box::new(other)),
        };
        let shared = state.finish(&codec::encode(&offer.share)).expect("it is a share");
        let said = Label::Pake.hash(&[
            b"guest",
            &codec::encode(&request),
            offer.leaf.as_bytes(),
            offer.ca.as_bytes(),
            &codec::encode(&offer.lane),
            &codec::encode(&offer.share),
        ]);
        let confirmations = Label::Pake.derive::<64>(said.as_bytes(), &shared, &[]);
        let confirm = |key: &[u8], role: &[u8]| -> [u8; 32] {
            let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
            mac.chain_update(role).chain_update(said.as_bytes()).finalize().into_bytes().into()
        };
        assert_eq!(offer.confirmation, confirm(&confirmations[..32], b"authority"), "another password");
        let confirmation = confirm(&confirmations[32..], b"candidate");
        let grant = match say(to, &Request::GuestProof(GuestProof { confirmation })) {
            Some(Response::Grant(grant)) => grant,
            other => return Err(Box::new(other)),
        };
        let GuestOffer { leaf, ca, .. } = offer;
        let InviteUri { network, root, .. } = uri.parse().expect("it is a URI");
        let (nonce, service) = (request.nonce, request.service);
        let asked = TicketRequest { nonce, service, certificate: said, assertion: None };
        let now = ambient::now();
        let anchor = TrustAnchor::new(ca, root, network).expect("it is the network's");
        let leaf = certificate::verify(&anchor, &leaf, now).expect("it holds");
        Ok(ticket::accept(grant, &asked, &leaf, keys, now).expect("the grant is good"))
    }

    /// Opens a channel to `service` at `lane` with a ticket, whatever the ticket is for.
    ///
    /// # Errors
    /// [`OpenError`].
    ///
    /// # Panics
    /// When there is no lane.
    pub fn open(&self, lane: SocketAddr, ticket: &HeldTicket, service: &str) -> Result<(), OpenError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("there is room for a runtime").block_on(async {
            let stream = tokio::net::TcpStream::connect(lane).await.expect("there is a lane");
            let terms = ticket.terms();
            let binding = Binding {
                for_service: ticket.for_service(),
                terms: &terms.encoded(),
                requester: terms.requester,
                provider: terms.provider,
                service: &service.parse().expect("it is a name"),
            };
            let lease = Lease::until(Clock::default(), terms.expires);
            let key = &self.keys().sealing;
            let psk = ticket.psk(key)?;
            let suites = Suites::ALL;
            Requester { binding, psk, key, suites }.open(stream, lease).await.map(drop)
        })
    }
}
