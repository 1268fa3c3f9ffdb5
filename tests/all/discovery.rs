//! Those who announce by multicast what is not so.

use lanyard_tests::{Announcer, Lan, Member, SOON, wait_for};

use crate::spine::{chat_log, texts_of};

/// E1, E2, E3: while somebody announces the authority's id and a member's at its own address, thousands of peers that
/// are nowhere, goodbyes for everybody and things that are no announcements, members go on, a newcomer joins by code,
/// and all of them find each other.
#[test]
fn false_announcements_harm_nobody() {
    let Some(mut lan) = Lan::new() else { return };
    let alice = Member::authority_on(lan.host("alice"));
    let code = alice.host.run(["invite"]).ok().line();
    let bob = lan.host("bob");
    let _ = bob.run(["join", &code, "--name", "bob"]).ok();
    let bob = Member { node: bob.up(), host: bob };
    bob.meets(&alice.host);

    let mallory = lan.host("mallory");
    let _ = mallory.run(["init", "rogue.lan", "--name", "mallory"]).ok();
    let _node = mallory.up();
    let announcer = Announcer::on(&mallory);
    let id = |member: &Member| {
        member.host.run(["status", "--json"]).ok().json()["id"].as_str().unwrap().to_owned()
    };
    let victims = [id(&alice), id(&bob)];
    announcer.announce_nobody(10_000);
    announcer.send_noise();
    for victim in &victims {
        announcer.announce(victim, 120);
        announcer.announce(victim, 0);
        announcer.announce(victim, 120);
    }
    let rows = |member: &Member| member.host.run(["peers", "--json"]).ok().json().as_array().unwrap().len();
    wait_for("the flood has come", SOON, || (rows(&bob) > 500).then_some(()));
    assert!(rows(&bob) <= 4096, "{}", rows(&bob));
    let _ = bob.host.run(["ping", "alice"]).ok();
    assert!(bob.node.resident() <= 100 << 20, "{}", bob.node.resident());

    let code = alice.host.run(["invite"]).ok().line();
    let carol = lan.host("carol");
    let _ = carol.run(["join", &code, "--name", "carol", "--network", "shop.lan"]).ok();
    let carol = Member { node: carol.up(), host: carol };
    for victim in &victims {
        announcer.announce(victim, 120);
    }
    let _ = carol.host.run(["chat", "bob", "-m", "found you"]).ok();
    assert_eq!(texts_of(&chat_log(&bob.host, "carol", 1)), ["found you"]);
    let log = alice.node.stop().stderr() + &bob.node.stop().stderr();
    assert!(!log.contains("panicked"), "{log}");
}
