//! How strangers get in: every mode, and what each keeps out, with real nodes on a network of their own.

use lanyard_tests::{Host, Lan, Member, Process, SOON, wait_for};
use rustix::process::Signal;
use serde_json::Value;

const STRONG: &[u8] = b"correct horse battery staple\n";

/// An authority that admits by `rule`, with a password if it needs one.
fn authority(lan: &mut Lan, rule: &str) -> Member {
    authority_on(lan.host("alice"), rule)
}

/// This host as the authority of `shop.lan` that admits by `rule`, with a password if it needs one.
pub(crate) fn authority_on(host: Host, rule: &str) -> Member {
    let file = host.write("password", STRONG);
    let mut arguments = vec!["init", "shop.lan", "--name", "alice", "--admission", rule];
    if rule.contains("password") {
        arguments.extend(["--password-file", file.to_str().unwrap()]);
    }
    let _ = host.run(arguments).ok();
    Member { node: host.up(), host }
}

/// What waits at the authority, once something does.
fn request(alice: &Member) -> Value {
    wait_for("a request waits", SOON, || {
        let waiting = alice.host.run(["requests", "--json"]).ok().json();
        waiting.as_array().unwrap().first().cloned()
    })
}

/// Has the authority decide on `request`, and shows that both screens have the same words.
fn decide(alice: &Member, request: &Value, joining: &Process, approve: bool) {
    let (id, words) = (request["id"].as_str().unwrap(), request["words"].as_str().unwrap());
    let _ = joining.says("the same words", SOON, |line| line.contains(words));
    let prefix = &id[..6];
    let decided = if approve {
        alice.host.run(["approve", prefix, "--yes", "--json"])
    } else {
        alice.host.run(["deny", prefix, "--json"])
    };
    assert_eq!(decided.ok().json()["approved"], approve);
}

fn role(host: &Host) -> Value {
    host.run(["status", "--json"]).ok().json()["role"].clone()
}

/// R-L2: the password admits who knows it and can tell the authority by a URI; a wrong one, none, and one without a
/// pin admit nobody.
#[test]
fn password_admits_who_knows_it_and_nobody_else() {
    let Some(mut lan) = Lan::new() else { return };
    let alice = authority(&mut lan, "password");
    let uri = alice.invite_uri();
    let bob = lan.host("bob");
    let right = bob.write("right", STRONG);
    let wrong = bob.write("wrong", b"incorrect horse battery staple\n");
    let (right, wrong) = (right.to_str().unwrap(), wrong.to_str().unwrap());
    let _ = bob.run(["join", &uri, "--name", "bob"]).fails(4).says("password");
    let _ = bob
        .run(["join", &uri, "--name", "bob", "--password-file", wrong])
        .fails(4)
        .says("does not know this password");
    let _ = bob.run(["join", "--name", "bob", "--password-file", right]).fails(2).says("--trust-first");
    let shown = alice.host.run(["admission", "show", "--json"]).ok().json();
    assert_eq!(shown["password"]["wrong"], 1, "{shown}");
    let _ = bob.run(["join", &uri, "--name", "bob", "--password-file", right]).ok();
    let node = bob.up();
    assert_eq!(role(&bob), "member", "{}", node.log());

    let carol = lan.host("carol");
    let file = carol.write("right", STRONG);
    let joined =
        carol.run(["join", "--name", "carol", "--trust-first", "--password-file", file.to_str().unwrap()]);
    let _ = joined.ok().says("trusted at first sight");
}

/// R-L2: a password that can be guessed is refused, by `init` too, unless that is wanted.
#[test]
fn weak_passwords_are_refused() {
    let alice = Member::authority("alice");
    let weak = alice.host.write("weak", b"hunter2\n");
    let weak = weak.to_str().unwrap();
    let _ = alice.host.run(["admission", "set", "password"]).fails(1).says("no password yet");
    let _ = alice.host.run(["admission", "password", "--password-file", weak]).fails(2).says("--weak");
    assert!(alice.host.run(["admission", "show", "--json"]).ok().json()["password"].is_null());
    let _ = alice.host.run(["admission", "password", "--password-file", weak, "--weak"]).ok();
    let _ = alice.host.run(["admission", "set", "password"]).ok();
    let bob = Host::new("bob");
    let init = ["init", "lab.lan", "--name", "bob", "--admission", "password", "--password-file", weak];
    let _ = bob.run(init).fails(2).says("--weak");
    let _ = bob.run(["ca", "show"]).fails(4);
}

