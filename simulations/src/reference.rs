//! A simple model of the network, which says what ought to be; and what is not so is a violation.
//!
//! It sees everything that happens and when, as no host does. It knows nothing of messages, stores or retries: only who
//! has which certificate, who was revoked when, who can hear whom, and since when nobody has interfered.

#[cfg(test)]
mod tests;
mod violation;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use lanyard_protocol::certificate::{BACKDATE, SKEW};
use lanyard_protocol::control::{Answer, Code, Failure};
use lanyard_protocol::identity::{NodeId, NodeName};
use lanyard_protocol::time::Timestamp;

pub use self::violation::{Invariant, Violation};
use crate::event::HostId;
use crate::fact::{Certified, Fact, Observed};
use crate::moment::Moment;
use crate::scenario::Demand;

/// How long a node may take to find its way back, after whatever has kept it away: keep-alives and a minute between
/// tries.
pub const RECOVERY: Duration = Duration::from_secs(110);

/// How long a command may take: a join looks for its authority for half a minute.
const COMMAND: Duration = Duration::from_secs(60);

/// By how much two hosts see one moment apart, and a host acts late: timers count in milliseconds.
const GRACE: Duration = Duration::from_secs(1);

/// What the model knows of a host.
#[derive(Clone, Debug)]
struct HostState {
    node: Option<NodeId>,
    up: bool,
    side: u16,
    certificate: Option<Certified>,
    /// Whether it has told a user that it is a member.
    acknowledged: bool,
    /// The list of revocations that it has told somebody it keeps.
    confirmed: u64,
    epoch: u64,
    /// Since when nobody has interfered with it.
    calm: Moment,
    /// Whether its wall clock is near enough to the others'.
    clock_right: bool,
    /// Whether its disk has room.
    disk_works: bool,
}

impl Default for HostState {
    fn default() -> Self {
        Self {
            node: None,
            up: false,
            side: 0,
            certificate: None,
            acknowledged: false,
            confirmed: 0,
            epoch: 0,
            calm: Moment::default(),
            clock_right: true,
            disk_works: true,
        }
    }
}

impl HostState {
    /// Somebody interferes until `at`, if not for longer.
    fn disturb(&mut self, at: Moment) {
        self.calm = self.calm.max(at);
    }
}

/// What a user of a host has asked for.
#[derive(Clone, Debug)]
enum Expected {
    /// Some answer.
    Answer,
    /// A channel to the node on another host.
    Channel(HostId),
    /// That the membership of the node on another host ends.
    Revocation(HostId),
}

#[derive(Clone, Debug)]
struct Order {
    host: HostId,
    at: Moment,
    expected: Expected,
}

/// A channel, at its provider.
#[derive(Clone, Debug)]
struct Channel {
    requester: NodeId,
}

/// What is to be looked at later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Check {
    /// Has the order been answered?
    Answered(u64),
    /// Has the channel ended with its ticket?
    ChannelOver(HostId, HostId, u64),
    /// Have the channels of the revoked one ended at this host?
    ChannelsOf(HostId, NodeId),
}

/// The model.
pub struct Reference {
    demand: Demand,
    authority: HostId,
    hosts: Vec<HostState>,
    nodes: BTreeMap<NodeId, HostId>,
    /// Every certificate that a node has had: until when each holds.
    ends: BTreeMap<NodeId, (Timestamp, [u8; 32])>,
    names: BTreeMap<([u8; 32], NodeName), BTreeSet<NodeId>>,
    /// Whose membership was taken away: when the order was given.
    revoked: BTreeMap<NodeId, Moment>,
    orders: BTreeMap<u64, Order>,
    channels: BTreeMap<(HostId, HostId, u64), Channel>,
    checks: BTreeSet<(Moment, Check)>,
    /// How many nodes invites were given out for, and how many have come.
    invited: u64,
    joined: u64,
    invites_only: bool,
    /// Whether the authority's clock was always right, so that what it signed is.
    signed_right: bool,
    violations: Vec<Violation>,
}

