//! Certificates with one fault each, written by the issuing code and spoilt before they are signed.

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use rcgen::{
    Attribute, BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyUsagePurpose, NameConstraints, SanType,
    SerialNumber,
};

use super::issue::{Signer, ca_names, leaf_params, sealing_key_extension, written};
use super::profile::{LeafContents, ROLE_OID, SEALING_KEY_OID};
use super::request::{CertificateRequest, REQUEST_MAX};
use super::*;
use crate::codec::{self, DecodeError};
use crate::identity::{CaKey, Fingerprint, IdentityKey, PublicKey, SealingKey};

const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

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

/// The format is frozen: these files are what other implementations are checked against.
#[test]
fn certificates_and_requests_are_the_known_answers() {
    assert_eq!(anchor().der().to_pem(), include_str!("../../vectors/certificate/ca.pem"));
    assert_eq!(leaf().to_pem(), include_str!("../../vectors/certificate/leaf.pem"));
    assert_eq!(csr(), include_bytes!("../../vectors/certificate/request.der"));
}

#[test]
fn pem_round_trips_whatever_stands_around_it() {
    let pem = leaf().to_pem();
    assert_eq!(CertificateDer::from_pem(&pem), Ok(leaf()));
    assert_eq!(CertificateDer::from_pem(&format!("Certificate:\n  Data\n{pem}\n")), Ok(leaf()));
    assert_eq!(CertificateDer::from_pem(""), Err(CertificateError::Pem("no certificate")));
    assert_eq!(
        CertificateDer::from_pem(&format!("{pem}{pem}")),
        Err(CertificateError::Pem("more than one certificate"))
    );
    assert_eq!(CertificateDer::from_pem(&pem[..200]), Err(CertificateError::Pem("malformed")));
    let huge = pem.repeat(25);
    assert_eq!(
        CertificateDer::from_pem(&huge),
        Err(CertificateError::TooLong { actual: huge.len(), max: 16 * 1024 })
    );
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
    assert!(leaf.as_bytes().len() < 1300, "{}", leaf.as_bytes().len());
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
    let mut short = p_sealing();
    short.pop();
    refused(|p| p.custom_extensions[0] = sealing(&short), |e| *e == Extension("sealing key"));
    refused(|p| p.custom_extensions.push(sealing(&p_sealing())), |e| *e == DuplicateExtension("sealing key"));

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

/// B9: size is looked at before anything else; nesting costs nothing.
#[test]
fn refuses_giants_and_nests() {
    let giant = vec![0x30; 1 << 20];
    let expected = CertificateError::TooLong { actual: 1 << 20, max: CERTIFICATE_MAX };
    assert_eq!(CertificateDer::try_from(giant.clone()), Err(expected));
    assert!(matches!(
        codec::decode::<CertificateDer, 4096>(&codec::encode(&vec![0x30_u8; 2049])),
        Err(DecodeError::Malformed(_))
    ));
    for nest in
        [vec![0x30; 2048], [0x30, 0x80].repeat(1024), [0x30, 0x82, 0x07, 0xfc].repeat(512), Vec::new()]
    {
        assert_eq!(refusal(&CertificateDer(nest)), ProfileError::Malformed.into());
    }
    assert!(matches!(request::verify(&giant), Err(CertificateError::TooLong { .. })));
}

/// B6, B10: of a certificate there is one encoding; every other byte string is refused.
#[test]
fn refuses_every_flipped_bit_cut_and_trailing_byte() {
    let (anchor, leaf, csr) = (anchor(), leaf().0, csr());
    let ca = anchor.der().0.clone();
    for (bytes, what) in [(&leaf, "leaf"), (&ca, "CA"), (&csr, "request")] {
        let accepts = |bytes: &[u8]| match what {
            "leaf" => verify(&anchor, &CertificateDer(bytes.to_vec()), NOW).is_ok(),
            "CA" => TrustAnchor::new(CertificateDer(bytes.to_vec()), pin(), network()).is_ok(),
            _ => request::verify(bytes).is_ok(),
        };
        assert!(accepts(bytes), "{what}");
        assert!(!accepts(&[bytes.as_slice(), &[0]].concat()), "{what} with a trailing byte");
        for index in 0..bytes.len() {
            assert!(!accepts(&bytes[..index]), "{what} cut at {index}");
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[index] ^= 1 << bit;
                assert!(!accepts(&flipped), "{what} with bit {bit} of byte {index} flipped");
            }
        }
    }
}

