//! Whether a candidate has proven what it was asked for.

use super::answer::is_for_neighbours;
use super::charge::Charge;
use super::requests::Waiting;
use super::{Authority, Origin, Refused, Token};
use crate::certificate::request::CertificateRequest as Wanted;
use crate::control::{Guid, Mode, Modes};
use crate::enrolment::approval::{Commitment, Comparison};
use crate::enrolment::message::{InviteProof, Opening, Proofs};
use crate::identity::{NodeId, NodeKeys};
use crate::record::Write;
use crate::reject::Reject;
use crate::time::Timestamp;

/// A candidate that has proven what it was asked for.
pub(super) struct Proven {
    pub(super) by: Modes,
    /// The invite that it uses up.
    pub(super) invite: Option<u32>,
    pub(super) guid: Option<Guid>,
    /// What people compare, if they will.
    pub(super) shown: Option<Comparison>,
    /// Charges that were taken back.
    pub(super) writes: Vec<Write>,
}

impl Authority {
    /// Checks everything that the alternative `by` asks for, the list of machines last: who lacks something else
    /// learns nothing of it.
    pub(super) fn prove(
        &mut self,
        by: Modes,
        proofs: &Proofs,
        (token, wanted, request): (&Token, &Wanted, &[u8]),
        origin: Origin,
        keys: &NodeKeys,
        now: Timestamp,
    ) -> Result<Proven, Refused> {
        let (code, writes) = self.confirmed(by, proofs, origin.node, now)?;
        let refused = |reject| Refused { reject, writes: writes.clone() };
        if !self.admission.allows(by) {
            // There has been another rule since the token was given.
            return Err(refused(Reject::Retry));
        }
        if is_for_neighbours(by) && !origin.attached {
            return Err(refused(Reject::NotLocal));
        }
        let invite = match (&proofs.invite, by.has(Mode::Invite)) {
            (_, false) => None,
            (Some(InviteProof::Secret(secret)), true) => {
                let found = self.invites.by_secret(&secret.digest(), origin.node, now);
                Some(found.map_err(refused)?)
            }
            (Some(InviteProof::Code(_)), true) => code,
            (None, true) => return Err(refused(Reject::Invalid)),
        };
        let shown = match (token.nonce, &proofs.opening) {
            (None, _) => None,
            (Some(nonce), Some(opening)) => {
                Some(self.compare(opening, nonce, (token, wanted, request), keys).map_err(refused)?)
            }
            (Some(_), None) => return Err(refused(Reject::Invalid)),
        };
        let guid = match (proofs.guid, by.has(Mode::Guid)) {
            (_, false) => None,
            (Some(guid), true) => {
                self.guids.check(&guid, origin.node).map_err(refused)?;
                Some(guid)
            }
            (None, true) => return Err(refused(Reject::Invalid)),
        };
        Ok(Proven { by, invite, guid, shown, writes })
    }

    /// Takes back the charges of guesses that were right, and refuses unless every one was that counts.
    fn confirmed(
        &mut self,
        by: Modes,
        proofs: &Proofs,
        node: NodeId,
        now: Timestamp,
    ) -> Result<(Option<u32>, Vec<Write>), Refused> {
        let code = match &proofs.invite {
            Some(InviteProof::Code(confirmation)) => Some(confirmation),
            Some(InviteProof::Secret(_)) | None => None,
        };
        let password = proofs.password.as_ref();
        if code.is_none() && password.is_none() {
            return if by.has(Mode::Password) { Err(Reject::Invalid.into()) } else { Ok((None, Vec::new())) };
        }
        let attempt = self.attempts.take(node, now).ok_or(Reject::Retry)?;
        let (mut writes, mut nameplate, mut known) = (Vec::new(), None, false);
        for charge in attempt.right(code, password) {
            match charge {
                Charge::Code(number) => {
                    writes.extend(self.invites.refund(number, now));
                    nameplate = Some(number);
                }
                Charge::Password(at) => {
                    writes.extend(self.passwords.refund(at));
                    known = true;
                }
            }
        }
        if code.is_some() && nameplate.is_none() {
            return Err(Refused { reject: Reject::Invite, writes });
        }
        if by.has(Mode::Password) && !known {
            return Err(Refused { reject: Reject::Password, writes });
        }
        Ok((nameplate, writes))
    }

    /// What people will compare, if this is what the candidate has committed to.
    pub(super) fn compare(
        &self,
        opening: &Opening,
        nonce: [u8; 32],
        (token, wanted, request): (&Token, &Wanted, &[u8]),
        keys: &NodeKeys,
    ) -> Result<Comparison, Reject> {
        let commitment =
            Commitment { nonce: &opening.nonce, node: wanted.node, sealing: &wanted.sealing, request };
        if token.commitment != Some(commitment.digest()) {
            return Err(Reject::Invalid);
        }
        let ours = (keys.node_id(), &keys.sealing.public_key());
        Ok(commitment.compare(self.anchor.fingerprint(), ours, &nonce))
    }

    /// The request that waits, if this is its opening once more.
    pub(super) fn waiting(
        &self,
        opening: Option<&Opening>,
        proven: (&Token, &Wanted, &[u8]),
        keys: &NodeKeys,
        now: Timestamp,
    ) -> Result<Waiting, Reject> {
        let (token, wanted, _) = proven;
        let commitment = token.commitment.ok_or(Reject::Retry)?;
        let waiting = self.requests.find(wanted.node, &commitment, now).ok_or(Reject::Retry)?;
        let opening = opening.ok_or(Reject::Invalid)?;
        let shown = self.compare(opening, waiting.nonce, proven, keys)?;
        if shown == waiting.shown { Ok(waiting.clone()) } else { Err(Reject::Invalid) }
    }
}
