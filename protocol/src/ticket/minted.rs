//! What a provider remembers of the tickets that it has minted, so that each of them can be taken back.
//!
//! It lives as long as the key ring, in memory: without the ring no ticket opens.

use std::collections::{BTreeMap, BTreeSet};

use super::{Terms, TicketId};
use crate::identity::{NodeId, ServiceName};
use crate::keyring::KeyRing;
use crate::people::Principal;
use crate::time::Timestamp;

/// Live tickets of one requester on behalf of one person, or of nobody: one for each service that it uses, and room for
/// those that it has lost.
const LIVE_OF_ONE: usize = 64;

/// The same with those that were taken back, which are remembered until nothing opens them: somebody who logs out and in
/// again all day.
const KNOWN_OF_ONE: usize = 256;

/// All of one requester's: the people of a shop at one till.
const KNOWN_OF_NODE: usize = 2048;

/// Tickets that are remembered: four for each peer that a node remembers. A live one never gives way, so a ticket that
/// is not remembered opens nothing.
const MINTED_MAX: usize = 16_384;

/// Live tickets of guests. Whoever knows a password can be as many guests as they like: they leave room for members.
const LIVE_OF_GUESTS: usize = 256;

/// A ticket that this node has minted.
#[derive(Debug)]
pub(crate) struct MintedTicket {
    pub(crate) service: ServiceName,
    pub(crate) user: Option<Principal>,
    pub(crate) not_before: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) revoked: bool,
    /// Whether it is a guest's.
    pub(crate) guest: bool,
    /// The key ring's generation that sealed it.
    generation: u32,
}

/// The tickets that this node has minted, by their requester.
#[derive(Debug, Default)]
pub(crate) struct MintedTickets {
    known: BTreeMap<(NodeId, TicketId), MintedTicket>,
    /// By their end. Those that were revoked are not among them: they stay until nothing opens them.
    ends: BTreeSet<(Timestamp, NodeId, TicketId)>,
}

impl MintedTickets {
    /// Whether another ticket for `requester`, on behalf of `user` there, can be remembered; one that cannot is not to be
    /// minted. What has ended gives way.
    pub(crate) fn has_room(&mut self, requester: NodeId, user: Option<&Principal>, now: Timestamp) -> bool {
        if self.known.len() >= MINTED_MAX {
            match self.ends.first().copied() {
                Some(first) if first.0 <= now => {
                    self.ends.remove(&first);
                    self.known.remove(&(first.1, first.2));
                }
                _ => return false,
            }
        }
        self.has_own_room(requester, now, |had| had == user)
    }

    /// Whether `requester` and whoever it asks for, of whose tickets `is_theirs` holds, have fewer than they may have.
    pub(crate) fn has_own_room(
        &self,
        requester: NodeId,
        now: Timestamp,
        is_theirs: impl Fn(Option<&Principal>) -> bool,
    ) -> bool {
        let of_one = || self.live_of(requester, now).filter(|ticket| is_theirs(ticket.user.as_ref()));
        of_one().filter(|ticket| !ticket.revoked).count() < LIVE_OF_ONE
            && of_one().count() < KNOWN_OF_ONE
            && self.live_of(requester, now).count() < KNOWN_OF_NODE
    }

    /// The requester's tickets that have not ended, also those that were taken back.
    pub(crate) fn live_of(&self, requester: NodeId, now: Timestamp) -> impl Iterator<Item = &MintedTicket> {
        self.of(requester).map(|(_, ticket)| ticket).filter(move |ticket| now < ticket.expires)
    }

    /// Whether another ticket for the guest `requester` can be remembered.
    pub(crate) fn has_room_for_guest(&mut self, requester: NodeId, now: Timestamp) -> bool {
        self.live(now).filter(|(_, _, ticket)| ticket.guest).count() < LIVE_OF_GUESTS
            && self.has_room(requester, None, now)
    }

    /// Remembers a ticket that was sealed under `generation` of the key ring.
    pub(crate) fn add(&mut self, terms: &Terms, guest: bool, generation: u32) {
        let ticket = MintedTicket {
            guest,
            service: terms.service.clone(),
            user: terms.user.clone(),
            not_before: terms.not_before,
            expires: terms.expires,
            revoked: false,
            generation,
        };
        self.ends.insert((terms.expires, terms.requester, terms.id));
        self.known.insert((terms.requester, terms.id), ticket);
    }

    /// Takes back a ticket of `requester`'s; says whether there is one that lives.
    pub(crate) fn revoke(&mut self, requester: NodeId, id: TicketId, now: Timestamp) -> bool {
        let live = self.known.get_mut(&(requester, id)).filter(|ticket| now < ticket.expires);
        let Some(ticket) = live else { return false };
        ticket.revoked = true;
        self.ends.remove(&(ticket.expires, requester, id));
        true
    }

    /// Whose ticket this is.
    pub(crate) fn requester_of(&self, id: TicketId) -> Option<NodeId> {
        self.known.keys().find(|(_, known)| *known == id).map(|(requester, _)| *requester)
    }

    /// Forgets the tickets that `ring` opens no more. By the clock alone a revoked one would come back to life when the
    /// clock is set back.
    pub(crate) fn keep_what_opens(&mut self, ring: &KeyRing) {
        self.known.retain(|_, ticket| ring.contains(ticket.generation));
        let known = &self.known;
        self.ends.retain(|(_, requester, id)| known.contains_key(&(*requester, *id)));
    }

    /// The tickets that live.
    pub(crate) fn live(&self, now: Timestamp) -> impl Iterator<Item = (NodeId, TicketId, &MintedTicket)> {
        let live = self.known.iter().filter(move |(_, ticket)| now < ticket.expires);
        live.map(|((requester, id), ticket)| (*requester, *id, ticket))
    }

