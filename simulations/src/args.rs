//! The command line's grammar, and how a mistake in it is told.

use core::num::NonZeroUsize;
use core::ops::RangeInclusive;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use lanyard_protocol::control::{Code, Failure};

/// Thousands of Lanyard nodes in virtual time, with faults and attackers. The same seed gives the same run.
#[derive(Debug, Parser)]
#[command(
    name = "lanyard-sim",
    version,
    subcommand_required = true,
    arg_required_else_help = false,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a scenario, and say what came of it; ends with 1 if anything is not as it ought to be
    Run(Run),
    /// List the scenarios that come with the program
    List,
    /// Print a scenario, to begin one's own with
    Show {
        /// The scenario's name, or a file
        scenario: String,
    },
    /// Do a run again that `run --out` has written, and print what happened at the hosts where it went wrong
    Replay {
        /// The directory
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// How many threads; the run is the same with any number [default: as many as there are processors]
        #[arg(long, value_name = "T")]
        threads: Option<NonZeroUsize>,
    },
}

/// A run, or several.
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// The name of a scenario that `list` lists, or a TOML file
    pub(crate) scenario: String,
    /// How many hosts, the authority among them [default: what the scenario says]
    #[arg(long, value_name = "N")]
    pub(crate) nodes: Option<u32>,
    /// The seed of everything that is drawn
    #[arg(long, value_name = "S", default_value_t = 1, conflicts_with = "seeds")]
    pub(crate) seed: u64,
    /// Run it with each of these seeds, A and B included; results go to DIR/SEED
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub(crate) seeds: Option<RangeInclusive<u64>>,
    /// How many threads; the run is the same with any number [default: as many as there are processors]
    #[arg(long, value_name = "T")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Write all figures, the scenario and a page to look at to this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Run it with real nodes on this machine, in real time, and compare
    #[arg(long, conflicts_with_all = ["seeds", "out"])]
    pub(crate) live: bool,
    /// Print one JSON object for each seed, errors too
    #[arg(long)]
    pub(crate) json: bool,
}

/// Why nothing is called.
pub(crate) enum Stop {
    /// Somebody wants to read the help.
    Help(String),
    /// It was asked wrongly.
    Usage(Failure),
}

/// What the command line says.
#[expect(clippy::wildcard_enum_match_arm, reason = "whatever else the parser finds is a mistake")]
pub(crate) fn parse() -> Result<Command, Stop> {
    Cli::try_parse().map(|cli| cli.command).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Help(error.render().to_string()),
        ErrorKind::MissingSubcommand => Stop::Usage(Failure::new(
            Code::Usage,
            "there is no command",
            "`lanyard-sim list` lists what there is to run; `lanyard-sim --help` lists the commands",
        )),
        _ => Stop::Usage(usage(&error.render().to_string())),
    })
}

/// Whether `--json` is among arguments that may not have been parsed.
pub(crate) fn wants_json() -> bool {
    std::env::args_os().take_while(|argument| argument != "--").any(|argument| argument == "--json")
}

/// The parser's page as the two lines of every error: what is wrong, then its tip or the command's usage.
fn usage(page: &str) -> Failure {
    let mut paragraphs = page.split("\n\n").map(|lines| {
        let words = lines.lines().map(str::trim).filter(|line| !line.is_empty());
        words.collect::<Vec<_>>().join(" ")
    });
    let message = paragraphs.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    let rest: Vec<String> = paragraphs.collect();
    let line = |prefix: &str| rest.iter().find_map(|text| text.strip_prefix(prefix)).map(str::to_owned);
    let remedy = line("tip: ")
        .or_else(|| line("Usage: ").map(|usage| format!("usage: {usage}")))
        .unwrap_or_else(|| "`--help` says what there is".to_owned());
    Failure::new(Code::Usage, message, remedy)
}

/// Seeds from the one to the other: `1..20`.
fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let refused = || "use two numbers, the smaller one first, as in 1..20".to_owned();
    let (first, last) = text.split_once("..").ok_or_else(refused)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| refused());
    let seeds = number(first)?..=number(last)?;
    if seeds.is_empty() { Err(refused()) } else { Ok(seeds) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn seeds_are_two_numbers_in_order() {
        assert_eq!(seeds("3..5"), Ok(3..=5));
        assert_eq!(seeds("3..3"), Ok(3..=3));
        for bad in ["", "3", "5..3", "3..", "..3", "-1..3", "1...3", "1..=3"] {
            assert!(seeds(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tells_a_mistake_in_two_lines() {
        for arguments in [
            &["lanyard-sim", "rnu"][..],
            &["lanyard-sim", "run"],
            &["lanyard-sim", "run", "x", "--nodes", "many"],
            &["lanyard-sim", "run", "x", "--threads", "0"],
            &["lanyard-sim", "run", "x", "--seed", "1", "--seeds", "1..2"],
            &["lanyard-sim"],
        ] {
            let error = Cli::try_parse_from(arguments).unwrap_err();
            let failure = usage(&error.render().to_string());
            assert!(!failure.message.contains('\n') && !failure.message.is_empty(), "{failure:?}");
            assert!(!failure.remedy.contains('\n') && !failure.remedy.is_empty(), "{failure:?}");
        }
    }
}
