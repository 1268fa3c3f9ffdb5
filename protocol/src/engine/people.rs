//! The people at this node, and on an authority those of the network: who is logged in here, who may log in, and who
//! may change that.

mod change;
mod log_in;
mod manage;
mod vouch;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

pub(super) use self::change::{Altered, Setting};
pub(super) use self::log_in::{Checking, LoggingIn};
use self::manage::Staged;
pub(super) use self::manage::{Managing, What, changed_meanwhile, text_digest};
use super::commands::not_a_member;
use super::{CommandId, Engine};
use crate::control::{Answer, AskWhy, Caller, Code, Command, Failure, Time, WhoAmI};
use crate::identity::{NodeId, UserName};
use crate::people::{Actor, Attempts, Directory, Principal, Seat, UserRef, VerifiedAssertion};
use crate::record::{Table, Write};
use crate::time::Timestamp;

/// Log-ins at one node at the same time: more than people sit at one.
const LOG_INS_MAX: usize = 1024;

/// Of them those of one uid: terminals and scripts.
const LOG_INS_OF_ONE: usize = 64;

/// Within how long wrong passwords are counted.
const WITHIN: Duration = Duration::from_secs(10 * 60);

/// Wrong passwords that one uid of this host may give: then it waits, and nobody else.
const GUESSES_OF_UID: usize = 5;

/// Those of all uids together that have not logged in here since the node's start: uids are cheap where a user may have
/// thousands. Whoever has logged in before does not wait for them.
const GUESSES_OF_STRANGERS: usize = 60;

/// Wrong passwords that may come to an authority from one node, whose own uids have fewer. There is no limit for a user:
/// anybody who knows the name could use it up.
const GUESSES_OF_NODE: usize = 120;

/// Changes that somebody may make to the own password: each is told to everybody.
const OWN_CHANGES: usize = 5;

/// Uids that are remembered to have logged in here.
const REGULARS_MAX: usize = 1024;

/// How long after a failure the authority is asked again about log-ins that need to be renewed.
const RENEW_AGAIN: Duration = Duration::from_secs(5);

/// Somebody who is logged in.
pub(super) struct LogIn {
    assertion: VerifiedAssertion,
    /// Whether the authority is being asked to renew it.
    renewing: bool,
}

/// The people of a node.
pub(super) struct People {
    log_ins: BTreeMap<Seat, LogIn>,
    local: Directory,
    /// On an authority, the network's.
    network: Directory,
    guesses_of_uids: Attempts<u32>,
    guesses_of_strangers: Attempts<()>,
    guesses_of_nodes: Attempts<NodeId>,
    own_changes: Attempts<UserName>,
    /// Uids that have logged in here.
    regulars: BTreeSet<u32>,
    /// Users whose change is on its way to the disk, by whether they are this node's own.
    unwritten: BTreeSet<(bool, UserName)>,
    /// When to look again at log-ins that could not be renewed.
    review: Option<Timestamp>,
    staged: BTreeMap<(NodeId, Principal), Staged>,
    /// Whether whoever runs the node has to log in before anything leaves it on their behalf.
    log_in_required: bool,
}

impl People {
    pub(super) fn new(local: Directory, network: Directory, log_in_required: bool) -> Self {
        Self {
            log_ins: BTreeMap::new(),
            local,
            network,
            guesses_of_uids: Attempts::new(GUESSES_OF_UID, WITHIN),
            guesses_of_strangers: Attempts::new(GUESSES_OF_STRANGERS, WITHIN),
            guesses_of_nodes: Attempts::new(GUESSES_OF_NODE, WITHIN),
            own_changes: Attempts::new(OWN_CHANGES, WITHIN),
            regulars: BTreeSet::new(),
            unwritten: BTreeSet::new(),
            review: None,
            staged: BTreeMap::new(),
            log_in_required,
        }
    }

    /// The node is about to be another network's, or an authority's: nobody of the old one is known.
    pub(super) fn begin_anew(&mut self, rng: &mut (impl rand_core::CryptoRng + ?Sized)) {
        let (network, _) = Directory::load(Table::Users, core::iter::empty(), rng);
        self.log_ins.clear();
        self.staged.clear();
        self.network = network;
    }

    /// The writes that forget the users of a network that the node leaves.
    pub(super) fn erase_network(&self) -> Vec<Write> {
        self.network.erase()
    }

    /// From now on people have to log in.
    pub(super) fn require_log_in(&mut self) {
        self.log_in_required = true;
    }

    /// A peer has gone, and with it what it had begun.
    pub(super) fn forget(&mut self, peer: NodeId) {
        self.staged.retain(|(node, _), _| *node != peer);
    }

    /// When the next log-in ends, or is to be renewed.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let ends = self.log_ins.values().map(|log_in| log_in.assertion.assertion().expires).min();
        [ends, self.review].into_iter().flatten().min()
    }

    /// The log-in of a user at this node, whoever uses it, that lasts longest, if there is one.
    pub(super) fn log_in_of(&self, user: &UserRef) -> Option<&VerifiedAssertion> {
        let of_user = |log_in: &&LogIn| {
            let principal = log_in.assertion.principal();
            principal.user == user.user && principal.home == user.home
        };
        let log_ins = self.log_ins.values().filter(of_user).map(|log_in| &log_in.assertion);
        log_ins.max_by_key(|assertion| assertion.assertion().expires)
    }

    /// On an authority, the network's directory.
    pub(super) const fn network(&self) -> &Directory {
        &self.network
    }

    /// Who is logged in at a seat.
    fn at(&self, seat: Seat) -> Option<&VerifiedAssertion> {
        self.log_ins.get(&seat).map(|log_in| &log_in.assertion)
    }

    /// The log-ins of somebody, of whom there may be several at different seats.
    fn of(&self, principal: &Principal) -> impl Iterator<Item = &LogIn> {
        self.log_ins.values().filter(move |log_in| log_in.assertion.principal() == principal)
    }
}

