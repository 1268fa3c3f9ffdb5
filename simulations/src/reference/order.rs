//! What users have asked for, and what is answered.

use lanyard_protocol::control::{Answer, Failure};

use super::{COMMAND, Check, Reference};
use crate::event::HostId;
use crate::moment::Moment;

/// What a user of a host has asked for.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    /// Some answer.
    Answer,
    /// A channel to the node on another host.
    Channel(HostId),
    /// That the membership of the node on another host ends.
    Revocation(HostId),
    /// A version of the policy.
    Policy,
}

#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) host: HostId,
    pub(super) at: Moment,
    pub(super) expected: Expected,
}

impl Reference {
    /// A user of a host has asked for something that has no other end than an answer.
    pub fn ordered(&mut self, number: u64, host: HostId, at: Moment) {
        self.expect(number, host, at, Expected::Answer);
    }

    /// A user of `host` wants a channel to `to`.
    pub fn ordered_channel(&mut self, number: u64, host: HostId, to: HostId, at: Moment) {
        self.expect(number, host, at, Expected::Channel(to));
    }

    /// The authority is told to end the membership of the node on `whose`.
    pub fn ordered_revocation(&mut self, number: u64, whose: HostId, at: Moment) {
        self.expect(number, self.authority, at, Expected::Revocation(whose));
    }

    /// The authority is told to change what it tells everybody with the policy.
    pub fn ordered_policy(&mut self, number: u64, at: Moment) {
        self.expect(number, self.authority, at, Expected::Policy);
    }

    fn expect(&mut self, number: u64, host: HostId, at: Moment, expected: Expected) {
        self.orders.insert(number, Order { host, at, expected });
        self.checks.insert((at.after(COMMAND), Check::Answered(number)));
    }

    pub(super) fn answered(
        &mut self,
        host: HostId,
        number: u64,
        result: &Result<Box<Answer>, Failure>,
        at: Moment,
    ) {
        let order = self.orders.remove(&number);
        if let Some(Order { expected: Expected::Policy, at: told, .. }) = order {
            self.policy_answered(told, result.as_deref(), at);
            return;
        }
        match result.as_deref() {
            Ok(Answer::Joined(_) | Answer::Initialised(_)) => self.state_mut(host).acknowledged = true,
            Ok(Answer::Invite(invite)) => self.invited += u64::from(invite.uses),
            Ok(Answer::Revoked(_)) => {
                if let Some(Order { expected: Expected::Revocation(whose), at: told, .. }) = order {
                    self.revoked_at(whose, told, at);
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
}
