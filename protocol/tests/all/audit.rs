//! What engines have written into their audit logs: both sides of everything that is decided.

use std::time::Duration;

use lanyard_protocol::audit::{Entry, Origin, What};
use lanyard_protocol::control::{Answer, ApplyPolicy, Code, Command, DecisionName, PolicyShown, Revoke};
use lanyard_protocol::label::Digest;
use lanyard_protocol::message::Request;
use lanyard_protocol::ticket::TicketRequest;

use crate::pair::Lan;

const FILES_ONLY: &str = "version = 1\n[roles]\nmember = [\"service.use\"]\n[[grant]]\nto = [\"role:member\"]\nservice = [\"file@*\"]\n";

/// What a host has recorded of one kind.
fn recorded(lan: &Lan, host: usize, what: What) -> Vec<Entry> {
    lan.hosts[host].audit.iter().filter(|entry| entry.what == what).cloned().collect()
}

/// The one entry of a kind.
fn one(lan: &Lan, host: usize, what: What) -> Entry {
    let all = recorded(lan, host, what);
    assert_eq!(all.len(), 1, "{what} at {host}: {all:?}");
    all[0].clone()
}

fn remote(lan: &Lan, host: usize) -> Origin {
    Origin::Remote(lan.hosts[host].address)
}

/// R-T16, F7: who was admitted, what was granted and taken away is on record on both sides, with who, from where and why.
#[test]
fn both_sides_record_what_was_decided() {
    let mut lan = Lan::network(1100, 2);
    let (till, other) = (lan.id(1), lan.id(2));
    assert_eq!(one(&lan, 0, What::MembershipGained).from, Origin::Local);
    assert!(!recorded(&lan, 0, What::InviteMade).is_empty());
    let admitted = recorded(&lan, 0, What::Admitted);
    assert_eq!(admitted.iter().map(|entry| entry.who.node).collect::<Vec<_>>(), [Some(till), Some(other)]);
    assert_eq!((admitted[0].about.as_str(), admitted[0].from), ("till-1", remote(&lan, 1)));
    assert!(admitted[0].reason.starts_with("for the first time"), "{:?}", admitted[0]);
    assert_eq!(one(&lan, 1, What::MembershipGained).about, "shop.lan");

    let ticket = lan.open(1, "chat@till-2").unwrap().ticket;
    let minted = one(&lan, 2, What::TicketMinted);
    assert_eq!((minted.who.node, minted.about.as_str()), (Some(till), "chat@till-2"));
    assert_eq!((minted.from, minted.reason.as_str()), (remote(&lan, 1), "policy 0, grant 1 (line 7)"));
    let received = one(&lan, 1, What::TicketReceived);
    assert_eq!((received.who.node, received.about.as_str()), (Some(other), "chat@till-2"));

    lan.command(1, Command::RevokeTicket(ticket.terms().id.to_string())).unwrap();
    assert_eq!(one(&lan, 1, What::TicketRevoked).from, Origin::Local);
    assert_eq!(one(&lan, 2, What::TicketRevoked).who.node, Some(till));

    lan.discover();
    lan.pass(Duration::from_secs(1));
    let apply = ApplyPolicy { text: FILES_ONLY.to_owned(), based_on: Some(0) };
    lan.command(0, Command::ApplyPolicy(apply)).unwrap();
    lan.pass(Duration::from_secs(1));
    for (host, from) in [(0, Origin::Local), (1, remote(&lan, 0))] {
        let applied = one(&lan, host, What::PolicyApplied);
        assert_eq!((applied.about.as_str(), applied.from), ("version 1", from), "{host}");
    }

    let revoke = Revoke { peer: "till-2".parse().unwrap(), reason: Some("lost".into()), wait_ms: 1000 };
    lan.command(0, Command::Revoke(revoke)).unwrap();
    lan.pass(Duration::from_secs(1));
    let revoked = one(&lan, 0, What::Revoked);
    assert_eq!((revoked.about.as_str(), revoked.reason.as_str()), ("till-2", "lost"));
    assert_eq!(revoked.decision, DecisionName::Deny);
    assert_eq!(one(&lan, 1, What::Revoked).about, "till-2");
    let started = lan.hosts[0].audit[0].at;
    assert!(lan.hosts[0].audit.iter().all(|entry| entry.at >= started), "time goes on");
}

