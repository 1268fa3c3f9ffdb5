//! `state`: the node's own state as one file.

use std::path::{Path, PathBuf};

use lanyard_protocol::control::{Code, ExportState, Exported, Passphrase};
use zeroize::Zeroizing;

use super::{Context, node};
use crate::args::{State, StateFile};
use crate::error::{Error, Result};
use crate::{host, input};

/// `lanyard state`
pub(super) async fn state(context: &Context, state: State) -> Result {
    match state {
        State::Export(wanted) => export(context, &wanted).await,
        State::Verify(wanted) => verify(context, &wanted).await,
        State::Restore(wanted) => restore(context, &wanted).await,
    }
}

async fn export(context: &Context, wanted: &StateFile) -> Result {
    let (path, passphrase) = (absolute(&wanted.file)?, passphrase(wanted)?);
    let asked = ExportState { path, passphrase };
    let client = context.client();
    let exported: Exported = if client.is_running().await? {
        client.post("/v1/state/export", &asked).await?
    } else if context.state.join("db").exists() {
        host::export_state(&context.state, asked).await?
    } else {
        let what = format!("there is no node's state in {}", context.state.display());
        return Err(Error::new(Code::NotFound, what, "name the state directory of a node: `--state DIR`"));
    };
    if !exported.sealed {
        context.printer.stress(&format!("{} holds the node's secret keys in clear", wanted.file.display()));
        context.printer.say("guard it like the node itself, or seal it: `--passphrase-file F`");
    }
    show(context, &exported)
}

async fn verify(context: &Context, wanted: &StateFile) -> Result {
    let exported = host::verify_export(absolute(&wanted.file)?, passphrase(wanted)?).await?;
    show(context, &exported)
}

async fn restore(context: &Context, wanted: &StateFile) -> Result {
    let (file, passphrase) = (absolute(&wanted.file)?, passphrase(wanted)?);
    let restored = host::restore_export(&context.state, file, passphrase).await?;
    context.printer.say(&format!(
        "it is as it was at {}: what was decided since is lost, open invites too",
        restored.exported.0
    ));
    context.printer.say(&format!("run it with `{}`, and never two copies of it", context.command("up -d")));
    show(context, &restored)
}

fn show(context: &Context, exported: &Exported) -> Result {
    if context.printer.is_json() {
        return context.printer.json(exported);
    }
    let none = || "none".to_owned();
    let rows = [
        ("node", exported.name.as_ref().map_or_else(none, ToString::to_string)),
        ("id", exported.id.to_string()),
        ("network", exported.network.as_ref().map_or_else(none, ToString::to_string)),
        ("role", node::role(exported.role).to_owned()),
        ("records", exported.records.to_string()),
        ("of", exported.exported.0.to_string()),
    ];
    rows.iter().try_for_each(|(what, text)| context.printer.line(&format!("{what:<12} {text}")))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| {
        Error::new(Code::Usage, format!("{} is no file: {error}", path.display()), "name another file")
    })
}

fn passphrase(wanted: &StateFile) -> Result<Option<Passphrase>> {
    let Some(path) = &wanted.passphrase_file else { return Ok(None) };
    let text = if path == Path::new("-") {
        input::all()?
    } else {
        std::fs::read_to_string(path).map_err(|error| {
            let code =
                if error.kind() == std::io::ErrorKind::NotFound { Code::NotFound } else { Code::Failed };
            let what = format!("{} cannot be read: {error}", path.display());
            Error::new(code, what, "name a file with a passphrase in its first line, or - for standard input")
        })?
    };
    match Passphrase::new(Zeroizing::new(text)) {
        Some(passphrase) => Ok(Some(passphrase)),
        None => Err(Error::new(
            Code::Usage,
            format!("there is no passphrase in the first line of {}", path.display()),
            "put one there: five random words, say",
        )),
    }
}
