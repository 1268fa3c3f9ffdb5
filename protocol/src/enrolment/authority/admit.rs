//! The second answer: a certificate, a place among those who wait for a person, or no.

use core::net::IpAddr;
use core::time::Duration;

use rand_core::CryptoRng;

use super::answer::is_for_neighbours;
use super::meter::Meter;
use super::prove::Proven;
use super::requests::Waiting;
use super::{Authority, EnrolmentRecord, Issued, Origin, Refused, Token, Verdict};
use crate::certificate::Role;
use crate::certificate::request::{self, CertificateRequest as Wanted};
use crate::codec;
use crate::control::{Guid, Mode};
use crate::enrolment::message::{
    Admitted, EnrolAnswer, EnrolRequest, PROPOSAL_MAX, Proof, Proofs, Proposal, Way, request_info,
};
use crate::identity::{NodeId, NodeKeys, Secret};
use crate::label::Label;
use crate::record::Write;
use crate::reject::Reject;
use crate::revocation::RevocationList;
use crate::seal;
use crate::time::Timestamp;

/// Nodes that come in with nothing within an hour, from one address and in all: a room that is set up.
const OPEN_PER_ADDRESS: u32 = 16;
const OPEN_IN_ALL: u32 = 512;

/// Records beyond which nobody comes in with nothing: an authority keeps each for ninety days.
const RECORDS_MAX: usize = 16_384;

/// How many come in with nothing: those who are in stay, and who comes too often waits.
pub(super) struct Open(Meter);

impl Default for Open {
    fn default() -> Self {
        Self(Meter::new(Duration::from_secs(60 * 60), OPEN_PER_ADDRESS, OPEN_IN_ALL))
    }
}

impl Open {
    fn take(&mut self, address: IpAddr, records: usize, now: Timestamp) -> Result<(), Reject> {
        if records < RECORDS_MAX && self.0.take(address, now) { Ok(()) } else { Err(Reject::Busy) }
    }
}

/// A certificate request that came sealed, and what it was opened with.
struct Opened {
    token: Token,
    wanted: Wanted,
    request: Vec<u8>,
    key: Secret,
}

impl Opened {
    fn parts(&self) -> (&Token, &Wanted, &[u8]) {
        (&self.token, &self.wanted, &self.request)
    }
}

