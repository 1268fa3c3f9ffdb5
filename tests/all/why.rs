//! Why a service can be used, or cannot, as users see it: one test for each link, from both sides.

use std::process::Command;
use std::time::Duration;

use lanyard_tests::{Host, Lan, Member, Output, Process, SOON, WallClock, program, wait_for};
use serde_json::Value;

const LINKS: [&str; 7] = ["discovery", "reachability", "certificate", "login", "policy", "ticket", "channel"];

/// Everybody may use a service that nobody offers, and nobody the other one; chat asks the authority first.
const STOCK: &str = r#"version = 1
[roles]
member = ["service.use"]
[[grant]]
to      = ["role:member"]
service = ["stock@carol", "chat@*"]
[[grant]]
to      = ["node:till"]
service = ["print@carol"]
"#;

fn why(host: &Host, args: &[&str]) -> Output {
    host.run([&["why"], args].concat())
}

fn names(walk: &Value) -> Vec<&str> {
    walk["links"].as_array().unwrap().iter().map(|link| link["link"].as_str().unwrap()).collect()
}

/// The walk, whose every link holds.
#[track_caller]
fn holds(host: &Host, args: &[&str], links: &[&str]) -> Value {
    let walk = why(host, &[args, &["--json"]].concat()).ok().json();
    assert!(walk["ok"] == true && names(&walk) == links, "{walk:#}");
    walk
}

/// The words about the link that breaks, which is the last of the walk; the exit code says it too, and the remedy is in
/// the words of the text.
#[track_caller]
fn breaks(host: &Host, args: &[&str], link: &str, code: i32) -> String {
    let output = why(host, &[args, &["--json"]].concat()).fails(code);
    let walk = output.json();
    let all = walk["links"].as_array().unwrap();
    let (last, before) = all.split_last().unwrap();
    assert!(walk["ok"] == false && last["link"] == link && last["ok"] == false, "{output}");
    assert!(before.iter().all(|link| link["ok"] == true && link["remedy"].is_null()), "{output}");
    let remedy = last["remedy"].as_str().unwrap();
    assert!(!remedy.is_empty() && output.stderr().contains(remedy), "{output}");
    last["detail"].as_str().unwrap().to_owned()
}

#[track_caller]
fn says(detail: &str, text: &str) {
    assert!(detail.contains(text), "{text:?} is not in {detail:?}");
}

fn apply(authority: &Member, members: &[&Member], text: &str) {
    let file = authority.host.write("policy.toml", text.as_bytes());
    let _ = authority.host.run(["policy", "apply", file.to_str().unwrap()]).ok();
    for member in members {
        wait_for("it goes by the policy", SOON, || {
            (member.host.run(["policy", "show"]).ok().stdout() == text).then_some(())
        });
    }
}

fn trio() -> (Member, Member, Member) {
    let alice = Member::authority("alice");
    let [bob, carol] = ["bob", "carol"].map(|name| alice.admit(name));
    (alice, bob, carol)
}

/// R-T9: where nothing stands in the way both sides say so of every link, nobody is called, and no message arrives.
#[test]
fn all_is_well_from_both_sides() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let carol = alice.admit_host(Host::new("carol").logging("lanyard_node=debug"));
    let walk = holds(&bob.host, &["chat@carol"], &LINKS);
    let detail = |number: usize| walk["links"][number]["detail"].as_str().unwrap().to_owned();
    says(&detail(0), "the authority has told");
    says(&detail(5), "got now, good until");
    says(&detail(6), &format!("on the lane at {}", carol.host.lane_address()));
    let again = holds(&bob.host, &["chat@carol"], &LINKS);
    says(again["links"][5]["detail"].as_str().unwrap(), "held until");
    let walk = holds(&carol.host, &["chat@carol", "--from", "bob"], &LINKS);
    says(walk["links"][5]["detail"].as_str().unwrap(), "one lives, until");
    says(walk["links"][6]["detail"].as_str().unwrap(), "chat is served here; the lane listens at");
    let text = why(&bob.host, &["chat@carol"]).ok();
    assert_eq!(text.stdout().lines().filter(|line| line.contains(" ok ")).count(), LINKS.len(), "{text}");
    carol.node.logs("no channel");
    let log = carol.node.log();
    assert!(!log.contains("channel opened"), "nobody is called for a probe\n{log}");
    let _ = bob.host.run(["chat", "carol", "-m", "and this is a message"]).ok();
    carol.node.logs("channel opened");
    // A provider that has forgotten its tickets is asked for another one.
    let Member { node, host } = carol;
    let _ = node.kill9();
    let _node = host.up();
    holds(&bob.host, &["chat@carol"], &LINKS);
}

