//! Faults that are put in from outside are found, each by the invariant that is meant for it.

use std::time::Duration;

use lanyard_protocol::message::{self, Request, Response, frame};
use lanyard_protocol::record::{Record, Table, Write};
use lanyard_simulations::Gate;
use lanyard_simulations::disk::{Disk, MemoryDisk};
use lanyard_simulations::event::{HostId, Packet};
use lanyard_simulations::reference::Invariant;
use lanyard_simulations::scenario::Scenario;

use crate::{begin, finish, told, violated};

/// Takes what is written into a table, confirms it, and has forgotten it.
struct ForgetfulDisk {
    inner: MemoryDisk,
    forgets: Table,
}

impl ForgetfulDisk {
    fn new(forgets: Table) -> Box<Self> {
        Box::new(Self { inner: MemoryDisk::default(), forgets })
    }
}

impl Disk for ForgetfulDisk {
    fn write(&mut self, mut batch: Vec<Write>) -> bool {
        batch.retain(|write| write.table != self.forgets);
        self.inner.write(batch)
    }

    fn sync(&mut self) -> bool {
        self.inner.sync()
    }

    fn crash(&mut self, kept: usize) {
        self.inner.crash(kept);
    }

    fn unsynced(&self) -> usize {
        self.inner.unsynced()
    }

    fn records(&self) -> Vec<Record> {
        self.inner.records()
    }

    fn set_room(&mut self, room: bool) {
        self.inner.set_room(room);
    }
}

/// Does something to the packets of one kind.
struct Fault(fn(HostId, &Packet) -> bool, Option<Duration>);

impl Gate for Fault {
    fn pass(&mut self, to: HostId, packet: Packet) -> Option<(Packet, Duration)> {
        let Self(concerns, late) = self;
        match (concerns(to, &packet), late) {
            (false, _) => Some((packet, Duration::ZERO)),
            (true, Some(late)) => Some((packet, *late)),
            (true, None) => None,
        }
    }
}

/// Answers whom it ought to refuse as it answers a member that pings.
struct Indiscreet(HostId);

impl Gate for Indiscreet {
    fn pass(&mut self, to: HostId, packet: Packet) -> Option<(Packet, Duration)> {
        let mut packet = packet;
        if let Packet::Response { bytes: Some(bytes), .. } = &mut packet
            && to == self.0
            && matches!(message::parse(bytes), Ok(Response::Reject(_)))
        {
            *bytes = frame(&Response::Pong);
        }
        Some((packet, Duration::ZERO))
    }
}

fn tells_of_revocations(packet: &Packet) -> bool {
    matches!(packet, Packet::Request { bytes, .. }
        if matches!(message::parse(bytes), Ok(Request::Revocations(_))))
}

fn tells_a_policy(packet: &Packet) -> bool {
    matches!(packet, Packet::Request { bytes, .. } if matches!(message::parse(bytes), Ok(Request::Policy(_))))
}

const PLAIN: &str = r#"
    name = "planted"
    nodes = 8
    duration = "10m"
    [[load]]
    who = "members"
    to = "members"
    every = "10s"
    hold = "1m"
    from = "1m"
    [[at]]
    time = "4m"
    do = "revoke"
    who = "node-2"
    [[at]]
    time = "6m"
    do = "end"
    who = "node-4"
    how = "power-cut"
    back = "10s"
"#;

const POLICIES: &str = r#"
    name = "policies"
    nodes = 8
    duration = "10m"
    [[at]]
    time = "4m"
    do = "policy"
    [[at]]
    time = "6m"
    do = "end"
    who = "node-4"
    how = "power-cut"
    back = "10s"
"#;

/// The first violation of a run with a fault that is planted, and none without it.
fn found(text: &str, plant: impl Fn(&mut lanyard_simulations::world::World)) -> Invariant {
    let scenario = Scenario::parse(text).unwrap();
    let sound = finish(begin(scenario.clone(), scenario.nodes, 3));
    assert!(sound.violations.is_empty(), "{}", told(&sound.violations));
    let mut run = begin(scenario.clone(), scenario.nodes, 3);
    plant(run.world());
    *violated(&finish(run)).first().unwrap_or_else(|| panic!("what was planted is not found"))
}