impl Engine {
    /// Whether the caller may have this done at all, by where they sit; what policy says comes after it.
    pub(super) fn may_command(&self, caller: Caller, command: &Command) -> Result<(), Failure> {
        match command {
            Command::Status | Command::LogIn(_) | Command::LogOut | Command::WhoAmI | Command::Actor => {
                Ok(())
            }
            _ if caller.is_owner() => Ok(()),
            Command::Peers
            | Command::Ping(_)
            | Command::Whois(_)
            | Command::GetTicket(_)
            | Command::Tickets
            | Command::RevokeTicket(_)
            | Command::CertificateOf(_)
            | Command::Policy
            | Command::ApplyPolicy(_)
            | Command::ExplainPolicy(_) => self.actor(caller).map(drop),
            Command::Why(ask) if self.is_own_walk(ask) => self.actor(caller).map(drop),
            Command::Users(list) if !list.local => self.actor(caller).map(drop),
            Command::ChangeUser(change) if !change.local => self.actor(caller).map(drop),
            Command::Init(_)
            | Command::Join(_)
            | Command::Invite(_)
            | Command::StatusIn(_)
            | Command::Renew
            | Command::Certificates
            | Command::Revoke(_)
            | Command::Admission
            | Command::SetAdmission(_)
            | Command::SetPassword(_)
            | Command::Guids
            | Command::AddGuid(_)
            | Command::RemoveGuid(_)
            | Command::Requests
            | Command::Decide(_)
            | Command::ConfirmJoin(_)
            | Command::MayUse(..)
            | Command::Users(_)
            | Command::ChangeUser(_)
            | Command::Why(_)
            | Command::SetGuest(_)
            | Command::Guests => Err(not_owner()),
        }
    }

    /// Whether the walk is the caller's own: what others may do, and from where, is for whoever runs the node.
    fn is_own_walk(&self, ask: &AskWhy) -> bool {
        ask.user.is_none() && ask.from.as_ref().is_none_or(|from| self.is_me(from))
    }

    /// On whose behalf the caller acts.
    pub(super) fn actor(&self, caller: Caller) -> Result<Actor, Failure> {
        match self.people.log_ins.get(&caller.seat()) {
            Some(log_in) => Ok(Actor::Person(log_in.assertion.principal().clone())),
            None if caller.is_owner() && !self.people.log_in_required => Ok(Actor::Node),
            None => Err(nobody()),
        }
    }

    /// The log-in of whoever acts, if it is a person.
    ///
    /// # Errors
    /// Why nothing may leave this host on their behalf.
    pub(super) fn user_of(&self, actor: &Actor) -> Result<Option<&VerifiedAssertion>, Failure> {
        let Actor::Person(principal) = actor else {
            return if self.people.log_in_required { Err(nobody()) } else { Ok(None) };
        };
        self.people.of(principal).next().ok_or_else(|| logged_out(principal))?;
        let member = self.membership.member.as_ref().ok_or_else(not_a_member)?;
        let standing = self.people.of(principal).filter(|log_in| log_in.assertion.stands(member));
        // The one that lasts longest: what is opened ends with it.
        let last = standing.max_by_key(|log_in| log_in.assertion.assertion().expires);
        last.map(|log_in| Some(&log_in.assertion)).ok_or_else(|| to_be_renewed(principal))
    }

    /// A local user asks who they are.
    pub(super) fn who_am_i(&mut self, command: CommandId, caller: Caller) {
        let answer = self.shown(caller);
        self.answer(command, Ok(Answer::WhoAmI(answer)));
    }

    fn shown(&self, caller: Caller) -> WhoAmI {
        match self.people.log_ins.get(&caller.seat()) {
            Some(log_in) => {
                let assertion = log_in.assertion.assertion();
                WhoAmI {
                    user: Some(assertion.principal.user_text()),
                    person: Some(assertion.principal.person.clone()),
                    roles: assertion.roles.clone(),
                    expires: Some(Time(assertion.expires)),
                }
            }
            None => WhoAmI {
                user: self.actor(caller).ok().map(|_| "owner".to_owned()),
                person: None,
                roles: BTreeSet::new(),
                expires: None,
            },
        }
    }
}

fn not_owner() -> Failure {
    Failure::new(Code::Denied, "only the user who runs the node may do that", "run the command as that user")
}

fn nobody() -> Failure {
    Failure::new(
        Code::Denied,
        "nobody is logged in here, and this node acts for people who are",
        "log in: `lanyard login USER`",
    )
}

fn logged_out(principal: &Principal) -> Failure {
    Failure::new(
        Code::Denied,
        format!("{principal} is not logged in here any more"),
        format!("log in again: `lanyard login {}`", principal.user_text()),
    )
}

pub(super) fn to_be_renewed(principal: &Principal) -> Failure {
    Failure::new(
        Code::Denied,
        format!("what {principal} may do has changed, and the authority has not confirmed the log-in yet"),
        "it is asked every few seconds: see whether it can be reached, `lanyard status`",
    )
}
