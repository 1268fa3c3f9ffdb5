//! What is going to be made to happen, and when.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::event::HostId;
use crate::moment::Moment;

/// Things happen at multiples of it, so that those which are near each other happen together: whenever something is
/// made to happen all hosts wait for each other.
const GRID: Duration = Duration::from_millis(10);

/// Something that is made to happen.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// The authority makes the network.
    Found,
    /// A host is switched on and joins.
    Join(HostId),
    /// Users think of what they want within the next tick.
    Load(usize),
    /// A host goes that comes and goes.
    Down(usize, HostId),
    /// It comes.
    Up(usize, HostId),
    /// A host is switched on.
    Start(HostId),
    /// A step of the scenario.
    Step(usize),
    /// The network is whole again.
    Heal,
    /// A disk has room again.
    Room(HostId),
    /// An adversary comes.
    Attack(HostId),
}

/// What is to happen, in order; what happens at the same time does in the order in which it was thought of.
#[derive(Default)]
pub(super) struct Agenda {
    items: BTreeMap<(Moment, u64), Item>,
    count: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Moment, item: Item) {
        let grid = u64::try_from(GRID.as_micros()).unwrap_or(1);
        let at = Moment::at(Duration::from_micros(at.as_micros().div_ceil(grid).saturating_mul(grid)));
        self.count += 1;
        self.items.insert((at, self.count), item);
    }

    pub(super) fn next(&self) -> Option<Moment> {
        self.items.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next thing that is due at `now`.
    pub(super) fn take(&mut self, now: Moment) -> Option<Item> {
        let due = self.items.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(due.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_happen_on_the_grid_and_in_order() {
        let mut agenda = Agenda::default();
        agenda.add(Moment::at(Duration::from_millis(11)), Item::Heal);
        agenda.add(Moment::at(Duration::from_millis(20)), Item::Found);
        agenda.add(Moment::at(Duration::from_millis(3)), Item::Step(1));
        assert_eq!(agenda.next(), Some(Moment::at(Duration::from_millis(10))));
        assert!(agenda.take(Moment::at(Duration::from_millis(9))).is_none());
        assert!(matches!(agenda.take(Moment::at(Duration::from_millis(10))), Some(Item::Step(1))));
        let then = Moment::at(Duration::from_millis(20));
        assert!(matches!(agenda.take(then), Some(Item::Heal)));
        assert!(matches!(agenda.take(then), Some(Item::Found)));
    }
}
