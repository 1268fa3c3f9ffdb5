//! What people do with channels.

mod api;
mod carry;
pub mod chat;
mod content;
pub mod envelope;
pub mod file;
mod frame;
mod service;

use std::sync::Arc;

use axum::Router;
use lanyard_protocol::control::Pending;

use self::chat::Chat;
use self::file::Files;
use self::service::{Exposures, Forwards};
use crate::handle::Handle;
use crate::start::Base;
use crate::store::StoreError;
use crate::tasks::Tasks;

/// The tools of a running node.
#[derive(Clone)]
pub(crate) struct Tools {
    handle: Handle,
    chat: Arc<Chat>,
    files: Arc<Files>,
    exposures: Arc<Exposures>,
    forwards: Arc<Forwards>,
    tasks: Tasks,
}

impl Tools {
    /// Serves what the tools serve, and takes up what waited.
    ///
    /// # Errors
    /// [`StoreError`] if what waited cannot be read.
    pub(crate) fn start(base: &Base) -> Result<Self, StoreError> {
        let (handle, services, tasks) = (base.handle.clone(), &base.services, base.tasks.clone());
        let limits = &base.config.limits.chat;
        let chat = Chat::start(handle.clone(), base.store.clone(), services, limits, tasks.clone())?;
        let files = Files::start(handle.clone(), services, base.config.inbox.clone(), tasks.clone());
        // Behind what this program serves itself, whose names are taken then.
        let exposures = Arc::new(Exposures::start(base)?);
        let forwards = Arc::new(Forwards::new(handle.clone(), tasks.clone()));
        Ok(Self { handle, chat, files, exposures, forwards, tasks })
    }

    /// What waits for a person.
    pub(crate) fn pending(&self) -> Vec<Pending> {
        self.files.pending()
    }

    /// The tools' part of the local API.
    pub(crate) fn router(self) -> Router {
        api::router(self)
    }
}
