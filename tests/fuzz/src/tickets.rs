//! Tickets, on all three ways that they take.

use std::sync::OnceLock;

use lanyard_protocol::codec;
use lanyard_protocol::identity::{IdentityKey, NodeKeys, SealingKey, Signature};
use lanyard_protocol::label::Label;
use lanyard_protocol::message::{self, FRAME_MAX, Request, Response};
use lanyard_protocol::record::Table;
use lanyard_protocol::seal;
use lanyard_protocol::ticket::{self, HeldTicket, SessionKeyCache, TicketGrant, TicketRequest};

use crate::world::{NOW, World, rng};

/// The member's keys, as its store has them: two seeds of 32 bytes.
pub(crate) fn member_keys() -> NodeKeys {
    let world = World::get();
    let kept = world.member.values().find(|(table, _)| *table == Table::Keys).unwrap();
    let (identity, sealing) = codec::decode::<([u8; 32], [u8; 32]), 128>(&kept.1).unwrap();
    NodeKeys { identity: IdentityKey::from_seed(&identity), sealing: SealingKey::from_bytes(&sealing) }
}

/// The one request for a ticket that was made, and the grant that answered it.
fn exchange() -> &'static (TicketRequest, TicketGrant) {
    static EXCHANGE: OnceLock<(TicketRequest, TicketGrant)> = OnceLock::new();
    EXCHANGE.get_or_init(|| {
        let world = World::get();
        let request = world.requests.iter().find_map(|bytes| match message::parse(bytes) {
            Ok(Request::Ticket(request)) => Some(request),
            _ => None,
        });
        let grant = world.responses.iter().find_map(|bytes| match message::parse(bytes) {
            Ok(Response::Grant(grant)) => Some(grant),
            _ => None,
        });
        (request.unwrap(), grant.unwrap())
    })
}

/// The answer to a request for a ticket: only the one that the provider signed is taken.
pub fn grant(data: &[u8]) {
    let world = World::get();
    let (request, good) = exchange();
    let Ok(grant) = codec::decode::<TicketGrant, FRAME_MAX>(data) else { return };
    let provider = world.provider.certificate().unwrap();
    if ticket::accept(grant.clone(), request, provider, &member_keys(), NOW).is_ok() {
        assert_eq!(&grant, good, "nobody signed this");
    }
}

/// What a hostile minter seals to the requester.
pub fn grant_half(data: &[u8]) {
    let world = World::get();
    let (request, good) = exchange();
    let keys = member_keys();
    let info = Label::TicketForClient.join(&[keys.node_id().as_bytes(), world.authority_id.as_bytes()]);
    let for_client = seal::seal(&keys.sealing.public_key(), &info, &[], data, &mut rng(1)).unwrap();
    let grant = TicketGrant {
        for_client,
        for_service: good.for_service.clone(),
        signature: Signature::from([1; 64]),
    };
    let provider = world.provider.certificate().unwrap();
    assert!(ticket::accept(grant, request, provider, &keys, NOW).is_err(), "nobody signed this");
}

/// What a requester shows to its provider: only what the provider sealed is a ticket.
pub fn ticket(data: &[u8]) {
    let world = World::get();
    let cache = SessionKeyCache::default();
    if ticket::validate(&world.provider, &cache, data, NOW).is_ok() {
        assert_eq!(data, world.channel.ticket.for_service(), "nobody sealed this");
    }
}

/// A ticket as its holder's store has it.
pub fn kept_ticket(data: &[u8]) {
    let keys = member_keys();
    if let Some(ticket) = HeldTicket::from_record(data, keys.node_id()) {
        assert_eq!(ticket.to_record(), data, "a second encoding of a ticket");
        assert_eq!(ticket.terms().requester, keys.node_id());
        let _ = ticket.usable(NOW);
    }
}
