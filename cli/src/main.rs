//! The `lanyard` command: it parses, calls one command, and maps its end to an exit code.
//!
//! It decides nothing. What is asked goes to the running node over its local socket; only `up`, and `init`,
//! `join`, `cert`, `ca`, `seal` and `open` where no node runs, host a node in this process.

mod args;
mod client;
mod commands;
mod error;
mod host;
mod input;
mod output;
mod printer;
mod progress;

use std::process::ExitCode;

use lanyard_protocol::control::Code;

use self::args::{Cli, Stop};
use self::commands::Context;
use self::error::{Error, Result};
use self::printer::Printer;

fn main() -> ExitCode {
    let (printer, result) = match args::parse() {
        Ok(cli) => {
            let global = &cli.global;
            (Printer::new(global.json, global.quiet, global.no_progress), run(cli))
        }
        Err(stop) => {
            let printer = Printer::new(args::wants_json(), false, true);
            let result = match stop {
                Stop::Help(text) => printer.raw(&text),
                Stop::Usage(failure) => Err(failure.into()),
            };
            (printer, result)
        }
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    match &error {
        Error::Failure(failure) => printer.failure(failure),
        Error::Reported(failure) => printer.complaint(failure),
        Error::Closed => {}
    }
    ExitCode::from(error.exit_code())
}

fn run(cli: Cli) -> Result {
    let context = Context::new(&cli.global)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Error::new(Code::Failed, format!("no threads to work with: {error}"), "end other programs first")
    })?;
    let result = runtime.block_on(commands::run(&context, cli.command));
    // A read from the terminal that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    result
}
