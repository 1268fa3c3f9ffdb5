//! Of everything there is one encoding.

use super::*;

/// The format is frozen: these files are what other implementations are checked against.
#[test]
fn certificates_and_requests_are_the_known_answers() {
    assert_eq!(anchor().der().to_pem(), include_str!("../../../vectors/certificate/ca.pem"));
    assert_eq!(leaf().to_pem(), include_str!("../../../vectors/certificate/leaf.pem"));
    assert_eq!(csr(), include_bytes!("../../../vectors/certificate/request.der"));
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
