//! Enrolment in frames that are altered by hand: at the door of a real authority, and by somebody who poses as one
//! ([`joiner`]).

mod joiner;

use lanyard_node::ambient::{self, OsRng};
use lanyard_protocol::certificate::{self, CertificateDer, TrustAnchor, request};
use lanyard_protocol::codec;
use lanyard_protocol::control::{Guid, MachineId, Mode, Modes};
use lanyard_protocol::enrolment::{
    Asked, AuthorityKey, Code, Credentials, EnrolRequest, Hope, HopeInvite, InviteOffer, InviteUri,
    KeyRequest, Offer, Prospect, Way, stretch,
};
use lanyard_protocol::hello::{Addresses, Hello};
use lanyard_protocol::identity::{IdentityKey, NodeId, NodeKeys, SealingKey, Secret};
use lanyard_protocol::label::{Digest, Label};
use lanyard_protocol::message::{Request, Response};
use lanyard_protocol::reject::Reject;
use lanyard_protocol::seal;
use lanyard_tests::{Host, Lan, Member, Process, Puppet, SOON, Stranger, program, say};

use crate::admission::authority_on;
use crate::gate::id_of;

/// Shown instead of a proof of an invite, of the password, of a machine and of what was committed to.
type Nothing = Option<[u8; 32]>;

/// The first byte of the shares of either side in an exchange.
const SIDES: [u8; 2] = *b"AB";

/// A stranger at the door of an authority, who has been given a URI and says what he likes.
struct Knocker {
    puppet: Puppet,
    authority: NodeId,
    uri: InviteUri,
    door: Stranger,
}

impl Knocker {
    fn at(alice: &Member) -> Self {
        let uri: InviteUri = alice.invite_uri().parse().unwrap();
        let puppet = Puppet::new();
        let door = puppet.connect(alice.host.control_address(), "/lanyard/control/1");
        Self { puppet, authority: id_of(&alice.host), uri, door }
    }

    /// A request as a candidate with the secret of a URI makes it.
    fn by_secret(&self) -> KeyRequest {
        KeyRequest {
            network: self.uri.network.clone(),
            offer: Offer::Stranger(Credentials {
                invite: Some(InviteOffer::Secret),
                password: None,
                replace: false,
                commitment: Digest([1; 32]),
            }),
            nonce: [2; 32],
            identity: self.puppet.id(),
            sealing: self.puppet.keys().sealing.public_key(),
        }
    }

    /// A request as a candidate makes it that has been told a code or the password.
    fn by_exchange(&self, invite: Option<HopeInvite>, password: Option<Secret>) -> KeyRequest {
        let InviteUri { network, root, .. } = &self.uri;
        let hope = Hope {
            name: "eve".parse().unwrap(),
            pinned: true,
            invite,
            password,
            guid: Guid::of(&MachineId::default(), self.puppet.id(), network),
            replace: false,
            own: None,
            confirmed: false,
        };
        let prospect = Prospect { network: network.clone(), root: *root, node: self.authority };
        Asked::stranger(self.puppet.keys(), hope, prospect, &mut OsRng).1
    }

    fn says(&mut self, request: Request) -> Response {
        say(&mut self.door, &request).unwrap_or_else(|| panic!("no answer to {request:?}"))
    }

    #[track_caller]
    fn is_refused(&mut self, what: &str, request: Request) -> Reject {
        let answer = self.says(request);
        let Response::Reject(reject) = answer else { panic!("{what}: {answer:?}") };
        reject
    }

    #[track_caller]
    fn key(&mut self, request: KeyRequest) -> AuthorityKey {
        let Response::AuthorityKey(key) = self.says(Request::KeyRequest(request)) else { panic!("no key") };
        *key
    }

    /// A certificate request for the name `eve` by the node with this key, which names `sealing`.
    fn wanted(identity: &IdentityKey, sealing: &SealingKey) -> Vec<u8> {
        request::create(identity, &sealing.public_key(), &"eve".parse().unwrap())
    }