/// R-L2: `guid+approval,invite`: by invite at once; by machine only if it is on the list and somebody approves, and
/// a second node of the machine not at all.
#[test]
fn machines_on_the_list_wait_for_a_person_and_invites_do_not() {
    let Some(mut lan) = Lan::new() else { return };
    let alice = authority(&mut lan, "guid+approval,invite");
    let bob = lan.host("bob");
    let code = alice.host.run(["invite"]).ok().line();
    let _ = bob.run(["join", &code, "--name", "bob"]).ok();

    let carol = lan.host("carol");
    // Without a node it is said to whoever was turned away; with one `status` says it.
    let refused = carol.run(["join", "--name", "carol", "--yes"]).fails(4).stderr();
    let node = carol.up();
    let _ = carol.run(["join", "--name", "carol", "--yes"]).fails(4);
    let status = carol.run(["status", "--json"]).ok().json();
    let guid = status["guid"].as_str().unwrap().to_owned();
    assert!(refused.contains(&guid), "{refused}");
    let _ = alice.host.run(["admission", "guid", "add", &guid, "--name", "carols-machine"]).ok();
    let joining = carol.start(["join", "--name", "carol", "--yes"]);
    let waiting = request(&alice);
    assert_eq!(waiting["guid"], guid.as_str(), "{waiting}");
    decide(&alice, &waiting, &joining, true);
    let _ = joining.ends(SOON).ok();
    assert_eq!(role(&carol), "member", "{}", node.log());
    let rows = alice.host.run(["admission", "guid", "list", "--json"]).ok().json();
    assert_eq!(rows[0]["node"], carol.run(["status", "--json"]).ok().json()["id"], "{rows}");

    // All hosts of this network are one machine: each other node on it is a clone.
    let dave = lan.host("dave");
    let _ = dave.run(["join", "--name", "dave", "--yes"]).fails(4);
    let _ = alice.host.run(["admission", "guid", "remove", "carols-machine"]).ok();
    assert_eq!(alice.host.run(["ping", "carol"]).ok().code(), Some(0), "it stays a member");
}

/// R-L2: a machine is put on the list before it has asked for anything, so its first join is the one.
#[test]
fn a_machine_is_put_on_the_list_before_it_joins() {
    let Some(mut lan) = Lan::new() else { return };
    let alice = authority(&mut lan, "guid");
    let bob = lan.host("bob");
    let _node = bob.up();
    let said = bob.run(["status"]).ok();
    assert!(said.stdout().contains("lanyard status --network NAME"), "{said}");
    let network = alice.host.run(["status", "--json"]).ok().json()["network"].as_str().unwrap().to_owned();
    let guid = bob.run(["status", "--network", &network, "--json"]).ok().json()["guid"].clone();
    let _ = alice.host.run(["admission", "guid", "add", guid.as_str().unwrap()]).ok();
    let _ = bob.run(["join", "--name", "bob"]).ok();
    assert_eq!(role(&bob), "member");
}

/// R-L2: `open+approval`: who is denied stays outside, who is approved gets in, and `status` says what to type.
#[test]
fn who_asks_waits_until_a_person_has_decided() {
    let Some(mut lan) = Lan::new() else { return };
    let alice = authority(&mut lan, "open+approval");
    let mallory = lan.host("mallory");
    let joining = mallory.start(["join", "--name", "mallory", "--yes"]);
    let waiting = request(&alice);
    let command = format!("lanyard approve {}", waiting["id"].as_str().unwrap());
    let status = alice.host.run(["status"]).ok().stdout();
    assert!(status.contains(&command), "{status}");
    decide(&alice, &waiting, &joining, false);
    let _ = joining.ends(SOON).fails(4).says("denied");

    let bob = lan.host("bob");
    let joining = bob.start(["join", "--name", "bob", "--yes"]);
    let waiting = wait_for("bob waits", SOON, || {
        let waiting = request(&alice);
        (waiting["name"] == "bob").then_some(waiting)
    });
    decide(&alice, &waiting, &joining, true);
    let _ = joining.ends(SOON).ok();
    let _ = alice.host.run(["approve", waiting["id"].as_str().unwrap(), "--yes"]).fails(6);
}

/// R-L2: where nobody can be asked the words are not taken for the same, and the next `join` goes on with the request.
#[test]
fn nobody_confirms_words_that_nobody_has_compared() {
    let Some(mut lan) = Lan::new() else { return };
    let alice = authority(&mut lan, "open+approval");
    let bob = lan.host("bob");
    let joining = bob.start(["join", "--name", "bob"]);
    let waiting = request(&alice);
    let _ = joining.ends(SOON).fails(2).says("--yes");
    let _ = alice.host.run(["approve", waiting["id"].as_str().unwrap(), "--yes"]).ok();
    let node = bob.up();
    assert_eq!(role(&bob), "none", "{}", node.log());
    let _ = node.stop();
    let _ = bob.run(["join", "--name", "bob", "--yes"]).ok();
}