#[test]
fn discovery_breaks_where_there_is_no_such_peer() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    says(&breaks(&bob.host, &["chat@nobody"], "discovery", 6), "no peer nobody");
    says(&breaks(&bob.host, &["chat@bob", "--from", "nobody"], "discovery", 6), "no peer nobody");
    let _ = why(&bob.host, &["chat@alice", "--from", "carol"]).fails(2).says("run it on carol");
    let _ = why(&bob.host, &["chat@bob"]).fails(2).says("--from");
    let _ = alice.node.stop();
    says(&breaks(&bob.host, &["chat@nobody"], "discovery", 5), "the authority, which knows everybody");
}

#[test]
fn reachability_breaks_where_the_peer_is_stopped() {
    let (_alice, bob, carol) = trio();
    let _ = bob.host.run(["ping", "carol"]).ok();
    let Member { node, host } = carol;
    let _ = node.stop();
    let at = host.control_address().to_string();
    for args in [&["chat@carol"][..], &["chat@bob", "--from", "carol"]] {
        let detail = breaks(&bob.host, args, "reachability", 5);
        says(&detail, &at);
        says(&detail, "the authority answers");
    }
    let _node = host.up();
    wait_for("it answers again", SOON, || (why(&bob.host, &["chat@carol"]).code() == Some(0)).then_some(()));
}

/// Its own membership comes first: none, one that was taken away; and the other's that was taken away.
#[test]
fn certificate_breaks_without_a_membership() {
    let stranger = Host::new("mallory");
    let _node = stranger.up();
    let detail = breaks(&stranger, &["chat@carol"], "certificate", 4);
    says(&detail, "not a member of any network");

    let (alice, bob, carol) = trio();
    holds(&carol.host, &["chat@bob"], &LINKS);
    let _ = alice.host.run(["revoke", "bob", "--wait"]).ok();
    for args in [&["chat@bob"][..], &["chat@carol", "--from", "bob"]] {
        says(&breaks(&carol.host, args, "certificate", 4), "the membership of bob was revoked");
    }
    let detail = wait_for("bob learns of it", SOON, || {
        let output = why(&bob.host, &["chat@carol", "--json"]);
        let walk = output.json();
        (names(&walk) == ["certificate"]).then(|| walk["links"][0]["detail"].to_string())
    });
    says(&detail, "this node's membership was revoked");
}

/// B5: an end by the clock, of this node's certificate and of the other's.
#[test]
fn certificate_breaks_when_it_has_ended() {
    let Some(clock) = WallClock::new() else { return };
    let alice = Member::authority("alice");
    let bob = alice.admit_host(Host::new("bob").with_clock(clock));
    bob.host.set_clock("+400d");
    let detail = breaks(&bob.host, &["chat@alice"], "certificate", 4);
    says(&detail, "expired at");
    says(&detail, "this host's clock says");
    // The authority knows a certificate of bob's that holds; bob takes nobody's, and says what it is when it is asked.
    let detail = breaks(&alice.host, &["chat@alice", "--from", "bob"], "certificate", 5);
    says(&detail, "bob is of this network and does not take this node's certificate");
}

/// R-T1: at a till that asks for log-ins whoever runs the node walks for nobody, until somebody has logged in.
#[test]
fn login_breaks_where_nobody_has_logged_in() {
    let alice = Member::authority("alice");
    let host = Host::new("till");
    let joining = ["--join", &alice.invite_uri(), "--name", "till", "--require-login"];
    let till = Member { node: host.up_with(&joining), host };
    till.meets(&alice.host);
    let password = b"harbour violet 7 lamp\n";
    let add = alice.host.command(["user", "add", "ana", "--password-file", "-"]);
    let _ = Process::run(add, password, SOON).ok();
    says(&breaks(&till.host, &["chat@alice"], "login", 4), "nobody is logged in here");
    let detail = breaks(&till.host, &["chat@alice", "--as", "ana"], "login", 4);
    says(&detail, "ana is not logged in here; policy would grant it by grant 1");
    let log_in = till.host.command(["login", "ana", "--password-file", "-"]);
    let _ = Process::run(log_in, password, SOON).ok();
    let walk = holds(&till.host, &["chat@alice"], &LINKS);
    says(walk["links"][3]["detail"].as_str().unwrap(), "ana is logged in here until");
    holds(&till.host, &["chat@alice", "--as", "ana"], &LINKS[..6]);
    let walk = holds(&alice.host, &["chat@alice", "--from", "till", "--as", "ana"], &LINKS);
    says(walk["links"][5]["detail"].as_str().unwrap(), "one lives, until");
    let args = ["chat@alice", "--from", "till", "--as", "zoe"];
    says(&breaks(&alice.host, &args, "login", 4), "there is no user zoe");
}