impl Reference {
    /// A network of so many hosts, of which host 0 is the authority.
    #[must_use]
    pub fn new(hosts: usize, demand: Demand, invites_only: bool) -> Self {
        Self {
            demand,
            authority: HostId(0),
            hosts: vec![HostState::default(); hosts],
            nodes: BTreeMap::new(),
            ends: BTreeMap::new(),
            names: BTreeMap::new(),
            revoked: BTreeMap::new(),
            orders: BTreeMap::new(),
            channels: BTreeMap::new(),
            checks: BTreeSet::new(),
            invited: 0,
            joined: 0,
            invites_only,
            signed_right: true,
            violations: Vec::new(),
        }
    }

    /// What is not as it ought to be, in the order in which it was found.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Whether a host's node is a member whose membership nobody has taken away.
    #[must_use]
    pub fn is_member(&self, host: HostId) -> bool {
        let state = self.state(host);
        state.certificate.as_ref().is_some_and(|known| !self.revoked.contains_key(&known.node))
    }

    /// Whether a host's node has lost its membership.
    #[must_use]
    pub fn is_revoked(&self, host: HostId) -> bool {
        self.state(host).node.is_some_and(|node| self.revoked.contains_key(&node))
    }

    /// Whether a node runs on the host.
    #[must_use]
    pub fn is_up(&self, host: HostId) -> bool {
        self.state(host).up
    }

    /// Somebody interferes with a host: from now on it needs time to find its way back.
    pub fn disturb(&mut self, host: HostId, at: Moment) {
        self.state_mut(host).disturb(at);
    }

    /// The network was cut, or is whole again.
    pub fn set_side(&mut self, host: HostId, side: u16, at: Moment) {
        if self.state(host).side != side {
            let state = self.state_mut(host);
            state.side = side;
            state.disturb(at);
        }
    }

    /// A host's wall clock is near enough to the others' from now on, or is not.
    pub fn set_clock(&mut self, host: HostId, right: bool, at: Moment) {
        self.signed_right &= right || host != self.authority;
        let state = self.state_mut(host);
        state.clock_right = right;
        state.disturb(at);
    }

    /// A host's disk has room from now on, or has not.
    pub fn set_disk(&mut self, host: HostId, works: bool, at: Moment) {
        let state = self.state_mut(host);
        state.disk_works = works;
        state.disturb(at);
    }

    /// A user of a host has asked for something that has no other end than an answer.
    pub fn ordered(&mut self, number: u64, host: HostId, at: Moment) {
        self.expect(number, host, at, Expected::Answer);
    }

    /// A user of `host` wants a channel to `to`.
    pub fn ordered_channel(&mut self, number: u64, host: HostId, to: HostId, at: Moment) {
        self.expect(number, host, at, Expected::Channel(to));
    }

    /// The authority is told to end the membership of the node on `whose`.
    pub fn ordered_revocation(&mut self, number: u64, whose: HostId, at: Moment) {
        self.expect(number, self.authority, at, Expected::Revocation(whose));
    }

    fn expect(&mut self, number: u64, host: HostId, at: Moment, expected: Expected) {
        self.orders.insert(number, Order { host, at, expected });
        self.checks.insert((at.after(COMMAND), Check::Answered(number)));
    }

    /// Something was observed.
    pub fn observe(&mut self, observed: &Observed) {
        self.look_until(observed.at);
        let (at, host) = (observed.at, observed.host);
        match &observed.fact {
            Fact::Started { node, member, epoch } => self.started(host, *node, *member, *epoch, at),
            Fact::Stopped => self.stopped(host, at),
            Fact::Certified(certified) => self.certified(host, certified, at),
            Fact::Epoch(epoch) => self.state_mut(host).epoch = *epoch,
            Fact::Confirmed(epoch) => {
                let state = self.state_mut(host);
                state.confirmed = state.confirmed.max(*epoch);
            }
            Fact::Heard { peer, what } => self.heard(host, *peer, what, observed),
            Fact::Answered { order, result, .. } => self.answered(host, *order, result, at),
            Fact::Opened { order, result, .. } => self.opened(*order, result.as_ref().err(), at),
            Fact::Channel { requester, from, channel, expires } => {
                let lasts = expires.since(observed.now);
                self.channels.insert((host, *from, *channel), Channel { requester: *requester });
                let check = Check::ChannelOver(host, *from, *channel);
                self.checks.insert((at.after(lasts).after(GRACE), check));
                self.heard(host, *requester, "ticket", observed);
            }
            Fact::ChannelEnded { from, channel } => {
                self.channels.remove(&(host, *from, *channel));
            }
            Fact::Broken(what) => self.violate(Invariant::Contract, at, what.clone(), &[host]),
            Fact::Breached(what) => self.violate(Invariant::Breach, at, what.clone(), &[host]),
        }
    }

