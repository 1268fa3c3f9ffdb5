//! A node in this process: the only file that knows how `lanyard-node` is called.

use std::net::SocketAddr;
use std::path::Path;

use lanyard_node::Node;
use lanyard_node::config::{self, Config};
use lanyard_protocol::control::{
    Answer, Caller, Certificates, Code, Command, Failure, Init, Initialised, Join, Joined, Status,
};

use crate::args::Up;
use crate::client::Client;
use crate::error::{Error, Result};

/// The state directory where none is named.
pub(crate) fn default_state() -> Result<std::path::PathBuf> {
    config::default_state_dir()
        .map_err(|error| Error::new(Code::Failed, error.to_string(), "name a state directory: `--state DIR`"))
}

/// A node to give an order to: the one that runs, or one that lives for the moment.
pub(crate) enum Anywhere {
    /// The running node.
    Running(Client),
    /// A node in this process, which nobody else sees.
    Hosted(Box<Hosted>),
}

impl Anywhere {
    /// The running node if there is one.
    pub(crate) async fn find(state: &Path, client: &Client) -> Result<Self> {
        if client.is_running().await? {
            return Ok(Self::Running(client.clone()));
        }
        let node = Node::start_quiet(load(state)?).await.map_err(|error| not_started(&error))?;
        Ok(Self::Hosted(Box::new(Hosted { node })))
    }

    /// Makes it the authority of a new network.
    pub(crate) async fn init(&self, init: Init) -> Result<Initialised> {
        match self {
            Self::Running(client) => client.post("/v1/init", &init).await,
            Self::Hosted(hosted) => hosted.init(init).await,
        }
    }

    /// Gets it a certificate.
    pub(crate) async fn join(&self, join: Join) -> Result<Joined> {
        match self {
            Self::Running(client) => client.post("/v1/join", &join).await,
            Self::Hosted(hosted) => hosted.join(join).await,
        }
    }

    /// Its certificate and its network's.
    pub(crate) async fn certificates(&self) -> Result<Certificates> {
        match self {
            Self::Running(client) => client.get("/v1/certificates").await,
            Self::Hosted(hosted) => hosted.certificates().await,
        }
    }

    /// Stops it, if it lived for the moment.
    pub(crate) async fn close(self) {
        if let Self::Hosted(hosted) = self {
            hosted.stop().await;
        }
    }
}

/// A node in this process.
pub(crate) struct Hosted {
    node: Node,
}

impl Hosted {
    /// Starts the node that `up` describes.
    pub(crate) async fn start(state: &Path, up: &Up) -> Result<Self> {
        let mut config = load(state)?;
        if !up.listen.is_empty() {
            config.listen.clone_from(&up.listen);
        }
        config.lane = up.lane.unwrap_or(config.lane);
        config.mdns = config.mdns && !up.no_mdns;
        config.advertise.clone_from(&up.advertise);
        config.advertise_lane = up.advertise_lane;
        let node = Node::start(config).await.map_err(|error| not_started(&error))?;
        Ok(Self { node })
    }

    /// Waits until something else stops the node: `lanyard down`, say.
    pub(crate) async fn stopped(&self) {
        self.node.stopped().await;
    }

    /// Stops the node; everything that it acknowledged is on disk.
    pub(crate) async fn stop(self) {
        self.node.stop().await;
    }

    /// Where it listens for channels.
    pub(crate) fn lane(&self) -> Option<SocketAddr> {
        self.node.lane_address()
    }

    /// How it is.
    pub(crate) async fn status(&self) -> Result<Status> {
        match self.command(Command::Status).await? {
            Answer::Status(status) => Ok(*status),
            other => Err(unexpected(&other)),
        }
    }

    /// Gets it a certificate.
    pub(crate) async fn join(&self, join: Join) -> Result<Joined> {
        match self.command(Command::Join(join)).await? {
            Answer::Joined(joined) => Ok(joined),
            other => Err(unexpected(&other)),
        }
    }

    async fn init(&self, init: Init) -> Result<Initialised> {
        match self.command(Command::Init(init)).await? {
            Answer::Initialised(initialised) => Ok(initialised),
            other => Err(unexpected(&other)),
        }
    }

    async fn certificates(&self) -> Result<Certificates> {
        match self.command(Command::Certificates).await? {
            Answer::Certificates(certificates) => Ok(*certificates),
            other => Err(unexpected(&other)),
        }
    }

    async fn command(&self, command: Command) -> Result<Answer> {
        Ok(self.node.handle().command(Caller::Owner, command).await?)
    }
}

fn load(state: &Path) -> Result<Config> {
    Config::load(state).map_err(|error| {
        Error::new(
            Code::Failed,
            error.to_string(),
            "correct it, or use another state directory: `--state DIR`",
        )
    })
}

fn not_started(failure: &Failure) -> Error {
    Error::Failure(failure.clone())
}

fn unexpected(answer: &Answer) -> Error {
    Error::new(
        Code::Failed,
        format!("the node answered another question: {answer:?}"),
        "please report this as a defect",
    )
}

/// The time by this host's clock.
pub(crate) fn now() -> lanyard_protocol::time::Timestamp {
    lanyard_node::ambient::now()
}

/// A moment to measure a duration from.
pub(crate) fn monotonic() -> std::time::Instant {
    lanyard_node::ambient::monotonic()
}
