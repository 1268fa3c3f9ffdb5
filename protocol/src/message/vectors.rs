//! Control frames with one fault each, for other implementations: `vectors/control/*.json`.

use serde_json::{Value, json};

use super::*;
use crate::access::{PolicyHead, SignedPolicy};
use crate::enrolment::{Credentials, InviteOffer, Offer, Share};
use crate::hello::Addresses;
use crate::identity::{IdentityKey, SealingKey, UserName};
use crate::people::{Assertion, Home, Manage, Principal, Proof, SealedPassword};
use crate::seal::Sealed;
use crate::time::Timestamp;
use crate::vectors::{Family, hex, unhex};

fn node() -> NodeId {
    IdentityKey::from_seed(&[2; 32]).node_id()
}

fn certificate() -> CertificateDer {
    CertificateDer::from_pem(include_str!("../../vectors/certificate/leaf.pem")).unwrap()
}

fn hello() -> Hello {
    let addresses = Addresses {
        control: vec!["10.77.0.1:4610".parse().unwrap(), "[fe80::1]:4610".parse().unwrap()],
        lane: vec!["10.77.0.1:4611".parse().unwrap()],
    };
    Hello { certificate: certificate(), addresses, revocations: 3, policy: 2 }
}

fn key_request(offer: Offer) -> Request {
    Request::KeyRequest(KeyRequest {
        network: "shop.lan".parse().unwrap(),
        offer,
        nonce: [7; 32],
        identity: node(),
        sealing: SealingKey::from_bytes(&[3; 32]).public_key(),
    })
}

fn share() -> Share {
    codec::decode::<_, 64>(&[&[0x41], &[9; 32][..]].concat()).unwrap()
}

fn stranger(invite: Option<InviteOffer>, password: bool, replace: bool) -> Offer {
    let password = password.then(share);
    Offer::Stranger(Credentials { invite, password, replace, commitment: Digest([8; 32]) })
}

fn code() -> Offer {
    stranger(Some(InviteOffer::Code { nameplate: 7, share: share() }), false, false)
}

fn ticket_request() -> Request {
    let (service, certificate) = ("chat".parse().unwrap(), certificate().digest());
    Request::Ticket(TicketRequest { nonce: [7; 32], service, certificate, assertion: None })
}

fn policy_part() -> Request {
    let head = PolicyHead { epoch: 2, parts: vec![Digest([8; 32])] };
    let policy = SignedPolicy { head, signature: [7; 64].into() };
    Request::Policy(PolicyPart { policy, number: 0, bytes: b"#\n".to_vec() })
}

fn principal() -> Principal {
    let user: UserName = "ana".parse().unwrap();
    Principal { person: user.clone().into(), user, home: Home::Network }
}

fn log_in_at_till() -> SignedAssertion {
    let at = Timestamp::from_secs(1_795_253_400);
    let assertion = Assertion {
        principal: principal(),
        roles: ["cashier".parse().unwrap()].into(),
        entity: "shop".parse().unwrap(),
        node: node(),
        authenticated: at,
        issued: at,
        epoch: 3,
        expires: at.after(crate::people::ASSERTION_LIFE),
    };
    SignedAssertion { assertion, certificate: Some(certificate()), signature: [6; 64].into() }
}

fn for_a_person() -> TicketRequest {
    let (service, certificate) = ("chat".parse().unwrap(), certificate().digest());
    TicketRequest { nonce: [7; 32], service, certificate, assertion: Some(Box::new(log_in_at_till())) }
}

fn password() -> SealedPassword {
    let sealed = Sealed { encapped: [5; 32], ciphertext: vec![6; 274] };
    codec::decode::<_, 512>(&codec::encode(&sealed)).unwrap()
}

fn log_in(proof: Proof) -> LogInRequest {
    let Principal { user, person, .. } = principal();
    LogInRequest { user, person, proof }
}

fn set_role() -> Manage {
    let (user, role) = ("ana".parse().unwrap(), "cashier".parse().unwrap());
    Manage::SetRole { user, role, given: true }
}

fn manage(manage: Manage) -> Request {
    Request::Manage(Box::new(ManageRequest { assertion: log_in_at_till(), manage }))
}

