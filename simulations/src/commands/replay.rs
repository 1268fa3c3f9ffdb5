//! `lanyard-sim replay`: a run once more, with every step.

use core::num::NonZeroUsize;
use std::fs;
use std::path::Path;

use lanyard_protocol::control::{Code, Failure};
use lanyard_simulations::report::{SCENARIO, SUMMARY, steps};
use lanyard_simulations::run::{Outcome, RunOptions};
use serde::Deserialize;

use super::{Ending, Result, run, threads};
use crate::screen;
use crate::source::Source;

/// What is needed to do a run again, of all that was written about it.
#[derive(Deserialize)]
struct Written {
    program: String,
    seed: u64,
    nodes: u32,
    trace_hash: String,
}

/// Does the run again that was written to `folder`.
pub(crate) fn replay(folder: &Path, wanted: Option<NonZeroUsize>) -> Result {
    let written = read(&folder.join(SUMMARY))?;
    let source = Source::read(&folder.join(SCENARIO))?;
    let (seed, nodes) = (written.seed, written.nodes);
    let options = RunOptions { seed, nodes, threads: threads(wanted), keep_all_steps: true };
    let (outcome, _) = run::finish(&source, options, true)?;
    if outcome.trace_hash != written.trace_hash {
        let (is, was) = (&outcome.trace_hash, &written.trace_hash);
        return Err(Failure::new(
            Code::Failed,
            format!("this is another run: its trace is {is}, and {was} was written by {}", written.program),
            "replay it with the version and the scenario that it was written with",
        ));
    }
    screen::say(&format!("the same run: seed {seed}, {nodes} nodes, trace {}", outcome.trace_hash));
    let Some(first) = outcome.violations.first() else {
        screen::say("nothing is wrong in it");
        return Ok(Ending::AsItOught);
    };
    let (invariant, at, what) = (first.invariant, first.at, &first.what);
    show(&outcome)?;
    screen::say(&format!("{invariant} is violated at {at}: {what}"));
    Ok(Ending::AsItOught)
}

/// Prints every step of the hosts concerned, up to the violation.
fn show(outcome: &Outcome) -> Result<()> {
    let Some(first) = outcome.violations.first() else { return Ok(()) };
    let led_there = outcome.steps.iter().filter(|step| step.at <= first.at);
    screen::data(&steps(led_there, &outcome.roster))
}

fn read(path: &Path) -> Result<Written> {
    let refused = |error: &dyn core::fmt::Display| {
        Failure::new(
            Code::Usage,
            format!("{} cannot be read: {error}", path.display()),
            "name a directory that `lanyard-sim run --out DIR` has written",
        )
    };
    let text = fs::read_to_string(path).map_err(|error| refused(&error))?;
    serde_json::from_str(&text).map_err(|error| refused(&error))
}
