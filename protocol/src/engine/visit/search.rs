//! A guest looks for the node with a name: among those that were seen, and at the addresses that its owner has named.

use core::time::Duration;

use super::{Stage, Visit};
use crate::control::{Code, Failure};
use crate::engine::around::ASK_AGAIN;
use crate::engine::{Engine, Sent};
use crate::guest::GuestSearch;
use crate::identity::NodeId;
use crate::message::{Request, Response};
use crate::time::Timestamp;

/// How often it looks around for whoever has turned up meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long it listens for others when all who are there have said that they are not the one: multicast DNS takes a
/// second or two after a start.
const LISTEN_TIME: Duration = Duration::from_secs(3);

impl Engine {
    /// Somebody was seen: who is looked for may be there.
    pub(in crate::engine) fn visits_look_around(&mut self, now: Timestamp) {
        for number in self.visits.numbers() {
            self.look_around(number, now);
        }
    }

    /// Somebody is connected: those who wanted to ask him do.
    pub(in crate::engine) fn visits_connected(&mut self, peer: NodeId, now: Timestamp) {
        for number in self.visits.numbers() {
            let Some(visit) = self.visits.running.get(&number) else { continue };
            if visit.around.awaits(peer) {
                let question = self.search_for(number);
                let Some(question) = question else { continue };
                let id = self.request(peer, &question, Sent::Visit(number, peer));
                if let Some(visit) = self.visits.running.get_mut(&number) {
                    visit.around.put(peer, id);
                }
            } else {
                self.look_around(number, now);
            }
        }
    }

    /// Somebody cannot be connected.
    pub(in crate::engine) fn visits_dial_failed(&mut self, peer: NodeId, now: Timestamp) {
        for number in self.visits.numbers() {
            if let Some(visit) = self.visits.running.get_mut(&number) {
                visit.around.forget(peer);
                self.knock(number, now);
            }
        }
    }

    fn search_for(&self, number: u64) -> Option<Request> {
        let visit = self.visits.running.get(&number)?;
        Some(Request::GuestSearch(GuestSearch { provider: visit.wish.service.peer.clone() }))
    }

    /// Asks those who were seen whether they are the one, a few at a time.
    pub(super) fn look_around(&mut self, number: u64, now: Timestamp) {
        let Some(visit) = self.visits.running.get_mut(&number) else { return };
        if !matches!(visit.stage, Stage::Looking) {
            return;
        }
        visit.alarm = Some(now.after(LOOK_EVERY));
        let due = visit.around.due(&self.peers, now);
        if visit.dialled.is_none_or(|dialled| now.since(dialled) >= ASK_AGAIN) {
            visit.dialled = Some(now);
            self.dial_contacts();
        }
        let Some(question) = self.search_for(number) else { return };
        for peer in due {
            let full = |visit: &Visit| visit.around.is_full() || visit.tried.contains(&peer);
            match self.visits.running.get(&number) {
                Some(visit) if !full(visit) => {}
                Some(visit) if visit.around.is_full() => break,
                _ => continue,
            }
            let asked = self.turn_to(peer, &question, Sent::Visit(number, peer), now);
            if let (Some(asked), Some(visit)) = (asked, self.visits.running.get_mut(&number)) {
                visit.around.begin(peer, asked, now);
            }
        }
        self.end_vain_search(number, now);
    }

    /// Nobody who is there is the one, and nobody else is heard of.
    fn end_vain_search(&mut self, number: u64, now: Timestamp) {
        let Some(visit) = self.visits.running.get(&number) else { return };
        let done = visit.heard && visit.around.is_idle() && visit.willing.is_empty();
        if done && now.since(visit.began) >= LISTEN_TIME && !self.dials_contacts() {
            let failure = not_found(visit);
            self.end_visit(number, Err(failure));
        }
    }

    /// Whether `peer` is the one.
    pub(super) fn search_answered(
        &mut self,
        number: u64,
        peer: NodeId,
        response: Option<Response>,
        now: Timestamp,
    ) {
        let Some(visit) = self.visits.running.get_mut(&number) else { return };
        visit.heard |= response.is_some();
        if matches!(response, Some(Response::GuestHere)) && !visit.tried.contains(&peer) {
            visit.willing.insert(peer);
        }
        self.knock(number, now);
    }
}

/// The failure of a visit whose provider was not found.
pub(super) fn not_found(visit: &Visit) -> Failure {
    let provider = &visit.wish.service.peer;
    if visit.heard {
        return Failure::new(
            Code::NotFound,
            format!("no node that is called {provider} and takes guests was found"),
            "check the name; on that node, `lanyard service list` says what guests may use, and policy whether",
        );
    }
    Failure::new(
        Code::Unreachable,
        format!("{provider} was not found: nobody answers on the local network"),
        "see that it is up; where multicast does not reach, name its address in `config.toml`: peers = [\"IP:PORT\"]",
    )
}
