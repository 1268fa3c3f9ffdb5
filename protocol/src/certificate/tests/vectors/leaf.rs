//! Leaves, on the connection of the node that they name.

use serde_json::{Value, json};

use super::super::*;
use super::der::{
    ALGORITHM, EXTENSIONS, ISSUER, KEY, Parts, SERIAL, SUBJECT, VALIDITY, VERSION, content, element,
    elements, replace, with_part,
};
use crate::identity::NodeId;
use crate::vectors::{Family, hex, unhex};

/// B1–B4, B6, B9, B10, B12, B14, A12: one fault is enough, whoever signed it.
#[test]
fn leaves_with_one_fault_are_refused_for_it() {
    let mut family = Family::new(
        "certificate/leaf.json",
        "Certificates of nodes, each with one fault: to be refused at the time now (Unix seconds), on a \
         connection that proved the key connection, under the CA certificate ca of the network, whose key has the \
         fingerprint pin. A case may name another now, connection or ca. Its error says why; null: accepted.",
        json!({
            "network": network(), "pin": pin().to_string(), "now": NOW.as_secs(),
            "ca": hex(anchor().der().as_bytes()), "connection": identity().node_id().to_string(),
        }),
    );
    accepted(&mut family);
    usages(&mut family);
    extensions(&mut family);
    names(&mut family);
    spiffe_ids(&mut family);
    numbers_and_times(&mut family);
    clocks(&mut family);
    issuers(&mut family);
    signatures_and_keys(&mut family);
    encodings(&mut family);
    giants(&mut family);
    family.check((164, 7), judge);
}

fn judge(case: &Value) -> Result<(), String> {
    let ca = match case.get("ca") {
        Some(ca) => CertificateDer::try_from(unhex(ca)).unwrap(),
        None => anchor().der().clone(),
    };
    let anchor = TrustAnchor::new(ca, pin(), network()).unwrap();
    let now = case["now"].as_u64().map_or(NOW, Timestamp::from_secs);
    let connection: NodeId =
        case["connection"].as_str().map_or_else(|| identity().node_id(), |id| id.parse().unwrap());
    CertificateDer::try_from(unhex(&case["certificate"]))
        .and_then(|leaf| verify(&anchor, &leaf, now))
        .and_then(|leaf| leaf.prove(connection))
        .map(drop)
        .map_err(|error| error.to_string())
}

fn input(certificate: &CertificateDer) -> Value {
    json!({ "certificate": hex(certificate.as_bytes()) })
}

fn at(certificate: &CertificateDer, now: Timestamp) -> Value {
    json!({ "certificate": hex(certificate.as_bytes()), "now": now.as_secs() })
}

/// A leaf with one fault planted before it was signed.
#[track_caller]
fn planted(
    family: &mut Family,
    name: &str,
    ids: &'static str,
    error: impl ToString,
    plant: impl FnOnce(&mut CertificateParams),
) {
    family.refuse(name, ids, input(&forged(plant)), error);
}

/// A leaf with one of its parts altered, signed again.
#[track_caller]
fn altered(
    family: &mut Family,
    name: &str,
    ids: &'static str,
    error: impl ToString,
    part: usize,
    alter: impl FnOnce(&mut Vec<u8>),
) {
    family.refuse(name, ids, input(&with_part(&forged(|_| ()), part, alter)), error);
}

fn wrong(extension: &'static str) -> ProfileError {
    ProfileError::Extension(extension)
}

fn extension(oid: &[u64], value: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(oid, value.to_vec())
}

const EKU: &str = "extendedKeyUsage";
const UNEXPECTED: &str = "unexpected extension or attribute";
const ALT_NAMES: &str = "the alternative names are";

fn accepted(family: &mut Family) {
    family.accept("the unbroken leaf", input(&forged(|_| ())));
    family.accept("one that was issued", input(&leaf()));
    let authority = LeafContents { subject: Subject { role: Role::Authority, ..subject() }, ..contents() };
    family.accept("an authority's", input(&issued(&leaf_params(&authority))));
    let bounds = (validity().not_before(), validity().not_after());
    family.accept(
        "299 seconds before its time",
        json!({
            "certificate": hex(forged(|_| ()).as_bytes()),
            "now": bounds.0.before(Duration::from_secs(299)).as_secs(),
        }),
    );
    family
        .accept("299 seconds after its time", at(&forged(|_| ()), bounds.1.after(Duration::from_secs(299))));
    family.accept(
        "the longest life",
        input(&forged(|p| p.not_after = p.not_before + LEAF_LIFE_MAX + BACKDATE)),
    );
    family.accept(
        "the largest serial",
        input(&forged(|p| p.serial_number = Some(SerialNumber::from_slice(&[0xff; 16])))),
    );
}

