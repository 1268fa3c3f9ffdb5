//! An authority gives out invites.

use core::net::SocketAddr;
use core::time::Duration;

use super::admission::{Founding, not_authority};
use super::people::{Checking, Setting};
use super::{CommandId, Engine, Output, Work, WorkId};
use crate::audit::What;
use crate::control::{Answer, Code as FailureCode, Failure, Invite, InviteRequest, Time};
use crate::enrolment::{Code, InviteSecret, InviteUri, NewInvite};
use crate::identity::Secret;
use crate::time::Timestamp;

/// How long an invite may be open: a code is three chances in a million for a guesser however long it is open, but
/// what lies about is found.
const TTL: core::ops::RangeInclusive<u64> = 10..=7 * 24 * 60 * 60;

/// How many nodes one invite may admit.
const USES: core::ops::RangeInclusive<u32> = 1..=1000;

/// Something that is being stretched.
pub(super) enum Stretching {
    /// The code of an invite to be.
    Invite(Drafted),
    /// The code that this node joins with.
    JoinCode,
    /// The password that this node joins with.
    JoinPassword,
    /// The password of a network to be.
    Network(Box<Founding>),
    /// The network's new password.
    Password(CommandId),
    /// The password with which somebody logs in.
    LogIn(Box<Checking>),
    /// A user's new password.
    Credential(Box<Setting>),
    /// The password of a service's guests.
    Guest(super::guests::Setting),
    /// The password with which this node is a guest, in the visit with this number.
    Visit(u64),
}

/// An invite whose code is being stretched.
pub(super) struct Drafted {
    command: CommandId,
    code: Code,
    uri: InviteUri,
    uses: u32,
    expires: Timestamp,
}

impl Engine {
    pub(super) fn invite(&mut self, command: CommandId, request: &InviteRequest, now: Timestamp) {
        match self.draft_invite(command, request, now) {
            Ok(drafted) => {
                let id = WorkId(self.wires.next.next());
                let secret = drafted.code.secret();
                let salt = Code::salt(&drafted.uri.network, drafted.code.nameplate());
                self.stretching.insert(id, Stretching::Invite(drafted));
                self.output(Output::Work { id, work: Work::Stretch { secret, salt } });
            }
            Err(failure) => self.answer(command, Err(failure)),
        }
    }

    fn draft_invite(
        &mut self,
        command: CommandId,
        request: &InviteRequest,
        now: Timestamp,
    ) -> Result<Drafted, Failure> {
        if !TTL.contains(&request.ttl_s) || !USES.contains(&request.uses) {
            return Err(Failure::new(
                FailureCode::Usage,
                "an invite is good for 10 s to 7 days and for 1 to 1,000 nodes",
                "choose another --ttl or --uses",
            ));
        }
        let authority = self.membership.authority.as_ref().ok_or_else(not_authority)?;
        let in_draft = self.stretching.values().filter_map(|stretching| match stretching {
            Stretching::Invite(drafted) => Some(drafted.code.nameplate()),
            Stretching::JoinCode
            | Stretching::JoinPassword
            | Stretching::Network(_)
            | Stretching::Password(_)
            | Stretching::LogIn(_)
            | Stretching::Credential(_)
            | Stretching::Guest(_)
            | Stretching::Visit(_) => None,
        });
        let nameplate = in_draft.max().map_or(0, |taken| taken + 1).max(authority.free_nameplate(now));
        let (network, root) = (authority.anchor().network().clone(), authority.anchor().fingerprint());
        let code = Code::generate(nameplate, &mut *self.rng);
        let secret = Some(InviteSecret::generate(&mut *self.rng));
        let uri = InviteUri { addresses: self.addresses_for_others()?, network, root, secret };
        let expires = now.after(Duration::from_secs(request.ttl_s));
        Ok(Drafted { command, code, uri, uses: request.uses, expires })
    }

    /// Where another host may reach this one: loopback only where there is nothing else.
    fn addresses_for_others(&self) -> Result<Vec<SocketAddr>, Failure> {
        let all = &self.local.addresses.control;
        let (local, mut others): (Vec<SocketAddr>, Vec<SocketAddr>) =
            all.iter().copied().partition(|address| address.ip().is_loopback());
        if others.is_empty() {
            others = local;
        }
        others.truncate(4);
        if others.is_empty() {
            return Err(Failure::new(
                FailureCode::Failed,
                "the node listens nowhere yet",
                "try again in a moment, or see `lanyard status`",
            ));
        }
        Ok(others)
    }

    /// The code of a drafted invite has been stretched.
    pub(super) fn add_invite(&mut self, drafted: Drafted, stretched: Secret, now: Timestamp) {
        let Drafted { command, code, uri, uses, expires } = drafted;
        let (Some(authority), Some(secret)) = (&mut self.membership.authority, &uri.secret) else {
            self.answer(command, Err(not_authority()));
            return;
        };
        let invite = NewInvite::new(&code, stretched, secret.digest(), uses, expires);
        match authority.add_invite(invite, now) {
            Ok(writes) => {
                let invite =
                    Invite { code: code.to_string(), uri: uri.to_string(), expires: Time(expires), uses };
                let result = Ok(Answer::Invite(invite));
                self.audit_order(What::InviteMade, format!("for {uses} nodes"), format!("until {expires}"));
                self.persist(writes, vec![Output::Answer { to: command, result }]);
            }
            Err(reject) => self.answer(command, Err(reject.failure())),
        }
    }
}
