//! What must never be said, written or shown.

use std::fs;
use std::path::Path;

use lanyard_tests::{Host, Member, Output, Process, SOON};

use crate::spine::chat_log;

/// G6: a whole session at the most talkative level, and none of its secrets anywhere but where it belongs.
#[test]
fn secrets_are_in_no_log_argument_environment_or_file() {
    let alice = Member::authority_on(Host::new("alice").logging("trace"));
    let uri = alice.invite_uri();
    let secret = uri.split("invite=").nth(1).unwrap().split('&').next().unwrap();
    let code = alice.host.run(["invite"]).ok().line();
    let words = code.split_once('-').unwrap().1;

    let bob = Host::new("bob").logging("trace");
    let joined = bob.run(["join", &uri, "--name", "bob"]).ok();
    let bob = Member { node: bob.up(), host: bob };
    bob.meets(&alice.host);
    let text = "canary-of-the-message";
    // From standard input: what a user types into an argument is in the argument.
    let sent = say(&bob.host, "alice", text);
    let _ = chat_log(&alice.host, "bob", 1);
    let content = "canary-of-the-file\n".repeat(1000);
    let file = bob.host.write("list.txt", content.as_bytes());
    let inbox = alice.host.path("inbox");
    let receive = alice.host.start(["receive", "--into", inbox.to_str().unwrap(), "--yes", "--once"]);
    let send = bob.host.run(["send", file.to_str().unwrap(), "alice"]).ok();
    let received = receive.ends(SOON).ok();

    let canaries = [secret, words, text, "canary-of-the-file", "PRIVATE KEY"];
    for member in [&alice, &bob] {
        let process = Path::new("/proc").join(member.node.id().to_string());
        for file in ["cmdline", "environ"] {
            refuse(&canaries, file, &fs::read(process.join(file)).unwrap());
        }
        for (path, bytes) in files_below(&member.host.state()) {
            refuse(&canaries, &path, &bytes);
        }
    }
    let outputs = [alice.node.stop(), bob.node.stop(), joined, sent, send, received];
    for output in &outputs {
        refuse(&canaries, "the log", output.stderr().as_bytes());
    }
    assert!(outputs[0].stderr().contains("TRACE"), "the log is as talkative as it can be");
}

/// Says one line to `peer` as a pipe does.
fn say(host: &Host, peer: &str, text: &str) -> Output {
    let command = host.command(["chat", peer]);
    Process::run(command, format!("{text}\n").as_bytes(), SOON).ok()
}

fn refuse(canaries: &[&str], place: &str, bytes: &[u8]) {
    for canary in canaries {
        let found = bytes.windows(canary.len()).position(|window| window == canary.as_bytes());
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(200)..bytes.len().min(at + 200)];
            panic!("{canary:?} is in {place}: …{}…", String::from_utf8_lossy(around));
        }
    }
}

fn files_below(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files.extend(files_below(&entry.path()));
        } else if kind.is_file() {
            files.push((entry.path().display().to_string(), fs::read(entry.path()).unwrap()));
        }
    }
    files
}
