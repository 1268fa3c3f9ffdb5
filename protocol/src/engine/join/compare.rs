//! A node's own request, while people compare what both screens show.

use core::time::Duration;

use super::{RESTARTS_MAX, RETRY_TIME, Stage};
use crate::control::{Answer, Code, ConfirmJoin, Failure, Pending};
use crate::engine::{CommandId, Engine, Output, RequestId, Sent, load};
use crate::enrolment::{Comparison, OwnRequest, Prospect};
use crate::identity::NodeId;
use crate::message::{self, Request};
use crate::time::Timestamp;

/// How often a node that waits asks whether it has been decided: sooner than a person wonders.
const POLL: Duration = Duration::from_secs(3);

impl Engine {
    /// Sends a certificate request that people will compare, once it is kept: what is opened to one authority is never
    /// opened to another, also after a crash.
    pub(super) fn show_and_send(
        &mut self,
        to: NodeId,
        request: &Request,
        own: OwnRequest,
        shown: Comparison,
    ) -> RequestId {
        let id = RequestId(self.wires.next.next());
        self.wires.sent.insert(id, Sent::Join(to));
        let send = Output::Request { id, to, message: message::frame(request) };
        let known = self.local.own.as_ref().is_some_and(|kept| kept.is_opened_like(&own));
        let writes = if known { Vec::new() } else { vec![load::keep_request(&own)] };
        self.local.own = Some(own);
        if let Some(joining) = &mut self.joining {
            joining.shown = Some(shown);
        }
        self.persist(writes, vec![send]);
        id
    }

    /// The request is with the authority: waits as long as the user does.
    pub(super) fn wait(&mut self, prospect: Prospect, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        joining.deadline = None;
        joining.stage = Stage::Waiting(prospect);
        joining.alarm = Some(now.after(POLL));
    }

    /// The authority does not know this node's request any more: there will be another one, with other words.
    pub(super) fn begin_anew(&mut self, failure: Failure, now: Timestamp) {
        self.forget_request();
        let Some(joining) = &mut self.joining else { return };
        if joining.restarts >= RESTARTS_MAX {
            self.end_joining(Err(failure));
            return;
        }
        joining.restarts += 1;
        (joining.shown, joining.confirmed) = (None, joining.wish.yes);
        joining.search_again(now.after(RETRY_TIME));
    }

    /// Forgets this node's own request.
    pub(super) fn forget_request(&mut self) {
        if self.local.own.take().is_some() {
            self.persist(vec![load::erase_request()], Vec::new());
        }
    }

    /// This node's own request, as its user is shown it.
    pub(in crate::engine) fn own_pending(&self) -> Option<Pending> {
        let joining = self.joining.as_ref()?;
        let shown = joining.shown.as_ref()?;
        Some(Pending {
            kind: "join".to_owned(),
            id: shown.id.clone(),
            name: joining.wish.name.to_string(),
            fingerprint: Some(shown.words.clone()),
        })
    }

    /// The user has compared the words.
    pub(in crate::engine) fn confirm_join(
        &mut self,
        command: CommandId,
        confirm: ConfirmJoin,
        now: Timestamp,
    ) {
        let (Some(pending), Some(joining)) = (self.own_pending(), &mut self.joining) else {
            let remedy = "see what waits: `lanyard status`";
            let failure = Failure::new(Code::NotFound, "no request of this node waits for a person", remedy);
            self.answer(command, Err(failure));
            return;
        };
        if confirm.accept {
            joining.confirmed = true;
            if let Stage::Waiting(_) = joining.stage {
                joining.alarm = Some(now);
            }
        } else {
            self.forget_request();
            self.end_joining(Err(Failure::new(
                Code::Denied,
                "the words on the two screens were not the same: somebody may stand between",
                "deny the request at the authority, and join by a URI: `lanyard invite --uri` there",
            )));
        }
        self.answer(command, Ok(Answer::Confirmed(pending)));
    }
}
