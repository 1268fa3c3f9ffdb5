//! Services that the user of this node offers to others, and the use of those that others offer.
//!
//! A name is offered with what it stands for ([`Target`]): a TCP port, which is connected to for each channel
//! ([`tcp`]), or a folder whose files are read ([`folder`]). Who may use it is decided by policy, which grants nothing
//! that it does not name; a user has no say in what the name stands for. A name may have a password, by which guests use
//! it if policy grants it to them. Both are kept ([`table`]) and come back after
//! a restart. On the other side a port is carried to a service ([`forward`]), and files are got from a folder
//! ([`get`](mod@get)).

mod folder;
mod forward;
mod get;
mod table;
mod target;
mod tcp;

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use lanyard_protocol::control::{
    Code, Expose, Exposed, Failure, GuestPassword, GuestStatus, SetGuest, Target,
};
use lanyard_protocol::identity::ServiceName;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use self::folder::Shares;
pub(super) use self::forward::Forwards;
pub(super) use self::get::{Fetched, get, list};
use self::table::Kept;
use self::target::Own;
use super::carry::Tally;
use crate::handle::Handle;
use crate::lane::{Services, Session};
use crate::start::Base;
use crate::store::{Store, StoreError};

/// How many services are offered. 256: more than anyone keeps track of.
const SERVICES_MAX: usize = 256;

/// Names that mean something everywhere, or will.
const RESERVED: [&str; 8] = ["backup", "chat", "command", "file", "lanyard", "policy", "room", "user"];

/// The services that the user of this node offers.
pub(super) struct Exposures {
    handle: Handle,
    services: Services,
    store: Store,
    own: Own,
    /// What a folder must not show, nor be in.
    state: PathBuf,
    shares: Shares,
    /// Locked while the store is written, so that both say the same.
    offered: Mutex<BTreeMap<ServiceName, Arc<Exposure>>>,
}

/// One service that is offered.
struct Exposure {
    target: Target,
    own: Own,
    shares: Shares,
    tally: Tally,
    open: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
    /// Cancelled when it is offered no longer.
    withdrawn: CancellationToken,
}

impl Exposures {
    /// Offers what was offered before the node was stopped.
    ///
    /// # Errors
    /// [`StoreError`] if the table cannot be read.
    pub(super) fn start(base: &Base) -> Result<Self, StoreError> {
        let exposures = Self {
            handle: base.handle.clone(),
            services: base.services.clone(),
            store: base.store.clone(),
            own: Own::new(base.handle.clone(), &base.config),
            state: std::fs::canonicalize(&base.config.state).unwrap_or_else(|_| base.config.state.clone()),
            shares: Shares::default(),
            offered: Mutex::default(),
        };
        let mut offered = BTreeMap::new();
        for Kept { name, target } in table::load(&exposures.store)?.into_iter().take(SERVICES_MAX) {
            match exposures.refusal(&name, &target) {
                None => _ = offered.insert(name.clone(), exposures.serve(name, target)),
                Some(failure) => tracing::error!(%name, %target, "not exposed any more: {failure}"),
            }
        }
        Ok(Self { offered: Mutex::new(offered), ..exposures })
    }

    /// Offers a service, durably.
    ///
    /// # Errors
    /// What the user is told: the name is taken, the target is none, it cannot be kept.
    pub(super) async fn expose(&self, wanted: Expose) -> Result<Exposed, Failure> {
        let Expose { name, target, guest } = wanted;
        let target = target::existing(target).await?;
        let mut offered = self.offered.lock().await;
        if let Some(there) = offered.get(&name) {
            if there.target == target {
                let guests = match guest {
                    Some(password) => self.set_guest(&name, Some(password)).await?,
                    None => self.handle.guests().await?,
                };
                return Ok(self.describe(&name, there, &guests));
            }
            let remedy = format!("choose another name, or first `lanyard unexpose {name}`");
            return Err(Failure::new(
                Code::Failed,
                format!("{name} stands for {} already", there.target),
                remedy,
            ));
        }
        if let Some(failure) = self.refusal(&name, &target) {
            return Err(failure);
        }
        if let Target::Tcp(target) = &target {
            self.own.check(target).await?;
        }
        if offered.len() >= SERVICES_MAX {
            let remedy = "withdraw one: `lanyard service list`, `lanyard unexpose NAME`";
            return Err(Failure::new(
                Code::Failed,
                format!("{SERVICES_MAX} services are exposed already"),
                remedy,
            ));
        }
        // Before the service is there: without a password also none that was left from another of its name.
        let guests = self.set_guest(&name, guest).await?;
        self.store.commit(vec![table::set(&name, &target)]).await.map_err(|error| unkept(&error))?;
        let exposure = self.serve(name.clone(), target);
        let described = self.describe(&name, &exposure, &guests);
        offered.insert(name, exposure);
        Ok(described)
    }

