//! Certificates issued, verified and requested per second, on one core.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lanyard_protocol::certificate::{
    LEAF_LIFE, Role, Subject, TrustAnchor, Validity, issue_ca, issue_leaf, request, verify,
};
use lanyard_protocol::identity::{CaKey, Fingerprint, IdentityKey, NetworkName, SealingKey};
use lanyard_protocol::time::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

#[expect(clippy::unwrap_used, reason = "a measurement of what does not work is worth nothing")]
fn certificates(criterion: &mut Criterion) {
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let now = Timestamp::from_secs(1_795_253_400);
    let network: NetworkName = "shop.lan".parse().unwrap();
    let ca_key = CaKey::generate(&mut rng);
    let (identity, sealing) = (IdentityKey::generate(&mut rng), SealingKey::generate(&mut rng));
    let ca = issue_ca(&ca_key, &network, now, &mut rng).unwrap();
    let anchor = TrustAnchor::new(ca, Fingerprint::of(&ca_key.public_key()), network.clone()).unwrap();
    let validity = Validity::starting(now, LEAF_LIFE).unwrap();
    let subject = Subject {
        name: "till".parse().unwrap(),
        network,
        entity: "shop".parse().unwrap(),
        role: Role::Member,
        node: identity.node_id(),
        sealing: sealing.public_key(),
    };
    let leaf = issue_leaf(&ca_key, &anchor, subject.clone(), validity, &mut rng).unwrap();
    let csr = request::create(&identity, &sealing.public_key(), &subject.name);

    let mut group = criterion.benchmark_group("certificate");
    group.throughput(Throughput::Elements(1));
    group.bench_function("issue", |bench| {
        bench.iter(|| issue_leaf(&ca_key, &anchor, subject.clone(), validity, &mut rng).unwrap());
    });
    group.bench_function("verify", |bench| bench.iter(|| verify(&anchor, &leaf, now).unwrap()));
    group.bench_function("request", |bench| {
        bench.iter(|| request::create(&identity, &sealing.public_key(), &subject.name));
    });
    group.bench_function("verify request", |bench| bench.iter(|| request::verify(&csr).unwrap()));
    group.finish();
}

criterion_group!(benches, certificates);
criterion_main!(benches);