fn usages(family: &mut Family) {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, CodeSigning, OcspSigning, Other, ServerAuth};
    planted(family, "no extended key usage", "B2", ProfileError::MissingExtension(EKU), |p| {
        p.extended_key_usages.clear();
    });
    for (name, usages) in [
        ("client only", vec![ClientAuth]),
        ("server only", vec![ServerAuth]),
        ("any usage", vec![Any]),
        ("any usage beside both", vec![ClientAuth, ServerAuth, Any]),
        ("code signing beside both", vec![ClientAuth, ServerAuth, CodeSigning]),
        ("OCSP signing beside both", vec![ClientAuth, ServerAuth, OcspSigning]),
        ("an unknown usage beside both", vec![ClientAuth, ServerAuth, Other(vec![1, 2, 3])]),
    ] {
        planted(family, name, "B2", wrong(EKU), |p| p.extended_key_usages = usages);
    }
    planted(family, "server before client", "B10", ProfileError::NotCanonical, |p| {
        p.extended_key_usages.reverse();
    });
    planted(family, "no key usage", "B2", ProfileError::MissingExtension("keyUsage"), |p| {
        p.key_usages.clear();
    });
    for (name, usage) in [
        ("a leaf that signs certificates", KeyUsagePurpose::KeyCertSign),
        ("a leaf that signs revocation lists", KeyUsagePurpose::CrlSign),
        ("a leaf that agrees on keys", KeyUsagePurpose::KeyAgreement),
    ] {
        planted(family, name, "B2", wrong("keyUsage"), |p| p.key_usages.push(usage));
    }
    planted(family, "another key usage", "B2", wrong("keyUsage"), |p| {
        p.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    });
    for (name, constraints) in [
        ("a leaf that is a CA", BasicConstraints::Unconstrained),
        ("a leaf that is a CA of path length 0", BasicConstraints::Constrained(0)),
    ] {
        planted(family, name, "B1, B2", wrong("basicConstraints"), |p| p.is_ca = IsCa::Ca(constraints));
    }
}

fn extensions(family: &mut Family) {
    for (name, critical) in [("critical", true), ("not critical", false)] {
        planted(family, &format!("an unknown extension, {name}"), "B9", UNEXPECTED, |p| {
            let mut foreign = extension(&[2, 25, 7], &[5, 0]);
            foreign.set_criticality(critical);
            p.custom_extensions.push(foreign);
        });
    }
    planted(family, "distribution points", "B9", UNEXPECTED, |p| {
        p.crl_distribution_points = vec![CrlDistributionPoint { uris: vec!["http://shop.lan".into()] }];
    });
    planted(family, "name constraints in a leaf", "B9", UNEXPECTED, |p| {
        let permitted_subtrees = vec![GeneralSubtree::DnsName("shop.lan".into())];
        p.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    });
    planted(family, "certificate policies", "B9", UNEXPECTED, |p| {
        p.custom_extensions
            .push(extension(&[2, 5, 29, 32], &[0x30, 0x06, 0x30, 0x04, 0x06, 0x02, 0x2a, 0x03]));
    });
    for (name, missing, plant) in [
        (
            "no authority key identifier",
            "authorityKeyIdentifier",
            (|p| p.use_authority_key_identifier_extension = false) as fn(&mut CertificateParams),
        ),
        ("no subject key identifier", "subjectKeyIdentifier", |p| p.is_ca = IsCa::NoCa),
        ("no alternative names", "subjectAltName", |p| p.subject_alt_names.clear()),
        ("no role", "role", |p| p.custom_extensions.truncate(1)),
        ("no sealing key", "sealing key", |p| drop(p.custom_extensions.remove(0))),
    ] {
        planted(family, name, "B2", ProfileError::MissingExtension(missing), plant);
    }
    for (name, oid, value) in [
        ("keyUsage", [2, 5, 29, 15], &[0x03, 0x02, 0x07, 0x80][..]),
        ("basicConstraints", [2, 5, 29, 19], &[0x30, 0x00]),
        ("subjectKeyIdentifier", [2, 5, 29, 14], &[0x04, 0x01, 0x07]),
        ("extendedKeyUsage", [2, 5, 29, 37], &[0x30, 0x04, 0x06, 0x02, 0x2a, 0x03]),
        ("subjectAltName", [2, 5, 29, 17], &[0x30, 0x03, 0x82, 0x01, 0x78]),
        ("authorityKeyIdentifier", [2, 5, 29, 35], &[0x30, 0x00]),
        ("role", ROLE_OID, &[0x0a, 0x01, 0x00]),
        ("sealing key", SEALING_KEY_OID, &sealing_content()),
    ] {
        planted(family, &format!("{name} twice"), "B10", ProfileError::DuplicateExtension(name), |p| {
            p.custom_extensions.push(extension(&oid, value));
        });
    }
    roles_and_sealing_keys(family);
}

