//! What the model knows of a host.

use lanyard_protocol::identity::NodeId;

use super::policy::KeptPolicy;
use crate::fact::Certified;
use crate::moment::Moment;

/// What the model knows of a host.
#[derive(Clone, Debug)]
pub(super) struct HostState {
    pub(super) node: Option<NodeId>,
    pub(super) up: bool,
    pub(super) side: u16,
    pub(super) certificate: Option<Certified>,
    /// Whether it has told a user that it is a member.
    pub(super) acknowledged: bool,
    /// The list of revocations that it has told somebody it keeps.
    pub(super) confirmed: u64,
    pub(super) epoch: u64,
    /// The policy that it goes by.
    pub(super) policy: KeptPolicy,
    /// Since when nobody has interfered with it.
    pub(super) calm: Moment,
    /// Whether its wall clock is near enough to the others'.
    pub(super) clock_right: bool,
    /// Whether its disk has room.
    pub(super) disk_works: bool,
}

impl Default for HostState {
    fn default() -> Self {
        Self {
            node: None,
            up: false,
            side: 0,
            certificate: None,
            acknowledged: false,
            confirmed: 0,
            epoch: 0,
            policy: KeptPolicy::default(),
            calm: Moment::default(),
            clock_right: true,
            disk_works: true,
        }
    }
}

impl HostState {
    /// Somebody interferes until `at`, if not for longer.
    pub(super) fn disturb(&mut self, at: Moment) {
        self.calm = self.calm.max(at);
    }
}
