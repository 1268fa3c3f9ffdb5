//! Questions on a terminal: what is asked, what is shown of the answer, and what comes of it.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::case::Exchange;
use crate::node::Node;

const REQUEST: &str = r#"{"id":"0a1b2c3d","name":"bob","node":"3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29","words":"harbour-violet-lantern","address":"192.168.7.21","since":"2026-11-21T09:30:00Z","by":"open","replaces":null,"guid":null,"approved":null}"#;
const STATUS: &str = r#"{"admission":"password","password":{"since":"2026-11-21T09:30:00Z","wrong":0,"locked":false},"guids":0,"invites":0,"requests":0}"#;
const JOINED: &str = r#"{"network":"shop.lan","name":"till","id":"3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29","fingerprint":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","pinned":true,"not_after":"2026-11-24T09:30:00Z"}"#;

/// A command whose standard input and error are a terminal.
struct Terminal {
    directory: tempfile::TempDir,
    node: Node,
    screen: File,
    line: File,
    shown: String,
    child: Child,
}

impl Terminal {
    fn start(arguments: &[&str], exchanges: &[(&str, Option<&str>, &str)]) -> Self {
        let exchange = |(request, body, answer): &(&str, Option<&str>, &str)| {
            let (status, answer) = answer.split_once(' ').unwrap();
            Exchange {
                request: (*request).to_owned(),
                body: body.map(ToOwned::to_owned),
                status: status.to_owned(),
                answer: vec![answer.to_owned()],
            }
        };
        let exchanges: Vec<Exchange> = exchanges.iter().map(exchange).collect();
        let directory = tempfile::tempdir().unwrap();
        let node = Node::start(directory.path(), &exchanges, "");
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let line =
            OpenOptions::new().read(true).write(true).open(OsStr::from_bytes(name.as_bytes())).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_lanyard"))
            .arg("--state")
            .arg(directory.path())
            .args(arguments)
            .stdin(line.try_clone().unwrap())
            .stdout(std::process::Stdio::null())
            .stderr(line.try_clone().unwrap())
            .spawn()
            .unwrap();
        Self { directory, node, screen: File::from(master), line, shown: String::new(), child }
    }

    /// Waits until `text` is on the screen.
    fn shows(&mut self, text: &str) {
        while !self.shown.contains(text) {
            let mut bytes = [0; 4096];
            let length = self.screen.read(&mut bytes).unwrap();
            self.shown.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    }

    fn types(&mut self, text: &str) {
        self.screen.write_all(text.as_bytes()).unwrap();
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.line).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Its exit code, and all that was on the screen.
    fn ends(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        // What it wrote is all there: a mark behind it says so.
        self.line.write_all(b"<end>").unwrap();
        self.shows("<end>");
        assert!(self.echoes(), "the terminal shows again what is typed");
        assert_eq!(self.node.stop(), [""; 0]);
        drop(self.directory);
        (code, self.shown)
    }
}

/// G6: a new password is typed twice, and neither time shown.
#[test]
fn a_new_password_is_typed_twice_and_not_shown() {
    let body = r#"{"password":"correct horse battery staple","weak":false}"#;
    let answer = format!("200 {STATUS}");
    let asked = [("PUT /v1/admission/password", Some(body), answer.as_str())];
    let mut terminal = Terminal::start(&["admission", "password"], &asked);
    terminal.shows("the network's password: ");
    assert!(!terminal.echoes());
    terminal.types("correct horse battery staple\n");
    terminal.shows("once more: ");
    terminal.types("correct horse battery staple\n");
    let (code, shown) = terminal.ends();
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains("horse"), "{shown}");
}

#[test]
fn two_passwords_that_differ_change_nothing() {
    let mut terminal = Terminal::start(&["admission", "password"], &[]);
    terminal.shows("the network's password: ");
    terminal.types("correct horse battery staple\n");
    terminal.shows("once more: ");
    terminal.types("correct horse battery stable\n");
    let (code, shown) = terminal.ends();
    assert_eq!(code, Some(2), "{shown}");
    assert!(shown.contains("are not the same"), "{shown}");
}

