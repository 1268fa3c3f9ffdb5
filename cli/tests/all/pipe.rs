//! What a golden file cannot say.

use std::process::{Command, Stdio};

fn lanyard() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lanyard"));
    command.env("LANYARD_STATE", "/nowhere").stdin(Stdio::null());
    command
}

/// `lanyard man | head -1` ends without a word.
#[test]
fn a_closed_standard_output_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = lanyard().arg("man").stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let output = output.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn a_full_standard_output_is_an_error() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = lanyard().arg("man").stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let output = output.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("standard output cannot be written"));
}

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = lanyard().args(["completions", shell]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        for command in ["invite", "receive", "whois"] {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
}

/// Every command has a manual page, and what is hidden from help is hidden there too.
#[test]
fn every_command_has_a_manual_page() {
    for command in ["", "init", "up", "ticket", "ticket get", "demo"] {
        let output = lanyard().arg("man").args(command.split_whitespace()).output().unwrap();
        let page = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && page.starts_with(".ie"), "{command}: {page}");
        assert!(!page.contains("advertise"), "{command}");
    }
}
