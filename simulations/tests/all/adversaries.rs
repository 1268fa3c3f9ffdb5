//! Each attacker alone, so that what is found has one cause.

use lanyard_simulations::adversary::KINDS;
use lanyard_simulations::scenario::{AdversarySpec, Scenario};

use crate::{begin, finish, holds, scenario, told};

/// A small network whose members come while the attacker is there, and talk, end and are taken away.
fn attacked(kind: &str, hosts: u32) -> Scenario {
    let mut scenario = scenario("siege");
    scenario.duration = "5m".parse().unwrap();
    scenario.at.clear();
    let from = "10s".parse().unwrap();
    scenario.adversary = vec![AdversarySpec { kind: kind.to_owned(), from, hosts }];
    scenario
}

/// A11: strangers from 200 addresses ask to be let in.
#[test]
fn a_flood_from_200_addresses_keeps_nobody_out() {
    let mut scenario = attacked("flood", 200);
    scenario.duration = "1m".parse().unwrap();
    scenario.hosts[0].join_within = "20s".parse().unwrap();
    scenario.load.clear();
    holds(&scenario, 6, 1..=1);
}

/// A13, C17, D12: whatever somebody was ever told or has said is said again, to everybody, on other connections.
#[test]
fn what_is_replayed_gives_nothing_away() {
    holds(&attacked("replayer", 2), 6, 1..=3);
}

/// A9, D11: valid messages with made-up content, and damaged ones, in every state.
#[test]
fn what_is_made_up_gives_nothing_away() {
    holds(&attacked("forger", 3), 6, 1..=3);
}

/// A1: who passes on what joiner and authority say is not taken for the authority, also where the first one that answers
/// is believed.
#[test]
fn a_man_in_the_middle_is_not_taken_for_the_authority() {
    for admission in ["invite", "open"] {
        let mut scenario = attacked("relay", 1);
        scenario.network.admission = admission.parse().unwrap();
        holds(&scenario, 6, 1..=2);
    }
}

/// A1: an authority of the same name with another key.
#[test]
fn a_false_authority_lets_nobody_in() {
    holds(&attacked("rogue-authority", 2), 6, 1..=3);
}

/// B5: what a false authority says of the time moves nobody's clock.
#[test]
fn a_false_authority_moves_no_clock() {
    holds(&attacked("clock-liar", 2), 6, 1..=3);
}

/// B5: members whose clocks are half an hour ahead, beside a false authority that is ten years ahead and a member that
/// betrays: everybody else's time is what it was.
#[test]
fn a_member_whose_clock_is_ahead_moves_no_clock() {
    let mut scenario = attacked("clock-liar", 1);
    let from = "10s".parse().unwrap();
    scenario.adversary.push(AdversarySpec { kind: "insider".to_owned(), from, hosts: 1 });
    let mut ahead = scenario.hosts[0].clone();
    (ahead.name, ahead.count) = ("early".to_owned(), Some(3));
    ahead.clock = "30m".parse().unwrap();
    scenario.hosts.push(ahead);
    holds(&scenario, 10, 1..=3);
}

/// B7, C3, C8, C11, C15, E1: a member shows others' tickets, mints tickets, revokes, and says that it is where others are.
#[test]
fn a_member_gets_no_more_than_a_member() {
    holds(&attacked("insider", 2), 6, 1..=4);
}

/// An attacker that does nothing proves nothing.
#[test]
fn every_attacker_is_busy() {
    for kind in KINDS {
        let outcome = finish(begin(attacked(kind, 1), 4, 5));
        assert!(outcome.violations.is_empty(), "{}", told(&outcome.violations));
        let sent = outcome.meters[4].messages;
        assert!(sent > 300, "{kind} has sent {sent} messages");
    }
}
