//! Scenarios on real nodes, beside their simulations.

use lanyard_simulations::live;
use lanyard_simulations::report::Comparison;
use lanyard_simulations::run::{Run, RunOptions};
use lanyard_simulations::scenario::built_in;

/// R-C9: what real nodes do in real time is what the simulated ones do: everybody joins, whoever asks gets a channel, and
/// the others hear of a revocation. By how much the times differ is printed and not judged: machines are noisy.
#[test]
fn real_nodes_do_what_simulated_ones_do() {
    let scenario = built_in("handful").unwrap();
    let nodes = scenario.nodes;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let live = runtime.block_on(live::run(&scenario, nodes, 1)).unwrap();
    assert_eq!(live.failures, Vec::<String>::new());
    let options = RunOptions { seed: 1, nodes, threads: 1, keep_all_steps: false };
    let simulated = Run::new(scenario, options).unwrap().finish(&mut |_, _| {});
    assert!(simulated.violations.is_empty(), "{:?}", simulated.violations);

    let compared = Comparison::of(&live, &simulated);
    for (name, side) in [("live", &compared.live), ("simulated", &compared.simulated)] {
        assert_eq!(side.enrolments.count, nodes as usize - 1, "{name}");
        assert!(side.opened.count > 0 && side.failed == 0, "{name}: {side:?}");
        // The authority knows at once, and the revoked one is not told like the others.
        assert_eq!(side.revocations.count, nodes as usize - 2, "{name}: {side:?}");
    }
    for row in compared.rows() {
        eprintln!("{}", row.join("  "));
    }
}
