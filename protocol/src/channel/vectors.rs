//! Preambles, handshake messages and records with one fault each, for other implementations:
//! `vectors/channel/*.json`.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::key::{Direction, RecordKey};
use super::*;
use crate::identity::{IdentityKey, SealingKey};
use crate::time::Timestamp;
use crate::vectors::{Family, hex, unhex};

const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// C12, D4: a stream that is to become a channel begins as it must.
#[test]
fn preambles_with_one_fault_are_refused_for_it() {
    let good = Preamble { offered: Suites::ALL, for_service: vec![7; 3], message_1: [9; MESSAGE_1_LEN] };
    let bytes = good.encode().unwrap();
    let mut family = Family::new(
        "channel/preamble.json",
        "The first bytes of a channel, each with one fault. Cut ones are no fault until the stream ends: `needs` \
         says how many bytes are waited for. The error says why; null: accepted.",
        json!({}),
    );
    family.accept("the unbroken preamble", input(&bytes));
    let portable = Preamble { offered: Suites::PORTABLE, ..good.clone() };
    family.accept("the one suite that all have", input(&portable.encode().unwrap()));
    let longest = Preamble { for_service: vec![7; FOR_SERVICE_MAX], ..good };
    family.accept("the longest half of a ticket", input(&longest.encode().unwrap()));
    for version in [0, 2, 0x7f, 0xff] {
        let error = PreambleError::Version { actual: version };
        family.refuse(
            &format!("version {version}"),
            "C12",
            input(&[&[version], &bytes[1..]].concat()),
            error,
        );
    }
    family.refuse("a wrong version alone", "C12", input(&[2]), PreambleError::Version { actual: 2 });
    for suites in [0, 2, 4, 5, 7, 0x81, 0xff] {
        let name = format!("the suites {suites:#04x}");
        let altered = [&[1, suites], &bytes[2..]].concat();
        family.refuse(&name, "C12", input(&altered), PreambleError::Suites(suites));
    }
    for actual in [0, FOR_SERVICE_MAX + 1, 0x8000, 0xffff] {
        let [low, high] = u16::try_from(actual).unwrap().to_le_bytes();
        let name = format!("{actual} bytes of ticket");
        family.refuse(&name, "D4", input(&[1, 3, low, high]), PreambleError::Length { actual });
    }
    let swapped = [&bytes[..2], &[0, 3], &bytes[4..]].concat();
    family.refuse("a big-endian length", "D4", input(&swapped), "needs 820");
    for (name, cut) in [("a cut head", 3), ("a cut ticket", 6), ("a cut message 1", bytes.len() - 1)] {
        let needs = if cut < 4 { 4 } else { bytes.len() };
        family.refuse(name, "D3", input(&bytes[..cut]), format!("needs {needs}"));
    }
    family.check((20, 3), |case| {
        let bytes = unhex(&case["preamble"]);
        match Preamble::decode_prefix(&bytes).map_err(|error| error.to_string())? {
            Prefix::Whole(_, used) => {
                assert_eq!(used, bytes.len());
                Ok(())
            }
            Prefix::Needs(needs) => Err(format!("needs {needs}")),
        }
    });
}

fn input(preamble: &[u8]) -> Value {
    json!({ "preamble": hex(preamble) })
}

/// What both sides of a handshake believe, and the keys that they have.
#[derive(Clone)]
struct View {
    for_service: &'static [u8],
    terms: &'static [u8],
    requester: u8,
    provider: u8,
    service: &'static str,
    secret: u8,
    requester_key: u8,
    provider_key: u8,
    offered: Suites,
}

const VIEW: View = View {
    for_service: b"opaque to the requester",
    terms: b"terms",
    requester: 1,
    provider: 2,
    service: "stock",
    secret: 3,
    requester_key: 4,
    provider_key: 5,
    offered: Suites::ALL,
};

