//! What an authority's owner asks and changes about how strangers get in, and how a network begins.

use super::invite::Stretching;
use super::load::keep_log_in_required;
use super::revocation::full;
use super::{CommandId, Engine, Output, Work, WorkId};
use crate::audit::{Actor, Origin, What};
use crate::certificate::VerifiedCertificate;
use crate::control::{
    AddGuid, Admission, Answer, Code, Decision, Failure, Guid, Init, Mode, Password, Pending, RequestRow,
    STRENGTH_MIN, SetPassword,
};
use crate::enrolment::{Authority, Change, Issued, password_salt};
use crate::identity::{NetworkName, Secret};
use crate::time::Timestamp;
use zeroize::Zeroizing;

/// What a word in a password is worth.
const BITS_OF_A_WORD: u32 = 11;

/// A network that waits for its password to be stretched.
pub(super) struct Founding {
    command: CommandId,
    authority: Authority,
    issued: Issued<VerifiedCertificate>,
}

impl Engine {
    pub(super) fn init(&mut self, command: CommandId, init: Init, now: Timestamp) {
        let Init { network, name, admission, password, weak, require_login } = init;
        let checked = self
            .check_free_to_found(now)
            .and_then(|()| self.check_name(&name))
            .and_then(|()| check_password_for(admission, password.as_ref()))
            .and_then(|()| password.as_ref().map_or(Ok(()), |password| check_strength(password, weak)));
        if let Err(failure) = checked {
            self.answer(command, Err(failure));
            return;
        }
        let life = self.local.leaf_life;
        match Authority::create(network, name, (admission, life), &self.keys, now, &mut *self.rng) {
            Ok((authority, mut issued)) => {
                if require_login {
                    self.people.require_log_in();
                    issued.writes.push(keep_log_in_required());
                }
                let founding = Founding { command, authority, issued };
                match password {
                    Some(password) => {
                        let anchor = founding.authority.anchor();
                        let salt = password_salt(anchor.network(), anchor.fingerprint());
                        self.stretch(&password, salt, Stretching::Network(Box::new(founding)));
                    }
                    None => self.begin_network(founding, None, now),
                }
            }
            Err(error) => {
                let failure = Failure::new(Code::Failed, error.to_string(), "set this host's clock right");
                self.answer(command, Err(failure));
            }
        }
    }

    /// A network begins, with its password if it has one.
    pub(super) fn begin_network(&mut self, founding: Founding, password: Option<Secret>, now: Timestamp) {
        let Founding { command, mut authority, mut issued } = founding;
        if let Some(password) = password {
            issued.writes.extend(authority.set_password(password, now).writes);
        }
        self.install_authority(command, authority, issued, now);
    }

    /// Whether a network is about to begin.
    pub(super) fn is_founding(&self) -> bool {
        self.stretching.values().any(|stretching| matches!(stretching, Stretching::Network(_)))
    }

    pub(super) fn stretch(&mut self, password: &Password, salt: [u8; 32], purpose: Stretching) -> WorkId {
        self.stretch_bytes(&password.secret(), salt, purpose)
    }

    pub(super) fn stretch_bytes(&mut self, password: &[u8], salt: [u8; 32], purpose: Stretching) -> WorkId {
        let id = WorkId(self.wires.next.next());
        self.stretching.insert(id, purpose);
        let secret = Zeroizing::new(password.to_vec());
        self.output(Output::Work { id, work: Work::Stretch { secret, salt } });
        id
    }

    pub(super) fn show_admission(&mut self, command: CommandId, now: Timestamp) {
        self.admission_changed(command, None, now);
    }

    /// Answers with how strangers get in from now on, once that is durable.
    fn admission_changed(&mut self, command: CommandId, change: Option<Change>, now: Timestamp) {
        let authority = self.membership.authority.as_ref().ok_or_else(not_authority);
        let result = authority.map(|authority| Answer::Admission(authority.status(now)));
        self.persist_change(change, vec![Output::Answer { to: command, result }]);
    }

    pub(super) fn set_admission(&mut self, command: CommandId, admission: Admission, now: Timestamp) {
        let change = match &mut self.membership.authority {
            None => Err(not_authority()),
            Some(authority) => authority.set_admission(admission).ok_or_else(password_missing),
        };
        match change {
            Ok(change) => {
                self.audit_order(What::AdmissionChanged, admission, "");
                self.admission_changed(command, Some(change), now);
            }
            Err(failure) => self.answer(command, Err(failure)),
        }
    }

    pub(super) fn stretch_password(&mut self, command: CommandId, set: &SetPassword) {
        let salt = match &self.membership.authority {
            None => Err(not_authority()),
            Some(authority) => check_strength(&set.password, set.weak).map(|()| {
                let anchor = authority.anchor();
                password_salt(anchor.network(), anchor.fingerprint())
            }),
        };
        match salt {
            Ok(salt) => {
                self.stretch(&set.password, salt, Stretching::Password(command));
            }
            Err(failure) => self.answer(command, Err(failure)),
        }
    }

    pub(super) fn set_password(&mut self, command: CommandId, stretched: Secret, now: Timestamp) {
        let change =
            self.membership.authority.as_mut().map(|authority| authority.set_password(stretched, now));
        if change.is_some() {
            self.audit_order(What::PasswordChanged, "", "");
        }
        self.admission_changed(command, change, now);
    }