fn roles_and_sealing_keys(family: &mut Family) {
    for (name, value) in [
        ("a role that there is not", &[0x0a, 0x01, 0x02][..]),
        ("a negative role", &[0x0a, 0x01, 0xff]),
        ("a role behind which something stands", &[0x0a, 0x01, 0x00, 0x00]),
        ("a padded role", &[0x0a, 0x02, 0x00, 0x01]),
        ("a role that is an integer", &[0x02, 0x01, 0x01]),
        ("an empty role", &[]),
    ] {
        planted(family, name, "B2, B10", wrong("role"), |p| {
            p.custom_extensions[1] = extension(&ROLE_OID, value);
        });
    }
    planted(family, "a critical role", "B9", wrong("role"), |p| p.custom_extensions[1].set_criticality(true));
    planted(family, "a critical sealing key", "B9", wrong("sealing key"), |p| {
        p.custom_extensions[0].set_criticality(true);
    });
    planted(family, "role before sealing key", "B10", ProfileError::NotCanonical, |p| {
        p.custom_extensions.reverse();
    });
    let good = sealing_content();
    let of = |key: [u8; 32]| sealing_key_extension(&SealingPublicKey(key)).content().to_vec();
    let ed25519 = { good.iter().map(|byte| if *byte == 0x6e { 0x70 } else { *byte }).collect::<Vec<_>>() };
    let (mut high, mut one) = ([0xff; 32], [0; 32]);
    (high[0], high[31], one[0]) = (0xed, 0x7f, 1);
    for (name, value) in [
        ("a sealing key without its algorithm", vec![0x55; 32]),
        ("a sealing key that is cut", good[..43].to_vec()),
        ("a sealing key behind which something stands", [&good[..], &[0]].concat()),
        ("a sealing key of another algorithm", ed25519),
        ("a sealing key of small order: 0", of([0; 32])),
        ("a sealing key of small order: 1", of(one)),
        ("a sealing key of small order: the prime", of(high)),
    ] {
        planted(family, name, "B10", wrong("sealing key"), |p| {
            p.custom_extensions[0] = extension(&SEALING_KEY_OID, &value);
        });
    }
}

