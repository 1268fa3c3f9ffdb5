//! Answers that wait until what they acknowledge is durable.

use std::sync::Arc;

use super::guests::Undo as UndoGuests;
use super::people::Altered;
use super::rewrite::{RecordKey, Rewrites, records_of};
use super::{CommandId, Engine, InboundId, Membership, Output, PersistId, Policies};
use crate::access::PublishedPolicy;
use crate::audit::What;
use crate::certificate::VerifiedCertificate;
use crate::control::{Answer, Code, Failure};
use crate::enrolment::{Change, Undo};
use crate::identity::Fingerprint;
use crate::keyring::KeyRing;
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
    records: Vec<RecordKey>,
}

impl Pending {
    const fn new(then: Vec<Output>, install: Option<Install>) -> Self {
        Self { then, install, records: Vec::new() }
    }
}

/// What the node becomes.
enum Install {
    /// A member, for the first time.
    Membership(Box<Membership>),
    /// The same member with a new certificate.
    Certificate(Box<VerifiedCertificate>, Fingerprint),
    /// Nothing more than it is: revocations are obeyed before they are kept. If they could not be kept they are
    /// written again.
    Revocations(Vec<Write>, Option<CommandId>),
    /// Nothing more than it is: its owner has changed how strangers get in. What could not be kept is taken back.
    Change(Undo),
    /// A node that goes by another policy, which it has signed itself.
    Policy(Box<PublishedPolicy>),
    /// A node one of whose users is another, and with it the policy if everybody has to know.
    User(Box<Altered>, Option<Box<PublishedPolicy>>),
    /// Nothing more than it is: the password of a service's guests has changed.
    Guests(Box<UndoGuests>),
}

impl Engine {
    /// Has `writes` made durable, and then `then` put out. If that fails, whoever waits is told so instead.
    pub(super) fn persist(&mut self, writes: Vec<Write>, then: Vec<Output>) {
        self.persist_pending(writes, Pending::new(then, None));
    }

    /// As [`Engine::persist`]; the node is a member of the network only once that is durable.
    pub(super) fn persist_membership(
        &mut self,
        writes: Vec<Write>,
        membership: Membership,
        then: Vec<Output>,
    ) {
        // Whatever the policy was of a network that the node has left.
        let left = self.people.erase_network();
        let writes = PublishedPolicy::erase().into_iter().chain(left).chain(writes).collect();
        let install = Some(Install::Membership(Box::new(membership)));
        self.persist_pending(writes, Pending::new(then, install));
    }

    /// As [`Engine::persist`]; the new certificate is shown only once that is durable.
    pub(super) fn persist_certificate(
        &mut self,
        writes: Vec<Write>,
        certificate: VerifiedCertificate,
        root: Fingerprint,
    ) {
        let install = Install::Certificate(Box::new(certificate), root);
        self.persist_pending(writes, Pending::new(Vec::new(), Some(install)));
    }

    /// As [`Engine::persist`], for revocations; `command` is of the user who ordered them.
    pub(super) fn persist_revocations(
        &mut self,
        writes: Vec<Write>,
        then: Vec<Output>,
        command: Option<CommandId>,
    ) {
        let install = Some(Install::Revocations(writes.clone(), command));
        self.persist_pending(writes, Pending::new(then, install));
    }

    /// As [`Engine::persist`], for what the authority's owner has changed, if that is anything.
    pub(super) fn persist_change(&mut self, change: Option<Change>, then: Vec<Output>) {
        match change {
            None => self.persist(Vec::new(), then),
            Some(Change { writes, undo }) => {
                self.persist_pending(writes, Pending::new(then, Some(Install::Change(undo))));
            }
        }
    }

    /// As [`Engine::persist`]; the authority goes by a new policy, and tells it, only once that is durable.
    pub(super) fn persist_policy(&mut self, published: PublishedPolicy, then: Vec<Output>) {
        let writes = published.to_writes();
        self.persist_pending(writes, Pending::new(then, Some(Install::Policy(Box::new(published)))));
    }

    /// As [`Engine::persist`], for a user who has changed, and the version of the policy that tells everybody.
    pub(super) fn persist_user(
        &mut self,
        altered: Altered,
        published: Option<PublishedPolicy>,
        then: Vec<Output>,
    ) {
        let told = published.iter().flat_map(PublishedPolicy::to_writes);
        let writes = core::iter::once(altered.write()).chain(told).collect();
        let install = Install::User(Box::new(altered), published.map(Box::new));
        self.persist_pending(writes, Pending::new(then, Some(install)));
    }

    /// As [`Engine::persist`], for the password of a service's guests, which is obeyed before.
    pub(super) fn persist_guests(&mut self, writes: Vec<Write>, undo: UndoGuests) {
        let install = Some(Install::Guests(Box::new(undo)));
        self.persist_pending(writes, Pending::new(Vec::new(), install));
    }

