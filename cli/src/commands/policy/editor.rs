//! `policy edit`: the present policy in whatever a person edits with.

use std::ffi::OsString;
use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use lanyard_protocol::access::Policy;
use lanyard_protocol::control::Code;

use super::change::propose;
use super::{present, read};
use crate::commands::Context;
use crate::error::{Error, Result};
use crate::input;

/// What is used where neither `$VISUAL` nor `$EDITOR` says otherwise (POSIX, `crontab -e`).
const EDITOR: &str = "vi";

/// `lanyard policy edit`
pub(super) async fn edit(context: &Context, yes: bool) -> Result {
    let shown = present(context).await?;
    let draft = Draft::of(&shown.text)?;
    loop {
        run_editor(draft.path()).await.map_err(|error| draft.kept(error))?;
        let text = read(draft.path())?;
        if text == shown.text {
            context.printer.say("nothing was changed");
            return draft.remove();
        }
        let Some(wrong) = wrong(&text) else {
            propose(context, &shown, text, yes).await.map_err(|error| draft.kept(error))?;
            return draft.remove();
        };
        context.printer.stress(&wrong);
        let again = input::is_terminal() && input::confirm(&context.printer, "go on editing?").await?;
        if !again {
            let error = Error::new(Code::Failed, wrong, "nothing was changed");
            return Err(draft.kept(error));
        }
    }
}

/// Why a text cannot be the policy, if it cannot.
fn wrong(text: &str) -> Option<String> {
    match Policy::parse(text, 0) {
        Err(error) => Some(error.to_string()),
        Ok(policy) => {
            policy.failed_tests().first().map(|failed| format!("it fails a test of its own: {failed}"))
        }
    }
}

/// A text that is being edited, in a folder that is the user's alone: editors put files of their own beside it.
struct Draft {
    folder: PathBuf,
    file: PathBuf,
}

impl Draft {
    fn of(text: &str) -> Result<Self> {
        let place = std::env::temp_dir();
        let failed = |error: std::io::Error| {
            let what = format!("the policy cannot be put into {}: {error}", place.display());
            Error::new(Code::Failed, what, "name another place for temporary files: $TMPDIR")
        };
        let private = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("lanyard-policy-").permissions(private).tempdir();
        let folder = folder.map_err(failed)?.keep();
        let file = folder.join("policy.toml");
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
        opened.and_then(|mut opened| opened.write_all(text.as_bytes())).map_err(failed)?;
        Ok(Self { folder, file })
    }

    fn path(&self) -> &Path {
        &self.file
    }

    fn remove(&self) -> Result {
        std::fs::remove_dir_all(&self.folder).map_err(|error| {
            let what = format!("{} cannot be removed: {error}", self.folder.display());
            Error::new(Code::Failed, what, "remove it: it has a copy of the policy")
        })
    }

    /// A failure after which what was written is still there.
    fn kept(&self, error: Error) -> Error {
        let kept = format!("what you wrote is in {}", self.file.display());
        match error {
            Error::Failure(failure) => {
                Error::new(failure.code, failure.message, format!("{}; {kept}", failure.remedy))
            }
            Error::Reported(_) | Error::Closed => error,
        }
    }
}

/// Runs the user's editor, which may be a command with arguments, as other programs do it: by the shell.
async fn run_editor(file: &Path) -> Result {
    let mut named = ["VISUAL", "EDITOR"].iter().filter_map(std::env::var_os);
    let editor = match named.find(|editor| !editor.is_empty()) {
        Some(editor) => editor,
        None if input::is_terminal() => OsString::from(EDITOR),
        None => {
            let remedy = "use `lanyard policy apply FILE`, or name a program that edits: $EDITOR";
            return Err(Error::new(Code::Usage, "there is no terminal to edit the policy on", remedy));
        }
    };
    let mut script = editor.clone();
    script.push(" \"$1\"");
    let mut command = tokio::process::Command::new("sh");
    command.arg("-c").arg(script).arg("sh").arg(file).stdin(Stdio::inherit());
    let shown = editor.to_string_lossy().into_owned();
    let ended = command.status().await.map_err(|error| failed(&shown, &error.to_string()))?;
    if ended.success() { Ok(()) } else { Err(failed(&shown, &format!("it ended with {ended}"))) }
}

fn failed(editor: &str, why: &str) -> Error {
    let remedy = "nothing was changed; name another editor: $VISUAL or $EDITOR";
    Error::new(Code::Failed, format!("the editor {editor} failed: {why}"), remedy)
}
