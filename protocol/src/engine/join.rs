//! A node gets its certificate from an authority.

mod compare;
mod exchange;
mod install;
mod search;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use super::around::Around;
use super::{CommandId, DialId, Engine, RequestId, WorkId};
use crate::control::{self, Answer, Code as FailureCode, Failure, Password};
use crate::enrolment::{Asked, Comparison, Invitation, JoinError, Prospect, Requested};
use crate::identity::{NetworkName, NodeName, Secret};
use crate::time::Timestamp;

/// How long a node looks for an authority. One that waits for a person waits as long as its user does.
const JOIN_TIME: Duration = Duration::from_secs(30);

/// How long after a failure it tries the addresses of a URI, or looks around, again.
const RETRY_TIME: Duration = Duration::from_secs(1);

/// How often a request may begin anew, with other words, before the join ends: each is a try for whoever stands
/// between.
const RESTARTS_MAX: u8 = 2;

/// A node on its way to become a member.
pub(super) struct Joining {
    command: CommandId,
    wish: Wish,
    /// When it gives up, unless it waits for a person.
    deadline: Option<Timestamp>,
    /// The next time to do something before the deadline.
    alarm: Option<Timestamp>,
    sight: Sight,
    /// What the last authority said that was turned to in vain.
    setback: Option<Failure>,
    /// How its request stands on the screens, once it is on them.
    shown: Option<Comparison>,
    /// Whether its user has found the same words on both.
    confirmed: bool,
    restarts: u8,
    stage: Stage,
}

/// What the user wants and has.
struct Wish {
    name: NodeName,
    network: Option<NetworkName>,
    invitation: Invitation,
    password: Option<Password>,
    yes: bool,
    replace: bool,
}

/// Who was seen.
#[derive(Default)]
struct Sight {
    /// Discovered nodes that are asked which network they are of.
    around: Around,
    /// The networks that were found, by name, pin and authority.
    found: BTreeMap<Prospect, Vec<SocketAddr>>,
    /// Whether there are networks of other names than the one that is wanted.
    others: bool,
}

/// What has been stretched for one prospect.
#[derive(Default)]
struct Secrets {
    code: Option<Secret>,
    password: Option<Secret>,
}

/// A secret that has just been stretched.
pub(super) enum Stretched {
    Code(Secret),
    Password(Secret),
}

/// How far it is. An answer counts only if it is the one that the stage waits for.
enum Stage {
    /// Looking for an authority; with a URI, by this dial.
    Searching(Option<DialId>),
    /// Found one; a secret is being stretched for it.
    Stretching(WorkId, Prospect, Secrets),
    /// Found one; it is being connected.
    Connecting(Prospect, Secrets),
    /// Asked for the key.
    Asked(RequestId, Prospect, Box<Asked>),
    /// Asked for the certificate.
    Requested(RequestId, Prospect, Box<Requested>),
    /// Waits for people, and asks again from time to time.
    Waiting(Prospect),
}

impl Joining {
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.alarm.into_iter().chain(self.deadline).min()
    }

    /// The clock was set back by `by`.
    pub(super) fn clock_set_back(&mut self, by: Duration) {
        self.deadline = self.deadline.map(|deadline| deadline.before(by));
        self.alarm = self.alarm.map(|alarm| alarm.before(by));
        self.sight.around.set_back(by);
    }

    fn fits(&self, network: &NetworkName) -> bool {
        self.wish.network.as_ref().is_none_or(|wanted| wanted == network)
    }

    fn is_searching(&self) -> bool {
        matches!(self.stage, Stage::Searching(_))
    }

    /// Whether its request is on the screens.
    fn is_compared(&self) -> bool {
        self.shown.is_some()
    }

    /// Back to the beginning of the search, to be taken up again at `alarm`.
    fn search_again(&mut self, alarm: Timestamp) {
        self.stage = Stage::Searching(None);
        self.alarm = Some(alarm);
    }
}

impl Engine {
    pub(super) fn join(&mut self, command: CommandId, join: control::Join, now: Timestamp) {
        match self.start_joining(command, join, now) {
            Ok(joining) => {
                self.joining = Some(joining);
                self.search(now);
            }
            Err(failure) => self.answer(command, Err(failure)),
        }
    }

    fn start_joining(
        &mut self,
        command: CommandId,
        join: control::Join,
        now: Timestamp,
    ) -> Result<Joining, Failure> {
        self.check_free_to_found(now)?;
        self.check_name(&join.name)?;
        let invitation = match join.invite.as_deref() {
            None => Invitation::Open,
            Some(text) => text.parse().map_err(|error| {
                let remedy = "copy it again from where `lanyard invite` printed it";
                Failure::new(FailureCode::Usage, format!("{error}"), remedy)
            })?,
        };
        let control::Join { name, network, password, trust_first, yes, replace, .. } = join;
        if password.is_some() && matches!(invitation, Invitation::Open) && !trust_first {
            return Err(Failure::new(
                FailureCode::Usage,
                "a password alone does not show which authority is the right one, for every member knows it",
                "give a URI beside it, as `lanyard invite --uri` prints it; `--trust-first` takes the one in sight",
            ));
        }
        Ok(Joining {
            command,
            wish: Wish { name, network, invitation, password, yes, replace },
            deadline: Some(now.after(JOIN_TIME)),
            alarm: None,
            sight: Sight::default(),
            setback: None,
            shown: None,
            confirmed: yes,
            restarts: 0,
            stage: Stage::Searching(None),
        })
    }

