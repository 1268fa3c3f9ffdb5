//! Certificates are renewed while nodes talk.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use lanyard_tests::{Chatter, Host, Member, wait_for};
use serde_json::Value;

use crate::spine::{chat_log, texts_of};

/// The shortest life that a certificate can have.
const MINUTE: Duration = Duration::from_secs(60);

/// R-L3: certificates of a minute, the authority's own included, are renewed twice without hands while two nodes talk
/// and a channel between them carries data to and fro, which is not cut by it; a new one is opened with what came.
#[test]
fn a_channel_outlives_two_renewals() {
    let host = Host::new("alice");
    fs::create_dir_all(host.state()).unwrap();
    fs::write(host.state().join("config.toml"), "certificate_seconds = 60\n").unwrap();
    let alice = Member::authority_on(host);
    let bob = alice.admit("bob");
    let serial = |host: &Host| host.run(["cert", "show", "--json"]).ok().json()["serial"].to_string();
    let mut channel = Chatter::open(&bob.host, "alice").unwrap();
    let mut serials = [BTreeSet::new(), BTreeSet::new()];
    let mut said = 0;
    wait_for("both certificates were renewed twice", MINUTE + Duration::from_secs(30), || {
        // What is said has come back as stored before the next word.
        channel.say(&format!("word {said}")).unwrap();
        if said % 25 == 0 {
            let _ = bob.host.run(["ping", "alice"]).ok();
            for (node, serials) in [&alice, &bob].into_iter().zip(&mut serials) {
                serials.insert(serial(&node.host));
            }
        }
        said += 1;
        serials.iter().all(|serials| serials.len() >= 3).then_some(())
    });
    channel.end().unwrap();
    let last: Value = chat_log(&alice.host, "bob", said.min(100)).pop().unwrap();
    assert_eq!(texts_of(&[last]), [format!("word {}", said - 1)]);

    Chatter::open(&bob.host, "alice").unwrap().end().unwrap();
    let _ = bob.host.run(["chat", "alice", "-m", "still here"]).ok();
    let _ = bob.host.run(["cert", "renew"]).ok();
    let _ = alice.host.run(["ping", "bob"]).ok();
}
