//! `lanyard-sim run`: a scenario, with one seed or with many.

use core::time::Duration;
use std::path::{Path, PathBuf};

use lanyard_protocol::control::{Code, Failure};
use lanyard_simulations::moment::Moment;
use lanyard_simulations::report::{PAGE, Report, steps};
use lanyard_simulations::run::{Outcome, Run, RunOptions};

use super::{Ending, Result, threads};
use crate::progress::Progress;
use crate::source::{Source, unfit};
use crate::stopwatch::Stopwatch;
use crate::{args, screen};

/// Runs a scenario.
pub(crate) fn run(args: &args::Run) -> Result {
    let source = Source::load(&args.scenario)?;
    let mut ending = Ending::AsItOught;
    for seed in args.seeds.clone().unwrap_or(args.seed..=args.seed) {
        if once(args, &source, seed)? == Ending::Violated {
            ending = Ending::Violated;
        }
    }
    Ok(ending)
}

fn once(args: &args::Run, source: &Source, seed: u64) -> Result {
    let nodes = args.nodes.unwrap_or(source.scenario.nodes);
    let options = RunOptions { seed, nodes, threads: threads(args.threads), keep_all_steps: false };
    let (outcome, wall) = finish(source, options, !args.json)?;
    let report = Report { scenario: &source.scenario, seed, wall, outcome: &outcome };
    let folder = args.out.as_deref().map(|folder| match args.seeds {
        Some(_) => folder.join(seed.to_string()),
        None => folder.to_owned(),
    });
    if let Some(folder) = &folder {
        report.save(folder, &source.text).map_err(|error| unwritable(folder, &error))?;
    }
    if args.json {
        let json = serde_json::to_string(&report.brief()).map_err(|error| {
            Failure::new(Code::Failed, format!("the result is no JSON: {error}"), "run it without `--json`")
        })?;
        screen::data(&format!("{json}\n"))?;
    } else {
        screen::data(&report.text())?;
    }
    if let Some(folder) = &folder {
        screen::say(&format!("look at {}", folder.join(PAGE).display()));
    }
    if outcome.violations.is_empty() {
        return Ok(Ending::AsItOught);
    }
    tell(&outcome, seed, &again(args, seed, outcome.roster.nodes(), folder));
    Ok(Ending::Violated)
}

/// Runs to the end, and says how long that took.
pub(super) fn finish(source: &Source, options: RunOptions, bar: bool) -> Result<(Outcome, Duration)> {
    let scenario = source.scenario.clone();
    let watch = Stopwatch::start();
    let mut progress = Progress::new(Moment::at(scenario.duration.0), watch, bar);
    let run = Run::new(scenario, options).map_err(|error| unfit(options.nodes, &error))?;
    let outcome = run.finish(&mut |at, events| progress.show(at, events));
    progress.clear();
    Ok((outcome, watch.elapsed()))
}

/// The commands that do this run again and show all of it.
fn again(args: &args::Run, seed: u64, nodes: u32, folder: Option<PathBuf>) -> String {
    match folder {
        Some(folder) => format!("lanyard-sim replay {}", folder.display()),
        None => {
            let folder =
                format!("{}-{seed}", Path::new(&args.scenario).file_stem().unwrap_or_default().display());
            let run =
                format!("lanyard-sim run {} --nodes {nodes} --seed {seed} --out {folder}", args.scenario);
            format!("{run}; lanyard-sim replay {folder}")
        }
    }
}

/// Says what is wrong and what led there.
fn tell(outcome: &Outcome, seed: u64, again: &str) {
    screen::say("");
    screen::say_lines(&steps(outcome.steps.iter(), &outcome.roster));
    screen::say("");
    for violation in &outcome.violations {
        let hosts: Vec<String> = violation.hosts.iter().map(|host| outcome.roster.name(*host)).collect();
        let (invariant, at, hosts) = (violation.invariant, violation.at, hosts.join(", "));
        screen::say(&format!("error: {invariant} is violated at {at}, {hosts}: {}", violation.what));
    }
    screen::say(&format!("seed {seed}, after {} events; to see all that led there: {again}", outcome.events));
}

fn unwritable(folder: &Path, error: &std::io::Error) -> Failure {
    let what = format!("{} cannot be written: {error}", folder.display());
    Failure::new(Code::Failed, what, "name another directory: `--out DIR`")
}
