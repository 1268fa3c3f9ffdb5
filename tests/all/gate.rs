//! One gate: what each kind of peer may say, over each protocol that a node speaks.

use std::net::SocketAddr;

use lanyard_protocol::access::{PolicyHead, PolicyPart, SignedPolicy};
use lanyard_protocol::certificate::CertificateDer;
use lanyard_protocol::codec;
use lanyard_protocol::enrolment::{Credentials, EnrolRequest, KeyRequest, Offer, SHARE_LEN};
use lanyard_protocol::guest::{GuestProof, GuestRequest, GuestSearch};
use lanyard_protocol::hello::{Addresses, Hello};
use lanyard_protocol::identity::{NodeId, SealingPublicKey};
use lanyard_protocol::label::Digest;
use lanyard_protocol::message::{Lookup, Request, Response, StatusRequest};
use lanyard_protocol::people::{
    Assertion, Home, LogInRequest, Manage, ManageRequest, Principal, Proof, SignedAssertion,
};
use lanyard_protocol::reject::Reject;
use lanyard_protocol::revocation::Update;
use lanyard_protocol::seal::Sealed;
use lanyard_protocol::ticket::{TicketId, TicketRequest};
use lanyard_protocol::time::Timestamp;
use lanyard_tests::{Host, Member, Puppet, SOON, Stranger, WallClock, say, wait_for};

/// What becomes of a kind of request of somebody who is no member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Anyone may ask it, and learns what is public.
    Answered,
    /// It is part of becoming a member, and this one is not good for that.
    NotAdmitted,
    /// It is for members.
    Refused,
}

macro_rules! kinds {
    ($($pattern:pat => $fate:ident, $example:expr;)*) => {
        /// Every kind of request has a row: one without does not compile.
        fn fate(request: &Request) -> Fate {
            match request { $($pattern => Fate::$fate,)* }
        }

        /// One of each kind, as `sender` would send it.
        fn examples(sender: NodeId) -> Vec<Request> {
            vec![$({
                let example: fn(NodeId) -> Request = $example;
                example(sender)
            },)*]
        }
    };
}

kinds! {
    Request::WhoIs => Answered, |_| Request::WhoIs;
    Request::KeyRequest(_) => NotAdmitted, |sender| Request::KeyRequest(KeyRequest {
        network: "shop.lan".parse().unwrap(),
        offer: Offer::Stranger(Credentials {
            invite: None,
            password: None,
            replace: false,
            commitment: Digest([1; 32]),
        }),
        nonce: [2; 32],
        identity: sender,
        sealing: SealingPublicKey([9; 32]),
    });
    Request::Enrol(_) => NotAdmitted, |_| Request::Enrol(EnrolRequest {
        token: vec![3; 80],
        sealed: Sealed { encapped: [9; 32], ciphertext: vec![4; 400] },
    });
    Request::Hello(_) => NotAdmitted, |_| Request::Hello(Hello {
        certificate: CertificateDer::try_from(vec![0x30; 300]).unwrap(),
        addresses: Addresses::default(),
        revocations: 0,
        policy: 0,
    });
    Request::Lookup(_) => Refused, |_| Request::Lookup(Lookup { peer: "office".into() });
    Request::Status(_) => Refused, |sender| {
        Request::Status(StatusRequest { node: sender, certificate: Digest([5; 32]) })
    };
    Request::Ticket(_) => Refused, |_| Request::Ticket(TicketRequest {
        nonce: [6; 32],
        service: "chat".parse().unwrap(),
        certificate: Digest([7; 32]),
        assertion: None,
    });
    Request::Ping => Refused, |_| Request::Ping;
    Request::Revocations(_) => Refused, |_| {
        Request::Revocations(Update { revocations: Vec::new(), head: None })
    };
    Request::RevokeTicket(_) => Refused, |_| Request::RevokeTicket(TicketId([8; 16]));
    Request::Policy(_) => Refused, |_| {
        let head = PolicyHead { epoch: 1, parts: vec![Digest([9; 32])] };
        let policy = SignedPolicy { head, signature: [9; 64].into() };
        Request::Policy(PolicyPart { policy, number: 0, bytes: b"version = 1".to_vec() })
    };
    Request::LogIn(_) => Refused, |sender| Request::LogIn(LogInRequest {
        user: "ana".parse().unwrap(),
        person: "ana".parse().unwrap(),
        proof: Proof::Assertion(Box::new(log_in_at(sender))),
    });
    Request::Manage(_) => Refused, |sender| Request::Manage(Box::new(ManageRequest {
        assertion: log_in_at(sender),
        manage: Manage::List { after: None },
    }));
    Request::GuestSearch(_) => NotAdmitted, |_| Request::GuestSearch(GuestSearch {
        provider: "alice".parse().unwrap(),
    });
    Request::Guest(_) => NotAdmitted, |sender| Request::Guest(GuestRequest {
        provider: "alice".parse().unwrap(),
        service: "db".parse().unwrap(),
        nonce: [10; 32],
        identity: sender,
        sealing: SealingPublicKey([9; 32]),
        share: codec::decode::<_, SHARE_LEN>(&[&[0x41], &[9; 32][..]].concat()).unwrap(),
    });
    Request::GuestProof(_) => NotAdmitted, |_| Request::GuestProof(GuestProof { confirmation: [11; 32] });
}

