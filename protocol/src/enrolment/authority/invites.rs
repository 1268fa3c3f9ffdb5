//! Invites that were given out, and what is left of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::invitation::Code;
use super::{AuthorityError, decode};
use crate::codec;
use crate::identity::{NodeId, Secret};
use crate::label::Digest;
use crate::record::{Record, Table, Write};
use crate::reject::Reject;
use crate::time::Timestamp;

/// Wrong guesses that burn a code: of 2^20 codes, so a guesser has three chances in a million.
const CHARGES_MAX: u8 = 3;

/// Invites that are open at the same time.
const OPEN_MAX: usize = 1024;

/// An invite to be.
#[derive(Debug)]
pub struct NewInvite {
    nameplate: u32,
    stretched: Secret,
    uri: Digest,
    uses: u32,
    expires: Timestamp,
}

impl NewInvite {
    /// The invite that `code` and its URI's secret stand for.
    #[must_use]
    pub fn new(code: &Code, stretched: Secret, uri: Digest, uses: u32, expires: Timestamp) -> Self {
        Self { nameplate: code.nameplate(), stretched, uri, uses, expires }
    }
}

/// What is kept of an invite. `stretched` is as secret as the CA key, and erased with the code's last use.
#[derive(Serialize, Deserialize)]
struct Invite {
    stretched: Option<Secret>,
    uri: Digest,
    uses: u32,
    charges: u8,
    expires: Timestamp,
    redeemed: Vec<NodeId>,
}

impl Invite {
    fn live(&self, now: Timestamp) -> bool {
        now < self.expires
    }

    /// Uses the invite up by one, unless `node` has used it already: then its answer was lost, and it asks again.
    fn redeem(&mut self, node: NodeId, now: Timestamp) -> Result<(), Reject> {
        if !self.live(now) {
            return Err(Reject::Invite);
        }
        if self.redeemed.contains(&node) {
            return Ok(());
        }
        self.uses = self.uses.checked_sub(1).ok_or(Reject::Invite)?;
        self.redeemed.push(node);
        if self.uses == 0 {
            self.stretched = None;
        }
        Ok(())
    }
}

/// The invites, by the number of their code.
#[derive(Default)]
pub(super) struct Invites(BTreeMap<u32, Invite>);

impl Invites {
    pub(super) fn load(records: &[Record]) -> Result<Self, AuthorityError> {
        let mut invites = BTreeMap::new();
        for record in records.iter().filter(|record| record.table == Table::Invites) {
            if let Ok(nameplate) = <[u8; 4]>::try_from(record.key.as_slice()) {
                invites.insert(u32::from_be_bytes(nameplate), decode(record)?);
            }
        }
        Ok(Self(invites))
    }

    pub(super) fn free_nameplate(&self, now: Timestamp) -> u32 {
        let taken = |nameplate: &u32| self.0.get(nameplate).is_some_and(|invite| invite.live(now));
        (1..).find(|nameplate| !taken(nameplate)).unwrap_or(u32::MAX)
    }

    pub(super) fn add(&mut self, invite: NewInvite, now: Timestamp) -> Result<Vec<Write>, Reject> {
        let ended: Vec<u32> =
            self.0.iter().filter(|(_, invite)| !invite.live(now)).map(|(nameplate, _)| *nameplate).collect();
        let mut writes: Vec<Write> = ended.iter().map(|nameplate| erase(*nameplate)).collect();
        for nameplate in ended {
            self.0.remove(&nameplate);
        }
        if self.0.len() >= OPEN_MAX {
            return Err(Reject::Busy);
        }
        let NewInvite { nameplate, stretched, uri, uses, expires } = invite;
        let invite =
            Invite { stretched: Some(stretched), uri, uses, charges: 0, expires, redeemed: Vec::new() };
        writes.retain(|write| write.key != nameplate.to_be_bytes());
        writes.push(set(nameplate, &invite));
        self.0.insert(nameplate, invite);
        Ok(writes)
    }

    /// The stretched secret of a code that may still be tried.
    pub(super) fn stretched(&self, nameplate: u32, now: Timestamp) -> Result<&Secret, Reject> {
        let invite = self.0.get(&nameplate).filter(|invite| invite.live(now)).ok_or(Reject::Invite)?;
        if invite.charges >= CHARGES_MAX {
            return Err(Reject::InviteBurned);
        }
        invite.stretched.as_ref().ok_or(Reject::Invite)
    }

    /// Charges a guess to a code.
    pub(super) fn charge(&mut self, nameplate: u32, now: Timestamp) -> Result<Vec<Write>, Reject> {
        let invite = self.0.get_mut(&nameplate).filter(|invite| invite.live(now)).ok_or(Reject::Invite)?;
        invite.charges = invite.charges.saturating_add(1);
        Ok(vec![set(nameplate, invite)])
    }

    /// Uses an invite up by one node.
    pub(super) fn redeem(
        &mut self,
        nameplate: u32,
        node: NodeId,
        now: Timestamp,
    ) -> Result<Vec<Write>, Reject> {
        let invite = self.0.get_mut(&nameplate).ok_or(Reject::Invite)?;
        invite.redeem(node, now)?;
        Ok(vec![set(nameplate, invite)])
    }

    /// Takes a charge back.
    pub(super) fn refund(&mut self, nameplate: u32, now: Timestamp) -> Vec<Write> {
        let Some(invite) = self.0.get_mut(&nameplate).filter(|invite| invite.live(now)) else {
            return Vec::new();
        };
        invite.charges = invite.charges.saturating_sub(1);
        vec![set(nameplate, invite)]
    }

    /// The invite whose URI has this secret, if it still admits the node. The hash is of 128 random bits, so looking
    /// for it gives nothing away.
    pub(super) fn by_secret(&self, uri: &Digest, node: NodeId, now: Timestamp) -> Result<u32, Reject> {
        let good = |invite: &Invite| {
            invite.uri == *uri && invite.live(now) && (invite.uses > 0 || invite.redeemed.contains(&node))
        };
        self.0.iter().find(|(_, invite)| good(invite)).map(|(nameplate, _)| *nameplate).ok_or(Reject::Invite)
    }

    /// Invites that are open.
    pub(super) fn open(&self, now: Timestamp) -> usize {
        self.0.values().filter(|invite| invite.live(now) && invite.uses > 0).count()
    }

    /// Ends all of them, whether or not they are still open.
    pub(super) fn burn(&mut self) -> Vec<Write> {
        core::mem::take(&mut self.0).keys().map(|nameplate| erase(*nameplate)).collect()
    }
}

fn set(nameplate: u32, invite: &Invite) -> Write {
    Write::set(Table::Invites, nameplate.to_be_bytes(), codec::encode(invite))
}

fn erase(nameplate: u32) -> Write {
    Write::erase(Table::Invites, nameplate.to_be_bytes())
}
