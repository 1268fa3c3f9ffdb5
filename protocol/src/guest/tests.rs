//! A guest and a provider, and whoever stands between them or guesses.

use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use zeroize::Zeroizing;

use super::*;
use crate::certificate::{CertificateDer, SKEW};
use crate::enrolment::{Issued, Origin, Share};
use crate::identity::{IdentityKey, NodeKeys, SealingKey, Secret};
use crate::record::{Record, Table, Write};
use crate::reject::Reject;
use crate::ticket::vectors::World;
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);
const HOUR: Duration = Duration::from_secs(60 * 60);

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// What a password has been stretched to.
fn secret(byte: u8) -> Secret {
    Secret::new(Zeroizing::new([byte; 32]))
}

fn service(name: &str) -> ServiceName {
    name.parse().unwrap()
}

fn keys(seed: u8) -> NodeKeys {
    let (identity, sealing) = (IdentityKey::from_seed(&[seed; 32]), SealingKey::from_bytes(&[seed; 32]));
    NodeKeys { identity, sealing }
}

/// The provider `nas`, whose service `db` has a password.
struct Nas {
    world: World,
    leaf: CertificateDer,
    guests: Guests,
    seed: u8,
}

impl Nas {
    fn new() -> Self {
        let world = World::new();
        let leaf = world.leaf(&world.provider, "nas").der().clone();
        let mut guests = Guests::default();
        assert!(guests.set(service("db"), Some(Kept::new(secret(1), NOW, &mut rng(99)))).is_none());
        Self { world, leaf, guests, seed: 0 }
    }

    fn id(&self) -> NodeId {
        self.world.provider.node_id()
    }

    /// What it answers to a share that comes from an address which ends in `address`.
    fn answer(
        &mut self,
        request: &GuestRequest,
        address: u8,
        now: Timestamp,
    ) -> Result<Issued<GuestOffer>, Reject> {
        self.seed += 1;
        let granted = request.service == service("db");
        let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, address));
        let origin = Origin { node: request.identity, address, attached: true };
        let lane = vec!["10.0.0.2:4611".parse().unwrap()];
        let me = Identity { node: self.id(), leaf: &self.leaf, ca: self.world.anchor.der(), lane };
        self.guests.answer(request, granted, origin, me, now, &mut rng(self.seed))
    }
}

/// A guest with these keys, who takes this for the password.
fn guest(nas: &Nas, key: u8, password: u8, name: &str) -> Knocking {
    let wanted = format!("{name}@nas").parse().unwrap();
    Knocking::new(&secret(password), &wanted, nas.id(), &keys(key), &mut rng(key))
}

fn kept(write: &Write) -> Record {
    Record { table: write.table, key: write.key.clone(), value: write.value.clone().unwrap() }
}

/// R-L7: whoever knows the password is believed, both ways, and it costs no guess.
#[test]
fn who_knows_the_password_is_a_guest() {
    let mut nas = Nas::new();
    for round in 0..40 {
        let knocking = guest(&nas, 60, 1, "db");
        let offer = nas.answer(knocking.request(), 9, NOW).unwrap();
        assert_eq!(offer.writes.len(), 1, "charged first");
        let (welcomed, proof) = knocking.believe(offer.answer, NOW).unwrap();
        assert_eq!(welcomed.provider.name().as_str(), "nas");
        let proven = nas.guests.prove(keys(60).node_id(), &proof, NOW).unwrap();
        assert_eq!(proven.writes.len(), 1, "taken back, round {round}");
        let proven = proven.answer;
        assert_eq!((proven.node_id(), proven.service()), (keys(60).node_id(), &service("db")));
        assert_eq!((proven.nonce(), proven.exchange()), (welcomed.nonce, welcomed.exchange));
        assert_eq!(proven.password(), nas.guests.marks()[&service("db")]);
    }
    assert_eq!(nas.guests.standings(NOW).map(|standing| standing.wrong).collect::<Vec<_>>(), [0]);
}