/// The answer to a request: strangers are answered so often and no more, so it may have to be asked again.
fn answered(to: &mut Stranger, request: &Request) -> Response {
    wait_for("an answer", SOON, || say(to, request))
}

/// Sends one request of each kind, and sees that none does more than its row says.
fn says_everything_in_vain(who: &str, puppet: &Puppet, to: &mut Stranger) {
    says_in_vain(who, examples(puppet.id()), to);
}

fn says_in_vain(who: &str, requests: Vec<Request>, to: &mut Stranger) {
    for request in requests {
        let fate = fate(&request);
        let answer = match fate {
            Fate::NotAdmitted => say(to, &request),
            Fate::Answered | Fate::Refused => Some(answered(to, &request)),
        };
        let kept_out = match fate {
            Fate::Answered => matches!(answer, Some(Response::WhoIs(_))),
            Fate::NotAdmitted => matches!(answer, Some(Response::Reject(_)) | None),
            Fate::Refused => answer == Some(Response::Reject(Reject::NotMember)),
        };
        assert!(kept_out, "{who}: {request:?} got {answer:?}");
    }
}

/// No stream for a channel is opened for it, and there is no other protocol to try.
fn opens_no_stream(who: &str, puppet: &Puppet, target: SocketAddr) {
    for protocol in ["/lanyard/lane/1", "/meshsub/1.1.0", "/ipfs/kad/1.0.0"] {
        let answer = puppet.connect(target, protocol).ask(b"let me in");
        assert!(answer.is_none_or(|bytes| bytes.is_empty()), "{who} over {protocol}");
    }
}

/// Shows its certificate, in vain, and then tries everything.
fn is_kept_out(who: &str, puppet: &Puppet, target: SocketAddr) {
    let mut connection = puppet.connect(target, "/lanyard/control/1");
    if let Some(hello) = puppet.hello() {
        let answer = answered(&mut connection, &hello);
        let refused = matches!(answer, Response::Reject(Reject::NotMember) | Response::Revoked(_));
        assert!(refused, "{who} is greeted with {answer:?}");
    }
    says_everything_in_vain(who, puppet, &mut connection);
    opens_no_stream(who, puppet, target);
}

pub(crate) fn id_of(host: &Host) -> NodeId {
    host.run(["status", "--json"]).ok().json()["id"].as_str().unwrap().parse().unwrap()
}

pub(crate) fn admitted(name: &str, authority: &Member) -> Puppet {
    let mut puppet = Puppet::new();
    let target = authority.host.control_address();
    puppet.enrol(name, target, id_of(&authority.host), &authority.invite_uri());
    puppet
}

/// What an authority would say of somebody who has logged in at `sender`, were it asked.
fn log_in_at(sender: NodeId) -> SignedAssertion {
    let user: lanyard_protocol::identity::UserName = "ana".parse().unwrap();
    let now = Timestamp::from_secs(1_795_253_400);
    let assertion = Assertion {
        principal: Principal { person: user.clone().into(), user, home: Home::Network },
        roles: std::collections::BTreeSet::new(),
        entity: "shop".parse().unwrap(),
        node: sender,
        authenticated: now,
        issued: now,
        epoch: 0,
        expires: now,
    };
    SignedAssertion { assertion, certificate: None, signature: [1; 64].into() }
}

/// R-L7, A9, B3, B7: every kind of message, from each kind of peer that is no member, to an authority and to a member.
#[test]
fn who_is_no_member_says_everything_in_vain() {
    let (alice, other) = (Member::authority("alice"), Member::authority("mallory"));
    let bob = alice.admit("bob");
    let stranger = Puppet::new();
    let foreigner = admitted("bob", &other);
    let revoked = admitted("eve", &alice);
    let member = admitted("carol", &alice);
    let _ = alice.host.run(["revoke", "eve", "--wait"]).ok();
    for node in [&alice, &bob] {
        let target = node.host.control_address();
        for (who, puppet) in [("a stranger", &stranger), ("a foreigner", &foreigner), ("a revoked", &revoked)]
        {
            is_kept_out(who, puppet, target);
        }
        // Without its hello, a member is nobody on this connection; with it, the same requests are answered.
        let mut connection = member.connect(target, "/lanyard/control/1");
        says_everything_in_vain("a member that has not shown its certificate", &member, &mut connection);
        let greeted = answered(&mut connection, &member.hello().unwrap());
        assert!(matches!(greeted, Response::Hello(_)), "{greeted:?}");
        assert_eq!(say(&mut connection, &Request::Ping), Some(Response::Pong));
    }
}