/// B10: BER that is not DER is refused, even when the authority signed it.
#[test]
fn refuses_other_encodings_of_the_same_certificate() {
    let padded = |mut der: Vec<u8>| {
        assert_eq!(der[..2], [0x30, 0x82]);
        der.splice(1..2, [0x83, 0x00]);
        der
    };
    assert!(verify(&anchor(), &CertificateDer(padded(leaf().0)), NOW).is_err());
    assert!(TrustAnchor::new(CertificateDer(padded(anchor().der().0.clone())), pin(), network()).is_err());

    // critical: TRUE is 0xff in DER
    let critical = [0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff];
    let untrue = resigned(&leaf(), &critical, |found| found[7] = 0x01);
    assert!(matches!(refusal(&untrue), CertificateError::Profile(_)));
    // a key usage with an unused bit that is set
    let usage = [0x03, 0x02, 0x07, 0x80];
    let unused = resigned(&leaf(), &usage, |found| found[3] = 0x81);
    assert!(matches!(refusal(&unused), CertificateError::Profile(_)));
}

/// B6, B10: neither `S + L` nor a point of small order passes for what it stands for.
#[test]
fn refuses_malleated_signatures_and_weak_keys() {
    let mut malleated = leaf().0;
    let start = malleated.len() - 32;
    add_group_order(&mut malleated[start..]);
    assert!(matches!(refusal(&CertificateDer(malleated)), CertificateError::Path(_)));
    let mut malleated = csr();
    let start = malleated.len() - 32;
    add_group_order(&mut malleated[start..]);
    assert_eq!(request::verify(&malleated), Err(CertificateError::SelfSignature));

    let weak = resigned(&leaf(), identity().node_id().as_bytes(), |key| {
        key.fill(0);
        key[0] = 1;
    });
    assert_eq!(refusal(&weak), ProfileError::Algorithm("public key").into());
    let x25519 = resigned(&leaf(), &[0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21], |oid| oid[4] = 0x6e);
    assert_eq!(refusal(&x25519), ProfileError::Algorithm("public key").into());
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

#[test]
fn serials_are_positive_and_print_as_hexadecimal() {
    assert!(Serial::try_from([0; 16]).is_err());
    assert!(codec::decode::<Serial, 16>(&[0; 16]).is_err());
    let serial = Serial::try_from([0xab; 16]).unwrap();
    assert_eq!(serial.to_string(), "ab".repeat(16));
    assert_eq!(codec::decode::<Serial, 16>(&codec::encode(&serial)), Ok(serial));
    assert_eq!(Serial::from_integer(&[7]).map(|serial| serial.as_bytes()[15]), Some(7));
    for bad in [&[][..], &[0], &[0x80], &[0xff; 16], &[1; 17]] {
        assert_eq!(Serial::from_integer(bad), None, "{bad:?}");
    }
}

#[test]
fn what_is_shared_between_threads_can_be() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<TrustAnchor>();
    shared::<VerifiedCertificate>();
    shared::<AuthenticatedPeer>();
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([7; 32])
}

fn ca_key() -> CaKey {
    CaKey::from_seed(&[1; 32])
}

fn identity() -> IdentityKey {
    IdentityKey::from_seed(&[2; 32])
}

fn sealing() -> SealingKey {
    SealingKey::from_bytes(&[3; 32])
}

fn network() -> NetworkName {
    "shop.lan".parse().unwrap()
}

fn pin() -> Fingerprint {
    Fingerprint::of(&ca_key().public_key())
}

fn validity() -> Validity {
    Validity::starting(NOW, LEAF_LIFE).unwrap()
}

fn subject() -> Subject {
    Subject {
        name: "till".parse().unwrap(),
        network: network(),
        entity: "shop".parse().unwrap(),
        role: Role::Member,
        node: identity().node_id(),
        sealing: sealing().public_key(),
    }
}

fn contents() -> LeafContents {
    LeafContents { subject: subject(), serial: Serial([0x11; 16]), validity: validity() }
}