    /// Answers with the machines on the list, once `change` is durable.
    pub(super) fn show_guids(&mut self, command: CommandId, change: Option<Change>) {
        let authority = self.membership.authority.as_ref().ok_or_else(not_authority);
        let result = authority.map(|authority| Answer::Guids(authority.guids()));
        self.persist_change(change, vec![Output::Answer { to: command, result }]);
    }

    pub(super) fn add_guid(&mut self, command: CommandId, add: AddGuid, now: Timestamp) {
        let Some(authority) = &mut self.membership.authority else {
            self.answer(command, Err(not_authority()));
            return;
        };
        let guid = add.guid;
        match authority.add_guid(add, now) {
            Ok(change) => {
                self.audit_order(What::GuidAdded, guid, "");
                self.show_guids(command, Some(change));
            }
            Err(_) => {
                let remedy = "take some off it: `lanyard admission guid remove GUID`";
                self.answer(command, Err(Failure::new(Code::Failed, "the list of machines is full", remedy)));
            }
        }
    }

    pub(super) fn remove_guid(&mut self, command: CommandId, guid: &Guid) {
        let Some(authority) = &mut self.membership.authority else {
            self.answer(command, Err(not_authority()));
            return;
        };
        match authority.remove_guid(guid) {
            Some(change) => {
                self.audit_order(What::GuidRemoved, guid, "");
                self.show_guids(command, Some(change));
            }
            None => {
                let remedy = "see which are: `lanyard admission guid list`";
                let failure = Failure::new(Code::NotFound, "that machine is not on the list", remedy);
                self.answer(command, Err(failure));
            }
        }
    }

    pub(super) fn show_requests(&mut self, command: CommandId, now: Timestamp) {
        let authority = self.membership.authority.as_ref().ok_or_else(not_authority);
        let result = authority.map(|authority| Answer::Requests(authority.requests(now)));
        self.answer(command, result);
    }

    pub(super) fn decide(&mut self, command: CommandId, decision: &Decision, now: Timestamp) {
        let (Some(authority), Some(member)) = (&mut self.membership.authority, &self.membership.member)
        else {
            self.answer(command, Err(not_authority()));
            return;
        };
        let replaces = |row: &RequestRow| row.id == decision.id && row.replaces.is_some();
        if decision.approve && !member.revocations.has_room() && authority.requests(now).iter().any(replaces)
        {
            self.answer(command, Err(full()));
            return;
        }
        match authority.decide(&decision.id, decision.approve, now) {
            Some((row, change)) => {
                let what = if decision.approve { What::RequestApproved } else { What::RequestDenied };
                let entry = self.entry(what).by(Actor::default(), Origin::Local).about(&row.name);
                let entry =
                    entry.because(format!("request {}, node {}, words {}", row.id, row.node, row.words));
                self.audit(if decision.approve { entry } else { entry.denied() });
                let result = Ok(Answer::Decided(Box::new(row)));
                self.persist_change(Some(change), vec![Output::Answer { to: command, result }]);
            }
            None => {
                let remedy = "see what waits: `lanyard requests`";
                let failure = Failure::new(Code::NotFound, "no request with this id waits", remedy);
                self.answer(command, Err(failure));
            }
        }
    }

    /// What waits for a person here: others' requests, and this node's own.
    pub(super) fn waiting(&self, now: Timestamp) -> Vec<Pending> {
        let requests = self.membership.authority.as_ref().map(|authority| authority.requests(now));
        let undecided = requests.into_iter().flatten().filter(|row| row.approved.is_none());
        let rows = undecided.map(|row| Pending {
            kind: "request".to_owned(),
            id: row.id,
            name: row.name.to_string(),
            fingerprint: Some(row.words),
        });
        rows.chain(self.own_pending()).collect()
    }

    /// This machine, as the network knows it that this node is in or has asked last.
    pub(super) fn guid(&self) -> Option<Guid> {
        let member = self.membership.member.as_ref().map(|member| member.anchor.network());
        let network = member.or(self.local.in_sight.as_ref())?;
        Some(self.guid_in(network))
    }

    /// This machine, as `network` knows it.
    pub(super) fn guid_in(&self, network: &NetworkName) -> Guid {
        Guid::of(&self.local.machine, self.node_id(), network)
    }
}

pub(super) fn not_authority() -> Failure {
    Failure::new(
        Code::Denied,
        "this node is not an authority, so it admits nobody",
        "run it on the authority: `lanyard status` says which that is",
    )
}

fn check_password_for(admission: Admission, password: Option<&Password>) -> Result<(), Failure> {
    if admission.mentions(Mode::Password) && password.is_none() {
        return Err(Failure::new(
            Code::Usage,
            format!("the rule {admission} needs a password, and none was given"),
            "give one: `lanyard init … --password-file F`",
        ));
    }
    Ok(())
}

fn password_missing() -> Failure {
    Failure::new(
        Code::Failed,
        "the network has no password yet; nothing was changed",
        "set it first: `lanyard admission password`",
    )
}

fn check_strength(password: &Password, weak: bool) -> Result<(), Failure> {
    check_strength_of(password, STRENGTH_MIN, weak)
}

/// Whether a password has so many bits, or somebody insists on a weak one.
pub(super) fn check_strength_of(password: &Password, least: u32, weak: bool) -> Result<(), Failure> {
    let strength = password.strength();
    if strength >= least || weak {
        return Ok(());
    }
    let words = least.div_ceil(BITS_OF_A_WORD);
    Err(Failure::new(
        Code::Usage,
        format!("the password is weak: about {strength} bits where {least} are wanted"),
        format!("choose {words} words or more that have nothing to do with each other; `--weak` insists"),
    ))
}