fn names(family: &mut Family) {
    type Plant = fn(&mut Vec<SanType>);
    for (name, plant) in [
        ("a SPIFFE id alone", (|names| names.truncate(1)) as Plant),
        ("a DNS name alone", |names| drop(names.remove(0))),
        ("the DNS name first", |names| names.reverse()),
        ("two SPIFFE ids", |names| names.insert(1, uri("spiffe://shop.lan/entity/shop/node/nas"))),
        ("two DNS names", |names| names.push(dns("nas.shop.lan"))),
        ("the DNS name twice", |names| names.push(dns("till.shop.lan"))),
        ("an address", |names| names.push(SanType::IpAddress([127, 0, 0, 1].into()))),
        ("a mail address", |names| names.push(SanType::Rfc822Name("till@shop.lan".try_into().unwrap()))),
        ("another node's DNS name", |names| names[1] = dns("nas.shop.lan")),
        ("a DNS name outside of the network", |names| names[1] = dns("till.other.lan")),
        ("a DNS name that goes on", |names| names[1] = dns("till.shop.lan.other.lan")),
        ("a wildcard", |names| names[1] = dns("*.shop.lan")),
        ("a DNS name in capitals", |names| names[1] = dns("TILL.shop.lan")),
        ("a DNS name with a final dot", |names| names[1] = dns("till.shop.lan.")),
        ("a DNS name with a zero byte", |names| names[1] = dns("till.shop.lan\0")),
    ] {
        planted(family, name, "B9, B2", ALT_NAMES, |p| plant(&mut p.subject_alt_names));
    }
    planted(family, "critical alternative names", "B9", wrong("subjectAltName"), |p| {
        assert!(p.distinguished_name.remove(DnType::CommonName)); // which makes them critical
    });
    for (name, kind, value) in [
        ("two common names", DnType::CommonName, "nas"),
        ("an organisation beside the name", DnType::OrganizationName, "shop"),
    ] {
        planted(family, name, "B2", ProfileError::Subject, |p| p.distinguished_name.push(kind, value));
    }
    altered(family, "another subject than the name", "B2", ProfileError::Subject, SUBJECT, |part| {
        replace(part, b"till", b"nas1");
    });
    altered(
        family,
        "the subject as a printable string",
        "B10",
        ProfileError::NotCanonical,
        SUBJECT,
        |part| {
            replace(part, b"\x0c\x04till", b"\x13\x04till");
        },
    );
}

fn spiffe_ids(family: &mut Family) {
    for id in [
        "https://shop.lan/entity/shop/node/till",
        "SPIFFE://shop.lan/entity/shop/node/till",
        "spiffe://SHOP.lan/entity/shop/node/till",
        "spiffe://shop.lan/node/till",
        "spiffe://shop.lan/entity/shop",
        "spiffe://shop.lan/entity/shop/node/till/",
        "spiffe://shop.lan/entity/shop/node/till?x",
        "spiffe://shop.lan/entity/shop/node/till#x",
        "spiffe://shop.lan/entity/shop/node/%74ill",
        "spiffe://shop.lan/entity/shop/x/node/till",
        "spiffe://shop.lan/entity//node/till",
        "spiffe://shop.lan/entity/Shop/node/till",
        "spiffe://shop.lan/entity/../node/till",
        "spiffe://shop.lan:1/entity/shop/node/till",
        "spiffe://user@shop.lan/entity/shop/node/till",
        "spiffe://other.lan/entity/shop/node/till",
        "spiffe://shop.lan/entity/shop/node/nas",
        "spiffe:///entity/shop/node/till",
    ] {
        planted(family, &format!("the SPIFFE id {id}"), "B2, B3", ALT_NAMES, |p| {
            p.subject_alt_names[0] = uri(id);
        });
    }
    let other: NetworkName = "other.lan".parse().unwrap();
    let error = CertificateError::Network { expected: network(), actual: other };
    planted(family, "another network's names", "B3", error, |p| {
        p.subject_alt_names = vec![uri("spiffe://other.lan/entity/shop/node/till"), dns("till.other.lan")];
    });
}

fn numbers_and_times(family: &mut Family) {
    for (name, digits) in [
        ("the serial 0", &[0x00][..]),
        ("a negative serial", &[0xff]),
        ("a negative serial of 16 bytes", &[0x80; 16]),
        ("a serial of 129 bits", &[0x7f; 17]),
        ("a serial of 20 bytes", &[0x7f; 20]),
        ("a serial of 21 bytes", &[0x7f; 21]),
        ("a serial without digits", &[]),
    ] {
        altered(family, name, "B10", ProfileError::Serial, SERIAL, |part| *part = element(0x02, digits));
    }
    altered(family, "a padded serial", "B10", ProfileError::NotCanonical, SERIAL, |part| {
        *part = element(0x02, &[0, 0, 7])
    });
    altered(family, "a serial with a needless zero", "B10", ProfileError::NotCanonical, SERIAL, |part| {
        *part = element(0x02, &[0, 7]);
    });
    type Plant = fn(&mut CertificateParams);
    for (name, plant) in [
        (
            "a second more than the longest life",
            (|p| p.not_after = p.not_before + LEAF_LIFE_MAX + BACKDATE + Duration::from_secs(1)) as Plant,
        ),
        ("no life at all", |p| p.not_after = p.not_before),
        ("an end before the beginning", |p| p.not_after = p.not_before - Duration::from_secs(1)),
    ] {
        planted(family, name, "B4", "valid from", plant);
    }
    let not_canonical = ProfileError::NotCanonical;
    for (name, time, error) in [
        ("a time without seconds", element(0x17, b"2611210925Z"), &not_canonical),
        ("a time with an offset", element(0x17, b"261121092500+0000"), &not_canonical),
        ("a date in the other form of times", element(0x18, b"20261121092500Z"), &not_canonical),
        ("a time with a fraction", element(0x18, b"20261121092500.0Z"), &not_canonical),
        ("a day that there is not", element(0x17, b"261131092500Z"), &ProfileError::Malformed),
    ] {
        altered(family, name, "B10", error, VALIDITY, |part| {
            let [_, end]: [Vec<u8>; 2] = elements(content(part)).try_into().unwrap();
            *part = element(0x30, &[time, end].concat());
        });
    }
}

