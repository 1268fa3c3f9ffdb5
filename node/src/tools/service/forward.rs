//! Carrying a TCP port of this host to a service of another node: each connection is a channel of its own.
//!
//! A port is there for as long as whoever asked for it reads its events. Who connects to it uses the service by the
//! ticket of whoever asked, so it is on loopback unless another address was named. What policy does not grant, or nobody
//! provides, is refused before anything listens; a connection that cannot be carried is reset, and told in an event.

use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::sync::Arc;

use lanyard_protocol::control::{Caller, Code, Command, Failure, Forward, ForwardEvent, ServiceRef, Visit};
use lanyard_protocol::engine::ChannelGrant;
use lanyard_protocol::people::Actor;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::handle::Handle;
use crate::lane::{self, Dialled};
use crate::tasks::Tasks;
use crate::tools::carry::{CarryError, Connection, Tally};

/// Ports that are carried at a time. 64: each was asked for by a program that waits.
const PORTS_MAX: usize = 64;

/// Connections of one port. 1,024: as many channels as one ticket has by default.
const CONNECTIONS: usize = 1024;

/// Connections of all ports. 4,096: as many channels as one peer has by default; each takes two descriptors.
const CONNECTIONS_IN_ALL: usize = 4096;

/// Channels of one port that are being opened at a time. 4: as many as there are turns for at a provider; who waits
/// here does not use up the time that is given to wait for a turn.
const OPENING: usize = 4;

/// How many events a slow reader may be behind; what is beyond it misses.
const EVENTS: usize = 32;

/// How long nothing is taken when the system has no descriptor for the next connection.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// The ports that are carried.
pub(in crate::tools) struct Forwards {
    handle: Handle,
    tasks: Tasks,
    ports: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

impl Forwards {
    pub(in crate::tools) fn new(handle: Handle, tasks: Tasks) -> Self {
        Self {
            handle,
            tasks,
            ports: Arc::new(Semaphore::new(PORTS_MAX)),
            connections: Arc::new(Semaphore::new(CONNECTIONS_IN_ALL)),
        }
    }

    /// Listens and carries, until the receiver is dropped.
    ///
    /// # Errors
    /// What the user is told before anything listens: denied, unknown, unreachable; no such address, or taken.
    pub(in crate::tools) async fn forward(
        &self,
        actor: Actor,
        wanted: Forward,
    ) -> Result<mpsc::Receiver<ForwardEvent>, Failure> {
        let Forward { service, listen, guest } = wanted;
        let room = Arc::clone(&self.ports).try_acquire_owned().map_err(|_| too_many_ports())?;
        let user = match guest {
            Some(password) => User::Guest(Visit { service, password }),
            None => User::Actor(actor, service),
        };
        let grant = user.ticket(&self.handle).await?;
        let listener = TcpListener::bind(listen).await.map_err(|error| unusable(listen, &error))?;
        let address = listener.local_addr().map_err(|error| unusable(listen, &error))?;
        let (events, watched) = mpsc::channel(EVENTS);
        // There is room for the first.
        let _ = events.try_send(ForwardEvent::Listening { address, provider: grant.provider.clone() });
        let port = Port {
            handle: self.handle.clone(),
            user,
            events,
            opening: Arc::new(Semaphore::new(OPENING)),
            own: Arc::new(Semaphore::new(CONNECTIONS)),
            in_all: Arc::clone(&self.connections),
            tally: Tally::default(),
        };
        let tasks = self.tasks.clone();
        self.tasks.spawn(async move {
            let _room = room;
            tasks.until_stopping(Arc::new(port).run(listener)).await;
        });
        Ok(watched)
    }
}

/// By what right a port leads to a service, and to which.
enum User {
    /// By the ticket of a member, or of somebody who has logged in there.
    Actor(Actor, ServiceRef),
    /// By that of somebody who knows the service's password.
    Guest(Visit),
}

impl User {
    const fn service(&self) -> &ServiceRef {
        match self {
            Self::Actor(_, service) => service,
            Self::Guest(visit) => &visit.service,
        }
    }

