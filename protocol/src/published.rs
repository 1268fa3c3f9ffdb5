//! The vectors that the standards print, through this crate's own wrappers where it has one. HPKE's and Noise's stand
//! beside the code that uses them.

use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use hkdf::Hkdf;
use serde_json::Value;
use sha2::Sha256;

use crate::identity::{IdentityKey, PublicKey, SealingKey, SealingPublicKey};
use crate::vectors::unhex;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/rfc.json")).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    unhex(value).try_into().unwrap()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().unwrap().clone()
}

/// J3: RFC 8032, section 7.1: five signatures, one of them over 1,023 bytes.
#[test]
fn ed25519_follows_rfc_8032() {
    let tests = list(&vectors()["ed25519"]);
    assert_eq!(tests.len(), 5);
    for test in tests {
        let (key, message) = (IdentityKey::from_seed(&array(&test["seed"])), unhex(&test["message"]));
        let name = &test["name"];
        assert_eq!(key.public_key(), PublicKey::try_from(array(&test["public"])).unwrap(), "{name}");
        let signature = key.sign_certificate_request(&message);
        assert_eq!(signature, array(&test["signature"]), "{name}");
        assert_eq!(key.public_key().verify_bytes(&message, &signature.into()), Ok(()), "{name}");
    }
    assert_eq!(unhex(&vectors()["ed25519"][3]["message"]).len(), 1023);
}

/// J3: RFC 7748, sections 5.2 and 6.1.
#[test]
fn x25519_follows_rfc_7748() {
    let tests = list(&vectors()["x25519"]["exchanges"]);
    assert_eq!(tests.len(), 4);
    for test in &tests {
        let key = SealingKey::from_bytes(&array(&test["scalar"]));
        let shared = key.agree(&SealingPublicKey(array(&test["u"]))).unwrap();
        assert_eq!(*shared, array(&test["result"]), "{}", test["name"]);
    }
    for (one, other) in [(&tests[2], &tests[3]), (&tests[3], &tests[2])] {
        let key = SealingKey::from_bytes(&array(&one["scalar"]));
        assert_eq!(key.public_key().as_bytes(), &array(&other["u"]));
    }
}

/// J3: RFC 7748, section 5.2: a thousand exchanges, each with the results of the two before.
#[test]
fn x25519_follows_rfc_7748_a_thousand_times() {
    let expected = &vectors()["x25519"]["iterated"];
    let mut scalar = [0; 32];
    scalar[0] = 9;
    let mut point = scalar;
    for round in 1..=1000 {
        let next = *SealingKey::from_bytes(&scalar).agree(&SealingPublicKey(point)).unwrap();
        (point, scalar) = (scalar, next);
        if round == 1 {
            assert_eq!(scalar, array(&expected["1"]));
        }
    }
    assert_eq!(scalar, array(&expected["1000"]));
}

/// J3: RFC 5869, appendices A.1 to A.3.
#[test]
fn hkdf_follows_rfc_5869() {
    let tests = list(&vectors()["hkdf_sha256"]);
    assert_eq!(tests.len(), 3);
    for test in tests {
        let expected = unhex(&test["okm"]);
        let (prk, hkdf) = Hkdf::<Sha256>::extract(Some(&unhex(&test["salt"])), &unhex(&test["ikm"]));
        assert_eq!(prk.as_slice(), unhex(&test["prk"]), "{}", test["name"]);
        let mut okm = vec![0; expected.len()];
        hkdf.expand(&unhex(&test["info"]), &mut okm).unwrap();
        assert_eq!(okm, expected, "{}", test["name"]);
    }
}

/// J3: RFC 9106, section 5.3.
#[test]
fn argon2id_follows_rfc_9106() {
    let test = &vectors()["argon2id"];
    let number = |name: &str| u32::try_from(test[name].as_u64().unwrap()).unwrap();
    let params = ParamsBuilder::new()
        .m_cost(number("memory_kib"))
        .t_cost(number("passes"))
        .p_cost(number("lanes"))
        .output_len(32)
        .data(AssociatedData::new(&unhex(&test["associated_data"])).unwrap())
        .build()
        .unwrap();
    let secret = unhex(&test["secret"]);
    let argon2 = Argon2::new_with_secret(&secret, Algorithm::Argon2id, Version::V0x13, params).unwrap();
    let mut tag = [0; 32];
    argon2.hash_password_into(&unhex(&test["password"]), &unhex(&test["salt"]), &mut tag).unwrap();
    assert_eq!(tag, array(&test["tag"]));
}
