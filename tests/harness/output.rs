//! What a command did.

use std::fmt;

use serde_json::Value;

/// How much of a stream a failure shows: its end.
const SHOWN: usize = 16 * 1024;

/// What a command that has ended did. Its checks show all of it when they fail.
#[derive(Debug)]
pub struct Output {
    pub(crate) argv: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Output {
    /// The exit code, unless a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.code
    }

    /// What it wrote to standard output, as it is.
    #[must_use]
    pub fn stdout_bytes(&self) -> &[u8] {
        &self.stdout
    }

    /// What it wrote to standard output.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// What it wrote to standard error.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// This, which ended well.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    #[must_use]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "should have succeeded\n{self}");
        self
    }

    /// This, which failed with `code` and said why: what happened, then what to do.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    #[must_use]
    pub fn fails(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "should have failed with {code}\n{self}");
        let words = self.stderr();
        let lines: Vec<&str> = words.lines().collect();
        // Usage errors are clap's, which says more.
        assert!(code == 2 || lines.len() >= 2, "an error is what happened and what to do\n{self}");
        assert!(!words.contains("panicked"), "a refusal, not a panic\n{self}");
        self
    }

    /// This, whose words contain `text`, whatever the case.
    ///
    /// # Panics
    /// When they do not.
    #[track_caller]
    #[must_use]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr().to_lowercase().contains(&text.to_lowercase()), "should say {text:?}\n{self}");
        self
    }

    /// The one line that it printed.
    ///
    /// # Panics
    /// When it printed none or several.
    #[track_caller]
    #[must_use]
    pub fn line(&self) -> String {
        let text = self.stdout();
        let mut lines = text.lines();
        match (lines.next(), lines.next()) {
            (Some(line), None) if !line.is_empty() => line.to_owned(),
            _ => panic!("should have printed one line\n{self}"),
        }
    }

    /// The JSON that it printed.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("not JSON: {error}\n{self}"))
    }

    /// The lines of JSON that it printed.
    ///
    /// # Panics
    /// When a line is none.
    #[track_caller]
    #[must_use]
    pub fn json_lines(&self) -> Vec<Value> {
        let text = self.stdout();
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON: {error}\n{self}"));
        text.lines().map(parse).collect()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code =
            self.code.map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit code {code}"));
        writeln!(f, "$ {}\n{code}", self.argv)?;
        writeln!(f, "--- stdout\n{}", end_of(&self.stdout))?;
        writeln!(f, "--- stderr\n{}", end_of(&self.stderr))
    }
}

/// The last part of what was written, printable.
pub(crate) fn end_of(bytes: &[u8]) -> String {
    let start = bytes.len().saturating_sub(SHOWN);
    String::from_utf8_lossy(&bytes[start..]).into_owned()
}