    /// Those that were taken back.
    pub(crate) fn revoked(&self) -> impl Iterator<Item = TicketId> {
        self.known.iter().filter(|(_, ticket)| ticket.revoked).map(|((_, id), _)| *id)
    }

    fn of(&self, requester: NodeId) -> impl Iterator<Item = (TicketId, &MintedTicket)> {
        let range = (requester, TicketId([0; 16]))..=(requester, TicketId([0xff; 16]));
        self.known.range(range).map(|((_, id), ticket)| (*id, ticket))
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::identity::IdentityKey;
    use crate::keyring::ROTATION;
    use crate::ticket::TICKET_LIFE;

    const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

    fn node(number: u8) -> NodeId {
        IdentityKey::from_seed(&[number; 32]).node_id()
    }

    fn terms(requester: NodeId, number: u32, now: Timestamp) -> Terms {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_le_bytes());
        Terms {
            id: TicketId(id),
            service: "chat".parse().unwrap(),
            requester,
            provider: node(200),
            minter: node(200),
            entity: "shop".parse().unwrap(),
            user: None,
            not_before: now,
            expires: now.after(TICKET_LIFE),
        }
    }

    /// D4: one member has so many live tickets and no more; it takes nobody else's place.
    #[test]
    fn one_requester_has_64_live_tickets() {
        let (mut minted, later) = (MintedTickets::default(), NOW.after(TICKET_LIFE));
        for number in 0..64 {
            assert!(minted.has_room(node(1), None, NOW), "{number}");
            minted.add(&terms(node(1), number, NOW), false, 1);
        }
        assert!(!minted.has_room(node(1), None, NOW) && minted.has_room(node(2), None, NOW));
        assert!(minted.has_room(node(1), None, later));
    }

    /// D4, I2: a person who takes tickets and gives them back without end has so many and no more, and takes nobody else's
    /// place at the same node.
    #[test]
    fn one_person_takes_nobody_elses_place() {
        let mut minted = MintedTickets::default();
        let user: crate::identity::UserName = "ana".parse().unwrap();
        let home = crate::people::Home::Network;
        let ana = Principal { person: user.clone().into(), user, home };
        let mut taken = 0;
        while minted.has_room(node(1), Some(&ana), NOW) {
            let terms = Terms { user: Some(ana.clone()), ..terms(node(1), taken, NOW) };
            minted.add(&terms, false, 1);
            assert!(minted.revoke(node(1), terms.id, NOW));
            taken += 1;
        }
        assert_eq!(taken as usize, KNOWN_OF_ONE);
        assert!(minted.has_room(node(1), None, NOW));
    }

    /// D4, D9: guests have so many live tickets, whoever they say they are, and members have room then.
    #[test]
    fn guests_have_256_live_tickets() {
        let (mut minted, later) = (MintedTickets::default(), NOW.after(TICKET_LIFE));
        for number in 0..=255 {
            assert!(minted.has_room_for_guest(node(number), NOW), "{number}");
            minted.add(&terms(node(number), 0, NOW), true, 1);
        }
        assert!(!minted.has_room_for_guest(node(1), NOW) && minted.has_room(node(1), None, NOW));
        assert!(minted.has_room_for_guest(node(1), later));
    }

    /// C4, D4: where there is no room, what has ended gives way, and nothing that lives or was revoked.
    #[test]
    fn no_live_ticket_is_forgotten() {
        let (mut minted, later) = (MintedTickets::default(), NOW.after(TICKET_LIFE));
        minted.add(&terms(node(1), 0, NOW), false, 1);
        assert!(minted.revoke(node(1), terms(node(1), 0, NOW).id, NOW));
        for number in 1..16_384 {
            // Not by way of the room of one requester: many of them would need as many keys.
            minted.add(&terms(node(1), number, NOW), false, 1);
        }
        assert!(!minted.has_room(node(2), None, NOW));
        assert!(minted.has_room(node(2), None, later));
        assert_eq!(minted.revoked().count(), 1);
        assert_eq!(minted.known.len(), 16_383);
    }

    /// C4: nobody takes back another's ticket, nor one that has ended.
    #[test]
    fn a_ticket_is_taken_back_from_its_requester_alone() {
        let mut minted = MintedTickets::default();
        let terms = terms(node(1), 7, NOW);
        minted.add(&terms, false, 1);
        assert!(!minted.revoke(node(2), terms.id, NOW));
        assert!(!minted.revoke(node(1), terms.id, terms.expires));
        assert_eq!(minted.revoked().count(), 0);
        assert_eq!(minted.requester_of(terms.id), Some(node(1)));
        assert!(minted.revoke(node(1), terms.id, NOW));
        assert_eq!(minted.revoked().collect::<Vec<_>>(), [terms.id]);
    }

    /// C4: a revoked ticket is remembered for as long as the ring would open it, whatever the clock does.
    #[test]
    fn a_revoked_ticket_is_remembered_until_nothing_opens_it() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (mut minted, ring) = (MintedTickets::default(), KeyRing::new(NOW, &mut rng));
        let terms = terms(node(1), 7, NOW);
        minted.add(&terms, false, ring.generation());
        assert!(minted.revoke(node(1), terms.id, NOW));
        let once = ring.rotated(NOW.after(ROTATION), &mut rng);
        minted.keep_what_opens(&once);
        assert_eq!(minted.revoked().count(), 1);
        let twice = once.rotated(NOW.after(ROTATION + ROTATION + Duration::from_secs(1)), &mut rng);
        minted.keep_what_opens(&twice);
        assert_eq!(minted.revoked().count(), 0);
    }
}
