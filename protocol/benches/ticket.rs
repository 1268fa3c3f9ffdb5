//! Tickets: minting beside the public-key work that it cannot do without, validating with and without the cache.

#![allow(missing_docs, reason = "criterion's macros make public functions without documentation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "a measurement, like a test"
)]

#[path = "../tests/all/pair.rs"]
mod pair;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lanyard_protocol::access::Policy;
use lanyard_protocol::identity::IdentityKey;
use lanyard_protocol::label::Label;
use lanyard_protocol::seal;
use lanyard_protocol::ticket::{SessionKeyCache, TicketRequest, mint, validate};
use pair::{Lan, rng};

fn tickets(criterion: &mut Criterion) {
    let mut lan = Lan::network(1, 2);
    let grant = lan.open(1, "chat@till-2").unwrap();
    let provider = lan.hosts[2].engine.snapshot();
    let requester = lan.hosts[1].engine.snapshot().certificate().unwrap().clone();
    let service = "chat".parse().unwrap();
    let granted = Policy::starter().grant(&requester, None, &service, &"till-2".parse().unwrap()).unwrap();
    let request = TicketRequest { nonce: [7; 32], service, certificate: requester.digest(), assertion: None };
    let (now, mut rng) = (lan.now, rng(2));

    let mut group = criterion.benchmark_group("ticket");
    group.throughput(Throughput::Elements(1));
    group.bench_function("mint", |bench| {
        bench.iter(|| mint(&provider, black_box(&request), &granted, now, &mut rng).unwrap());
    });
    let identity = IdentityKey::generate(&mut rng);
    group.bench_function("mint, the bound: one HPKE seal and one signature", |bench| {
        bench.iter(|| {
            let sealed =
                seal::seal(requester.sealing_key(), b"info", &[], black_box(&[7; 300]), &mut rng).unwrap();
            (identity.sign(Label::TicketGrant, &[7_u8; 32]), sealed)
        });
    });
    let cache = SessionKeyCache::default();
    let shown = grant.ticket.for_service();
    group.bench_function("validate, in the cache", |bench| {
        bench.iter(|| validate(&provider, &cache, black_box(shown), now).unwrap());
    });
    group.bench_function("validate, seen for the first time", |bench| {
        bench.iter_batched(
            SessionKeyCache::default,
            |cache| validate(&provider, &cache, black_box(shown), now).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, tickets);
criterion_main!(benches);