    /// What is sealed to the authority, by the holder of `sealing`: a certificate request and the proof of whatever
    /// the authority asked for.
    fn sealed(&self, key: &AuthorityKey, sealing: &SealingKey, proposal: &[u8]) -> Request {
        let InviteUri { network, root, .. } = &self.uri;
        let anchor = TrustAnchor::new(key.ca.clone(), *root, network.clone()).unwrap();
        let leaf = certificate::verify(&anchor, &key.leaf, ambient::now()).unwrap();
        let parts = [network.as_str().as_bytes(), self.authority.as_bytes(), &key.token];
        let (sealed, _) = seal::seal_authenticated(
            sealing,
            leaf.sealing_key(),
            &Label::CertificateRequest.join(&parts),
            &[],
            proposal,
            Label::CertificateAnswer,
            &mut OsRng,
        )
        .unwrap();
        Request::Enrol(EnrolRequest { token: key.token.clone(), sealed })
    }

    /// A proposal of a stranger who shows the secret of the URI.
    fn with_secret(&self, wanted: &[u8]) -> Vec<u8> {
        let nothing: Nothing = None;
        let secret = self.uri.secret.as_ref().map(|secret| (0_u8, secret));
        codec::encode(&(wanted, 1_u8, (secret, nothing, nothing, nothing)))
    }

    /// What the knocker's own keys would ask for.
    fn own(&self) -> Vec<u8> {
        let NodeKeys { identity, sealing } = self.puppet.keys();
        Self::wanted(identity, sealing)
    }
}

/// A proposal of a stranger who confirms a code with these bytes.
fn with_confirmation(wanted: &[u8], confirmation: [u8; 32]) -> Vec<u8> {
    let nothing: Nothing = None;
    codec::encode(&(wanted, 1_u8, (Some((1_u8, confirmation)), nothing, nothing, nothing)))
}

/// Whether the authority knows a node of the knocker's name.
fn is_enrolled(alice: &Member) -> bool {
    alice.host.run(["whois", "eve"]).code() == Some(0)
}

/// A10: whatever a candidate offers, and whatever it then shows, the authority asks for what its rule wants, and
/// admits nobody who does not show that.
#[test]
fn a_weaker_way_in_is_asked_for_in_vain() {
    let alice = authority_on(Host::new("alice"), "password");
    let mut eve = Knocker::at(&alice);
    let offering = |offer: Offer| Request::KeyRequest(KeyRequest { offer, ..eve.by_secret() });
    let credentials =
        Credentials { invite: None, password: None, replace: false, commitment: Digest([1; 32]) };
    let offers = [
        ("nothing", offering(Offer::Stranger(credentials.clone()))),
        ("an invite", Request::KeyRequest(eve.by_secret())),
        ("another's place", offering(Offer::Stranger(Credentials { replace: true, ..credentials }))),
        ("an old membership", offering(Offer::Renewal)),
    ];
    for (what, offer) in offers {
        let reject = eve.is_refused(what, offer);
        assert!(matches!(reject, Reject::Needed(_) | Reject::NotMember), "{what}: {reject:?}");
    }

    let request = eve.by_exchange(None, Some(Secret::generate(&mut OsRng)));
    let key = eve.key(request);
    assert_eq!(key.way, Way::By(Modes::of(&[Mode::Password])));
    let (wanted, nothing): (_, Nothing) = (eve.own(), None);
    let machine = Some(Guid::of(&MachineId::default(), eve.puppet.id(), &eve.uri.network));
    let opening = Some(([4_u8; 32], true));
    let shown = [
        ("nothing", codec::encode(&(&wanted, 1_u8, (nothing, nothing, nothing, nothing)))),
        ("an old membership", codec::encode(&(&wanted, 0_u8))),
        ("the secret of an invite", eve.with_secret(&wanted)),
        ("a machine", codec::encode(&(&wanted, 1_u8, (nothing, nothing, machine, nothing)))),
        ("words", codec::encode(&(&wanted, 1_u8, (nothing, nothing, nothing, opening)))),
        ("another password", codec::encode(&(&wanted, 1_u8, (nothing, Some([6_u8; 32]), nothing, nothing)))),
        ("the confirmation of a code", with_confirmation(&wanted, [5; 32])),
    ];
    for (what, proposal) in shown {
        let enrol = eve.sealed(&key, &eve.puppet.keys().sealing, &proposal);
        let reject = eve.is_refused(what, enrol);
        assert!(matches!(reject, Reject::Invalid | Reject::Password | Reject::Retry), "{what}: {reject:?}");
    }
    assert!(!is_enrolled(&alice));
}