    /// Refuses to make or join a network where the node has one, or is about to.
    pub(super) fn check_free_to_found(&self, now: Timestamp) -> Result<(), Failure> {
        // A member whose certificate has ended, or was revoked, may turn to another network, or to its own as a new node.
        let held = self.membership.member.as_ref().filter(|member| {
            let valid = member.certificate.check_time(now).is_ok() && !member.is_revoked();
            self.membership.authority.is_some() || valid
        });
        if let Some(member) = held {
            return Err(Failure::new(
                FailureCode::Failed,
                format!("this node is a member of {} already; nothing was changed", member.anchor.network()),
                "use another state directory for another network: `lanyard --state DIR …`",
            ));
        }
        if self.joining.is_some() || self.is_installing() || self.is_founding() {
            let wait = "wait for its end";
            return Err(Failure::new(FailureCode::Failed, "this node is joining a network already", wait));
        }
        Ok(())
    }

    /// Refuses a name that would stand for another node whose id begins so. Who has one already keeps it.
    pub(super) fn check_name(&self, name: &NodeName) -> Result<(), Failure> {
        let own = self.membership.member.as_ref().is_some_and(|member| member.certificate.name() == name);
        if own || !name.is_like_an_id() {
            return Ok(());
        }
        Err(Failure::new(
            FailureCode::Usage,
            format!("the name {name} reads as the beginning of a node's id"),
            "choose one with a letter after f, or a '-': `--name NAME`",
        ))
    }

    /// Acts on the deadlines of joining.
    pub(super) fn go_on_joining(&mut self, now: Timestamp) {
        let Some(joining) = &mut self.joining else { return };
        if joining.deadline.is_some_and(|deadline| now >= deadline) {
            let failure = joining.setback.take().unwrap_or_else(|| not_found(joining));
            self.end_joining(Err(failure));
        } else if joining.alarm.is_some_and(|alarm| now >= alarm) {
            joining.alarm = None;
            match (&joining.stage, joining.sight.found.is_empty()) {
                (Stage::Searching(_), true) => self.search(now),
                (Stage::Searching(_), false) => self.choose(now),
                (Stage::Waiting(prospect), _) => {
                    let prospect = prospect.clone();
                    self.connect(prospect, Secrets::default(), now);
                }
                // A prospect has taken too long.
                _ => self.set_back(unreachable(), now),
            }
        }
    }

    fn end_joining(&mut self, result: Result<Answer, Failure>) {
        if let Some(joining) = self.joining.take() {
            self.answer(joining.command, result);
        }
    }

    /// The user who joined went away.
    pub(super) fn cancel_joining(&mut self, command: CommandId) {
        if self.joining.as_ref().is_some_and(|joining| joining.command == command) {
            self.joining = None;
        }
    }
}

fn unreachable() -> Failure {
    Failure::new(
        FailureCode::Unreachable,
        "the authority was found, but does not answer",
        "see whether it is up: `lanyard status` there",
    )
}

fn not_found(joining: &Joining) -> Failure {
    let message = match &joining.wish.invitation {
        Invitation::Uri(uri) => {
            let addresses: Vec<String> = uri.addresses.iter().map(SocketAddr::to_string).collect();
            format!("no authority answers at {}", addresses.join(" or "))
        }
        Invitation::Open | Invitation::Code(_) => "no authority was found on the local network".to_owned(),
    };
    Failure::new(
        FailureCode::Unreachable,
        message,
        "see that `lanyard up` runs on the authority and a firewall lets TCP and UDP 4610 through; \
         where multicast does not reach, use the URI of `lanyard invite --uri`",
    )
}

fn refused(error: &JoinError) -> Failure {
    let remedy = match error {
        JoinError::Code => "check the spelling, or ask for a new code: `lanyard invite` on the authority",
        JoinError::Password => "check the spelling: case and spaces inside count",
        JoinError::PasswordUnused => "ask for a URI, or join without the password",
        JoinError::Forgotten => "join again, and compare the new words",
        JoinError::NotAuthority(_) => {
            "use the URI that `lanyard invite --uri` prints on the authority itself"
        }
        JoinError::Certificate(_) | JoinError::Signature | JoinError::Rule | JoinError::Answer(_) => {
            "do not go on: ask for a new URI where you trust the authority, and report this"
        }
    };
    Failure::new(FailureCode::Denied, error.to_string(), remedy)
}
