//! What time it is at least: what others have signed, whatever this host's wall clock says.
//!
//! What expires must not come back to life because a clock was set back, nor must a clock that was set forward and
//! back leave anything behind. So the engine keeps the latest time that it has seen signed ([`Mark`]) and counts it on
//! by a steady clock; nothing that this host's own wall clock says raises it. Signed times are those of
//! authorities' answers, and of the issue of certificates that other nodes have shown: a member takes a certificate
//! only when its own clock agrees, so an authority whose clock runs ahead for a while does not raise its own mark by
//! what it then signs.
//!
//! The caller gives every `now` as the later of wall clock and mark, and says by [`Engine::handle_clock`] what either
//! clock is at. Time may so go back, as far as the mark, when a clock is set right that was ahead: then every deadline
//! is brought forward by as much. It may jump ahead, too, when a clock is set or a later time is seen signed: who waits
//! for another node is not kept waiting for less because of it.

use core::time::Duration;

use super::{Engine, load};
use crate::certificate::{BACKDATE, SKEW};
use crate::keyring::ROTATION;
use crate::time::{Mark, Timestamp};

/// How far the mark may be ahead of what the store holds. So much is lost when a node ends; a write every five
/// minutes costs nothing.
const KEEP_EVERY: Duration = Duration::from_mins(5);

/// How far ahead of this node's time an authority's signed one is believed: clocks are wrong by hours where a time
/// zone is, and an authority whose own clock jumps takes a third of a certificate's life from its members and not all.
const LEAD: Duration = Duration::from_hours(24);

/// What the engine knows of the time.
pub(super) struct Clock {
    mark: Mark,
    /// The authority's own word, for comparison.
    told: Option<(Timestamp, Duration)>,
    /// The mark that the store holds, or that is on its way there.
    kept: Timestamp,
    /// What the clocks said last.
    wall: Option<Timestamp>,
    steady: Duration,
    now: Timestamp,
}

/// A clock of this host's that must be wrong, or the authority's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockFault {
    /// Behind a time that has been signed.
    #[error(
        "this host's clock says {wall}, and {signed} has been signed already: that is used instead; set the clock right"
    )]
    Behind {
        /// The wall clock.
        wall: Timestamp,
        /// The time that it is at least.
        signed: Timestamp,
    },
    /// Ahead of the authority's.
    #[error(
        "this host's clock says {wall} and the authority's {authority}: set right the one that is wrong; until then \
         certificates end by this host's"
    )]
    Ahead {
        /// The wall clock.
        wall: Timestamp,
        /// The authority's.
        authority: Timestamp,
    },
}

impl Clock {
    pub(super) fn new(now: Timestamp, steady: Duration) -> Self {
        let kept = Timestamp::default();
        Self { mark: Mark::default(), told: None, kept, wall: None, steady, now }
    }

    fn fault(&self) -> Option<ClockFault> {
        let wall = self.wall?;
        let authority = self.told.map(|(told, then)| told.after(self.steady.saturating_sub(then)));
        match (self.mark.at(self.steady), authority) {
            (Some(signed), _) if wall.after(SKEW) < signed => Some(ClockFault::Behind { wall, signed }),
            (_, Some(authority)) if authority.after(SKEW) < wall => {
                Some(ClockFault::Ahead { wall, authority })
            }
            _ => None,
        }
    }

    fn fault_kind(&self) -> Option<core::mem::Discriminant<ClockFault>> {
        self.fault().as_ref().map(core::mem::discriminant)
    }

    /// The latest time that somebody has signed, and what has passed since.
    pub(super) fn signed(&self) -> Option<Timestamp> {
        self.mark.at(self.steady)
    }

    /// When, by this node's time, as much time will have been signed or have passed since.
    pub(super) fn when_signed(&self, time: Timestamp) -> Option<Timestamp> {
        Some(self.now.after(time.since(self.signed()?)))
    }

    /// This node's time.
    pub(super) const fn time(&self) -> Timestamp {
        self.now
    }

    fn is_behind(&self) -> bool {
        matches!(self.fault(), Some(ClockFault::Behind { .. }))
    }

