//! What the authority's owner asks and changes.

use super::guids::Listed;
use super::passwords::Passwords;
use super::{Authority, KEPT_KEY, Kept};
use crate::codec;
use crate::control::{AddGuid, Admission, AdmissionStatus, Guid, GuidRow, Mode, RequestRow};
use crate::identity::{NodeId, Secret};
use crate::record::{Table, Write};
use crate::reject::Reject;
use crate::time::Timestamp;

/// A change that its owner has made, which is to be taken back ([`Authority::undo`]) if it cannot be kept: the owner is
/// told then that it was not made.
#[must_use]
pub struct Change {
    /// What has to be durable.
    pub writes: Vec<Write>,
    /// How it was before.
    pub undo: Undo,
}

/// How it was before a change.
pub struct Undo(Before);

enum Before {
    Rule(Admission),
    Password(Passwords),
    Machine(Guid, Option<Listed>),
    Decision(NodeId, Option<bool>),
}

impl Change {
    fn new(writes: Vec<Write>, before: Before) -> Self {
        Self { writes, undo: Undo(before) }
    }
}

impl Authority {
    /// Takes a change back that could not be kept. Requests that a rule has dropped are not brought back: their nodes
    /// ask again.
    pub fn undo(&mut self, undo: Undo) {
        match undo.0 {
            Before::Rule(admission) => self.admission = admission,
            Before::Password(passwords) => self.passwords = passwords,
            Before::Machine(guid, listed) => self.guids.put_back(guid, listed),
            Before::Decision(node, approved) => self.requests.put_back(node, approved),
        }
    }

    /// How strangers get in.
    #[must_use]
    pub const fn admission(&self) -> Admission {
        self.admission
    }

    /// The rule, and what is there to meet it.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> AdmissionStatus {
        AdmissionStatus {
            admission: self.admission,
            password: self.passwords.status(now),
            guids: self.guids.len(),
            invites: self.invites.open(now),
            requests: self.requests.rows(now).len(),
        }
    }

    /// Changes the rule. Requests that meet it no longer are dropped. Nothing if it wants a password and there is none.
    pub fn set_admission(&mut self, admission: Admission) -> Option<Change> {
        if admission.mentions(Mode::Password) && !self.passwords.is_set() {
            return None;
        }
        let before = core::mem::replace(&mut self.admission, admission);
        let kept = Kept {
            seed: self.key.seed(),
            ca: self.anchor.der().clone(),
            network: self.anchor.network().clone(),
            admission,
        };
        let mut writes = vec![Write::set(Table::Authority, KEPT_KEY, codec::encode(&kept))];
        writes.extend(self.requests.fit(admission));
        Some(Change::new(writes, Before::Rule(before)))
    }

    /// Sets the password, which has been stretched, and forgets the wrong guesses at the old one.
    pub fn set_password(&mut self, stretched: Secret, now: Timestamp) -> Change {
        let before = core::mem::take(&mut self.passwords);
        Change::new(vec![self.passwords.set(stretched, now)], Before::Password(before))
    }

    /// The machines on the list.
    #[must_use]
    pub fn guids(&self) -> Vec<GuidRow> {
        self.guids.rows()
    }

    /// Puts a machine on the list.
    ///
    /// # Errors
    /// [`Reject::Busy`] if the list is full.
    pub fn add_guid(&mut self, add: AddGuid, now: Timestamp) -> Result<Change, Reject> {
        let guid = add.guid;
        let before = self.guids.get(&guid);
        let write = self.guids.add(add, now)?;
        Ok(Change::new(vec![write], Before::Machine(guid, before)))
    }

    /// Takes a machine off the list, if it is on it.
    pub fn remove_guid(&mut self, guid: &Guid) -> Option<Change> {
        let before = self.guids.get(guid);
        let write = self.guids.remove(guid)?;
        Some(Change::new(vec![write], Before::Machine(*guid, before)))
    }

    /// The requests that wait for a person, the oldest first.
    #[must_use]
    pub fn requests(&self, now: Timestamp) -> Vec<RequestRow> {
        self.requests.rows(now)
    }

    /// A person has decided on a request, if there is one with this id. It is answered when its node next asks.
    pub fn decide(&mut self, id: &str, approve: bool, now: Timestamp) -> Option<(RequestRow, Change)> {
        let (row, write, before) = self.requests.decide(id, approve, now)?;
        let change = Change::new(vec![write], Before::Decision(row.node, before));
        Some((row, change))
    }

    /// Ends every invite that was given out: after a restore an old store would take used ones for open.
    pub fn burn_invites(&mut self) -> Vec<Write> {
        self.invites.burn()
    }
}
