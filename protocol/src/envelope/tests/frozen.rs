//! A whole sealed file, byte for byte, for other implementations to compare with. What changes here breaks them.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::*;
use crate::label::Digest;

#[test]
fn the_format_is_frozen() {
    let frozen: Value = serde_json::from_str(include_str!("../../../vectors/sealed-file.json")).unwrap();
    let actual = vector();
    assert_eq!(frozen, actual, "as it is now: {actual:#}");
}

/// The file in the vector opens, and is not made anew.
#[test]
fn the_frozen_file_opens() {
    let frozen: Value = serde_json::from_str(include_str!("../../../vectors/sealed-file.json")).unwrap();
    let file = HEXLOWER.decode(frozen["file"].as_str().unwrap().as_bytes()).unwrap();
    let [_, bob, carol] = three();
    for receiver in [bob, carol] {
        assert_eq!(receiver.open(&file).unwrap(), frozen["content"].as_str().unwrap().as_bytes());
    }
}

fn vector() -> Value {
    let [ana, bob, carol] = three();
    let content = "takings of the day: 1,234.56\n";
    let SealedHeader { key, signer, .. } = ana.seal_to(&[&bob, &carol], NOW).unwrap();
    let large: Vec<u8> = (0..2 * CHUNK_PAYLOAD + 100).map(|at| (at % 251) as u8).collect();
    let receiver = |node: &Node| {
        json!({
            "certificate": hex(node.certificate.der().as_bytes()),
            "sealing_key": hex(node.snapshot.keys.sealing.to_bytes().as_slice()),
        })
    };
    json!({
        "about": "a file that ana sealed to bob and carol; private keys and seeds, all in hex",
        "ca": hex(ana.snapshot.member.as_ref().unwrap().anchor.der().as_bytes()),
        "sender_certificate": hex(ana.certificate.der().as_bytes()),
        "sender_identity_seed": hex(ana.snapshot.keys.identity.seed().as_slice()),
        "receivers": [receiver(&bob), receiver(&carol)],
        "sealed_at_ms": NOW.as_millis(),
        "content_key": hex(key.expose()),
        "content_signer_seed": hex(signer.seed().as_slice()),
        "content": content,
        "file": hex(&ana.file(&[&bob, &carol], content.as_bytes())),
        "large_content": "131,172 bytes, of which the one at the place n is n modulo 251",
        "large_file_sha256": Digest::of(&ana.file(&[&bob, &carol], &large)).to_string(),
    })
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}
