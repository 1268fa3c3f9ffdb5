//! The corpus, replayed by `cargo test`. `LANYARD_BLESS=1` adds the seeds that the vectors and the world give.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::TARGETS;
use crate::world::World;

/// How many inputs each target has, so that none is lost unseen.
const COUNTS: [usize; TARGETS.len()] =
    [49, 49, 48, 48, 25, 36, 48, 25, 78, 32, 26, 47, 42, 36, 4, 58, 55, 48, 36, 49];

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// D11, B9, B10, C11, D4: every input that a decoder ever met is met again.
#[test]
fn every_input_of_the_corpus_is_harmless() {
    bless();
    let mut counts = [0; TARGETS.len()];
    for ((name, target), count) in TARGETS.iter().zip(&mut counts) {
        let mut inputs: Vec<PathBuf> =
            fs::read_dir(corpus(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        for input in inputs {
            eprintln!("{}", input.display());
            target(&fs::read(&input).unwrap());
            *count += 1;
        }
    }
    assert_eq!(counts, COUNTS, "in the order of TARGETS");
}

/// B10, C11, D4: and with each byte of it changed or missing, those that are short.
#[test]
fn every_byte_of_the_corpus_may_change() {
    bless();
    let mut runs = 0_usize;
    for (name, target) in TARGETS.iter().filter(|(name, _)| !["machine", "store", "records"].contains(name)) {
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

fn write_seeds() {
    for (name, seeds) in seeds() {
        fs::create_dir_all(corpus(name)).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(corpus(name).join(format!("seed-{number:03}")), seed).unwrap();
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
