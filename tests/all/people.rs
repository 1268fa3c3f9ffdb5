//! People who log in, as users see it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use lanyard_tests::{Chatter, Host, Member, Output, Process, SOON, is_root, wait_for};

const SHOP: &str = r#"version = 1
[roles]
cashier = ["service.use"]
manager = ["service.use", "user.manage", "policy.change"]
[[grant]]
to      = ["role:cashier"]
service = ["chat@office", "stock@office"]
"#;

const PASSWORD: &[u8] = b"harbour violet 7 lamp\n";

/// The user `nobody`, here and nearly everywhere.
const NOBODY: u32 = 65_534;

/// `office` keeps the authority and the stock; people have to log in at `till`.
fn shop() -> (Member, Member) {
    let office = Member::authority("office");
    let host = Host::new("till");
    let joining = ["--join", &office.invite_uri(), "--name", "till", "--require-login"];
    let till = Member { node: host.up_with(&joining), host };
    till.meets(&office.host);
    let policy = office.host.write("policy.toml", SHOP.as_bytes());
    let _ = office.host.run(["policy", "apply", policy.to_str().unwrap()]).ok();
    let _ = add(&office.host, &["ana", "--role", "cashier"]).ok();
    goes_by(&till.host, 1);
    (office, till)
}

#[track_caller]
fn add(host: &Host, user: &[&str]) -> Output {
    let args = [&["user", "add"], user, &["--password-file", "-"]].concat();
    Process::run(host.command(args), PASSWORD, SOON)
}

#[track_caller]
fn log_in(host: &Host, user: &str) -> Output {
    Process::run(host.command(["login", user, "--password-file", "-"]), PASSWORD, SOON)
}

#[track_caller]
fn goes_by(host: &Host, version: u64) {
    wait_for("it goes by the policy", SOON, || {
        let status = host.run(["status", "--json"]).ok().json();
        (status["epochs"]["policy"].as_u64().unwrap() >= version).then_some(())
    });
}

#[track_caller]
fn as_nobody(host: &Host, args: &[&str]) -> Output {
    fs::set_permissions(host.state().parent().unwrap(), fs::Permissions::from_mode(0o711)).unwrap();
    let mut command = host.command(args);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    Process::run(command, PASSWORD, SOON)
}

/// R-T1, G1: at a till that asks for log-ins whoever runs the node gets no ticket without one; another user of the machine
/// logs in and gets one; and that log-in does not serve the first.
#[test]
fn a_log_in_serves_one_user_of_the_machine() {
    if !is_root() {
        return;
    }
    let (_office, till) = shop();
    let get = ["ticket", "get", "stock@office"];
    let refused = till.host.run(get).fails(4);
    assert!(refused.stderr().contains("lanyard login"), "{refused}");
    let _ = as_nobody(&till.host, &get).fails(4);
    let _ = as_nobody(&till.host, &["whoami"]).fails(4);
    let _ = as_nobody(&till.host, &["login", "ana", "--password-file", "-"]).ok();
    assert_eq!(as_nobody(&till.host, &["whoami"]).ok().stdout(), "ana\n");
    let id = as_nobody(&till.host, &get).ok().line();
    let shown = as_nobody(&till.host, &["ticket", "show", &id, "--json"]).ok().json();
    assert_eq!(shown["user"], "ana");
    let refused = till.host.run(get).fails(4);
    assert!(refused.stderr().contains("lanyard login"), "{refused}");
    for administers in [&["down"][..], &["invite"], &["admission", "show"], &["user", "list", "--local"]] {
        let _ = as_nobody(&till.host, administers).fails(4);
    }
    let _ = as_nobody(&till.host, &["logout"]).ok();
    let _ = as_nobody(&till.host, &get).fails(4);
}

/// R-T1: sessions of one user of the machine are told apart where a script names them.
#[test]
fn a_script_names_its_session() {
    let (_office, till) = shop();
    let within = |session: &str, args: &[&str]| {
        let mut command = till.host.command(args);
        command.env("LANYARD_SESSION", session);
        Process::run(command, PASSWORD, SOON)
    };
    let _ = within("morning", &["login", "ana", "--password-file", "-"]).ok();
    assert_eq!(within("morning", &["whoami"]).ok().stdout(), "ana\n");
    let _ = within("evening", &["whoami"]).fails(4);
    let _ = till.host.run(["whoami"]).fails(4);
}

