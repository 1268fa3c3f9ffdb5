//! The program from outside: what it prints and writes, and how it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// Members that talk, of whom one is taken away.
const QUIET: &str = r#"
name = "quiet"
nodes = 5
duration = "20s"
[[hosts]]
name = "till"
join_within = "2s"
[[load]]
who = "till"
to = "till"
every = "2s"
from = "5s"
[[at]]
time = "10s"
do = "revoke"
who = "till-2"
"#;

/// A host that cannot join, in a scenario that demands that all do; its name is an attack on whoever shows it.
const CUT: &str = r#"
name = "</title><script>alert('1 & 2')</script>\u001b[2J"
about = "<b>& \"so on\""
nodes = 12
duration = "10s"
[[at]]
time = "0s"
do = "cut"
who = "node-2"
"#;

/// A directory with a scenario in it.
struct Bench(TempDir);

impl Bench {
    fn new(scenario: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("test.toml"), scenario).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn sim(&self, arguments: &[&str]) -> Output {
        let mut sim = Command::new(env!("CARGO_BIN_EXE_lanyard-sim"));
        sim.args(arguments).current_dir(self.0.path()).output().unwrap()
    }
}

fn stdout(output: &Output) -> &str {
    core::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    core::str::from_utf8(&output.stderr).unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// R-C9: what scripts rely on is one object with these fields and no others.
#[test]
fn json_is_one_object_with_the_fields_of_the_contract() {
    let bench = Bench::new(CUT);
    let output = bench.sim(&["run", "test.toml", "--json", "--seed", "7"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(stdout(&output).lines().count(), 1);
    let json: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(keys(&json), ["events", "nodes", "seed", "trace_hash", "violations", "wall_s"]);
    assert_eq!((json["seed"].as_u64(), json["nodes"].as_u64()), (Some(7), Some(12)));
    let hash = json["trace_hash"].as_str().unwrap();
    assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
    assert!(json["events"].as_u64() > Some(0) && json["wall_s"].as_f64() > Some(0.0));
    let violation = &json["violations"][0];
    assert_eq!(keys(violation), ["at", "hosts", "invariant", "what"]);
    assert_eq!(violation["invariant"], "joined");
    assert_eq!(violation["hosts"], serde_json::json!(["node-2", "authority"]));
}

#[test]
fn each_seed_is_a_run_of_its_own() {
    let bench = Bench::new(QUIET);
    let output = bench.sim(&["run", "test.toml", "--json", "--seeds", "3..4", "--out", "runs"]);
    assert!(output.status.success(), "{output:?}");
    let runs: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(runs.iter().map(|run| run["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [3, 4]);
    assert_ne!(runs[0]["trace_hash"], runs[1]["trace_hash"]);
    for seed in ["3", "4"] {
        assert!(bench.path("runs").join(seed).join("summary.json").exists());
    }
}

#[test]
fn people_are_told_what_happened() {
    let bench = Bench::new(QUIET);
    let output = bench.sim(&["run", "test.toml"]);
    assert!(output.status.success(), "{output:?}");
    let text = stdout(&output);
    assert!(text.starts_with("quiet: 5 nodes, seed 1\n"), "{text}");
    for figure in [
        "enrolments       4, median ",
        "revocations      1, reached 3 of 3, within ",
        "violations       none",
    ] {
        assert!(text.contains(figure), "{figure}: {text}");
    }
    assert_eq!(stderr(&output), "", "no bar where there is no terminal");
}

/// H4: a scenario's name is text wherever it is shown.
#[test]
fn the_page_is_well_formed_whatever_the_scenario_is_called() {
    let bench = Bench::new(CUT);
    let output = bench.sim(&["run", "test.toml", "--out", "run"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!stdout(&output).contains('\u{1b}') && !stderr(&output).contains('\u{1b}'));
    let page = read(&bench.path("run").join("report.html"));
    check_tags(&page);
    assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains('\u{1b}'), "{page}");
    assert!(page.contains("&lt;script&gt;alert(&#39;1 &amp; 2&#39;)"));
    for part in
        ["Not as it ought to be", "node-2, authority", "Enrolments over time", "Sent by each node: bytes"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn the_pictures_of_a_run_are_well_formed_and_load_nothing() {
    let bench = Bench::new(QUIET);
    assert!(bench.sim(&["run", "test.toml", "--out", "run"]).status.success());
    let page = read(&bench.path("run").join("report.html"));
    check_tags(&page);
    assert_eq!(page.matches("<svg ").count(), 6);
    for foreign in ["<link", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    for name in ["enrolments", "revocations", "channels", "latencies", "messages", "bytes"] {
        check_tags(&read(&bench.path("run").join(name).with_extension("svg")));
    }
}

/// R-C9: what was written is enough to do the same run again.
#[test]
fn a_replay_is_the_same_run() {
    let bench = Bench::new(QUIET);
    assert!(bench.sim(&["run", "test.toml", "--nodes", "6", "--seed", "9", "--out", "run"]).status.success());
    assert_eq!(read(&bench.path("run").join("scenario.toml")), QUIET);
    let output = bench.sim(&["replay", "run", "--threads", "1"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary: Value = serde_json::from_str(&read(&bench.path("run").join("summary.json"))).unwrap();
    assert!(stderr(&output).contains(summary["trace_hash"].as_str().unwrap()), "{output:?}");
    assert!(stderr(&output).contains("seed 9, 6 nodes"));
}

#[test]
fn a_replay_that_is_another_run_fails_and_says_so() {
    let bench = Bench::new(QUIET);
    assert!(bench.sim(&["run", "test.toml", "--out", "run"]).status.success());
    fs::write(bench.path("run").join("scenario.toml"), QUIET.replace("every = \"2s\"", "every = \"3s\""))
        .unwrap();
    let output = bench.sim(&["replay", "run"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).starts_with("error: this is another run: "), "{output:?}");
    assert_eq!(stderr(&output).lines().count(), 2);
}

/// R-C9: a violation comes with the seed, the steps that led there, and the command that shows all of them.
#[test]
fn a_violation_is_told_with_what_led_there_and_can_be_replayed() {
    let bench = Bench::new(CUT);
    let output = bench.sim(&["run", "test.toml", "--seed", "5", "--out", "run"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let words = stderr(&output);
    assert!(words.contains("TIME") && words.contains("node-2"), "{words}");
    assert!(words.contains("error: joined is violated at 00:00:10.000000, node-2, authority: "), "{words}");
    let again = words.lines().last().unwrap().split_once(": ").unwrap().1;
    assert_eq!(again, "lanyard-sim replay run");
    let replayed = bench.sim(&["replay", "run"]);
    assert_eq!(replayed.status.code(), Some(0), "{replayed:?}");
    let steps = stdout(&replayed);
    assert!(steps.lines().count() > words.lines().count() - 4, "all steps, not only the last: {steps}");
    assert!(
        steps.lines().skip(1).all(|line| line.contains("  node-2 ") || line.contains("  authority ")),
        "{steps}"
    );
    assert!(steps.contains("00:00:00."), "from the beginning: {steps}");
    assert!(stderr(&replayed).contains("joined is violated at 00:00:10.000000"), "{replayed:?}");
}

#[test]
fn without_a_directory_a_violation_says_how_to_write_one() {
    let bench = Bench::new(CUT);
    let output = bench.sim(&["run", "test.toml", "--seed", "5"]);
    let again = stderr(&output).lines().last().unwrap().split_once(": ").unwrap().1;
    assert_eq!(
        again,
        "lanyard-sim run test.toml --nodes 12 --seed 5 --out test-5; lanyard-sim replay test-5"
    );
}

#[test]
fn wrong_usage_ends_with_2_and_two_lines() {
    let bench = Bench::new(&QUIET.replace("do = \"revoke\"", "do = \"revoke\"\nwhom = \"x\""));
    for (arguments, fact) in [
        (&["run", "no-such"][..], "there is no scenario no-such"),
        (&["run", "./no-such.toml"], "./no-such.toml cannot be read"),
        (&["run", "test.toml"], "test.toml, line "),
        (&["run", "enrolment-storm", "--nodes", "1"], "1 nodes"),
        (&["run", "enrolment-storm", "--nodes", "x"], "invalid value"),
        (&["replay", "."], "summary.json cannot be read"),
        (&["show", "no-such"], "there is no scenario no-such"),
        (&["rnu"], "unrecognized subcommand"),
        (&[], "there is no command"),
    ] {
        let output = bench.sim(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert_eq!(stderr(&output).lines().count(), 2, "{output:?}");
        assert!(stderr(&output).starts_with("error: ") && stderr(&output).contains(fact), "{output:?}");
        assert_eq!(stdout(&output), "");
    }
    let output = bench.sim(&["run", "no-such", "--json"]);
    let json: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(json["error"]["code"], "usage");
}

#[test]
fn a_scenario_that_is_shown_can_be_run_from_a_file() {
    let bench = Bench::new(QUIET);
    let listed = bench.sim(&["list"]);
    assert!(listed.status.success() && stdout(&listed).contains("\nenrolment-storm "), "{listed:?}");
    let shown = bench.sim(&["show", "enrolment-storm"]);
    fs::write(bench.path("own.toml"), &shown.stdout).unwrap();
    let hash = |scenario: &str| {
        let output = bench.sim(&["run", scenario, "--nodes", "3", "--json"]);
        serde_json::from_str::<Value>(stdout(&output)).unwrap()["trace_hash"].clone()
    };
    assert_eq!(hash("own.toml"), hash("enrolment-storm"));
}

/// Every element is closed where it has to be, and every ampersand begins an entity.
fn check_tags(text: &str) {
    let mut open = Vec::new();
    for piece in text.split('<').skip(1) {
        let (tag, content) = piece.split_once('>').unwrap_or_else(|| panic!("no end: {piece}"));
        assert!(!content.contains('>') || open.last() == Some(&"style"), "{content}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{piece}");
        } else if !tag.ends_with('/') && !tag.starts_with('!') {
            open.push(tag.split_whitespace().next().unwrap());
        }
        assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
    }
    assert!(open.is_empty(), "{open:?}");
    for piece in text.split('&').skip(1) {
        let entity = piece.split(';').next().unwrap();
        assert!(["amp", "lt", "gt", "quot", "#39"].contains(&entity), "&{entity}");
    }
}
