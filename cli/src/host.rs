//! A node in this process: the only file that knows how `lanyard-node` is called.

use std::path::{Path, PathBuf};
use std::time::Instant;

use lanyard_node::audit::{self, AuditError};
use lanyard_node::config::{self, Config, ConfigError};
use lanyard_node::store::Store;
use lanyard_node::store::export::{self, ExportError};
use lanyard_node::tools::envelope;
pub(crate) use lanyard_node::tools::envelope::{
    StreamError, failure as header_failure, open, read_header, seal,
};
use lanyard_node::{Listening, Node, StartError, ambient};
use lanyard_protocol::audit::{Page, Report};
use lanyard_protocol::control::{
    Answer, Caller, Certificates, Code, Command, ConfirmJoin, ExportState, Exported, Failure, HeaderToOpen,
    HeaderToSeal, Init, Initialised, Join, Joined, OpenedHeader, Passphrase, PolicyShown, SealedHeader,
    Status,
};
use lanyard_protocol::time::Timestamp;

use crate::args::Up;
use crate::client::Client;
use crate::error::{Error, Result};

/// The time by this host's clock.
pub(crate) fn now() -> Timestamp {
    ambient::now()
}

/// A moment to measure a duration from.
pub(crate) fn monotonic() -> Instant {
    ambient::monotonic()
}

/// The state directory where none is named.
pub(crate) fn default_state() -> Result<PathBuf> {
    config::default_state_dir().map_err(|error| misconfigured(error).into())
}

/// A node to give an order to: the one that runs, or one that lives for the moment.
pub(crate) enum Anywhere {
    /// The running node.
    Running(Client),
    /// A node in this process, which nobody else sees, and the limits of a running one.
    Hosted(Box<Hosted>, Client),
}

impl Anywhere {
    /// The running node if there is one.
    pub(crate) async fn find(state: &Path, client: &Client) -> Result<Self> {
        if client.is_running().await? {
            return Ok(Self::Running(client.clone()));
        }
        let node = Node::start_quiet(load(state)?).await?;
        Ok(Self::Hosted(Box::new(Hosted { node }), client.clone()))
    }

    /// Makes it the authority of a new network.
    pub(crate) async fn init(&self, init: Init) -> Result<Initialised> {
        match self {
            Self::Running(client) => client.post("/v1/init", &init).await,
            Self::Hosted(hosted, client) => client.in_time(hosted.init(init)).await,
        }
    }

    /// The same node, where it joins a network.
    pub(crate) fn joiner(&self) -> Joiner<'_> {
        match self {
            Self::Running(client) => Joiner::Running(client),
            Self::Hosted(hosted, _) => Joiner::Hosted(hosted),
        }
    }

    /// Its certificate and its network's.
    pub(crate) async fn certificates(&self) -> Result<Certificates> {
        match self {
            Self::Running(client) => client.get("/v1/certificates").await,
            Self::Hosted(hosted, client) => client.in_time(hosted.certificates(Command::Certificates)).await,
        }
    }

    /// Who may do what.
    pub(crate) async fn policy(&self) -> Result<PolicyShown> {
        match self {
            Self::Running(client) => client.get("/v1/policy").await,
            Self::Hosted(hosted, _) => {
                let answer = hosted.command(Command::Policy).await?;
                if let Answer::Policy(shown) = answer { Ok(shown) } else { Err(unexpected(&answer)) }
            }
        }
    }

    /// Renews its certificate.
    pub(crate) async fn renew(&self) -> Result<Certificates> {
        match self {
            Self::Running(client) => client.post("/v1/certificates/renew", &serde_json::json!({})).await,
            Self::Hosted(hosted, client) => client.in_time(hosted.certificates(Command::Renew)).await,
        }
    }

    /// The header of a file to seal.
    pub(crate) async fn seal_header(&self, wanted: HeaderToSeal) -> Result<SealedHeader> {
        match self {
            Self::Running(client) => client.post("/v1/seal", &wanted).await,
            Self::Hosted(hosted, client) => client.in_time(hosted.seal_header(wanted)).await,
        }
    }

    /// What the header of a sealed file says.
    pub(crate) async fn open_header(&self, wanted: HeaderToOpen) -> Result<OpenedHeader> {
        match self {
            Self::Running(client) => client.post("/v1/open", &wanted).await,
            Self::Hosted(hosted, _) => Ok(envelope::open_header(&hosted.node.handle(), &wanted)?),
        }
    }

    /// Stops it, if it lived for the moment.
    pub(crate) async fn close(self) {
        if let Self::Hosted(hosted, _) = self {
            hosted.stop().await;
        }
    }
}

