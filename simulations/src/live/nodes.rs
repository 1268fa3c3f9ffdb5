//! The real nodes of a live run.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use lanyard_node::{Config, Handle, Node};
use lanyard_protocol::control::{Answer, Caller, Command, Failure, Init};
use lanyard_protocol::snapshot::Snapshot;
use tempfile::TempDir;
use tokio::sync::watch;

use super::LiveError;
use crate::event::HostId;
use crate::scenario::{Roster, Scenario};

/// Real nodes, each with a state directory and an address of its own.
pub(super) struct Nodes {
    directory: TempDir,
    running: Vec<Option<Node>>,
    /// Where each listens: chosen by the system at its first start, and kept.
    places: Vec<Option<(SocketAddr, SocketAddr)>>,
    roster: Roster,
    init: Init,
    life: core::time::Duration,
}

impl Nodes {
    pub(super) fn new(scenario: &Scenario, roster: Roster) -> Result<Self, LiveError> {
        let count = roster.nodes() as usize;
        let init = Init {
            network: scenario.network.name()?,
            name: "authority".parse().map_err(std::io::Error::other)?,
            admission: scenario.network.admission,
            password: None,
            weak: false,
            require_login: false,
        };
        Ok(Self {
            directory: tempfile::Builder::new().prefix("lanyard-live-").tempdir()?,
            running: (0..count).map(|_| None).collect(),
            places: vec![None; count],
            roster,
            init,
            life: scenario.network.certificate_life.0,
        })
    }

    pub(super) fn init(&self) -> Init {
        self.init.clone()
    }

    pub(super) fn name(&self, host: HostId) -> String {
        self.roster.name(host)
    }

    /// Starts a node; says whether it did not run.
    pub(super) async fn start(&mut self, host: HostId) -> Result<bool, LiveError> {
        if self.running[host.index()].is_some() {
            return Ok(false);
        }
        let started = Node::start(self.config(host)).await;
        let node =
            started.map_err(|error| LiveError::Start { host: self.name(host), error: Box::new(error) })?;
        if let Ok(listening) = node.handle().listening().await
            && let (Some(control), Some(lane)) = (listening.control.first(), listening.lane.first())
        {
            self.places[host.index()] = Some((*control, *lane));
        }
        self.running[host.index()] = Some(node);
        Ok(true)
    }

    /// Each node has an address of its own in 127.0.0.0/8: what is limited by address is limited as on a network.
    fn config(&self, host: HostId) -> Config {
        let [_, _, high, low] = (host.0 + 1).to_be_bytes();
        let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 77, high, low)), 0);
        let (control, lane) = self.places[host.index()].unwrap_or((own, own));
        Config {
            listen: vec![control],
            lane,
            mdns: false,
            certificate_life: (host == HostId(0)).then_some(self.life),
            ..Config::new(self.directory.path().join(host.0.to_string()))
        }
    }

    pub(super) async fn stop(&mut self, host: HostId) {
        if let Some(node) = self.running[host.index()].take() {
            node.stop().await;
        }
    }

    pub(super) async fn stop_all(&mut self) {
        for host in (0..self.roster.nodes()).map(HostId) {
            self.stop(host).await;
        }
    }

    pub(super) fn handle(&self, host: HostId) -> Option<Handle> {
        self.running[host.index()].as_ref().map(Node::handle)
    }

    pub(super) fn snapshots(&self, host: HostId) -> Option<watch::Receiver<Arc<Snapshot>>> {
        self.handle(host).map(|handle| handle.snapshots())
    }

    pub(super) async fn command(&self, host: HostId, command: Command) -> Result<Answer, Failure> {
        match self.handle(host) {
            Some(handle) => owner(&handle, command).await,
            None => Err(lanyard_protocol::reject::Reject::Unavailable.failure()),
        }
    }
}

/// A command of the user who runs the node.
pub(super) async fn owner(handle: &Handle, command: Command) -> Result<Answer, Failure> {
    handle.command(Caller::NODE, command).await
}
