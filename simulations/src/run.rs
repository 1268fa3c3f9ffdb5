//! One run of a scenario: what happens is made to happen, what is observed is judged and measured.

mod agenda;
mod steps;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::thread;

use lanyard_protocol::control::{Answer, Code, Command, Init, InviteRequest, Join};
use lanyard_protocol::identity::NetworkName;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use self::agenda::{Agenda, Item};
use crate::adversary::{self, Target};
use crate::event::{HostId, Wish};
use crate::fact::{Fact, Observed};
use crate::host::NodeOptions;
use crate::link::{pick, up_to};
use crate::measure::Measure;
use crate::moment::Moment;
use crate::reference::{Reference, Violation};
use crate::scenario::{Discovery, Roster, Scenario, ScenarioError};
use crate::trace::Step;
use crate::world::World;

/// Nodes that one invite lets in at the most.
const INVITE_USES: usize = 1000;

/// For how long an invite is good.
const INVITE_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// After how long a user whose join has failed tries again.
const JOIN_AGAIN: Duration = Duration::from_secs(30);

/// How far ahead users' wishes are thought of, at least: hosts run freely in between.
const TICK: Duration = Duration::from_secs(1);

/// How far ahead they are thought of where they are rare.
const TICK_MAX: Duration = Duration::from_secs(60);

/// How a scenario is run.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// How many hosts, the authority among them.
    pub nodes: u32,
    /// How many threads.
    pub threads: usize,
    /// Whether every step is kept, and not the last few of each host.
    pub keep_all_steps: bool,
}

/// What has become of a run.
pub struct Outcome {
    /// The hash of everything that has happened: 64 hexadecimal digits.
    pub trace_hash: String,
    /// How many things have happened.
    pub events: u64,
    /// When it ended, in virtual time.
    pub ended: Moment,
    /// The first violation, and others of the same moment.
    pub violations: Vec<Violation>,
    /// The steps that led there, at the hosts concerned.
    pub steps: Vec<Step>,
    /// What was measured.
    pub measure: Measure,
    /// What each host has sent.
    pub meters: Vec<crate::port::Meter>,
    /// Who is who.
    pub roster: Roster,
}

/// What somebody who waits is told: how far a run is, in virtual time, and how much has happened.
pub type Progress<'a> = &'a mut dyn FnMut(Moment, u64);

/// A run that goes on.
pub struct Run {
    pub(crate) world: World,
    pub(crate) reference: Reference,
    measure: Measure,
    scenario: Scenario,
    network: NetworkName,
    roster: Roster,
    agenda: Agenda,
    rng: ChaCha20Rng,
    orders: u64,
    invites: Invites,
    joining: BTreeMap<u64, HostId>,
    /// Who was to join so far.
    joiners: Vec<HostId>,
    /// Adversaries' hosts, and which of the scenario's adversaries each is.
    strangers: BTreeMap<HostId, usize>,
    end: Moment,
}

/// Invites that were given out.
#[derive(Default)]
struct Invites {
    asked: bool,
    uris: VecDeque<(String, usize, Moment)>,
    waiting: VecDeque<HostId>,
}

impl Run {
    /// A run that is about to begin.
    ///
    /// # Errors
    /// [`ScenarioError`] if the scenario does not fit so many hosts.
    pub fn new(scenario: Scenario, options: RunOptions) -> Result<Self, ScenarioError> {
        let roster = scenario.roster(options.nodes)?;
        let network = scenario.network.name()?;
        let mut world = World::new(options.seed, options.threads);
        let base = scenario.link.link()?;
        let authority =
            NodeOptions { leaf_life: Some(scenario.network.certificate_life.0), ..NodeOptions::default() };
        world.add(base, authority);
        for group in roster.groups() {
            let spec = group.place.and_then(|place| scenario.hosts.get(place));
            let link = spec.and_then(|spec| spec.link).map_or(Ok(base), |link| link.link())?;
            let options = spec.map_or_else(NodeOptions::default, |spec| NodeOptions {
                ahead: spec.clock.millis,
                drift: spec.drift,
                has_aes: spec.aes,
                ..NodeOptions::default()
            });
            for _ in group.hosts.clone() {
                world.add(link, options.clone());
            }
        }
        let mut strangers = BTreeMap::new();
        for (number, spec) in scenario.adversary.iter().enumerate() {
            for _ in 0..spec.hosts {
                strangers.insert(world.add(base, NodeOptions::default()), number);
            }
        }
        if options.keep_all_steps {
            world.keep_all_steps();
        }
        let invites_only = scenario.network.admission.to_string() == "invite";
        let reference = Reference::new(world.len(), scenario.demand, invites_only);
        let rng = ChaCha20Rng::from_seed(*world.seed());
        let end = Moment::at(scenario.duration.0);
        let agenda = Agenda::default();
        let mut run = Self {
            world,
            reference,
            measure: Measure::default(),
            scenario,
            network,
            roster,
            agenda,
            rng,
            orders: 0,
            invites: Invites::default(),
            joining: BTreeMap::new(),
            joiners: Vec::new(),
            strangers,
            end,
        };
        run.plan();
        Ok(run)
    }