fn gate(
    world: &mut lanyard_simulations::world::World,
    concerns: fn(HostId, &Packet) -> bool,
    late: Option<u64>,
) {
    for host in world.hosts().collect::<Vec<_>>() {
        world.set_gate(host, Box::new(Fault(concerns, late.map(Duration::from_secs))));
    }
}

#[test]
fn a_disk_that_forgets_a_membership_is_found() {
    let found = found(PLAIN, |world| world.set_disk(HostId(4), ForgetfulDisk::new(Table::Membership)));
    assert_eq!(found, Invariant::Acknowledged);
}

#[test]
fn a_disk_that_forgets_a_revocation_is_found() {
    let found = found(PLAIN, |world| world.set_disk(HostId(4), ForgetfulDisk::new(Table::Revocations)));
    assert_eq!(found, Invariant::Acknowledged);
}

#[test]
fn a_revocation_that_is_told_too_late_is_found() {
    // The revoked one, which is told at once, would end its channels by itself.
    let late =
        |_: HostId, packet: &Packet| tells_of_revocations(packet) || matches!(packet, Packet::End { .. });
    let found = found(PLAIN, |world| gate(world, late, Some(60)));
    assert_eq!(found, Invariant::Heard);
}

#[test]
fn a_member_that_is_told_of_no_revocation_is_found() {
    let quiet = PLAIN.replace("every = \"10s\"", "every = \"1h\"");
    let found = found(&quiet, |world| {
        gate(world, |to, packet| to == HostId(5) && tells_of_revocations(packet), None)
    });
    assert_eq!(found, Invariant::Convergence);
}

/// R-T14.
#[test]
fn a_member_that_is_told_no_policy_is_found() {
    let found =
        found(POLICIES, |world| gate(world, |to, packet| to == HostId(5) && tells_a_policy(packet), None));
    assert_eq!(found, Invariant::Policy);
}

/// R-T14.
#[test]
fn a_disk_that_forgets_a_policy_is_found() {
    let found = found(POLICIES, |world| world.set_disk(HostId(4), ForgetfulDisk::new(Table::Policy)));
    assert_eq!(found, Invariant::Policy);
}

#[test]
fn tickets_that_arrive_nowhere_are_found() {
    let found = found(PLAIN, |world| gate(world, |_, packet| matches!(packet, Packet::Present { .. }), None));
    assert_eq!(found, Invariant::Reach);
}

#[test]
fn a_node_that_is_kept_out_is_found() {
    let silent = PLAIN.replace("every = \"10s\"", "every = \"1h\"");
    let found = found(&silent, |world| {
        gate(world, |to, packet| to == HostId(6) && matches!(packet, Packet::Response { .. }), None)
    });
    assert_eq!(found, Invariant::Joined);
}

#[test]
fn a_node_that_does_not_start_again_is_found() {
    let found = found(PLAIN, |world| world.set_disk(HostId(4), ForgetfulDisk::new(Table::Keys)));
    assert_eq!(found, Invariant::Contract);
}

#[test]
fn a_member_that_answers_a_stranger_is_found() {
    let besieged = format!("{PLAIN}\n[[adversary]]\nkind = \"replayer\"\nfrom = \"10s\"\n");
    let found = found(&besieged, |world| world.set_gate(HostId(3), Box::new(Indiscreet(HostId(8)))));
    assert_eq!(found, Invariant::Breach);
}

/// B5: members believe their authority's time, so one that is wrong by an hour moves them.
#[test]
fn a_time_that_was_moved_is_found() {
    let found = found(PLAIN, |world| world.set_clock(HostId(0), 3_600_000));
    assert_eq!(found, Invariant::Time);
}