    /// Looks at what a host takes for the time, whose own wall clock is wrong by `own`. What the authority has signed
    /// may seem up to [`BACKDATE`] later than it is.
    pub fn look_at_time(&mut self, observed: &Observed, own: Duration) {
        let ahead = observed.now.since(observed.at.wall());
        if self.signed_right && ahead > own + SKEW + BACKDATE {
            let what = format!("its time is {ahead:?} ahead, and its clock by no more than {own:?}");
            self.violate(Invariant::Time, observed.at, what, &[observed.host]);
        }
    }

    /// Looks at whatever is to be looked at by `at`.
    pub fn look_until(&mut self, at: Moment) {
        while let Some((due, check)) = self.checks.first().cloned().filter(|(due, _)| *due <= at) {
            self.checks.remove(&(due, check.clone()));
            self.look(&check, due);
        }
    }

    /// Looks at whether everybody is where they ought to be by now: members with the same list of revocations.
    pub fn look_whether_settled(&mut self, at: Moment) {
        let epoch = self.state(self.authority).epoch;
        for number in 0..self.hosts.len() {
            let host = HostId(u32::try_from(number).unwrap_or(u32::MAX));
            let last = self.revoked.values().max().copied().unwrap_or_default();
            let behind = self.state(host).epoch != epoch;
            if behind && self.is_member(host) && self.knows_by(host, last).is_some_and(|by| by <= at) {
                let what = format!(
                    "its list of revocations is at {}, the authority's at {epoch}",
                    self.state(host).epoch
                );
                self.violate(Invariant::Convergence, at, what, &[host, self.authority]);
            }
        }
    }

    /// Everybody who was to join has: `hosts` are those who were to.
    pub fn look_whether_joined(&mut self, hosts: &[HostId], at: Moment) {
        if !self.demand.joined {
            return;
        }
        let missing: Vec<HostId> = hosts
            .iter()
            .copied()
            .filter(|host| !self.state(*host).acknowledged && self.state(*host).up)
            .collect();
        if let Some(first) = missing.first() {
            let what = format!("{} of {} hosts have not become members", missing.len(), hosts.len());
            self.violate(Invariant::Joined, at, what, &[*first, self.authority]);
        }
    }

    fn state(&self, host: HostId) -> &HostState {
        &self.hosts[host.index()]
    }

    fn state_mut(&mut self, host: HostId) -> &mut HostState {
        &mut self.hosts[host.index()]
    }

    /// Whether a host can hear the authority, and both are as they ought to be.
    fn in_touch(&self, host: HostId) -> bool {
        let (one, other) = (self.state(host), self.state(self.authority));
        let fit = |state: &HostState| state.up && state.clock_right && state.disk_works;
        fit(one) && fit(other) && one.side == other.side
    }

    /// By when a host has heard of what the authority was told at `told`; nothing if it need not have.
    fn knows_by(&self, host: HostId, told: Moment) -> Option<Moment> {
        if !self.in_touch(host) {
            return None;
        }
        let disturbed = self.state(host).calm.max(self.state(self.authority).calm);
        let recovered = disturbed.after(RECOVERY);
        let known = told.after(self.demand.revocation.0);
        Some(if recovered <= told { known } else { known.max(recovered) })
    }

    fn violate(&mut self, invariant: Invariant, at: Moment, what: String, hosts: &[HostId]) {
        self.violations.push(Violation { invariant, at, what, hosts: hosts.to_vec() });
    }

