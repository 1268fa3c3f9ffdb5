//! Everything that comes over a lane.

use lanyard_protocol::channel::{
    Binding, Initiator, MESSAGE_1_LEN, MESSAGE_2_LEN, Opened, Opener, Preamble, Prefix, ReceiveError, Record,
    Reply, Responder, Suites,
};

use crate::input::Input;
use crate::world::{NOW, World, rng};

/// The first bytes of a channel: refused at the first wrong one, and copied only once all are there.
pub fn preamble(data: &[u8]) {
    match Preamble::decode_prefix(data) {
        Ok(Prefix::Whole(preamble, used)) => {
            assert_eq!(preamble.encode().unwrap(), data[..used]);
            assert!(
                matches!(Preamble::decode_prefix(&data[..used - 1]), Ok(Prefix::Needs(all)) if all == used)
            );
        }
        Ok(Prefix::Needs(needs)) => assert!(needs > data.len() && needs <= Preamble::MAX_LEN),
        Err(_) => {}
    }
}

/// A provider's first bytes.
pub fn reply(data: &[u8]) {
    match Reply::decode_prefix(data) {
        Ok(Prefix::Whole(reply, used)) => assert_eq!(reply.encode(), data[..used]),
        Ok(Prefix::Needs(needs)) => assert!(needs > data.len()),
        Err(_) => {}
    }
}

fn with_binding<T>(run: impl FnOnce(&Binding<'_>) -> T) -> T {
    let world = World::get();
    let ticket = &world.channel.ticket;
    let terms = ticket.terms().encoded();
    run(&Binding {
        for_service: ticket.for_service(),
        terms: &terms,
        requester: world.member_id,
        provider: world.authority_id,
        service: &ticket.terms().service,
    })
}

fn start() -> (Initiator, [u8; MESSAGE_1_LEN]) {
    let world = World::get();
    with_binding(|binding| {
        Initiator::start(binding, world.psk(), world.requester.sealing_key(), Suites::ALL, &mut rng(5))
    })
}

fn read(message_1: &[u8; MESSAGE_1_LEN]) -> Option<Responder> {
    let world = World::get();
    let requester = world.requester.sealing_key().public_key();
    with_binding(|binding| {
        Responder::read(binding, world.psk(), &requester, Suites::ALL, message_1, &mut rng(6)).ok()
    })
}

/// A message of the handshake: only what its other end wrote is read.
pub fn handshake(data: &[u8]) {
    let Some((&which, message)) = data.split_first() else { return };
    let (initiator, good_1) = start();
    if which.is_multiple_of(2) {
        let Ok(message) = <[u8; MESSAGE_1_LEN]>::try_from(message) else { return };
        assert_eq!(read(&message).is_some(), message == good_1, "nobody wrote this");
    } else {
        let Ok(message) = <[u8; MESSAGE_2_LEN]>::try_from(message) else { return };
        let (_, good_2) = read(&good_1).unwrap().accept(Suites::ALL, NOW).unwrap();
        assert_eq!(initiator.finish(&message, NOW).is_ok(), message == good_2, "nobody wrote this");
    }
}

/// Both ends of an open channel: the requester's first.
fn channel(supported: Suites) -> (Opened, Opened) {
    let (initiator, message_1) = start();
    let (mut unconfirmed, message_2) = read(&message_1).unwrap().accept(supported, NOW).unwrap();
    let mut requester = initiator.finish(&message_2, NOW).unwrap();
    let mut first = Vec::new();
    requester.sealer.seal_into(b"", &mut first).unwrap();
    let (head, body) = first.split_first_chunk_mut().unwrap();
    let header = unconfirmed.header(head).unwrap();
    let (provider, record) = unconfirmed.confirm(header, body).unwrap();
    assert_eq!(record, Record::Data(&mut []));
    (requester, provider)
}

/// Any bytes instead of records: nothing is delivered, and the stream never counts as closed.
pub fn record_stream(data: &[u8]) {
    let suites =
        if data.first().is_some_and(|byte| byte & 0x80 == 0) { Suites::ALL } else { Suites::PORTABLE };
    let (_, mut provider) = channel(suites);
    let (received, end) = receive(&mut provider.opener, data);
    assert!(received.is_empty() && end.is_err(), "nobody sent this");
}

/// Real records that somebody in between reorders, repeats, drops, cuts and alters: what is delivered is a beginning of
/// what was sent, and whole only if it was closed.
pub fn records(data: &[u8]) {
    let mut input = Input::new(data);
    let (mut requester, mut provider) = channel(*input.pick(&[Suites::ALL, Suites::PORTABLE]));
    let mut sent = Vec::new();
    let mut records: Vec<Vec<u8>> = (0..6_u8)
        .map(|number| {
            let mut record = Vec::new();
            if number == 3 {
                requester.sealer.rekey(NOW, &mut record).unwrap();
            } else {
                let payload = vec![number; usize::from(number) * 7];
                requester.sealer.seal_into(&payload, &mut record).unwrap();
                sent.extend(payload);
            }
            record
        })
        .collect();
    let mut close = Vec::new();
    requester.sealer.close(&mut close).unwrap();
    records.push(close);
    let original = records.concat();
    while !input.is_empty() && records.len() < 32 {
        let (at, other) = (usize::from(input.byte()), usize::from(input.byte()));
        let (at, other) = (at % (records.len() + 1), other % (records.len() + 1));
        match input.byte() % 5 {
            0 if at < records.len() => drop(records.remove(at)),
            1 if other < records.len() => records.insert(at, records[other].clone()),
            2 if at < records.len() && other < records.len() => records.swap(at, other),
            3 => records.insert(at, input.bytes().to_vec()),
            _ if at < records.len() => records[at] = input.altered(records[at].clone()),
            _ => {}
        }
    }
    let stream = records.concat();
    let (received, end) = receive(&mut provider.opener, &stream);
    assert!(sent.starts_with(&received), "delivered what was not sent");
    match end {
        Ok(()) => assert!(received == sent && stream.starts_with(&original), "closed before its end"),
        Err(_) => assert_ne!(stream, original),
    }
}

fn receive(opener: &mut Opener, mut stream: &[u8]) -> (Vec<u8>, Result<(), ReceiveError>) {
    let mut received = Vec::new();
    while let Some((head, rest)) = stream.split_first_chunk() {
        let header = match opener.header(head) {
            Ok(header) => header,
            Err(error) => return (received, Err(error)),
        };
        let Some((body, rest)) = rest.split_at_checked(header.body_len()) else { break };
        match opener.open_in_place(header, &mut body.to_vec()) {
            Ok(Record::Data(payload)) => received.extend_from_slice(payload),
            Ok(Record::Close | Record::Rekey) => {}
            Err(error) => return (received, Err(error)),
        }
        stream = rest;
    }
    (received, opener.end())
}
