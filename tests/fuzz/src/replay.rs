//! The corpus, replayed by `cargo test`. `LANYARD_BLESS=1` writes the seeds that the vectors and the world give.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use lanyard_node::tools::chat::message::{StreamId, ToReceiver, ToSender};
use lanyard_node::tools::file::message::{self as file, Decline, End, Offer, OfferId, Refusal, Reply};
use lanyard_protocol::access::STARTER;
use lanyard_protocol::codec;

use crate::bodies::is_body;
use crate::envelope::{good_header, good_terms, sealed_content};
use crate::export::{good, good_parts};
use crate::world::{NOW, World};
use crate::{TARGETS, envelope, export};

/// How many inputs each target has, so that none is lost unseen.
const COUNTS: [(&str, usize); TARGETS.len()] = [
    ("audit_line", 5),
    ("authority", 65),
    ("body", 121),
    ("certificate", 65),
    ("certificate_request", 64),
    ("chat_message", 41),
    ("export", 30),
    ("file_message", 56),
    ("grant", 64),
    ("grant_half", 41),
    ("handshake", 36),
    ("invitation", 64),
    ("kept_ticket", 41),
    ("machine", 94),
    ("names", 48),
    ("pem", 42),
    ("policy", 4),
    ("preamble", 47),
    ("record_stream", 42),
    ("records", 52),
    ("reply", 4),
    ("request", 74),
    ("response", 71),
    ("sealed_content", 22),
    ("sealed_header", 26),
    ("signed_certificate", 64),
    ("store", 52),
    ("ticket", 65),
];