    fn started(&mut self, host: HostId, node: NodeId, member: bool, epoch: u64, at: Moment) {
        let state = self.state_mut(host);
        let (acknowledged, confirmed) = (state.acknowledged, state.confirmed);
        (state.up, state.node, state.epoch) = (true, Some(node), epoch);
        state.disturb(at);
        self.nodes.insert(node, host);
        if acknowledged && !member {
            let what = "it has told its user that it is a member, and after a restart it is none".to_owned();
            self.violate(Invariant::Acknowledged, at, what, &[host]);
        }
        if epoch < confirmed {
            let what =
                format!("it has confirmed revocations up to {confirmed}, and after a restart it has {epoch}");
            self.violate(Invariant::Acknowledged, at, what, &[host]);
        }
    }

    fn stopped(&mut self, host: HostId, at: Moment) {
        let state = self.state_mut(host);
        state.up = false;
        state.disturb(at);
        self.orders.retain(|_, order| order.host != host);
        self.channels.retain(|(provider, _, _), _| *provider != host);
    }

    fn certified(&mut self, host: HostId, certified: &Certified, at: Moment) {
        let (node, network) = (certified.node, certified.network);
        let first = !self.ends.contains_key(&node);
        let end = self.ends.entry(node).or_insert((certified.not_after, network));
        *end = (end.0.max(certified.not_after), network);
        self.state_mut(host).certificate = Some(certified.clone());
        if first && !certified.authority {
            self.joined += 1;
            if self.invites_only && self.joined > self.invited {
                let what = format!("{} nodes have joined, with invites for {}", self.joined, self.invited);
                self.violate(Invariant::Acknowledged, at, what, &[host, self.authority]);
            }
        }
        let holders = self.names.entry((network, certified.name.clone())).or_default();
        holders.insert(node);
        let live = |node: &&NodeId| {
            let holds = self.ends.get(*node).is_some_and(|(end, _)| *end > at.wall());
            holds && !self.revoked.contains_key(*node)
        };
        if holders.iter().filter(live).count() > 1 {
            let what = format!("{} nodes hold the name {}", holders.len(), certified.name);
            self.violate(Invariant::OneHolder, at, what, &[host, self.authority]);
        }
    }

    /// A host has heard a node as a member.
    fn heard(&mut self, host: HostId, peer: NodeId, what: &str, observed: &Observed) {
        let at = observed.at;
        let own = self.state(host).certificate.as_ref().map(|own| own.network);
        let from = self.nodes.get(&peer).copied().unwrap_or(host);
        match self.ends.get(&peer).copied() {
            Some((end, network)) if Some(network) == own => {
                // By its own clock: what is not right by that is a fault, whatever the clock.
                if observed.now > end.after(SKEW) {
                    let what = format!("{from} was heard ({what}) whose certificate ended at {end}");
                    self.violate(Invariant::Heard, at, what, &[host, from]);
                }
            }
            Some(_) => {
                let what = format!("{from} was heard ({what}), which is of another network");
                self.violate(Invariant::Heard, at, what, &[host, from]);
            }
            None => {
                let what = format!("{from} was heard ({what}), which has no certificate");
                self.violate(Invariant::Heard, at, what, &[host, from]);
            }
        }
        if let Some(told) = self.revoked.get(&peer).copied()
            && let Some(by) = self.knows_by(host, told).filter(|by| *by < at)
        {
            let late = at.since(by);
            let what =
                format!("{from} was heard ({what}), whose membership was taken away, {late:?} too late");
            self.violate(Invariant::Heard, at, what, &[host, from]);
        }
    }

    fn answered(&mut self, host: HostId, number: u64, result: &Result<Box<Answer>, Failure>, at: Moment) {
        let order = self.orders.remove(&number);
        match result.as_deref() {
            Ok(Answer::Joined(_) | Answer::Initialised(_)) => self.state_mut(host).acknowledged = true,
            Ok(Answer::Invite(invite)) => self.invited += u64::from(invite.uses),
            Ok(Answer::Revoked(_)) => {
                if let Some(Order { expected: Expected::Revocation(whose), at: told, .. }) = order {
                    self.revoked_at(whose, told, at);
                }
            }
            Ok(_) | Err(_) => {}
        }
    }

