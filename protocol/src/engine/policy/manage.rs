//! What the users of this host ask about the policy, and how the authority's owner changes it.

use crate::access::{FailedTest, Notices, Policy, PublishedPolicy, Subject};
use crate::audit;
use crate::control::{
    Answer, ApplyPolicy, Caller, Code, DecisionName, ExplainPolicy, Explained, Failure, PolicyShown,
};
use crate::engine::admission::not_authority;
use crate::engine::commands::not_a_member;
use crate::engine::people::{What, changed_meanwhile, text_digest};
use crate::engine::{CommandId, Engine, Output};
use crate::identity::NodeName;
use crate::reject::Reject;
use crate::time::Timestamp;

/// By how much an authority that was put back from an older copy goes on: beyond every version that it may have signed
/// since that copy was made, so that what its owner decides now is not taken for older than those.
const RESTORED_STEP: u64 = 1000;

impl Engine {
    /// A local user asks who may do what.
    pub(in crate::engine) fn show_policy(&mut self, command: CommandId) {
        let shown = self.membership.member.as_ref().map(|member| shown(&member.policy));
        self.answer(command, shown.ok_or_else(not_a_member));
    }

    /// A local user asks what is decided for somebody.
    pub(in crate::engine) fn explain_policy(&mut self, command: CommandId, explain: &ExplainPolicy) {
        let member = self.membership.member.as_ref().ok_or_else(not_a_member);
        let result = member.and_then(|member| explained(&member.policy, explain));
        self.answer(command, result.map(Answer::Explained));
    }

    /// A local user changes who may do what: on the authority whoever runs it, and anywhere who has the privilege.
    pub(in crate::engine) fn apply_policy(
        &mut self,
        command: CommandId,
        caller: Caller,
        apply: &ApplyPolicy,
        now: Timestamp,
    ) {
        if let Err(failure) = self.check_base(apply.based_on) {
            self.answer(command, Err(failure));
            return;
        }
        if let (Some(member), None) = (&self.membership.member, &self.membership.authority) {
            let base = apply.based_on.map(|_| text_digest(member.policy.text()));
            self.manage_at_authority(command, caller, What::Policy { text: apply.text.clone(), base }, now);
            return;
        }
        let applied = self.may_apply_policy(caller).and_then(|()| self.next_policy(&apply.text));
        match applied {
            Ok(Some(published)) => {
                let version = published.policy().epoch();
                self.audit_order(audit::What::PolicyApplied, format!("version {version}"), "");
                let answer = Output::Answer { to: command, result: Ok(shown(published.policy())) };
                self.persist_policy(published, vec![answer]);
            }
            Ok(None) => self.show_policy(command),
            Err(failure) => self.answer(command, Err(failure)),
        }
    }

    /// Refuses a change that was made from another version than the present one, or while one is being written.
    fn check_base(&self, based_on: Option<u64>) -> Result<(), Failure> {
        let present = self.membership.member.as_ref().map_or(0, |member| member.policy.epoch());
        if based_on.is_some_and(|base| base != present || self.is_changing_policy()) {
            return Err(changed_meanwhile());
        }
        Ok(())
    }

    /// The policy with this text as a new version, unless it is the present one.
    pub(in crate::engine) fn next_policy(&mut self, text: &str) -> Result<Option<PublishedPolicy>, Failure> {
        let member = self.membership.member.as_ref().ok_or_else(not_a_member)?;
        let last = self.policies.last_signed();
        if last > 0 && last <= member.policy.epoch() && member.policy.text() == text {
            return Ok(None);
        }
        let notices = self.policies.notices();
        self.sign_policy(text, notices).map(Some)
    }

    /// The version that is signed next.
    pub(in crate::engine) fn next_policy_epoch(&self) -> u64 {
        let last = self.policies.last_signed().max(self.policy_epoch());
        let step = if self.local.restored.is_some() { RESTORED_STEP } else { 1 };
        last.saturating_add(step)
    }

    /// Signs a new version.
    pub(in crate::engine) fn sign_policy(
        &mut self,
        text: &str,
        notices: Notices,
    ) -> Result<PublishedPolicy, Failure> {
        let authority = self.membership.authority.as_ref().ok_or_else(not_authority)?;
        if self.policies.is_unwritten() {
            return Err(Reject::Busy.failure());
        }
        let epoch = self.next_policy_epoch();
        // What an authority has taken from users since the copy was made that it was put back from, it does not know: all
        // log-ins from before are renewed.
        let restored = self.local.restored.is_some() && self.policies.last_signed() == 0;
        let notices = if restored { notices.with_all(epoch) } else { notices };
        let published = authority.sign_policy(text, notices, epoch).map_err(|error| {
            Failure::new(Code::Failed, error.to_string(), "mend it there; nothing was changed")
        })?;
        if let Some(failed) = published.policy().failed_tests().first() {
            return Err(test_failed(failed));
        }
        self.policies.was_signed(epoch);
        Ok(published)
    }
}

fn shown(policy: &Policy) -> Answer {
    Answer::Policy(PolicyShown { epoch: policy.epoch(), text: policy.text().to_owned() })
}

fn explained(policy: &Policy, explain: &ExplainPolicy) -> Result<Explained, Failure> {
    let who: Subject = explain.who.parse().map_err(|error: crate::access::NoWho| {
        Failure::new(
            Code::Usage,
            error.to_string(),
            "name a node, as in node:till, or a user at one, as in ana@till",
        )
    })?;
    let (service, peer) = (&explain.service.service, &explain.service.peer);
    let provider: NodeName = peer.as_str().parse().map_err(|error: crate::identity::NameError| {
        Failure::new(Code::Usage, error.to_string(), "policy knows nodes by their names: `lanyard peers`")
    })?;
    Ok(match policy.decide(&who, service, &provider) {
        Some(rule) => {
            Explained { decision: DecisionName::Allow, rule: Some(rule.to_string()), missing: Vec::new() }
        }
        None => Explained {
            decision: DecisionName::Deny,
            rule: None,
            missing: policy.missing(&who, service, &provider),
        },
    })
}

fn test_failed(failed: &FailedTest) -> Failure {
    Failure::new(
        Code::Failed,
        format!("the policy fails a test of its own: {failed}"),
        "mend the grants or the test; nothing was changed",
    )
}