/// A12: a request that names another node than the connection has proven, in any of its parts, is refused, and so is
/// a certificate that is another's; whose parts agree is admitted.
#[test]
fn a_request_in_anothers_name_is_refused() {
    let alice = Member::authority("alice");
    let (mut eve, mut other) = (Knocker::at(&alice), Knocker::at(&alice));
    let victim = other.puppet.id();
    let named = Request::KeyRequest(KeyRequest { identity: victim, ..eve.by_secret() });
    assert_eq!(eve.is_refused("named in the first message", named), Reject::OtherNetwork);

    let key = eve.key(eve.by_secret());
    let theirs = Knocker::wanted(&other.puppet.keys().identity, &eve.puppet.keys().sealing);
    let named = eve.sealed(&key, &eve.puppet.keys().sealing, &eve.with_secret(&theirs));
    assert_eq!(eve.is_refused("named in the second message", named), Reject::Invalid);
    let mine = eve.sealed(&key, &eve.puppet.keys().sealing, &eve.with_secret(&eve.own()));
    assert_eq!(other.is_refused("brought over another connection", mine.clone()), Reject::Retry);
    assert!(!is_enrolled(&alice));
    let admitted = eve.says(mine);
    assert!(matches!(admitted, Response::Enrolled(_)), "{admitted:?}");
    assert!(is_enrolled(&alice));

    let bob = alice.admit("bob");
    let pem = bob.host.run(["cert", "export"]).ok().stdout();
    let certificate = CertificateDer::from_pem(&pem).unwrap();
    let hello = Hello { certificate, addresses: Addresses::default(), revocations: 0, policy: 0 };
    assert_eq!(eve.is_refused("greeted as another", Request::Hello(hello)), Reject::NotMember);
}

/// A17: nobody gets a certificate for a sealing key that is another's, or for another than the one that the request
/// was sealed with, whichever of its parts names it.
#[test]
fn a_sealing_key_that_is_anothers_gets_no_certificate() {
    let alice = Member::authority("alice");
    let mut member = Knocker::at(&alice);
    let key = member.key(member.by_secret());
    let taken = SealingKey::from_bytes(&member.puppet.keys().sealing.to_bytes());
    let wanted =
        request::create(&member.puppet.keys().identity, &taken.public_key(), &"bob".parse().unwrap());
    let enrol = member.sealed(&key, &taken, &member.with_secret(&wanted));
    assert!(matches!(member.says(enrol), Response::Enrolled(_)));

    let mut eve = Knocker::at(&alice);
    let own = SealingKey::from_bytes(&eve.puppet.keys().sealing.to_bytes());
    let naming = |sealing: &SealingKey| KeyRequest { sealing: sealing.public_key(), ..eve.by_secret() };
    // Named in the first message, sealed with, named in the certificate request.
    let cases = [
        ("named in the request", naming(&own), &own, &taken, Reject::Invalid),
        ("named in the envelope", naming(&taken), &own, &own, Reject::Invalid),
        ("named in both", naming(&taken), &own, &taken, Reject::Invalid),
        ("sealed with", naming(&own), &taken, &own, Reject::Invalid),
        ("sealed with, and named in the request", naming(&own), &taken, &taken, Reject::Invalid),
        ("stolen", naming(&taken), &taken, &taken, Reject::KeyTaken),
    ];
    for (what, request, sealing, wanted, expected) in cases {
        let key = eve.key(request);
        let wanted = Knocker::wanted(&eve.puppet.keys().identity, wanted);
        let enrol = eve.sealed(&key, sealing, &eve.with_secret(&wanted));
        assert_eq!(eve.is_refused(what, enrol), expected, "{what}");
    }
    assert!(!is_enrolled(&alice));
    // The invite is not used up by any of it.
    let key = eve.key(eve.by_secret());
    let enrol = eve.sealed(&key, &own, &eve.with_secret(&eve.own()));
    assert!(matches!(eve.says(enrol), Response::Enrolled(_)));
}

/// The same request with another share in it.
fn with_share(request: &KeyRequest, nameplate: u32, share: &[u8]) -> KeyRequest {
    let Offer::Stranger(credentials) = &request.offer else { panic!("{request:?}") };
    let share = codec::decode::<_, 64>(share).unwrap();
    let invite = Some(InviteOffer::Code { nameplate, share });
    KeyRequest { offer: Offer::Stranger(Credentials { invite, ..credentials.clone() }), ..request.clone() }
}

/// The share in a request, as it is sent.
fn share_of(request: &KeyRequest) -> Vec<u8> {
    let Offer::Stranger(Credentials { invite: Some(InviteOffer::Code { share, .. }), .. }) = &request.offer
    else {
        panic!("{request:?}")
    };
    codec::encode(share)
}

