//! Every side effect of a Lanyard node: sockets, storage, the clock and randomness.
//!
//! What a node decides is decided in `lanyard_protocol`; this crate feeds it and carries out what it says.
//!
//! ```text
//!   other programs ──▶ control.sock ──▶ control ──▶ handle ─┐ commands        ┌─▶ store ──▶ db/
//!                                          │                ▼                 │
//!                                        tools          event_loop ──▶ Engine ┤ outputs
//!                                          │                ▲                 │
//!   other nodes ──▶ TCP, QUIC, mDNS ──▶ swarm ──────────────┘ inputs          └─▶ swarm, watchers
//!   other nodes ──▶ lane (TCP) ──▶ channels, by the snapshot that the engine publishes
//! ```
//!
//! One task runs the [`event_loop`]; it alone touches the engine, and it never waits for anything but its
//! next input. Everybody else holds a [`Handle`], which is cheap to clone and says so when the node has
//! stopped. The data plane does not pass through the loop: it works by snapshots.

pub mod ambient;
pub mod audit;
pub mod channel;
pub mod config;
pub mod lane;
pub mod store;
pub mod tools;

mod control;
mod descriptors;
mod event_loop;
mod handle;
mod listen;
mod origin;
mod start;
mod swarm;
mod tasks;

use lanyard_protocol::control::{Failure, ServiceRef};
use lanyard_protocol::identity::ServiceName;
use lanyard_protocol::people::Actor;

pub use self::config::Config;
pub use self::control::SocketError;
pub use self::handle::{Handle, Listening};
use self::lane::{Dialled, Services, Session};
pub use self::listen::ListenError;
pub use self::start::StartError;
pub use self::swarm::NetworkError;
use self::tasks::Tasks;

/// A running node. Dropping it tells it to stop; [`Node::stop`] waits until it has.
#[derive(Debug)]
pub struct Node {
    handle: Handle,
    services: Services,
    tasks: Tasks,
}

impl Node {
    /// Starts a node that peers can reach and other programs can ask. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] if the state, an address or the control socket cannot be had: nothing runs then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        start::start(config, start::Mode::Full).await
    }

    /// Starts a node for a moment, to carry out one command: it dials and looks for peers, and nobody can
    /// reach or ask it. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] if the state cannot be had, as when a node is running: nothing runs then.
    pub async fn start_quiet(config: Config) -> Result<Self, StartError> {
        start::start(config, start::Mode::Quiet).await
    }

    /// How to ask the node.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Opens a channel to a service of another node, with a ticket that is held or got for it, on the node's own behalf.
    ///
    /// # Errors
    /// What a user would be told: denied, unreachable, unknown.
    pub async fn open(&self, service: &ServiceRef) -> Result<Dialled, Failure> {
        lane::open(&self.handle, &Actor::Node, service).await
    }

    /// From now on `handler` is called, in a task of its own, for every channel that a ticket for `service` opens.
    /// It is dropped when the node stops.
    pub fn serve<F>(&self, service: ServiceName, handler: impl Fn(Session) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.services.serve(service, handler);
    }

    /// Stops the node and waits until its last write is durable and its files are closed.
    pub async fn stop(self) {
        self.tasks.stop();
        self.tasks.stopped().await;
    }

    /// Completes when the node has stopped, as it does by itself when it is asked to over the local API.
    pub async fn stopped(&self) {
        self.tasks.stopped().await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}
