//! Every built-in scenario, small, with twenty seeds.

use lanyard_simulations::scenario::{LinkSpec, Scenario};

use crate::{begin, finish, holds, scenario, told};

/// With how many seeds each is run.
const SEEDS: core::ops::RangeInclusive<u64> = 1..=20;

#[test]
fn a_handful_of_hosts() {
    holds(&scenario("handful"), 6, SEEDS);
}

#[test]
fn everybody_who_comes_at_once_joins() {
    holds(&scenario("enrolment-storm"), 12, SEEDS);
}

/// F1, F2: members come and go for weeks, in every way in which a process ends.
#[test]
fn weeks_of_comings_and_goings() {
    let small = Scenario { duration: "16d".parse().unwrap(), ..scenario("churn") };
    holds(&small, 9, SEEDS);
}

#[test]
fn members_bear_an_authority_that_is_off_for_a_day() {
    holds(&scenario("outage"), 5, SEEDS);
}

/// B7, B8: who was cut off learns of a revocation as soon as it is back.
#[test]
fn a_revocation_reaches_both_sides_of_a_cut() {
    holds(&scenario("partition"), 10, SEEDS);
}

/// B7 where a tenth of all packets is lost.
#[test]
fn revocations_hold_on_a_network_that_loses() {
    holds(&scenario("revocation"), 12, SEEDS);
}

/// R-T14, I4: a change of the policy, or of a user's roles, gets to everybody who is in touch.
#[test]
fn changes_of_the_policy_get_to_everybody() {
    holds(&scenario("policy"), 12, SEEDS);
}

/// R-T14: of a long policy in which one line has changed everybody is told that part, and of a change of a user nothing of
/// the text.
#[test]
fn a_change_of_the_policy_is_told_and_not_the_policy() {
    // Nobody talks to anybody, so nobody is told by two at once; and nothing is told twice because it was lost.
    let quiet = Scenario { load: Vec::new(), link: LinkSpec::default(), ..scenario("policy") };
    let outcome = finish(begin(quiet, 12, 1));
    assert!(outcome.violations.is_empty(), "{}", told(&outcome.violations));
    let changes: Vec<_> = outcome.measure.policies.values().collect();
    let [whole, line, given, taken] = changes[..] else { panic!("{} changes", changes.len()) };
    for change in &changes {
        assert_eq!((change.reach.after.len(), change.costs.len()), (11, 11));
    }
    for (change, parts, bytes) in [(line, 2, 14_000), (given, 1, 1000), (taken, 1, 1000)] {
        for (host, cost) in &change.costs {
            assert!(cost.parts.len() <= parts && cost.messages <= 2 * parts as u64, "{host}: {cost:?}");
            assert!(cost.bytes < bytes && cost.bytes > 0, "{host}: {cost:?}");
        }
    }
    assert!(whole.costs.values().all(|cost| cost.parts.len() == 5 && cost.bytes > 40 * 1024));
}

/// C4, C6: no channel outlives its ticket, across every change of the key ring.
#[test]
fn channels_live_through_changes_of_the_key_ring() {
    holds(&scenario("rotation"), 8, SEEDS);
}

/// A11 and A13.
#[test]
fn a_flood_of_applicants_keeps_nobody_out() {
    holds(&scenario("flood"), 8, SEEDS);
}

/// B5.
#[test]
fn clocks_that_are_wrong_and_jump() {
    holds(&scenario("clocks"), 10, SEEDS);
}

/// F1, F2, F3.
#[test]
fn nothing_acknowledged_is_lost_with_full_and_failing_disks() {
    holds(&scenario("disks"), 9, SEEDS);
}

#[test]
fn a_network_that_repeats_reorders_and_is_slow() {
    holds(&scenario("rough"), 9, SEEDS);
}

#[test]
fn an_ordinary_day() {
    holds(&scenario("day"), 10, SEEDS);
}

/// A1, A9, A13, C3, C15, D11: all attackers at once.
#[test]
fn all_attackers_at_once() {
    holds(&scenario("siege"), 9, SEEDS);
}

#[test]
fn every_built_in_scenario_is_tested() {
    let tests = include_str!("built_in.rs");
    for (name, _) in lanyard_simulations::scenario::BUILT_IN {
        assert!(tests.contains(&format!("scenario(\"{name}\")")), "{name} is not run");
    }
}
