//! An authority without a node, which answers as authorities do until somebody puts other words into its mouth.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use lanyard_node::ambient::{self, OsRng};
use lanyard_protocol::certificate::{CertificateDer, VerifiedCertificate};
use lanyard_protocol::codec;
use lanyard_protocol::control::Admission;
use lanyard_protocol::enrolment::{
    Authority, AuthorityKey, EnrolRequest, Issued, KeyRequest, Origin, Refused, Verdict, stretch,
};
use lanyard_protocol::identity::{IdentityKey, NodeId, NodeKeys, NodeName, Signature};
use lanyard_protocol::label::Label;
use lanyard_protocol::message::{Request, Response};
use lanyard_protocol::reject::Reject;
use lanyard_protocol::revocation::RevocationList;
use lanyard_protocol::time::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// From which the CA key is made, so that it can be made again.
const CA_SEED: u64 = 7;

/// How long its certificates live.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The authority `office` of a network `shop.lan` of its own.
pub struct FalseAuthority {
    keys: NodeKeys,
    authority: Authority,
    leaf: VerifiedCertificate,
    rule: Admission,
}

impl FalseAuthority {
    /// One that admits by `rule`, and knows this password.
    ///
    /// # Panics
    /// When the rule is none.
    #[must_use]
    pub fn new(rule: &str, password: &str) -> Self {
        let rule = rule.parse().expect("it is a rule");
        let keys = NodeKeys::generate(&mut OsRng);
        let now = ambient::now();
        let (mut authority, leaf) = create(rule, &keys, now);
        let anchor = authority.anchor();
        let root = codec::encode(&anchor.fingerprint());
        let salt = Label::Password.hash(&[anchor.network().as_str().as_bytes(), &root]);
        // What would be written is kept by nobody.
        let _ = authority.set_password(stretch(password.as_bytes(), &salt.0), now);
        Self { keys, authority, leaf, rule }
    }

    /// The seed of its identity key.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        *self.keys.identity.seed()
    }

    /// A URI without an invite that says that it is at `address`.
    #[must_use]
    pub fn uri(&self, address: SocketAddr) -> String {
        let anchor = self.authority.anchor();
        format!("lanyard://{address}/{}?root={}", anchor.network(), anchor.fingerprint())
    }

    /// What an authority answers to a request.
    pub fn answer(&mut self, from: NodeId, request: &Request) -> Option<Response> {
        let answered = match request {
            Request::KeyRequest(request) => {
                self.key(from, request).map(|key| Response::AuthorityKey(Box::new(key)))
            }
            Request::Enrol(request) => self.enrol(from, request),
            Request::WhoIs
            | Request::Hello(_)
            | Request::Lookup(_)
            | Request::Status(_)
            | Request::Ticket(_)
            | Request::Ping
            | Request::Revocations(_)
            | Request::Policy(_)
            | Request::LogIn(_)
            | Request::Manage(_)
            | Request::GuestSearch(_)
            | Request::Guest(_)
            | Request::GuestProof(_)
            | Request::RevokeTicket(_) => Err(Reject::NotMember),
        };
        Some(answered.unwrap_or_else(Response::Reject))
    }

    fn key(&mut self, from: NodeId, request: &KeyRequest) -> Result<AuthorityKey, Reject> {
        let (origin, now) = (origin(from), ambient::now());
        let issued = self.authority.key_request(request, origin, &self.keys, &self.leaf, now, &mut OsRng)?;
        Ok(issued.answer)
    }

    fn enrol(&mut self, from: NodeId, request: &EnrolRequest) -> Result<Response, Reject> {
        let nobody = RevocationList::default();
        let me = (&self.keys, &nobody);
        let enrolled = self.authority.enrol(request, origin(from), me, ambient::now(), &mut OsRng);
        match enrolled {
            Ok(Issued { answer: Verdict::Admitted(answer, _), .. }) => Ok(Response::Enrolled(answer)),
            Ok(Issued { answer: Verdict::Waiting, .. }) => Ok(Response::Waiting),
            Err(Refused { reject, .. }) => Err(reject),
        }
    }

    /// Another certificate of its node, as good as the one that it shows.
    ///
    /// # Panics
    /// When it cannot be issued.
    pub fn other_leaf(&mut self) -> CertificateDer {
        let other = self.authority.renew_own(&self.leaf, ambient::now(), &mut OsRng);
        other.expect("the CA certificate holds").answer.der().clone()
    }

    /// Another certificate of its CA key, as good as the one that it shows.
    #[must_use]
    pub fn other_ca(&self) -> CertificateDer {
        let before = ambient::now().before(Duration::from_secs(60));
        create(self.rule, &self.keys, before).0.anchor().der().clone()
    }

    /// Signs an answer as it is now.
    pub fn sign(&self, request: &KeyRequest, answer: &mut AuthorityKey) {
        answer.signature = signature(&self.keys.identity, request, answer);
    }
}

/// What the node with this key signs an answer with: `manual/wire.md` says what is signed.
#[must_use]
pub fn signature(key: &IdentityKey, request: &KeyRequest, answer: &AuthorityKey) -> Signature {
    let AuthorityKey { leaf, ca, admission, way, token, nonce, code, password, now, .. } = answer;
    let chain = (leaf.digest(), ca.digest());
    let signed = (request.digest(), chain, admission, way, token, nonce, code, password, now);
    key.sign(Label::AuthorityKey, &signed)
}

fn create(rule: Admission, keys: &NodeKeys, now: Timestamp) -> (Authority, VerifiedCertificate) {
    let network = "shop.lan".parse().expect("it is a name");
    let name: NodeName = "office".parse().expect("it is a name");
    let mut rng = ChaCha8Rng::seed_from_u64(CA_SEED);
    let created = Authority::create(network, name, (rule, LIFE), keys, now, &mut rng);
    let (authority, issued) = created.expect("the clock is right");
    (authority, issued.answer)
}

/// Everybody is next door.
fn origin(node: NodeId) -> Origin {
    Origin { node, address: IpAddr::V4(Ipv4Addr::LOCALHOST), attached: true }
}
