//! What a user is asked, and what is read from standard input.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _};
use std::path::Path;

use lanyard_protocol::control::{Code, Password};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::printer::Printer;

/// As much of a password's file as is read, in bytes: more than any password has.
const LINE_MAX: u64 = 4096;

/// What the password by which nodes get in is called.
pub(crate) const NETWORK_PASSWORD: &str = "the network's password";

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

/// The password that `file` has in its first line, standard input if it is `-`; without a file whoever sits at the
/// terminal is asked for it by the name `what`, twice if it is a new one.
///
/// # Errors
/// If there is none, or nobody can be asked.
pub(crate) async fn password(
    printer: &Printer,
    file: Option<&Path>,
    what: &str,
    is_new: bool,
) -> Result<Password> {
    let text = match file {
        Some(file) if file == Path::new("-") => Zeroizing::new(line().await?.unwrap_or_default()),
        Some(file) => first_line(file)?,
        None if is_terminal() => return ask_password(printer, what, is_new).await,
        None => return Err(no_password()),
    };
    checked(&text)
}

/// Refuses to go on without a password where nobody can be asked for one.
pub(crate) fn no_password() -> Error {
    Error::new(
        Code::Usage,
        "a password is needed, and nobody can be asked: standard input is no terminal",
        "name a file that has it, or - for standard input: `--password-file F`",
    )
}

async fn ask_password(printer: &Printer, what: &str, is_new: bool) -> Result<Password> {
    let password = checked(&hidden(printer, &format!("{what}: ")).await?)?;
    if is_new && checked(&hidden(printer, "once more: ").await?)? != password {
        let again = "give the command again";
        return Err(Error::new(
            Code::Usage,
            "the two passwords are not the same; nothing was changed",
            again,
        ));
    }
    Ok(password)
}

/// A line of the terminal that it does not show.
async fn hidden(printer: &Printer, question: &str) -> Result<Zeroizing<String>> {
    let silence = Silence::begin().map_err(|error| {
        let remedy = "use a file: `--password-file F`";
        Error::new(Code::Failed, format!("the terminal shows what is typed: {error}"), remedy)
    })?;
    printer.prompt(question);
    let typed = line().await;
    drop(silence);
    printer.prompt_ended();
    Ok(Zeroizing::new(typed?.unwrap_or_default()))
}

/// While it lives the terminal does not show what is typed.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // What was typed ahead was shown, and is not meant.
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing either.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// The first line of a file: of what is no password at all, not more than a little is read.
fn first_line(path: &Path) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = File::open(path).and_then(|file| BufReader::new(file.take(LINE_MAX)).read_line(&mut text));
    read.map_err(|error| {
        let what = format!("{} cannot be read: {error}", path.display());
        Error::new(Code::Usage, what, "name a file that has the password in its first line")
    })?;
    Ok(text)
}

fn checked(text: &str) -> Result<Password> {
    Password::new(text).map_err(|error| {
        Error::new(
            Code::Usage,
            error.to_string(),
            "choose four words that have nothing to do with each other",
        )
    })
}

fn unreadable(error: &io::Error) -> Error {
    Error::new(Code::Failed, format!("standard input cannot be read: {error}"), "give it as text in UTF-8")
}