    /// Offers a service no longer: its channels end.
    ///
    /// # Errors
    /// What the user is told: it is not offered, it cannot be erased.
    pub(super) async fn withdraw(&self, name: &ServiceName) -> Result<Exposed, Failure> {
        let mut offered = self.offered.lock().await;
        let Some(exposure) = offered.get(name) else {
            return Err(Failure::new(
                Code::NotFound,
                format!("{name} is not exposed here"),
                "see what is: `lanyard service list`",
            ));
        };
        let described = self.describe(name, exposure, &[]);
        // The password first: whatever happens in between, it is none of a later service of this name.
        let _ = self.set_guest(name, None).await?;
        self.store.commit(vec![table::erase(name)]).await.map_err(|error| unkept(&error))?;
        self.services.stop(name);
        exposure.withdrawn.cancel();
        offered.remove(name);
        Ok(described)
    }

    /// What is offered, by name.
    ///
    /// # Errors
    /// What the user is told: the node is stopping.
    pub(super) async fn list(&self) -> Result<Vec<Exposed>, Failure> {
        let offered = self.offered.lock().await;
        let guests = self.handle.guests().await?;
        Ok(offered.iter().map(|(name, exposure)| self.describe(name, exposure, &guests)).collect())
    }

    async fn set_guest(
        &self,
        name: &ServiceName,
        password: Option<GuestPassword>,
    ) -> Result<Vec<GuestStatus>, Failure> {
        self.handle.set_guest(SetGuest { service: name.clone(), password }).await
    }

    /// Why `name` cannot stand for `target`.
    fn refusal(&self, name: &ServiceName, target: &Target) -> Option<Failure> {
        if RESERVED.contains(&name.as_str()) || self.services.has(name) {
            let message = format!("{name} is a service of Lanyard's own, or of a program on this host");
            return Some(Failure::new(Code::Failed, message, "choose another name"));
        }
        match target {
            Target::Tcp(_) => None,
            Target::Folder(path) => target::secret(path, &self.state),
        }
    }

    fn serve(&self, name: ServiceName, target: Target) -> Arc<Exposure> {
        let exposure = Arc::new(Exposure {
            target,
            own: self.own.clone(),
            shares: self.shares.clone(),
            tally: Tally::default(),
            open: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            withdrawn: CancellationToken::new(),
        });
        let serving = Arc::clone(&exposure);
        self.services.serve(name, move |session| Arc::clone(&serving).serve(session));
        exposure
    }

    fn describe(&self, name: &ServiceName, exposure: &Exposure, guests: &[GuestStatus]) -> Exposed {
        Exposed {
            name: name.clone(),
            target: exposure.target.clone(),
            provider: self.handle.snapshot().certificate().map(|own| own.name().clone()),
            open: exposure.open.load(Ordering::Relaxed),
            opened: exposure.opened.load(Ordering::Relaxed),
            refused: exposure.refused.load(Ordering::Relaxed),
            received: exposure.tally.received(),
            sent: exposure.tally.sent(),
            guests: guests.iter().find(|guests| guests.service == *name).cloned(),
        }
    }
}

impl Exposure {
    /// One channel of a user, until it ends or the service is withdrawn.
    async fn serve(self: Arc<Self>, session: Session) {
        let _open = Open::count(&self);
        let serving = async {
            match &self.target {
                Target::Tcp(target) => tcp::serve(&self, target, session).await,
                Target::Folder(path) => folder::serve(&self, path, session).await,
            }
        };
        self.withdrawn.run_until_cancelled(serving).await;
    }

    /// A user was refused what it wanted.
    fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// A channel that is counted until this is dropped.
struct Open<'a>(&'a Exposure);

impl<'a> Open<'a> {
    fn count(exposure: &'a Exposure) -> Self {
        exposure.open.fetch_add(1, Ordering::Relaxed);
        exposure.opened.fetch_add(1, Ordering::Relaxed);
        Self(exposure)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn unkept(error: &StoreError) -> Failure {
    Failure::new(Code::Failed, format!("the services are not kept: {error}"), error.remedy())
}