/// A node that joins a network, or is about to.
#[derive(Clone, Copy)]
pub(crate) enum Joiner<'a> {
    /// A node in another process.
    Running(&'a Client),
    /// A node in this process.
    Hosted(&'a Hosted),
}

impl Joiner<'_> {
    /// Gets it a certificate.
    pub(crate) async fn join(self, join: Join) -> Result<Joined> {
        match self {
            Self::Running(client) => client.post("/v1/join", &join).await,
            Self::Hosted(hosted) => hosted.join(join).await,
        }
    }

    /// How it is.
    pub(crate) async fn status(self) -> Result<Status> {
        match self {
            Self::Running(client) => client.get("/v1/status").await,
            Self::Hosted(hosted) => hosted.status().await,
        }
    }

    /// Its certificate and its network's.
    pub(crate) async fn certificates(self) -> Result<Certificates> {
        match self {
            Self::Running(client) => client.get("/v1/certificates").await,
            Self::Hosted(hosted) => hosted.certificates(Command::Certificates).await,
        }
    }

    /// Tells it whether both screens show the same words.
    pub(crate) async fn confirm(self, accept: bool) -> Result {
        let confirm = ConfirmJoin { accept };
        match self {
            Self::Running(client) => client.order("/v1/join/confirm", &confirm).await,
            Self::Hosted(hosted) => hosted.command(Command::ConfirmJoin(confirm)).await.map(drop),
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
        Ok(Self { node: Node::start(configured(load(state)?, up)).await? })
    }

    /// Waits until something else stops the node: `lanyard down`, say.
    pub(crate) async fn stopped(&self) {
        self.node.stopped().await;
    }

    /// Stops the node; everything that it acknowledged is on disk.
    pub(crate) async fn stop(self) {
        self.node.stop().await;
    }

    /// Where it listens.
    pub(crate) async fn listening(&self) -> Result<Listening> {
        Ok(self.node.handle().listening().await?)
    }

    /// How it is.
    pub(crate) async fn status(&self) -> Result<Status> {
        let answer = self.command(Command::Status).await?;
        if let Answer::Status(status) = answer { Ok(*status) } else { Err(unexpected(&answer)) }
    }

    async fn join(&self, join: Join) -> Result<Joined> {
        let answer = self.command(Command::Join(join)).await?;
        if let Answer::Joined(joined) = answer { Ok(joined) } else { Err(unexpected(&answer)) }
    }

    async fn init(&self, init: Init) -> Result<Initialised> {
        let answer = self.command(Command::Init(init)).await?;
        if let Answer::Initialised(initialised) = answer { Ok(initialised) } else { Err(unexpected(&answer)) }
    }

    async fn certificates(&self, command: Command) -> Result<Certificates> {
        let answer = self.command(command).await?;
        if let Answer::Certificates(certificates) = answer {
            Ok(*certificates)
        } else {
            Err(unexpected(&answer))
        }
    }

    async fn seal_header(&self, wanted: HeaderToSeal) -> Result<SealedHeader> {
        Ok(envelope::seal_header(&self.node.handle(), wanted).await?)
    }

    async fn command(&self, command: Command) -> Result<Answer> {
        Ok(self.node.handle().command(Caller::NODE, command).await?)
    }
}

/// Exports the state of a node that does not run.
pub(crate) async fn export_state(state: &Path, wanted: ExportState) -> Result<Exported> {
    let state = state.to_owned();
    blocking(move || {
        let export = |store: &Store| export::export(store, &wanted.path, wanted.passphrase.as_ref(), now());
        let exported = Store::open(&state).map_err(ExportError::from).and_then(|store| export(&store));
        exported.map_err(|error| error.failure())
    })
    .await
}

/// Records of the audit log of a node that does not run.
pub(crate) async fn audit_page(state: &Path, from: u64, limit: usize) -> Result<Page> {
    with_audit(state, move |store| audit::read(store, from, limit)).await
}

/// Verifies the audit log of a node that does not run.
pub(crate) async fn verify_audit(state: &Path) -> Result<Report> {
    with_audit(state, audit::verify).await
}

async fn with_audit<T: Send + 'static>(
    state: &Path,
    work: impl FnOnce(&Store) -> core::result::Result<T, AuditError> + Send + 'static,
) -> Result<T> {
    let state = state.to_owned();
    let done = move || work(&Store::open(&state)?);
    blocking(move || done().map_err(|error| error.failure())).await
}

/// Verifies an export.
pub(crate) async fn verify_export(file: PathBuf, passphrase: Option<Passphrase>) -> Result<Exported> {
    blocking(move || export::verify(&file, passphrase.as_ref(), now()).map_err(|error| error.failure())).await
}

/// Restores an export into the state directory.
pub(crate) async fn restore_export(
    state: &Path,
    file: PathBuf,
    passphrase: Option<Passphrase>,
) -> Result<Exported> {
    let state = state.to_owned();
    let restore = move || export::restore(&file, passphrase.as_ref(), &state, now());
    blocking(move || restore().map_err(|error| error.failure())).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> core::result::Result<T, Failure> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| {
        Error::new(Code::Failed, format!("it broke off: {error}"), "please report this as a defect")
    })?;
    Ok(done?)
}

/// The configuration as the flags of `up` want it.
fn configured(mut config: Config, up: &Up) -> Config {
    if !up.listen.is_empty() {
        config.listen.clone_from(&up.listen);
    }
    config.lane = up.lane.unwrap_or(config.lane);
    config.mdns = config.mdns && !up.no_mdns;
    config.inbox = up.inbox.clone().or(config.inbox);
    config.require_login = if up.require_login { Some(true) } else { config.require_login };
    config.advertise.clone_from(&up.advertise);
    config.advertise_lane = up.advertise_lane;
    config
}

fn load(state: &Path) -> Result<Config> {
    Config::load(state).map_err(|error| misconfigured(error).into())
}

fn misconfigured(error: ConfigError) -> StartError {
    error.into()
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        Self::Failure(error.failure())
    }
}

fn unexpected(answer: &Answer) -> Error {
    Error::new(
        Code::Failed,
        format!("the node answered another question: {answer:?}"),
        "please report this as a defect",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_up_go_before_the_file_and_leave_the_rest_of_it() {
        let file = Config { inbox: Some("/srv/in".into()), mdns: true, ..Config::new("/state") };
        assert_eq!(configured(file.clone(), &Up::default()), file);
        let up = Up { inbox: Some("/home/in".into()), no_mdns: true, ..Up::default() };
        let expected = Config { inbox: Some("/home/in".into()), mdns: false, ..file.clone() };
        assert_eq!(configured(file, &up), expected);
    }
}
