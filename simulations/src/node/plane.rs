//! A node's data plane: tickets are shown, opened and asked again; no bytes are carried.
//!
//! The handshake that follows in a real channel is pure and proven elsewhere; what depends on time, on revocations and
//! on restarts is here as it is in a node.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use lanyard_protocol::channel::ChannelReject;
use lanyard_protocol::control::{Code, Failure, ServiceRef};
use lanyard_protocol::engine::{ChannelGrant, CommandId};
use lanyard_protocol::people::Actor;
use lanyard_protocol::snapshot::Snapshot;
use lanyard_protocol::ticket::{self, HeldTicket, SessionKeyCache, ValidTicket};
use lanyard_protocol::time::Timestamp;

use super::{Node, Order, Scene};
use crate::event::{HostId, Local, Packet};
use crate::fact::Fact;

/// How long a requester waits for a provider's word on a ticket.
const PATIENCE: Duration = Duration::from_secs(5);

/// A channel that somebody wants.
pub(super) struct Wanted {
    pub(super) service: ServiceRef,
    pub(super) hold: Duration,
    /// Whether a ticket that the provider did not know has been replaced already.
    pub(super) retried: bool,
}

/// A ticket that is being shown.
struct Presenting {
    order: Order,
    ticket: Arc<HeldTicket>,
    host: HostId,
}

/// A channel, at whoever asked for it.
struct Open {
    ticket: Arc<HeldTicket>,
    provider: HostId,
}

#[derive(Default)]
pub(super) struct Plane {
    cache: SessionKeyCache,
    presenting: BTreeMap<u64, Presenting>,
    open: BTreeMap<u64, Open>,
    /// Channels to this node's services, by who asked and that one's number.
    leases: BTreeMap<(HostId, u64), Arc<ValidTicket>>,
    next: u64,
}

impl Plane {
    /// Asks every ticket again, as whenever the snapshot changes.
    pub(super) fn recheck(&mut self, snapshot: &Snapshot, scene: &mut Scene<'_>) {
        let now = scene.now();
        let lapsed: Vec<(HostId, u64)> = self
            .leases
            .iter()
            .filter(|(_, lease)| ticket::recheck(snapshot, Arc::clone(lease), now).is_err())
            .map(|(key, _)| *key)
            .collect();
        for (requester, channel) in lapsed {
            self.end_lease(requester, channel, scene);
        }
        let over: Vec<u64> = self
            .open
            .iter()
            .filter(|(_, open)| open.ticket.check(snapshot, now).is_err())
            .map(|(channel, _)| *channel)
            .collect();
        for channel in over {
            self.leave(channel, scene);
        }
    }

    fn end_lease(&mut self, requester: HostId, channel: u64, scene: &mut Scene<'_>) {
        if self.leases.remove(&(requester, channel)).is_some() {
            scene.observe(Fact::ChannelEnded { from: requester, channel });
            scene.send(requester, Packet::End { requester, channel });
        }
    }

    /// Whoever asked for the channel leaves it.
    pub(super) fn leave(&mut self, channel: u64, scene: &mut Scene<'_>) {
        if let Some(Open { provider, .. }) = self.open.remove(&channel) {
            let requester = scene.port.host;
            scene.send(provider, Packet::End { requester, channel });
        }
    }

    /// The other end has ended a channel.
    pub(super) fn ended(&mut self, requester: HostId, channel: u64, scene: &mut Scene<'_>) {
        if requester == scene.port.host {
            self.open.remove(&channel);
        } else if self.leases.remove(&(requester, channel)).is_some() {
            scene.observe(Fact::ChannelEnded { from: requester, channel });
        }
    }
}

