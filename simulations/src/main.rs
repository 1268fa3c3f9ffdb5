//! The command `lanyard-sim`: it parses, calls one command, and maps its end to an exit code.

mod args;
mod commands;
mod progress;
mod screen;
mod source;
mod stopwatch;

use std::process::ExitCode;

use self::args::{Command, Stop};
use self::commands::{Ending, list, live, replay, run, show};

fn main() -> ExitCode {
    let result = match args::parse() {
        Ok(command) => call(command),
        Err(Stop::Help(text)) => screen::data(&text).map(|()| Ending::AsItOught),
        Err(Stop::Usage(failure)) => Err(failure),
    };
    match result {
        Ok(ending) => ExitCode::from(ending.exit_code()),
        Err(failure) => {
            screen::failure(&failure, args::wants_json());
            ExitCode::from(failure.code.exit_code())
        }
    }
}

fn call(command: Command) -> commands::Result {
    match command {
        Command::Run(args) if args.live => live::live(&args),
        Command::Run(args) => run::run(&args),
        Command::List => list(),
        Command::Show { scenario } => show(&scenario),
        Command::Replay { folder, threads } => replay::replay(&folder, threads),
    }
}