#[test]
fn an_interrupted_prompt_leaves_the_terminal_as_it_was() {
    let mut terminal = Terminal::start(&["admission", "password"], &[]);
    terminal.shows("the network's password: ");
    assert!(!terminal.echoes());
    let id = terminal.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(terminal.ends().0, Some(130));
}

/// R-L2: the password is asked for once the network wants one.
#[test]
fn join_asks_for_a_password_only_when_one_is_wanted() {
    let refused = r#"403 {"error":{"code":"denied","message":"this network admits nodes by password","remedy":"give it","rule":"password"}}"#;
    let joined = format!("200 {JOINED}");
    let without = r#"{"invite":"7-harbour-violet","name":"till","network":null}"#;
    let with = r#"{"invite":"7-harbour-violet","name":"till","network":null,"password":"violet"}"#;
    let asked = [("POST /v1/join", Some(without), refused), ("POST /v1/join", Some(with), joined.as_str())];
    let mut terminal = Terminal::start(&["join", "7-harbour-violet", "--name", "till"], &asked);
    terminal.shows("the network's password: ");
    terminal.types("violet\n");
    let (code, shown) = terminal.ends();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("till is a member of shop.lan"), "{shown}");
}

/// R-L2, A2: without a pin no password goes to whoever answers.
#[test]
fn join_asks_for_no_password_for_an_authority_that_nothing_names() {
    let refused = r#"403 {"error":{"code":"denied","message":"this network admits nodes by password","remedy":"give it","rule":"password"}}"#;
    let asked = [("POST /v1/join", None, refused)];
    let terminal = Terminal::start(&["join", "--name", "till"], &asked);
    let (code, shown) = terminal.ends();
    assert_eq!(code, Some(4), "{shown}");
    assert!(!shown.contains("password: "), "{shown}");
}

/// R-L2: who approves is shown the words and asked; only yes is yes.
#[test]
fn approve_asks_whether_the_words_are_the_same() {
    let waiting = format!("200 [{REQUEST}]");
    let decided = format!("200 {REQUEST}");
    let list = ("GET /v1/requests", None, waiting.as_str());
    let post = ("POST /v1/requests/0a1b2c3d", Some(r#"{"approve":true}"#), decided.as_str());
    let question = "harbour-violet-lantern: do the same words stand on its screen? [y/N] ";
    for (answer, exchanges, code) in [("y\n", &[list, post][..], 0), ("\n", &[list], 4), ("no\n", &[list], 4)]
    {
        let mut terminal = Terminal::start(&["approve", "0a"], exchanges);
        terminal.shows(question);
        terminal.types(answer);
        let (ended, shown) = terminal.ends();
        assert_eq!(ended, Some(code), "{answer:?}: {shown}");
    }
}

/// R-T14: an edit is shown and asked about; only yes is yes.
#[test]
fn an_edit_of_the_policy_is_shown_and_asked_about() {
    let present = r#"200 {"epoch":3,"text":"version = 1\n"}"#;
    let body = r#"{"text":"version = 1\n\n[[grant]]\nto      = [\"user:ana\"]\nservice = [\"chat@till\"]\n","based_on":3}"#;
    let get = ("GET /v1/policy", None, present);
    let put = ("PUT /v1/policy", Some(body), r#"200 {"epoch":4,"text":""}"#);
    for (answer, exchanges, code) in [("y\n", &[get, put][..], 0), ("\n", &[get], 1)] {
        let mut terminal = Terminal::start(&["policy", "allow", "user:ana", "chat@till"], exchanges);
        terminal.shows("+ service = [\"chat@till\"]");
        terminal.shows("apply this everywhere? [y/N] ");
        terminal.types(answer);
        let (ended, shown) = terminal.ends();
        assert_eq!(ended, Some(code), "{answer:?}: {shown}");
    }
}
