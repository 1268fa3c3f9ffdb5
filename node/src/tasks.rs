//! Every task of a node, and the one way to end them.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Starts tasks, tells them to stop and waits until they have. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    /// Starts a task, which has to end soon after [`Self::stopping`] completes.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(task);
    }

    /// Tells every task to stop.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
    }

    /// Completes when the tasks have been told to stop.
    pub(crate) async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// What `future` gives, unless the tasks are told to stop first: then it is dropped.
    pub(crate) async fn until_stopping<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.stop.run_until_cancelled(future).await
    }

    /// Whether the tasks have been told to stop.
    #[cfg(test)]
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Completes when they have been told to stop, and have.
    pub(crate) async fn stopped(&self) {
        self.tracker.wait().await;
    }
}
