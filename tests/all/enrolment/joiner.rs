//! A real `lanyard join` meets somebody who poses as the authority.

use lanyard_node::ambient;
use lanyard_protocol::codec;
use lanyard_protocol::control::{Mode, Modes};
use lanyard_protocol::enrolment::{AuthorityKey, Credentials, KeyRequest, Offer, Way};
use lanyard_protocol::identity::IdentityKey;
use lanyard_protocol::message::{Request, Response};
use lanyard_tests::{FalseAuthority, Host, Impostor, Member, Output, signature};

use super::{Knocker, SIDES};
use crate::gate::admitted;

/// What a network's people know.
const PASSWORD: &str = "correct horse battery staple";

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
    let mallory = admitted("mallory", &alice);
    let invite = alice.invite_uri();
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
