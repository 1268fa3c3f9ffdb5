//! What is issued is believed, within the bounds of what may be issued.

use super::*;

#[test]
fn issued_certificates_verify_and_say_what_they_were_issued_for() {
    let certificate = verify(&anchor(), &leaf(), NOW).unwrap();
    assert_eq!(certificate.subject(), &subject());
    assert_eq!(certificate.node_id(), identity().node_id());
    assert_eq!(certificate.sealing_key(), &sealing().public_key());
    assert_eq!(certificate.role(), Role::Member);
    assert_eq!(certificate.not_before(), NOW.before(BACKDATE));
    assert_eq!(certificate.not_after(), NOW.after(LEAF_LIFE));
    assert_eq!(certificate.der(), &leaf());
    assert_eq!(certificate.digest(), leaf().digest());
    assert_eq!(certificate.check_time(NOW), Ok(()));
}

/// B3, B4: what was verified before is looked at again: the time, and under which anchor that was.
#[test]
fn a_known_certificate_is_verified_again_by_time_and_anchor() {
    let verified = Verified::default();
    let known = verified.verify(&anchor(), &leaf(), NOW).unwrap();
    let again = |now| verified.clone().verify(&anchor(), &leaf(), now);
    assert_eq!(again(NOW).unwrap(), known);
    assert!(core::ptr::eq(again(NOW).unwrap().der(), known.der()), "it was verified twice");
    let late = NOW.after(LEAF_LIFE + SKEW + SKEW);
    assert!(matches!(again(late), Err(CertificateError::Expired { .. })));
    assert!(matches!(
        again(NOW.before(LEAF_LIFE)),
        Err(CertificateError::NotYetValid { .. } | CertificateError::AuthorityNotYetValid { .. })
    ));
    // Another CA of the same name, and a certificate that somebody has changed.
    let key = CaKey::from_seed(&[77; 32]);
    let ca = issue_ca(&key, anchor().network(), NOW, &mut rng()).unwrap();
    let other = TrustAnchor::new(ca, Fingerprint::of(&key.public_key()), anchor().network().clone()).unwrap();
    assert!(verified.verify(&other, &leaf(), NOW).is_err());
    let mut altered = leaf().as_bytes().to_vec();
    *altered.last_mut().unwrap() ^= 1;
    let altered: CertificateDer = altered.try_into().unwrap();
    assert!(verified.verify(&anchor(), &altered, NOW).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_names_and_keys_round_trip(
        name in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        entity in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        network in "([a-z0-9]{1,40}\\.){0,2}[a-z]([a-z0-9-]{0,40}[a-z0-9])?",
        seed: [u8; 32],
        sealing: [u8; 32],
        authority: bool,
        issued in 0_u64..200_000_000_000,
    ) {
        let (mut rng, now) = (ChaCha20Rng::from_seed(seed), Timestamp::from_secs(issued));
        let key = CaKey::generate(&mut rng);
        let network: NetworkName = network.parse().unwrap();
        let ca = issue_ca(&key, &network, now, &mut rng).unwrap();
        let anchor = TrustAnchor::new(ca, Fingerprint::of(&key.public_key()), network.clone()).unwrap();
        let subject = Subject {
            name: name.parse().unwrap(),
            network,
            entity: entity.parse().unwrap(),
            role: if authority { Role::Authority } else { Role::Member },
            node: IdentityKey::generate(&mut rng).node_id(),
            sealing: SealingPublicKey(sealing),
        };
        let validity = Validity::starting(now, LEAF_LIFE).unwrap();
        let leaf = issue_leaf(&key, &anchor, subject.clone(), validity, &mut rng).unwrap();
        let certificate = verify(&anchor, &leaf, now).unwrap();
        prop_assert_eq!(certificate.subject(), &subject);
    }
}

#[test]
fn the_longest_names_fit() {
    let network: NetworkName = format!("{0}.{0}", "n".repeat(63)).parse().unwrap();
    let ca = issue_ca(&ca_key(), &network, NOW, &mut rng()).unwrap();
    let anchor = TrustAnchor::new(ca, pin(), network.clone()).unwrap();
    let (name, entity) = ("x".repeat(63).parse().unwrap(), "e".repeat(63).parse().unwrap());
    let subject = Subject { name, network, entity, ..subject() };
    let leaf = issue_leaf(&ca_key(), &anchor, subject, validity(), &mut rng()).unwrap();
    assert!(leaf.as_bytes().len() < 1100, "{}", leaf.as_bytes().len());
    assert!(verify(&anchor, &leaf, NOW).is_ok());
    let request = request::create(&identity(), &sealing().public_key(), &"x".repeat(63).parse().unwrap());
    assert!(request.len() < 400 && request::verify(&request).is_ok(), "{}", request.len());
}

/// A leaf never lives beyond its issuer: its validity is cut.
#[test]
fn leaves_are_cut_to_the_life_of_the_ca() {
    let end = NOW.after(CA_LIFE);
    let late = Validity::starting(end.before(Duration::from_hours(1)), LEAF_LIFE).unwrap();
    let leaf = issue_leaf(&ca_key(), &anchor(), subject(), late, &mut rng()).unwrap();
    assert_eq!(verify(&anchor(), &leaf, end).unwrap().not_after(), end);
    let after = Validity::starting(end.after(LEAF_LIFE), LEAF_LIFE).unwrap();
    let error = issue_leaf(&ca_key(), &anchor(), subject(), after, &mut rng()).unwrap_err();
    assert!(matches!(error, CertificateError::Misuse(_)), "{error}");
}

#[test]
fn refuses_to_issue_what_nobody_would_believe() {
    let issue = |key: &CaKey, subject: Subject, validity: Validity| {
        issue_leaf(key, &anchor(), subject, validity, &mut rng())
    };
    let foreign = Subject { network: "other.lan".parse().unwrap(), ..subject() };
    let long = Validity::starting(NOW, LEAF_LIFE_MAX + Duration::from_secs(1)).unwrap();
    assert!(matches!(
        issue(&CaKey::from_seed(&[9; 32]), subject(), validity()),
        Err(CertificateError::Misuse(_))
    ));
    assert!(matches!(issue(&ca_key(), foreign, validity()), Err(CertificateError::Misuse(_))));
    assert!(matches!(issue(&ca_key(), subject(), long), Err(CertificateError::Misuse(_))));
    assert!(issue(&ca_key(), subject(), Validity::starting(NOW, LEAF_LIFE_MAX).unwrap()).is_ok());
    assert!(matches!(Validity::new(NOW, NOW), Err(CertificateError::Misuse(_))));
    assert!(matches!(
        Validity::starting(Timestamp::from_millis(u64::MAX), LEAF_LIFE),
        Err(CertificateError::Misuse(_))
    ));
}

#[test]
fn what_is_shared_between_threads_can_be() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<TrustAnchor>();
    shared::<VerifiedCertificate>();
    shared::<AuthenticatedPeer>();
}
