//! `lanyard-sim run --live`: a scenario on real nodes, and the simulation of it beside them.

use lanyard_protocol::control::{Code, Failure};
use lanyard_simulations::live::{self, LiveError};
use lanyard_simulations::report::{Comparison, table};
use lanyard_simulations::run::RunOptions;

use super::run::finish;
use super::{Ending, Result, threads};
use crate::source::{Source, unfit};
use crate::{args, screen};

/// Runs a scenario on real nodes, then in the simulator, and says by how much the latter is off.
pub(crate) fn live(args: &args::Run) -> Result {
    let source = Source::load(&args.scenario)?;
    let nodes = args.nodes.unwrap_or(source.scenario.nodes);
    if !args.json {
        screen::say(&format!("{nodes} real nodes, for {} of real time", source.scenario.duration));
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| {
        Failure::new(Code::Failed, format!("there are no threads to run on: {error}"), "close other programs")
    })?;
    let outcome = runtime.block_on(live::run(&source.scenario, nodes, args.seed));
    let outcome = outcome.map_err(|error| refused(nodes, error))?;
    let options =
        RunOptions { seed: args.seed, nodes, threads: threads(args.threads), keep_all_steps: false };
    let (simulated, _) = finish(&source, options, !args.json)?;
    let comparison = Comparison::of(&outcome, &simulated);
    if args.json {
        let json = serde_json::to_string(&comparison).map_err(|error| {
            Failure::new(Code::Failed, format!("the result is no JSON: {error}"), "run it without `--json`")
        })?;
        screen::data(&format!("{json}\n"))?;
    } else {
        let headings = ["", "LIVE", "SIMULATED", "LIVE / SIMULATED"];
        screen::data(&table(&headings, &comparison.rows()))?;
        for what in &comparison.left_out {
            screen::say(&format!("left out of the live run: {what}"));
        }
        for failure in &comparison.failures {
            screen::say(&format!("error: {failure}"));
        }
    }
    let wrong = !comparison.failures.is_empty() || !simulated.violations.is_empty();
    Ok(if wrong { Ending::Violated } else { Ending::AsItOught })
}

fn refused(nodes: u32, error: LiveError) -> Failure {
    match error {
        LiveError::Scenario(error) => unfit(nodes, &error),
        LiveError::TooMany { max, .. } => {
            Failure::new(Code::Usage, error.to_string(), format!("choose fewer: `--nodes {max}`"))
        }
        LiveError::Directory(_) => {
            Failure::new(Code::Failed, error.to_string(), "make room for temporary files, or set TMPDIR")
        }
        LiveError::Start { error, .. } => error.failure(),
        LiveError::Found(failure) => failure,
    }
}