    /// Who is who.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The hosts, to put other disks or attackers into before the run begins.
    pub const fn world(&mut self) -> &mut World {
        &mut self.world
    }

    /// Runs to the end, or to the first violation.
    #[must_use]
    pub fn finish(mut self, progress: Progress<'_>) -> Outcome {
        while self.reference.violations().is_empty() {
            let stop = self.agenda.next().map_or(self.end, |next| next.min(self.end));
            if self.world.advance(stop) {
                if self.world.now() >= self.end {
                    break;
                }
                self.act();
            }
            progress(self.world.now(), self.world.events());
            self.judge();
        }
        if self.reference.violations().is_empty() {
            self.judge_as_a_whole();
        }
        self.outcome()
    }

    /// What was observed is measured, judged, and reacted to.
    fn judge(&mut self) {
        for observed in self.world.observed() {
            self.measure.observe(&observed);
            self.reference.observe(&observed);
            if observed.now > observed.at.wall() {
                self.reference.look_at_time(&observed, self.world.clock_error(observed.host));
            }
            self.react(&observed);
        }
        self.reference.look_until(self.world.now());
    }

    fn judge_as_a_whole(&mut self) {
        self.judge();
        let at = self.end;
        self.reference.look_whether_settled(at);
        let joiners = core::mem::take(&mut self.joiners);
        let due: Vec<HostId> = joiners.into_iter().filter(|host| !self.reference.is_revoked(*host)).collect();
        self.reference.look_whether_joined(&due, at);
    }

    fn outcome(self) -> Outcome {
        let Self { world, reference, measure, roster, .. } = self;
        let violations = reference.violations().to_vec();
        let hosts: Vec<HostId> = violations.first().map(|first| first.hosts.clone()).unwrap_or_default();
        let outcome = Outcome {
            trace_hash: world.trace_hash(),
            events: world.events(),
            ended: world.now(),
            steps: world.recent(&hosts),
            violations,
            measure,
            meters: world.hosts().map(|host| world.meter(host)).collect(),
            roster,
        };
        // Nobody waits for thousands of nodes to be taken apart.
        drop(thread::spawn(move || drop(world)));
        outcome
    }

    /// What is known from the beginning to happen.
    fn plan(&mut self) {
        self.agenda.add(Moment::default(), Item::Found);
        for place in 0..self.roster.groups().len() {
            let group = self.roster.groups()[place].clone();
            let spec = group.place.and_then(|place| self.scenario.hosts.get(place));
            let (from, within) = spec.map_or((Duration::from_secs(1), Duration::from_secs(9)), |spec| {
                (spec.join_from.0, spec.join_within.0)
            });
            let count = group.hosts.len().max(1) as u64;
            for (number, host) in (0..).zip(group.hosts) {
                let micros = u64::try_from(within.as_micros()).unwrap_or(u64::MAX) / count * number;
                self.agenda.add(Moment::at(from + Duration::from_micros(micros)), Item::Join(HostId(host)));
            }
        }
        for number in 0..self.scenario.load.len() {
            let from = self.scenario.load[number].from.0;
            self.agenda.add(Moment::at(from), Item::Load(number));
        }
        for number in 0..self.scenario.churn.len() {
            let churn = self.scenario.churn[number].clone();
            for host in self.roster.select(&churn.who, &mut self.rng) {
                let first = up_to(churn.up.0 * 2, &mut self.rng);
                self.agenda.add(Moment::at(churn.from.0 + first), Item::Down(number, host));
            }
        }
        for (host, number) in &self.strangers {
            let from = self.scenario.adversary[*number].from.0;
            self.agenda.add(Moment::at(from), Item::Attack(*host));
        }
        for (number, step) in self.scenario.at.iter().enumerate() {
            self.agenda.add(Moment::at(step.time.0), Item::Step(number));
        }
    }