fn enrol() -> Request {
    let sealed = Sealed { encapped: [5; 32], ciphertext: vec![6; 40] };
    Request::Enrol(EnrolRequest { token: vec![4; 60], sealed })
}

fn input(bytes: &[u8]) -> Value {
    json!({ "frame": hex(bytes) })
}

fn judge<T: Serialize + DeserializeOwned>(case: &Value) -> Result<(), String> {
    parse::<T>(&unhex(&case["frame"])).map(drop).map_err(|error| error.to_string())
}

/// What is wrong with any frame, whatever is in it.
fn of_any_kind(family: &mut Family, good: &[u8]) {
    let again = "not the canonical encoding";
    for (name, ids, frame, error) in [
        ("nothing", "D4", Vec::new(), "an empty frame"),
        ("a version and no more", "D4", vec![VERSION], "malformed"),
        ("version 0", "C12", [&[0], &good[1..]].concat(), "version 0, not 1"),
        ("version 2", "C12", [&[2], &good[1..]].concat(), "version 2, not 1"),
        ("version 255", "C12", [&[255], &good[1..]].concat(), "version 255, not 1"),
        ("a byte behind it", "B10", [good, &[0]].concat(), again),
        ("two of them", "B10", [good, &good[1..]].concat(), again),
        ("the last byte missing", "D4", good[..good.len() - 1].to_vec(), "malformed"),
        (
            "a number of its kind that is padded",
            "B10",
            [&[VERSION, 251, good[1], 0], &good[2..]].concat(),
            again,
        ),
        ("a kind that there is not", "D11", vec![VERSION, 200], "malformed"),
        ("a kind of 2^31", "D11", vec![VERSION, 252, 0, 0, 0, 0x80], "malformed"),
        ("a kind of 2^63", "D11", vec![VERSION, 253, 0, 0, 0, 0, 0, 0, 0, 0x80], "malformed"),
        ("a byte that begins no number", "D11", vec![VERSION, 255], "malformed"),
    ] {
        family.refuse(name, ids, input(&frame), error);
    }
    let long = vec![VERSION; FRAME_MAX + 2];
    let error = DecodeError::TooLong { actual: FRAME_MAX + 1, max: FRAME_MAX };
    family.refuse("one byte more than a frame has", "D4", input(&long), error);
}

/// B10, C12, D4, D11: of a request there is one encoding, and its parts are what they must be.
#[test]
fn request_frames_with_one_fault_are_refused_for_it() {
    let mut family = Family::new(
        "control/request.json",
        "Frames of requests, each with one fault. The error says why; null: it decodes, and who may ask is \
         decided next.",
        json!({}),
    );
    for (name, request) in [
        ("WhoIs", Request::WhoIs),
        ("KeyRequest, open", key_request(stranger(None, false, false))),
        ("KeyRequest, invite", key_request(stranger(Some(InviteOffer::Secret), false, false))),
        ("KeyRequest, password in the place of another", key_request(stranger(None, true, true))),
        ("KeyRequest, code", key_request(code())),
        ("KeyRequest, renewal", key_request(Offer::Renewal)),
        ("Enrol", enrol()),
        ("Hello", Request::Hello(hello())),
        ("Lookup", Request::Lookup(Lookup { peer: "till".into() })),
        ("Status", Request::Status(StatusRequest { node: node(), certificate: certificate().digest() })),
        ("Ticket", ticket_request()),
        ("Ping", Request::Ping),
        ("Revocations", Request::Revocations(Update { revocations: Vec::new(), head: None })),
        ("RevokeTicket", Request::RevokeTicket(TicketId([5; 16]))),
        ("Policy", policy_part()),
        ("Ticket, for a person", Request::Ticket(for_a_person())),
        ("LogIn, password", Request::LogIn(log_in(Proof::Password(password())))),
        ("LogIn, again", Request::LogIn(log_in(Proof::Assertion(Box::new(log_in_at_till()))))),
        ("Manage, list", manage(Manage::List { after: Some("ana".parse().unwrap()) })),
        ("Manage, role", manage(set_role())),
        ("GuestSearch", Request::GuestSearch(GuestSearch { provider: "office".parse().unwrap() })),
        ("Guest", guest()),
        ("GuestProof", Request::GuestProof(GuestProof { confirmation: [9; 32] })),
    ] {
        family.accept(name, input(&frame(&request)));
    }
    of_any_kind(&mut family, &frame(&ticket_request()));
    let cut = [VERSION, 9, 5, 5, 5, 5];
    family.refuse("a ticket's id that is cut", "D4", input(&cut), "malformed");
    policies(&mut family);
    people(&mut family);
    guests(&mut family);
    tickets(&mut family);
    hellos(&mut family);
    key_requests(&mut family);
    family.check((57, 23), judge::<Request>);
}

