//! What people type and copy, and what stands in names.

use std::fmt::Display;
use std::str::FromStr;

use lanyard_protocol::access::{Edit, Pattern, Policy, Subject};
use lanyard_protocol::control::{PeerRef, ServiceRef, Time};
use lanyard_protocol::enrolment::Invitation;
use lanyard_protocol::identity::{EntityName, Fingerprint, NetworkName, NodeId, NodeName, ServiceName};

/// A code or a URI.
pub fn invitation(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<Invitation>() {
        Ok(Invitation::Uri(uri)) => {
            let again = uri.to_string();
            let Ok(Invitation::Uri(twice)) = again.parse() else { panic!("{again:?} is no URI any more") };
            assert_eq!(uri, twice);
            assert!((1..=8).contains(&uri.addresses.len()));
        }
        Ok(Invitation::Code(code)) => {
            let again = code.to_string();
            assert!(again.parse::<Invitation>().is_ok(), "{again:?} is no code any more");
            assert!(
                again.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit())
            );
        }
        Ok(Invitation::Open) => {}
        Err(error) => assert!(!error.to_string().contains('\u{1b}'), "an error that steers a terminal"),
    }
}

/// Every kind of name and reference: what is taken is written the same again, and holds nothing that steers a terminal.
pub fn names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    plain::<NodeName>(text);
    plain::<NetworkName>(text);
    plain::<EntityName>(text);
    plain::<ServiceName>(text);
    plain::<NodeId>(text);
    if let Ok(pin) = text.parse::<Fingerprint>() {
        assert_eq!(pin.to_string().parse::<Fingerprint>().ok(), Some(pin));
    }
    if let Ok(peer) = text.parse::<PeerRef>() {
        let _ = format!("{peer:?}");
    }
    if let Ok(service) = text.parse::<ServiceRef>() {
        assert!(!service.to_string().contains(char::is_control));
    }
    if let Ok(time) = Time::try_from(text.to_owned()) {
        assert_eq!(Time::try_from(String::from(time)), Ok(time));
    }
}

fn plain<T: FromStr + Display>(text: &str) {
    if let Ok(name) = text.parse::<T>() {
        assert_eq!(name.to_string(), text);
        assert!(text.is_ascii() && !text.contains(|c: char| c.is_control() || c.is_ascii_uppercase()));
    }
}

/// An edit does what it says, or nothing.
fn edited(policy: &Policy, who: &Subject, allowed: bool) {
    let chat: Pattern = "chat@nas".parse().unwrap();
    let allows = |text: &str| {
        let policy = Policy::parse(text, 2).unwrap();
        policy.decide(who, &chat.service, chat.provider.as_ref().unwrap()).is_some()
    };
    match policy.allow(who, &chat) {
        Ok(Edit::Changed(text)) => assert!(!allowed && allows(&text)),
        Ok(Edit::Allowed(_)) => assert!(allowed),
        Ok(Edit::NotGranted) => panic!("that is no answer"),
        Err(_) => {}
    }
    match policy.forbid(who, &chat) {
        Ok(Edit::Changed(text)) => assert!(!allows(&text)),
        Ok(Edit::NotGranted) => assert!(!allowed),
        Ok(Edit::Allowed(_)) => panic!("that is no answer"),
        Err(_) => {}
    }
}

/// A network's policy: what is taken decides as it says, what it denies lacks something, and a refusal steers no
/// terminal.
pub fn policy(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    match Policy::parse(text, 1) {
        Ok(policy) => {
            assert_eq!(policy.text(), text);
            assert!(policy.failed_tests().len() <= policy.tests());
            let (service, provider) = ("chat".parse().unwrap(), "nas".parse().unwrap());
            for who in ["guest", "node:till", "ana@till+role:chief"] {
                let who: Subject = who.parse().unwrap();
                let allowed = policy.decide(&who, &service, &provider).is_some();
                assert!(!allowed || policy.may_ask_somebody(&who, &service));
                assert!(allowed || !policy.missing(&who, &service, &provider).is_empty());
                edited(&policy, &who, allowed);
            }
        }
        Err(error) => assert!(!error.to_string().contains('\u{1b}'), "an error that steers a terminal"),
    }
}
