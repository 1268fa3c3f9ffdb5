//! Requests: signed by their own key, and asking for nothing more than they may.

use super::*;

#[test]
fn requests_round_trip() {
    let expected = CertificateRequest {
        node: identity().node_id(),
        sealing: sealing().public_key(),
        name: "till".parse().unwrap(),
    };
    assert_eq!(request::verify(&csr()), Ok(expected));
    assert!(csr().len() < REQUEST_MAX);
}

/// A8: a request that is not signed by its own key is nobody's.
#[test]
fn refuses_requests_without_possession() {
    let other = IdentityKey::from_seed(&[9; 32]);
    let stolen = requested(|_| (), &other, Vec::new());
    assert_eq!(request::verify(&stolen), Err(CertificateError::SelfSignature));
}

/// A8: a request that asks for more than a certificate of an ordinary member is refused.
#[test]
fn refuses_requests_that_ask_for_more() {
    let unknown = |error: &ProfileError| matches!(error, ProfileError::UnknownExtension(_));
    let ask = |plant: &dyn Fn(&mut CertificateParams), right: &dyn Fn(&ProfileError) -> bool| {
        let error = request::verify(&requested(plant, &identity(), Vec::new())).unwrap_err();
        assert!(matches!(&error, CertificateError::Profile(profile) if right(profile)), "{error}");
    };
    ask(&|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained), &unknown);
    ask(&|p| p.key_usages = vec![KeyUsagePurpose::KeyCertSign], &unknown);
    ask(&|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any], &unknown);
    ask(&|p| p.subject_alt_names = vec![uri("spiffe://shop.lan/entity/shop/node/nas")], &unknown);
    let role = CustomExtension::from_oid_content(&ROLE_OID, vec![0x0a, 0x01, 0x01]);
    ask(&move |p| p.custom_extensions.push(role.clone()), &unknown);
    ask(&|p| p.custom_extensions.push(sealing_key_extension(&SealingPublicKey([1; 32]))), &|error| {
        *error == ProfileError::DuplicateExtension("sealing key")
    });
    ask(&|p| p.custom_extensions.clear(), &|error| *error == ProfileError::MissingExtension("sealing key"));
    for name in ["Till", "till.shop.lan", "", "till\u{1b}[2J"] {
        ask(&|p| p.distinguished_name.push(DnType::CommonName, name), &|error| {
            *error == ProfileError::Subject
        });
    }
    ask(&|p| p.distinguished_name.push(DnType::OrganizationName, "shop"), &|error| {
        *error == ProfileError::Subject
    });

    const CHALLENGE_PASSWORD: &[u64] = &[1, 2, 840, 113_549, 1, 9, 7];
    let password = Attribute { oid: CHALLENGE_PASSWORD, values: vec![0x31, 0x03, 0x0c, 0x01, b'x'] };
    let error = request::verify(&requested(|_| (), &identity(), vec![password])).unwrap_err();
    assert!(matches!(error, CertificateError::Profile(ProfileError::UnknownExtension(_))), "{error}");
}

/// A17: the sealing key of a request is covered by its signature.
#[test]
fn refuses_requests_with_a_sealing_key_put_in() {
    let mut altered = csr();
    let key = *sealing().public_key().as_bytes();
    let at = altered.windows(32).position(|window| window == key).unwrap();
    altered[at..at + 32].copy_from_slice(SealingKey::from_bytes(&[9; 32]).public_key().as_bytes());
    assert_eq!(request::verify(&altered), Err(CertificateError::SelfSignature));
}

/// B14: a request is no certificate, a certificate no request, and neither key's signature makes the other.
#[test]
fn requests_and_certificates_are_not_taken_for_each_other() {
    assert_eq!(refusal(&CertificateDer(csr())), ProfileError::Malformed.into());
    assert_eq!(request::verify(leaf().as_bytes()), Err(ProfileError::Malformed.into()));
    assert!(matches!(refusal(anchor().der()), CertificateError::Profile(_)));
}