/// Targets whose inputs say what to do rather than what to decode.
const SCRIPTS: [&str; 4] = ["machine", "records", "sealed_content", "store"];

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// D11, B9, B10, C11, D4: every input that a decoder ever met is met again.
#[test]
fn every_input_of_the_corpus_is_harmless() {
    bless();
    let mut counts = TARGETS.map(|(name, _)| (name, 0));
    for ((name, target), (_, count)) in TARGETS.iter().zip(&mut counts) {
        let mut inputs: Vec<PathBuf> =
            fs::read_dir(corpus(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        for input in inputs {
            eprintln!("{}", input.display());
            target(&fs::read(&input).unwrap());
            *count += 1;
        }
    }
    assert_eq!(counts, COUNTS);
}

/// A target that has no program, or that no list names, is a target that nobody runs.
#[test]
fn every_target_has_a_program_and_a_corpus() {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let names = TARGETS.map(|(name, _)| name.to_owned());
    let listed = |dir: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(here.join(dir)).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let wanted = BTreeSet::from(names.clone());
    assert_eq!(listed("fuzz/targets"), wanted);
    assert_eq!(listed("corpus"), wanted);
    let manifest = fs::read_to_string(here.join("fuzz/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let programs = manifest["bin"].as_array().unwrap().iter();
    let programs: BTreeSet<&str> = programs.map(|program| program["name"].as_str().unwrap()).collect();
    assert_eq!(programs, wanted.iter().map(String::as_str).collect());
    for name in names {
        let program = fs::read_to_string(here.join(format!("fuzz/targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("lanyard_fuzz::{name}(data)")), "{program}");
    }
}

/// Recordings of a format that has changed since are refused at once, and the fuzzer finds nothing behind them.
#[test]
fn the_corpus_has_the_seeds_of_today() {
    bless();
    for (name, seeds) in seeds() {
        for (number, seed) in seeds.iter().enumerate() {
            let kept = fs::read(seed_file(name, number)).unwrap_or_default();
            assert!(&kept == seed, "{name}, seed {number}: LANYARD_BLESS=1 writes it anew");
        }
    }
}

/// What is refused from its first byte on would hide everything behind it.
#[test]
fn what_the_fuzzer_starts_from_is_believed() {
    for body in bodies() {
        assert!(is_body(&body), "{}", String::from_utf8_lossy(&body));
    }
    let exported = export::read(good()).unwrap();
    assert_eq!(exported.id, World::get().member_id);
    for header in [good_header().to_vec(), envelope::signed(good_terms())] {
        assert_eq!(header, good_header());
        lanyard_protocol::envelope::open(&World::get().provider, &header, NOW).unwrap();
    }
    sealed_content(b"");
}

/// B10, C11, D4: and with each byte of it changed or missing, those that are short.
#[test]
fn every_byte_of_the_corpus_may_change() {
    bless();
    let mut runs = 0_usize;
    for (name, target) in TARGETS.iter().filter(|(name, _)| !SCRIPTS.contains(name)) {
        for entry in fs::read_dir(corpus(name)).unwrap().take(12) {
            let input = fs::read(entry.unwrap().path()).unwrap();
            for at in (0..input.len()).step_by(input.len() / 40 + 1) {
                let mut altered = input.clone();
                altered[at] ^= 1 << (at % 8);
                target(&altered);
                target(&input[..at]);
                runs += 2;
            }
        }
    }
    assert!(runs > 1_000, "{runs}");
}

/// Runs of the state machine where nobody says for how long.
const RUNS: u64 = 300;

/// The most bytes of a run: what is beyond the last step is not looked at.
const RUN_BYTES: usize = 640;

/// D11: whole engines are told what strangers have heard others say, altered or not, in any order and state: for
/// `LANYARD_FUZZ_SECONDS`, or for a few hundred runs. The runs have numbers, and the same number is the same run.
#[test]
#[expect(clippy::disallowed_methods, reason = "for how long is said in real time")]
fn whatever_is_said_in_any_state_is_harmless() {
    let seconds = std::env::var("LANYARD_FUZZ_SECONDS").ok().map(|text| text.parse().unwrap());
    let (start, limit) = (Instant::now(), seconds.map(Duration::from_secs));
    let goes_on = |number| limit.map_or(number < RUNS, |limit| start.elapsed() < limit);
    let mut number = 0;
    while goes_on(number) {
        let mut input = vec![0; RUN_BYTES];
        ChaCha8Rng::seed_from_u64(number).fill_bytes(&mut input);
        let kept = Kept(&input, number);
        crate::machine(&input);
        drop(kept);
        number += 1;
        if number.is_multiple_of(100_000) {
            eprintln!("{number} runs in {:?}", start.elapsed());
        }
    }
    eprintln!("{number} runs in {:?}", start.elapsed());
}

/// An input, which is kept if it is a finding.
struct Kept<'a>(&'a [u8], u64);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let path = std::env::temp_dir().join(format!("lanyard-machine-{}", self.1));
            let _ = fs::write(&path, self.0);
            eprintln!("found by run {}: {}", self.1, path.display());
        }
    }
}

fn bless() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    if std::env::var_os("LANYARD_BLESS").is_some() {
        ONCE.call_once(write_seeds);
    }
}

fn seed_file(target: &str, number: usize) -> PathBuf {
    corpus(target).join(format!("seed-{number:03}"))
}

fn write_seeds() {
    for (name, seeds) in seeds() {
        fs::create_dir_all(corpus(name)).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(seed_file(name, number), seed).unwrap();
        }
    }
}

/// Bytes that stand under `field` in the vectors of `file`.
fn vectors(file: &str, field: &str) -> Vec<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../protocol/vectors").join(file);
    let file: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let decode = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let cases = file["cases"].as_array().unwrap().iter();
    let mut found: Vec<Vec<u8>> = if field == "text" {
        cases.map(|case| case["text"].as_str().unwrap().as_bytes().to_vec()).collect()
    } else {
        cases.filter_map(|case| case[field].as_str()).map(decode).collect()
    };
    found.retain(|bytes| bytes.len() <= 2100);
    // The unbroken ones come first; of the broken ones some are enough, for the fuzzer finds the rest.
    found.truncate(24);
    found
}

/// A stranger and a member, who ask everything that was ever asked, of each kind of node.
fn everything_asked() -> Vec<Vec<u8>> {
    let requests = u8::try_from(World::get().requests.len()).unwrap();
    let asked = |node: u8, how: u8| {
        let steps = (0..requests).flat_map(|which| [1, 9, how, which, 0]);
        [node].into_iter().chain(steps).collect()
    };
    [3, 5].into_iter().flat_map(|how| [0, 1, 2].map(|node| asked(node, how))).collect()
}

/// Each seed as it is, cut short twice, and with one bit of it wrong in two places.
fn with_faults(seeds: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let faults = |seed: Vec<u8>| {
        let flipped = |at: usize| {
            let mut bytes = seed.clone();
            bytes[at] ^= 1 << (at % 8);
            bytes
        };
        let last = seed.len() - 1;
        let faulty =
            [seed[..last / 2 + 1].to_vec(), seed[..last].to_vec(), flipped(last / 3 + 1), flipped(last)];
        [vec![seed], faulty.to_vec()].concat()
    };
    seeds.into_iter().flat_map(faults).collect()
}