fn policies(family: &mut Family) {
    // version, kind, epoch, number of hashes, one hash (32), signature (64), number, length, bytes
    let good = frame(&policy_part());
    let end = good.len() - 3;
    let huge = [&good[..end], &[253, 0, 0, 0, 0, 0, 0, 0, 0x40]].concat();
    family.refuse("a part of 2^62 bytes", "D4", input(&huge), "malformed");
    let hashes = [&good[..3], &[253, 0, 0, 0, 0, 0, 0, 0, 0x40]].concat();
    family.refuse("a policy of 2^62 parts", "D4", input(&hashes), "malformed");
    let padded = [&good[..2], &[251, 2, 0], &good[3..]].concat();
    family.refuse("a policy's version that is padded", "B10", input(&padded), "not the canonical encoding");
}

fn people(family: &mut Family) {
    // version, kind, length, user, length, person, proof
    let good = frame(&Request::LogIn(log_in(Proof::Password(password()))));
    let capital = [&good[..3], b"A", &good[4..]].concat();
    family.refuse("a user in capitals", "I2", input(&capital), "malformed");
    let proof = [&good[..10], &[2], &good[11..]].concat();
    family.refuse("a proof that there is not", "D11", input(&proof), "malformed");
    // version, kind, length, user, home, length, person, number of roles
    let mut said = log_in_at_till();
    said.assertion.roles = ["aa", "bb"].map(|role| role.parse().unwrap()).into();
    let good = frame(&Request::LogIn(log_in(Proof::Assertion(Box::new(said)))));
    let roles = good.windows(6).position(|bytes| bytes == [2, b'a', b'a', 2, b'b', b'b']).unwrap();
    let swapped = [&good[..roles], b"\x02bb\x02aa", &good[roles + 6..]].concat();
    family.refuse("roles out of order", "B10", input(&swapped), "not the canonical encoding");
    let twice = [&good[..roles], b"\x02aa\x02aa", &good[roles + 6..]].concat();
    family.refuse("a role twice", "B10", input(&twice), "not the canonical encoding");
    let many = [&good[..roles - 1], &[253, 0, 0, 0, 0, 0, 0, 0, 0x40]].concat();
    family.refuse("2^62 roles", "D4", input(&many), "malformed");
}

fn guest() -> Request {
    Request::Guest(GuestRequest {
        provider: "office".parse().unwrap(),
        service: "db".parse().unwrap(),
        nonce: [7; 32],
        identity: node(),
        sealing: SealingKey::from_bytes(&[3; 32]).public_key(),
        share: share(),
    })
}

fn guests(family: &mut Family) {
    // version, kind, length, provider (6), length, service (2), nonce (32), identity (32), sealing (32), share (33)
    let good = frame(&guest());
    let provider = |length: u8, name: &[u8]| [&good[..2], &[length], name, &good[9..]].concat();
    family.refuse("a provider in capitals", "B10, H4", input(&provider(6, b"OFFICE")), "malformed");
    family.refuse("a provider of 65 bytes", "D4", input(&provider(65, &[b'a'; 65])), "malformed");
    family.refuse("a guest's share of 32 bytes", "D11", input(&good[..good.len() - 1]), "malformed");
    let small = [&good[..44], &[0; 32], &good[76..]].concat();
    family.refuse("a guest of small order", "B10", input(&small), "malformed");
    let proof = frame(&Request::GuestProof(GuestProof { confirmation: [9; 32] }));
    family.refuse("a guest's confirmation that is cut", "D4", input(&proof[..33]), "malformed");
}

