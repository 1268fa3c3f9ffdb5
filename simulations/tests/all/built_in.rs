//! Every built-in scenario, small, with as many seeds as a debug build has time for.

use crate::{holds, scenario};

macro_rules! holds {
    ($($(#[$about:meta])* $test:ident: $name:literal with $nodes:literal, $seeds:literal seeds;)*) => {$(
        $(#[$about])*
        #[test]
        fn $test() {
            holds(&scenario($name), $nodes, 1..=$seeds);
        }
    )*};
}

holds! {
    a_handful_of_hosts: "handful" with 6, 3 seeds;
    everybody_who_comes_at_once_joins: "enrolment-storm" with 12, 20 seeds;
    /// F1, F2: members come and go for a month, in every way in which a process ends.
    a_month_of_comings_and_goings: "churn" with 9, 1 seeds;
    members_bear_an_authority_that_is_off_for_a_day: "outage" with 8, 1 seeds;
    /// B7, B8: who was cut off learns of a revocation as soon as it is back.
    a_revocation_reaches_both_sides_of_a_cut: "partition" with 10, 6 seeds;
    /// B7 where a tenth of all packets is lost.
    revocations_hold_on_a_network_that_loses: "revocation" with 12, 6 seeds;
    /// C4, C6: no channel outlives its ticket, across every change of the key ring.
    channels_live_through_changes_of_the_key_ring: "rotation" with 8, 4 seeds;
    /// A11 and A13.
    a_flood_of_applicants_keeps_nobody_out: "flood" with 8, 1 seeds;
    /// B5.
    clocks_that_are_wrong_and_jump: "clocks" with 10, 2 seeds;
    /// F1, F2, F3.
    nothing_acknowledged_is_lost_with_full_and_failing_disks: "disks" with 9, 2 seeds;
    a_network_that_repeats_reorders_and_is_slow: "rough" with 9, 5 seeds;
    an_ordinary_day: "day" with 10, 8 seeds;
    /// A1, A9, A13, C3, C15, D11: all attackers at once.
    all_attackers_at_once: "siege" with 9, 4 seeds;
}

#[test]
fn every_built_in_scenario_is_tested() {
    let tests = include_str!("built_in.rs");
    for (name, _) in lanyard_simulations::scenario::BUILT_IN {
        assert!(tests.contains(&format!(": \"{name}\" with ")), "{name} is not run");
    }
}
