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
    // Through the node that runs, so that its log has a chance to tell.
    let bob = Member { node: bob.up(), host: bob };
    let joined = bob.host.run(["join", &uri, "--name", "bob"]).ok();
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

/// G6, F7: everything that a whole run writes, at the most talkative level: the logs of nodes and commands, what they
/// print, the audit logs, the databases and a sealed export. No password, code, chat or key is in any of it, but for the
/// one file that the store key is for.
#[test]
fn nothing_that_a_run_writes_holds_a_secret() {
    let password = "correct horse battery staple";
    let passphrase = "lantern meadow copper signal";
    let alice = Host::new("alice").logging("trace");
    let file = alice.write("password", format!("{password}\n").as_bytes());
    let file = file.to_str().unwrap().to_owned();
    let mut said = vec![
        alice
            .run([
                "init",
                "shop.lan",
                "--name",
                "alice",
                "--admission",
                "password,invite",
                "--password-file",
                &file,
            ])
            .ok(),
    ];
    let alice = Member { node: alice.up(), host: alice };
    // What invites are worth is what `invite` prints: that is for whoever asked for it.
    let uri = alice.invite_uri();
    let secret = uri.split("invite=").nth(1).unwrap().split('&').next().unwrap().to_owned();

    let bob = Host::new("bob").logging("trace");
    let bob = Member { node: bob.up(), host: bob };
    said.push(bob.host.run(["join", &uri, "--name", "bob"]).ok());
    bob.meets(&alice.host);
    let carol = Host::new("carol").logging("trace");
    let carol = Member { node: carol.up(), host: carol };
    let pin = uri.split("&invite=").next().unwrap();
    let wrong = carol.host.write("wrong", b"a password that is wrong\n");
    let join = |file: &str| carol.host.run(["join", pin, "--name", "carol", "--password-file", file]);
    said.push(join(wrong.to_str().unwrap()).fails(4));
    said.push(join(&file).ok());
    carol.meets(&alice.host);

    let text = "canary-of-the-message";
    said.push(say(&bob.host, "alice", text));
    let _ = chat_log(&alice.host, "bob", 1);
    said.push(bob.host.run(["ticket", "get", "file@alice"]).ok());
    said.push(bob.host.run(["ticket", "get", "backup@alice"]).fails(4));
    said.push(alice.host.run(["admission", "password", "--password-file", &file]).ok());
    said.push(alice.host.run(["policy", "allow", "node:bob", "backup@alice", "--yes"]).ok());
    said.push(alice.host.run(["revoke", "carol", "--wait"]).ok());
    let export = alice.host.path("export");
    let phrase = alice.host.write("passphrase", format!("{passphrase}\n").as_bytes());
    let phrase = phrase.to_str().unwrap();
    said.push(
        alice.host.run(["state", "export", export.to_str().unwrap(), "--passphrase-file", phrase]).ok(),
    );

    let members = [alice, bob, carol];
    for member in &members {
        said.extend(
            [["audit", "--json"], ["audit", "--verify"], ["status", "--json"]]
                .map(|args| member.host.run(args).ok()),
        );
        let audit = said.iter().rev().nth(2).unwrap().stdout();
        assert!(audit.lines().count() >= 2, "{audit}");
    }
    let keys: Vec<Vec<u8>> = members.iter().flat_map(|member| store_key(&member.host)).collect();
    let words = [password, passphrase, "a password that is wrong", &secret, text, "PRIVATE KEY"]
        .map(|word| word.as_bytes().to_vec());
    let secrets: Vec<Vec<u8>> = words.into_iter().chain(keys).collect();
    let mut places = vec![("the sealed export".to_owned(), fs::read(&export).unwrap())];
    for member in members {
        let state = member.host.state();
        said.push(member.node.stop());
        let key = state.join("db/key").display().to_string();
        places.extend(files_below(&state).into_iter().filter(|(path, _)| *path != key));
        assert!(places.iter().any(|(path, _)| path.contains("db/audit")), "the audit log was looked at");
    }
    for output in &said {
        places.push(("standard error".to_owned(), output.stderr().into_bytes()));
        places.push(("standard output".to_owned(), output.stdout_bytes().to_vec()));
    }
    assert!(
        said.iter().any(|output| output.stderr().contains("TRACE")),
        "the logs are as talkative as they can be"
    );
    for (place, bytes) in &places {
        for secret in &secrets {
            let found = bytes.windows(secret.len()).position(|window| window == secret);
            assert!(found.is_none(), "{:?} is in {place}", String::from_utf8_lossy(secret));
        }
    }
}

/// The store key of a host, as it is written and as it is.
fn store_key(host: &Host) -> [Vec<u8>; 2] {
    let line = fs::read_to_string(host.state().join("db/key")).unwrap();
    let key = line.split(' ').nth(1).unwrap().to_owned();
    let pairs = key.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let bytes = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    [key.clone().into_bytes(), bytes]
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
