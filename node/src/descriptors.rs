//! How many descriptors this process may have, and what that leaves for lanes.
//!
//! Every lane is a socket. A node that has no descriptor left accepts nobody, neither on its ports nor on the control
//! socket, and cannot write to its store; so members get no more lanes than leave room for the rest.

use core::num::NonZeroU32;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{LaneLimits, Limits};

/// Descriptors of the node itself. 128: 64 offered files may be on their way, and as many are for the database, the ports
/// and the runtime, which have about twenty.
const OWN: u64 = 128;

/// With fewer lanes in all than this the owner is told. 256: sixteen peers with a few services each.
const USEFUL: u32 = 256;

/// One peer has at most this part of the lanes that there are descriptors for.
const PART_OF_A_PEER: u32 = 4;

/// Raises the soft limit of descriptors to the hard one, as every process may, and gives the limit that holds then.
pub(crate) fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current.unwrap_or(u64::MAX);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::warn!(%error, "the number of descriptors cannot be raised");
            current.unwrap_or(u64::MAX)
        }
    }
}

/// The limits on lanes, with no more lanes than there are descriptors for.
pub(crate) fn lanes(limits: &Limits, descriptors: u64) -> LaneLimits {
    let wanted = &limits.lanes;
    let room = room_for_lanes(limits, descriptors);
    if wanted.open <= room {
        return wanted.clone();
    }
    let part = room.get().div_ceil(PART_OF_A_PEER);
    let per_peer = wanted.per_peer.min(NonZeroU32::new(part).unwrap_or(NonZeroU32::MIN));
    let (open, wanted_open, of_a_peer) = (room.get(), wanted.open.get(), per_peer.get());
    let said = "fewer lanes than configured: there are too few descriptors";
    if is_too_few(room, wanted) {
        tracing::warn!(descriptors, open, wanted = wanted_open, per_peer = of_a_peer, "{said}");
    } else {
        tracing::info!(descriptors, open, wanted = wanted_open, per_peer = of_a_peer, "{said}");
    }
    LaneLimits { open: room, per_peer, ..wanted.clone() }
}

/// What the owner should know if there are too few lanes to be useful.
pub(crate) fn warning(limits: &Limits, descriptors: u64) -> Option<String> {
    let room = room_for_lanes(limits, descriptors);
    is_too_few(room, &limits.lanes).then(|| {
        format!(
            "this process may have {descriptors} descriptors, so peers have {room} lanes at most: start it with a \
             higher hard limit (`ulimit -Hn`, `LimitNOFILE=`)"
        )
    })
}

/// Whether there are fewer lanes than are wanted, and than are useful.
fn is_too_few(room: NonZeroU32, wanted: &LaneLimits) -> bool {
    room.get() < wanted.open.get().min(USEFUL)
}

/// Half of what is left beside the node's own, local programs, and connections that have proven nothing. The other half
/// is for connections of members.
fn room_for_lanes(limits: &Limits, descriptors: u64) -> NonZeroU32 {
    let others = [limits.network.pending, limits.lanes.pending, limits.local.connections];
    let others: u64 = others.into_iter().map(|number| u64::from(number.get())).sum();
    let room = descriptors.saturating_sub(OWN).saturating_sub(others) / 2;
    NonZeroU32::new(u32::try_from(room).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D12: where there are few descriptors, lanes do not take those of the store, the owner and other members.
    #[test]
    fn lanes_leave_descriptors_for_the_rest() {
        let limits = Limits::default();
        for descriptors in [1_024, 1_100, 4_096, 20_000] {
            let lanes = lanes(&limits, descriptors);
            let most = u64::from(lanes.open.get());
            assert!(most + OWN + 3 * 256 < descriptors, "{most} lanes with {descriptors} descriptors");
            assert!(lanes.per_peer.get() * 4 <= lanes.open.get() + 3, "{lanes:?}");
        }
        assert_eq!(lanes(&limits, 1_024).open.get(), 64);
    }

    #[test]
    fn lanes_are_as_many_as_configured_where_there_is_room() {
        let limits = Limits::default();
        for descriptors in [1 << 16, 524_288, u64::MAX] {
            assert_eq!(lanes(&limits, descriptors), limits.lanes);
            assert_eq!(warning(&limits, descriptors), None);
        }
    }

    /// There is always one lane, and the owner is told why there are no more.
    #[test]
    fn the_owner_is_told_of_too_few_lanes_only() {
        let limits = Limits::default();
        assert_eq!(lanes(&limits, 256).open, NonZeroU32::MIN);
        assert!(warning(&limits, 1_024).is_some_and(|warning| warning.contains("have 64 lanes")));
        assert_eq!(warning(&limits, 4_096), None);
        let few = NonZeroU32::new(10).unwrap();
        let limits = Limits { lanes: LaneLimits { open: few, ..LaneLimits::default() }, ..limits };
        assert_eq!(warning(&limits, 1_024), None, "no more are wanted");
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let lower = maximum.map_or(1 << 20, |maximum| maximum - 1);
        setrlimit(Resource::Nofile, Rlimit { current: Some(lower), maximum }).unwrap();
        assert_eq!(raise(), maximum.unwrap_or(u64::MAX));
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
    }
}