/// B4, A9: a certificate that has ended serves to renew and for nothing else.
#[test]
fn who_has_expired_says_everything_in_vain() {
    let Some(clock) = WallClock::new() else { return };
    let alice = Member::authority_on(Host::new("alice").with_clock(clock));
    let puppet = admitted("bob", &alice);
    let target = alice.host.control_address();
    let mut before = puppet.connect(target, "/lanyard/control/1");
    assert!(matches!(say(&mut before, &puppet.hello().unwrap()), Some(Response::Hello(_))));
    assert_eq!(say(&mut before, &Request::Ping), Some(Response::Pong));
    alice.host.set_clock("+4d");
    wait_for("the clock is noticed", SOON, || {
        let status = alice.host.run(["status", "--json"]).ok().json();
        (status["state"] == "running").then_some(())
    });
    // Also on the connection on which it was a member.
    says_everything_in_vain("one whose certificate has ended meanwhile", &puppet, &mut before);
    is_kept_out("an expired", &puppet, target);
}

/// What a guest needs no more: it is one.
const fn is_of_guests(request: &Request) -> bool {
    matches!(request, Request::GuestSearch(_) | Request::Guest(_) | Request::GuestProof(_))
}

/// R-L7, C2, C3, A9: whoever has proven to know a service's password, and holds its ticket, says everything else in vain,
/// to its provider and to other members, opens no stream, and no other service; nor does anybody else with its ticket.
#[test]
fn guest_says_everything_else_in_vain() {
    const POLICY: &str = "version = 1\n[roles]\nmember = [\"service.use\"]\n\
        [[grant]]\nto = [\"guest\"]\nservice = [\"db@alice\", \"docs@alice\"]\n\
        [[grant]]\nto = [\"role:member\"]\nservice = [\"chat@*\", \"file@*\"]\n";
    let alice = Member::authority("alice");
    let file = alice.host.write("policy.toml", POLICY.as_bytes());
    let _ = alice.host.run(["policy", "apply", file.to_str().unwrap()]).ok();
    let password = alice.host.write("password", b"harbour violet cactus noodle\n");
    let file = password.to_str().unwrap();
    // Nobody listens there: what is looked at is the channel.
    let _ = alice.host.run(["expose", "db", "127.0.0.1:9", "--guest", "--password-file", file]).ok();
    let _ = alice.host.run(["expose", "docs", "/usr/share"]).ok();
    let bob = alice.admit("bob");
    let (guest, uri) = (Puppet::new(), alice.invite_uri());
    let (target, lane) = (alice.host.control_address(), alice.host.lane_address());
    let mut connection = guest.connect(target, "/lanyard/control/1");
    let whom = ("alice", id_of(&alice.host), uri.as_str());
    let held = guest.visit(&mut connection, whom, ("db", "harbour violet cactus noodle")).unwrap();
    guest.open(lane, &held, "db").unwrap();

    let all_else = || examples(guest.id()).into_iter().filter(|request| !is_of_guests(request)).collect();
    says_in_vain("a guest", all_else(), &mut connection);
    opens_no_stream("a guest", &guest, target);
    let mut other = guest.connect(bob.host.control_address(), "/lanyard/control/1");
    says_everything_in_vain("a guest of another node", &guest, &mut other);
    opens_no_stream("a guest of another node", &guest, bob.host.control_address());
    for service in ["docs", "chat", "file", "ssh"] {
        assert!(guest.open(lane, &held, service).is_err(), "{service} by the ticket for db");
    }
    assert!(guest.open(bob.host.lane_address(), &held, "db").is_err(), "at another node");
    let thief = Puppet::new();
    assert!(thief.open(lane, &held, "db").is_err(), "without the guest's key");
    // docs is granted to guests and has no password; nobody has told anybody that it is there.
    let mut again = guest.connect(target, "/lanyard/control/1");
    for service in ["docs", "chat", "ssh"] {
        let request = examples(guest.id())
            .into_iter()
            .find_map(|request| if let Request::Guest(request) = request { Some(request) } else { None });
        let request = GuestRequest { service: service.parse().unwrap(), ..request.unwrap() };
        let answer = answered(&mut again, &Request::Guest(request));
        assert!(matches!(answer, Response::Reject(Reject::Invalid) | Response::GuestOffer(_)), "{answer:?}");
        let proof = Request::GuestProof(GuestProof { confirmation: [7; 32] });
        let answer = answered(&mut again, &proof);
        assert!(matches!(answer, Response::Reject(Reject::Retry | Reject::Password)), "{answer:?}");
    }
    guest.open(lane, &held, "db").unwrap();
}
