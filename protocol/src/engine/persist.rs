//! Answers that wait until what they acknowledge is durable.

use std::sync::Arc;

use super::{CommandId, Engine, InboundId, Membership, Output, PersistId};
use crate::control::{Answer, Code, Failure};
use crate::message;
use crate::message::Response;
use crate::record::Write;
use crate::reject::Reject;
use crate::snapshot::Member;
use crate::time::Timestamp;

/// What follows when writes are durable.
pub(super) struct Pending {
    then: Vec<Output>,
    install: Option<Install>,
}

/// What the node becomes.
enum Install {
    /// A member, for the first time.
    Membership(Box<Membership>),
    /// The same member with a new certificate.
    Certificate(Arc<Member>),
}

impl Engine {
    /// Has `writes` made durable, and then `then` put out. If that fails, whoever waits is told so instead.
    pub(super) fn persist(&mut self, writes: Vec<Write>, then: Vec<Output>) {
        self.persist_pending(writes, Pending { then, install: None });
    }

    /// As [`Engine::persist`]; the node is a member of the network only once that is durable.
    pub(super) fn persist_membership(
        &mut self,
        writes: Vec<Write>,
        membership: Membership,
        then: Vec<Output>,
    ) {
        self.persist_pending(
            writes,
            Pending { then, install: Some(Install::Membership(Box::new(membership))) },
        );
    }

    /// As [`Engine::persist`]; the new certificate is shown only once that is durable.
    pub(super) fn persist_certificate(&mut self, writes: Vec<Write>, member: Arc<Member>) {
        self.persist_pending(
            writes,
            Pending { then: Vec::new(), install: Some(Install::Certificate(member)) },
        );
    }

    fn persist_pending(&mut self, writes: Vec<Write>, pending: Pending) {
        if writes.is_empty() {
            self.wires.outputs.extend(pending.then);
            return;
        }
        let id = PersistId(self.wires.next.next());
        self.pending.insert(id, pending);
        self.output(Output::Persist { id, writes });
    }

    /// Writes are durable, or could not be made so.
    pub fn handle_persisted(&mut self, id: PersistId, durable: bool, now: Timestamp) {
        let Some(pending) = self.pending.remove(&id) else { return };
        if !durable {
            if matches!(pending.install, Some(Install::Certificate(_))) {
                self.renewal_failed(now);
            }
            self.wires.outputs.extend(pending.then.into_iter().filter_map(refused));
            return;
        }
        match pending.install {
            Some(Install::Membership(membership)) => {
                self.membership = *membership;
                self.settle(now);
            }
            Some(Install::Certificate(member)) => {
                let held = self.membership.member.as_ref().map(|held| held.anchor.fingerprint());
                if held == Some(member.anchor.fingerprint()) {
                    self.membership.member = Some(member);
                    self.settle(now);
                }
            }
            None => {}
        }
        self.wires.outputs.extend(pending.then);
    }

    /// Whether the node is about to become a member.
    pub(super) fn is_installing(&self) -> bool {
        self.pending.values().any(|pending| matches!(pending.install, Some(Install::Membership(_))))
    }

    /// The node has a new certificate: everyone is shown it.
    fn settle(&mut self, now: Timestamp) {
        self.publish();
        self.renewed(now);
        self.greet_everyone(now);
        self.go_home(now);
        self.dial_contacts_if_due(now);
    }

    pub(super) fn answer(&mut self, to: CommandId, result: Result<Answer, Failure>) {
        self.output(Output::Answer { to, result });
    }

    pub(super) fn respond(&mut self, to: InboundId, response: &Response) {
        self.output(Output::Respond { to, message: message::frame(response) });
    }
}

/// What is put out in the place of `output` when its writes failed.
fn refused(output: Output) -> Option<Output> {
    let failure = || {
        Failure::new(
            Code::Failed,
            "the change could not be written to the store, so it was not made",
            "see whether the disk is full or failing, then try again",
        )
    };
    match output {
        Output::Answer { to, .. } => Some(Output::Answer { to, result: Err(failure()) }),
        Output::Channel { to, .. } => Some(Output::Channel { to, result: Err(failure()) }),
        Output::Respond { to, .. } => {
            Some(Output::Respond { to, message: message::frame(&Response::Reject(Reject::Unavailable)) })
        }
        Output::Request { .. }
        | Output::Ignore { .. }
        | Output::Connect { .. }
        | Output::Persist { .. }
        | Output::Work { .. }
        | Output::Snapshot(_)
        | Output::Certified { .. }
        | Output::SignedTime(_) => None,
    }
}