fn clocks(family: &mut Family) {
    let (not_before, not_after) = (validity().not_before(), validity().not_after());
    let far = Duration::from_secs(301);
    let (early, late) = (not_before.before(far), not_after.after(far));
    let older = issue_ca(&ca_key(), &network(), NOW.before(LEAF_LIFE), &mut rng()).unwrap();
    let under = |leaf: &CertificateDer, ca: &CertificateDer, now: Timestamp| json!({ "certificate": hex(leaf.as_bytes()), "ca": hex(ca.as_bytes()), "now": now.as_secs() });
    let leaf = forged(|_| ());
    let error = CertificateError::NotYetValid { not_before, now: early };
    family.refuse("301 seconds before its time", "B4", under(&leaf, &older, early), error);
    let error = CertificateError::AuthorityNotYetValid { not_before, now: early };
    family.refuse("301 seconds before its CA's time", "B4", at(&leaf, early), error);
    let error = CertificateError::Expired { not_after, now: late };
    family.refuse("301 seconds after its time", "B4", at(&leaf, late), error);

    let end = NOW.after(CA_LIFE);
    let last = Validity::starting(end, LEAF_LIFE).unwrap();
    let last = issue_leaf(&ca_key(), &anchor(), subject(), last, &mut rng()).unwrap();
    let now = end.after(far);
    let error = CertificateError::AuthorityExpired { not_after: end, now };
    family.refuse("301 seconds after its CA's time", "B4", at(&last, now), error);
    let outliving = LeafContents { validity: Validity::starting(end, LEAF_LIFE).unwrap(), ..contents() };
    let outliving = issued(&leaf_params(&outliving));
    family.refuse("a life beyond its CA's", "B4", at(&outliving, end), ProfileError::OutlivesAuthority);
    let early =
        LeafContents { validity: Validity::starting(NOW.before(SKEW), LEAF_LIFE).unwrap(), ..contents() };
    let early = issued(&leaf_params(&early));
    family.refuse("a life that begins before its CA's", "B4", input(&early), ProfileError::OutlivesAuthority);
}

fn issuers(family: &mut Family) {
    let other = CaKey::from_seed(&[9; 32]);
    let member = identity();
    let node = *subject().node.public_key();
    let by = |key: PublicKey, claimed: &PublicKey, sign: &dyn Fn(&[u8]) -> [u8; 64]| {
        let names = ca_names(&network(), claimed);
        signed(&leaf_params(&contents()), &names, &Signer { key: &key, sign }, &node)
    };
    let elsewhere = CertificateError::OtherAuthority { expected: pin() };
    let (key, ours) = (other.public_key(), ca_key().public_key());
    let sign = |der: &[u8]| other.sign_certificate(der);
    family.refuse("another CA of the same name", "B3, B12", input(&by(key, &key, &sign)), &elsewhere);
    let path = "does not chain to the network's authority";
    family.refuse("another CA that claims our CA's key", "B3, B12", input(&by(key, &ours, &sign)), path);
    let sign = |der: &[u8]| member.sign_certificate_request(der);
    family.refuse("issued by a leaf", "B1", input(&by(node, &node, &sign)), &elsewhere);
    family.refuse("issued by a leaf that claims the CA's key", "B1", input(&by(node, &ours, &sign)), path);
    altered(family, "another issuer's name", "B12", ProfileError::NotCanonical, ISSUER, |part| {
        replace(part, b"shop.lan", b"step.lan");
    });
    let theirs = json!({
        "certificate": hex(forged(|_| ()).as_bytes()),
        "connection": IdentityKey::from_seed(&[9; 32]).node_id().to_string(),
    });
    family.refuse("shown by another node", "A12", theirs, "the certificate is for node");
    family.refuse("the CA certificate as a leaf", "B1, B14", input(anchor().der()), UNEXPECTED);
    family.refuse("a request as a leaf", "B14", input(&CertificateDer(csr())), ProfileError::Malformed);
}

