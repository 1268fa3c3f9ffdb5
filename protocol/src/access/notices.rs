//! What the authority has changed about users of late, as everybody is told: which of their log-ins are no longer good.
//!
//! It travels with the policy, under the same head. A log-in lasts twelve hours at most, so nothing has to be
//! remembered for longer.

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
    /// Log-ins vouched for by then are to be renewed.
    changed: Timestamp,
    /// Log-ins vouched for by then are not good any more, until they are renewed.
    ended: Timestamp,
}

/// Log-ins that are not good any more, or not up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notices {
    /// All those vouched for by then.
    all: Timestamp,
    users: BTreeMap<UserName, Notice>,
}

impl Notices {
    /// Whether the log-in is good no more.
    #[must_use]
    pub fn end(&self, assertion: &Assertion) -> bool {
        self.of(assertion).is_some_and(|notice| assertion.issued <= notice.ended.max(self.all))
    }

    /// Whether the log-in is to be renewed: the user has other roles now.
    #[must_use]
    pub fn outdate(&self, assertion: &Assertion) -> bool {
        let outdated = |notice: Notice| assertion.issued <= notice.changed.max(notice.ended).max(self.all);
        self.of(assertion).is_some_and(outdated)
    }

    /// What is known of the user; of a node's own users nothing, for the node itself ends their log-ins.
    fn of(&self, assertion: &Assertion) -> Option<Notice> {
        let network = assertion.principal.home == Home::Network;
        network.then(|| self.users.get(&assertion.principal.user).copied().unwrap_or_default())
    }

    /// The notices with one more: `user` has changed at `now`, and if that takes something away, log-ins end. What nobody
    /// can show any more by `signed`, the latest time that somebody has signed, is forgotten.
    #[must_use]
    pub(crate) fn with(&self, user: &UserName, ends: bool, now: Timestamp, signed: Timestamp) -> Self {
        let mut notices = self.clone();
        notices.users.retain(|_, notice| signed < notice.changed.after(ASSERTION_LIFE).after(SKEW));
        // Time goes on here even if the clock does not: what is vouched for next is later.
        let at = notices.latest().max(now);
        let notice = notices.users.entry(user.clone()).or_default();
        notice.changed = at;
        if ends {
            notice.ended = at;
        }
        if notices.users.len() > NOTICES_MAX {
            notices.all = at;
            notices.users.clear();
        }
        notices
    }

    /// By when the latest of them was made: what is vouched for now is to be later.
    #[must_use]
    pub(crate) fn latest(&self) -> Timestamp {
        self.users.values().map(|notice| notice.changed).max().unwrap_or_default().max(self.all)
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

    fn log_in(user: &str, home: Home, issued: Timestamp) -> Assertion {
        let user: UserName = user.parse().unwrap();
        Assertion {
            principal: Principal { person: user.clone().into(), user, home },
            roles: Default::default(),
            entity: "shop".parse().unwrap(),
            node: IdentityKey::from_seed(&[1; 32]).node_id(),
            authenticated: issued,
            issued,
            expires: issued.after(ASSERTION_LIFE),
        }
    }

    fn name(text: &str) -> UserName {
        text.parse().unwrap()
    }

    /// I4: what is taken away ends the log-ins from before; what is given makes them out of date; nobody else's.
    #[test]
    fn ends_what_was_vouched_for_before() {
        let given = Notices::default().with(&name("ana"), false, NOW, NOW);
        let taken = given.with(&name("ana"), true, NOW, NOW);
        let (before, after) =
            (log_in("ana", Home::Network, NOW), Timestamp::from_millis(NOW.as_millis() + 1));
        assert!(given.outdate(&before) && !given.end(&before));
        assert!(taken.outdate(&before) && taken.end(&before));
        assert!(!taken.outdate(&log_in("ana", Home::Network, after)));
        assert!(!taken.outdate(&log_in("ben", Home::Network, NOW)));
        assert!(!taken.end(&log_in("ana", Home::Node("till".parse().unwrap()), NOW)));
        let again = taken.with(&name("ana"), false, after, NOW);
        assert!(again.end(&before) && again.outdate(&log_in("ana", Home::Network, after)));
    }

    /// I4: a clock that stands still or goes back takes nothing back.
    #[test]
    fn goes_on_though_the_clock_does_not() {
        let first = Notices::default().with(&name("ana"), true, NOW, NOW);
        let earlier = NOW.before(Duration::from_secs(3600));
        let second = first.with(&name("ben"), true, earlier, NOW);
        assert!(second.end(&log_in("ana", Home::Network, NOW)));
        assert!(second.end(&log_in("ben", Home::Network, NOW)) && second.latest() == NOW);
    }

    /// I4, D4: of more changes than are remembered, everybody's log-ins end and are renewed; a part has room for all.
    #[test]
    fn forgets_nothing_that_matters() {
        let mut notices = Notices::default();
        for number in 0..NOTICES_MAX {
            notices = notices.with(&name(&format!("{number:03}{}", "x".repeat(60))), true, NOW, NOW);
        }
        assert!(codec::encode(&notices).len() <= crate::access::PART_MAX);
        assert!(!notices.end(&log_in("ana", Home::Network, NOW)));
        notices = notices.with(&name("ben"), false, NOW, NOW);
        assert!(notices.end(&log_in("ana", Home::Network, NOW)));
        assert_eq!(notices.users.len(), 0);
        // By the signed time: a clock that is ahead makes nothing forgotten.
        let ended = Notices::default().with(&name("ana"), true, NOW, NOW);
        let ahead = NOW.after(100 * ASSERTION_LIFE);
        assert!(ended.with(&name("ben"), true, ahead, NOW).users.contains_key(&name("ana")));
        assert!(!ended.with(&name("ben"), true, ahead, ahead).users.contains_key(&name("ana")));
    }
}
