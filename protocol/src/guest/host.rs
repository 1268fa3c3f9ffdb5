//! The provider's side: the passwords of its services, and the guesses at them.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::message::transcript;
use super::{GuestOffer, GuestProof, GuestRequest, PasswordMark};
use crate::certificate::CertificateDer;
use crate::codec;
use crate::enrolment::{Attempts, Confirmation, Exchange, Guesses, Issued, Origin, Refused};
use crate::identity::{NodeId, SealingPublicKey, Secret, ServiceName};
use crate::label::Digest;
use crate::people;
use crate::record::{Record, Table, Write};
use crate::reject::Reject;
use crate::time::Timestamp;

/// Services that there are not, or that have no password, whose guesses are counted as if they had one. Of more, the one
/// that was left alone for longest is forgotten; to learn by that whether a service is real costs hundreds of guesses.
const DECOYS_MAX: usize = 64;

/// Wrong guesses of one address at whichever service, within how long.
const GUESSES_OF_ADDRESS: (usize, Duration) = (30, Duration::from_secs(10 * 60));

/// What is kept of one service.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The stretched password, and what names it; of a decoy there is none.
    password: Option<(Secret, PasswordMark)>,
    since: Timestamp,
    wrong: Guesses,
}

impl Kept {
    /// A new password.
    pub(crate) fn new(stretched: Secret, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut mark = [0; 16];
        rng.fill_bytes(&mut mark);
        Self { password: Some((stretched, PasswordMark(mark))), since: now, wrong: Guesses::default() }
    }

    fn mark(&self) -> Option<PasswordMark> {
        self.password.as_ref().map(|(_, mark)| *mark)
    }

    /// The write that keeps it.
    pub(crate) fn write(&self, service: &ServiceName) -> Write {
        Write::set(Table::Guests, service.as_str(), codec::encode(self))
    }
}

/// How a service with a password stands.
pub(crate) struct Standing<'a> {
    pub(crate) service: &'a ServiceName,
    /// Since when it has the password.
    pub(crate) since: Timestamp,
    /// Wrong guesses within a day.
    pub(crate) wrong: usize,
    /// For how long no guess is taken, if none is.
    pub(crate) rests_for: Option<Duration>,
}

/// Who the provider is, as it shows itself to guests.
pub(crate) struct Identity<'a> {
    pub(crate) node: NodeId,
    pub(crate) leaf: &'a CertificateDer,
    pub(crate) ca: &'a CertificateDer,
    pub(crate) lane: Vec<SocketAddr>,
}

/// An exchange that waits for the guest's confirmation.
struct Waiting {
    request: GuestRequest,
    exchange: Digest,
    expected: Confirmation,
    /// Of a secret that nobody knows there is none.
    password: Option<PasswordMark>,
    charged: (IpAddr, Timestamp),
}

/// A guest that has proven to know the password of a service. Made by [`Guests::prove`] alone.
#[derive(Debug)]
pub(crate) struct ProvenGuest {
    node: NodeId,
    sealing: SealingPublicKey,
    service: ServiceName,
    nonce: [u8; 32],
    exchange: Digest,
    password: PasswordMark,
}

impl ProvenGuest {
    /// The guest's node.
    pub(crate) const fn node_id(&self) -> NodeId {
        self.node
    }

    /// The key that its ticket is sealed to.
    pub(crate) const fn sealing_key(&self) -> &SealingPublicKey {
        &self.sealing
    }

    /// The one service whose password it knows.
    pub(crate) const fn service(&self) -> &ServiceName {
        &self.service
    }

    /// The nonce of its request.
    pub(crate) const fn nonce(&self) -> [u8; 32] {
        self.nonce
    }

    /// The hash of the exchange.
    pub(crate) const fn exchange(&self) -> Digest {
        self.exchange
    }

    /// What its ticket names the password by.
    pub(crate) const fn password(&self) -> PasswordMark {
        self.password
    }
}

/// What a node knows about guests.
pub(crate) struct Guests {
    services: BTreeMap<ServiceName, Kept>,
    waiting: Attempts<Waiting>,
    of_addresses: people::Attempts<IpAddr>,
}

impl Default for Guests {
    fn default() -> Self {
        let (most, within) = GUESSES_OF_ADDRESS;
        Self {
            services: BTreeMap::new(),
            waiting: Attempts::default(),
            of_addresses: people::Attempts::new(most, within),
        }
    }
}

