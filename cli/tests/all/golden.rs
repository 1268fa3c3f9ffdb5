//! Runs every file in `tests/cmd`. With `LANYARD_BLESS=1` what comes out is written into them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::case::{Case, Outcome};
use crate::node::Node;

/// H4, G6 and the contract of the command line: one file per success and per refusal.
#[test]
fn commands_do_what_their_golden_files_say() {
    let files = files();
    assert!(files.len() >= 50, "only {} golden files were found", files.len());
    let wrong: Vec<String> = files.iter().filter_map(|file| check(file)).collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What is wrong with a case, if anything is.
fn check(file: &Path) -> Option<String> {
    let case = Case::read(file);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap().to_owned();
    fs::create_dir(directory.path().join("state")).unwrap();
    fs::write(directory.path().join("harbour.txt"), "violet\n").unwrap();
    let node = case.node.then(|| Node::start(&directory.path().join("state"), &case.exchanges, &path));
    let output = run(&case, &path);
    let mut wrong = node.map(Node::stop).unwrap_or_default();
    let outcome = Outcome {
        code: output.status.code().unwrap(),
        stdout: lines(&output.stdout, &path),
        stderr: lines(&output.stderr, &path),
    };
    if outcome != case.outcome {
        if std::env::var_os("LANYARD_BLESS").is_some() {
            fs::write(file, case.with(&outcome)).unwrap();
        }
        wrong.push(case.with(&outcome));
    }
    (!wrong.is_empty()).then(|| format!("{}:\n{}", file.display(), wrong.join("\n")))
}

fn run(case: &Case, directory: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lanyard"))
        .args(case.arguments(directory))
        .env("LANYARD_STATE", format!("{directory}/state"))
        .env_remove("RUST_LOG")
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(case.stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn lines(bytes: &[u8], directory: &str) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "no end of line: {text:?}");
    text.lines().map(|line| line.replace(directory, "[DIR]").trim_end().to_owned()).collect()
}
