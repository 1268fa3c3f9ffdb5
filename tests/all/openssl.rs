//! What other programs make of the certificates.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lanyard_tests::{Member, Output, Process, program};

/// R-L4, R-L10: openssl, as strict as it can be, accepts what is exported, of the authority and of a member.
#[test]
fn openssl_accepts_what_is_exported() {
    let Some(openssl) = program("openssl") else { return };
    let alice = Member::authority("alice");
    let bob = alice.admit("bob");
    for member in [&alice, &bob] {
        let name = member.host.name();
        let ca = export(member, "ca");
        let certificate = export(member, "cert");
        let run = |args: &[&str]| run(&openssl, args).ok();
        let verified = run(&["verify", "-x509_strict", "-CAfile", &ca, &certificate]);
        assert!(verified.stdout().trim().ends_with(": OK"), "{verified}");
        for purpose in ["sslclient", "sslserver"] {
            let _ = run(&["verify", "-x509_strict", "-purpose", purpose, "-CAfile", &ca, &certificate]);
        }
        let _ = run(&[
            "verify",
            "-x509_strict",
            "-verify_hostname",
            &format!("{name}.shop.lan"),
            "-CAfile",
            &ca,
            &certificate,
        ]);

        let text = run(&["x509", "-in", &certificate, "-noout", "-text"]).stdout();
        let spiffe =
            text.contains("URI:spiffe://shop.lan/entity/") && text.contains(&format!("/node/{name}"));
        assert!(spiffe && text.contains(&format!("DNS:{name}.shop.lan")), "{text}");
        assert!(text.contains("ED25519") && !text.contains("CA:TRUE"), "{text}");
        // Alive for two days more, dead in three.
        let _ = run(&["x509", "-in", &certificate, "-noout", "-checkend", "172800"]);
        assert_eq!(
            self::run(&openssl, &["x509", "-in", &certificate, "-noout", "-checkend", "259200"]).code(),
            Some(1)
        );

        let root = run(&["x509", "-in", &ca, "-noout", "-text"]).stdout();
        assert!(root.contains("CA:TRUE") && root.contains("Certificate Sign"), "{root}");
    }
}

/// B3: the certificate of one network is nothing in another of the same name.
#[test]
fn openssl_refuses_the_other_network_of_the_same_name() {
    let Some(openssl) = program("openssl") else { return };
    let (one, other) = (Member::authority("alice"), Member::authority("alice"));
    let verified = run(&openssl, &["verify", "-CAfile", &export(&one, "ca"), &export(&other, "cert")]);
    assert_ne!(verified.code(), Some(0), "{verified}");
}

/// Exports go through the node while it runs, and do without it when it does not.
#[test]
fn exports_are_the_same_with_and_without_a_node() {
    let alice = Member::authority("alice");
    let both = |member: &Member| ["cert", "ca"].map(|what| member.host.run([what, "export"]).ok().stdout());
    let running = both(&alice);
    let host = alice.host;
    let _ = alice.node.stop();
    let stopped = ["cert", "ca"].map(|what| host.run([what, "export"]).ok().stdout());
    assert_eq!(running, stopped);
}

/// Writes what `lanyard <what> export` prints into a file, and returns its path.
fn export(member: &Member, what: &str) -> String {
    let pem = member.host.run([what, "export"]).ok().stdout();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n"), "{pem}");
    assert!(!pem.contains("PRIVATE"), "a certificate and no key");
    member.host.write(&format!("{what}.pem"), pem.as_bytes()).to_str().unwrap().to_owned()
}

fn run(openssl: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(openssl);
    command.args(args);
    Process::run(command, b"", Duration::from_secs(10))
}
