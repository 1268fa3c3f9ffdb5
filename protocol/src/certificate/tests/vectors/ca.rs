//! CA certificates, as what is to be pinned.

use serde_json::{Value, json};

use super::super::super::issue::ca_params;
use super::super::super::profile::AuthorityContents;
use super::super::*;
use super::der::{EXTENSIONS, ISSUER, KEY, Parts, SERIAL, SUBJECT, VERSION, element, replace, with_part};
use crate::vectors::{Family, hex, unhex};

const UNEXPECTED: &str = "unexpected extension or attribute";

/// B1–B3, B9, B10, B12: only the one form is an anchor, and only under its own key and network.
#[test]
fn ca_certificates_with_one_fault_are_refused_for_it() {
    let mut family = Family::new(
        "certificate/ca.json",
        "CA certificates, each with one fault: to be refused for the network whose CA key has the fingerprint pin. \
         The error says why; null: accepted.",
        json!({ "network": network(), "pin": pin().to_string() }),
    );
    family.accept("the unbroken CA certificate", input(&planted_ca(|_| ())));
    family.accept("one that was issued", input(anchor().der()));
    forms(&mut family);
    networks_and_keys(&mut family);
    encodings(&mut family);
    family.check((39, 2), |case| {
        CertificateDer::try_from(unhex(&case["certificate"]))
            .and_then(|ca| TrustAnchor::new(ca, pin(), network()))
            .map(drop)
            .map_err(|error| error.to_string())
    });
}

fn input(certificate: &CertificateDer) -> Value {
    json!({ "certificate": hex(certificate.as_bytes()) })
}

fn ca_contents() -> AuthorityContents {
    AuthorityContents {
        key: ca_key().public_key(),
        network: network(),
        serial: Serial([0x11; 16]),
        validity: Validity::starting(NOW, CA_LIFE).unwrap(),
    }
}

/// A CA certificate with one fault planted, signed by its own key.
fn planted_ca(plant: impl FnOnce(&mut CertificateParams)) -> CertificateDer {
    let mut params = ca_params(&ca_contents());
    plant(&mut params);
    let (key, ca) = (ca_key().public_key(), ca_key());
    let sign = |der: &[u8]| ca.sign_certificate(der);
    CertificateDer(written(params.self_signed(&Signer { key: &key, sign })).der().to_vec())
}

fn forms(family: &mut Family) {
    type Plant = fn(&mut CertificateParams);
    let wrong = ProfileError::Extension;
    let constraints = |permitted: &[&str], excluded: &[&str]| {
        let subtrees = |names: &[&str]| names.iter().map(|n| GeneralSubtree::DnsName((*n).into())).collect();
        let (permitted_subtrees, excluded_subtrees) = (subtrees(permitted), subtrees(excluded));
        Some(NameConstraints { permitted_subtrees, excluded_subtrees })
    };
    for (name, error, plant) in [
        (
            "no path length",
            wrong("basicConstraints").to_string(),
            (|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)) as Plant,
        ),
        ("path length 1", wrong("basicConstraints").to_string(), |p| {
            p.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
        }),
        ("not a CA", wrong("basicConstraints").to_string(), |p| p.is_ca = IsCa::ExplicitNoCa),
        ("no basic constraints", "no extension".to_owned(), |p| p.is_ca = IsCa::NoCa),
        ("no key usage", "no extension keyUsage".to_owned(), |p| p.key_usages.clear()),
        ("a CA that signs no certificates", wrong("keyUsage").to_string(), |p| {
            p.key_usages = vec![KeyUsagePurpose::CrlSign];
        }),
        ("a CA that signs no revocation lists", wrong("keyUsage").to_string(), |p| {
            p.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        }),
        ("a CA that signs handshakes", wrong("keyUsage").to_string(), |p| {
            p.key_usages.push(KeyUsagePurpose::DigitalSignature);
        }),
        ("a CA with a usage", UNEXPECTED.to_owned(), |p| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
        ("a CA with an alternative name", UNEXPECTED.to_owned(), |p| {
            p.subject_alt_names = vec![dns("ca.shop.lan")];
        }),
        ("a CA with an authority key identifier", UNEXPECTED.to_owned(), |p| {
            p.use_authority_key_identifier_extension = true;
        }),
        ("no name constraints", "no extension nameConstraints".to_owned(), |p| p.name_constraints = None),
        ("an organisation beside the name", ProfileError::NotCanonical.to_string(), |p| {
            p.distinguished_name.push(DnType::OrganizationName, "shop");
        }),
        ("another name", ProfileError::NotCanonical.to_string(), |p| {
            p.distinguished_name.push(DnType::CommonName, "shop.lan CA");
        }),
        ("an end before the beginning", "valid from".to_owned(), |p| {
            p.not_after = p.not_before - Duration::from_secs(1);
        }),
        ("another subject key identifier", ProfileError::NotCanonical.to_string(), |p| {
            p.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![7; 20]);
        }),
    ] {
        family.refuse(name, "B2", input(&planted_ca(plant)), error);
    }
    for (name, permitted, excluded, error) in [
        (
            "two networks permitted",
            &["shop.lan", "other.lan"][..],
            &[][..],
            wrong("nameConstraints").to_string(),
        ),
        ("every name permitted", &[""], &[], wrong("nameConstraints").to_string()),
        (
            "a part of the network excluded",
            &["shop.lan"],
            &["x.shop.lan"],
            ProfileError::NotCanonical.to_string(),
        ),
        ("nothing permitted", &[], &["other.lan"], wrong("nameConstraints").to_string()),
        ("everything below the network permitted", &[".shop.lan"], &[], wrong("nameConstraints").to_string()),
    ] {
        let constraints = constraints(permitted, excluded);
        family.refuse(name, "B9", input(&planted_ca(|p| p.name_constraints = constraints)), error);
    }
    for critical in [true, false] {
        let name = format!("an unknown extension, {}critical", if critical { "" } else { "not " });
        let ca = planted_ca(|p| {
            let mut foreign = CustomExtension::from_oid_content(&[2, 25, 7], vec![5, 0]);
            foreign.set_criticality(critical);
            p.custom_extensions.push(foreign);
        });
        family.refuse(&name, "B9", input(&ca), UNEXPECTED);
    }
}

