//! Certificates with one fault each: every one alone is enough.

use super::*;

/// B1: a leaf issues nothing, neither as the anchor nor in the CA's place.
#[test]
fn refuses_a_leaf_as_issuer() {
    let member = identity();
    let key = *member.node_id().public_key();
    let error = TrustAnchor::new(leaf(), Fingerprint::of(&key), network()).unwrap_err();
    assert!(matches!(error, CertificateError::Profile(ProfileError::UnknownExtension(_))), "{error}");

    let by_member = |issuer: &PublicKey| {
        let params = leaf_params(&contents());
        let names = ca_names(&network(), issuer);
        let sign = |der: &[u8]| member.sign_certificate_request(der);
        signed(&params, &names, &Signer { key: &key, sign }, &key)
    };
    assert_eq!(refusal(&by_member(&key)), CertificateError::OtherAuthority { expected: pin() });
    assert!(matches!(refusal(&by_member(&ca_key().public_key())), CertificateError::Path(_)));
}

/// B2, B9, B10: each fault alone is enough, whoever signed it.
#[test]
fn refuses_leaves_with_one_fault() {
    use ProfileError::{
        AltNames, DuplicateExtension, Extension, MissingExtension, NotCanonical, Subject, UnknownExtension,
    };
    let names = |error: &ProfileError| matches!(error, AltNames(_));
    let unknown = |error: &ProfileError| matches!(error, UnknownExtension(_));
    let sealing = |content: &[u8]| CustomExtension::from_oid_content(&SEALING_KEY_OID, content.to_vec());
    let role = |content: &[u8]| CustomExtension::from_oid_content(&ROLE_OID, content.to_vec());
    let foreign = |critical| {
        let mut extension = CustomExtension::from_oid_content(&[2, 25, 7], vec![5, 0]);
        extension.set_criticality(critical);
        extension
    };

    // usage
    refused(|p| p.extended_key_usages.clear(), |e| *e == MissingExtension("extendedKeyUsage"));
    for usages in [
        vec![ExtendedKeyUsagePurpose::ClientAuth],
        vec![ExtendedKeyUsagePurpose::ServerAuth],
        vec![ExtendedKeyUsagePurpose::Any],
        vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::Any,
        ],
        vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::CodeSigning,
        ],
        vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::Other(vec![1, 2, 3]),
        ],
    ] {
        refused(|p| p.extended_key_usages = usages, |e| *e == Extension("extendedKeyUsage"));
    }
    refused(|p| p.extended_key_usages.reverse(), |e| *e == NotCanonical);
    refused(|p| p.key_usages.clear(), |e| *e == MissingExtension("keyUsage"));
    refused(|p| p.key_usages.push(KeyUsagePurpose::KeyCertSign), |e| *e == Extension("keyUsage"));
    refused(|p| p.key_usages = vec![KeyUsagePurpose::KeyAgreement], |e| *e == Extension("keyUsage"));
    refused(|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained), |e| *e == Extension("basicConstraints"));
    refused(
        |p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
        |e| *e == Extension("basicConstraints"),
    );
    refused(|p| p.is_ca = IsCa::NoCa, |e| *e == MissingExtension("subjectKeyIdentifier"));

    // extensions
    refused(|p| p.custom_extensions.push(foreign(true)), unknown);
    refused(|p| p.custom_extensions.push(foreign(false)), unknown);
    refused(
        |p| p.crl_distribution_points = vec![CrlDistributionPoint { uris: vec!["http://x".into()] }],
        unknown,
    );
    refused(
        |p| {
            let permitted_subtrees = vec![GeneralSubtree::DnsName("shop.lan".into())];
            p.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
        },
        unknown,
    );
    refused(
        |p| p.use_authority_key_identifier_extension = false,
        |e| *e == MissingExtension("authorityKeyIdentifier"),
    );
    refused(|p| p.custom_extensions.truncate(1), |e| *e == MissingExtension("role"));
    refused(|p| drop(p.custom_extensions.remove(0)), |e| *e == MissingExtension("sealing key"));
    refused(|p| p.custom_extensions.reverse(), |e| *e == NotCanonical);
    refused(|p| p.custom_extensions[1] = role(&[0x0a, 0x01, 0x02]), |e| *e == Extension("role"));
    refused(|p| p.custom_extensions[1] = role(&[0x0a, 0x01, 0x00, 0x00]), |e| *e == Extension("role"));
    refused(|p| p.custom_extensions[1].set_criticality(true), |e| *e == Extension("role"));
    refused(|p| p.custom_extensions[0] = sealing(&[0x55; 32]), |e| *e == Extension("sealing key"));
    let mut short = sealing_content();
    short.pop();
    refused(|p| p.custom_extensions[0] = sealing(&short), |e| *e == Extension("sealing key"));
    refused(
        |p| p.custom_extensions.push(sealing(&sealing_content())),
        |e| *e == DuplicateExtension("sealing key"),
    );

    // names
    refused(|p| p.subject_alt_names.clear(), |e| *e == MissingExtension("subjectAltName"));
    refused(|p| p.subject_alt_names.truncate(1), names);
    refused(|p| p.subject_alt_names.reverse(), names);
    refused(|p| p.subject_alt_names.push(dns("nas.shop.lan")), names);
    refused(|p| p.subject_alt_names.push(dns("till.shop.lan")), names);
    refused(|p| p.subject_alt_names.insert(1, uri("spiffe://shop.lan/entity/shop/node/nas")), names);
    refused(|p| p.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into())), names);
    refused(|p| p.subject_alt_names[1] = dns("nas.shop.lan"), names);
    refused(|p| p.subject_alt_names[1] = dns("TILL.shop.lan"), names);
    refused(|p| p.subject_alt_names[1] = dns("*.shop.lan"), names);
    for id in [
        "https://shop.lan/entity/shop/node/till",
        "spiffe://shop.lan/node/till",
        "spiffe://shop.lan/entity/shop/node/till/",
        "spiffe://shop.lan/entity/shop/node/till?x",
        "spiffe://shop.lan/entity/shop/x/node/till",
        "spiffe://shop.lan/entity//node/till",
        "spiffe://shop.lan:1/entity/shop/node/till",
        "spiffe://other.lan/entity/shop/node/till",
        "spiffe://shop.lan/entity/shop/node/nas",
    ] {
        refused(|p| p.subject_alt_names[0] = uri(id), names);
    }
    refused(|p| p.distinguished_name.push(DnType::CommonName, "nas"), |e| *e == Subject);
    refused(|p| p.distinguished_name.push(DnType::OrganizationName, "shop"), |e| *e == Subject);
    refused(
        |p| assert!(p.distinguished_name.remove(DnType::CommonName)),
        |e| *e == Extension("subjectAltName"), // which an empty subject makes critical
    );
}

