//! The same scenarios on real nodes: real sockets on loopback, real stores, real time.
//!
//! It shows by how much the simulation is off. What no test can do to a real network without being root (cuts, loss,
//! clocks, full disks) is left out, and said.

mod nodes;
mod plan;

use core::time::Duration;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use lanyard_node::StartError;
use lanyard_protocol::control::{Answer, Code, Command, Failure, InviteRequest, Join, Revoke};
use lanyard_protocol::people::Actor;
use lanyard_protocol::snapshot::Snapshot;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::nodes::Nodes;
pub use self::plan::NODES_MAX;
use self::plan::{Act, Plan};
use crate::event::HostId;
use crate::fact::{Certified, Fact, Observed};
use crate::measure::Measure;
use crate::moment::Moment;
use crate::scenario::{Scenario, ScenarioError};

/// How long what was begun may go on after the scenario's end: as long as a join waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// A live run that could not be.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The scenario does not fit.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// More nodes than one machine has room for.
    #[error("{nodes} real nodes are more than one machine runs; {max} at the most")]
    TooMany {
        /// How many were wanted.
        nodes: u32,
        /// How many may be.
        max: u32,
    },
    /// No directory for the stores.
    #[error("there is no directory for the nodes' state: {0}")]
    Directory(#[from] io::Error),
    /// A node does not start.
    #[error("{host} does not start: {error}")]
    Start {
        /// Which.
        host: String,
        /// Why.
        error: Box<StartError>,
    },
    /// There is no network.
    #[error("the authority does not make a network: {}", .0.message)]
    Found(Failure),
}

/// What has become of a live run.
pub struct LiveOutcome {
    /// What was measured, by a real clock.
    pub measure: Measure,
    /// What the scenario wants and was left out.
    pub left_out: BTreeSet<&'static str>,
    /// What was asked for and did not work: who, and why.
    pub failures: Vec<String>,
}

/// Runs a scenario on real nodes.
///
/// # Errors
/// [`LiveError`] if there is no network to run it on.
pub async fn run(scenario: &Scenario, nodes: u32, seed: u64) -> Result<LiveOutcome, LiveError> {
    if nodes > NODES_MAX {
        return Err(LiveError::TooMany { nodes, max: NODES_MAX });
    }
    let plan = Plan::of(scenario, nodes, seed)?;
    let nodes = Nodes::new(scenario, plan.roster.clone())?;
    let live = Live::begin(nodes, plan).await?;
    Ok(live.finish().await)
}

/// A live run that goes on.
struct Live {
    nodes: Nodes,
    plan: Plan,
    uri: String,
    observer: Observer,
    observed: mpsc::UnboundedReceiver<Observed>,
    tasks: JoinSet<()>,
    orders: u64,
    measure: Measure,
    failures: Vec<String>,
}

/// Whoever reports what is observed, and when.
#[derive(Clone)]
struct Observer {
    began: Instant,
    report: mpsc::UnboundedSender<Observed>,
}

impl Observer {
    fn at(&self) -> Moment {
        Moment::at(self.began.elapsed())
    }

    fn observe(&self, host: HostId, fact: Fact) {
        let at = self.at();
        // The run may be over.
        let _ = self.report.send(Observed { at, host, now: at.wall(), fact });
    }

    /// Reports what a node has become, whenever it becomes something else.
    async fn watch(self, host: HostId, mut snapshots: tokio::sync::watch::Receiver<Arc<Snapshot>>) {
        let (mut known, mut certificate) = (0, None);
        loop {
            let snapshot = Arc::clone(&snapshots.borrow_and_update());
            let now = snapshot.certificate().map(lanyard_protocol::certificate::VerifiedCertificate::digest);
            if let Some(certified) = Certified::of(&snapshot).filter(|_| now != certificate) {
                certificate = now;
                self.observe(host, Fact::Certified(certified));
            }
            let epoch = snapshot.revocations().map_or(0, lanyard_protocol::revocation::RevocationList::epoch);
            if epoch != known {
                known = epoch;
                self.observe(host, Fact::Epoch(epoch));
            }
            if snapshots.changed().await.is_err() {
                break;
            }
        }
    }
}

