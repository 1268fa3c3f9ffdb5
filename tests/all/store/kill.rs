//! `kill -9` at any moment: a hundred kills in all.

use lanyard_tests::{Host, Member, SOON};

use super::ledger::{Chance, Ledger, Order};

/// F1, R-C3: a node that is killed while it serves has everything that it acknowledged when it is started again.
#[test]
fn killed_while_it_serves_loses_nothing_that_it_acknowledged() {
    let mut chance = Chance::new();
    let mut ledger = Ledger::default();
    let mut alice = Member::authority("alice");
    let [_bob, _carol] = ["bob", "carol"].map(|name| alice.admit(name));
    for round in 0..50 {
        if round % 2 == 0 {
            let given: Vec<_> = (0..4).map(|_| Order::give_any(&alice.host, &mut chance)).collect();
            chance.pass(200);
            let _ = alice.node.kill9();
            given.into_iter().for_each(|given| drop(given.note(&mut ledger)));
            ledger.several();
        } else {
            // The moment in which it has just been said.
            let _ = Order::give_any(&alice.host, &mut chance).note(&mut ledger);
            let _ = alice.node.kill9();
        }
        ledger.check(&alice.host.state());
        alice.node = alice.host.up();
    }
    assert!(ledger.count >= 20, "hardly anything was acknowledged: {ledger:?}");
}

/// F1: a node that is killed while it starts, starts the next time.
#[test]
fn killed_while_it_starts_starts_again() {
    let mut chance = Chance::new();
    let alice = Member::authority("alice");
    let mut ledger = Ledger::default();
    for _ in 0..4 {
        let _ = Order::give_any(&alice.host, &mut chance).note(&mut ledger);
    }
    let host = alice.host;
    let _ = alice.node.kill9();
    for _ in 0..15 {
        let starting = host.start(host.up_arguments());
        chance.pass(40);
        let _ = starting.kill9();
        ledger.check(&host.state());
    }
    let _node = host.up();
    let _ = host.run(["cert", "show"]).ok();
}

/// F1, R-C1: a first start that is killed leaves what the next one completes: no network, or a whole one.
#[test]
fn killed_in_its_first_start_founds_a_network_later() {
    let mut chance = Chance::new();
    let (mut whole, mut none) = (0, 0);
    for round in 0..20 {
        let host = Host::new(&format!("shop{round}"));
        let init = ["--json", "init", "shop.lan", "--name", host.name()];
        let first = host.start(init);
        chance.pass(25);
        let first = first.kill9();
        let again = host.run(init);
        match (first.code(), again.code()) {
            // It was there already, acknowledged or about to be.
            (_, Some(1)) => whole += 1,
            (None, Some(0)) => none += 1,
            _ => panic!("{first}{again}"),
        }
        let shown = host.run(["--json", "ca", "show"]).ok().json();
        let printed = if first.code() == Some(0) { first.json() } else { shown.clone() };
        assert_eq!(shown["fingerprint"], printed["fingerprint"]);
        Ledger::default().check(&host.state());
    }
    eprintln!("{whole} were there already, {none} were not");
}

/// F1: a restore that is killed leaves no state or a whole one, and an export that is killed none of its name or a whole
/// one.
#[test]
fn killed_while_it_restores_has_all_or_nothing() {
    let mut chance = Chance::new();
    let alice = Member::authority("alice");
    let fingerprint = alice.host.run(["--json", "ca", "show"]).ok().json()["fingerprint"].clone();
    let _ = alice.node.stop();
    let mut whole = None;
    for round in 0..10 {
        let file = alice.host.path(&format!("{round}.export"));
        let path = file.to_str().unwrap();
        let exporting = alice.host.start(["state", "export", path]);
        chance.pass(25);
        let exported = exporting.kill9();
        assert!(exported.code() != Some(0) || file.exists(), "{exported}");
        if file.exists() {
            let _ = alice.host.run(["state", "verify", path]).ok();
            whole = Some(file);
        }
    }
    let file = whole.unwrap_or_else(|| alice.host.path("whole.export"));
    let path = file.to_str().unwrap();
    if !file.exists() {
        let _ = alice.host.run(["state", "export", path]).ok();
    }
    for round in 0..10 {
        let host = Host::new(&format!("copy{round}"));
        let restoring = host.start(["state", "restore", path]);
        chance.pass(40);
        let first = restoring.kill9();
        let again = host.run(["state", "restore", path]);
        assert!(
            again.code() == Some(0) || (first.code() != Some(1) && again.code() == Some(1)),
            "{first}{again}"
        );
        assert_eq!(host.run(["--json", "ca", "show"]).ok().json()["fingerprint"], fingerprint);
        Ledger::default().check(&host.state());
    }
}

/// A4: an invite that two redeem while one of the three is killed admits one of them at most.
#[test]
fn an_invite_admits_one_whoever_is_killed() {
    let mut chance = Chance::new();
    let mut alice = Member::authority("alice");
    let mut admitted = 0;
    for round in 0..15 {
        let uri = alice.invite_uri();
        let hosts = [Host::new(&format!("till{round}")), Host::new(&format!("desk{round}"))];
        let mut joining: Vec<_> =
            hosts.iter().map(|host| host.start(["join", &uri, "--name", host.name()])).collect();
        chance.pass(80);
        let victim = chance.below(3);
        if victim == 2 {
            let _ = alice.node.kill9();
            alice.node = alice.host.up();
        } else {
            let _ = joining.remove(victim as usize).kill9();
        }
        joining.into_iter().for_each(|process| drop(process.ends(SOON * 2)));
        // Both try once more.
        let members = hosts.iter().filter(|host| {
            let again = host.run(["join", &uri, "--name", host.name()]);
            let certificate = host.run(["cert", "export"]).code() == Some(0);
            assert!(certificate || again.code() != Some(0), "joined without a certificate\n{again}");
            certificate
        });
        let members = members.count();
        assert!(members <= 1, "one invite, {members} certificates");
        admitted += members;
    }
    let host = alice.host;
    let _ = alice.node.kill9();
    Ledger::default().check(&host.state());
    assert!(admitted >= 5, "only {admitted} of 15 invites admitted anybody");
}