/// R-T9: no grant, on either side; and a service that is granted, and that nobody offers.
#[test]
fn policy_and_service_break_where_there_are_none() {
    let (alice, bob, carol) = trio();
    apply(&alice, &[&bob, &carol], STOCK);
    for (host, args) in [(&bob.host, &["print@carol"][..]), (&carol.host, &["print@carol", "--from", "bob"])]
    {
        says(&breaks(host, args, "policy", 4), "it lacks node:till");
    }
    let detail = breaks(&bob.host, &["stock@carol"], "channel", 6);
    says(&detail, "the service is not available");
    let said = why(&bob.host, &["stock@carol"]).fails(6);
    assert!(said.stderr().contains("lanyard expose stock"), "{said}");
    let detail = breaks(&carol.host, &["stock@carol", "--from", "bob"], "channel", 6);
    says(&detail, "stock is not served here");
    // In use it ends the same way.
    let _ = bob.host.run(["ticket", "get", "print@carol"]).fails(4);
}

/// A provider that must ask the authority, and cannot: both sides say so.
#[test]
fn ticket_breaks_where_the_provider_may_mint_none() {
    let (alice, bob, carol) = trio();
    let strict = format!(
        "{STOCK}[[grant]]\nto = [\"role:member\"]\nservice = [\"file@*\"]\nlimits = {{ online_check = \"require\" }}\n"
    );
    apply(&alice, &[&bob, &carol], &strict);
    let walk = holds(&bob.host, &["file@carol"], &LINKS);
    says(walk["links"][5]["detail"].as_str().unwrap(), "the authority is always asked");
    let id = bob.host.run(["ticket", "get", "file@carol"]).ok().line();
    let _ = bob.host.run(["ticket", "revoke", &id]).ok();
    let _ = alice.node.stop();
    for host in [&bob.host, &carol.host] {
        wait_for("the authority has gone", SOON, || {
            let status = host.run(["status", "--json"]).ok().json();
            (status["authority"]["reachable"] == false).then_some(())
        });
    }
    says(&breaks(&bob.host, &["file@carol"], "ticket", 4), "could not be confirmed with the authority");
    let detail = breaks(&carol.host, &["file@carol", "--from", "bob"], "ticket", 4);
    says(&detail, "which cannot be reached");
}

/// Where a firewall closes the lane, a stream is used, and it is said which port is closed.
#[test]
fn a_closed_lane_is_named() {
    let Some(mut lan) = Lan::new() else { return };
    let Some(nft) = program("nft") else { return };
    let alice = Member::authority_on(lan.host("alice"));
    let bob = alice.admit_host(lan.host("bob"));
    let walk = holds(&bob.host, &["chat@alice"], &LINKS);
    says(walk["links"][6]["detail"].as_str().unwrap(), "on the lane at 10.77.0.1:4611");
    filter(&alice.host, &nft, DROP_LANE);
    let walk = holds(&bob.host, &["chat@alice"], &LINKS);
    let detail = walk["links"][6]["detail"].as_str().unwrap();
    says(detail, "alice answers on a stream");
    says(detail, "10.77.0.1:4611");
    says(detail, "is closed: no answer");
}

const DROP_LANE: &str = "add table inet lane; add chain inet lane in { type filter hook input priority 0; }; \
                         add rule inet lane in tcp dport 4611 drop";

fn filter(host: &Host, nft: &std::path::Path, rules: &str) {
    let mut command: Command = host.program(nft);
    command.arg(rules);
    let _ = Process::run(command, b"", Duration::from_secs(10)).ok();
}