    /// How far ahead of this node's time an authority's signed one is believed. Without limit by a node that knows
    /// its own clock to be wrong: it has nothing better.
    pub(super) fn lead(&self) -> Duration {
        if self.is_behind() { Duration::MAX } else { LEAD }
    }
}

impl Engine {
    /// What the clocks say: `wall`, which may have been set, and `steady`, which counts the time since some moment
    /// and goes on while the host sleeps. To be called before any other `handle_*`, at least every few minutes.
    pub fn handle_clock(&mut self, wall: Timestamp, steady: Duration) {
        let was_behind = self.clock.is_behind();
        let fault = self.clock.fault_kind();
        let passed = steady.saturating_sub(self.clock.steady);
        (self.clock.wall, self.clock.steady) = (Some(wall), steady);
        let now = self.clock.mark.now(wall, steady);
        let before = core::mem::replace(&mut self.clock.now, now);
        if now < before {
            self.clock_set_back(before.since(now), now);
        } else {
            let by = now.since(before.after(passed));
            self.errands.set_forward(by);
            self.visits.set_forward(by);
        }
        if self.clock.is_behind() && !was_behind {
            self.renew_soon(now);
        }
        if self.clock.fault_kind() != fault {
            self.audit_clock();
        }
        self.keep_signed_time(KEEP_EVERY);
    }

    /// What is wrong with this host's clock, or the authority's.
    #[must_use]
    pub fn clock_fault(&self) -> Option<ClockFault> {
        self.clock.fault()
    }

    /// Somebody who may has signed that it is at least `signed`. What is further ahead of `now` than a certificate may
    /// be that is not valid yet is not believed.
    pub fn saw_signed_time(&mut self, signed: Timestamp, now: Timestamp) {
        if signed <= now.after(SKEW + BACKDATE) {
            self.raise_mark(signed);
            self.keep_signed_time(KEEP_EVERY);
        }
    }

    /// The authority has just said what time it is, and is believed.
    pub(super) fn told_the_time(&mut self, told: Timestamp) {
        self.clock.told = Some((told, self.clock.steady));
        self.raise_mark(told);
        self.keep_signed_time(Duration::ZERO);
    }

    /// The mark as an engine begins with it: what was kept, and what the authority signed when it last gave this node
    /// a certificate.
    pub(super) fn load_signed_time(&mut self, kept: Option<Timestamp>) {
        let given = self.membership.member.as_ref().filter(|_| self.membership.authority.is_none());
        let given = given.map(|member| member.certificate.issued());
        self.clock.kept = kept.unwrap_or_default();
        for signed in kept.into_iter().chain(given) {
            self.raise_mark(signed);
        }
    }

    fn raise_mark(&mut self, signed: Timestamp) {
        let steady = self.clock.steady;
        if self.clock.mark.at(steady).is_none_or(|mark| mark < signed) {
            self.clock.mark.raise(signed, steady);
            self.output(super::Output::SignedTime(signed));
        }
    }

    /// Keeps the mark if it is further than `ahead` from what the store holds.
    fn keep_signed_time(&mut self, ahead: Duration) {
        let Some(mark) = self.clock.mark.at(self.clock.steady) else { return };
        if mark > self.clock.kept.after(ahead) {
            self.clock.kept = mark;
            self.persist(vec![load::keep_time(mark)], Vec::new());
        }
    }

    /// Everything that was to happen at a time still happens when as much time has passed; and who was not believed for
    /// a clock that was ahead gets another chance.
    fn clock_set_back(&mut self, by: Duration, now: Timestamp) {
        self.errands.set_back(by);
        self.visits.set_back(by);
        self.homing.set_back(by);
        self.contacts.set_back(by);
        if let Some(joining) = &mut self.joining {
            joining.clock_set_back(by);
        }
        self.set_renewal_back(by, now);
        self.peers.forget_refusals();
        self.go_home(now);
        if self.ring.next_rotation() > now.after(ROTATION) {
            self.ring = std::sync::Arc::new(self.ring.rotated(now, &mut *self.rng));
            self.publish();
        }
    }
}
