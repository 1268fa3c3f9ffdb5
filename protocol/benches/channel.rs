//! What a channel costs, beside the bare cryptography that it cannot do without.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;

use aws_lc_rs::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lanyard_protocol::channel::{
    Binding, HEADER_LEN, Initiator, Opened, PAYLOAD_MAX, Psk, RECORD_MAX, Record, Responder, Suites,
};
use lanyard_protocol::identity::{IdentityKey, NodeId, SealingKey, Secret, ServiceName};
use lanyard_protocol::time::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use zeroize::Zeroizing;

const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

fn records(c: &mut Criterion) {
    let mut group = c.benchmark_group("record 64 KiB, seal and open");
    group.throughput(Throughput::Bytes(PAYLOAD_MAX as u64));
    for (name, suites, algorithm) in [
        ("chacha20-poly1305", Suites::PORTABLE, &CHACHA20_POLY1305),
        ("aes-256-gcm", Suites::ALL, &AES_256_GCM),
    ] {
        let mut buffer = vec![0; RECORD_MAX];
        let (mut requester, mut provider) = Parties::new().channel(suites);
        group.bench_function(format!("{name}, channel"), |b| {
            b.iter(|| seal_and_open(&mut requester, &mut provider, &mut buffer));
        });
        let key = LessSafeKey::new(UnboundKey::new(algorithm, &[7; 32]).unwrap());
        group.bench_function(format!("{name}, bare"), |b| b.iter(|| bare(&key, &mut buffer[HEADER_LEN..])));
    }
    group.finish();
}

fn seal_and_open(requester: &mut Opened, provider: &mut Opened, buffer: &mut [u8]) {
    if requester.sealer.rekey_due(NOW) {
        let mut rekey = Vec::new();
        requester.sealer.rekey(NOW, &mut rekey).unwrap();
        let (head, body) = rekey.split_first_chunk_mut().unwrap();
        let header = provider.opener.header(head).unwrap();
        assert_eq!(provider.opener.open_in_place(header, body), Ok(Record::Rekey));
    }
    let len = requester.sealer.seal_in_place(buffer, PAYLOAD_MAX).unwrap();
    let (head, body) = buffer[..len].split_first_chunk_mut().unwrap();
    let header = provider.opener.header(head).unwrap();
    let _ = black_box(provider.opener.open_in_place(header, body).unwrap());
}

/// One pass each way. The nonce repeats, which costs the same and seals nothing that matters.
fn bare(key: &LessSafeKey, body: &mut [u8]) {
    let nonce = || Nonce::assume_unique_for_key([0; 12]);
    let (payload, tag) = body.split_at_mut(PAYLOAD_MAX);
    tag.copy_from_slice(key.seal_in_place_separate_tag(nonce(), Aad::empty(), payload).unwrap().as_ref());
    black_box(key.open_in_place(nonce(), Aad::empty(), body).unwrap());
}

fn handshakes(c: &mut Criterion) {
    let parties = Parties::new();
    let mut group = c.benchmark_group("open a channel");
    group.bench_function("initiator and responder", |b| b.iter(|| black_box(parties.channel(Suites::ALL))));
    let peer = parties.provider_key.public_key();
    group.bench_function("two X25519", |b| {
        b.iter(|| {
            black_box(parties.requester_key.agree(&peer).unwrap());
            black_box(parties.requester_key.agree(&peer).unwrap());
        });
    });
    group.finish();
}

struct Parties {
    requester: NodeId,
    provider: NodeId,
    service: ServiceName,
    requester_key: SealingKey,
    provider_key: SealingKey,
    psk: Psk,
}

impl Parties {
    fn new() -> Self {
        let [requester_key, provider_key] = [4, 5].map(|byte| SealingKey::from_bytes(&[byte; 32]));
        let shared = requester_key.agree(&provider_key.public_key()).unwrap();
        Self {
            requester: IdentityKey::from_seed(&[1; 32]).node_id(),
            provider: IdentityKey::from_seed(&[2; 32]).node_id(),
            service: "stock".parse().unwrap(),
            psk: Psk::derive(&Secret::new(Zeroizing::new([3; 32])), &shared, b"terms"),
            requester_key,
            provider_key,
        }
    }

    /// Both ends of a channel, the requester's first, once its first record has opened.
    fn channel(&self, suites: Suites) -> (Opened, Opened) {
        let rng = &mut ChaCha20Rng::from_seed([6; 32]);
        let binding = Binding {
            for_service: &[7; 900],
            terms: b"terms",
            requester: self.requester,
            provider: self.provider,
            service: &self.service,
        };
        let (initiator, message_1) = Initiator::start(&binding, &self.psk, &self.requester_key, suites, rng);
        let requester = self.requester_key.public_key();
        let responder = Responder::read(&binding, &self.psk, &requester, suites, &message_1, rng).unwrap();
        let (mut unconfirmed, message_2) = responder.accept(suites, NOW).unwrap();
        let mut requester = initiator.finish(&message_2, NOW).unwrap();
        let mut first = Vec::new();
        requester.sealer.seal_into(b"", &mut first).unwrap();
        let (head, body) = first.split_first_chunk_mut().unwrap();
        let header = unconfirmed.header(head).unwrap();
        let (provider, _) = unconfirmed.confirm(header, body).unwrap();
        (requester, provider)
    }
}

criterion_group!(benches, records, handshakes);
criterion_main!(benches);