    /// Whatever is due now.
    fn act(&mut self) {
        while let Some(item) = self.agenda.take(self.world.now()) {
            match item {
                Item::Found => self.found(),
                Item::Join(host) => self.join(host),
                Item::Load(number) => self.load(number),
                Item::Down(number, host) => self.churn_down(number, host),
                Item::Up(number, host) => self.churn_up(number, host),
                Item::Start(host) => self.start(host),
                Item::Step(number) => self.step(number),
                Item::Heal => self.heal(),
                Item::Room(host) => self.set_room(host, true),
                Item::Attack(host) => self.attack(host),
            }
        }
    }

    fn start(&mut self, host: HostId) {
        self.world.start(host);
        match self.scenario.network.discovery {
            Discovery::None => {}
            Discovery::Authority => self.see_each_other(host, HostId(0)),
            Discovery::All => {
                for other in (0..self.roster.nodes()).map(HostId) {
                    self.see_each_other(host, other);
                }
            }
        }
    }

    fn see_each_other(&mut self, one: HostId, other: HostId) {
        if one != other {
            self.world.announce(one, other);
            self.world.announce(other, one);
        }
    }

    fn found(&mut self) {
        let authority = HostId(0);
        self.start(authority);
        let Ok(name) = self.roster.name(authority).parse() else { return };
        let network = &self.scenario.network;
        let init = Init {
            network: self.network.clone(),
            name,
            admission: network.admission,
            password: None,
            weak: false,
            require_login: false,
        };
        self.command(authority, Command::Init(init));
    }

    /// Has a user of a host give a command; says under which number.
    fn command(&mut self, host: HostId, command: Command) -> Option<u64> {
        let at = self.world.now();
        self.orders += 1;
        let wish = Wish::Command(Box::new(command));
        self.world.order(host, at, self.orders, wish).then(|| {
            self.reference.ordered(self.orders, host, at);
            self.orders
        })
    }

    /// A host is switched on, and its user has it join.
    fn join(&mut self, host: HostId) {
        if !self.joiners.contains(&host) {
            self.joiners.push(host);
        }
        self.start(host);
        if self.scenario.network.admission.to_string().contains("invite") {
            self.invites.waiting.push_back(host);
            self.hand_out_invites();
        } else {
            self.join_with(host, None);
        }
    }

    /// An adversary comes: who betrays his network with an invite for it.
    fn attack(&mut self, host: HostId) {
        let Some(number) = self.strangers.get(&host) else { return };
        if adversary::is_insider(&self.scenario.adversary[*number].kind) {
            self.invites.waiting.push_back(host);
            self.hand_out_invites();
        } else {
            self.admit(host, None);
        }
    }

    fn admit(&mut self, host: HostId, invite: Option<String>) {
        let Some(number) = self.strangers.get(&host) else { return };
        let kind = &self.scenario.adversary[*number].kind;
        let (network, hosts) = (self.network.clone(), self.roster.nodes());
        let target = Target { network, hosts, invite };
        if let Some(adversary) = adversary::of_kind(kind, target, &mut self.rng) {
            self.world.admit(host, adversary);
        }
    }

    fn hand_out_invites(&mut self) {
        let now = self.world.now();
        self.invites.uris.retain(|(_, uses, until)| *uses > 0 && now < *until);
        while !self.invites.waiting.is_empty() {
            let Some((uri, uses, _)) = self.invites.uris.front_mut() else {
                self.ask_for_invite();
                return;
            };
            *uses -= 1;
            let uri = uri.clone();
            if *uses == 0 {
                self.invites.uris.pop_front();
            }
            if let Some(host) = self.invites.waiting.pop_front() {
                self.join_with(host, Some(uri));
            }
        }
    }

