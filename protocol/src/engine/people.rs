//! The people at this node, and on an authority those of the network: who is logged in here, who may log in, and who
//! may change that.

mod change;
mod log_in;
mod manage;
mod vouch;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

pub(super) use self::change::{Setting, Undo};
pub(super) use self::log_in::{Checking, LoggingIn};
use self::manage::Staged;
pub(super) use self::manage::{Managing, What, changed_meanwhile, text_digest};
use super::{CommandId, Engine};
use crate::control::{Answer, Caller, Code, Command, Failure, Time, WhoAmI};
use crate::identity::{NodeId, UserName};
use crate::people::{Actor, Attempts, Directory, Principal, Seat, VerifiedAssertion};
use crate::record::{Table, Write};
use crate::time::Timestamp;

/// Log-ins at one node at the same time: more than people sit at one.
const LOG_INS_MAX: usize = 1024;

/// Of them those of one uid: terminals and scripts.
const LOG_INS_OF_ONE: usize = 64;

/// Wrong passwords that one uid of this host may give: then it waits, and nobody else.
const GUESSES_HERE: (usize, Duration) = (5, Duration::from_secs(10 * 60));

/// Wrong passwords that may come to an authority from one node, whose own uids have fewer.
const GUESSES_OF_NODE: (usize, Duration) = (30, Duration::from_secs(10 * 60));

/// Wrong passwords for one user that may come from nodes at which that user has never logged in: somebody who has many
/// nodes tries no more than that, and whoever is where they always are does not notice.
const GUESSES_FROM_AFAR: (usize, Duration) = (30, Duration::from_secs(24 * 60 * 60));

/// Nodes at which users have logged in that an authority remembers.
const FAMILIAR_MAX: usize = 16_384;

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
    guesses_here: Attempts<u32>,
    guesses_of_nodes: Attempts<NodeId>,
    guesses_from_afar: Attempts<UserName>,
    familiar: BTreeSet<(UserName, NodeId)>,
    staged: BTreeMap<NodeId, Staged>,
    /// Whether whoever runs the node has to log in before anything leaves it on their behalf.
    log_in_required: bool,
}

impl People {
    pub(super) fn new(local: Directory, network: Directory, log_in_required: bool) -> Self {
        Self {
            log_ins: BTreeMap::new(),
            local,
            network,
            guesses_here: Attempts::new(GUESSES_HERE.0, GUESSES_HERE.1),
            guesses_of_nodes: Attempts::new(GUESSES_OF_NODE.0, GUESSES_OF_NODE.1),
            guesses_from_afar: Attempts::new(GUESSES_FROM_AFAR.0, GUESSES_FROM_AFAR.1),
            familiar: BTreeSet::new(),
            staged: BTreeMap::new(),
            log_in_required,
        }
    }

    /// The node is about to be another network's, or an authority's: nobody of the old one is known.
    pub(super) fn begin_anew(&mut self, rng: &mut (impl rand_core::CryptoRng + ?Sized)) {
        let (network, _) = Directory::load(Table::Users, core::iter::empty(), rng);
        self.log_ins.clear();
        self.staged.clear();
        self.familiar.clear();
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
        self.staged.remove(&peer);
    }

    /// When the next log-in ends.
    pub(super) fn next_log_out(&self) -> Option<Timestamp> {
        self.log_ins.values().map(|log_in| log_in.assertion.assertion().expires).min()
    }

    fn of(&self, principal: &Principal) -> Option<&LogIn> {
        self.log_ins.values().find(|log_in| log_in.assertion.principal() == principal)
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
            | Command::ChangeUser(_) => Err(not_owner()),
        }
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
        let log_in = self.people.of(principal).ok_or_else(|| logged_out(principal))?;
        let stands = self.membership.member.as_ref().is_some_and(|member| log_in.assertion.stands(member));
        if stands { Ok(Some(&log_in.assertion)) } else { Err(to_be_renewed(principal)) }
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

fn to_be_renewed(principal: &Principal) -> Failure {
    Failure::new(
        Code::Denied,
        format!("what {principal} may do has changed, and the authority has not confirmed the log-in yet"),
        "try again when the authority can be reached, or log in again",
    )
}