    fn revoked_at(&mut self, whose: HostId, told: Moment, at: Moment) {
        let Some(node) = self.state(whose).node else { return };
        self.revoked.insert(node, told);
        let epoch = self.state(self.authority).epoch;
        self.state_mut(self.authority).confirmed = epoch;
        let providers: BTreeSet<HostId> = self.channels.keys().map(|(provider, _, _)| *provider).collect();
        for provider in providers {
            let due = told.after(self.demand.revocation.0).max(at);
            self.checks.insert((due, Check::ChannelsOf(provider, node)));
        }
    }

    /// A wish for a channel has ended.
    fn opened(&mut self, number: u64, failure: Option<&Failure>, at: Moment) {
        let Some(Order { host, at: began, expected: Expected::Channel(to) }) = self.orders.remove(&number)
        else {
            return;
        };
        let calm = |host| self.in_touch(host) && self.state(host).calm.after(RECOVERY) <= began;
        let was = |host: HostId, before: Moment| {
            let revoked = self.state(host).node.and_then(|node| self.revoked.get(&node));
            revoked.is_some_and(|told| *told <= before)
        };
        let all_calm = calm(host) && calm(to) && calm(self.authority);
        let both = self.is_member(host) && self.is_member(to);
        match failure {
            Some(failure) if self.demand.reach && all_calm && both && failure.code != Code::Usage => {
                let what = format!("it ought to reach {to}, and does not: {}", failure.message);
                self.violate(Invariant::Reach, at, what, &[host, to, self.authority]);
            }
            None => {
                let gone = [host, to].into_iter().find(|end| was(*end, began));
                if let Some(gone) = gone
                    && [host, to].iter().any(|end| {
                        let told = self.state(gone).node.and_then(|node| self.revoked.get(&node)).copied();
                        *end != gone
                            && told.and_then(|told| self.knows_by(*end, told)).is_some_and(|by| by < began)
                    })
                {
                    let what = format!(
                        "a channel to {to} was opened, though the membership of {gone} was taken away"
                    );
                    self.violate(Invariant::Reach, at, what, &[host, to]);
                }
            }
            Some(_) => {}
        }
    }

    fn look(&mut self, check: &Check, at: Moment) {
        match check {
            Check::Answered(number) => {
                let Some(order) = self.orders.remove(number) else { return };
                let state = self.state(order.host);
                if state.up && state.calm <= order.at && state.clock_right {
                    let what = format!("what was asked at {} has not been answered", order.at);
                    self.violate(Invariant::Answered, at, what, &[order.host, self.authority]);
                }
            }
            Check::ChannelOver(provider, from, channel) => {
                let open = self.channels.contains_key(&(*provider, *from, *channel));
                if open
                    && self.state(*provider).clock_right
                    && self.state(*provider).calm.after(RECOVERY) < at
                {
                    let what = format!("a channel of {from} outlives its ticket");
                    self.violate(Invariant::Ticket, at, what, &[*provider, *from]);
                }
            }
            Check::ChannelsOf(provider, node) => {
                let Some(told) = self.revoked.get(node).copied() else { return };
                match self.knows_by(*provider, told) {
                    Some(by) if by > at => {
                        self.checks.insert((by, Check::ChannelsOf(*provider, *node)));
                    }
                    Some(_) => self.look_at_channels(*provider, *node, at),
                    // It is out of touch: it will be looked at when it is back.
                    None => {}
                }
            }
        }
    }

    fn look_at_channels(&mut self, provider: HostId, node: NodeId, at: Moment) {
        let gone = self.state(provider).node == Some(node);
        let of = |((host, _, _), channel): (&(HostId, HostId, u64), &Channel)| {
            *host == provider && (channel.requester == node || gone)
        };
        if self.channels.iter().any(of) {
            let from = self.nodes.get(&node).copied().unwrap_or(provider);
            let what = format!("a channel with {from} is open, whose membership was taken away");
            self.violate(Invariant::Heard, at, what, &[provider, from]);
        }
    }
}
