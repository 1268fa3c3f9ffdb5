//! Who answers for which service.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures::future::BoxFuture;
use lanyard_protocol::identity::ServiceName;

use super::Session;

pub(super) type Handler = Arc<dyn Fn(Session) -> BoxFuture<'static, ()> + Send + Sync>;

/// The services of this node and their handlers. Clones share them.
#[derive(Clone, Default)]
pub struct Services(Arc<RwLock<BTreeMap<ServiceName, Handler>>>);

impl Services {
    /// No services.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on `handler` is called for every channel that a ticket for `service` opens, in a task of its
    /// own. An earlier handler is replaced; its channels go on.
    pub fn serve<F>(&self, service: ServiceName, handler: impl Fn(Session) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |session| Box::pin(handler(session)));
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(service, handler);
    }

    /// From now on `service` is unavailable.
    pub fn stop(&self, service: &ServiceName) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(service);
    }

    pub(crate) fn has(&self, service: &ServiceName) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(service)
    }

    pub(super) fn handler(&self, service: &ServiceName) -> Option<Handler> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(service).cloned()
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services = self.0.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(services.keys()).finish()
    }
}
