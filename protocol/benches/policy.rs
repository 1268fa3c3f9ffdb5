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

/// People, roles, nodes and grants of a large network.
const USERS: usize = 10_000;
const ROLES: usize = 200;
const NODES: usize = 5_000;
const GRANTS: usize = 1_000;

/// A network with 200 roles and 1,000 grants: to a role, to a role at one node, and to single people.
fn network() -> Policy {
    let mut text = "version=1\n[roles]\nmember=['service.use']\n".to_owned();
    for role in 0..ROLES {
        writeln!(text, "r{role}=['service.use']").unwrap();
    }
    for grant in 0..GRANTS {
        let (role, service, provider) = (grant % ROLES, grant % 50, grant % 97);
        let to = match grant % 4 {
            0 => format!("'role:r{role}','node:n{}'", grant * 5 % NODES),
            1 => format!("'user:u{}'", grant * 10 % USERS),
            _ => format!("'role:r{role}'"),
        };
        writeln!(text, "[[grant]]\nto=[{to}]\nservice=['s{service}@p{provider}']").unwrap();
    }
    Policy::parse(&text, 1).unwrap()
}

/// Everyone of 10,000 people, each with three roles, at one of 5,000 nodes, asks for one service after the other.
fn people(criterion: &mut Criterion) {
    let policy = network();
    let subjects: Vec<Subject> = (0..USERS)
        .map(|user| {
            let roles = [user, user * 7 + 1, user * 13 + 2].map(|role| format!("role:r{}", role % ROLES));
            format!("u{user}@n{}+entity:shop+{}", user % NODES, roles.join("+")).parse().unwrap()
        })
        .collect();
    let services: Vec<ServiceName> = (0..50).map(|service| format!("s{service}").parse().unwrap()).collect();
    let providers: Vec<NodeName> = (0..97).map(|provider| format!("p{provider}").parse().unwrap()).collect();
    let ask = |number: usize| {
        let (subject, service) = (&subjects[number % USERS], &services[number % 50]);
        policy.decide(black_box(subject), black_box(service), &providers[number % 97]).is_some()
    };
    let granted = (0..USERS * 97).filter(|number| ask(*number)).count();
    assert!(granted > 100 && granted < USERS * 97 / 2, "{granted} of all are granted");
    let mut number = 0;
    criterion.bench_function("policy, 10,000 users, 200 roles, 5,000 nodes, 1,000 grants", |bench| {
        bench.iter(|| {
            number += 1;
            ask(number)
        });
    });
}

criterion_group!(benches, decisions, people);
criterion_main!(benches);
