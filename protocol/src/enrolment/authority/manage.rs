//! What the authority's owner asks and changes.

use super::{Authority, KEPT_KEY, Kept};
use crate::codec;
use crate::control::{AddGuid, Admission, AdmissionStatus, Guid, GuidRow, Mode, RequestRow};
use crate::identity::Secret;
use crate::record::{Table, Write};
use crate::reject::Reject;
use crate::time::Timestamp;

impl Authority {
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
    pub fn set_admission(&mut self, admission: Admission) -> Option<Vec<Write>> {
        if admission.mentions(Mode::Password) && !self.passwords.is_set() {
            return None;
        }
        self.admission = admission;
        let kept = Kept {
            seed: self.key.seed(),
            ca: self.anchor.der().clone(),
            network: self.anchor.network().clone(),
            admission,
        };
        let mut writes = vec![Write::set(Table::Authority, KEPT_KEY, codec::encode(&kept))];
        writes.extend(self.requests.fit(admission));
        Some(writes)
    }

    /// Sets the password, which has been stretched, and forgets the wrong guesses at the old one.
    pub fn set_password(&mut self, stretched: Secret, now: Timestamp) -> Write {
        self.passwords.set(stretched, now)
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
    pub fn add_guid(&mut self, add: AddGuid, now: Timestamp) -> Result<Write, Reject> {
        self.guids.add(add, now)
    }

    /// Takes a machine off the list, if it is on it.
    pub fn remove_guid(&mut self, guid: &Guid) -> Option<Write> {
        self.guids.remove(guid)
    }

    /// The requests that wait for a person, the oldest first.
    #[must_use]
    pub fn requests(&self, now: Timestamp) -> Vec<RequestRow> {
        self.requests.rows(now)
    }

    /// A person has decided on a request, if there is one with this id. It is answered when its node next asks.
    pub fn decide(&mut self, id: &str, approve: bool, now: Timestamp) -> Option<(RequestRow, Write)> {
        self.requests.decide(id, approve, now)
    }

    /// Ends every invite that was given out: after a restore an old store would take used ones for open.
    pub fn burn_invites(&mut self) -> Vec<Write> {
        self.invites.burn()
    }
}
