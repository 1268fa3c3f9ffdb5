//! From a configuration to a running node: each part in the order in which it can fail.

use core::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use lanyard_protocol::certificate::Verified;
use lanyard_protocol::control::{Code, Failure};
use lanyard_protocol::engine::{Damaged, Engine, Setup, SetupError};
use lanyard_protocol::record::Table;
use tokio::net::TcpListener;

use crate::Node;
use crate::ambient::{self, OsRng};
use crate::audit::{Audit, AuditError};
use crate::config::{Config, ConfigError};
use crate::control::{self, SocketError, Waiting, Warnings};
use crate::descriptors;
use crate::event_loop::{Advertised, EventLoop};
use crate::handle::{self, Handle, Listening};
use crate::lane::{self, Services};
use crate::listen::{self, ListenError};
use crate::store::{Store, StoreError, export};
use crate::swarm::{Network, NetworkError};
use crate::tasks::Tasks;
use crate::tools::Tools;

/// The tables that the engine keeps; the others belong to tools, which read them as they need them.
pub(crate) const ENGINE_TABLES: [Table; 13] = [
    Table::Keys,
    Table::Membership,
    Table::Authority,
    Table::Invites,
    Table::Enrolments,
    Table::Peers,
    Table::Tickets,
    Table::Revocations,
    Table::Denied,
    Table::Policy,
    Table::Users,
    Table::LocalUsers,
    Table::Guests,
];

/// How often to try to listen where any port will do.
const LISTEN_TRIES: u32 = 4;

/// What a node is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// To be reached and asked.
    Full,
    /// To carry out one command of this process.
    Quiet,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its configuration is none.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its store cannot be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit log cannot be had.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// What the store holds is no node.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// An address cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The transport cannot be set up.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The control socket cannot be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

impl StartError {
    /// What happened and what to do, as the user is told.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let (code, remedy) = match self {
            Self::Config(_) => {
                (Code::Usage, "correct it, or name another state directory: `--state DIR`".to_owned())
            }
            Self::Store(error) if error.is_damage() => (Code::Data, error.remedy()),
            Self::Store(error) => (Code::Failed, error.remedy()),
            Self::Audit(error) => return error.failure(),
            Self::Setup(_) => (Code::Data, "put back the state directory from a copy".to_owned()),
            Self::Listen(error) => (Code::Failed, error.remedy().to_owned()),
            Self::Network(_) => (Code::Failed, "name an address of this host: `--listen ADDR`".to_owned()),
            Self::Socket(error) => (Code::Failed, error.remedy()),
        };
        Failure::new(code, self.to_string(), remedy)
    }
}

/// What the lane and the tools are built on.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) handle: Handle,
    pub(crate) store: Store,
    pub(crate) audit: Audit,
    pub(crate) config: Arc<Config>,
    pub(crate) services: Services,
    pub(crate) tasks: Tasks,
}

pub(crate) async fn start(config: Config, mode: Mode) -> Result<Node, StartError> {
    let config = Arc::new(config);
    let store = open_store(&config).await?;
    let engine = engine(&config, &store)?;
    let limits = &config.limits.network;
    let mut network = Network::new(&engine.identity_seed(), limits, config.mdns)?;
    let tasks = Tasks::default();
    let (handle, ends) = handle::handle(engine.snapshot(), network.streams());
    let advertised = Advertised { control: config.advertise.clone(), lane: config.advertise_lane };
    let services = Services::new();
    let audit = Audit::start(&store, handle.clock())?;
    let base = Base {
        handle: handle.clone(),
        store: store.clone(),
        audit: audit.clone(),
        config,
        services: services.clone(),
        tasks: tasks.clone(),
    };
    let node = Node { handle, services, tasks: tasks.clone() };
    let lane = match mode {
        Mode::Full => match open_doors(&base, &mut network) {
            Ok(lane) => Some(lane),
            Err(error) => {
                // What runs already has the store: it is free again when this returns.
                node.stop().await;
                audit.close().await;
                return Err(error);
            }
        },
        Mode::Quiet => {
            ends.listening.send_replace(Some(Listening::default()));
            None
        }
    };
    if mode == Mode::Full {
        tasks.spawn(export::run_daily(store.clone(), node.handle(), tasks.clone()));
    }
    tasks.spawn(EventLoop::new(engine, network, (store, audit), lane, advertised, ends).run(tasks.clone()));
    Ok(node)
}