impl View {
    fn with<T>(&self, run: impl FnOnce(&Binding<'_>, &Psk, &SealingKey) -> T) -> T {
        let node = |seed| IdentityKey::from_seed(&[seed; 32]).node_id();
        let service = self.service.parse().unwrap();
        let binding = Binding {
            for_service: self.for_service,
            terms: self.terms,
            requester: node(self.requester),
            provider: node(self.provider),
            service: &service,
        };
        let key = SealingKey::from_bytes(&[self.requester_key; 32]);
        let shared = key.agree(&SealingKey::from_bytes(&[self.provider_key; 32]).public_key()).unwrap();
        let secret = Secret::new(Zeroizing::new([self.secret; 32]));
        run(&binding, &Psk::derive(&secret, &shared, self.terms), &key)
    }

    fn start(&self) -> (Initiator, [u8; MESSAGE_1_LEN]) {
        self.with(|binding, psk, key| Initiator::start(binding, psk, key, self.offered, &mut rng(6)))
    }

    fn read(&self, message_1: &[u8; MESSAGE_1_LEN]) -> Result<Responder, HandshakeError> {
        self.with(|binding, psk, key| {
            Responder::read(binding, psk, &key.public_key(), self.offered, message_1, &mut rng(7))
        })
    }

    fn json(&self) -> Value {
        let mut ephemeral = [0; 32];
        rng(6).fill_bytes(&mut ephemeral);
        self.with(|binding, _, key| {
            json!({
                "for_service": hex(self.for_service), "terms": hex(self.terms), "service": self.service,
                "requester_id": binding.requester.to_string(), "provider_id": binding.provider.to_string(),
                "ticket_secret": hex(&[self.secret; 32]), "offered": self.offered.to_byte(),
                "requester_sealing_key": hex(&*key.to_bytes()),
                "provider_static_key": hex(&[self.provider_key; 32]),
                "requester_ephemeral_key": hex(&ephemeral),
            })
        })
    }
}

/// B10, B14, C2, C3, C10, C11, C12, C14: a provider reads the message 1 that was made for what it believes itself.
#[test]
fn first_messages_with_one_fault_are_refused_for_it() {
    let unproven = HandshakeError::Unproven;
    let mut family = Family::new(
        "channel/message_1.json",
        "First messages of the handshake, each made with one thing other than the provider believes. The error \
         says why; null: accepted.",
        VIEW.json(),
    );
    let shown = |message: &[u8]| json!({ "message_1": hex(message) });
    family.accept("the unbroken message", shown(&VIEW.start().1));
    for (name, ids, view) in [
        ("another half of the ticket", "C11", View { for_service: b"another", ..VIEW }),
        ("other terms", "C11", View { terms: b"other", ..VIEW }),
        ("another requester", "C10", View { requester: 9, ..VIEW }),
        ("another provider", "C10", View { provider: 9, ..VIEW }),
        ("another service", "C3", View { service: "file", ..VIEW }),
        ("another ticket's secret", "C2", View { secret: 9, ..VIEW }),
        ("another requester's key", "C2, C14", View { requester_key: 9, ..VIEW }),
        ("another provider's key", "C14", View { provider_key: 9, ..VIEW }),
        ("fewer suites", "C12", View { offered: Suites::PORTABLE, ..VIEW }),
    ] {
        family.refuse(name, ids, shown(&view.start().1), unproven);
    }
    let good = VIEW.start().1;
    for at in [0, 31, 32, 47] {
        let mut flipped = good;
        flipped[at] ^= 0x80;
        family.refuse(&format!("byte {at} altered"), "C11", shown(&flipped), unproven);
    }
    family.refuse("zeros", "B10", shown(&[0; MESSAGE_1_LEN]), unproven);
    family.check((14, 1), |case| {
        let message = unhex(&case["message_1"]).try_into().unwrap();
        VIEW.read(&message).map(drop).map_err(|error| error.to_string())
    });
}

/// B10, C11, D1: a requester ends the handshake with its provider's answer to this beginning, and no other.
#[test]
fn second_messages_with_one_fault_are_refused_for_it() {
    let mut family = Family::new(
        "channel/message_2.json",
        "Second messages of the handshake, each with one fault, as answers to the first message of \
         message_1.json. The error says why; null: accepted.",
        VIEW.json(),
    );
    let shown = |message: &[u8]| json!({ "message_2": hex(message) });
    let answer = |supported| VIEW.read(&VIEW.start().1).unwrap().accept(supported, NOW).unwrap().1;
    let good = answer(Suites::ALL);
    family.accept("the unbroken message, with AES-256-GCM", shown(&good));
    family.accept("the unbroken message, with ChaCha20-Poly1305", shown(&answer(Suites::PORTABLE)));
    for reason in ChannelReject::ALL {
        let refusal = VIEW.read(&VIEW.start().1).unwrap().refuse(reason).unwrap();
        let name = format!("the provider's refusal: {reason}");
        family.refuse(&name, "C4", shown(&refusal), HandshakeError::Refused(reason));
    }
    for at in [0, 31, 32, 33, 48] {
        let mut flipped = good;
        flipped[at] ^= 0x80;
        family.refuse(&format!("byte {at} altered"), "C11", shown(&flipped), HandshakeError::Unproven);
    }
    let non_contributory = HandshakeError::NonContributory;
    let mut one = [0; MESSAGE_2_LEN];
    one[0] = 1;
    family.refuse("zeros", "B10", shown(&[0; MESSAGE_2_LEN]), non_contributory);
    family.refuse("an ephemeral key of 1", "B10", shown(&one), non_contributory);
    let other = View { secret: 9, ..VIEW };
    let theirs = other.read(&other.start().1).unwrap().accept(Suites::ALL, NOW).unwrap().1;
    family.refuse("the answer to another ticket", "C10", shown(&theirs), HandshakeError::Unproven);
    let mut reflected = [0; MESSAGE_2_LEN];
    reflected[..MESSAGE_1_LEN].copy_from_slice(&VIEW.start().1);
    family.refuse("message 1 sent back", "D1", shown(&reflected), HandshakeError::Unproven);
    family.check((14, 2), |case| {
        let message = unhex(&case["message_2"]).try_into().unwrap();
        VIEW.start().0.finish(&message, NOW).map(drop).map_err(|error| error.to_string())
    });
}

const SPLIT: [u8; 32] = [1; 32];
const HASH: [u8; 32] = [2; 32];

fn record_key(suite: Suite, direction: Direction) -> RecordKey {
    RecordKey::first(suite, direction, &SPLIT, &HASH)
}

fn sealer(suite: Suite) -> Sealer {
    Sealer::new(record_key(suite, Direction::FromRequester), NOW)
}

/// Data, data, rekey, data, close.
fn records(mut sealer: Sealer) -> [Vec<u8>; 5] {
    let mut records = [const { Vec::new() }; 5];
    sealer.seal_into(b"order", &mut records[0]).unwrap();
    sealer.seal_into(b"", &mut records[1]).unwrap();
    sealer.rekey(NOW, &mut records[2]).unwrap();
    sealer.seal_into(b"more", &mut records[3]).unwrap();
    sealer.close(&mut records[4]).unwrap();
    records
}

/// D1–D4: a stream of records is taken as it was sent, or refused where it is not.
#[test]
fn record_streams_with_one_fault_are_refused_for_it() {
    let mut family = Family::new(
        "channel/record.json",
        "Streams of records from the requester, each with one fault, under the suite of the case (1: \
         ChaCha20-Poly1305, 2: AES-256-GCM) and the first secret that comes from split and handshake_hash. The \
         error says why; null: every record opens, and the last one closes.",
        json!({ "split": hex(&SPLIT), "handshake_hash": hex(&HASH) }),
    );
    for suite in [Suite::ChaCha20Poly1305, Suite::Aes256Gcm] {
        of_suite(&mut family, suite);
    }
    family.check((56, 4), |case| {
        let suite = Suite::from_byte(u8::try_from(case["suite"].as_u64().unwrap()).unwrap()).unwrap();
        open_all(suite, &unhex(&case["stream"])).map_err(|error| error.to_string())
    });
}

fn open_all(suite: Suite, mut stream: &[u8]) -> Result<(), ReceiveError> {
    let mut opener = Opener::new(record_key(suite, Direction::FromRequester));
    while let Some((head, rest)) = stream.split_first_chunk() {
        let header = opener.header(head)?;
        let Some((body, rest)) = rest.split_at_checked(header.body_len()) else { break };
        let _ = opener.open_in_place(header, &mut body.to_vec())?;
        stream = rest;
    }
    opener.end()
}

fn of_suite(family: &mut Family, suite: Suite) {
    let shown = |records: &[&[u8]]| json!({ "suite": suite.to_byte(), "stream": hex(&records.concat()) });
    let named = |name: &str| format!("{suite:?}: {name}");
    let whole = records(sealer(suite));
    let [a, b, rekey, c, close] = &whole;
    family.accept(&named("the unbroken stream"), shown(&[a, b, rekey, c, close]));
    let mut only = Vec::new();
    sealer(suite).close(&mut only).unwrap();
    family.accept(&named("nothing but a close"), shown(&[&only]));
    let forged = |number| ReceiveError::Forged { number };
    let truncated = |records| ReceiveError::Truncated { records };
    for (name, ids, records, error) in [
        ("the first record dropped", "D2", &[&b[..], rekey, c, close][..], forged(0)),
        ("the second record dropped", "D2", &[a, rekey, c, close], forged(1)),
        ("the rekey dropped", "D2", &[a, b, c, close], forged(2)),
        ("a record repeated", "D2", &[a, a, b], forged(1)),
        ("two records exchanged", "D2", &[b, a, rekey, c, close], forged(0)),
        ("the rekey repeated", "D2", &[a, b, rekey, rekey, c], forged(3)),
        ("the close too early", "D3", &[a, close], forged(1)),
        ("no close", "D3", &[a, b, rekey, c], truncated(4)),
        ("nothing at all", "D3", &[], truncated(0)),
        ("a cut header", "D3", &[a, &b[..3]], truncated(1)),
        ("a cut record", "D3", &[a, &b[..b.len() - 1]], truncated(1)),
        ("a cut close", "D3", &[a, b, rekey, c, &close[..19]], truncated(4)),
        ("a record after the close", "D2", &[a, b, rekey, c, close, a], ReceiveError::Closed),
        ("an unknown kind", "D4", &[&[3, 0, 0, 0], &a[4..]], ReceiveError::Kind(3)),
        ("the kind 255", "D4", &[&[255, 0, 0, 0], &a[4..]], ReceiveError::Kind(255)),
    ] {
        family.refuse(&named(name), ids, shown(records), error);
    }
    for (name, head, len, max) in [
        ("a payload of 65,537 bytes", [0, 1, 0, 1], PAYLOAD_MAX + 1, PAYLOAD_MAX),
        ("a payload of 2^24 - 1 bytes", [0, 255, 255, 255], 0xff_ffff, PAYLOAD_MAX),
        ("a close with a payload", [1, 1, 0, 0], 1, 0),
        ("a rekey with a payload", [2, 1, 0, 0], 1, 0),
    ] {
        family.refuse(&named(name), "D4", shown(&[a, &head]), ReceiveError::TooLong { len, max });
    }
    for (name, at) in [("length", 1), ("ciphertext", 4), ("tag", a.len() - 1)] {
        let mut altered = a.clone();
        altered[at] ^= 1;
        family.refuse(&named(&format!("another {name}")), "C11", shown(&[&altered, b]), forged(0));
    }
    let as_close = [&[1], &b[1..]].concat();
    family.refuse(&named("data passed off as a close"), "D3", shown(&[a, &as_close]), forged(1));
    let as_data = [&[0], &close[1..]].concat();
    family.refuse(&named("a close passed off as data"), "D3", shown(&[a, b, rekey, c, &as_data]), forged(4));
    let mirrored = records(Sealer::new(record_key(suite, Direction::FromProvider), NOW));
    family.refuse(&named("the other direction's record"), "D1", shown(&[&mirrored[0]]), forged(0));
    let other = if suite == Suite::Aes256Gcm { Suite::ChaCha20Poly1305 } else { Suite::Aes256Gcm };
    family.refuse(&named("the other suite's record"), "C12", shown(&[&records(sealer(other))[0]]), forged(0));
    let mut old = sealer(suite);
    let mut stale = Vec::new();
    for record in [&b"order"[..], b"", b"", b"more"] {
        stale.clear();
        old.seal_into(record, &mut stale).unwrap();
    }
    family.refuse(
        &named("a record under the key before the rekey"),
        "D2",
        shown(&[a, b, rekey, &stale]),
        forged(3),
    );
    let other = Sealer::new(RecordKey::first(suite, Direction::FromRequester, &SPLIT, &[3; 32]), NOW);
    family.refuse(&named("another channel's record"), "C10", shown(&[&records(other)[0]]), forged(0));
}