impl Node {
    /// The engine has a ticket, or has none.
    pub(super) fn granted(
        &mut self,
        to: CommandId,
        result: Result<Box<ChannelGrant>, Failure>,
        scene: &mut Scene<'_>,
    ) {
        let Some(order) = self.orders.remove(&to) else { return };
        let grant = match result {
            Ok(grant) => grant,
            Err(failure) => return self.failed(&order, failure, scene),
        };
        let Some(host) = grant.lanes.iter().find_map(|lane| HostId::at(*lane)) else {
            return self.failed(&order, unreachable("there is no lane"), scene);
        };
        // Over all lives of the host: a provider may still hold a channel of an earlier one.
        self.plane.next += 1;
        let channel = (u64::from(scene.port.life) << 32) | self.plane.next;
        let ticket = grant.ticket.for_service().to_vec();
        self.plane.presenting.insert(channel, Presenting { order, ticket: grant.ticket, host });
        scene.send(host, Packet::Present { channel, ticket });
        scene.after(PATIENCE, Local::Unpresented { channel });
    }

    /// A ticket is shown at this node's lane.
    pub(super) fn presented(
        &mut self,
        from: HostId,
        channel: u64,
        ticket: &[u8],
        now: Timestamp,
        scene: &mut Scene<'_>,
    ) {
        let valid = ticket::validate(&self.snapshot, &self.plane.cache, ticket, now);
        let verdict = match valid {
            Ok(ticket) => {
                let (requester, expires) = (ticket.terms().requester, ticket.terms().expires);
                if self.plane.leases.insert((from, channel), ticket).is_none() {
                    scene.observe(Fact::Channel { requester, from, channel, expires });
                }
                // By this host's clock; one that is set meanwhile is looked at again then.
                scene.after(expires.since(now), Local::Lapse { requester: from, channel });
                Ok(expires)
            }
            Err(error) => Err(error.ending()),
        };
        scene.send(from, Packet::Presented { channel, verdict });
    }

    /// A channel may have had its time.
    pub(super) fn lapse(&mut self, requester: HostId, channel: u64, now: Timestamp, scene: &mut Scene<'_>) {
        let Some(lease) = self.plane.leases.get(&(requester, channel)).map(Arc::clone) else { return };
        let expires = lease.terms().expires;
        if ticket::recheck(&self.snapshot, lease, now).is_err() {
            self.plane.end_lease(requester, channel, scene);
        } else {
            let wait = expires.since(now).max(Duration::from_millis(1));
            scene.after(wait, Local::Lapse { requester, channel });
        }
    }

    /// The provider has said what it thinks of a ticket.
    pub(super) fn presentation_ended(
        &mut self,
        from: HostId,
        channel: u64,
        verdict: Result<Timestamp, ChannelReject>,
        now: Timestamp,
        scene: &mut Scene<'_>,
    ) {
        let Some(presenting) = self.plane.presenting.remove(&channel) else {
            // Nobody waits for it any more.
            if verdict.is_ok() {
                let requester = scene.port.host;
                scene.send(from, Packet::End { requester, channel });
            }
            return;
        };
        let Presenting { mut order, ticket, host } = presenting;
        let Some(wanted) = &mut order.channel else { return };
        match verdict {
            Ok(_) => {
                let (took, hold) = (scene.at.since(order.began), wanted.hold);
                let result = Ok(ticket.terms().id);
                self.plane.open.insert(channel, Open { ticket, provider: host });
                scene.observe(Fact::Opened { order: order.number, result, took });
                scene.after(hold, Local::Leave { channel });
            }
            Err(ChannelReject::Expired) if !wanted.retried => {
                wanted.retried = true;
                let service = wanted.service.clone();
                self.engine.handle_no_ticket(&ticket.terms().id, now);
                self.drain(scene);
                self.commands += 1;
                let id = CommandId(self.commands);
                self.orders.insert(id, order);
                self.engine.handle_open(id, Actor::Node, service, now);
            }
            Err(reject) => {
                let failure =
                    Failure::new(Code::Denied, format!("the provider says {reject:?}"), "ask there");
                self.failed(&order, failure, scene);
            }
        }
    }

    /// A provider has not answered to a ticket.
    pub(super) fn not_presented(&mut self, channel: u64, scene: &mut Scene<'_>) {
        if let Some(Presenting { order, .. }) = self.plane.presenting.remove(&channel) {
            self.failed(&order, unreachable("the provider's lane does not answer"), scene);
        }
    }
}

fn unreachable(message: &str) -> Failure {
    Failure::new(Code::Unreachable, message, "see whether the other host is up")
}
