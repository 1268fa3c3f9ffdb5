//! Channels: who opens them and who must not, and when they end.

use lanyard_protocol::control::{Code, Failure};
use lanyard_protocol::identity::NodeId;

use super::order::{Expected, Order};
use super::{Invariant, RECOVERY, Reference};
use crate::event::HostId;
use crate::moment::Moment;

/// A channel, at its provider.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub(super) requester: NodeId,
}

impl Reference {
    /// A wish for a channel has ended.
    pub(super) fn opened(&mut self, number: u64, failure: Option<&Failure>, at: Moment) {
        let Some(Order { host, at: began, expected: Expected::Channel(to) }) = self.orders.remove(&number)
        else {
            return;
        };
        let calm = |host| self.in_touch(host) && self.state(host).calm.after(RECOVERY) <= began;
        let was = |host: HostId, before: Moment| {
            let revoked = self.state(host).node.and_then(|node| self.revoked.get(&node));
            revoked.is_some_and(|told| *told <= before)
        };
        let all_calm = calm(host) && calm(to) && calm(self.authority);
        let both = self.is_member(host) && self.is_member(to);
        match failure {
            Some(failure) if self.demand.reach && all_calm && both && failure.code != Code::Usage => {
                let what = format!("it ought to reach {to}, and does not: {}", failure.message);
                self.violate(Invariant::Reach, at, what, &[host, to, self.authority]);
            }
            None => {
                let gone = [host, to].into_iter().find(|end| was(*end, began));
                if let Some(gone) = gone
                    && [host, to].iter().any(|end| {
                        let told = self.state(gone).node.and_then(|node| self.revoked.get(&node)).copied();
                        *end != gone
                            && told
                                .and_then(|told| self.knows_by(*end, told, self.demand.revocation.0))
                                .is_some_and(|by| by < began)
                    })
                {
                    let what = format!(
                        "a channel to {to} was opened, though the membership of {gone} was taken away"
                    );
                    self.violate(Invariant::Reach, at, what, &[host, to]);
                }
            }
            Some(_) => {}
        }
    }

    pub(super) fn look_at_channels(&mut self, provider: HostId, node: NodeId, at: Moment) {
        let gone = self.state(provider).node == Some(node);
        let of = |((host, _, _), channel): (&(HostId, HostId, u64), &Channel)| {
            *host == provider && (channel.requester == node || gone)
        };
        if self.channels.iter().any(of) {
            let from = self.nodes.get(&node).copied().unwrap_or(provider);
            let what = format!("a channel with {from} is open, whose membership was taken away");
            self.violate(Invariant::Heard, at, what, &[provider, from]);
        }
    }
}