    fn ask_for_invite(&mut self) {
        if self.invites.asked || !self.reference.is_member(HostId(0)) {
            return;
        }
        let uses = u32::try_from(INVITE_USES).unwrap_or(1);
        let request = InviteRequest { uses, ttl_s: INVITE_LIFE.as_secs() };
        self.invites.asked = self.command(HostId(0), Command::Invite(request)).is_some();
    }

    fn join_with(&mut self, host: HostId, invite: Option<String>) {
        if self.strangers.contains_key(&host) {
            self.admit(host, invite);
            return;
        }
        let Ok(name) = self.roster.name(host).parse() else { return };
        let network = Some(self.network.clone());
        match self.command(host, Command::Join(Join::new(invite, name, network))) {
            Some(order) => {
                self.joining.insert(order, host);
            }
            // It is down just now.
            None => self.agenda.add(self.world.now().after(JOIN_AGAIN), Item::Join(host)),
        }
    }

    /// What follows from what was observed, by users who do the next thing.
    fn react(&mut self, observed: &Observed) {
        match &observed.fact {
            Fact::Answered { order, result, .. } => {
                let joined = self.joining.remove(order);
                match (result.as_deref(), joined) {
                    (Ok(Answer::Initialised(_)), _) => self.hand_out_invites(),
                    (Ok(Answer::Invite(invite)), _) => {
                        let until = self.world.now().after(INVITE_LIFE - Duration::from_secs(60));
                        self.invites.asked = false;
                        self.invites.uris.push_back((invite.uri.clone(), invite.uses as usize, until));
                        self.hand_out_invites();
                    }
                    (Err(failure), Some(host)) if failure.code != Code::Failed => {
                        self.agenda.add(self.world.now().after(JOIN_AGAIN), Item::Join(host));
                    }
                    (Err(_), None) if observed.host == HostId(0) => self.invites.asked = false,
                    _ => {}
                }
            }
            Fact::Stopped => {
                if observed.host == HostId(0) {
                    self.invites.asked = false;
                }
                let host = observed.host;
                if self.joining.values().any(|joining| *joining == host) {
                    self.joining.retain(|_, joining| *joining != host);
                    self.agenda.add(self.world.now().after(JOIN_AGAIN), Item::Join(host));
                }
            }
            Fact::Started { .. }
            | Fact::Certified(_)
            | Fact::Epoch(_)
            | Fact::Confirmed(_)
            | Fact::Policy { .. }
            | Fact::PolicyTold { .. }
            | Fact::PolicyTaken { .. }
            | Fact::Heard { .. }
            | Fact::Opened { .. }
            | Fact::Channel { .. }
            | Fact::ChannelEnded { .. }
            | Fact::Broken(_)
            | Fact::Breached(_) => {}
        }
    }

    /// The wishes of the next [`TICK`], or of a few if they are rare.
    fn load(&mut self, number: usize) {
        let load = self.scenario.load[number].clone();
        let now = self.world.now();
        let (from, to) =
            (self.roster.select(&load.who, &mut self.rng), self.roster.select(&load.to, &mut self.rng));
        // Evenly spread between nothing and twice the mean: all of them together, one after the other.
        let gap = load.every.0 / u32::try_from(from.len().max(1)).unwrap_or(u32::MAX);
        let tick = (gap * 4).clamp(TICK, TICK_MAX);
        let mut wait = up_to(gap * 2, &mut self.rng);
        while wait < tick {
            let (host, peer) = (from[pick(from.len(), &mut self.rng)], to[pick(to.len(), &mut self.rng)]);
            if host != peer && self.reference.is_member(host) {
                self.open(host, peer, &load.service, load.hold.0, now.after(wait));
            }
            wait += up_to(gap * 2, &mut self.rng).max(Duration::from_micros(1));
        }
        let until = load.until.map_or(self.end, |until| Moment::at(until.0));
        if now.after(tick) < until {
            self.agenda.add(now.after(tick), Item::Load(number));
        }
    }

    /// Has a user of `host` open a channel to `peer` at a moment to come.
    fn open(&mut self, host: HostId, peer: HostId, service: &str, hold: Duration, at: Moment) {
        let Ok(service) = format!("{service}@{}", self.roster.name(peer)).parse() else { return };
        self.orders += 1;
        if self.world.order(host, at, self.orders, Wish::Open(service, hold)) {
            self.reference.ordered_channel(self.orders, host, peer, at);
        }
    }
}