fn tickets(family: &mut Family) {
    // version, kind, nonce (32), length, service, certificate (32)
    let good = frame(&ticket_request());
    let with = |service: &[u8]| {
        let length = u8::try_from(service.len()).unwrap();
        [&good[..34], &[length], service, &good[39..]].concat()
    };
    for (name, service) in [
        ("a service without a name", &b""[..]),
        ("a service in capitals", b"CHAT"),
        ("a service with a dot", b"chat.x"),
        ("a service that begins with a hyphen", b"-chat"),
        ("a service with a zero byte", b"cha\0"),
        ("a service that steers a terminal", b"\x1b[2J"),
        ("a service that is not UTF-8", b"ch\xff\xfe"),
        ("a service with a surrogate", b"\xed\xa0\x80"),
        ("a service of 64 bytes", &[b'x'; 64]),
    ] {
        family.refuse(name, "B10, H4", input(&with(service)), "malformed");
    }
    let padded = [&good[..34], &[251, 4, 0], &good[35..]].concat();
    family.refuse("a length that is padded", "B10", input(&padded), "not the canonical encoding");
    for exponent in [40, 63] {
        let huge = [&good[..34], &[253], &(1_u64 << exponent).to_le_bytes()[..], &good[35..]].concat();
        family.refuse(&format!("a name of 2^{exponent} bytes"), "D4", input(&huge), "malformed");
    }
}

fn hellos(family: &mut Family) {
    let good = frame(&Request::Hello(hello()));
    let certificate = certificate().as_bytes().to_vec();
    // version, kind, length (3), certificate, addresses
    let rest = &good[2 + 3 + certificate.len()..];
    let shown = |length: usize, addresses: &[u8]| {
        let [low, high] = u16::try_from(length).unwrap().to_le_bytes();
        [&[VERSION, 3, 251, low, high], &vec![0x30; length][..], addresses].concat()
    };
    family.refuse("a certificate of 2,049 bytes", "B9", input(&shown(2049, rest)), "malformed");
    let certified = &good[..2 + 3 + certificate.len()];
    // one address: the number of addresses, its family (0: IPv4), four bytes, the port
    let addresses = |bytes: &[u8]| [certified, bytes].concat();
    family.refuse(
        "an address of family 2",
        "D11",
        input(&addresses(&[1, 2, 10, 0, 0, 1, 80, 0])),
        "malformed",
    );
    family.refuse("2^62 addresses", "D4", input(&addresses(&[253, 0, 0, 0, 0, 0, 0, 0, 0x40])), "malformed");
    family.refuse("an address that is cut", "D4", input(&addresses(&[1, 0, 10, 0])), "malformed");
    family.refuse("one kind of addresses missing", "D11", input(&addresses(&[0])), "malformed");
}

fn key_requests(family: &mut Family) {
    let good = frame(&key_request(Offer::Renewal));
    // version, kind, network (1 + 8), offer (1), nonce (32), identity (32), sealing (32)
    let identity = 2 + 9 + 1 + 32;
    let with_identity = |key: &[u8; 32]| [&good[..identity], key, &good[identity + 32..]].concat();
    let (mut one, mut sign) = ([0; 32], [0; 32]);
    (one[0], sign[0], sign[31]) = (1, 1, 0x80);
    for (name, key) in [
        ("an identity of small order: 0", [0; 32]),
        ("an identity of small order: 1", one),
        ("an identity that is not written canonically", sign),
        ("an identity that is no point", [2; 32]),
    ] {
        family.refuse(name, "B10", input(&with_identity(&key)), "malformed");
    }
    let unknown = [&good[..11], &[4], &good[12..]].concat();
    family.refuse("an offer that there is not", "A10", input(&unknown), "malformed");
    for (name, network) in [
        ("a network in capitals", b"SHOP.lan"),
        ("a network that is an address", b"10.0.0.1"),
        ("a network with an empty label", b"shop..la"),
        ("a network that ends with a dot", b"shoplan."),
    ] {
        let altered = [&good[..3], &network[..], &good[11..]].concat();
        family.refuse(name, "B10", input(&altered), "malformed");
    }
    let code = frame(&key_request(code()));
    // version, kind, network (9), offer, invite (2), nameplate, share
    let cut = [&code[..15], &code[16..]].concat();
    family.refuse("a share of 32 bytes", "D11", input(&cut), "malformed");
    let padded = [&code[..14], &[251, 7, 0], &code[15..]].concat();
    family.refuse("a nameplate that is padded", "B10", input(&padded), "not the canonical encoding");
    let large = [&code[..14], &[253, 0, 0, 0, 0, 1, 0, 0, 0], &code[15..]].concat();
    family.refuse("a nameplate of 2^32", "D4", input(&large), "malformed");
}

