//! Who may do what, as users see it.

use std::time::Duration;

use lanyard_tests::{Chatter, Host, Member, SOON, wait_for};

const FILES_ONLY: &str = r#"version = 1
[roles]
member = ["service.use"]
[[grant]]
to      = ["role:member"]
service = ["file@*"] # no chat
[[tests]]
who  = "node:bob"
deny = ["chat@carol"]
"#;

fn apply(authority: &Member, text: &str) {
    let file = authority.host.write("policy.toml", text.as_bytes());
    let _ = authority.host.run(["policy", "apply", file.to_str().unwrap()]).ok();
}

fn goes_by(host: &Host, version: u64) {
    wait_for("it goes by the policy", SOON, || {
        let status = host.run(["status", "--json"]).ok().json();
        (status["epochs"]["policy"] == version).then_some(())
    });
}

/// R-T14, R-T1, R-T9: one command forbids chat everywhere, and channels that are open end within two seconds; another one
/// allows it again. Nothing is restarted.
#[test]
fn a_policy_is_applied_everywhere_at_once() {
    let alice = Member::authority("alice");
    let [bob, carol] = ["bob", "carol"].map(|name| alice.admit(name));
    let starter = alice.host.run(["policy", "show"]).ok().stdout();
    let mut chat = Chatter::open(&bob.host, "carol").unwrap();
    chat.say("good morning").unwrap();

    apply(&alice, FILES_ONLY);
    wait_for("the open channel ends", Duration::from_secs(2), || {
        chat.say("still here?").is_err().then_some(())
    });
    for member in [&bob, &carol] {
        goes_by(&member.host, 1);
        assert_eq!(member.host.run(["policy", "show"]).ok().stdout(), FILES_ONLY);
    }
    let refused = bob.host.run(["chat", "carol", "-m", "and now?"]).fails(4);
    assert!(refused.stderr().contains("policy does not grant chat@carol"), "{refused}");
    let explained = bob.host.run(["policy", "explain", "node:bob", "chat@carol", "--json"]).ok().json();
    assert_eq!(explained["decision"], "deny");
    let _ = bob.host.run(["policy", "test"]).ok();
    let _ = bob.host.run(["ticket", "get", "file@carol"]).ok();

    apply(&alice, &starter);
    goes_by(&bob.host, 2);
    goes_by(&carol.host, 2);
    let sent = bob.host.run(["chat", "carol", "-m", "good evening", "--json"]).ok().json();
    assert_eq!(sent["state"], "delivered");
}

/// R-T14: the authority alone changes it, and not into one that fails its own tests or cannot be read.
#[test]
fn a_policy_is_changed_by_the_authority_and_only_if_it_is_sound() {
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    let good = bob.host.write("good.toml", FILES_ONLY.as_bytes());
    let refused = bob.host.run(["policy", "apply", good.to_str().unwrap()]).fails(4);
    assert!(refused.stderr().contains("on the authority"), "{refused}");
    let failing = FILES_ONLY.replace("deny =", "allow =");
    let failing = alice.host.write("failing.toml", failing.as_bytes());
    let failing = failing.to_str().unwrap();
    let refused = alice.host.run(["policy", "apply", failing]).fails(1);
    assert!(
        refused.stderr().contains("line 7: node:bob+role:member must be able to use chat@carol"),
        "{refused}"
    );
    let _ = alice.host.run(["policy", "test", failing]).fails(1);
    let long = alice.host.write("long.toml", "#".repeat(70_000).as_bytes());
    let refused = alice.host.run(["policy", "apply", long.to_str().unwrap()]).fails(1);
    assert!(refused.stderr().contains("at most 65536 bytes"), "{refused}");
    assert_eq!(alice.host.run(["status", "--json"]).ok().json()["epochs"]["policy"], 0);
    let changes = alice.host.run(["policy", "diff", failing]).ok().stdout();
    assert!(changes.contains("+ service = [\"file@*\"] # no chat"), "{changes}");
}