/// R-L2: `invite+approval`: a join that is interrupted is picked up as the same request, also after the authority was
/// started again in between, and its code is not asked for twice.
#[test]
fn an_interrupted_join_is_picked_up_after_a_restart_of_the_authority() {
    let Some(mut lan) = Lan::new() else { return };
    let mut alice = authority(&mut lan, "invite+approval");
    let bob = lan.host("bob");
    let _ = bob.run(["join", "--name", "bob", "--yes"]).fails(4);
    let code = alice.host.run(["invite"]).ok().line();
    let joining = bob.start(["join", &code, "--name", "bob", "--yes"]);
    let first = request(&alice);
    let words = first["words"].as_str().unwrap().to_owned();
    let _ = joining.says("the words", SOON, |line| line.contains(&words));
    joining.signal(Signal::INT);
    let _ = joining.ends(SOON).fails(130).says("lanyard join");

    let _ = alice.node.stop();
    alice.node = alice.host.up();
    let joining = bob.start(["join", "--name", "bob", "--yes"]);
    let again = request(&alice);
    assert_eq!([&again["id"], &again["words"]], [&first["id"], &first["words"]]);
    decide(&alice, &again, &joining, true);
    let _ = joining.ends(SOON).ok();
}

/// R-L2: another key under a name that is taken needs a person, whatever the rule; then the old node has lost it.
#[test]
fn another_machine_takes_a_name_only_with_approval() {
    let Some(mut lan) = Lan::new() else { return };
    let alice = authority(&mut lan, "invite");
    let invite = || alice.host.run(["invite"]).ok().line();
    let old = lan.host("bob");
    let _ = old.run(["join", &invite(), "--name", "bob"]).ok();
    let before = alice.host.run(["whois", "bob", "--json"]).ok().json()["id"].clone();
    let new = lan.host("bob-again");
    let _ = new.run(["join", &invite(), "--name", "bob"]).fails(4);
    let joining = new.start(["join", &invite(), "--name", "bob", "--replace", "--yes"]);
    let waiting = request(&alice);
    assert_eq!(waiting["replaces"], before, "{waiting}");
    decide(&alice, &waiting, &joining, true);
    let _ = joining.ends(SOON).ok();
    let node = new.up();
    let id = new.run(["status", "--json"]).ok().json()["id"].clone();
    wait_for("the name is the new node's", SOON, || {
        let now = alice.host.run(["whois", "bob", "--json"]).ok().json()["id"].clone();
        (now == id).then_some(())
    });
    let _ = node.stop();
}

/// R-L2: a rule that is changed counts from now on, and after a restart.
#[test]
fn a_rule_changes_while_the_authority_runs() {
    let Some(mut lan) = Lan::new() else { return };
    let mut alice = authority(&mut lan, "invite");
    let bob = lan.host("bob");
    let _ = bob.run(["join", "--name", "bob"]).fails(4);
    let _ = alice.host.run(["admission", "set", "open"]).ok();
    let _ = bob.run(["join", "--name", "bob"]).ok();
    let _ = alice.host.run(["admission", "set", "guid,invite"]).ok();
    let _ = alice.node.stop();
    alice.node = alice.host.up();
    assert_eq!(alice.host.run(["admission", "show", "--json"]).ok().json()["admission"], "guid,invite");
    let _ = lan.host("carol").run(["join", "--name", "carol"]).fails(4);
}

/// R-L2: a node that comes up where nobody can be asked waits, and `join` beside it says that the words are the same.
#[test]
fn a_node_that_waits_is_confirmed_by_a_join_beside_it() {
    let alice = {
        let host = Host::new("alice");
        let _ = host.run(["init", "shop.lan", "--name", "alice", "--admission", "invite+approval"]).ok();
        Member { node: host.up(), host }
    };
    let bob = Host::new("bob");
    let mut arguments = bob.up_arguments();
    let uri = alice.invite_uri();
    arguments.extend(["--join", &uri, "--name", "bob"].map(ToOwned::to_owned));
    let node = bob.start(arguments);
    let waiting = request(&alice);
    decide(&alice, &waiting, &node, true);
    let said = node.says("what to do", SOON, |line| line.contains("compare the words on both screens"));
    assert!(said.contains("lanyard join"), "{said}");
    let status = bob.run(["status", "--json"]).ok().json();
    assert_eq!([&status["state"], &status["pending"][0]["id"]], [&Value::from("waiting"), &waiting["id"]]);
    assert!(!node.stderr().contains("ready"), "{}", node.stderr());
    let _ = bob.run(["join", "--name", "bob"]).fails(2).says("--yes");
    let _ = bob.run(["join", "--name", "bob", "--yes"]).ok();
    let _ = node.says("ready", SOON, |line| line.starts_with("ready as bob"));
    assert_eq!(role(&bob), "member");
}
