//! A simple model of the network, which says what ought to be; and what is not so is a violation.
//!
//! It sees everything that happens and when, as no host does. It knows nothing of messages, stores or retries: only who
//! has which certificate, who was revoked when, who can hear whom, and since when nobody has interfered.

mod channel;
mod host;
mod member;
mod order;
mod policy;
#[cfg(test)]
mod tests;
mod violation;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use lanyard_protocol::certificate::{BACKDATE, SKEW};
use lanyard_protocol::identity::{NodeId, NodeName};
use lanyard_protocol::time::Timestamp;

use self::channel::Channel;
use self::host::HostState;
use self::order::Order;
use self::policy::Policies;
pub use self::violation::{Invariant, Violation};
use crate::event::HostId;
use crate::fact::{Fact, Observed};
use crate::moment::Moment;
use crate::scenario::Demand;

/// How long a node may take to find its way back, after whatever has kept it away: keep-alives and a minute between
/// tries.
pub const RECOVERY: Duration = Duration::from_secs(110);

/// How long a command may take: a join looks for its authority for half a minute.
const COMMAND: Duration = Duration::from_secs(60);

/// By how much two hosts see one moment apart, and a host acts late: timers count in milliseconds.
const GRACE: Duration = Duration::from_secs(1);

/// What is to be looked at later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Check {
    /// Has the order been answered?
    Answered(u64),
    /// Has the channel ended with its ticket?
    ChannelOver(HostId, HostId, u64),
    /// Have the channels of the revoked one ended at this host?
    ChannelsOf(HostId, NodeId),
    /// Does the host go by this version of the policy?
    Policy(HostId, u64),
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
    policies: Policies,
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
            policies: Policies::default(),
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
        if !works {
            state.policy.disk_fails(at);
        }
        state.disturb(at);
    }

    /// Something was observed.
    pub fn observe(&mut self, observed: &Observed) {
        self.look_until(observed.at);
        let (at, host) = (observed.at, observed.host);
        match &observed.fact {
            Fact::Started { node, member, epoch, policy } => {
                self.started(host, *node, *member, *epoch, at);
                self.has_policy_on_disk(host, *policy, at);
            }
            Fact::Stopped => self.stopped(host, at),
            Fact::Certified(certified) => self.certified(host, certified, at),
            Fact::Epoch(epoch) => self.state_mut(host).epoch = *epoch,
            Fact::Confirmed(epoch) => {
                let state = self.state_mut(host);
                state.confirmed = state.confirmed.max(*epoch);
            }
            Fact::Policy { version, text } => self.goes_by_policy(host, *version, *text, at),
            // What it costs is not judged.
            Fact::PolicyTold { .. } | Fact::PolicyTaken { .. } => {}
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

    /// Looks at whether everybody is where they ought to be by now: members with the same list of revocations, and the
    /// policy that the authority has signed last.
    pub fn look_whether_settled(&mut self, at: Moment) {
        let epoch = self.state(self.authority).epoch;
        for host in self.all_hosts() {
            let last = self.revoked.values().max().copied().unwrap_or_default();
            let behind = self.state(host).epoch != epoch;
            if behind
                && self.is_member(host)
                && self.knows_by(host, last, self.demand.revocation.0).is_some_and(|by| by <= at)
            {
                let what = format!(
                    "its list of revocations is at {}, the authority's at {epoch}",
                    self.state(host).epoch
                );
                self.violate(Invariant::Convergence, at, what, &[host, self.authority]);
            }
        }
        self.look_at_policies(at);
    }

    fn all_hosts(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..u32::try_from(self.hosts.len()).unwrap_or(u32::MAX)).map(HostId)
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

    /// By when a host has heard of what the authority was told at `told`, if it may take as long as `within`; nothing if
    /// it need not have.
    fn knows_by(&self, host: HostId, told: Moment, within: Duration) -> Option<Moment> {
        if !self.in_touch(host) {
            return None;
        }
        let disturbed = self.state(host).calm.max(self.state(self.authority).calm);
        let recovered = disturbed.after(RECOVERY);
        let known = told.after(within);
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
        state.policy.stopped(at);
        state.disturb(at);
        self.orders.retain(|_, order| order.host != host);
        self.channels.retain(|(provider, _, _), _| *provider != host);
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
                match self.knows_by(*provider, told, self.demand.revocation.0) {
                    Some(by) if by > at => {
                        self.checks.insert((by, Check::ChannelsOf(*provider, *node)));
                    }
                    Some(_) => self.look_at_channels(*provider, *node, at),
                    // It is out of touch: it will be looked at when it is back.
                    None => {}
                }
            }
            Check::Policy(host, version) => self.look_at_policy(*host, *version, at),
        }
    }
}
