//! What a decision costs in a network with as many grants as a policy may have.

#![allow(missing_docs, reason = "criterion's macros make public functions without documentation")]
#![allow(clippy::unwrap_used, reason = "a measurement, like a test")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use lanyard_protocol::access::{GRANTS_MAX, Policy, Subject};
use lanyard_protocol::identity::{NodeName, ServiceName};

/// Every till may use its own service of the back office, and the last one may chat.
fn large() -> Policy {
    let mut text = "version=1\n[roles]\nmember=['service.use']\n".to_owned();
    for till in 0..GRANTS_MAX - 1 {
        writeln!(text, "[[grant]]\nto=['node:t{till}']\nservice=['s{till}@b']").unwrap();
    }
    text.push_str("[[grant]]\nto=['role:member']\nservice=['chat@*']\n");
    Policy::parse(&text, 1).unwrap()
}

fn decisions(criterion: &mut Criterion) {
    let policy = large();
    let till: Subject = "node:t500+entity:shop".parse().unwrap();
    let provider: NodeName = "b".parse().unwrap();
    let mut group = criterion.benchmark_group("policy, 1,024 grants");
    for (name, service, granted) in [
        ("granted to one node", "s500", true),
        ("granted to every member", "chat", true),
        ("denied", "s501", false),
    ] {
        let service: ServiceName = service.parse().unwrap();
        assert_eq!(policy.decide(&till, &service, &provider).is_some(), granted);
        group.bench_function(name, |bench| {
            bench.iter(|| policy.decide(black_box(&till), black_box(&service), &provider).is_some());
        });
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
