//! Scenarios, small.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod adversaries;
mod built_in;
mod corpus;
mod determinism;
mod live;
mod planted;
mod report;

use lanyard_simulations::reference::{Invariant, Violation};
use lanyard_simulations::run::{Outcome, Run, RunOptions};
use lanyard_simulations::scenario::{Scenario, built_in};

/// The built-in scenario of that name.
fn scenario(name: &str) -> Scenario {
    built_in(name).unwrap_or_else(|| panic!("there is no scenario {name}"))
}

fn begin(scenario: Scenario, nodes: u32, seed: u64) -> Run {
    let options = RunOptions { seed, nodes, threads: 1, keep_all_steps: false };
    Run::new(scenario, options).unwrap()
}

fn finish(run: Run) -> Outcome {
    run.finish(&mut |_, _| {})
}

/// Nothing is violated with any of these seeds.
fn holds(scenario: &Scenario, nodes: u32, seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        let outcome = finish(begin(scenario.clone(), nodes, seed));
        let violations = &outcome.violations;
        assert!(violations.is_empty(), "{} with seed {seed}: {}", scenario.name, told(violations));
    }
}

fn told(violations: &[Violation]) -> String {
    let line = |violation: &Violation| {
        format!("\n  {} at {}: {}", violation.invariant, violation.at, violation.what)
    };
    violations.iter().map(line).collect()
}

/// The invariants that were violated.
fn violated(outcome: &Outcome) -> Vec<Invariant> {
    outcome.violations.iter().map(|violation| violation.invariant).collect()
}