/// A message of each kind that chats know: to the receiver, and to the sender.
fn chat_messages() -> Vec<Vec<u8>> {
    let text = |text: &str| {
        let (at, text) = (NOW, text.to_owned());
        [vec![0], codec::encode(&ToReceiver::Text { number: 70_000, at, text })].concat()
    };
    let hello = ToReceiver::Hello { stream: StreamId([7; 16]) };
    vec![
        [vec![0], codec::encode(&hello)].concat(),
        text("Guten Morgen, \u{2615}?"),
        text(""),
        [vec![1], codec::encode(&ToSender::Welcome { received: 250 })].concat(),
        [vec![1], codec::encode(&ToSender::Stored { number: u64::MAX })].concat(),
    ]
}

/// A message of each kind that file transfers know.
fn file_messages() -> Vec<Vec<u8>> {
    let offer = |name: &str| {
        let (id, name) = (OfferId([7; 16]), name.to_owned());
        [vec![0], codec::encode(&Offer { version: file::VERSION, id, name, size: 1 << 33 })].concat()
    };
    let reply = |reply: Reply| [vec![2], codec::encode(&reply)].concat();
    vec![
        offer("report.pdf"),
        offer("../../etc/\u{1b}passwd"),
        offer("\u{202e}fdp.exe"),
        [vec![1], codec::encode(&End::Complete { blake3: [9; 32] })].concat(),
        [vec![1], codec::encode(&End::Changed)].concat(),
        reply(Reply::Accept),
        reply(Reply::Decline(Decline::NoRoom)),
        reply(Reply::Failed(Refusal::Size { declared: 300, actual: 0 })),
    ]
}

