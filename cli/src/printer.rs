//! What a user sees: data on standard output, words on standard error.
//!
//! All text for people passes through [`escaped`] here, so that no command can forget it: a chat message, a
//! file's name or a peer's error never reaches the terminal as a control sequence.

use core::fmt::Write as _;
use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use lanyard_protocol::control::Failure;
use serde::Serialize;

use crate::error::{Error, Result};

/// How a run of the program talks to its user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    json: bool,
    quiet: bool,
    progress: bool,
    colour: bool,
    colour_out: bool,
}

impl Printer {
    /// A printer as the flags want it; bars and colours only where standard error is a terminal.
    pub(crate) fn new(json: bool, quiet: bool, no_progress: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            json,
            quiet,
            progress: terminal && !quiet && !no_progress && !json,
            colour: terminal && !no_colour,
            colour_out: io::stdout().is_terminal() && !no_colour,
        }
    }

    /// Whether the answer is wanted as JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether progress bars are wanted.
    pub(crate) const fn shows_progress(&self) -> bool {
        self.progress
    }

    /// Prints `value` as one line of JSON.
    pub(crate) fn json<T: Serialize>(&self, value: &T) -> Result {
        let text = serde_json::to_string(value).map_err(|error| Error::output(&error.into()))?;
        self.raw(&format!("{}\n", json_escaped(&text)))
    }

    /// Prints a line of data, escaped.
    pub(crate) fn line(&self, text: &str) -> Result {
        self.raw(&format!("{}\n", escaped(text)))
    }

    /// Prints a line of data that what follows belongs to.
    pub(crate) fn heading(&self, text: &str) -> Result {
        self.raw(&format!("{}\n", painted(self.colour_out, "1;36", &escaped(text))))
    }

    /// Prints data as it is: PEM, a man page, a completion script. Never what a peer sent.
    pub(crate) fn raw(&self, text: &str) -> Result {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Error::output(&error))
    }

    /// Prints a text that others may have written: as it is into a file or a pipe, escaped on a terminal.
    pub(crate) fn text(&self, text: &str) -> Result {
        if io::stdout().is_terminal() {
            text.lines().try_for_each(|line| self.line(line))
        } else {
            self.raw(text)
        }
    }

    /// Prints rows under their headings, each column as wide as it has to be.
    pub(crate) fn table(&self, headings: &[&str], rows: &[Vec<String>]) -> Result {
        table(headings, rows).iter().try_for_each(|line| self.line(line))
    }

    /// Says something beside the data, unless it shall be quiet. Each line is escaped by itself.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            for line in text.split('\n') {
                write_error_line(&escaped(line));
            }
        }
    }

    /// Says something that must stand out.
    pub(crate) fn stress(&self, text: &str) {
        if !self.quiet {
            write_error_line(&painted(self.colour, "1", &escaped(text)));
        }
    }

    /// Asks for something without ending the line.
    pub(crate) fn prompt(&self, text: &str) {
        let _ = write!(io::stderr().lock(), "{}", escaped(text));
    }

    /// Ends the line of a question whose answer was not shown.
    pub(crate) fn prompt_ended(&self) {
        write_error_line("");
    }

    /// Says what happened and what to do; with `--json`, standard output has it too.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.complaint(failure);
        if self.json {
            let body = serde_json::json!({ "error": failure });
            // There is nowhere left to complain to.
            let _ = self.json(&body);
        }
    }

    /// Says what happened and what to do, to people alone.
    pub(crate) fn complaint(&self, failure: &Failure) {
        let message = format!("{} {}", painted(self.colour, "1;31", "error:"), escaped(&failure.message));
        write_error_line(&message);
        write_error_line(&escaped(&failure.remedy));
    }
}

fn painted(colour: bool, style: &str, text: &str) -> String {
    if colour { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
}

fn write_error_line(line: &str) {
    // Words are a courtesy: without a standard error the command still does its work.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

fn table(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let headings: Vec<String> = headings.iter().map(ToString::to_string).collect();
    let width = |column: usize| {
        let cells = core::iter::once(&headings).chain(rows).filter_map(|row| row.get(column));
        cells.map(|cell| escaped(cell).chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{:width$}", escaped(cell)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    core::iter::once(&headings).chain(rows).map(line).collect()
}

/// `text` with every character that could steer a terminal or reorder a line written out, as in `\u{1b}`.
///
/// Those are the control characters of C0 and C1, the line and paragraph separators, and the invisible
/// characters that turn, hide or join what stands around them (Unicode TR 9 and TR 36).
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_steering) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_steering(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// The same for JSON text, by the escapes that JSON has: the value stays what it is.
fn json_escaped(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if is_steering(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

fn is_steering(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'                       // Arabic letter mark
            | '\u{ad}'                      // soft hyphen
            | '\u{180e}'                    // Mongolian vowel separator
            | '\u{200b}'..='\u{200f}'       // zero width, left-to-right and right-to-left marks
            | '\u{2028}'..='\u{202e}'       // separators; embeddings and overrides
            | '\u{2060}'..='\u{206f}'       // invisible operators, isolates, deprecated formats
            | '\u{feff}'                    // byte order mark
            | '\u{fff9}'..='\u{fffb}'       // interlinear annotation
            | '\u{e0000}'..='\u{e007f}'     // tags
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H4: what came from a peer reaches no terminal as it is.
    #[test]
    fn escapes_what_steers_a_terminal() {
        for (text, shown) in [
            ("hello, Zoë: 你好 \\ \" '", "hello, Zoë: 你好 \\ \" '"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{1b}]52;c;aGk=\u{7}", "\\u{1b}]52;c;aGk=\\u{7}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{9d}0;title\u{9c}", "\\u{9d}0;title\\u{9c}"),
            ("one\ntwo\r\tthree\0", "one\\ntwo\\r\\tthree\\u{0}"),
            ("\u{7f}\u{85}", "\\u{7f}\\u{85}"),
            ("abc\u{202e}gpj.exe", "abc\\u{202e}gpj.exe"),
            ("\u{2066}x\u{2069}\u{200f}\u{61c}", "\\u{2066}x\\u{2069}\\u{200f}\\u{61c}"),
            ("a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c"),
            ("\u{200b}\u{feff}\u{e0041}", "\\u{200b}\\u{feff}\\u{e0041}"),
        ] {
            assert_eq!(escaped(text), shown, "{text:?}");
        }
    }

    /// H4: nor as JSON, whose value nevertheless stays the same.
    #[test]
    fn escapes_json_without_changing_its_value() {
        let value = "\u{1b}\u{9b}\u{202e}\u{e0041}\n\"ü";
        let json = json_escaped(&serde_json::to_string(value).unwrap());
        assert!(json.chars().all(|character| !is_steering(character)), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), value);
    }

    /// H4: a cell that is wide only by its escapes does not break the table.
    #[test]
    fn aligns_columns_by_what_is_shown() {
        let rows = [vec!["\u{1b}".to_owned(), "1".to_owned()], vec!["bob".to_owned(), String::new()]];
        assert_eq!(table(&["NAME", "RTT"], &rows), ["NAME    RTT", "\\u{1b}  1", "bob"]);
    }
}
