//! A whole channel, byte for byte, for other implementations to compare with. What changes here breaks them.

use data_encoding::HEXLOWER;
use lanyard_protocol::channel::{Preamble, Reply, Sealer, Suites};
use rand_core::Rng as _;
use serde_json::{Value, json};

use super::{NOW, View, rng};

#[test]
fn the_transcript_is_frozen() {
    let frozen: Value = serde_json::from_str(include_str!("../../../vectors/channel.json")).unwrap();
    let actual = transcripts();
    assert_eq!(frozen, actual, "as it is now: {actual:#}");
}

fn transcripts() -> Value {
    let view = View::new();
    json!({
        "about": "a channel from preamble to close; secrets and ephemeral keys are private keys, all in hex",
        "for_service": hex(&view.for_service),
        "terms": hex(&view.terms),
        "requester_id": hex(view.requester.as_bytes()),
        "provider_id": hex(view.provider.as_bytes()),
        "service": view.service.as_str(),
        "ticket_secret": hex(&view.secret),
        "requester_sealing_key": hex(&view.requester_key),
        "provider_static_key": hex(&view.provider_key),
        "requester_ephemeral_key": hex(&ephemeral(6)),
        "provider_ephemeral_key": hex(&ephemeral(7)),
        "channels": [channel(Suites::ALL), channel(Suites::PORTABLE)],
    })
}

fn channel(supported: Suites) -> Value {
    let view = View::new();
    let (initiator, message_1) = view.start();
    let (_, message_2) = view.read(&message_1).unwrap().accept(supported, NOW).unwrap();
    let preamble = Preamble { offered: view.offered, for_service: view.for_service.clone(), message_1 };
    let requester = initiator.finish(&message_2, NOW).unwrap();
    // The provider's half of the keys, by the same seeds once more.
    let (_, message_1) = view.start();
    let (mut unconfirmed, _) = view.read(&message_1).unwrap().accept(supported, NOW).unwrap();
    let from_requester = stream(requester.sealer, b"order");
    let (head, rest) = from_requester.split_first_chunk().unwrap();
    let header = unconfirmed.header(head).unwrap();
    let mut body = rest[..header.body_len()].to_vec();
    let (provider, _) = unconfirmed.confirm(header, &mut body).unwrap();
    json!({
        "suite": format!("{:?}", provider.suite),
        "preamble": hex(&preamble.encode().unwrap()),
        "reply": hex(&Reply::Message2(message_2).encode()),
        "from_requester": { "data, rekey, data, close": hex(&from_requester) },
        "from_provider": { "data, rekey, data, close": hex(&stream(provider.sealer, b"bill")) },
    })
}

fn stream(mut sealer: Sealer, payload: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    sealer.seal_into(payload, &mut stream).unwrap();
    sealer.rekey(NOW, &mut stream).unwrap();
    sealer.seal_into(payload, &mut stream).unwrap();
    sealer.close(&mut stream).unwrap();
    stream
}

fn ephemeral(seed: u8) -> [u8; 32] {
    let mut key = [0; 32];
    rng(seed).fill_bytes(&mut key);
    key
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}
