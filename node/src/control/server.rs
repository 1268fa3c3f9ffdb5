//! Connections to the control socket: who is there, and how many.

use std::sync::Arc;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use lanyard_protocol::control::Caller;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{ControlSocket, seat};
use crate::config::LocalLimits;
use crate::tasks::Tasks;

/// The most that a request's head may take, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Serves `router` on the control socket until the tasks are told to stop. `owner` is the uid of the node.
pub(crate) async fn serve(
    socket: ControlSocket,
    router: Router,
    owner: u32,
    limits: LocalLimits,
    tasks: Tasks,
) {
    let all = Arc::new(Semaphore::new(limits.connections.get() as usize));
    let anonymous = Arc::new(Semaphore::new(limits.anonymous.get() as usize));
    loop {
        let accepted = tokio::select! {
            () = tasks.stopping() => return,
            accepted = socket.listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: they come back when connections end.
                tracing::warn!(?error, "cannot accept a connection to the control socket");
                tokio::time::sleep(core::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(caller) = seat::caller_of(&stream, owner) else { continue };
        // Whoever finds no room is let go without a word.
        let Some(permits) = admit(caller, &all, &anonymous) else { continue };
        let (router, head, stop) = (router.clone(), limits.head, tasks.clone());
        tasks.spawn(async move {
            let _permits = permits;
            serve_connection(stream, router, caller, head, stop).await;
        });
    }
}

fn admit(
    caller: Caller,
    all: &Arc<Semaphore>,
    anonymous: &Arc<Semaphore>,
) -> Option<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>)> {
    let among_strangers = match caller {
        Caller::Owner(_) => None,
        Caller::Other(_) => Some(Arc::clone(anonymous).try_acquire_owned().ok()?),
    };
    Some((Arc::clone(all).try_acquire_owned().ok()?, among_strangers))
}

async fn serve_connection(
    stream: UnixStream,
    router: Router,
    caller: Caller,
    head: core::time::Duration,
    tasks: Tasks,
) {
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let named = seat::in_named_session(caller, request.headers());
        // The gate refuses whoever has misnamed their session.
        request.extensions_mut().insert(named);
        inner.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = core::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = tasks.stopping() => {
            // What is being answered is answered, for as long as a client may take to send a head.
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(head, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = result {
        tracing::debug!(?error, "a connection to the control socket has failed");
    }
}

#[cfg(test)]
mod tests {
    use lanyard_protocol::people::Seat;

    use super::*;

    /// G1: however many connections the others hold, the owner gets in.
    #[test]
    fn strangers_cannot_keep_the_owner_out() {
        let (all, anonymous) = (Arc::new(Semaphore::new(3)), Arc::new(Semaphore::new(1)));
        let stranger = admit(Caller::Other(Seat::NODE), &all, &anonymous);
        assert!(stranger.is_some());
        assert!(admit(Caller::Other(Seat::NODE), &all, &anonymous).is_none());
        let (first, second) = (admit(Caller::NODE, &all, &anonymous), admit(Caller::NODE, &all, &anonymous));
        assert!(first.is_some() && second.is_some());
        assert!(admit(Caller::NODE, &all, &anonymous).is_none(), "the owner's connections are bounded, too");
        drop(stranger);
        assert!(
            admit(Caller::Other(Seat::NODE), &all, &anonymous).is_some(),
            "a slot comes back with its connection"
        );
    }
}
