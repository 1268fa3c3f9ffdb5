//! Acknowledged commits a second, beside what the disk allows: a plain file that is appended to and synced.

use std::fs::File;
use std::io::Write as _;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lanyard_node::store::Store;
use lanyard_protocol::record::{Table, Write};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Tasks that commit at the same time, each waiting for its answer before it commits again.
const COMMITTERS: u64 = 64;
const VALUE: usize = 200;

fn store(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(COMMITTERS));
    concurrent_commits(&mut group);
    group.throughput(Throughput::Elements(1));
    one_committer(&mut group);
    appended_and_synced(&mut group);
    group.finish();
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

/// One iteration is one acknowledged commit by each of the committers.
#[expect(clippy::unwrap_used, reason = "a bench that fails may panic")]
#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn concurrent_commits(group: &mut Group<'_>) {
    let (state, runtime) = (TempDir::new().unwrap(), Runtime::new().unwrap());
    let store = Store::open(state.path()).unwrap();
    group.bench_function("64 committers", |bencher| {
        bencher.iter_custom(|rounds| {
            let start = Instant::now();
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for committer in 0..COMMITTERS {
                    let store = store.clone();
                    tasks.spawn(async move {
                        for round in 0..rounds {
                            store.commit(vec![write(committer, round)]).await.unwrap();
                        }
                    });
                }
                while let Some(done) = tasks.join_next().await {
                    done.unwrap();
                }
            });
            start.elapsed()
        });
    });
}

#[expect(clippy::unwrap_used, reason = "a bench that fails may panic")]
fn one_committer(group: &mut Group<'_>) {
    let state = TempDir::new().unwrap();
    let store = Store::open(state.path()).unwrap();
    let mut round = 0;
    group.bench_function("1 committer", |bencher| {
        bencher.iter(|| {
            round += 1;
            store.commit_blocking(vec![write(0, round)]).unwrap();
        });
    });
}

/// The bound for one committer, and for as many as are not served together.
#[expect(clippy::unwrap_used, reason = "a bench that fails may panic")]
fn appended_and_synced(group: &mut Group<'_>) {
    let state = TempDir::new().unwrap();
    let mut file = File::create(state.path().join("log")).unwrap();
    group.bench_function("plain append and fsync", |bencher| {
        bencher.iter(|| {
            file.write_all(&[7; VALUE]).unwrap();
            file.sync_all().unwrap();
        });
    });
}

/// Keys come round again, so that the database has the size of a real one.
fn write(committer: u64, round: u64) -> Write {
    let key = [committer.to_be_bytes(), (round % 100).to_be_bytes()].concat();
    Write::set(Table::Peers, key, vec![7; VALUE])
}

criterion_group!(benches, store);
criterion_main!(benches);
