//! Channels, from the ticket's secret to the close record.

mod handshake;
mod records;
mod transcript;

use lanyard_protocol::channel::{Binding, Initiator, Opened, Opener, Psk, Record, Responder, Suites};
use lanyard_protocol::channel::{HandshakeError, ReceiveError};
use lanyard_protocol::identity::{IdentityKey, NodeId, SealingKey, SealingPublicKey, Secret, ServiceName};
use lanyard_protocol::time::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use zeroize::Zeroizing;

const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

/// What one side believes about a channel, before any message.
#[derive(Clone)]
struct View {
    for_service: Vec<u8>,
    terms: Vec<u8>,
    requester: NodeId,
    provider: NodeId,
    service: ServiceName,
    secret: [u8; 32],
    requester_key: [u8; 32],
    provider_key: [u8; 32],
    offered: Suites,
}

impl View {
    fn new() -> Self {
        Self {
            for_service: b"opaque to the requester".to_vec(),
            terms: b"terms".to_vec(),
            requester: node(1),
            provider: node(2),
            service: "stock".parse().unwrap(),
            secret: [3; 32],
            requester_key: [4; 32],
            provider_key: [5; 32],
            offered: Suites::ALL,
        }
    }

    fn binding(&self) -> Binding<'_> {
        Binding {
            for_service: &self.for_service,
            terms: &self.terms,
            requester: self.requester,
            provider: self.provider,
            service: &self.service,
        }
    }

    /// The pre-shared key as the requester computes it.
    fn requester_psk(&self) -> Psk {
        self.psk(&SealingKey::from_bytes(&self.requester_key), &public(&self.provider_key))
    }

    /// The pre-shared key as the provider computes it.
    fn provider_psk(&self) -> Psk {
        self.psk(&SealingKey::from_bytes(&self.provider_key), &public(&self.requester_key))
    }

    fn psk(&self, own: &SealingKey, peer: &SealingPublicKey) -> Psk {
        let secret = Secret::new(Zeroizing::new(self.secret));
        Psk::derive(&secret, &own.agree(peer).unwrap(), &self.terms)
    }

    fn start(&self) -> (Initiator, [u8; 48]) {
        let key = SealingKey::from_bytes(&self.requester_key);
        Initiator::start(&self.binding(), &self.requester_psk(), &key, self.offered, &mut rng(6))
    }

    fn read(&self, message_1: &[u8; 48]) -> Result<Responder, HandshakeError> {
        let requester = public(&self.requester_key);
        Responder::read(
            &self.binding(),
            &self.provider_psk(),
            &requester,
            self.offered,
            message_1,
            &mut rng(7),
        )
    }
}

/// Both ends of a channel: the requester's first. The first record has been sent and opened.
fn channel(offered: Suites, supported: Suites) -> (Opened, Opened) {
    let view = View { offered, ..View::new() };
    let (initiator, message_1) = view.start();
    let (mut unconfirmed, message_2) = view.read(&message_1).unwrap().accept(supported, NOW).unwrap();
    let mut requester = initiator.finish(&message_2, NOW).unwrap();
    let mut first = Vec::new();
    requester.sealer.seal_into(b"", &mut first).unwrap();
    let (head, body) = first.split_first_chunk_mut().unwrap();
    let header = unconfirmed.header(head).unwrap();
    let (provider, record) = unconfirmed.confirm(header, body).unwrap();
    assert_eq!(record, Record::Data(&mut []));
    (requester, provider)
}

/// Opens the records in `stream`, joins their data, and says how the stream ended.
fn receive(opener: &mut Opener, stream: &[u8]) -> (Vec<u8>, Result<(), ReceiveError>) {
    let mut received = Vec::new();
    let result = receive_into(opener, stream, &mut received);
    (received, result)
}

fn receive_into(opener: &mut Opener, mut stream: &[u8], received: &mut Vec<u8>) -> Result<(), ReceiveError> {
    while let Some((head, rest)) = stream.split_first_chunk() {
        let header = opener.header(head)?;
        let Some((body, rest)) = rest.split_at_checked(header.body_len()) else { break };
        match opener.open_in_place(header, &mut body.to_vec())? {
            Record::Data(payload) => received.extend_from_slice(payload),
            Record::Close | Record::Rekey => {}
        }
        stream = rest;
    }
    opener.end()
}

fn node(seed: u8) -> NodeId {
    IdentityKey::from_seed(&[seed; 32]).node_id()
}

fn public(key: &[u8; 32]) -> SealingPublicKey {
    SealingKey::from_bytes(key).public_key()
}

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}
