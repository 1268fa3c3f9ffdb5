//! What a user is asked, and what is read from standard input.

use std::io::{self, IsTerminal as _};

use lanyard_protocol::control::Code;

use crate::error::{Error, Result};
use crate::printer::Printer;

/// Whether somebody can be asked.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// The next line of standard input without its end; nothing if there is none.
pub(crate) async fn line() -> Result<Option<String>> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|length| (length > 0).then_some(line))
    });
    match read.await {
        Ok(Ok(line)) => Ok(line.map(|line| line.trim_end_matches(['\n', '\r']).to_owned())),
        Ok(Err(error)) => Err(unreadable(&error)),
        Err(_) => Ok(None),
    }
}

/// All of standard input.
pub(crate) fn all() -> Result<String> {
    io::read_to_string(io::stdin()).map_err(|error| unreadable(&error))
}

/// Waits until standard input ends.
pub(crate) async fn end() -> Result {
    while line().await?.is_some() {}
    Ok(())
}

/// Asks a question that an empty answer answers with `default`.
pub(crate) async fn ask(printer: &Printer, question: &str, default: &str) -> Result<String> {
    printer.prompt(&format!("{question} [{default}]: "));
    let answer = line().await?.unwrap_or_default();
    let answer = answer.trim();
    Ok(if answer.is_empty() { default.to_owned() } else { answer.to_owned() })
}

/// Asks whether to do something; anything but yes is no.
pub(crate) async fn confirm(printer: &Printer, question: &str) -> Result<bool> {
    printer.prompt(&format!("{question} [y/N] "));
    let answer = line().await?.unwrap_or_default();
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// The single-use code or URI that was given, read from standard input where it is `-`.
pub(crate) async fn secret(argument: &str) -> Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let text = line().await?.unwrap_or_default();
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::new(
            Code::Usage,
            "there is no code or URI on standard input",
            "pass on what `lanyard invite` printed",
        ));
    }
    Ok(text.to_owned())
}

fn unreadable(error: &io::Error) -> Error {
    Error::new(Code::Failed, format!("standard input cannot be read: {error}"), "give it as text in UTF-8")
}
