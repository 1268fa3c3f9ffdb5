use core::time::Duration;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::*;
use crate::certificate::{LEAF_LIFE, Subject, TrustAnchor, Validity, Verified, issue_ca, issue_leaf, verify};
use crate::engine::peers::{Greeting, PEERS_OF_AUTHORITY};
use crate::engine::{Setup, load};
use crate::hello::Addresses;
use crate::identity::{CaKey, Fingerprint, IdentityKey, SealingKey};
use crate::snapshot::Member;

const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

fn key(number: u64) -> IdentityKey {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    IdentityKey::from_seed(&seed)
}

fn connection() -> Connection {
    Connection { remote: ([10, 77, 0, 9], 4610).into(), attached: true, dialled: None }
}

/// A network, and a node that is a member of it.
struct Network {
    ca: CaKey,
    anchor: TrustAnchor,
    engine: Engine,
}

impl Network {
    fn new() -> Self {
        let ca = CaKey::from_seed(&[1; 32]);
        let network = "shop.lan".parse().unwrap();
        let der = issue_ca(&ca, &network, NOW, &mut rng()).unwrap();
        let anchor = TrustAnchor::new(der, Fingerprint::of(&ca.public_key()), network).unwrap();
        let engine = load::engine(Setup::default(), NOW, Box::new(rng())).unwrap();
        let mut network = Self { ca, anchor, engine };
        let (node, sealing) = (network.engine.node_id(), network.engine.keys.sealing.public_key());
        let own = network.leaf(node, sealing);
        let member = Member::new(network.anchor.clone(), own, Verified::default());
        network.engine.membership.member = Some(Arc::new(member));
        network
    }

    fn leaf(&self, node: NodeId, sealing: crate::identity::SealingPublicKey) -> VerifiedCertificate {
        let subject = Subject {
            name: format!("node-{}", node.short()).parse().unwrap(),
            network: self.anchor.network().clone(),
            entity: "shop".parse().unwrap(),
            role: Role::Member,
            node,
            sealing,
        };
        let validity = Validity::starting(NOW, LEAF_LIFE).unwrap();
        let der = issue_leaf(&self.ca, &self.anchor, subject, validity, &mut rng()).unwrap();
        verify(&self.anchor, &der, NOW).unwrap()
    }

    fn hello(&self, number: u64) -> (NodeId, Hello) {
        let node = key(number).node_id();
        let leaf = self.leaf(node, SealingKey::from_bytes(&[9; 32]).public_key());
        (
            node,
            Hello {
                certificate: leaf.der().clone(),
                addresses: Addresses::default(),
                revocations: 0,
                policy: 0,
            },
        )
    }

    fn greets(&mut self, number: u64) -> Response {
        let (node, hello) = self.hello(number);
        let bytes = message::frame(&Request::Hello(hello));
        self.engine.handle_connected(node, connection(), NOW);
        self.engine.handle_request(node, connection(), InboundId(number), &bytes, NOW);
        let mut answer = None;
        while let Some(output) = self.engine.poll_output() {
            if let Output::Respond { message, .. } = output {
                answer = message::parse(&message).ok();
            }
        }
        answer.unwrap()
    }
}

/// D4: who finds no room is told to come again, and not answered as a member that is then not known.
#[test]
fn a_member_for_whom_there_is_no_room_is_told_so() {
    let mut network = Network::new();
    let (first, hello) = network.hello(0);
    let member = network.engine.active_member().unwrap();
    let proven = member.authenticate(&hello, first, NOW).unwrap();
    for number in 0..PEERS_OF_AUTHORITY as u64 {
        let node = key(number).node_id();
        network.engine.peers.connected(node, connection().remote, false, NOW);
        network.engine.peers.set_greeting(node, Greeting::Done(Box::new(proven.clone())));
    }
    let newcomer = key(PEERS_OF_AUTHORITY as u64).node_id();
    assert_eq!(network.greets(PEERS_OF_AUTHORITY as u64), Response::Reject(Reject::Busy));
    assert!(network.engine.peers.member(newcomer, NOW).is_none());
    // One that is known is answered as ever.
    assert!(matches!(network.greets(5), Response::Hello(_)));

    network.engine.handle_disconnected(first, NOW.after(Duration::from_secs(1)));
    assert!(matches!(network.greets(PEERS_OF_AUTHORITY as u64), Response::Hello(_)));
    assert!(network.engine.peers.member(newcomer, NOW).is_some());
}