fn signatures_and_keys(family: &mut Family) {
    let path = "does not chain to the network's authority";
    let mut malleated = forged(|_| ()).0;
    let start = malleated.len() - 32;
    add_group_order(&mut malleated[start..]);
    family.refuse("the signature R, S + L", "B6, B10", input(&CertificateDer(malleated)), path);
    let parts = Parts::of(&forged(|_| ()));
    let whole = forged(|_| ()).0;
    let signature = &whole[whole.len() - 64..];
    for (name, bits, error) in [
        ("a signature of zeros", [0; 65].to_vec(), path),
        (
            "a signature of 63 bytes",
            whole[whole.len() - 65..whole.len() - 1].to_vec(),
            "the signature is not",
        ),
        ("a signature of 65 bytes", [&[0], signature, &[0]].concat(), "the signature is not"),
        ("no signature", vec![0], "the signature is not"),
        ("a signature with an unused bit", [&[1], signature].concat(), "malformed or trailing bytes"),
    ] {
        family.refuse(name, "B10", input(&parts.with_signature(&bits)), error);
    }
    let sha256_rsa = element(
        0x30,
        &[&element(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11])[..], &[5, 0]].concat(),
    );
    let with_null = element(0x30, &[&element(0x06, &[0x2b, 0x65, 0x70])[..], &[5, 0]].concat());
    let ed448 = element(0x30, &element(0x06, &[0x2b, 0x65, 0x71]));
    let wrong_signature = ProfileError::Algorithm("signature");
    for (name, algorithm) in
        [("RSA", &sha256_rsa), ("Ed448", &ed448), ("Ed25519 with a parameter", &with_null)]
    {
        let mut outer = Parts::of(&forged(|_| ()));
        outer.algorithm.clone_from(algorithm);
        let title = format!("{name} named beside the signature");
        family.refuse(&title, "B10", input(&outer.signed()), &wrong_signature);
        let title = format!("{name} named under the signature");
        altered(family, &title, "B10", ProfileError::NotCanonical, ALGORITHM, |part| {
            part.clone_from(algorithm)
        });
    }
    let wrong_key = ProfileError::Algorithm("public key");
    let key = |oid: u8, key: &[u8]| {
        let algorithm = element(0x30, &element(0x06, &[0x2b, 0x65, oid]));
        element(0x30, &[algorithm, element(0x03, &[&[0], key].concat())].concat())
    };
    let own = *subject().node.as_bytes();
    let (mut one, mut sign) = ([0; 32], [0; 32]);
    (one[0], sign[0], sign[31]) = (1, 1, 0x80);
    for (name, value) in [
        ("an X25519 key", key(0x6e, &own)),
        ("a key of 31 bytes", key(0x70, &own[..31])),
        ("a key of 33 bytes", key(0x70, &[&own[..], &[0]].concat())),
        ("the neutral point as key", key(0x70, &one)),
        ("a key that is no point", key(0x70, &[0x02; 32])),
        ("a key that is not written canonically", key(0x70, &sign)),
        ("a point of order 4 as key", key(0x70, &[0; 32])),
    ] {
        altered(family, name, "B10", &wrong_key, KEY, |part| *part = value);
    }
}

