//! What passes between a candidate and an authority.

use core::time::Duration;

use super::kinds::{Kind, add, decode};
use super::{NOW, rng};
use crate::certificate::{LEAF_LIFE, VerifiedCertificate};
use crate::codec;
use crate::control::{Admission, Guid, MachineId, Mode};
use crate::enrolment::{
    Answered, Asked, Authority, AuthorityKey, EnrolAnswer, EnrolRequest, Hope, KeyRequest, Origin, Prospect,
    Requested, Verdict,
};
use crate::identity::{IdentityKey, NodeKeys, SealingKey};
use crate::label::Label;
use crate::message;
use crate::revocation::RevocationList;

/// A stranger that has nothing.
fn hope(keys: &NodeKeys) -> Hope {
    let network = "shop.lan".parse().unwrap();
    Hope {
        name: "till".parse().unwrap(),
        pinned: false,
        invite: None,
        password: None,
        guid: Guid::of(&MachineId::default(), keys.node_id(), &network),
        replace: false,
        own: None,
        confirmed: false,
    }
}

/// A candidate on its way into a network: made anew for each attempt, for every step consumes the one before.
pub(super) struct Enrolment {
    authority: Authority,
    leaf: VerifiedCertificate,
    candidate: NodeKeys,
    asked: Asked,
    key_request: KeyRequest,
}

impl Enrolment {
    /// The node that is authority, provider and minter.
    pub(super) fn authority_keys() -> NodeKeys {
        NodeKeys { identity: IdentityKey::from_seed(&[20; 32]), sealing: SealingKey::from_bytes(&[21; 32]) }
    }

    fn new() -> Self {
        let keys = Self::authority_keys();
        let candidate = NodeKeys {
            identity: IdentityKey::from_seed(&[10; 32]),
            sealing: SealingKey::from_bytes(&[11; 32]),
        };
        let (network, name) = ("shop.lan".parse().unwrap(), "office".parse().unwrap());
        let how = (Admission::only(Mode::Open), LEAF_LIFE);
        let (authority, issued) = Authority::create(network, name, how, &keys, NOW, &mut rng()).unwrap();
        let prospect = Prospect {
            network: authority.anchor().network().clone(),
            root: authority.anchor().fingerprint(),
            node: keys.node_id(),
        };
        let (asked, key_request) = Asked::stranger(&candidate, hope(&candidate), prospect, &mut rng());
        Self { authority, leaf: issued.answer, candidate, asked, key_request }
    }

    fn origin(&self) -> Origin {
        let address = core::net::IpAddr::from([10, 77, 0, 2]);
        Origin { node: self.candidate.node_id(), address, attached: true }
    }

    fn key(&mut self) -> AuthorityKey {
        let (origin, keys) = (self.origin(), Self::authority_keys());
        let answer =
            self.authority.key_request(&self.key_request, origin, &keys, &self.leaf, NOW, &mut rng());
        answer.unwrap().answer
    }

    /// What the candidate makes of an answer to its request for the key.
    fn believe(self, answer: AuthorityKey) -> Option<(Authority, NodeKeys, Requested, EnrolRequest)> {
        let Answered { requested, request, .. } =
            self.asked.answered(answer, &self.candidate, (NOW, Duration::ZERO), &mut rng()).ok()?;
        Some((self.authority, self.candidate, requested, request))
    }

    fn admit(mut self, offered: Option<&[u8]>) -> Option<(EnrolRequest, EnrolAnswer, Requested, NodeKeys)> {
        let (origin, key) = (self.origin(), self.key());
        let (mut authority, candidate, requested, request) = self.believe(key)?;
        let request = match offered {
            Some(bytes) => codec::decode::<_, { message::FRAME_MAX }>(bytes).ok()?,
            None => request,
        };
        let issued = authority
            .enrol(&request, origin, (&Self::authority_keys(), &RevocationList::default()), NOW, &mut rng())
            .ok()?;
        let Verdict::Admitted(answer, _) = issued.answer else { return None };
        Some((request, answer, requested, candidate))
    }
}

pub(super) fn enrolments(kinds: &mut Vec<Kind>) {
    let key = Enrolment::new().key();
    add(kinds, "authority's key", Some(Label::AuthorityKey), codec::encode(&key), |bytes| {
        decode(bytes).is_some_and(|key| {
            let mut enrolment = Enrolment::new();
            enrolment.key();
            enrolment.believe(key).is_some()
        })
    });
    add(kinds, "retry token", Some(Label::RetryToken), key.token, |bytes| {
        let mut enrolment = Enrolment::new();
        let (origin, mut key) = (enrolment.origin(), enrolment.key());
        // The authority's own answer with this token in it, so that everything else fits.
        key.token = bytes.to_vec();
        let digest = enrolment.key_request.digest();
        key.signature = Enrolment::authority_keys().identity.sign(Label::AuthorityKey, &key.signed(digest));
        enrolment.believe(key).is_some_and(|(mut authority, _, _, request)| {
            authority
                .enrol(
                    &request,
                    origin,
                    (&Enrolment::authority_keys(), &RevocationList::default()),
                    NOW,
                    &mut rng(),
                )
                .is_ok()
        })
    });
    let (request, answer, _, _) = Enrolment::new().admit(None).unwrap();
    add(kinds, "sealed request", Some(Label::CertificateRequest), codec::encode(&request), |bytes| {
        Enrolment::new().admit(Some(bytes)).is_some()
    });
    add(kinds, "sealed certificate", Some(Label::CertificateAnswer), answer.ciphertext, |bytes| {
        let (_, _, requested, candidate) = Enrolment::new().admit(None).unwrap();
        requested.answered(&EnrolAnswer { ciphertext: bytes.to_vec() }, &candidate, NOW).is_ok()
    });
}
