//! Certificates taken apart and put together again, with what `rcgen` would not write.

use super::super::*;

/// The parts of a certificate that stand side by side, each with its tag and length.
pub(super) struct Parts {
    /// Version, serial, algorithm, issuer, validity, subject, key, extensions.
    pub(super) signed: Vec<Vec<u8>>,
    /// The algorithm that stands beside the signature.
    pub(super) algorithm: Vec<u8>,
}

pub(super) const VERSION: usize = 0;
pub(super) const SERIAL: usize = 1;
pub(super) const ALGORITHM: usize = 2;
pub(super) const ISSUER: usize = 3;
pub(super) const VALIDITY: usize = 4;
pub(super) const SUBJECT: usize = 5;
pub(super) const KEY: usize = 6;
pub(super) const EXTENSIONS: usize = 7;

impl Parts {
    pub(super) fn of(certificate: &CertificateDer) -> Self {
        let [signed, algorithm, _]: [Vec<u8>; 3] =
            elements(content(certificate.as_bytes())).try_into().unwrap();
        Self { signed: elements(content(&signed)), algorithm }
    }

    fn body(&self) -> Vec<u8> {
        element(0x30, &self.signed.concat())
    }

    /// The certificate, signed by the CA key.
    pub(super) fn signed(&self) -> CertificateDer {
        let signature = ca_key().sign_certificate(&self.body());
        self.with_signature(&[&[0], &signature[..]].concat())
    }

    /// The certificate with these bytes as its signature: the number of unused bits first.
    pub(super) fn with_signature(&self, bits: &[u8]) -> CertificateDer {
        let parts = [self.body(), self.algorithm.clone(), element(0x03, bits)].concat();
        CertificateDer(element(0x30, &parts))
    }
}

/// The certificate with one of its parts altered, signed by the CA key again.
pub(super) fn with_part(
    certificate: &CertificateDer,
    part: usize,
    alter: impl FnOnce(&mut Vec<u8>),
) -> CertificateDer {
    let mut parts = Parts::of(certificate);
    alter(&mut parts.signed[part]);
    parts.signed()
}

/// One element with its tag and its length, which is written as DER has it.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = match (content.len(), length) {
        (0..0x80, [_, low]) => vec![low],
        (0x80..0x100, [_, low]) => vec![0x81, low],
        (_, [high, low]) => vec![0x82, high, low],
    };
    [&[tag], &length[..], content].concat()
}

/// The content of one element.
pub(super) fn content(element: &[u8]) -> &[u8] {
    &element[header_len(element)..]
}

/// The elements that stand side by side in `bytes`.
pub(super) fn elements(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let header = header_len(bytes);
        let length = match bytes[1] {
            0x81 => usize::from(bytes[2]),
            0x82 => usize::from(bytes[2]) << 8 | usize::from(bytes[3]),
            short => usize::from(short),
        };
        let (element, rest) = bytes.split_at(header + length);
        found.push(element.to_vec());
        bytes = rest;
    }
    found
}

fn header_len(element: &[u8]) -> usize {
    match element[1] {
        0x81 => 3,
        0x82 => 4,
        _ => 2,
    }
}

/// Replaces the one place where `find` stands by as many other bytes.
#[track_caller]
pub(super) fn replace(bytes: &mut [u8], find: &[u8], by: &[u8]) {
    assert_eq!(find.len(), by.len());
    let mut places = (0..=bytes.len() - find.len()).filter(|at| bytes[*at..].starts_with(find));
    let (Some(at), None) = (places.next(), places.next()) else { panic!("not exactly one place") };
    bytes[at..at + by.len()].copy_from_slice(by);
}
