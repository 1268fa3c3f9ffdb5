//! A node looks for an authority.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeSet;

use super::{Joining, RETRY_TIME, Secrets, Stage};
use crate::control::{Code as FailureCode, Failure};
use crate::engine::around::ASKED_MAX;
use crate::engine::{DialId, Engine, RequestId, Sent};
use crate::enrolment::{Invitation, InviteUri, Prospect, WhoIsAnswer};
use crate::identity::{NetworkName, NodeId};
use crate::message::{Request, Response};
use crate::time::Timestamp;

/// How long it goes on listening after the first network was found, for another one with the same name.
const LISTEN_TIME: Duration = Duration::from_millis(700);

impl Engine {
    /// Turns to everyone who may know an authority.
    pub(super) fn search(&mut self, now: Timestamp) {
        let Some(joining) = &self.joining else { return };
        if let Invitation::Uri(uri) = &joining.wish.invitation {
            let addresses = uri.addresses.clone();
            let dial = self.dial(None, addresses);
            if let Some(joining) = &mut self.joining {
                joining.stage = Stage::Searching(Some(dial));
            }
        } else {
            self.ask_around(now);
        }
    }

    /// Asks discovered nodes which network they are of: a few at a time, those first that were not asked for longest.
    pub(in crate::engine) fn ask_around(&mut self, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if !joining.is_searching() || matches!(joining.wish.invitation, Invitation::Uri(_)) {
            return;
        }
        let due = joining.sight.around.due(&self.peers, now);
        if joining.sight.found.is_empty() {
            joining.alarm = Some(now.after(RETRY_TIME));
        }
        for peer in due {
            if self.joining.as_ref().is_none_or(|joining| joining.sight.around.is_full()) {
                break;
            }
            let question = self.turn_to(peer, &Request::WhoIs, Sent::WhoIs(peer), now);
            if let (Some(question), Some(joining)) = (question, &mut self.joining) {
                joining.sight.around.begin(peer, question, now);
            }
        }
    }

    /// The dial of a URI's addresses has come through.
    pub(in crate::engine) fn join_uri_connected(&mut self, dial: DialId, peer: NodeId, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        let ours = matches!(joining.stage, Stage::Searching(Some(ours)) if ours == dial);
        if let (true, Invitation::Uri(InviteUri { network, root, .. })) = (ours, &joining.wish.invitation) {
            let prospect = Prospect { network: network.clone(), root: *root, node: peer };
            self.prepare(prospect, Secrets::default(), now);
        }
    }

    pub(in crate::engine) fn join_uri_failed(&mut self, dial: DialId, now: Timestamp) {
        if let Some(joining) = &mut self.joining
            && matches!(joining.stage, Stage::Searching(Some(ours)) if ours == dial)
        {
            joining.search_again(now.after(RETRY_TIME));
        }
    }

    /// A discovered node is connected.
    pub(in crate::engine) fn join_peer_connected(&mut self, peer: NodeId, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if joining.is_searching() && joining.sight.around.turns_to(peer) {
            let question = self.request(peer, &Request::WhoIs, Sent::WhoIs(peer));
            if let Some(joining) = &mut self.joining {
                joining.sight.around.put(peer, question);
            }
        } else if matches!(&joining.stage, Stage::Connecting(prospect, _) if prospect.node == peer)
            && let Stage::Connecting(prospect, secrets) =
                core::mem::replace(&mut joining.stage, Stage::Searching(None))
        {
            self.ask_key(prospect, secrets, now);
        }
    }

    pub(in crate::engine) fn join_dial_failed(&mut self, peer: NodeId, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        joining.sight.around.forget(peer);
        if matches!(&joining.stage, Stage::Connecting(prospect, _) if prospect.node == peer) {
            self.set_back(super::unreachable(), now);
        } else {
            self.ask_around(now);
        }
    }

    /// The answer to the question which network a node is of.
    pub(in crate::engine) fn whois_answered(
        &mut self,
        request: RequestId,
        peer: NodeId,
        response: Option<Response>,
        now: Timestamp,
    ) {
        let Some(joining) = &mut self.joining else { return };
        if !joining.sight.around.answered(peer, request) {
            return;
        }
        if let Some(Response::WhoIs(answer)) = response {
            self.network_found(answer, now);
        }
        self.ask_around(now);
    }

    /// A member told which network it is of.
    fn network_found(&mut self, answer: WhoIsAnswer, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if !joining.fits(&answer.network) {
            joining.sight.others = true;
            return;
        }
        if !joining.is_searching() || joining.sight.found.len() >= ASKED_MAX {
            return;
        }
        let prospect = Prospect { network: answer.network, root: answer.root, node: answer.authority };
        if joining.sight.found.is_empty() {
            joining.alarm = Some(now.after(LISTEN_TIME));
        }
        joining.sight.found.entry(prospect).or_insert_with(|| answer.addresses.into_iter().take(4).collect());
    }

    /// Enough was heard: turns to an authority, if it is clear which.
    pub(super) fn choose(&mut self, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if let Err(failure) = is_clear(joining) {
            self.end_joining(Err(failure));
        } else if let Some((prospect, addresses)) = joining.sight.found.pop_first() {
            self.peers.seen(prospect.node, addresses, now);
            self.prepare(prospect, Secrets::default(), now);
        }
    }
}

/// Refuses to go on where it is not clear which network is meant, or which authority is its own.
fn is_clear(joining: &Joining) -> Result<(), Failure> {
    let found = &joining.sight.found;
    let networks: BTreeSet<&NetworkName> = found.keys().map(|prospect| &prospect.network).collect();
    let roots: BTreeSet<_> = found.keys().map(|prospect| prospect.root).collect();
    let names: Vec<String> = networks.iter().map(ToString::to_string).collect();
    let by_code = matches!(joining.wish.invitation, Invitation::Code(_));
    if names.len() > 1 {
        return Err(Failure::new(
            FailureCode::Usage,
            format!("several networks are in sight: {}", names.join(", ")),
            "say which: `lanyard join --network NAME`",
        ));
    }
    if roots.len() > 1 && !by_code {
        return Err(Failure::new(
            FailureCode::Denied,
            format!("two different authorities claim the network {}: one of them is false", names.join("")),
            "join neither unseen: ask for a URI or a code where you trust the authority, and report this",
        ));
    }
    if joining.sight.others && joining.wish.password.is_some() && !by_code {
        return Err(Failure::new(
            FailureCode::Denied,
            "other networks are in sight too, and a password does not show which authority is the right one",
            "give a URI beside it, as `lanyard invite --uri` prints it on the authority",
        ));
    }
    Ok(())
}

/// The addresses that a URI names.
pub(super) fn addresses_of(invitation: &Invitation) -> Vec<SocketAddr> {
    match invitation {
        Invitation::Uri(uri) => uri.addresses.clone(),
        Invitation::Open | Invitation::Code(_) => Vec::new(),
    }
}