impl Authority {
    /// Answers a certificate request. A node that takes another's place comes in only where `list` has room for the other:
    /// nothing changes before.
    ///
    /// # Errors
    /// What the candidate is told.
    pub fn enrol(
        &mut self,
        request: &EnrolRequest,
        origin: Origin,
        (keys, list): (&NodeKeys, &RevocationList),
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Issued<Verdict>, Refused> {
        let (opened, proof) = self.open(request, origin, keys, now)?;
        self.denied.check(opened.wanted.node, &opened.wanted.sealing)?;
        if opened.wanted.name.is_like_an_id() && !self.enrolments.is_named(origin.node, &opened.wanted.name) {
            return Err(Reject::Invalid.into());
        }
        match (proof, opened.token.way) {
            (Proof::Renewal, Way::Renewal) => {
                self.enrolments.check_known(origin.node, &opened.token.sealing, now)?;
                self.enrolments.check_free(&opened.wanted.name, origin.node, &opened.wanted.sealing, now)?;
                self.admit(opened, (None, None), Vec::new(), now, rng)
            }
            (Proof::Stranger(proofs), Way::By(by)) => {
                let proven = self.prove(by, &proofs, opened.parts(), origin, keys, now)?;
                self.let_in(opened, proven, origin, now, rng)
            }
            (Proof::Stranger(proofs), Way::Waiting) => {
                self.look_again(opened, &proofs, (keys, list), now, rng)
            }
            (Proof::Renewal | Proof::Stranger(_), _) => Err(Reject::Invalid.into()),
        }
    }

    fn open(
        &self,
        request: &EnrolRequest,
        origin: Origin,
        keys: &NodeKeys,
        now: Timestamp,
    ) -> Result<(Opened, Proof), Reject> {
        let token = self.open_token(&request.token, origin, now)?;
        let info = request_info(self.anchor.network(), keys.node_id(), &request.token);
        let (proposal, key) = seal::open_authenticated(
            &keys.sealing,
            &token.sealing,
            &request.sealed,
            &info,
            &[],
            Label::CertificateAnswer,
        )
        .map_err(|_| Reject::Invalid)?;
        let proposal: Proposal = codec::decode::<_, PROPOSAL_MAX>(&proposal).map_err(|_| Reject::Invalid)?;
        let wanted = request::verify(&proposal.request).map_err(|_| Reject::Invalid)?;
        if wanted.node != origin.node || wanted.sealing != token.sealing {
            return Err(Reject::Invalid);
        }
        Ok((Opened { token, wanted, request: proposal.request, key }, proposal.proof))
    }

    fn open_token(&self, token: &[u8], origin: Origin, now: Timestamp) -> Result<Token, Reject> {
        let token = self.ring.open(Label::RetryToken, &[], token).map_err(|_| Reject::Retry)?;
        let token: Token = codec::decode::<_, 256>(&token).map_err(|_| Reject::Retry)?;
        if token.node != origin.node || now >= token.expires {
            return Err(Reject::Retry);
        }
        Ok(token)
    }

    /// Admits a candidate that has proven everything, or has it wait for a person.
    ///
    /// Who is not admitted learns nothing of names; who is and must choose another name has used nothing up.
    fn let_in(
        &mut self,
        opened: Opened,
        proven: Proven,
        origin: Origin,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Issued<Verdict>, Refused> {
        let Proven { by, invite, guid, shown, mut writes } = proven;
        let wanted = &opened.wanted;
        let free = self.enrolments.check_free(&wanted.name, wanted.node, &wanted.sealing, now);
        let replaces = match free {
            Ok(()) => None,
            Err(reject) => match self.replaceable(wanted).filter(|_| reject == Reject::NameTaken) {
                Some(holder) if shown.is_some() => Some(holder),
                Some(_) | None => return Err(Refused { reject, writes }),
            },
        };
        if is_for_neighbours(by) && !by.has(Mode::Approval) && !self.enrolments.has(origin.node) {
            self.open.take(origin.counted(), self.enrolments.count(now), now)?;
        }
        match shown.filter(|_| by.has(Mode::Approval) || replaces.is_some()) {
            Some(shown) => {
                let (Some(commitment), Some(nonce)) = (opened.token.commitment, opened.token.nonce) else {
                    return Err(Reject::Invalid.into());
                };
                let waiting = Waiting {
                    node: wanted.node,
                    sealing: wanted.sealing,
                    name: wanted.name.clone(),
                    commitment,
                    nonce,
                    shown,
                    address: origin.counted(),
                    since: now,
                    by,
                    guid,
                    replaces,
                    approved: None,
                };
                // First, so that nobody waits by an invite that others have used up. The same node may use it again.
                writes.extend(self.redeem(invite, origin.node, now)?);
                let queued = self.requests.add(waiting, now);
                writes.extend(queued.map_err(|reject| Refused { reject, writes: writes.clone() })?);
                Ok(Issued { answer: Verdict::Waiting, writes })
            }
            None => {
                writes.extend(self.redeem(invite, origin.node, now)?);
                self.admit(opened, (guid, None), writes, now, rng)
            }
        }
    }

    /// Another node that has the name and could lose it. The authority's own never does: its key would be revoked by
    /// one person's yes, and nothing takes that back.
    fn replaceable(&self, wanted: &Wanted) -> Option<NodeId> {
        let holder = &self.enrolments.by_name(&wanted.name)?.certificate;
        let replaceable = holder.node_id() != wanted.node && holder.role() != Role::Authority;
        replaceable.then(|| holder.node_id())
    }

    fn redeem(&mut self, invite: Option<u32>, node: NodeId, now: Timestamp) -> Result<Vec<Write>, Reject> {
        invite.map_or_else(|| Ok(Vec::new()), |nameplate| self.invites.redeem(nameplate, node, now))
    }

    /// A candidate that waits asks what has been decided. Both people must have: the one here, and its own.
    fn look_again(
        &mut self,
        opened: Opened,
        proofs: &Proofs,
        (keys, list): (&NodeKeys, &RevocationList),
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Issued<Verdict>, Refused> {
        let opening = proofs.opening.as_ref();
        let waiting = self.waiting(opening, opened.parts(), keys, now)?;
        match (waiting.approved, opening.is_some_and(|opening| opening.confirmed)) {
            (Some(false), _) => {
                Err(Refused { reject: Reject::Refused, writes: self.requests.end(waiting.node) })
            }
            (None, _) | (Some(true), false) => Ok(Issued { answer: Verdict::Waiting, writes: Vec::new() }),
            (Some(true), true) => self.take_in(opened, &waiting, list, now, rng),
        }
    }

    /// Admits a candidate that both people have confirmed, if it still could be.
    fn take_in(
        &mut self,
        opened: Opened,
        waiting: &Waiting,
        list: &RevocationList,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Issued<Verdict>, Refused> {
        let taken = self.replaceable(&opened.wanted).is_some_and(|holder| Some(holder) == waiting.replaces);
        if taken && !list.has_room() {
            return Err(Reject::Unavailable.into());
        }
        let writes = self.requests.end(waiting.node);
        let refused = |reject| Refused { reject, writes: writes.clone() };
        if let Some(guid) = &waiting.guid {
            self.guids.check(guid, waiting.node).map_err(refused)?;
        }
        let wanted = &opened.wanted;
        let replaced = match self.enrolments.check_free(&wanted.name, wanted.node, &wanted.sealing, now) {
            Ok(()) => None,
            // The one that the person who approved it has been shown, and no other.
            Err(Reject::NameTaken)
                if waiting.replaces.is_some() && self.replaceable(wanted) == waiting.replaces =>
            {
                self.enrolments.end_replaced(&wanted.name).map(Box::new)
            }
            Err(reject) => return Err(refused(reject)),
        };
        self.admit(opened, (waiting.guid, replaced), writes, now, rng)
    }

    /// Issues the certificate.
    fn admit(
        &mut self,
        opened: Opened,
        (guid, replaced): (Option<Guid>, Option<Box<EnrolmentRecord>>),
        mut writes: Vec<Write>,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Issued<Verdict>, Refused> {
        let Opened { wanted, key, .. } = opened;
        let leaf = self
            .issue(wanted.name, Role::Member, wanted.node, wanted.sealing, now, rng)
            .map_err(|_| Refused::from(Reject::Unavailable))?;
        writes.push(self.enrolments.add(&leaf, now));
        writes.extend(guid.and_then(|guid| self.guids.bind(&guid, wanted.node)));
        let admitted = Admitted { leaf: leaf.der().clone(), policy_epoch: 0, revocation_epoch: 0 };
        let ciphertext = seal::seal_once(key, &[], &codec::encode(&admitted));
        Ok(Issued { answer: Verdict::Admitted(EnrolAnswer { ciphertext }, replaced), writes })
    }
}
