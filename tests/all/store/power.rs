//! Power cuts at any moment, on a real file system: a hundred in all.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use lanyard_node::store::Store;
use lanyard_protocol::record::Table;
use lanyard_tests::{Host, Member, Process};

use super::ledger::{Chance, Ledger, Order};

/// F2, R-C3: what a store acknowledged survives a power cut, a commit is there as a whole or not at all, and the store
/// opens, also after a cut in its first start.
#[test]
fn a_power_cut_loses_nothing_that_the_store_acknowledged() {
    let Some(host) = Host::new("disk").on_power_disk(32) else { return };
    let (place, disk) = (host.state(), host.power_disk());
    let mut chance = Chance::new();
    let (mut acknowledged, mut cut_short) = (0, 0);
    let mut said = BTreeSet::new();
    for cycle in 0..85_u64 {
        let first_start = cycle % 4 == 0;
        let state = place.join(format!("state{}", cycle / 4));
        if first_start {
            said.clear();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_lanyard-store-writer"));
        command.arg(&state).arg((cycle * 1_000_000).to_string());
        let process = Process::start(command);
        chance.pass(if first_start { 15 } else { 120 });
        process.freeze();
        disk.cut();
        let output = process.kill9();
        cut_short += usize::from(!output.stdout().starts_with("open"));
        said.extend(output.stdout().lines().skip(1).map(|line| line.parse::<u64>().unwrap()));
        disk.again();
        acknowledged += check(&state, &said);
        if cycle % 4 == 3 {
            fs::remove_dir_all(&state).unwrap();
        }
    }
    eprintln!("{acknowledged} acknowledged commits looked at, {cut_short} starts cut short");
    assert!(acknowledged > 1000, "only {acknowledged} commits were looked at");
}

/// What is in the store, which has to be all that was said, each commit as a whole; how many commits those are.
fn check(state: &Path, said: &BTreeSet<u64>) -> usize {
    let store = Store::open(state).unwrap_or_else(|error| panic!("{error}\n{}", error.remedy()));
    let loaded = store.load(&[Table::Chat, Table::Outbox, Table::Peers]).unwrap();
    assert!(loaded.damaged.is_empty(), "{:?}", loaded.damaged);
    let numbers = |table| -> BTreeSet<u64> {
        let records = loaded.records.iter().filter(|record| record.table == table);
        records.map(|record| u64::from_be_bytes(record.key[..].try_into().unwrap())).collect()
    };
    let there = numbers(Table::Chat);
    assert_eq!(there, numbers(Table::Outbox), "half a commit");
    let lost: Vec<_> = said.difference(&there).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let last = loaded.records.iter().find(|record| record.table == Table::Peers);
    assert_eq!(last.is_some(), !there.is_empty(), "half a commit");
    said.len()
}

/// F2, R-C3: the same of a whole node, from its first start on.
#[test]
fn a_power_cut_takes_nothing_from_a_node_that_it_acknowledged() {
    let Some(host) = Host::new("alice").on_power_disk(64) else { return };
    let mut chance = Chance::new();
    found(&host, &mut chance);
    let mut alice = Member { node: host.up(), host };
    let [_bob, _carol] = ["bob", "carol"].map(|name| alice.admit(name));
    let mut ledger = Ledger::default();
    for _ in 0..10 {
        let given: Vec<_> = (0..4).map(|_| Order::give_any(&alice.host, &mut chance)).collect();
        chance.pass(200);
        alice.node.freeze();
        alice.host.power_disk().cut();
        let _ = alice.node.kill9();
        given.into_iter().for_each(|given| drop(given.note(&mut ledger)));
        ledger.several();
        alice.host.power_disk().again();
        ledger.check(&alice.host.state());
        alice.node = alice.host.up();
    }
    assert!(ledger.count >= 5, "hardly anything was acknowledged: {ledger:?}");
}

/// Cuts the power in the first start of a node, five times.
fn found(host: &Host, chance: &mut Chance) {
    let disk = host.power_disk();
    let init = ["init", "shop.lan", "--name", host.name()];
    for _ in 0..5 {
        let process = host.start(init);
        chance.pass(25);
        process.freeze();
        disk.cut();
        let first = process.kill9();
        disk.again();
        let whole = host.run(["cert", "export"]).code() == Some(0);
        assert!(whole || first.code() != Some(0), "acknowledged and lost\n{first}");
        if host.state().join("db").exists() {
            Ledger::default().check(&host.state());
        }
    }
    if host.run(["cert", "export"]).code() != Some(0) {
        let _ = host.run(init).ok();
    }
}