/// A3, A16: with another password neither side believes the other, and each try is one guess.
#[test]
fn who_knows_another_password_is_none() {
    let mut nas = Nas::new();
    let knocking = guest(&nas, 60, 2, "db");
    let offer = nas.answer(knocking.request(), 9, NOW).unwrap().answer;
    assert_eq!(knocking.believe(offer, NOW).err(), Some(VisitError::Password));
    for confirmation in [[0; 32], [7; 32]] {
        let knocking = guest(&nas, 60, 2, "db");
        let _ = nas.answer(knocking.request(), 9, NOW).unwrap();
        let refused = nas.guests.prove(keys(60).node_id(), &GuestProof { confirmation }, NOW).unwrap_err();
        assert_eq!((refused.reject, refused.writes.len()), (Reject::Password, 0));
    }
    assert_eq!(nas.guests.standings(NOW).next().unwrap().wrong, 3);
}

/// A16, I2: ten guesses an hour and thirty a day, from wherever; then it rests, says for how long, and is not tried. It
/// is remembered.
#[test]
fn a_password_that_is_guessed_at_rests() {
    let mut nas = Nas::new();
    let (mut guesses, mut last) = (0, None);
    for minute in 0..24 * 60 {
        let now = NOW.after(Duration::from_secs(minute * 60));
        // Each time somebody else, from somewhere else.
        let knocking = guest(&nas, u8::try_from(minute % 200).unwrap(), 2, "db");
        match nas.answer(knocking.request(), u8::try_from(minute % 250).unwrap(), now) {
            Ok(offer) => {
                guesses += 1;
                last = offer.writes.into_iter().next();
            }
            Err(Reject::GuestsRest(seconds)) => {
                assert!((1..=24 * 60 * 60).contains(&seconds));
                if guesses == 10 {
                    assert_eq!(u64::from(seconds), 3600 - minute * 60);
                }
            }
            Err(other) => panic!("{other:?}"),
        }
        nas.seed = 0;
    }
    assert_eq!(guesses, 30);
    let (again, unread) = Guests::load([kept(&last.unwrap())].iter());
    assert!(unread.is_empty() && again.standings(NOW.after(3 * HOUR)).next().unwrap().wrong == 30);
    assert!(again.standings(NOW.after(3 * HOUR)).next().unwrap().rests_for > Some(20 * HOUR));
}

/// I2, D4: one address has thirty wrong guesses in ten minutes, at whatever it guesses; others are not kept out by it.
#[test]
fn an_address_that_guesses_waits() {
    let mut nas = Nas::new();
    for number in 0..30 {
        let knocking = guest(&nas, 60, 2, &format!("s{number}"));
        let _ = nas.answer(knocking.request(), 9, NOW).unwrap();
    }
    let knocking = guest(&nas, 60, 1, "db");
    assert_eq!(nas.answer(knocking.request(), 9, NOW).unwrap_err(), Reject::TooManyGuesses);
    assert!(nas.answer(knocking.request(), 10, NOW).is_ok());
}

/// A14: a share that is turned back on the side that sent it, or is of the other role, gives nothing, and costs nothing.
#[test]
fn a_share_turned_back_is_refused() {
    let mut nas = Nas::new();
    let knocking = guest(&nas, 60, 1, "db");
    let (own, mut offer) =
        (knocking.request().share.clone(), nas.answer(knocking.request(), 9, NOW).unwrap().answer);
    let theirs = core::mem::replace(&mut offer.share, own);
    assert_eq!(knocking.believe(offer, NOW).err(), Some(VisitError::Password));
    let wrong = nas.guests.standings(NOW).next().unwrap().wrong;
    let request = GuestRequest { share: theirs, ..guest(&nas, 61, 1, "db").request().clone() };
    assert_eq!(nas.answer(&request, 10, NOW).unwrap_err(), Reject::Invalid);
    assert_eq!(nas.guests.standings(NOW).next().unwrap().wrong, wrong);
}

