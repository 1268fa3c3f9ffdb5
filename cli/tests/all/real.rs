//! Commands with a real node: hosted for the moment, or in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// A state directory whose node, if one runs, is stopped in the end.
struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lanyard"));
        command.arg("--state").arg(self.state()).args(arguments).env_remove("RUST_LOG");
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command that succeeds prints.
    fn print(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.print(&[&["--json"], arguments].concat())).unwrap()
    }

    /// The exit code of a command that fails, and what it says first.
    fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(words.lines().count(), 2, "{words}");
        (output.status.code().unwrap(), words.lines().next().unwrap().to_owned())
    }

    /// Runs the node in a process of its own, on ports of its own.
    fn up(&self, more: &[&str]) -> Output {
        let ports = ["up", "-d", "--no-mdns", "--listen", "127.0.0.1:0", "--lane", "127.0.0.1:0"];
        self.run(&[&ports, more].concat())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.state().join("control.sock").exists() {
            let _ = self.run(&["down"]);
        }
    }
}

fn network() -> Home {
    let home = Home::new();
    let made = home.json(&["init", "shop.lan", "--name", "till"]);
    assert_eq!((&made["network"], &made["name"]), (&"shop.lan".into(), &"till".into()));
    home
}

/// A node that stays in the foreground, once it has reported `event`.
fn foreground(home: &Home, event: &str) -> (Child, Value) {
    let arguments = ["--json", "up", "--no-mdns", "--listen", "127.0.0.1:0", "--lane", "127.0.0.1:0"];
    let mut child = home.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let reported: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(reported["event"], event, "{reported}");
    (child, reported)
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// R-C1: a state that has a network stays as it is.
#[test]
fn init_makes_a_network_once() {
    let home = network();
    let fingerprint = home.json(&["ca", "show"])["fingerprint"].clone();
    let (code, words) = home.refused(&["init", "lab.lan", "--name", "till"]);
    assert_eq!(code, 1);
    assert!(words.contains("shop.lan"), "{words}");
    let after = home.json(&["ca", "show"]);
    assert_eq!((&after["network"], &after["fingerprint"]), (&"shop.lan".into(), &fingerprint));
}

/// B12: a certificate is verified against the CA's key, not against its name.
#[test]
fn cert_verify_believes_the_networks_own_and_no_other() {
    let (home, other) = (network(), network());
    let own = home.directory.path().join("own.pem");
    let foreign = home.directory.path().join("foreign.pem");
    home.print(&["cert", "export", "-o", own.to_str().unwrap()]);
    std::fs::write(&foreign, other.print(&["cert", "export"])).unwrap();
    let id = home.json(&["cert", "verify", own.to_str().unwrap()])["id"].clone();
    assert_eq!(id.as_str().unwrap().len(), 64);
    assert_eq!(home.refused(&["cert", "verify", foreign.to_str().unwrap()]).0, 7);
    let ca = home.print(&["ca", "export"]);
    std::fs::write(&foreign, ca).unwrap();
    assert_eq!(home.refused(&["cert", "verify", foreign.to_str().unwrap()]).0, 7);
}

#[test]
fn a_detached_node_is_ready_when_up_ends_and_gone_when_down_ends() {
    let home = network();
    let output = home.up(&[]);
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{words}");
    assert!(words.starts_with("ready as till.shop.lan on 127.0.0.1:"), "{words}");
    let status = home.json(&["status"]);
    assert_eq!((&status["role"], &status["state"]), (&"authority".into(), &"running".into()));
    assert_eq!(home.refused(&["up"]).0, 1);
    assert_eq!(home.refused(&["init", "lab.lan", "--name", "till"]).0, 1);
    home.print(&["down"]);
    assert_eq!(home.refused(&["status"]).0, 3);
}

#[test]
fn a_taken_port_ends_up_with_its_name() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let home = network();
    for detached in [&["up", "-d"][..], &["up"]] {
        let more = ["--no-mdns", "--listen", &address, "--lane", "127.0.0.1:0"];
        let (code, words) = home.refused(&[detached, &more].concat());
        assert_eq!(code, 1, "{words}");
        assert!(words.contains(&address), "{words}");
    }
}

#[test]
fn a_node_without_a_certificate_says_so() {
    let home = Home::new();
    let output = home.up(&[]);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "ready (not a member of any network)\n");
    assert_eq!(home.refused(&["cert", "show"]).0, 4);
    assert_eq!(home.refused(&["invite"]).0, 4);
}

#[test]
fn signals_stop_a_node_well() {
    for name in ["INT", "TERM"] {
        let home = network();
        let (mut child, ready) = foreground(&home, "ready");
        assert_eq!(ready["network"], "shop.lan");
        assert!(!ready["lane"].as_array().unwrap().is_empty());
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
        assert!(!home.state().join("control.sock").exists(), "{name}");
    }
}

/// R-L1, R-L3: a URI is all that a node needs, and it is used up.
#[test]
fn a_member_joins_by_uri_and_talks_to_the_authority() {
    let authority = network();
    assert!(authority.up(&[]).status.success());
    let uri = authority.print(&["invite", "--uri"]);
    let member = Home::new();
    let output = member.up(&["--join", uri.trim_end(), "--name", "bob"]);
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.starts_with("waiting ") && words.contains("\nready as bob.shop.lan on "), "{words}");
    assert_eq!(member.json(&["ping", "till", "-c", "1"])["name"], "till");
    assert_eq!(authority.json(&["whois", "bob"])["state"], "connected");
    let id = member.print(&["ticket", "get", "chat@till"]);
    assert_eq!(member.json(&["ticket", "show", id.trim_end()])["provider"], "till");
    assert_eq!(member.refused(&["ping", "nobody", "-c", "1"]).0, 6);
    let late = Home::new();
    let (code, words) = late.refused(&["join", uri.trim_end(), "--name", "carol"]);
    assert_eq!(code, 4, "{words}");
    let output = late.up(&["--join", uri.trim_end(), "--name", "carol"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(!late.state().join("control.sock").exists());
}

/// A join without a running node leaves a certificate behind, which the node then has.
#[test]
fn a_node_joins_for_the_moment_and_runs_later() {
    let authority = network();
    assert!(authority.up(&[]).status.success());
    let member = Home::new();
    let uri = authority.print(&["invite", "--uri"]);
    let joined = member.json(&["join", uri.trim_end(), "--name", "bob"]);
    assert_eq!((&joined["network"], &joined["pinned"]), (&"shop.lan".into(), &true.into()));
    let (mut child, ready) = foreground(&member, "ready");
    assert_eq!(ready["name"], "bob");
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// What is left of a directory of the system's for temporary files.
fn left(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What the demo starts ends with it, however it ends: here its standard input closes.
#[test]
fn a_leashed_node_stops_when_standard_input_ends() {
    let home = network();
    let arguments = ["up", "--leash", "--no-mdns", "--listen", "127.0.0.1:0", "--lane", "127.0.0.1:0"];
    let mut child = home.command(&arguments).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.starts_with("ready "), "{line}");
    assert!(child.try_wait().unwrap().is_none());
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!home.state().join("control.sock").exists());
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lanyard"))
        .args(["--json", "demo"])
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Its second step has begun: the authority runs.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"step\":2")));
    assert_eq!(left(temporary.path()).len(), 1);
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(left(temporary.path()), [""; 0]);
}
