use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use core::time::Duration;

use super::*;
use crate::certificate::{LEAF_LIFE_MAX, Role, Subject, Validity, issue_ca, issue_leaf};
use crate::identity::{CaKey, Fingerprint, IdentityKey, SealingKey};

const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A record says something new, or is a day old: the greeting that every connection begins with writes nothing.
#[test]
fn a_peer_that_has_not_changed_is_written_once_a_day() {
    let (network, mut peers) = (Network::new(), Peers::default());
    let till = network.leaf(1, "till", NOW);
    assert_eq!(erased_and_set(&peers.learn(till.clone(), at(1), NOW)), (0, 1));
    for (addresses, passed, written) in [
        (at(1), HOUR, 0),
        (Addresses::default(), HOUR * 2, 0),
        (at(1), HOUR * 23, 0),
        (at(1), HOUR * 24, 1),
        (at(1), HOUR * 25, 0),
        (at(2), HOUR * 26, 1),
        (at(2), HOUR * 27, 0),
    ] {
        let writes = peers.learn(till.clone(), addresses, NOW.after(passed));
        assert_eq!(erased_and_set(&writes), (0, written), "after {passed:?}");
    }
    let renewed = network.leaf(1, "till", NOW.after(HOUR * 28));
    assert_eq!(erased_and_set(&peers.learn(renewed.clone(), at(2), NOW.after(HOUR * 28))), (0, 1));
    // The clock was set back: what is on record lies in the future.
    assert_eq!(erased_and_set(&peers.learn(renewed, at(2), NOW.after(HOUR * 27))), (0, 1));
}

/// What was kept is what the next start knows, and it is not written again.
#[test]
fn a_loaded_record_is_not_written_again() {
    let (network, mut peers) = (Network::new(), Peers::default());
    let till = network.leaf(1, "till", NOW);
    let records = records(peers.learn(till.clone(), at(1), NOW));
    let mut peers = Peers::default();
    assert_eq!(peers.load(&records[0], &network.anchor, NOW), Remembered::Known);
    assert_eq!(erased_and_set(&peers.learn(till, at(1), NOW.after(HOUR))), (0, 0));
}

#[test]
fn a_name_that_has_moved_takes_the_old_record_along() {
    let (network, mut peers) = (Network::new(), Peers::default());
    let _ = peers.learn(network.leaf(1, "till", NOW), at(1), NOW);
    let writes = peers.learn(network.leaf(2, "till", NOW), at(2), NOW);
    assert_eq!(erased_and_set(&writes), (1, 1));
    assert_eq!(writes[0].key, network.leaf(1, "till", NOW).node_id().as_bytes());
}

#[test]
fn a_peer_is_forgotten_90_days_after_its_end() {
    let (network, mut peers) = (Network::new(), Peers::default());
    let till = network.leaf(1, "till", NOW);
    let end = till.not_after().after(FORGOTTEN_AFTER);
    let record = records(peers.learn(till, at(1), NOW)).remove(0);
    let load = |now| Peers::default().load(&record, &network.anchor, now);
    assert_eq!(load(Timestamp::from_millis(end.as_millis() - 1)), Remembered::Known);
    assert_eq!(load(end), Remembered::Spent);
}

/// Whoever has to give way leaves nothing behind: not in the table that is full, nor in a store that holds more
/// than fits.
#[test]
fn a_peer_that_gave_way_is_erased() {
    let network = Network::new();
    let till = network.leaf(1, "till", NOW);
    let mut full = Peers::default();
    let _ = full.learn(till.clone(), at(1), NOW);
    for number in 1..PEERS_MAX as u64 {
        // Connected, so they rank higher than one that is not.
        let node = IdentityKey::from_seed(&seed(number + 1)).node_id();
        full.connected(node, at(1).control[0], false, NOW);
        full.known.set_certificate(node, Some(till.clone()));
    }
    full.known.set_certificate(till.node_id(), None);
    let writes = full.learn(network.leaf(9_999, "newcomer", NOW), at(2), NOW);
    assert_eq!(erased_and_set(&writes), (1, 1));
    assert_eq!(writes[0].key, till.node_id().as_bytes());

    let record = records(Peers::default().learn(till, at(1), NOW)).remove(0);
    assert_eq!(full.load(&record, &network.anchor, NOW), Remembered::Spent);
}

/// B4: a greeting that a renewal has overtaken does not bring the old certificate back, for which every request of the
/// peer's would be refused; on a new connection the peer shows what it has.
#[test]
fn an_older_certificate_that_arrives_late_is_not_gone_back_to() {
    let (network, mut peers) = (Network::new(), Peers::default());
    let later = NOW.after(Duration::from_hours(1));
    let (old, new) = (network.leaf(1, "till", NOW), network.leaf(1, "till", later));
    let node = old.node_id();
    peers.connected(node, ([10, 77, 0, 1], 4610).into(), true, later);
    let shown = |peers: &mut Peers, certificate: &VerifiedCertificate| {
        let proven = certificate.clone().prove(node).unwrap();
        let writes = peers.authenticated(proven, at(1), later);
        let member = peers.member(node, later).unwrap().certificate().clone();
        (writes.len(), member.digest(), peers.certificate(node, later).unwrap().digest())
    };
    assert_eq!(shown(&mut peers, &old), (1, old.digest(), old.digest()));
    assert_eq!(shown(&mut peers, &new), (1, new.digest(), new.digest()));
    assert_eq!(shown(&mut peers, &old), (0, new.digest(), new.digest()));
    peers.disconnected(node, later);
    assert_eq!(shown(&mut peers, &old), (1, old.digest(), old.digest()));
}

struct Network {
    key: CaKey,
    anchor: TrustAnchor,
}

impl Network {
    fn new() -> Self {
        let key = CaKey::from_seed(&[1; 32]);
        let network = "shop.lan".parse().unwrap();
        let ca = issue_ca(&key, &network, NOW, &mut rng(0)).unwrap();
        let anchor = TrustAnchor::new(ca, Fingerprint::of(&key.public_key()), network).unwrap();
        Self { key, anchor }
    }

    fn leaf(&self, node: u64, name: &str, now: Timestamp) -> VerifiedCertificate {
        let subject = Subject {
            name: name.parse().unwrap(),
            network: self.anchor.network().clone(),
            entity: "shop".parse().unwrap(),
            role: Role::Member,
            node: IdentityKey::from_seed(&seed(node)).node_id(),
            sealing: SealingKey::from_bytes(&seed(node)).public_key(),
        };
        let validity = Validity::starting(now, LEAF_LIFE_MAX).unwrap();
        let leaf = issue_leaf(&self.key, &self.anchor, subject, validity, &mut rng(node)).unwrap();
        certificate::verify(&self.anchor, &leaf, now).unwrap()
    }
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn seed(number: u64) -> [u8; 32] {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    seed
}

fn at(host: u8) -> Addresses {
    Addresses { control: vec![([10, 77, 0, host], 4610).into()], lane: Vec::new() }
}

fn erased_and_set(writes: &[Write]) -> (usize, usize) {
    let erased = writes.iter().filter(|write| write.value.is_none()).count();
    (erased, writes.len() - erased)
}

fn records(writes: Vec<Write>) -> Vec<Record> {
    let record = |write: Write| Some(Record { table: write.table, key: write.key, value: write.value? });
    writes.into_iter().filter_map(record).collect()
}
