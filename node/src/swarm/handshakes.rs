//! Handshakes that come in, and can be cut short.
//!
//! A swarm cannot be told to give up a handshake, only to refuse it at the start. So a flood of silent
//! connections would hold its sockets until the handshakes time out, and with enough of them nobody else
//! could come in. Here each has a switch.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{AbortHandle, Abortable, BoxFuture};
use libp2p::Multiaddr;
use libp2p::core::Transport;
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent};

/// The handshakes that are going on, by the address of the other end. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Handshakes(Arc<Mutex<BTreeMap<Multiaddr, AbortHandle>>>);

impl Handshakes {
    /// Ends the handshake with `remote`, if there is one: its socket is closed.
    pub(super) fn cut(&self, remote: &Multiaddr) {
        if let Some(handshake) = self.lock().remove(remote) {
            handshake.abort();
        }
    }

    /// Two of one address are two of one host: the later one has the switch.
    fn switchable<O: Send + 'static>(
        &self,
        remote: Multiaddr,
        handshake: impl Future<Output = io::Result<O>> + Send + 'static,
    ) -> BoxFuture<'static, io::Result<O>> {
        let (switch, registration) = AbortHandle::new_pair();
        self.lock().insert(remote.clone(), switch);
        let ended = Ended { remote, handshakes: self.clone() };
        let handshake = Abortable::new(handshake, registration);
        async move {
            let result = handshake.await;
            drop(ended);
            result.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "cut short")))
        }
        .boxed()
    }

    /// What is under the lock is whole after every statement, so a panic elsewhere has not harmed it.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Multiaddr, AbortHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the switch away when the handshake is over, or is dropped.
struct Ended {
    remote: Multiaddr,
    handshakes: Handshakes,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.handshakes.lock().remove(&self.remote);
    }
}

/// A transport whose incoming handshakes have a switch.
pub(super) struct Cuttable<O> {
    inner: Boxed<O>,
    handshakes: Handshakes,
}

impl<O> Cuttable<O> {
    pub(super) const fn new(inner: Boxed<O>, handshakes: Handshakes) -> Self {
        Self { inner, handshakes }
    }
}

impl<O: Send + 'static> Transport for Cuttable<O> {
    type Output = O;
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<O>>;
    type Dial = <Boxed<O> as Transport>::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let Poll::Ready(event) = Pin::new(&mut self.inner).poll(context) else { return Poll::Pending };
        let remote = match &event {
            TransportEvent::Incoming { send_back_addr, .. } => send_back_addr.clone(),
            TransportEvent::NewAddress { .. }
            | TransportEvent::AddressExpired { .. }
            | TransportEvent::ListenerClosed { .. }
            | TransportEvent::ListenerError { .. } => Multiaddr::empty(),
        };
        Poll::Ready(event.map_upgrade(|handshake| self.handshakes.switchable(remote, handshake)))
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    fn remote() -> Multiaddr {
        "/ip4/10.0.0.7/tcp/4610".parse().unwrap()
    }

    #[test]
    fn a_handshake_that_is_cut_short_ends() {
        let handshakes = Handshakes::default();
        let endless = handshakes.switchable(remote(), futures::future::pending::<io::Result<()>>());
        handshakes.cut(&remote());
        assert_eq!(block_on(endless).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_handshake_that_is_left_alone_ends_as_it_would() {
        let handshakes = Handshakes::default();
        let done = handshakes.switchable(remote(), futures::future::ready(Ok(7)));
        assert_eq!(block_on(done).unwrap(), 7);
    }

    /// D8: nothing is kept of a handshake that is over, however it ended.
    #[test]
    fn no_switch_outlives_its_handshake() {
        let handshakes = Handshakes::default();
        drop(handshakes.switchable(remote(), futures::future::pending::<io::Result<()>>()));
        let done = handshakes.switchable(remote(), futures::future::ready(Ok(())));
        block_on(done).unwrap();
        assert!(handshakes.lock().is_empty());
    }
}