    /// The ticket, of a provider that is there.
    async fn ticket(&self, handle: &Handle) -> Result<Box<ChannelGrant>, Failure> {
        match self {
            Self::Actor(actor, service) => {
                let grant = handle.open(actor.clone(), service.clone()).await?;
                // A ticket may have been held since before the provider went away.
                handle.command(Caller::NODE, Command::Ping(service.peer.clone())).await?;
                Ok(grant)
            }
            Self::Guest(visit) => handle.visit(visit.clone()).await,
        }
    }

    async fn open(&self, handle: &Handle) -> Result<Dialled, Failure> {
        match self {
            Self::Actor(actor, service) => lane::open(handle, actor, service).await,
            Self::Guest(visit) => lane::visit(handle, visit).await,
        }
    }
}

/// One port that is carried.
struct Port {
    handle: Handle,
    user: User,
    events: mpsc::Sender<ForwardEvent>,
    opening: Arc<Semaphore>,
    own: Arc<Semaphore>,
    in_all: Arc<Semaphore>,
    tally: Tally,
}

/// The room that a connection takes, given back when dropped.
type Room = [OwnedSemaphorePermit; 2];

impl Port {
    /// Takes connections until nobody reads the events any more. Then those that are open end as well: their tasks are
    /// in the set.
    async fn run(self: Arc<Self>, listener: TcpListener) {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                () = self.events.closed() => return,
                Some(_) = open.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.admit(stream, &mut open),
                    Err(error) => {
                        tracing::warn!(%error, "a forwarded port takes no connection for a moment");
                        tokio::time::sleep(EXHAUSTED_PAUSE).await;
                    }
                },
            }
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, open: &mut JoinSet<()>) {
        let connection = Connection::new(stream);
        match self.room() {
            Some(room) => _ = open.spawn(Arc::clone(self).carry(connection, room)),
            None => self.tell(too_many_connections(self.user.service())),
        }
    }

    fn room(&self) -> Option<Room> {
        let take = |of: &Arc<Semaphore>| Arc::clone(of).try_acquire_owned().ok();
        Some([take(&self.own)?, take(&self.in_all)?])
    }

    async fn carry(self: Arc<Self>, connection: Connection, _room: Room) {
        let opened = async {
            let _turn = self.opening.acquire().await;
            self.user.open(&self.handle).await
        };
        let channel = match opened.await {
            Ok(dialled) => dialled.channel,
            Err(failure) => return self.tell(failure),
        };
        let tally = Tally::default();
        let carried = connection.carry(channel, &tally).await;
        self.tally.add_received(tally.received());
        self.tally.add_sent(tally.sent());
        if let Err(error) = carried {
            tracing::debug!(service = %self.user.service(), %error, "a connection was cut");
            if let (CarryError::Channel(_), 0) = (&error, tally.received()) {
                self.tell(ended_at_once(self.user.service(), &error));
            }
        }
    }

    /// Tells of a connection that was not carried, if the reader keeps up.
    fn tell(&self, failure: Failure) {
        let _ = self.events.try_send(ForwardEvent::Refused(failure));
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        tracing::debug!(service = %self.user.service(), sent = self.tally.sent(), received = self.tally.received(), "no longer forwarded");
    }
}

fn unusable(listen: SocketAddr, error: &io::Error) -> Failure {
    let message = if error.kind() == io::ErrorKind::AddrInUse {
        format!("TCP {listen} is taken by another program")
    } else {
        format!("cannot listen on TCP {listen}: {error}")
    };
    Failure::new(Code::Failed, message, "name another address, or none to have one picked")
}

fn too_many_ports() -> Failure {
    Failure::new(
        Code::Failed,
        format!("{PORTS_MAX} ports are forwarded already"),
        "end another `lanyard forward`",
    )
}

fn too_many_connections(service: &ServiceRef) -> Failure {
    let message = format!(
        "a connection to {service} was reset: {CONNECTIONS} of one port and {CONNECTIONS_IN_ALL} in all are carried at a time"
    );
    Failure::new(Code::Failed, message, "close some, or spread them over several nodes")
}

fn ended_at_once(service: &ServiceRef, error: &CarryError) -> Failure {
    let message = format!("a connection to {service} was reset before anything came: {error}");
    let remedy = format!("see on {} whether what it stands for runs: `lanyard service list`", service.peer);
    Failure::new(Code::Unreachable, message, remedy)
}
