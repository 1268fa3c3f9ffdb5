//! Enrolment in frames that are altered by hand: at the door of a real authority, and by somebody who poses as one
//! to a real `lanyard join`.

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
use lanyard_tests::{
    FalseAuthority, Host, Impostor, Lan, Member, Output, Process, Puppet, SOON, Stranger, program, say,
    signature,
};

/// What a network's people know.
const PASSWORD: &str = "correct horse battery staple";

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
        let status = alice.host.run(["status", "--json"]).ok().json();
        let puppet = Puppet::new();
        let door = puppet.connect(alice.host.control_address(), "/lanyard/control/1");
        Self { puppet, authority: status["id"].as_str().unwrap().parse().unwrap(), uri, door }
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
    fn by_exchange(&self, invite: Option<HopeInvite>, password: Option<Secret>) -> (Asked, KeyRequest) {
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
        Asked::stranger(self.puppet.keys(), hope, prospect, &mut OsRng)
    }

    fn says(&mut self, request: Request) -> Response {
        say(&mut self.door, &request).unwrap_or_else(|| panic!("no answer to {request:?}"))
    }

    #[track_caller]
    fn is_refused(&mut self, what: &str, request: Request) -> Reject {
        match self.says(request) {
            Response::Reject(reject) => reject,
            other => panic!("{what}: {other:?}"),
        }
    }

    #[track_caller]
    fn key(&mut self, request: KeyRequest) -> AuthorityKey {
        match self.says(Request::KeyRequest(request)) {
            Response::AuthorityKey(key) => *key,
            other => panic!("{other:?}"),
        }
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

/// The authority of `shop.lan` that admits by `rule`, with the password if it needs one.
fn authority(host: Host, rule: &str) -> Member {
    let file = host.write("password", PASSWORD.as_bytes());
    let mut arguments = vec!["init", "shop.lan", "--name", "alice", "--admission", rule];
    if rule.contains("password") {
        arguments.extend(["--password-file", file.to_str().unwrap()]);
    }
    let _ = host.run(arguments).ok();
    Member { node: host.up(), host }
}

/// A10: whatever a candidate offers, and whatever it then shows, the authority asks for what its rule wants, and
/// admits nobody who does not show that.
#[test]
fn a_weaker_way_in_is_asked_for_in_vain() {
    let alice = authority(Host::new("alice"), "password");
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

    let (_, request) = eve.by_exchange(None, Some(Secret::generate(&mut OsRng)));
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
    let hello = Hello { certificate, addresses: Addresses::default(), revocations: 0 };
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
    match &request.offer {
        Offer::Stranger(Credentials { invite: Some(InviteOffer::Code { share, .. }), .. }) => {
            codec::encode(share)
        }
        other => panic!("{other:?}"),
    }
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
    let (_, request) = eve.by_exchange(right(), None);
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
    let (_, request) = eve.by_exchange(right(), None);
    let key = eve.key(with_share(&request, nameplate, &share));
    let back = with_confirmation(&eve.own(), theirs(&key).confirmation);
    let enrol = eve.sealed(&key, &eve.puppet.keys().sealing, &back);
    assert_eq!(eve.is_refused("the authority's share", enrol), Reject::Invite);
    assert!(!is_enrolled(&alice));
    // A third, which is never confirmed; and then the code is burned for everybody.
    let (_, request) = eve.by_exchange(right(), None);
    let _ = eve.key(request);
    let (_, request) = eve.by_exchange(right(), None);
    assert_eq!(eve.is_refused("a burned code", Request::KeyRequest(request)), Reject::InviteBurned);
    assert!(!is_enrolled(&alice));
    // The invite itself is not, for who copies its URI.
    let carol = Host::new("carol");
    let _ = carol.run(["join", invite["uri"].as_str().unwrap(), "--name", "carol"]).ok();
}

/// What somebody makes of the answer of an authority whose network the joiner means.
type Twist = fn(&mut FalseAuthority, &KeyRequest, &mut AuthorityKey);

/// A real `lanyard join` with a URI and the password turns to an authority that is the right one but for what
/// `twist` does; it has to refuse with `words`, keep nothing and give nothing away.
#[track_caller]
fn is_refused_by_the_joiner(rule: &str, what: &str, twist: Twist, words: &str) {
    let mut office = FalseAuthority::new(rule, PASSWORD);
    let seed = office.seed();
    let pinned = FalseAuthority::uri(&office, ([127, 0, 0, 1], 1).into());
    let impostor = Impostor::new(&seed, move |from, request| {
        let answer = office.answer(from, request)?;
        match (request, answer) {
            (Request::KeyRequest(request), Response::AuthorityKey(mut key)) => {
                twist(&mut office, request, &mut key);
                Some(Response::AuthorityKey(key))
            }
            (_, answer) => Some(answer),
        }
    });
    let uri = pinned.replace("127.0.0.1:1", &impostor.address().to_string());
    let bob = Host::new("bob");
    let refused = joins(&bob, &uri).fails(4);
    assert!(refused.stderr().contains(words), "{what}\n{refused}");
    keeps_nothing(what, &bob, &impostor);
}

fn joins(bob: &Host, uri: &str) -> Output {
    let password = bob.write("password", PASSWORD.as_bytes());
    bob.run(["join", uri, "--name", "bob", "--password-file", password.to_str().unwrap()])
}

#[track_caller]
fn keeps_nothing(what: &str, bob: &Host, impostor: &Impostor) {
    let _ = bob.run(["cert", "export"]).fails(4);
    let heard = impostor.heard();
    assert!(!heard.is_empty(), "{what}: the joiner did not even ask");
    let only_asked = heard.iter().all(|request| matches!(request, Request::KeyRequest(_)));
    assert!(only_asked, "{what}: the joiner said {heard:?}");
}

/// A joiner takes the authority that poses here for the right one as long as nothing is twisted: so it is the twist
/// that is refused.
#[test]
fn an_untwisted_answer_is_believed() {
    let mut office = FalseAuthority::new("password", PASSWORD);
    let seed = office.seed();
    let pinned = office.uri(([127, 0, 0, 1], 1).into());
    let impostor = Impostor::new(&seed, move |from, request| office.answer(from, request));
    let uri = pinned.replace("127.0.0.1:1", &impostor.address().to_string());
    let bob = Host::new("bob");
    let _ = joins(&bob, &uri).ok();
    let shown = bob.run(["cert", "show", "--json"]).ok().json();
    assert!(shown["spiffe_id"].as_str().unwrap().ends_with("/node/bob"), "{shown}");
}

/// A10, A18: a joiner sees when the modes were edited on the way, signed anew or not, and does not go in by a way
/// that the rule has not.
#[test]
fn a_joiner_refuses_modes_that_were_edited() {
    let by_nothing: Twist = |_, _, key| {
        key.admission = "open".parse().unwrap();
        key.way = Way::By(Modes::of(&[Mode::Open]));
    };
    let stripped: Twist = |_, _, key| key.admission = "password".parse().unwrap();
    let stripped_and_signed: Twist = |office, request, key| {
        key.admission = "password".parse().unwrap();
        office.sign(request, key);
    };
    let beside_the_rule: Twist = |office, request, key| {
        key.way = Way::By(Modes::of(&[Mode::Open]));
        office.sign(request, key);
    };
    let what_it_has_not: Twist = |office, request, key| {
        key.admission = "invite".parse().unwrap();
        key.way = Way::By(Modes::of(&[Mode::Invite]));
        office.sign(request, key);
    };
    let waiting: Twist = |office, request, key| {
        key.way = Way::Waiting;
        office.sign(request, key);
    };
    let renewal: Twist = |office, request, key| {
        key.way = Way::Renewal;
        office.sign(request, key);
    };
    let (unsigned, rule) = ("not signed by its key", "does not fit its own rule");
    let password = "does not know this password";
    for (what, twist, words) in [
        ("open instead of the password", by_nothing, unsigned),
        ("a mode stripped", stripped, unsigned),
        ("a mode stripped, signed anew", stripped_and_signed, password),
        ("a way beside the rule", beside_the_rule, rule),
        ("an invite where there is none", what_it_has_not, rule),
        ("as one who waits", waiting, rule),
        ("as one who was here before", renewal, rule),
    ] {
        is_refused_by_the_joiner("password,guid+approval", what, twist, words);
    }
}

/// A14: a joiner whose share is turned back on it, or under whose exchange a side, a certificate or the purpose is
/// swapped, by the holder of the right keys, refuses.
#[test]
fn a_joiner_refuses_an_exchange_that_is_turned_back_or_swapped() {
    fn own_share(request: &KeyRequest, side: u8) -> Vec<u8> {
        let Offer::Stranger(Credentials { password: Some(share), .. }) = &request.offer else {
            panic!("{request:?}")
        };
        let mut share = codec::encode(share);
        share[0] = side;
        share
    }
    fn answer_with(office: &FalseAuthority, request: &KeyRequest, key: &mut AuthorityKey, share: &[u8]) {
        if let Some(pake) = &mut key.password {
            pake.share = codec::decode::<_, 64>(share).unwrap();
        }
        office.sign(request, key);
    }
    let reflected: Twist = |office, request, key| {
        answer_with(office, request, key, &own_share(request, SIDES[0]));
    };
    let reflected_as_its_own: Twist = |office, request, key| {
        answer_with(office, request, key, &own_share(request, SIDES[1]));
    };
    let flipped: Twist = |office, request, key| {
        let mut share = codec::encode(&key.password.as_ref().unwrap().share);
        share[0] = SIDES[0];
        answer_with(office, request, key, &share);
    };
    let confirmed_otherwise: Twist = |office, request, key| {
        key.password.as_mut().unwrap().confirmation[31] ^= 1;
        office.sign(request, key);
    };
    let unconfirmed: Twist = |office, request, key| {
        key.password = None;
        office.sign(request, key);
    };
    let for_a_code: Twist = |office, request, key| {
        key.code = key.password.take();
        office.sign(request, key);
    };
    let other_leaf: Twist = |office, request, key| {
        key.leaf = office.other_leaf();
        office.sign(request, key);
    };
    let other_ca: Twist = |office, request, key| {
        key.ca = office.other_ca();
        office.sign(request, key);
    };
    let other_token: Twist = |office, request, key| {
        key.token[0] ^= 1;
        office.sign(request, key);
    };
    for (what, twist) in [
        ("the share reflected", reflected),
        ("the share reflected as the other side's", reflected_as_its_own),
        ("the side byte flipped", flipped),
        ("the confirmation altered", confirmed_otherwise),
        ("no confirmation", unconfirmed),
        ("the exchange of a code", for_a_code),
        ("another certificate of the authority", other_leaf),
        ("another certificate of the CA key", other_ca),
        ("another token", other_token),
    ] {
        is_refused_by_the_joiner("password", what, twist, "does not know this password");
    }
    // Not signed anew, each is no answer of the authority at all.
    let unsigned: Twist = |office, _, key| key.leaf = office.other_leaf();
    is_refused_by_the_joiner("password", "another certificate", unsigned, "not signed by its key");
}

/// A12, A18: a member who answers a joiner in the authority's place is none, whatever chain it shows: its own, and
/// the authority's.
#[test]
fn a_joiner_refuses_a_member_in_the_authoritys_place() {
    let alice = Member::authority("alice");
    let mut mallory = Puppet::new();
    let status = alice.host.run(["status", "--json"]).ok().json();
    let node = status["id"].as_str().unwrap().parse().unwrap();
    let invite = alice.invite_uri();
    mallory.enrol("mallory", alice.host.control_address(), node, &invite);
    let mut knocker = Knocker::at(&alice);
    let real = knocker.key(knocker.by_secret());
    let own = mallory.certificate().unwrap().clone();
    let at = |impostor: &Impostor| {
        invite.replace(&alice.host.control_address().to_string(), &impostor.address().to_string())
    };
    for (what, leaf, words) in [
        ("its own chain", own, "mallory is a member of the network, not its authority"),
        ("the authority's chain", real.leaf.clone(), "the certificate is for node"),
    ] {
        let (seed, real) = (mallory.keys().identity.seed(), real.clone());
        let key = IdentityKey::from_seed(&seed);
        let impostor = Impostor::new(&seed, move |_, request| {
            let Request::KeyRequest(request) = request else { return None };
            let mut answer = AuthorityKey { leaf: leaf.clone(), now: ambient::now(), ..real.clone() };
            // Less is asked for than the network's rule wants.
            answer.admission = "open".parse().unwrap();
            answer.way = Way::By(Modes::of(&[Mode::Open]));
            answer.signature = signature(&key, request, &answer);
            Some(Response::AuthorityKey(Box::new(answer)))
        });
        let bob = Host::new("bob");
        let refused = bob.run(["join", &at(&impostor), "--name", "bob"]).fails(4);
        assert!(refused.stderr().contains(words), "{what}\n{refused}");
        keeps_nothing(what, &bob, &impostor);
    }
}

/// A20: with open admission a host of another network, from which there is a route, is refused and told why; from
/// next door it gets in.
#[test]
fn open_admission_is_for_the_local_network() {
    let Some(mut lan) = Lan::new() else { return };
    let Some(ip) = program("ip") else { return };
    let alice = authority(lan.host("alice"), "open");
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