    fn persist_pending(&mut self, writes: Vec<Write>, mut pending: Pending) {
        if writes.is_empty() {
            self.wires.outputs.extend(pending.then);
            return;
        }
        let id = PersistId(self.wires.next.next());
        pending.records = records_of(&writes);
        self.pending.insert(id, pending);
        self.output(Output::Persist { id, writes });
    }

    /// Writes again what the store refused, if it is time.
    pub(super) fn write_again(&mut self, now: Timestamp) {
        let on_the_way = self.pending.values().flat_map(|pending| &pending.records).collect();
        let writes = self.spread.rewrites.take(&on_the_way, now);
        self.persist_revocations(writes, Vec::new(), None);
    }

    /// Writes are durable, or could not be made so.
    pub fn handle_persisted(&mut self, id: PersistId, durable: bool, now: Timestamp) {
        let Some(pending) = self.pending.remove(&id) else { return };
        if !durable {
            self.audit(
                self.entry(What::NotKept).denied().because("the store refused what had been decided before"),
            );
            match pending.install {
                Some(Install::Certificate(..)) => self.renewal_not_kept(),
                Some(Install::Revocations(writes, command)) => {
                    self.spread.rewrites.refused(id, writes, now);
                    self.revocation_unwritten(command);
                }
                Some(Install::Change(undo)) => {
                    if let Some(authority) = &mut self.membership.authority {
                        authority.undo(undo);
                    }
                }
                Some(Install::User(altered, published)) => {
                    self.user_written(*altered, false, now);
                    if published.is_some() {
                        self.policies.was_written();
                    }
                }
                Some(Install::Policy(_)) => self.policies.was_written(),
                Some(Install::Guests(undo)) => self.undo_guests(*undo),
                Some(Install::Membership(_)) | None => {}
            }
            self.wires.outputs.extend(pending.then.into_iter().filter_map(refused));
            return;
        }
        let oldest = self.pending.first_key_value().map(|(id, _)| *id);
        self.spread.rewrites.durable(id, pending.records, oldest);
        match pending.install {
            Some(Install::Membership(membership)) => {
                self.membership = *membership;
                // Those were of the network that the node has left.
                self.spread.rewrites = Rewrites::default();
                self.policies = Policies::default();
                self.people.begin_anew(&mut *self.rng);
                if self.membership.authority.is_some() {
                    self.peers.make_room_for_authority();
                }
                // What was sealed for a network that the node has left opens nothing in this one.
                self.ring = Arc::new(KeyRing::new(now, &mut *self.rng));
                self.settle(now);
            }
            Some(Install::Certificate(certificate, root)) => {
                self.install_certificate(*certificate, root, now);
            }
            Some(Install::Policy(published)) => {
                self.policies.was_written();
                self.adopt_policy(*published, now);
            }
            Some(Install::User(altered, published)) => {
                self.user_written(*altered, true, now);
                if let Some(published) = published {
                    self.policies.was_written();
                    self.adopt_policy(*published, now);
                }
            }
            Some(Install::Guests(undo)) => self.guests_changed(&undo, now),
            Some(Install::Revocations(_, Some(command))) => self.revocation_durable(command, now),
            Some(Install::Revocations(_, None) | Install::Change(_)) | None => {}
        }
        self.wires.outputs.extend(pending.then);
    }

    /// Whether the node is about to become a member.
    pub(super) fn is_installing(&self) -> bool {
        self.pending.values().any(|pending| matches!(pending.install, Some(Install::Membership(_))))
    }

    /// Whether a policy that was signed is on its way to the disk.
    pub(super) fn is_changing_policy(&self) -> bool {
        self.pending.values().any(|pending| matches!(pending.install, Some(Install::Policy(_))))
    }

    /// A renewed certificate, unless the node has turned to another network meanwhile.
    fn install_certificate(&mut self, certificate: VerifiedCertificate, root: Fingerprint, now: Timestamp) {
        let Some(member) = &self.membership.member else { return };
        if member.anchor.fingerprint() == root {
            self.membership.member = Some(Arc::new(Member { certificate, ..(**member).clone() }));
            self.settle(now);
        }
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

/// What a user is told whose writes failed.
pub(super) fn not_kept() -> Failure {
    Failure::new(
        Code::Failed,
        "the change could not be written to the store, so it was not made",
        "see whether the disk is full or failing, then try again",
    )
}

/// What is put out in the place of `output` when its writes failed.
fn refused(output: Output) -> Option<Output> {
    match output {
        Output::Answer { to, .. } => Some(Output::Answer { to, result: Err(not_kept()) }),
        Output::Channel { to, .. } => Some(Output::Channel { to, result: Err(not_kept()) }),
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
        | Output::Disconnect { .. }
        | Output::SignedTime(_)
        | Output::Audit(_) => None,
    }
}
