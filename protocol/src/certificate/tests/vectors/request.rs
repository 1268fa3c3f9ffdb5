//! Certificate requests.

use serde_json::{Value, json};

use super::super::*;
use super::der::{content, element, elements};
use crate::vectors::{Family, hex, unhex};

const UNEXPECTED: &str = "unexpected extension or attribute";

/// A8, A17, B9, B10, B14: a request asks for what a member may have, and proves its key.
#[test]
fn requests_with_one_fault_are_refused_for_it() {
    let mut family = Family::new(
        "certificate/request.json",
        "Certificate requests (PKCS #10), each with one fault. The error says why; null: accepted.",
        json!({}),
    );
    family.accept("the unbroken request", input(&requested(|_| (), &identity(), Vec::new())));
    family.accept("one that was made", input(&csr()));
    more_than_it_may(&mut family);
    names_and_keys(&mut family);
    encodings(&mut family);
    family.check((35, 2), |case| {
        request::verify(&unhex(&case["request"])).map(drop).map_err(|error| error.to_string())
    });
}

fn input(request: &[u8]) -> Value {
    json!({ "request": hex(request) })
}

#[track_caller]
fn planted(
    family: &mut Family,
    name: &str,
    ids: &'static str,
    error: impl ToString,
    plant: impl FnOnce(&mut CertificateParams),
) {
    family.refuse(name, ids, input(&requested(plant, &identity(), Vec::new())), error);
}

fn more_than_it_may(family: &mut Family) {
    type Plant = fn(&mut CertificateParams);
    for (name, plant) in [
        ("asks to be a CA", (|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)) as Plant),
        ("asks to sign certificates", |p| p.key_usages = vec![KeyUsagePurpose::KeyCertSign]),
        ("asks for any usage", |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]),
        ("asks for another node's SPIFFE id", |p| {
            p.subject_alt_names = vec![uri("spiffe://shop.lan/entity/shop/node/nas")];
        }),
        ("asks for its own SPIFFE id", |p| {
            p.subject_alt_names = vec![uri("spiffe://shop.lan/entity/shop/node/till")];
        }),
        ("asks for the authority's role", |p| {
            p.custom_extensions.push(CustomExtension::from_oid_content(&ROLE_OID, vec![0x0a, 1, 1]));
        }),
        ("asks for a member's role", |p| {
            p.custom_extensions.push(CustomExtension::from_oid_content(&ROLE_OID, vec![0x0a, 1, 0]));
        }),
        ("asks for an unknown extension", |p| {
            p.custom_extensions.push(CustomExtension::from_oid_content(&[2, 25, 7], vec![5, 0]));
        }),
    ] {
        planted(family, name, "A8", UNEXPECTED, plant);
    }
    for (name, oid, value) in [
        ("a challenge password", &[1, 2, 840, 113_549, 1, 9, 7][..], vec![0x31, 3, 0x0c, 1, b'x']),
        ("an unknown attribute", &[2, 25, 7], vec![0x31, 2, 5, 0]),
    ] {
        let attribute = Attribute { oid: Box::leak(oid.to_vec().into_boxed_slice()), values: value };
        let request = requested(|_| (), &identity(), vec![attribute]);
        family.refuse(name, "A8", input(&request), UNEXPECTED);
    }
}

fn names_and_keys(family: &mut Family) {
    for name in
        ["Till", "till.shop.lan", "", "-till", "till-", "till till", "till\u{1b}[2J", "till\0", "t\u{131}ll"]
    {
        planted(family, &format!("the name {name:?}"), "A8", ProfileError::Subject, |p| {
            p.distinguished_name.push(DnType::CommonName, name);
        });
    }
    planted(family, "a name of 64 characters", "A8", ProfileError::Subject, |p| {
        p.distinguished_name.push(DnType::CommonName, "x".repeat(64));
    });
    planted(family, "an organisation beside the name", "A8", ProfileError::Subject, |p| {
        p.distinguished_name.push(DnType::OrganizationName, "shop");
    });
    planted(family, "no name", "A8", ProfileError::Subject, |p| {
        assert!(p.distinguished_name.remove(DnType::CommonName));
    });
    planted(family, "no sealing key", "A8", ProfileError::MissingExtension("sealing key"), |p| {
        p.custom_extensions.clear();
    });
    planted(family, "two sealing keys", "A17", ProfileError::DuplicateExtension("sealing key"), |p| {
        p.custom_extensions.push(sealing_key_extension(&SealingPublicKey([9; 32])));
    });
    planted(family, "a critical sealing key", "A8", ProfileError::Extension("sealing key"), |p| {
        p.custom_extensions[0].set_criticality(true);
    });
    planted(family, "a sealing key of small order", "B10", ProfileError::Extension("sealing key"), |p| {
        p.custom_extensions[0] = sealing_key_extension(&SealingPublicKey([0; 32]));
    });
    let other = IdentityKey::from_seed(&[9; 32]);
    let stolen = requested(|_| (), &other, Vec::new());
    family.refuse("another key's signature", "A8", input(&stolen), CertificateError::SelfSignature);
    let mut swapped = csr();
    let key = *sealing().public_key().as_bytes();
    let at = swapped.windows(32).position(|window| window == key).unwrap();
    swapped[at..at + 32].copy_from_slice(SealingKey::from_bytes(&[9; 32]).public_key().as_bytes());
    family.refuse("another sealing key put in", "A17", input(&swapped), CertificateError::SelfSignature);
    let mut malleated = csr();
    let start = malleated.len() - 32;
    add_group_order(&mut malleated[start..]);
    family.refuse("the signature R, S + L", "B10", input(&malleated), CertificateError::SelfSignature);
}

/// The request with its version, name, key and attributes altered, signed again.
fn remade(alter: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let [info, algorithm, _]: [Vec<u8>; 3] = elements(content(&csr())).try_into().unwrap();
    let mut parts = elements(content(&info));
    alter(&mut parts);
    let info = element(0x30, &parts.concat());
    let signature = identity().sign_certificate_request(&info);
    let signature = element(0x03, &[&[0], &signature[..]].concat());
    element(0x30, &[info, algorithm, signature].concat())
}

fn encodings(family: &mut Family) {
    let good = csr();
    let malformed = ProfileError::Malformed;
    family.refuse("a byte behind it", "B10", input(&[&good[..], &[0]].concat()), &malformed);
    family.refuse("the last byte missing", "B10", input(&good[..good.len() - 1]), &malformed);
    family.refuse("a leaf", "B14", input(leaf().as_bytes()), &malformed);
    let giant = vec![0x30; 1 << 20];
    let long = CertificateError::TooLong { actual: 1 << 20, max: REQUEST_MAX };
    family.refuse("a megabyte", "B9", input(&giant), long);
    let version = remade(|parts| parts[0] = element(0x02, &[1]));
    family.refuse("version 2", "B10", input(&version), ProfileError::NotCanonical);
    let bare = remade(|parts| parts[3] = element(0xa0, &[]));
    family.refuse("no attributes", "A8", input(&bare), ProfileError::MissingExtension("sealing key"));
}
