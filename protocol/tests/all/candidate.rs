//! Candidates that are not this project's nodes, before an authority that is.

use core::net::Ipv4Addr;
use std::time::Duration;

use lanyard_protocol::certificate::{LEAF_LIFE, VerifiedCertificate};
use lanyard_protocol::control::{Guid, MachineId};
use lanyard_protocol::enrolment::{
    Answered, Asked, Authority, EnrolRequest, Hope, Issued, Origin, Prospect, Requested, Verdict,
};
use lanyard_protocol::identity::NodeKeys;
use lanyard_protocol::reject::Reject;
use lanyard_protocol::revocation::RevocationList;
use lanyard_protocol::time::Timestamp;
use rand_chacha::ChaCha20Rng;

use crate::pair::rng;

const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

/// An authority that admits whoever comes, and a candidate without an engine.
struct Desk {
    authority: Authority,
    leaf: VerifiedCertificate,
    keys: NodeKeys,
    candidate: NodeKeys,
    rng: ChaCha20Rng,
}

impl Desk {
    /// The authority is called `name`.
    fn new(seed: u64, name: &str) -> Self {
        let mut rng = rng(seed);
        let [keys, candidate] = core::array::from_fn(|_| NodeKeys::generate(&mut rng));
        let (network, name) = ("shop.lan".parse().unwrap(), name.parse().unwrap());
        let rule = ("open".parse().unwrap(), LEAF_LIFE);
        let (authority, founded) = Authority::create(network, name, rule, &keys, NOW, &mut rng).unwrap();
        Self { authority, leaf: founded.answer, keys, candidate, rng }
    }

    fn origin(&self) -> Origin {
        let address = Ipv4Addr::new(192, 168, 1, 7).into();
        Origin { node: self.candidate.node_id(), address, attached: true }
    }

    /// The candidate's request for a certificate with that name.
    fn request(&mut self, name: &str) -> (Requested, EnrolRequest) {
        let anchor = self.authority.anchor();
        let (network, root) = (anchor.network().clone(), anchor.fingerprint());
        let hope = Hope {
            name: name.parse().unwrap(),
            pinned: true,
            invite: None,
            password: None,
            guid: Guid::of(&MachineId::default(), self.candidate.node_id(), &network),
            replace: false,
            own: None,
            confirmed: false,
        };
        let prospect = Prospect { network, root, node: self.keys.node_id() };
        let (asked, request) = Asked::stranger(&self.candidate, hope, prospect, &mut self.rng);
        let (origin, rng) = (self.origin(), &mut self.rng);
        let key = self.authority.key_request(&request, origin, &self.keys, &self.leaf, NOW, rng).unwrap();
        let time = (NOW, Duration::from_secs(60));
        let answered = asked.answered(key.answer, &self.candidate, time, rng).unwrap();
        let Answered { requested, request, .. } = answered;
        (requested, request)
    }

    fn enrol(&mut self, request: &EnrolRequest, now: Timestamp) -> Result<Verdict, Reject> {
        let (origin, nobody) = (self.origin(), RevocationList::default());
        let me = (&self.keys, &nobody);
        let enrolled = self.authority.enrol(request, origin, me, now, &mut self.rng);
        enrolled.map(|Issued { answer, .. }| answer).map_err(|refused| refused.reject)
    }
}

/// A21: a candidate that does not look at its name is not enrolled under what reads as the beginning of another's id.
#[test]
fn a_name_that_reads_as_an_id_is_not_enrolled() {
    let mut desk = Desk::new(901, "office");
    for name in ["deadbeef", "0123456789", &desk.keys.node_id().short()] {
        let (_, request) = desk.request(name);
        assert!(matches!(desk.enrol(&request, NOW), Err(Reject::Invalid)), "{name}");
    }
    let (requested, request) = desk.request("cafe");
    let Ok(Verdict::Admitted(answer, None)) = desk.enrol(&request, NOW) else { panic!("not admitted") };
    requested.answered(&answer, &desk.candidate, NOW).unwrap();
}

/// A21: who has such a name from before keeps it.
#[test]
fn a_name_from_before_is_kept() {
    let mut desk = Desk::new(902, "deadbeef");
    let later = NOW.after(LEAF_LIFE / 2);
    let renewed = desk.authority.renew_own(&desk.leaf, later, &mut desk.rng).unwrap().answer;
    assert_eq!(renewed.name().as_str(), "deadbeef");
}

/// A12: a request that is sent again is answered to the candidate that the connection has proven and to nobody else, and
/// not once its token has ended: no more than that keeps two answers under one key from being compared.
#[test]
fn a_request_sent_again_is_answered_to_its_candidate_alone() {
    let mut desk = Desk::new(903, "office");
    let (requested, request) = desk.request("till");
    let Ok(Verdict::Admitted(first, None)) = desk.enrol(&request, NOW) else { panic!("not admitted") };
    assert!(matches!(desk.enrol(&request, NOW.after(Duration::from_secs(29))), Ok(Verdict::Admitted(..))));
    assert!(matches!(desk.enrol(&request, NOW.after(Duration::from_secs(30))), Err(Reject::Retry)));
    requested.answered(&first, &desk.candidate, NOW).unwrap();
    desk.candidate = NodeKeys::generate(&mut desk.rng);
    assert!(matches!(desk.enrol(&request, NOW), Err(Reject::Retry)));
}