fn guest_offer() -> GuestOffer {
    let lane = hello().addresses.lane;
    GuestOffer { leaf: certificate(), ca: certificate(), lane, share: share(), confirmation: [9; 32] }
}

/// B10, C12, D4, D11: of an answer there is one encoding, and its parts are what they must be.
#[test]
fn response_frames_with_one_fault_are_refused_for_it() {
    let mut family = Family::new(
        "control/response.json",
        "Frames of answers, each with one fault. The error says why; null: it decodes.",
        json!({}),
    );
    let sealed = Sealed { encapped: [5; 32], ciphertext: vec![6; 40] };
    let grant = TicketGrant { for_client: sealed, for_service: vec![7; 30], signature: [8; 64].into() };
    let found = Found { certificate: certificate(), addresses: hello().addresses };
    for (name, response) in [
        ("Enrolled", Response::Enrolled(EnrolAnswer { ciphertext: vec![9; 50] })),
        ("Hello", Response::Hello(hello())),
        ("Found", Response::Found(found)),
        ("Status", Response::Status(true)),
        ("Grant", Response::Grant(grant.clone())),
        ("Pong", Response::Pong),
        ("Revocations", Response::Revocations(3)),
        ("Waiting", Response::Waiting),
        ("TicketRevoked", Response::TicketRevoked),
        ("Policy", Response::Policy(PolicyTaken { epoch: 2, wants: Some(1) })),
        ("Assertion", Response::Assertion(Box::new(log_in_at_till()))),
        ("Managed", Response::Managed(Managed::Done { epoch: 3 })),
        ("Reject", Response::Reject(Reject::NotMember)),
        ("Reject, for a while", Response::Reject(Reject::GuestsRest(3600))),
        ("GuestHere", Response::GuestHere),
        ("GuestOffer", Response::GuestOffer(Box::new(guest_offer()))),
    ] {
        family.accept(name, input(&frame(&response)));
    }
    of_any_kind(&mut family, &frame(&Response::Hello(hello())));
    for (name, ids, bytes, error) in [
        ("a status that is neither", "B10", vec![VERSION, 5, 2], "malformed"),
        ("a refusal that there is not", "D11", vec![VERSION, 8, 250], "malformed"),
        (
            "a refusal whose number is padded",
            "B10",
            vec![VERSION, 8, 251, 1, 0],
            "not the canonical encoding",
        ),
        ("a refusal without a reason", "D4", vec![VERSION, 8], "malformed"),
        ("an answer of 2^62 bytes", "D4", vec![VERSION, 2, 253, 0, 0, 0, 0, 0, 0, 0, 0x40], "malformed"),
    ] {
        family.refuse(name, ids, input(&bytes), error);
    }
    let good = frame(&Response::Grant(grant));
    for missing in [1, 32, 64] {
        let cut = &good[..good.len() - missing];
        family.refuse(&format!("a grant without its last {missing} bytes"), "C11", input(cut), "malformed");
    }
    let offer = frame(&Response::GuestOffer(Box::new(guest_offer())));
    let cut = &offer[..offer.len() - 1];
    family.refuse("a provider's confirmation that is cut", "D4", input(cut), "malformed");
    family.refuse("a request", "B14", input(&frame(&enrol())), "not the canonical encoding");
    family.check((24, 16), judge::<Response>);
}
