//! A node becomes a member.

use std::sync::Arc;

use crate::audit::What;
use crate::control::{Answer, Joined, Time};
use crate::engine::{Engine, Membership, Output, load};
use crate::enrolment::Enrolled;
use crate::hello::Addresses;
use crate::record::Write;
use crate::snapshot::Member;
use crate::time::Timestamp;

impl Engine {
    pub(super) fn install(&mut self, enrolled: Enrolled, now: Timestamp) {
        let Some(joining) = self.joining.take() else { return };
        let Enrolled { leaf, anchor, authority, pinned, told } = enrolled;
        self.told_the_time(told);
        // It is at least that from here on; a certificate that is valid from then on is not kept as of an hour ago.
        let now = now.max(told);
        let home = authority.node_id();
        let mut writes = load::member_writes(&self.keys, &anchor, &leaf, home, now);
        writes.extend(self.forget_network());
        writes.extend(self.local.own.take().map(|_| load::erase_request()));
        writes.extend(self.peers.learn(authority, Addresses::default(), now));
        let joined = Joined {
            network: anchor.network().clone(),
            name: leaf.name().clone(),
            id: self.node_id(),
            fingerprint: anchor.fingerprint(),
            pinned: pinned || (joining.confirmed && !joining.wish.yes),
            not_after: Time(leaf.not_after()),
        };
        let certified =
            format!("with a certificate until {}, from the CA {}", leaf.not_after(), anchor.fingerprint());
        let gained = self.entry_from(home, What::MembershipGained).about(anchor.network()).because(certified);
        self.audit(gained);
        let member = Member::new(anchor, leaf, self.local.verified.clone());
        let membership = Membership { member: Some(Arc::new(member)), authority: None, home: Some(home) };
        let result = Ok(Answer::Joined(joined));
        self.persist_membership(writes, membership, vec![Output::Answer { to: joining.command, result }]);
    }

    /// What a node kept of a network whose member it is no longer: its tickets, its peers' certificates, and who was
    /// revoked there.
    fn forget_network(&mut self) -> Vec<Write> {
        let tickets: Vec<_> = core::mem::take(&mut self.tickets.held).into_keys().collect();
        let mut writes: Vec<Write> = tickets.iter().filter_map(load::erase_ticket).collect();
        if let Some(member) = &self.membership.member {
            let kept = member.revocations.to_writes().into_iter();
            writes.extend(kept.map(|write| Write::erase(write.table, write.key)));
        }
        writes.extend(self.peers.forget_certificates());
        writes
    }
}