fn networks_and_keys(family: &mut Family) {
    let other_network: NetworkName = "other.lan".parse().unwrap();
    let other = CaKey::from_seed(&[9; 32]);
    let theirs = issue_ca(&other, &network(), NOW, &mut rng()).unwrap();
    let error = CertificateError::Pin { expected: pin(), actual: Fingerprint::of(&other.public_key()) };
    family.refuse("the same name, another key", "B3, B12", input(&theirs), error);
    let elsewhere = issue_ca(&ca_key(), &other_network, NOW, &mut rng()).unwrap();
    let error = CertificateError::Network { expected: network(), actual: other_network };
    family.refuse("another network, the same key", "B3", input(&elsewhere), error);
    family.refuse("a leaf", "B1", input(&leaf()), UNEXPECTED);

    let unbroken = planted_ca(|_| ());
    let parts = Parts::of(&unbroken);
    let foreign = other.sign_certificate(b"");
    let foreign = parts.with_signature(&[&[0], &foreign[..]].concat());
    family.refuse("another key's signature", "B12", input(&foreign), CertificateError::SelfSignature);
    let mut malleated = unbroken.0.clone();
    let start = malleated.len() - 32;
    add_group_order(&mut malleated[start..]);
    let malleated = CertificateDer(malleated);
    family.refuse("the signature R, S + L", "B6, B10", input(&malleated), CertificateError::SelfSignature);
    let mut one = [0; 32];
    one[0] = 1;
    let weak = with_part(&unbroken, KEY, |part| replace(part, ca_key().public_key().as_bytes(), &one));
    family.refuse("the neutral point as key", "B10", input(&weak), ProfileError::Algorithm("public key"));
    let x25519 = with_part(&unbroken, KEY, |part| replace(part, &[0x2b, 0x65, 0x70], &[0x2b, 0x65, 0x6e]));
    family.refuse("an X25519 key", "B10", input(&x25519), ProfileError::Algorithm("public key"));
}

fn encodings(family: &mut Family) {
    let good = planted_ca(|_| ());
    for (name, digits) in [
        ("the serial 0", &[0x00][..]),
        ("a negative serial", &[0xff; 16]),
        ("a serial of 21 bytes", &[0x7f; 21]),
    ] {
        let ca = with_part(&good, SERIAL, |part| *part = element(0x02, digits));
        family.refuse(name, "B10", input(&ca), ProfileError::Serial);
    }
    let renamed = |part| with_part(&good, part, |part| replace(part, b"shop.lan", b"step.lan"));
    family.refuse("another issuer than subject", "B12", input(&renamed(ISSUER)), ProfileError::NotCanonical);
    family.refuse("another subject than issuer", "B12", input(&renamed(SUBJECT)), ProfileError::NotCanonical);
    let version = with_part(&good, VERSION, |part| part[4] = 1);
    family.refuse("version 2", "B10", input(&version), ProfileError::Malformed);
    let bare = with_part(&good, EXTENSIONS, Vec::clear);
    family.refuse("no extensions at all", "B2", input(&bare), "no extension");
    let trailing = CertificateDer([good.as_bytes(), &[0]].concat());
    family.refuse("a byte behind it", "B10", input(&trailing), ProfileError::Malformed);
    let cut = CertificateDer(good.0[..good.0.len() - 1].to_vec());
    family.refuse("the last byte missing", "B10", input(&cut), ProfileError::Malformed);
}
