//! The command `lanyard-sim`.

use std::time::Instant;

use lanyard_simulations::run::{Run, RunOptions};
use lanyard_simulations::scenario::built_in;

#[expect(clippy::disallowed_methods, clippy::print_stdout)]
fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let scenario = built_in(&args[1]).ok_or_else(|| anyhow::anyhow!("no such"))?;
    let began = Instant::now();
    let options = RunOptions {
        seed: args[3].parse()?,
        nodes: args[2].parse()?,
        threads: args[4].parse()?,
        keep_all_steps: false,
    };
    let outcome = Run::new(scenario, options)?.finish(&mut |_, _| {});
    println!("{} {} events {} {:?}", outcome.trace_hash, outcome.events, outcome.ended, began.elapsed());
    println!(
        "joined {} opened {} failed {:?}",
        outcome.measure.enrolments.len(),
        outcome.measure.opened.len(),
        outcome.measure.failed
    );
    for v in &outcome.violations {
        println!("{} at {}: {} {:?}", v.invariant, v.at, v.what, v.hosts);
    }
    if !outcome.violations.is_empty() {
        for s in &outcome.steps {
            println!("{} {} {} {:?} {}", s.at, s.host, s.what, s.with, s.size);
        }
    }
    Ok(())
}
