//! What a user sees: data on standard output, words on standard error.

use std::io::{self, Write as _};

use lanyard_protocol::control::{Code, Failure};
use lanyard_simulations::report::escaped;

/// Prints data as it is. Whoever has read enough of it may close it: the run counts all the same.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            Code::Failed,
            format!("standard output cannot be written: {error}"),
            "write it somewhere with room",
        )),
        _ => Ok(()),
    }
}

/// Says something beside the data, a line.
pub(crate) fn say(line: &str) {
    // Words are a courtesy: without a standard error the command still does its work.
    let _ = writeln!(io::stderr().lock(), "{}", escaped(line));
}

/// Says several lines that are escaped already.
pub(crate) fn say_lines(lines: &str) {
    let _ = write!(io::stderr().lock(), "{lines}");
}

/// Says what happened and what to do; with `json`, standard output has it too.
pub(crate) fn failure(failure: &Failure, json: bool) {
    say(&format!("error: {}", failure.message));
    say(&failure.remedy);
    if json {
        // There is nowhere left to complain to.
        let _ = data(&format!("{}\n", serde_json::json!({ "error": failure })));
    }
}
