//! Project Wycheproof's cases against every primitive that the crate stands on. The counts are asserted, so that
//! a case that is silently skipped fails the test (J3).

use aws_lc_rs::aead::{AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, XChaCha20Poly1305};
use hkdf::Hkdf;
use sha2::Sha256;
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestName, TestSet};

use crate::identity::{PublicKey, SealingKey, SealingPublicKey};

/// B10: 518 exchanges, of which the 31 with an all-zero result are refused. No certificate has a key of theirs.
#[test]
fn x25519() {
    use wycheproof::xdh::{TestFlag, TestName, TestSet};
    let (mut refused, mut agreed) = (0, 0);
    for test in cases(TestSet::load(TestName::X25519).unwrap().test_groups, |group| group.tests) {
        let key = SealingKey::from_bytes(&test.private_key[..].try_into().unwrap());
        let public = SealingPublicKey(test.public_key[..].try_into().unwrap());
        let shared = key.agree(&public);
        assert_eq!(public.has_small_order(), shared.is_err(), "case {}", test.tc_id);
        if test.flags.contains(&TestFlag::ZeroSharedSecret) {
            assert!(shared.is_err(), "case {}", test.tc_id);
            refused += 1;
        } else {
            assert_eq!(shared.unwrap().as_slice(), &test.shared_secret[..], "case {}", test.tc_id);
            agreed += 1;
        }
    }
    assert_eq!((agreed, refused), (518 - 31, 31));
}

/// B10: 151 signatures; malleated, truncated and non-canonical ones are refused.
#[test]
fn ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut count = 0;
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = PublicKey::try_from(<[u8; 32]>::try_from(&group.key.pk[..]).unwrap()).unwrap();
        for test in group.tests {
            let signature = <[u8; 64]>::try_from(&test.sig[..]).map(Into::into);
            let verifies = signature.is_ok_and(|signature| key.verify_bytes(&test.msg, &signature).is_ok());
            assert_eq!(verifies, !test.result.must_fail(), "case {}", test.tc_id);
            count += 1;
        }
    }
    assert_eq!(count, 151);
}

/// 86 derivations; the ones that ask for more than HKDF gives are refused.
#[test]
fn hkdf_sha256() {
    use wycheproof::hkdf::{TestName, TestSet};
    let mut count = 0;
    for test in cases(TestSet::load(TestName::HkdfSha256).unwrap().test_groups, |group| group.tests) {
        let mut okm = vec![0; test.size];
        let result = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut okm);
        assert_eq!(result.is_ok(), !test.result.must_fail(), "case {}", test.tc_id);
        assert!(result.is_err() || okm == test.okm[..], "case {}", test.tc_id);
        count += 1;
    }
    assert_eq!(count, 86);
}

/// 325 cases of the cipher of handshakes and sealed messages, and the same 325 of the cipher of records.
#[test]
fn chacha20_poly1305() {
    let count = check(TestName::ChaCha20Poly1305, 12, pure::<ChaCha20Poly1305>);
    assert_eq!(count, (325 - 9, 9));
    let count = check(TestName::ChaCha20Poly1305, 12, |test| bulk(&CHACHA20_POLY1305, test));
    assert_eq!(count, (325 - 9, 9));
}

/// 315 cases of the cipher of key rings.
#[test]
fn xchacha20_poly1305() {
    let count = check(TestName::XChaCha20Poly1305, 24, pure::<XChaCha20Poly1305>);
    assert_eq!(count, (315 - 9, 9));
}

/// The cases with keys of 256 bits, of 316: the only ones that a channel can have.
#[test]
fn aes_256_gcm() {
    let set = TestSet::load(TestName::AesGcm).unwrap();
    assert_eq!(set.test_groups.iter().map(|group| group.tests.len()).sum::<usize>(), 316);
    let count = check(TestName::AesGcm, 12, |test| bulk(&AES_256_GCM, test));
    assert_eq!(count, (66, 39));
}

/// Runs the cases with keys of 256 bits, and gives how many had nonces of `nonce_len` bytes and how many had
/// not, which no type of ours can hold.
fn check(name: TestName, nonce_len: usize, run: impl Fn(&Test) -> Option<Vec<u8>>) -> (usize, usize) {
    let (mut ran, mut unrepresentable) = (0, 0);
    for group in TestSet::load(name).unwrap().test_groups {
        for test in group.tests.iter().filter(|_| group.key_size == 256) {
            if test.nonce.len() != nonce_len {
                unrepresentable += 1;
                continue;
            }
            let opened = run(test);
            match test.result {
                TestResult::Invalid => assert_eq!(opened, None, "case {}", test.tc_id),
                TestResult::Valid | TestResult::Acceptable => {
                    assert_eq!(opened.as_deref(), Some(&test.pt[..]), "case {}", test.tc_id);
                }
            }
            ran += 1;
        }
    }
    (ran, unrepresentable)
}

/// Opens a case with the portable cipher, and seals it to the same bytes if it is valid.
fn pure<C: KeyInit + Aead>(test: &Test) -> Option<Vec<u8>> {
    let cipher = C::new_from_slice(&test.key).unwrap();
    let nonce = test.nonce[..].try_into().unwrap();
    let sealed = [&test.ct[..], &test.tag[..]].concat();
    let opened = cipher.decrypt(nonce, Payload { msg: &sealed, aad: &test.aad }).ok()?;
    assert_eq!(cipher.encrypt(nonce, Payload { msg: &opened, aad: &test.aad }).unwrap(), sealed);
    Some(opened)
}

/// Opens a case with the record layer's cipher, and seals it to the same bytes if it is valid.
fn bulk(algorithm: &'static Algorithm, test: &Test) -> Option<Vec<u8>> {
    let cipher = LessSafeKey::new(UnboundKey::new(algorithm, &test.key).unwrap());
    let nonce = || Nonce::try_assume_unique_for_key(&test.nonce).unwrap();
    let sealed = [&test.ct[..], &test.tag[..]].concat();
    let mut body = sealed.clone();
    let opened = cipher.open_in_place(nonce(), Aad::from(&test.aad[..]), &mut body).ok()?.to_vec();
    let mut again = opened.clone();
    cipher.seal_in_place_append_tag(nonce(), Aad::from(&test.aad[..]), &mut again).unwrap();
    assert_eq!(again, sealed);
    Some(opened)
}

fn cases<G, T>(groups: Vec<G>, tests: impl Fn(G) -> Vec<T>) -> Vec<T> {
    groups.into_iter().flat_map(tests).collect()
}