/// B10: a serial number is a positive number of at most 128 bits, a validity a time of at most 90 days.
#[test]
fn refuses_odd_serials_and_validities() {
    refused(|p| p.serial_number = Some(SerialNumber::from_slice(&[0])), |e| *e == ProfileError::Serial);
    for size in [17, 20, 21] {
        let serial = SerialNumber::from_slice(&vec![0x7f; size]);
        refused(|p| p.serial_number = Some(serial), |e| *e == ProfileError::Serial);
    }
    let high = forged(|p| p.serial_number = Some(SerialNumber::from_slice(&[0xff; 16])));
    assert!(verify(&anchor(), &high, NOW).is_ok());
    let negative = resigned(&high, &[&[0x02, 0x11, 0x00], &[0xff; 16][..]].concat(), |found| found[2] = 0xff);
    assert_eq!(refusal(&negative), ProfileError::Serial.into());

    let long = LEAF_LIFE_MAX + BACKDATE;
    let fits = forged(|p| p.not_after = p.not_before + long);
    assert!(verify(&anchor(), &fits, NOW).is_ok());
    let validity = |error: &ProfileError| matches!(error, ProfileError::Validity { .. });
    refused(|p| p.not_after = p.not_before + long + Duration::from_secs(1), validity);
    refused(|p| p.not_after = p.not_before, validity);
    refused(|p| p.not_after = p.not_before - Duration::from_secs(1), validity);
}

/// B3, B12: the same names under another key are another network's.
#[test]
fn refuses_the_same_names_under_another_key() {
    let other = CaKey::from_seed(&[9; 32]);
    let ca = issue_ca(&other, &network(), NOW, &mut rng()).unwrap();
    let actual = Fingerprint::of(&other.public_key());
    assert_eq!(
        TrustAnchor::new(ca.clone(), pin(), network()).unwrap_err(),
        CertificateError::Pin { expected: pin(), actual }
    );
    let theirs = TrustAnchor::new(ca, actual, network()).unwrap();
    let leaf = issue_leaf(&other, &theirs, subject(), validity(), &mut rng()).unwrap();
    assert!(verify(&theirs, &leaf, NOW).is_ok());
    assert_eq!(refusal(&leaf), CertificateError::OtherAuthority { expected: pin() });

    let names = ca_names(&network(), &ca_key().public_key());
    let sign = |der: &[u8]| other.sign_certificate(der);
    let key = other.public_key();
    let node = *subject().node.public_key();
    let disguised = signed(&leaf_params(&contents()), &names, &Signer { key: &key, sign }, &node);
    assert!(matches!(refusal(&disguised), CertificateError::Path(_)));
}

/// B3: another network's name under the right key is refused too.
#[test]
fn refuses_another_networks_name() {
    let expected: NetworkName = "other.lan".parse().unwrap();
    assert_eq!(
        TrustAnchor::new(anchor().der().clone(), pin(), expected.clone()).unwrap_err(),
        CertificateError::Network { expected: expected.clone(), actual: network() }
    );
    let foreign = forged(|p| {
        p.subject_alt_names = vec![uri("spiffe://other.lan/entity/shop/node/till"), dns("till.other.lan")];
    });
    assert_eq!(refusal(&foreign), CertificateError::Network { expected: network(), actual: expected });
}

