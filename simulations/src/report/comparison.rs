//! A live run and the simulation of it, side by side.

use serde::Serialize;

use super::words::{count, seconds};
use crate::live::LiveOutcome;
use crate::measure::{Measure, Spread};
use crate::run::Outcome;

/// What was measured in one of the two.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// How long users waited for their node's certificate, in milliseconds.
    pub enrolments: Spread,
    /// How long they waited for a channel, in milliseconds.
    pub opened: Spread,
    /// How many channels were not opened.
    pub failed: u64,
    /// After how long members knew of a revocation, in milliseconds.
    pub revocations: Spread,
}

impl Side {
    fn of(measure: &Measure) -> Self {
        let reached = measure.revocations.values().flat_map(|reach| reach.after.iter().copied());
        Self {
            enrolments: Spread::of(measure.enrolments.iter().map(|(_, took)| *took)),
            opened: Spread::of(measure.opened.iter().map(|(_, took)| *took)),
            failed: measure.failed.values().sum(),
            revocations: Spread::of(reached),
        }
    }
}

/// Both of them.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Real nodes on one machine, by a real clock.
    pub live: Side,
    /// The same scenario in the simulator.
    pub simulated: Side,
    /// What the scenario wants and real nodes cannot be made to do.
    pub left_out: Vec<&'static str>,
    /// What did not work live: who, and why.
    pub failures: Vec<String>,
}

impl Comparison {
    /// What was measured in both.
    #[must_use]
    pub fn of(live: &LiveOutcome, simulated: &Outcome) -> Self {
        Self {
            live: Side::of(&live.measure),
            simulated: Side::of(&simulated.measure),
            left_out: live.left_out.iter().copied().collect(),
            failures: live.failures.clone(),
        }
    }

    /// Rows of what, live, simulated, and the ratio of both.
    #[must_use]
    pub fn rows(&self) -> Vec<Vec<String>> {
        let (live, simulated) = (&self.live, &self.simulated);
        let spreads = [
            ("enrolment", live.enrolments, simulated.enrolments),
            ("opening a channel", live.opened, simulated.opened),
            ("revocation", live.revocations, simulated.revocations),
        ];
        let mut rows: Vec<Vec<String>> =
            spreads.iter().flat_map(|(what, a, b)| compared(what, a, b)).collect();
        let [a, b] = [live.failed, simulated.failed].map(|failed| failed.to_string());
        rows.push(vec!["channels failed".to_owned(), a, b, String::new()]);
        rows
    }
}

fn compared(what: &str, live: &Spread, simulated: &Spread) -> Vec<Vec<String>> {
    let row = |name: String, a: f64, b: f64| {
        let ratio = if a > 0.0 && b > 0.0 { format!("{:.2}", a / b) } else { String::new() };
        vec![name, seconds(a / 1000.0), seconds(b / 1000.0), ratio]
    };
    let counted = vec![format!("{what}, count"), count(live.count), count(simulated.count), String::new()];
    vec![
        counted,
        row(format!("{what}, median"), live.median, simulated.median),
        row(format!("{what}, p99"), live.p99, simulated.p99),
        row(format!("{what}, longest"), live.max, simulated.max),
    ]
}