/// A13: a proof is good once, in its own exchange, from its own node, within thirty seconds.
#[test]
fn a_proof_is_good_once_and_in_one_exchange() {
    let mut nas = Nas::new();
    let (mine, other) = (keys(60).node_id(), keys(61).node_id());
    let exchange = |nas: &mut Nas| {
        let knocking = guest(nas, 60, 1, "db");
        let offer = nas.answer(knocking.request(), 9, NOW).unwrap().answer;
        knocking.believe(offer, NOW).unwrap().1
    };
    let proof = exchange(&mut nas);
    assert_eq!(nas.guests.prove(other, &proof, NOW).unwrap_err().reject, Reject::Retry);
    assert!(nas.guests.prove(mine, &proof, NOW).is_ok());
    assert_eq!(nas.guests.prove(mine, &proof, NOW).unwrap_err().reject, Reject::Retry);
    let _ = exchange(&mut nas);
    assert_eq!(nas.guests.prove(mine, &proof, NOW).unwrap_err().reject, Reject::Password);
    let late = exchange(&mut nas);
    let later = NOW.after(Duration::from_secs(30));
    assert_eq!(nas.guests.prove(mine, &late, later).unwrap_err().reject, Reject::Retry);
}

/// A14, A12: whatever is altered on the way, in either direction, the other side does not believe it.
#[test]
fn nothing_that_is_said_can_be_exchanged() {
    let alter: [fn(&mut GuestRequest); 4] = [
        |request| request.nonce[0] ^= 1,
        |request| request.sealing = keys(66).sealing.public_key(),
        |request| request.provider = "nas-2".parse().unwrap(),
        |request| request.identity = keys(66).node_id(),
    ];
    for alter in alter {
        let mut nas = Nas::new();
        let knocking = guest(&nas, 60, 1, "db");
        let mut request = knocking.request().clone();
        alter(&mut request);
        let offer = nas.answer(&request, 9, NOW).unwrap().answer;
        assert_eq!(knocking.believe(offer, NOW).err(), Some(VisitError::Password));
    }
    let world = World::new();
    let other = world.leaf(&world.requester, "nas").der().clone();
    let alter: [&dyn Fn(&mut GuestOffer); 5] = [
        &|offer| offer.leaf = other.clone(),
        &|offer| offer.ca = offer.leaf.clone(),
        &|offer| offer.lane = vec!["10.6.6.6:4611".parse().unwrap()],
        &|offer| offer.confirmation[31] ^= 1,
        &|offer| offer.share = flipped(&offer.share),
    ];
    for alter in alter {
        let mut nas = Nas::new();
        let knocking = guest(&nas, 60, 1, "db");
        let mut offer = nas.answer(knocking.request(), 9, NOW).unwrap().answer;
        alter(&mut offer);
        assert_eq!(knocking.believe(offer, NOW).err(), Some(VisitError::Password));
    }
}

fn flipped(share: &Share) -> Share {
    let mut bytes = crate::codec::encode(share);
    bytes[9] ^= 1;
    crate::codec::decode::<_, 64>(&bytes).unwrap()
}

/// A12, B12: who knows the password and is another node, by its certificate or its name, or whose certificate has ended,
/// is not believed.
#[test]
fn a_provider_is_the_one_that_was_meant() {
    let wanted = "db@nas".parse().unwrap();
    let (elsewhere, mut nas) = (keys(77).node_id(), Nas::new());
    let knocking = Knocking::new(&secret(1), &wanted, elsewhere, &keys(60), &mut rng(60));
    let offer = nas.answer(knocking.request(), 9, NOW).unwrap().answer;
    assert_eq!(
        knocking.believe(offer, NOW).err(),
        Some(VisitError::Password),
        "both ids are in the exchange"
    );
    nas.leaf = nas.world.leaf(&nas.world.requester, "nas").der().clone();
    let knocking = guest(&nas, 60, 1, "db");
    let offer = nas.answer(knocking.request(), 9, NOW).unwrap().answer;
    assert!(matches!(knocking.believe(offer, NOW), Err(VisitError::Certificate(_))), "another's certificate");
    nas.leaf = nas.world.leaf(&nas.world.provider, "office").der().clone();
    let knocking = guest(&nas, 60, 1, "db");
    let offer = nas.answer(knocking.request(), 9, NOW).unwrap().answer;
    assert_eq!(knocking.believe(offer, NOW).err(), Some(VisitError::Other("office".parse().unwrap())));
    let by_id = format!("db@{}", nas.id()).parse().unwrap();
    let knocking = Knocking::new(&secret(1), &by_id, nas.id(), &keys(60), &mut rng(60));
    let offer = nas.answer(knocking.request(), 10, NOW).unwrap().answer;
    assert!(knocking.believe(offer.clone(), NOW).is_ok(), "whatever it is called");
    let knocking = Knocking::new(&secret(1), &by_id, nas.id(), &keys(60), &mut rng(60));
    let ended = NOW.after(crate::certificate::LEAF_LIFE).after(SKEW + SKEW);
    assert!(matches!(knocking.believe(offer, ended), Err(VisitError::Certificate(_))));
}

