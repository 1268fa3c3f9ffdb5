//! Runs that once ended in a violation: a scenario in `tests/corpus/`, with the seeds in its first line.

use std::path::Path;

use lanyard_simulations::scenario::Scenario;

use crate::holds;

/// Counted, so that none is skipped unnoticed.
const CASES: usize = 4;

#[test]
fn what_once_failed_holds() {
    let mut cases = 0;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let seeds = text.lines().next().and_then(|line| line.strip_prefix("# seeds ")).unwrap();
        let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        holds(&scenario, scenario.nodes, seeds.split(' ').map(|seed| seed.parse().unwrap()));
        cases += 1;
    }
    assert_eq!(cases, CASES);
}
