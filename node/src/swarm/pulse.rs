//! Whether the other ends of connections are still there: a cable that was pulled ends no connection.

use std::collections::BTreeMap;

use libp2p::ping;
use libp2p::swarm::ConnectionId;

/// Pings in vain after which a connection is over. 2: one may have been lost with the packet that carried it.
const IN_VAIN: u8 = 2;

/// How many pings of each connection were in vain, one after the other.
#[derive(Debug, Default)]
pub(super) struct Pulse(BTreeMap<ConnectionId, u8>);

impl Pulse {
    /// Takes note of a ping; says whether the other end of the connection is gone.
    pub(super) fn is_lost(&mut self, event: &ping::Event) -> bool {
        match &event.result {
            Ok(_) | Err(ping::Failure::Unsupported) => {
                self.forget(event.connection);
                false
            }
            Err(ping::Failure::Timeout | ping::Failure::Other { .. }) => {
                let missed = self.0.entry(event.connection).or_default();
                *missed = missed.saturating_add(1);
                *missed >= IN_VAIN
            }
        }
    }

    /// A connection has ended.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.0.remove(&connection);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use libp2p::PeerId;

    use super::*;

    #[test]
    fn two_pings_in_vain_end_a_connection_and_one_does_not() {
        let mut pulse = Pulse::default();
        let event = |result| ping::Event {
            peer: PeerId::random(),
            connection: ConnectionId::new_unchecked(1),
            result,
        };
        assert!(!pulse.is_lost(&event(Err(ping::Failure::Timeout))));
        assert!(!pulse.is_lost(&event(Ok(Duration::ZERO))));
        assert!(!pulse.is_lost(&event(Err(ping::Failure::Timeout))));
        assert!(pulse.is_lost(&event(Err(ping::Failure::Timeout))));
        pulse.forget(ConnectionId::new_unchecked(1));
        assert!(!pulse.is_lost(&event(Err(ping::Failure::Timeout))));
        assert!(!pulse.is_lost(&event(Err(ping::Failure::Unsupported))));
    }
}