impl Guests {
    /// What the store holds, and the keys of records that do not decode.
    pub(crate) fn load<'a>(records: impl Iterator<Item = &'a Record>) -> (Self, Vec<Vec<u8>>) {
        let (mut guests, mut unread) = (Self::default(), Vec::new());
        for record in records {
            let name = core::str::from_utf8(&record.key).ok().and_then(|name| name.parse().ok());
            match (name, codec::decode::<Kept, 1024>(&record.value)) {
                (Some(name), Ok(kept)) => _ = guests.services.insert(name, kept),
                _ => unread.push(record.key.clone()),
            }
        }
        (guests, unread)
    }

    /// From now on guests of `service` have this password, or none; what there was before.
    pub(crate) fn set(&mut self, service: ServiceName, kept: Option<Kept>) -> Option<Kept> {
        match kept {
            Some(kept) => self.services.insert(service, kept),
            None => self.services.remove(&service),
        }
    }

    /// Whether the service has a password.
    pub(crate) fn has(&self, service: &ServiceName) -> bool {
        self.services.get(service).is_some_and(|kept| kept.password.is_some())
    }

    /// The services that have a password.
    pub(crate) fn services(&self) -> impl Iterator<Item = &ServiceName> {
        self.services.iter().filter(|(_, kept)| kept.password.is_some()).map(|(service, _)| service)
    }

    /// How many are kept, real or not.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.services.len()
    }

    /// What tickets have to name the passwords by.
    pub(crate) fn marks(&self) -> BTreeMap<ServiceName, PasswordMark> {
        let services = self.services.iter();
        services.filter_map(|(service, kept)| Some((service.clone(), kept.mark()?))).collect()
    }

    /// How each service with a password stands.
    pub(crate) fn standings(&self, now: Timestamp) -> impl Iterator<Item = Standing<'_>> {
        self.services.iter().filter(|(_, kept)| kept.password.is_some()).map(move |(service, kept)| {
            Standing {
                service,
                since: kept.since,
                wrong: kept.wrong.wrong(now),
                rests_for: kept.wrong.rests_for(now),
            }
        })
    }

    /// Answers a guest's share. `granted` says whether policy grants the service to guests: if not, or if there is no
    /// such service or password, the guess is at a secret that nobody knows.
    ///
    /// A guess is charged in the writes, and so before its confirmation leaves.
    ///
    /// # Errors
    /// What the guest is told.
    pub(crate) fn answer(
        &mut self,
        request: &GuestRequest,
        granted: bool,
        origin: Origin,
        me: Identity<'_>,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Issued<GuestOffer>, Reject> {
        let nobodys = Secret::generate(rng);
        let kept = self.services.get(&request.service);
        if let Some(wait) = kept.and_then(|kept| kept.wrong.rests_for(now)) {
            return Err(Reject::GuestsRest(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1)));
        }
        let real = kept.and_then(|kept| kept.password.as_ref()).filter(|_| granted);
        let secret = real.map_or(&nobodys, |(secret, _)| secret);
        let exchange = Exchange::authority(secret, request.identity, me.node, rng);
        let password = real.map(|(_, mark)| *mark);
        let share = exchange.share().clone();
        let shared = exchange.finish(&request.share).ok_or(Reject::Invalid)?;
        let address = origin.counted();
        self.of_addresses.charge(&address, now).map_err(|_| Reject::TooManyGuesses)?;
        let writes = self.charge(&request.service, now);
        let transcript = transcript(request, (me.leaf, me.ca), &me.lane, &share);
        let confirmations = shared.confirmations(&transcript);
        let waiting = Waiting {
            request: request.clone(),
            exchange: *transcript.digest(),
            expected: confirmations.candidate,
            password,
            charged: (address, now),
        };
        self.waiting.add(origin.node, waiting, address, now);
        let confirmation = confirmations.authority.to_bytes();
        let (leaf, ca) = (me.leaf.clone(), me.ca.clone());
        Ok(Issued { answer: GuestOffer { leaf, ca, lane: me.lane, share, confirmation }, writes })
    }

    /// Charges a guess to the service, though there be no such service.
    fn charge(&mut self, service: &ServiceName, now: Timestamp) -> Vec<Write> {
        let mut writes = Vec::new();
        if !self.services.contains_key(service) {
            writes.extend(self.make_room());
        }
        let nobodys = || Kept { password: None, since: now, wrong: Guesses::default() };
        let kept = self.services.entry(service.clone()).or_insert_with(nobodys);
        kept.wrong.charge(now);
        writes.push(kept.write(service));
        writes
    }

    /// Forgets the decoy that was left alone for longest, if there are too many.
    fn make_room(&mut self) -> Option<Write> {
        let decoys = self.services.iter().filter(|(_, kept)| kept.password.is_none());
        if decoys.clone().count() < DECOYS_MAX {
            return None;
        }
        let oldest = decoys.min_by_key(|(_, kept)| kept.wrong.last()).map(|(service, _)| service.clone())?;
        self.services.remove(&oldest);
        Some(Write::erase(Table::Guests, oldest.as_str()))
    }

    /// Takes a guest's proof: what it was charged is taken back if the proof is right.
    ///
    /// # Errors
    /// What the guest is told.
    pub(crate) fn prove(
        &mut self,
        from: NodeId,
        proof: &GuestProof,
        now: Timestamp,
    ) -> Result<Issued<ProvenGuest>, Refused> {
        let waiting = self.waiting.take(from, now).ok_or(Reject::Retry)?;
        let Waiting { request, exchange, expected, password, charged: (address, charged) } = waiting;
        let right = expected.fits(&proof.confirmation);
        let password = password.filter(|_| right).ok_or(Reject::Password)?;
        let GuestRequest { service, nonce, identity, sealing, .. } = request;
        self.of_addresses.refund(&address);
        let mut writes = Vec::new();
        let kept = self.services.get_mut(&service);
        if let Some(kept) = kept.filter(|kept| kept.mark() == Some(password)) {
            let _ = kept.wrong.refund(charged);
            writes.push(kept.write(&service));
        } else {
            // There has been another password since.
            return Err(Refused { reject: Reject::Password, writes });
        }
        let guest = ProvenGuest { node: identity, sealing, service, nonce, exchange, password };
        Ok(Issued { answer: guest, writes })
    }
}