/// B4: 299 s beyond either bound is accepted, 301 s is refused.
#[test]
fn allows_a_skew_of_300_seconds() {
    let (not_before, not_after) = (validity().not_before(), validity().not_after());
    let (near, far) = (Duration::from_secs(299), Duration::from_secs(301));
    let at = |now| verify(&anchor(), &leaf(), now);
    // the CA certificate begins with the leaf: an older one shows the leaf's own bound
    let old = anchor_issued(NOW.before(LEAF_LIFE));
    for now in [not_before.before(near), not_before, not_after, not_after.after(near), not_after.after(SKEW)]
    {
        assert!(at(now).is_ok(), "{now}");
        assert!(at(now).is_ok_and(|certificate| certificate.check_time(now).is_ok()), "{now}");
    }
    let early = not_before.before(far);
    assert_eq!(at(early), Err(CertificateError::AuthorityNotYetValid { not_before, now: early }));
    assert_eq!(verify(&old, &leaf(), early), Err(CertificateError::NotYetValid { not_before, now: early }));
    for late in [not_after.after(far), not_after.after(SKEW).after(Duration::from_millis(1))] {
        assert_eq!(at(late), Err(CertificateError::Expired { not_after, now: late }));
        assert_eq!(
            at(NOW).unwrap().check_time(late),
            Err(CertificateError::Expired { not_after, now: late })
        );
    }
}

/// B4: an expired root ends everything beneath it, and nothing outlives it.
#[test]
fn refuses_everything_under_an_expired_root() {
    let end = NOW.after(CA_LIFE);
    let late = Validity::starting(end, LEAF_LIFE).unwrap();
    let leaf = issue_leaf(&ca_key(), &anchor(), subject(), late, &mut rng()).unwrap();
    assert!(verify(&anchor(), &leaf, end.after(Duration::from_secs(299))).is_ok());
    let now = end.after(Duration::from_secs(301));
    assert_eq!(
        verify(&anchor(), &leaf, now),
        Err(CertificateError::AuthorityExpired { not_after: end, now })
    );

    let outliving = LeafContents { validity: late, ..contents() };
    let outliving = issued(&leaf_params(&outliving));
    assert_eq!(verify(&anchor(), &outliving, end), Err(ProfileError::OutlivesAuthority.into()));
}

/// B2: only a CA certificate of the one form is an anchor.
#[test]
fn refuses_anchors_of_another_form() {
    let ca = anchor().der().clone();
    let anchored = |der: &CertificateDer| TrustAnchor::new(der.clone(), pin(), network()).unwrap_err();
    let path_length = [0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x00];
    let longer = resigned(&ca, &path_length, |found| found[7] = 1);
    assert_eq!(anchored(&longer), ProfileError::Extension("basicConstraints").into());
    let not_ca = resigned(&ca, &path_length, |found| found[4] = 0);
    assert!(matches!(anchored(&not_ca), CertificateError::Profile(_)));
    let signs_all = resigned(&ca, &[0x03, 0x02, 0x01, 0x06], |found| found[3] = 0x86);
    assert!(matches!(anchored(&signs_all), CertificateError::Profile(_)));
    let named = resigned(&ca, b"Z0\x1e1\x1c0\x1a\x06\x03U\x04\x03\x0c\x13shop", |found| found[14] = b'X');
    assert_eq!(anchored(&named), ProfileError::NotCanonical.into());

    let mut unsigned = ca.0;
    let start = unsigned.len() - 64;
    unsigned[start..].copy_from_slice(&IdentityKey::from_seed(&[9; 32]).sign_certificate_request(b""));
    assert_eq!(anchored(&CertificateDer(unsigned)), CertificateError::SelfSignature);
}

/// A12: a certificate is worth nothing on a connection that proved another key.
#[test]
fn a_certificate_is_bound_to_the_connection_that_proves_its_key() {
    let certificate = verify(&anchor(), &leaf(), NOW).unwrap();
    let other = IdentityKey::from_seed(&[9; 32]).node_id();
    assert_eq!(
        certificate.clone().prove(other),
        Err(CertificateError::OtherNode { certificate: identity().node_id(), connection: other })
    );
    let peer = certificate.clone().prove(identity().node_id()).unwrap();
    assert_eq!(peer.certificate(), &certificate);
}

#[test]
fn a_refusal_says_both_values_and_escapes_what_came() {
    let late = NOW.after(LEAF_LIFE_MAX);
    let error = verify(&anchor(), &leaf(), late).unwrap_err().to_string();
    assert_eq!(error, "the certificate expired at 2026-11-24T09:30:00Z, it is 2027-02-19T09:30:00Z");
    let error = refusal(&forged(|p| p.subject_alt_names[0] = uri("spiffe://\u{1b}[2J"))).to_string();
    assert!(error.contains("\\u{1b}") && !error.contains('\u{1b}'), "{error}");
}
