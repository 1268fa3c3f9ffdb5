//! What the authority has changed about users of late, as everybody is told: which of their log-ins are no longer good.
//!
//! It travels with the policy, under the same head. What is compared are versions of that head: a log-in says by which
//! the authority went when it vouched for it, and a notice is made with the next. So no clock has a part in it. A log-in
//! lasts twelve hours at most, so nothing has to be remembered for longer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::certificate::SKEW;
use crate::identity::UserName;
use crate::people::{ASSERTION_LIFE, Assertion, Home};
use crate::time::Timestamp;

/// The most users of whom something is remembered. Of more, everybody's log-ins are renewed instead.
pub const NOTICES_MAX: usize = 128;

/// What has changed about one user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Notice {
    /// Log-ins vouched for before this version are to be renewed.
    changed: u64,
    /// Log-ins vouched for before this version are not good any more, until they are renewed.
    ended: u64,
    /// When that was.
    at: Timestamp,
}

/// Log-ins that are not good any more, or not up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notices {
    /// All those vouched for before this version.
    all: u64,
    users: BTreeMap<UserName, Notice>,
}

impl Notices {
    /// Whether the log-in is good no more.
    #[must_use]
    pub fn end(&self, assertion: &Assertion) -> bool {
        self.of(assertion).is_some_and(|notice| assertion.epoch < notice.ended.max(self.all))
    }

    /// Whether the log-in is to be renewed: the user has other roles now.
    #[must_use]
    pub fn outdate(&self, assertion: &Assertion) -> bool {
        let since = |notice: Notice| notice.changed.max(notice.ended).max(self.all);
        self.of(assertion).is_some_and(|notice| assertion.epoch < since(notice))
    }

    /// What is known of the user; of a node's own users nothing, for the node itself ends their log-ins.
    fn of(&self, assertion: &Assertion) -> Option<Notice> {
        let network = assertion.principal.home == Home::Network;
        network.then(|| self.users.get(&assertion.principal.user).copied().unwrap_or_default())
    }

    /// The notices with one more: `user` changes with version `epoch`, at the time `at`, and if that takes something away,
    /// log-ins end. What nobody can show any more by `signed`, the latest time that somebody has signed, is forgotten.
    #[must_use]
    pub(crate) fn with(
        &self,
        user: &UserName,
        ends: bool,
        (epoch, at): (u64, Timestamp),
        signed: Timestamp,
    ) -> Self {
        let mut notices = self.clone();
        notices.users.retain(|_, notice| signed < notice.at.after(ASSERTION_LIFE).after(SKEW));
        let notice = notices.users.entry(user.clone()).or_default();
        notice.changed = epoch;
        notice.at = at.max(notice.at);
        if ends {
            notice.ended = epoch;
        }
        if notices.users.len() > NOTICES_MAX { notices.with_all(epoch) } else { notices }
    }

    /// All log-ins from before version `epoch` end.
    #[must_use]
    pub(crate) fn with_all(&self, epoch: u64) -> Self {
        Self { all: epoch.max(self.all), users: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::codec;
    use crate::identity::IdentityKey;
    use crate::people::Principal;

    const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

    fn log_in(user: &str, home: Home, epoch: u64) -> Assertion {
        let user: UserName = user.parse().unwrap();
        Assertion {
            principal: Principal { person: user.clone().into(), user, home },
            roles: Default::default(),
            entity: "shop".parse().unwrap(),
            node: IdentityKey::from_seed(&[1; 32]).node_id(),
            authenticated: NOW,
            issued: NOW,
            epoch,
            expires: NOW.after(ASSERTION_LIFE),
        }
    }

    fn name(text: &str) -> UserName {
        text.parse().unwrap()
    }

    /// I4: what is taken away ends the log-ins from before; what is given makes them out of date; nobody else's.
    #[test]
    fn ends_what_was_vouched_for_before() {
        let given = Notices::default().with(&name("ana"), false, (4, NOW), NOW);
        let taken = given.with(&name("ana"), true, (5, NOW), NOW);
        let (before, after) = (log_in("ana", Home::Network, 3), log_in("ana", Home::Network, 5));
        assert!(given.outdate(&before) && !given.end(&before));
        assert!(taken.outdate(&before) && taken.end(&before));
        assert!(taken.end(&log_in("ana", Home::Network, 4)));
        assert!(!taken.outdate(&after) && !taken.end(&after));
        assert!(!taken.outdate(&log_in("ben", Home::Network, 3)));
        assert!(!taken.end(&log_in("ana", Home::Node("till".parse().unwrap()), 3)));
        let again = taken.with(&name("ana"), false, (6, NOW), NOW);
        assert!(again.end(&before) && again.outdate(&after) && !again.end(&after));
    }

    /// I4: an authority's clock that is wrong, ahead or behind, takes nothing back and keeps nobody out.
    #[test]
    fn no_clock_has_a_part_in_it() {
        for wrong in
            [NOW.after(Duration::from_secs(400 * 86_400)), NOW.before(Duration::from_secs(400 * 86_400))]
        {
            let notices = Notices::default().with(&name("ana"), true, (4, wrong), NOW);
            let right = notices.with(&name("ana"), true, (5, NOW), NOW);
            assert!(notices.end(&log_in("ana", Home::Network, 3)));
            assert!(right.end(&log_in("ana", Home::Network, 4)));
            assert!(!right.outdate(&log_in("ana", Home::Network, 5)));
        }
    }

    /// I4, D4: of more changes than are remembered, everybody's log-ins end and are renewed; a part has room for all.
    #[test]
    fn forgets_nothing_that_matters() {
        let mut notices = Notices::default();
        for number in 0..NOTICES_MAX {
            let user = name(&format!("{number:03}{}", "x".repeat(60)));
            notices = notices.with(&user, true, (u64::MAX - 9, NOW), NOW);
        }
        assert!(codec::encode(&notices).len() <= crate::access::PART_MAX);
        assert!(!notices.end(&log_in("ana", Home::Network, 3)));
        notices = notices.with(&name("ben"), false, (u64::MAX - 8, NOW), NOW);
        assert!(notices.end(&log_in("ana", Home::Network, 3)));
        assert!(notices.end(&log_in("ana", Home::Network, u64::MAX - 9)));
        assert_eq!(notices.users.len(), 0);
        // By the signed time: a clock that is ahead makes nothing forgotten.
        let ended = Notices::default().with(&name("ana"), true, (4, NOW), NOW);
        let ahead = NOW.after(100 * ASSERTION_LIFE);
        assert!(ended.with(&name("ben"), true, (5, ahead), NOW).users.contains_key(&name("ana")));
        assert!(!ended.with(&name("ben"), true, (5, ahead), ahead).users.contains_key(&name("ana")));
    }
}