impl Live {
    /// The authority runs and has given out an invite for all.
    async fn begin(mut nodes: Nodes, plan: Plan) -> Result<Self, LiveError> {
        let uses = plan.roster.nodes();
        nodes.start(HostId(0)).await?;
        let init = Command::Init(nodes.init());
        nodes.command(HostId(0), init).await.map_err(LiveError::Found)?;
        let invite = Command::Invite(InviteRequest { uses, ttl_s: 24 * 3600 });
        let uri = match nodes.command(HostId(0), invite).await {
            Ok(Answer::Invite(invite)) => invite.uri,
            Ok(other) => return Err(LiveError::Found(unexpected(&other))),
            Err(failure) => return Err(LiveError::Found(failure)),
        };
        let (report, observed) = mpsc::unbounded_channel();
        let mut live = Self {
            nodes,
            plan,
            uri,
            observer: Observer { began: now(), report },
            observed,
            tasks: JoinSet::new(),
            orders: 0,
            measure: Measure::default(),
            failures: Vec::new(),
        };
        live.has_started(HostId(0));
        Ok(live)
    }

    async fn finish(mut self) -> LiveOutcome {
        let began = self.observer.began;
        for (at, act) in core::mem::take(&mut self.plan.acts) {
            self.note_until(began + at).await;
            self.act(act).await;
        }
        self.note_until(began + self.plan.duration).await;
        self.nodes.stop_all().await;
        // Whoever waits for a node that has stopped is told so.
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            self.failures.push("something was still waited for at the end".to_owned());
        }
        self.observed.close();
        while let Some(observed) = self.observed.recv().await {
            self.note(&observed);
        }
        LiveOutcome { measure: self.measure, left_out: self.plan.left_out, failures: self.failures }
    }

    async fn note_until(&mut self, due: Instant) {
        while let Ok(Some(observed)) = tokio::time::timeout_at(due, self.observed.recv()).await {
            self.note(&observed);
        }
    }

    fn note(&mut self, observed: &Observed) {
        self.measure.observe(observed);
        let whom = || self.nodes.name(observed.host);
        if let Fact::Answered { result: Err(failure), .. } = &observed.fact {
            self.failures.push(format!("{}: {}", whom(), failure.message));
        }
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Join(host) => {
                self.start(host).await;
                let Ok(name) = self.nodes.name(host).parse() else { return };
                self.order(host, Command::Join(Join::new(Some(self.uri.clone()), name, None)));
            }
            Act::Open(host, peer, service) => self.open(host, peer, &service),
            Act::Revoke(host) => {
                let Ok(peer) = self.nodes.name(host).parse() else { return };
                let order = self.order(HostId(0), Command::Revoke(Revoke { peer, reason: None, wait_ms: 0 }));
                self.measure.ordered_revocation(order, host, self.observer.at());
            }
            Act::Renew(host) => {
                self.order(host, Command::Renew);
            }
            Act::Start(host) => self.start(host).await,
            Act::Stop(host) => {
                self.nodes.stop(host).await;
                self.observer.observe(host, Fact::Stopped);
            }
        }
    }

    async fn start(&mut self, host: HostId) {
        match self.nodes.start(host).await {
            Ok(true) => self.has_started(host),
            Ok(false) => {}
            Err(error) => self.failures.push(error.to_string()),
        }
    }

    fn has_started(&mut self, host: HostId) {
        let Some(snapshots) = self.nodes.snapshots(host) else { return };
        let snapshot = Arc::clone(&snapshots.borrow());
        let (node, member) = (snapshot.node_id(), snapshot.certificate().is_some());
        self.observer.observe(host, Fact::Started { node, member, epoch: 0, policy: 0 });
        self.tasks.spawn(self.observer.clone().watch(host, snapshots));
    }

    /// Has the user of a host give a command; says under which number.
    fn order(&mut self, host: HostId, command: Command) -> u64 {
        self.orders += 1;
        let (order, observer) = (self.orders, self.observer.clone());
        if let Some(handle) = self.nodes.handle(host) {
            self.tasks.spawn(async move {
                let asked = now();
                let result = nodes::owner(&handle, command).await.map(Box::new);
                observer.observe(host, Fact::Answered { order, result, took: asked.elapsed() });
            });
        }
        order
    }

    fn open(&mut self, host: HostId, peer: HostId, service: &str) {
        let Ok(service) = format!("{service}@{}", self.nodes.name(peer)).parse() else { return };
        let Some(handle) = self.nodes.handle(host) else { return };
        self.orders += 1;
        let (order, observer) = (self.orders, self.observer.clone());
        self.tasks.spawn(async move {
            let asked = now();
            let result = handle.open(Actor::Node, service).await.map(|grant| grant.ticket.terms().id);
            observer.observe(host, Fact::Opened { order, result, took: asked.elapsed() });
        });
    }
}

fn unexpected(answer: &Answer) -> Failure {
    Failure::new(Code::Failed, format!("it answers {answer:?}"), "this is a defect: report it")
}

/// By the runtime's clock: a live run is measured by it, and nothing is decided.
fn now() -> Instant {
    Instant::now()
}