/// I1: of a service that guests may not use, or that there is not, nothing can be told from one that they may: not by
/// the answer, nor by what is written, nor by when it rests. D4: it takes no more room than that.
#[test]
fn a_service_for_guests_looks_like_any_other() {
    let mut nas = Nas::new();
    assert!(nas.guests.set(service("ssh"), Some(Kept::new(secret(1), NOW, &mut rng(99)))).is_none());
    let mut answers = Vec::new();
    // Granted; with a password but not granted; no such service.
    for name in ["db", "ssh", "ftp"] {
        let mut looks = Vec::new();
        for number in 0..11 {
            let knocking = guest(&nas, 60, if name == "db" { 2 } else { 1 }, name);
            match nas.answer(knocking.request(), 10 * number, NOW) {
                Ok(Issued { answer, writes }) => {
                    looks.push((crate::codec::encode(&answer).len(), writes.len(), None));
                    assert!(writes.iter().all(|write| write.table == Table::Guests && write.value.is_some()));
                    assert_eq!(knocking.believe(answer, NOW).err(), Some(VisitError::Password));
                    let proof = GuestProof { confirmation: [3; 32] };
                    let refused = nas.guests.prove(keys(60).node_id(), &proof, NOW).unwrap_err();
                    assert_eq!(refused.reject, Reject::Password);
                }
                Err(reject) => looks.push((0, 0, Some(reject))),
            }
        }
        assert_eq!(looks[10].2, Some(Reject::GuestsRest(3600)), "{name}");
        answers.push(looks);
    }
    assert!(answers[0] == answers[1] && answers[1] == answers[2]);
    for number in 0..200 {
        let knocking = guest(&nas, 60, 1, &format!("s{number}"));
        let _ = nas.answer(knocking.request(), number, NOW.after(HOUR));
    }
    assert_eq!(nas.guests.services().count(), 2);
    assert_eq!(nas.guests.len(), 2 + 64);
}

/// A password that is set again, though it be the same, ends what was begun with the one before.
#[test]
fn a_proof_of_the_password_before_is_none() {
    let mut nas = Nas::new();
    let knocking = guest(&nas, 60, 1, "db");
    let offer = nas.answer(knocking.request(), 9, NOW).unwrap().answer;
    let (_, proof) = knocking.believe(offer, NOW).unwrap();
    assert!(nas.guests.set(service("db"), Some(Kept::new(secret(1), NOW, &mut rng(98)))).is_some());
    let refused = nas.guests.prove(keys(60).node_id(), &proof, NOW).unwrap_err();
    assert_eq!(refused.reject, Reject::Password);
}

/// F4: a record that is damaged is named, and makes nobody a guest.
#[test]
fn a_damaged_record_makes_nobody_a_guest() {
    let good = Kept::new(secret(1), NOW, &mut rng(99)).write(&service("db"));
    let cut = |record: Record| Record { value: record.value[..5].to_vec(), ..record };
    for record in [cut(kept(&good)), Record { key: b"D B".to_vec(), ..kept(&good) }] {
        let (guests, unread) = Guests::load([record].iter());
        assert_eq!((guests.services().count(), unread.len()), (0, 1));
    }
    let (guests, unread) = Guests::load([kept(&good)].iter());
    assert!(guests.has(&service("db")) && unread.is_empty());
}