/// I4, R-T14: a role that is taken ends what hangs on it within five seconds, on both sides, and what it opened is refused
/// with what is lacking; given back, it works without another log-in.
#[test]
fn a_role_that_is_taken_ends_what_hangs_on_it() {
    let (office, till) = shop();
    let _ = log_in(&till.host, "ana").ok();
    let mut chat = Chatter::open(&till.host, "office").unwrap();
    chat.say("good morning").unwrap();
    let _ = office.host.run(["role", "revoke", "ana", "cashier"]).ok();
    wait_for("the open channel ends", Duration::from_secs(5), || {
        chat.say("still here?").is_err().then_some(())
    });
    let refused = wait_for("it lacks the role", SOON, || {
        let refused = till.host.run(["chat", "office", "-m", "and now?"]).fails(4);
        refused.stderr().contains("role:cashier").then_some(refused)
    });
    assert!(refused.stderr().contains("to ana here"), "{refused}");
    let _ = office.host.run(["role", "grant", "user:ana", "cashier"]).ok();
    wait_for("it works again", SOON, || {
        let sent = till.host.run(["chat", "office", "-m", "good evening", "--json"]);
        (sent.code() == Some(0) && sent.json()["state"] == "delivered").then_some(())
    });
    assert_eq!(till.host.run(["whoami"]).ok().stdout(), "ana\n");
}

/// R-T14: from a till whoever has the privilege manages users, roles and the policy, and nobody else does.
#[test]
fn a_manager_manages_from_the_till() {
    let (office, till) = shop();
    let _ = add(&office.host, &["mia", "--role", "manager"]).ok();
    let policy = till.host.write("policy.toml", SHOP.replace("stock@office", "stock@*").as_bytes());
    let apply = ["policy", "apply", policy.to_str().unwrap()];
    let _ = log_in(&till.host, "ana").ok();
    let refused = till.host.run(apply).fails(4);
    assert!(refused.stderr().contains("policy.change"), "{refused}");
    let refused = add(&till.host, &["bob"]).fails(4);
    assert!(refused.stderr().contains("user.manage"), "{refused}");
    let _ = log_in(&till.host, "mia").ok();
    let _ = till.host.run(apply).ok();
    assert!(office.host.run(["policy", "show"]).ok().stdout().contains("stock@*"));
    let _ = add(&till.host, &["bob", "--role", "cashier"]).ok();
    let users = till.host.run(["user", "list", "--json"]).ok().json();
    let names: Vec<&str> =
        users.as_array().unwrap().iter().map(|row| row["user"].as_str().unwrap()).collect();
    assert_eq!(names, ["ana", "bob", "mia"]);
    let _ = till.host.run(["user", "remove", "bob"]).ok();
    let _ = log_in(&till.host, "bob").fails(4);
    let refused = till.host.run(["role", "grant", "ana", "boss"]).fails(6);
    assert!(refused.stderr().contains("it has: cashier, manager"), "{refused}");
}

/// I1: a user that there is not, and a wrong password, are told in the same words.
#[test]
fn a_wrong_password_tells_nothing() {
    let (_office, till) = shop();
    let wrong = |user: &str| {
        let command = till.host.command(["login", user, "--password-file", "-"]);
        Process::run(command, b"not the password\n", SOON).fails(4).stderr()
    };
    assert_eq!(wrong("ana"), wrong("zoe"));
}

/// R-T1: the log says who has logged in and who has not, where, and who has changed which user, on both sides.
#[test]
fn the_log_says_who_did_what() {
    let (office, till) = shop();
    let wrong = till.host.command(["login", "ana", "--password-file", "-"]);
    let _ = Process::run(wrong, b"not the password\n", SOON).fails(4);
    let _ = log_in(&till.host, "ana").ok();
    let _ = till.host.run(["ticket", "get", "stock@office"]).ok();
    let _ = till.host.run(["logout"]).ok();
    let _ = office.host.run(["role", "revoke", "ana", "cashier"]).ok();
    let logged = |host: &Host| -> Vec<(String, String, String)> {
        let lines = host.run(["audit", "--json"]).ok().json_lines();
        let text = |line: &serde_json::Value, at: &str| {
            line.pointer(at).map_or("", |it| it.as_str().unwrap()).to_owned()
        };
        lines
            .iter()
            .map(|line| (text(line, "/what"), text(line, "/decision"), text(line, "/who/user")))
            .collect()
    };
    let has = |log: &[(String, String, String)], what: &str, decision: &str, user: &str| {
        let found = log
            .iter()
            .any(|line| (line.0.as_str(), line.1.as_str(), line.2.as_str()) == (what, decision, user));
        assert!(found, "{what} {decision} {user:?} is not in {log:#?}");
    };
    let at_till = logged(&till.host);
    has(&at_till, "login_refused", "deny", "");
    has(&at_till, "logged_in", "allow", "ana");
    has(&at_till, "logged_out", "allow", "ana");
    let at_office = logged(&office.host);
    has(&at_office, "login_refused", "deny", "");
    has(&at_office, "logged_in", "allow", "ana");
    has(&at_office, "ticket_minted", "allow", "ana");
    has(&at_office, "user_changed", "allow", "");
    has(&at_office, "role_changed", "allow", "");
    for host in [&office.host, &till.host] {
        let _ = host.run(["audit", "--verify"]).ok();
    }
}