/// A14: an authority whose share, side or confirmation is turned back on it, by somebody who does not know the code
/// and by somebody who does, admits nobody, and charges the code for every confirmation that it has given.
#[test]
fn an_exchange_that_is_turned_back_admits_nobody_and_is_charged() {
    let alice = Member::authority("alice");
    let invite = alice.host.run(["invite", "--json"]).ok().json();
    let code: Code = invite["code"].as_str().unwrap().parse().unwrap();
    let mut eve = Knocker::at(&alice);
    let nameplate = code.nameplate();
    let salt = Code::salt(&eve.uri.network, nameplate);
    let stretched = stretch(&code.secret(), &salt);
    let right = || {
        let secret = Secret::new(stretched.expose().to_owned().into());
        Some(HopeInvite::Code { nameplate, secret })
    };
    let theirs = |key: &AuthorityKey| key.code.clone().unwrap();

    // A share of the wrong side, or of none, gets no confirmation: that is no guess.
    let request = eve.by_exchange(right(), None);
    for side in [SIDES[1], 0, b'S', 255] {
        let mut share = share_of(&request);
        share[0] = side;
        let flipped = Request::KeyRequest(with_share(&request, nameplate, &share));
        assert_eq!(eve.is_refused("a share of the wrong side", flipped), Reject::Invite);
    }
    // Its own confirmation, sent back by who knows the code: one charge.
    let key = eve.key(request);
    let back = with_confirmation(&eve.own(), theirs(&key).confirmation);
    let enrol = eve.sealed(&key, &eve.puppet.keys().sealing, &back);
    assert_eq!(eve.is_refused("the authority's confirmation", enrol.clone()), Reject::Invite);
    assert_eq!(eve.is_refused("a second confirmation", enrol), Reject::Retry);
    // Its own share, sent back as if it were the candidate's: a second charge.
    let mut share = codec::encode(&theirs(&key).share);
    share[0] = SIDES[0];
    let request = eve.by_exchange(right(), None);
    let key = eve.key(with_share(&request, nameplate, &share));
    let back = with_confirmation(&eve.own(), theirs(&key).confirmation);
    let enrol = eve.sealed(&key, &eve.puppet.keys().sealing, &back);
    assert_eq!(eve.is_refused("the authority's share", enrol), Reject::Invite);
    assert!(!is_enrolled(&alice));
    // A third, which is never confirmed; and then the code is burned for everybody.
    let request = eve.by_exchange(right(), None);
    let _ = eve.key(request);
    let request = eve.by_exchange(right(), None);
    assert_eq!(eve.is_refused("a burned code", Request::KeyRequest(request)), Reject::InviteBurned);
    assert!(!is_enrolled(&alice));
    // The invite itself is not, for who copies its URI.
    let carol = Host::new("carol");
    let _ = carol.run(["join", invite["uri"].as_str().unwrap(), "--name", "carol"]).ok();
}

/// A20: with open admission a host of another network, from which there is a route, is refused and told why; from
/// next door it gets in.
#[test]
fn open_admission_is_for_the_local_network() {
    let Some(mut lan) = Lan::new() else { return };
    let Some(ip) = program("ip") else { return };
    let alice = authority_on(lan.host("alice"), "open");
    let eve = lan.host("eve");
    let configure = |host: &Host, arguments: &str| {
        let mut command = host.program(&ip);
        command.args(arguments.split(' '));
        let _ = Process::run(command, b"", SOON).ok();
    };
    let shown = alice.host.run(["ca", "show", "--json"]).ok().json();
    let root = shown["fingerprint"].as_str().unwrap();
    let uri = &format!("lanyard://{}/shop.lan?root={root}", alice.host.control_address());
    configure(&eve, "addr add 10.88.0.2/32 dev lo");
    configure(&eve, "route replace 10.77.0.0/24 dev eth0 src 10.88.0.2");
    configure(&alice.host, "route add 10.88.0.2/32 via 10.77.0.2");
    let _ = eve.run(["join", uri, "--name", "eve"]).fails(4).says("open to its own local network");
    let _ = eve.run(["cert", "export"]).fails(4);
    assert!(!is_enrolled(&alice));
    configure(&eve, "route replace 10.77.0.0/24 dev eth0 src 10.77.0.2");
    let _ = eve.run(["join", uri, "--name", "eve"]).ok();
    assert!(is_enrolled(&alice));
}
