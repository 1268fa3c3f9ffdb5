//! `policy edit`, with an editor that is a script.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::case::Exchange;
use crate::node::Node;

const PRESENT: &str = r#"{"epoch":3,"text":"version = 1\n"}"#;

/// What comes of `policy edit` with this editor, and whether the node was asked as it should have been.
fn edit(folder: &Path, editor: &str, put: Option<(&str, &str)>) -> (Output, Vec<String>) {
    let exchange = |request: &str, body: Option<&str>, status: &str, answer: &str| Exchange {
        request: request.to_owned(),
        body: body.map(str::to_owned),
        status: status.to_owned(),
        answer: vec![answer.to_owned()],
    };
    let mut exchanges = vec![exchange("GET /v1/policy", None, "200", PRESENT)];
    exchanges.extend(put.map(|(body, answer)| {
        let (status, answer) = answer.split_once(' ').unwrap();
        exchange("PUT /v1/policy", Some(body), status, answer)
    }));
    let state = folder.join("state");
    fs::create_dir(&state).unwrap();
    let node = Node::start(&state, &exchanges, "");
    let output = Command::new(env!("CARGO_BIN_EXE_lanyard"))
        .args(["policy", "edit", "--yes"])
        .env("LANYARD_STATE", &state)
        .env("TMPDIR", folder)
        .env_remove("VISUAL")
        .env("EDITOR", editor)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output, node.stop())
}

/// What is left of drafts in the folder for temporary files.
fn drafts(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("lanyard-policy-")).collect()
}

/// R-T14, G6: what was edited is applied to the version that it was made from; the draft was the user's alone, and is gone.
#[test]
fn an_edited_policy_is_applied_and_its_draft_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let modes = folder.path().join("modes");
    let editor = format!(
        "sh -c 'stat -c %a \"$1\" \"$(dirname \"$1\")\" >{}; echo \"# mine\" >>\"$1\"' sh",
        modes.display()
    );
    let body = r#"{"text":"version = 1\n# mine\n","based_on":3}"#;
    let put = (body, r#"200 {"epoch":4,"text":"version = 1\n# mine\n"}"#);
    let (output, wrong) = edit(folder.path(), &editor, Some(put));
    assert_eq!((output.status.code(), wrong), (Some(0), vec![]), "{output:?}");
    assert_eq!(fs::read_to_string(modes).unwrap(), "600\n700\n");
    assert!(drafts(folder.path()).is_empty());
}

/// R-T14: who changes nothing, or whose editor fails, changes nothing.
#[test]
fn an_edit_without_a_change_does_nothing() {
    for (editor, code) in [("true", 0), ("false", 1), ("/there/is/no/editor", 1)] {
        let folder = tempfile::tempdir().unwrap();
        let (output, wrong) = edit(folder.path(), editor, None);
        assert_eq!((output.status.code(), wrong), (Some(code), vec![]), "{editor}: {output:?}");
        assert_eq!(drafts(folder.path()).len(), usize::from(code != 0), "{editor}");
    }
}

/// R-T14: a mistake is shown with its line and applied nowhere, and what was written is kept.
#[test]
fn a_mistake_is_shown_and_what_was_written_is_kept() {
    for (line, complaint) in [
        ("[[grant]]", "line 2: missing field"),
        ("[[tests]]\\nwho=\"node:a\"\\nallow=[\"chat@b\"]", "it fails a test of its own: line 2"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("editor");
        fs::write(&script, format!("printf '{line}\\n' >>\"$1\"\n")).unwrap();
        let (output, wrong) = edit(folder.path(), &format!("sh {}", script.display()), None);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), wrong), (Some(1), vec![]), "{words}");
        assert!(words.contains(complaint), "{words}");
        let [draft]: [String; 1] = drafts(folder.path()).try_into().unwrap();
        assert!(words.contains(&draft), "{words}");
        let kept = fs::read_to_string(folder.path().join(draft).join("policy.toml")).unwrap();
        assert!(kept.starts_with("version = 1\n["), "{kept}");
    }
}

/// R-T14: who was overtaken loses nothing of what was written.
#[test]
fn a_policy_that_changed_meanwhile_is_not_undone() {
    let folder = tempfile::tempdir().unwrap();
    let body = r#"{"text":"version = 1\n# mine\n","based_on":3}"#;
    let refused =
        r#"409 {"error":{"code":"failed","message":"the policy was changed meanwhile","remedy":"again"}}"#;
    let (output, wrong) = edit(folder.path(), "sh -c 'echo \"# mine\" >>\"$1\"' sh", Some((body, refused)));
    assert_eq!((output.status.code(), wrong), (Some(1), vec![]), "{output:?}");
    assert_eq!(drafts(folder.path()).len(), 1);
}