fn anchor() -> TrustAnchor {
    anchor_issued(NOW)
}

fn anchor_issued(now: Timestamp) -> TrustAnchor {
    let ca = issue_ca(&ca_key(), &network(), now, &mut rng()).unwrap();
    TrustAnchor::new(ca, pin(), network()).unwrap()
}

fn leaf() -> CertificateDer {
    let mut rng = ChaCha20Rng::from_seed([8; 32]);
    issue_leaf(&ca_key(), &anchor(), subject(), validity(), &mut rng).unwrap()
}

fn csr() -> Vec<u8> {
    request::create(&identity(), &sealing().public_key(), &"till".parse().unwrap())
}

fn p_sealing() -> Vec<u8> {
    sealing_key_extension(&sealing().public_key()).content().to_vec()
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

/// Why the leaf is not believed.
#[track_caller]
fn refusal(leaf: &CertificateDer) -> CertificateError {
    verify(&anchor(), leaf, NOW).unwrap_err()
}

/// Asserts that a leaf with one fault planted is refused for it.
#[track_caller]
fn refused(plant: impl FnOnce(&mut CertificateParams), right: impl FnOnce(&ProfileError) -> bool) {
    let error = refusal(&forged(plant));
    assert!(matches!(&error, CertificateError::Profile(profile) if right(profile)), "{error:?}");
}

/// A leaf with one fault planted, signed by the CA.
fn forged(plant: impl FnOnce(&mut CertificateParams)) -> CertificateDer {
    let mut params = leaf_params(&contents());
    plant(&mut params);
    issued(&params)
}

fn issued(params: &CertificateParams) -> CertificateDer {
    let (ca, node) = (ca_key(), identity().node_id());
    let key = ca.public_key();
    let names = ca_names(&network(), &key);
    let sign = |der: &[u8]| ca.sign_certificate(der);
    signed(params, &names, &Signer { key: &key, sign }, node.public_key())
}

fn signed<F: Fn(&[u8]) -> [u8; 64]>(
    params: &CertificateParams,
    issuer: &CertificateParams,
    signer: &Signer<'_, F>,
    key: &PublicKey,
) -> CertificateDer {
    let bare = Signer { key, sign: () };
    CertificateDer(written(params.signed_by(&bare, &Issuer::from_params(issuer, signer))).der().to_vec())
}

/// The certificate with the one place where `find` stands altered, signed by the CA again.
fn resigned(certificate: &CertificateDer, find: &[u8], alter: impl FnOnce(&mut [u8])) -> CertificateDer {
    let mut der = certificate.0.clone();
    let places = || der.windows(find.len()).enumerate().filter(|(_, window)| *window == find);
    assert_eq!(places().count(), 1);
    let at = places().map(|(at, _)| at).next().unwrap();
    alter(&mut der[at..at + find.len()]);
    assert_eq!((&der[..2], &der[4..6]), (&[0x30, 0x82][..], &[0x30, 0x82][..]));
    let end = 8 + usize::from(u16::from_be_bytes([der[6], der[7]]));
    let signature = ca_key().sign_certificate(&der[4..end]);
    let start = der.len() - 64;
    der[start..].copy_from_slice(&signature);
    CertificateDer(der)
}

/// A request with one fault planted, of `identity` and signed by `signer`.
fn requested(
    plant: impl FnOnce(&mut CertificateParams),
    signer: &IdentityKey,
    attributes: Vec<Attribute>,
) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = leaf_params(&contents()).distinguished_name;
    params.custom_extensions = vec![sealing_key_extension(&sealing().public_key())];
    plant(&mut params);
    let node = identity().node_id();
    let sign = |der: &[u8]| signer.sign_certificate_request(der);
    let key = Signer { key: node.public_key(), sign };
    written(params.serialize_request_with_attributes(&key, attributes)).der().to_vec()
}

/// Adds the order of Ed25519's group (RFC 8032, section 5.1) to a little-endian number.
fn add_group_order(number: &mut [u8]) {
    let order = HEXLOWER.decode(b"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut carry = 0;
    for (digit, add) in number.iter_mut().zip(order) {
        let sum = u16::from(*digit) + u16::from(add) + carry;
        *digit = sum as u8;
        carry = sum >> 8;
    }
}