/// A body of each kind, in the order of the targets' list.
fn bodies() -> Vec<Vec<u8>> {
    let id = World::get().member_id.to_string();
    let words = [
        r#"{"network":"shop.lan","name":"office","admission":"guid+approval,invite","password":"violet harbour till four","weak":true}"#.to_owned(),
        r#"{"invite":"7-harbour-violet","name":"till","network":null,"trust_first":true,"replace":true}"#.to_owned(),
        r#"{"uses":3,"ttl_s":86400}"#.to_owned(),
        r#"{"peer":"till","wait_ms":500,"reason":"stolen \u001b[2J"}"#.to_owned(),
        r#"{"password":" pa\u0308sse \u00e9 ","weak":false}"#.to_owned(),
        format!(r#"{{"guid":"{}","name":"till"}}"#, "5b".repeat(32)),
        r#"{"id":"00c0ffee","approve":true}"#.to_owned(),
        r#"{"accept":false}"#.to_owned(),
        r#"{"peer":"till-3","text":"hi\n\ud83d\ude00"}"#.to_owned(),
        r#"{"peer":"till","path":"/srv/a b.pdf","name":null}"#.to_owned(),
        format!(r#"{{"into":"/srv","from":["till","{id}"],"yes":false,"once":true}}"#),
        r#"{"accept":true,"more":[[[{}]]]}"#.to_owned(),
        format!(r#"{{"to":["office","{id}"]}}"#),
        r#"{"header":"bGFueWFyZC9zZWFsZWQvMQ=="}"#.to_owned(),
        r#"{"path":"/srv/state","passphrase":"correct horse"}"#.to_owned(),
        r##"{"text":"version = 1 # ours\n"}"##.to_owned(),
        r#"{"who":"ana@till","service":"chat@office"}"#.to_owned(),
        r#"{"service":"chat@office","from":"till","as":"ana%till"}"#.to_owned(),
        r#""open+approval,password""#.to_owned(),
        format!(r#""{id}""#),
        r#""chat@office""#.to_owned(),
    ];
    (0..).zip(words).map(|(kind, json): (u8, String)| [&[kind], json.as_bytes()].concat()).collect()
}

/// Policies: the starter, one with all that the grammar has, and two with a mistake in them.
fn policies() -> Vec<Vec<u8>> {
    let all = "version = 1\n[roles]\nmember = []\nchief = [\"service.use\"]\n[[grant]]\nto = [\"role:chief\", \"user:ana%till\", \
               \"guest\"]\nservice = [\"chat@*\", \"door@gate\"]\nlimits = { max_ticket = \"8h\", online_check = \"prefer\" }\n\
               [[tests]]\nwho = \"ana@till+role:chief\"\nallow = [\"chat@nas\"]\ndeny = [\"door@nas\"]\n";
    let wrong = [
        "version = 1\n\"\\u001b[2J\" = 3\n",
        "version = 1\n[[grant]]\nto = [\"node:\\u001b\"]\nservice = []\n",
    ];
    [STARTER, all].into_iter().chain(wrong).map(|text| text.as_bytes().to_vec()).collect()
}

/// An export as it is, its parts, and scripts that alter the records in it.
fn exports() -> Vec<Vec<u8>> {
    let part = |part: Vec<u8>| [&u16::try_from(part.len()).unwrap().to_le_bytes(), &part[..]].concat();
    let parts: Vec<Vec<u8>> = good_parts().into_iter().map(part).collect();
    let scripts = (0..4_u8).map(|number| (0..24).map(|at: u8| at.wrapping_mul(number * 2 + 1)).collect());
    let scripts: Vec<Vec<u8>> = scripts.map(|script: Vec<u8>| [vec![2], script].concat()).collect();
    [with_faults(vec![[&[0], good()].concat(), [vec![1], parts.concat()].concat()]), scripts].concat()
}

fn seeds() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let (world, good) = (World::get(), crate::certificates::good());
    let leaves = vectors("certificate/leaf.json", "certificate");
    let signed =
        leaves.iter().filter(|der| der.len() > 100).map(|der| der[4..der.len() - 74].to_vec()).collect();
    let marked = |first: u8, messages: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
        messages.iter().map(|message| [&[first], &message[..]].concat()).collect()
    };
    let handshakes = [
        marked(0, vectors("channel/message_1.json", "message_1")),
        marked(1, vectors("channel/message_2.json", "message_2")),
    ];
    let pem = ["ca.pem", "leaf.pem"].map(|name| {
        fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../protocol/vectors/certificate").join(name))
            .unwrap()
    });
    let names = [
        "till-3",
        "shop.lan",
        "chat@office",
        "2026-11-21T09:30:00Z",
        "chat@*",
        "",
        "till\u{1b}[2J",
        "10.0.0.1",
    ];
    let steps = |first: u8| -> Vec<Vec<u8>> {
        (0..12_u8)
            .map(|number| (0..90).map(|at: u8| at.wrapping_mul(number * 2 + 1) ^ first).collect())
            .collect()
    };
    vec![
        ("body", with_faults(bodies())),
        ("chat_message", with_faults(chat_messages())),
        ("export", exports()),
        ("file_message", with_faults(file_messages())),
        ("sealed_content", (0..6).map(|first| steps(first)[usize::from(first)][..30].to_vec()).collect()),
        ("sealed_header", with_faults(vec![[&[0], good_header()].concat(), [&[1], good_terms()].concat()])),
        ("audit_line", with_faults(vec![crate::audit::good_line()])),
        ("authority", [vec![good.0], vectors("certificate/ca.json", "certificate")].concat()),
        ("certificate", [vec![good.1], leaves].concat()),
        ("certificate_request", vectors("certificate/request.json", "request")),
        ("grant", vectors("ticket/grant.json", "grant")),
        ("grant_half", vec![world.channel.ticket.terms().encoded()]),
        ("handshake", handshakes.concat()),
        ("invitation", vectors("control/invitation.json", "text")),
        ("kept_ticket", vec![world.channel.ticket.to_record()]),
        ("machine", [steps(0), everything_asked()].concat()),
        ("names", names.map(|name| name.as_bytes().to_vec()).to_vec()),
        ("pem", pem.to_vec()),
        ("policy", policies()),
        ("preamble", vectors("channel/preamble.json", "preamble")),
        ("record_stream", vectors("channel/record.json", "stream")),
        ("records", steps(1)),
        ("reply", vec![vec![0], [&[1][..], &[9; 49]].concat(), vec![2]]),
        ("request", [vectors("control/request.json", "frame"), world.requests.clone()].concat()),
        ("response", [vectors("control/response.json", "frame"), world.responses.clone()].concat()),
        ("signed_certificate", signed),
        ("store", steps(2)),
        (
            "ticket",
            [
                vec![world.channel.ticket.for_service().to_vec()],
                vectors("ticket/for_service.json", "for_service"),
            ]
            .concat(),
        ),
    ]
}
