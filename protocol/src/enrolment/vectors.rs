//! Codes and URIs with one fault each, for other implementations: `vectors/control/invitation.json`.

use serde_json::{Value, json};

use super::Invitation;
use crate::vectors::Family;

const ROOT: &str = "c9a1a9c4e4b6f0f3a7c2f1f5b8f6a3b0d7e2c4f1a9b8c7d6e5f4a3b2c1d0e9f8";

/// A10, H4: what a person types or copies is an invitation, or it is refused before anything is sent.
#[test]
fn invitations_with_one_fault_are_refused_for_it() {
    let mut family = Family::new(
        "control/invitation.json",
        "Codes and URIs, each with one fault. The error says why; null: accepted.",
        json!({}),
    );
    let uri = |addresses: &str, query: &str| format!("lanyard://{addresses}/shop.lan?{query}");
    let root = format!("root={ROOT}");
    let whole = uri("10.0.0.1:4610", &root);
    for (name, text) in [
        ("a code", "7-harbour-violet".to_owned()),
        ("a code as it is said", " 7 Harbour VIOLET ".to_owned()),
        ("the largest nameplate", "4294967295-harbour-violet".to_owned()),
        ("a URI", whole.clone()),
        ("a URI with a secret", format!("{whole}&invite={}", "0123456789abcdef".repeat(2))),
        ("a URI with eight addresses", uri(&["[fe80::1]:1"; 8].join(","), &root)),
    ] {
        family.accept(name, input(&text));
    }
    codes(&mut family);
    for (name, text) in [
        ("another scheme", format!("https://10.0.0.1:4610/shop.lan?{root}")),
        ("a scheme in capitals", format!("LANYARD://10.0.0.1:4610/shop.lan?{root}")),
        ("more than 2,048 bytes", format!("{whole}&{}", "x".repeat(2048))),
    ] {
        family.refuse(name, "A10", input(&text), "that is neither a code");
    }
    for (name, text) in [
        ("no address", uri("", &root)),
        ("an address without a port", uri("10.0.0.1", &root)),
        ("a name instead of an address", uri("office.shop.lan:4610", &root)),
        ("a port of 65,536", uri("10.0.0.1:65536", &root)),
        ("nine addresses", uri(&["10.0.0.1:1"; 9].join(","), &root)),
        ("a user before the address", uri("ana@10.0.0.1:4610", &root)),
        ("no network", format!("lanyard://10.0.0.1:4610/?{root}")),
        ("no path", format!("lanyard://10.0.0.1:4610?{root}")),
        ("a network in capitals", format!("lanyard://10.0.0.1:4610/SHOP.lan?{root}")),
        ("a network that steers a terminal", format!("lanyard://10.0.0.1:4610/\u{1b}[2J?{root}")),
        ("no fingerprint", uri("10.0.0.1:4610", "")),
        ("a short fingerprint", uri("10.0.0.1:4610", &root[..68])),
        ("a long fingerprint", uri("10.0.0.1:4610", &format!("{root}0"))),
        ("a fingerprint that is no number", uri("10.0.0.1:4610", &root.replace('c', "g"))),
        ("two fingerprints", uri("10.0.0.1:4610", &format!("{root}&{root}"))),
        ("an unknown key", format!("{whole}&token=1")),
        ("a short secret", format!("{whole}&invite=0123")),
        ("an empty secret", format!("{whole}&invite=")),
        ("a secret in capitals", format!("{whole}&invite={}", "ABCDEF0123456789".repeat(2))),
        ("two secrets", format!("{whole}{}", format!("&invite={}", "00".repeat(16)).repeat(2))),
        ("a fragment", format!("{whole}#x")),
    ] {
        family.refuse(name, "A1, A10", input(&text), "the URI is damaged");
    }
    family.check((38, 6), |case| {
        let text = case["text"].as_str().unwrap();
        text.parse::<Invitation>().map(drop).map_err(|error| error.to_string())
    });
}

fn codes(family: &mut Family) {
    for (name, text) in [
        ("nothing", ""),
        ("a word too few", "7-harbour"),
        ("a word too many", "7-harbour-violet-violet"),
        ("no nameplate", "-harbour-violet"),
        ("a negative nameplate", "--7-harbour-violet"),
        ("a nameplate with a sign", "+7-harbour-violet"),
        ("a nameplate of 2^32", "4294967296-harbour-violet"),
        ("a nameplate of other digits", "\u{667}-harbour-violet"),
        ("two hyphens", "7--harbour-violet"),
    ] {
        family.refuse(name, "A3", input(text), "that is neither a code");
    }
    for (name, text) in [
        ("a mistyped word", "7-harbor-violet"),
        ("a word that is no word", "7-harbour-%s%n"),
        ("a word that steers a terminal", "7-harbour-\u{1b}[2J"),
        ("a word of letters that look alike", "7-harbour-vi\u{43e}let"),
        ("an empty word", "7-harbour-"),
    ] {
        family.refuse(name, "A3, H4", input(text), "is no word of a code");
    }
}

fn input(text: &str) -> Value {
    json!({ "text": text })
}