/// Opens the store, which locks it: from here on this is the one node with this state.
async fn open_store(config: &Arc<Config>) -> Result<Store, StartError> {
    config.check_socket_path()?;
    let state = config.state.clone();
    let opened = tokio::task::spawn_blocking(move || Store::open(&state)).await;
    Ok(opened.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))?)
}

fn engine(config: &Config, store: &Store) -> Result<Engine, StartError> {
    let loaded = store.load(&ENGINE_TABLES)?;
    for damaged in &loaded.damaged {
        tracing::error!(%damaged, "a record of the store is damaged");
    }
    let damaged = loaded.damaged.into_iter();
    let setup = Setup {
        records: loaded.records,
        damaged: damaged
            .map(|record| Damaged { table: record.table, key: record.key.escape_ascii().to_string() })
            .collect(),
        online_check: config.online_check,
        contacts: config.peers.clone(),
        leaf_life: config.certificate_life,
        has_aes: ambient::has_aes(),
        steady: ambient::steady(),
        verified: Verified::default(),
        machine: ambient::machine(),
        require_log_in: config.require_login,
    };
    Ok(Engine::new(setup, ambient::now(), Box::new(OsRng))?)
}

/// Everything that others come in by. Returns the lane's address.
fn open_doors(base: &Base, network: &mut Network) -> Result<SocketAddr, StartError> {
    let descriptors = descriptors::raise();
    listen(&base.config.listen, network)?;
    let (lane, tools) = data_plane(base, descriptors)?;
    let owner = rustix::process::geteuid().as_raw();
    let socket = control::bind(&base.config.control_socket(), owner)?;
    let local = base.config.limits.local.clone();
    let waiting = {
        let tools = tools.clone();
        Waiting::new(move || tools.pending())
    };
    let others = tools.router().merge(control::state_router(base.store.clone(), base.handle.clock()));
    let others = others.merge(control::audit_router(base.audit.clone(), base.tasks.clone()));
    let others = others.merge(control::why_router(base.handle.clone(), base.services.clone(), local.request));
    let (audit, few) = (base.audit.clone(), descriptors::warning(&base.config.limits, descriptors));
    let warnings = Warnings::new(move || few.iter().cloned().chain(audit.warning()).collect());
    let router = control::router(base.handle.clone(), base.tasks.clone(), local.request, others)
        .layer(Extension(waiting))
        .layer(Extension(warnings));
    base.tasks.spawn(control::serve(socket, router, owner, local, base.tasks.clone()));
    Ok(lane)
}

/// A port that was picked may be gone a moment later: where any will do, others are tried.
fn listen(wanted: &[SocketAddr], network: &mut Network) -> Result<(), StartError> {
    let any_will_do = wanted.iter().any(|address| address.port() == 0);
    let mut tries = if any_will_do { LISTEN_TRIES } else { 1 };
    loop {
        let mut addresses = Vec::new();
        for address in wanted {
            addresses.extend(listen::control_addresses(*address)?);
        }
        tries -= 1;
        match network.listen(&addresses) {
            Err(error) if tries > 0 => tracing::debug!(%error, "trying another port"),
            result => return Ok(result?),
        }
    }
}

/// The lane and the tools: where they are plugged in. Returns the lane's address and the tools.
fn data_plane(base: &Base, descriptors: u64) -> Result<(SocketAddr, Tools), StartError> {
    let lane = listen::lane_listener(base.config.lane)?;
    let address = lane.local_addr().unwrap_or(base.config.lane);
    let lane = TcpListener::from_std(lane).map_err(|source| ListenError::Refused {
        what: "TCP",
        address,
        source,
    })?;
    let tools = Tools::start(base)?;
    let (handle, services) = (base.handle.clone(), base.services.clone());
    let limits = descriptors::lanes(&base.config.limits, descriptors);
    base.tasks.spawn(lane::run(lane, handle, services, limits, base.tasks.clone()));
    Ok((address, tools))
}