/// R-T1, R-T9, F7: refusals are on record as well: what this host withholds, and what a member asks for in vain.
#[test]
fn refusals_are_recorded_where_they_are_made() {
    let mut lan = Lan::network(1101, 2);
    assert_eq!(lan.open(1, "backup@till-2").unwrap_err().code, Code::Denied);
    let withheld = one(&lan, 1, What::TicketRefused);
    assert_eq!((withheld.from, withheld.decision), (Origin::Local, DecisionName::Deny));
    assert_eq!(withheld.about, "backup@till-2");
    assert!(withheld.reason.contains("policy does not grant backup@till-2"), "{withheld:?}");

    let _ = lan.open(1, "chat@till-2").unwrap();
    let certificate = Digest([7; 32]);
    let request =
        TicketRequest { nonce: [7; 32], service: "backup".parse().unwrap(), certificate, assertion: None };
    let _ = lan.ask(1, 2, &Request::Ticket(request));
    let refused = one(&lan, 2, What::TicketRefused);
    assert_eq!((refused.who.node, refused.about.as_str()), (Some(lan.id(1)), "backup@till-2"));
    assert_eq!(refused.decision, DecisionName::Deny);
}

/// R-L7, F7: a stranger without an invite is on record with its address, whoever guesses until the code is burned too; no
/// code is.
#[test]
fn a_stranger_who_is_refused_is_recorded() {
    let mut lan = Lan::new(1102, 2);
    lan.init("invite");
    let (code, _) = lan.invite(1);
    let (nameplate, words) = code.split_once('-').unwrap();
    lan.discover();
    let _ = lan.join(1, "till-1", None).unwrap_err();
    let refused = one(&lan, 0, What::AdmissionRefused);
    assert_eq!((refused.who.node, refused.from), (Some(lan.id(1)), remote(&lan, 1)));
    assert_eq!(
        (refused.reason.as_str(), refused.decision),
        ("this network admits nodes by invite", DecisionName::Deny)
    );
    for _ in 0..4 {
        let _ = lan.join(1, "till-1", Some(format!("{nameplate}-anchor-anchor"))).unwrap_err();
    }
    let refused = recorded(&lan, 0, What::AdmissionRefused);
    assert!(refused.iter().any(|entry| entry.reason.contains("is burned")), "{refused:?}");
    let all = format!("{:?}", lan.hosts[0].audit);
    assert!(!all.contains("anchor") && !all.contains(words), "{all}");
}

/// F3, F7: what the store refuses is on record as not kept.
#[test]
fn what_could_not_be_kept_is_recorded() {
    let mut lan = Lan::network(1103, 1);
    lan.hosts[0].store_works = false;
    let apply = ApplyPolicy { text: FILES_ONLY.to_owned(), based_on: None };
    let _ = lan.command(0, Command::ApplyPolicy(apply)).unwrap_err();
    assert_eq!(one(&lan, 0, What::NotKept).decision, DecisionName::Deny);
}

/// R-T14: a policy that was made from another version than the present one is not applied.
#[test]
fn a_change_of_another_version_is_refused() {
    let mut lan = Lan::network(1104, 1);
    let mut apply = |based_on: Option<u64>, text: &str| {
        let apply = ApplyPolicy { text: text.to_owned(), based_on };
        lan.command(0, Command::ApplyPolicy(apply))
    };
    assert!(matches!(apply(Some(0), FILES_ONLY), Ok(Answer::Policy(PolicyShown { epoch: 1, .. }))));
    let refused = apply(Some(0), &format!("# mine\n{FILES_ONLY}")).unwrap_err();
    assert!(refused.message.contains("meanwhile"), "{refused:?}");
    assert!(matches!(
        apply(Some(1), &format!("# mine\n{FILES_ONLY}")),
        Ok(Answer::Policy(PolicyShown { epoch: 2, .. }))
    ));
}

/// B5, F7: a clock that is found wrong is on record once, and once when it is right again.
#[test]
fn a_wrong_clock_is_recorded_once() {
    let mut lan = Lan::network(1105, 1);
    lan.skew.insert(1, -7200);
    for _ in 0..5 {
        lan.pass(Duration::from_secs(60));
        let _ = lan.command(1, Command::Status);
    }
    assert_eq!(one(&lan, 1, What::ClockFault).decision, DecisionName::Deny);
    lan.skew.remove(&1);
    let _ = lan.command(1, Command::Status);
    let both: Vec<DecisionName> =
        recorded(&lan, 1, What::ClockFault).iter().map(|entry| entry.decision).collect();
    assert_eq!(both, [DecisionName::Deny, DecisionName::Allow]);
}