fn encodings(family: &mut Family) {
    let good = forged(|_| ()).0;
    let malformed = ProfileError::Malformed;
    let mut long_form = good.clone();
    long_form.splice(1..2, [0x83, 0x00]);
    let indefinite = [&[0x30, 0x80], &good[4..], &[0, 0]].concat();
    for (name, der) in [
        ("nothing", Vec::new()),
        ("a byte behind it", [&good[..], &[0]].concat()),
        ("a certificate behind it", good.repeat(2)),
        ("the last byte missing", good[..good.len() - 1].to_vec()),
        ("half of it", good[..good.len() / 2].to_vec()),
        ("PEM", leaf().to_pem().into_bytes()),
    ] {
        family.refuse(name, "B10", input(&CertificateDer(der)), &malformed);
    }
    family.refuse(
        "a length in too many bytes",
        "B10",
        input(&CertificateDer(long_form)),
        ProfileError::NotCanonical,
    );
    family.refuse("an indefinite length", "B10", input(&CertificateDer(indefinite)), &malformed);
    altered(family, "version 1", "B10", &malformed, VERSION, Vec::clear);
    for (name, version) in [("version 2", 1), ("version 4", 3)] {
        altered(family, name, "B10", &malformed, VERSION, |part| part[4] = version);
    }
    altered(family, "a unique id of the subject", "B10", ProfileError::NotCanonical, KEY, |part| {
        part.extend(element(0x82, &[0, 7]));
    });
    altered(family, "no extensions at all", "B2", "no extension", EXTENSIONS, Vec::clear);
    altered(
        family,
        "an extension that is critical: FALSE, written out",
        "B10",
        ProfileError::NotCanonical,
        EXTENSIONS,
        |part| {
            let mut all = elements(content(content(part)));
            let [oid, value]: [Vec<u8>; 2] = elements(content(&all[0])).try_into().unwrap();
            all[0] = element(0x30, &[oid, element(0x01, &[0]), value].concat());
            *part = element(0xa3, &element(0x30, &all.concat()));
        },
    );
    altered(
        family,
        "an extension that is critical: TRUE, written as 1",
        "B10",
        ProfileError::NotCanonical,
        EXTENSIONS,
        |part| {
            replace(part, &[0x55, 0x1d, 0x0f, 1, 1, 0xff], &[0x55, 0x1d, 0x0f, 1, 1, 1]);
        },
    );
    altered(
        family,
        "a key usage with an unused bit that is set",
        "B10",
        wrong("keyUsage"),
        EXTENSIONS,
        |part| {
            replace(part, &[0x03, 0x02, 0x07, 0x80], &[0x03, 0x02, 0x07, 0x81]);
        },
    );
    altered(
        family,
        "a basic constraint of FALSE, written out",
        "B10",
        ProfileError::NotCanonical,
        EXTENSIONS,
        |part| {
            let mut all = elements(content(content(part)));
            let at = all.iter().position(|one| one.ends_with(&[4, 2, 0x30, 0])).unwrap();
            let oid = element(0x06, &[0x55, 0x1d, 0x13]);
            let value = element(0x04, &element(0x30, &element(0x01, &[0])));
            all[at] = element(0x30, &[oid, element(0x01, &[0xff]), value].concat());
            *part = element(0xa3, &element(0x30, &all.concat()));
        },
    );
    altered(family, "extensions in another order", "B10", ProfileError::NotCanonical, EXTENSIONS, |part| {
        let mut all = elements(content(content(part)));
        all.swap(2, 3);
        *part = element(0xa3, &element(0x30, &all.concat()));
    });
}

fn giants(family: &mut Family) {
    let good = forged(|_| ()).0;
    let long = |actual| CertificateError::TooLong { actual, max: CERTIFICATE_MAX };
    let chain = good.repeat(100);
    family.refuse(
        "a chain of 100 certificates",
        "B9",
        json!({ "certificate": hex(&chain) }),
        long(chain.len()),
    );
    let giant = vec![0x30; 1 << 20];
    family.refuse("a megabyte", "B9", json!({ "certificate": hex(&giant) }), long(1 << 20));
    for (name, nest) in [
        ("a nest of 2,048 sequences", vec![0x30; 2048]),
        ("a nest of indefinite sequences", [0x30, 0x80].repeat(1024)),
        ("a nest of sequences of 2,044 bytes", [0x30, 0x82, 0x07, 0xfc].repeat(512)),
    ] {
        family.refuse(name, "B9", input(&CertificateDer(nest)), ProfileError::Malformed);
    }
    planted(family, "as many alternative names as fit", "B9", ALT_NAMES, |p| {
        p.subject_alt_names.extend((0..80).map(|n| dns(&format!("n{n}.shop.lan"))));
    });
    planted(family, "as many unknown extensions as fit", "B9", UNEXPECTED, |p| {
        p.custom_extensions.extend((0..80).map(|n| extension(&[2, 25, n], &[])));
    });
}
