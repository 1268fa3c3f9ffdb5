//! What no fault from outside brings about, because the engine does not do it, is found where it is told.

use lanyard_protocol::control::{Code, Failure};
use lanyard_protocol::identity::IdentityKey;

use super::*;
use crate::fact::Certified;

const AUTHORITY: HostId = HostId(0);
const ONE: HostId = HostId(1);
const OTHER: HostId = HostId(2);

/// An authority and two members, in calm, as of half an hour from the beginning.
fn network() -> (Reference, Moment) {
    let mut model = Reference::new(3, Demand::default(), false);
    for (host, name) in [(AUTHORITY, "authority"), (ONE, "till"), (OTHER, "nas")] {
        let at = Moment::at(Duration::from_secs(1));
        tell(&mut model, at, host, Fact::Started { node: node(host), member: false, epoch: 0, policy: 0 });
        tell(&mut model, at, host, certified(host, name));
    }
    assert_eq!(found(&model), []);
    (model, Moment::at(Duration::from_mins(30)))
}

fn node(host: HostId) -> NodeId {
    IdentityKey::from_seed(&[host.0.to_le_bytes()[0] + 1; 32]).node_id()
}

fn certified(host: HostId, name: &str) -> Fact {
    let issued = Moment::default().wall();
    Fact::Certified(Certified {
        node: node(host),
        name: name.parse().unwrap(),
        network: [1; 32],
        issued,
        not_after: issued.after(Duration::from_hours(72)),
        authority: host == AUTHORITY,
    })
}

fn tell(model: &mut Reference, at: Moment, host: HostId, fact: Fact) {
    model.observe(&Observed { at, host, now: at.wall(), fact });
}

fn found(model: &Reference) -> Vec<Invariant> {
    model.violations().iter().map(|violation| violation.invariant).collect()
}

#[test]
fn a_channel_that_outlives_its_ticket_is_found() {
    for ends in [true, false] {
        let (mut model, at) = network();
        let expires = at.wall().after(Duration::from_hours(8));
        tell(&mut model, at, ONE, Fact::Channel { requester: node(OTHER), from: OTHER, channel: 7, expires });
        let end = at.after(Duration::from_hours(8));
        model.look_until(end);
        if ends {
            tell(&mut model, end, ONE, Fact::ChannelEnded { from: OTHER, channel: 7 });
        }
        model.look_until(end.after(Duration::from_secs(2)));
        assert_eq!(found(&model), if ends { vec![] } else { vec![Invariant::Ticket] });
    }
}

/// R-T14: nobody goes back to an older policy, and a version is the same for everybody.
#[test]
fn a_policy_that_goes_back_or_is_another_is_found() {
    for (second, violated) in
        [((3, 1), vec![]), ((1, 1), vec![Invariant::Policy]), ((2, 9), vec![Invariant::Policy])]
    {
        let (mut model, at) = network();
        for (host, (version, text)) in [(ONE, (2, 2)), (OTHER, (2, 2)), (ONE, second)] {
            tell(&mut model, at, host, Fact::Policy { version, text: [text; 32] });
        }
        assert_eq!(found(&model), violated, "{second:?}");
    }
}

/// R-T14: whoever is in touch goes by a policy in time.
#[test]
fn a_policy_that_comes_late_is_found() {
    for (after, violated) in [(4, vec![]), (6, vec![Invariant::Policy])] {
        let (mut model, at) = network();
        model.ordered_policy(7, at);
        let shown = lanyard_protocol::control::PolicyShown { epoch: 2, text: String::new() };
        let result = Ok(Box::new(lanyard_protocol::control::Answer::Policy(shown)));
        tell(&mut model, at, AUTHORITY, Fact::Answered { order: 7, result, took: Duration::ZERO });
        for (host, after) in [(AUTHORITY, 0), (ONE, 1), (OTHER, after)] {
            let at = at.after(Duration::from_secs(after));
            tell(&mut model, at, host, Fact::Policy { version: 2, text: [2; 32] });
        }
        model.look_until(at.after(Duration::from_secs(9)));
        assert_eq!(found(&model), violated, "{after} s");
    }
}

#[test]
fn a_name_with_two_holders_is_found() {
    let (mut model, at) = network();
    tell(&mut model, at, OTHER, certified(OTHER, "till"));
    assert_eq!(found(&model), [Invariant::OneHolder]);
}

#[test]
fn a_command_without_an_answer_is_found() {
    for answered in [true, false] {
        let (mut model, at) = network();
        model.ordered(7, ONE, at);
        let took = Duration::from_secs(59);
        if answered {
            let result = Err(Failure::new(Code::Failed, "no", "try again"));
            tell(&mut model, at.after(took), ONE, Fact::Answered { order: 7, result, took });
        }
        model.look_until(at.after(took));
        assert_eq!(found(&model), []);
        model.look_until(at.after(Duration::from_secs(60)));
        assert_eq!(found(&model), if answered { vec![] } else { vec![Invariant::Answered] });
    }
}
