//! Who is meant: `all`, `authority`, `till`, `till-3`, `5 of till`.

use core::fmt;
use core::ops::Range;

use rand_core::Rng;
use serde::Deserialize;

use super::HostGroup;
use crate::event::HostId;
use crate::link::pick;

/// What the authority's host is called.
const AUTHORITY: &str = "authority";

/// A selector that does not fit the scenario's hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// There is nobody of that name.
    #[error(
        "there is no host or group {0:?}: write all, authority, a group, a host as in till-3, or 5 of till"
    )]
    Nobody(String),
    /// More than there are.
    #[error("{who} wants {wanted}, and there are {are}")]
    TooMany {
        /// The selector.
        who: String,
        /// How many it wants.
        wanted: u32,
        /// How many there are.
        are: u32,
    },
    /// The groups have more hosts than there are nodes.
    #[error("the groups have {groups} hosts beside the authority, and the run has {nodes} nodes")]
    TooFew {
        /// In the groups.
        groups: u32,
        /// In the run.
        nodes: u32,
    },
}

/// A selector.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Who(String);

impl Who {
    /// A selector, which is looked at when it is used.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A group, and its hosts.
#[derive(Clone, Debug)]
pub struct Group {
    /// What its hosts are called by.
    pub name: String,
    /// Their numbers.
    pub hosts: Range<u32>,
    /// Which of the scenario's groups it is; none for one that the scenario leaves out.
    pub place: Option<usize>,
}

/// Who is who in a run: host 0 is the authority, and the groups follow.
#[derive(Clone, Debug)]
pub struct Roster {
    groups: Vec<Group>,
    nodes: u32,
}

impl Roster {
    pub(super) fn new(specs: &[HostGroup], nodes: u32) -> Result<Self, SelectError> {
        let said: u32 = specs.iter().filter_map(|spec| spec.count).sum();
        let members = nodes - 1;
        if said > members {
            return Err(SelectError::TooFew { groups: said, nodes });
        }
        let open = u32::try_from(specs.iter().filter(|spec| spec.count.is_none()).count()).unwrap_or(1);
        let mut left = members - said;
        let mut share = open;
        let mut first = 1;
        let mut groups = Vec::new();
        for (place, spec) in specs.iter().enumerate() {
            let count = spec.count.unwrap_or_else(|| {
                // What is left is shared evenly among those that say nothing.
                let own = left.div_ceil(share.max(1));
                share = share.saturating_sub(1);
                left -= own;
                own
            });
            groups.push(Group { name: spec.name.clone(), hosts: first..first + count, place: Some(place) });
            first += count;
        }
        if specs.is_empty() {
            groups.push(Group { name: "node".to_owned(), hosts: first..nodes, place: None });
            first = nodes;
        }
        Ok(Self { groups, nodes: first })
    }

    /// The groups of members.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// How many hosts there are, with the authority.
    #[must_use]
    pub const fn nodes(&self) -> u32 {
        self.nodes
    }

    /// What a host is called: also its node's name.
    #[must_use]
    pub fn name(&self, host: HostId) -> String {
        let group = self.groups.iter().find(|group| group.hosts.contains(&host.0));
        group.map_or_else(
            || if host.0 == 0 { AUTHORITY.to_owned() } else { format!("stranger-{}", host.0) },
            |group| format!("{}-{}", group.name, host.0 - group.hosts.start + 1),
        )
    }

    /// Whether a selector fits.
    ///
    /// # Errors
    /// [`SelectError`].
    pub fn check(&self, who: &Who) -> Result<(), SelectError> {
        let (range, count) = self.range(who)?;
        let are = range.end - range.start;
        match count {
            Some(wanted) if wanted > are => Err(SelectError::TooMany { who: who.to_string(), wanted, are }),
            _ => Ok(()),
        }
    }

    /// The hosts that a selector means, in order; those that it leaves open are picked at random.
    pub fn select(&self, who: &Who, rng: &mut impl Rng) -> Vec<HostId> {
        let Ok((range, count)) = self.range(who) else { return Vec::new() };
        let mut hosts: Vec<HostId> = range.map(HostId).collect();
        if let Some(count) = count {
            while hosts.len() > count as usize {
                let place = pick(hosts.len(), rng);
                hosts.remove(place);
            }
        }
        hosts
    }

    fn range(&self, who: &Who) -> Result<(Range<u32>, Option<u32>), SelectError> {
        let text = who.0.as_str();
        if let Some((count, of)) = text.split_once(" of ") {
            let count = count.trim().parse().map_err(|_| SelectError::Nobody(text.to_owned()))?;
            return Ok((self.named(of.trim())?, Some(count)));
        }
        Ok((self.named(text)?, None))
    }

    fn named(&self, name: &str) -> Result<Range<u32>, SelectError> {
        let nobody = || SelectError::Nobody(name.to_owned());
        match name {
            "all" => return Ok(0..self.nodes),
            "members" => return Ok(1..self.nodes),
            AUTHORITY => return Ok(0..1),
            _ => {}
        }
        if let Some(group) = self.groups.iter().find(|group| group.name == name) {
            return Ok(group.hosts.clone());
        }
        let (group, number) = name.rsplit_once('-').ok_or_else(nobody)?;
        let group = self.groups.iter().find(|known| known.name == group).ok_or_else(nobody)?;
        let number: u32 = number.parse().map_err(|_| nobody())?;
        let host = number.checked_sub(1).map(|place| group.hosts.start + place).ok_or_else(nobody)?;
        if group.hosts.contains(&host) { Ok(host..host + 1) } else { Err(nobody()) }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;

    fn roster() -> Roster {
        let group = |name: &str, count: &str| {
            toml::from_str::<HostGroup>(&format!("name = {name:?}\n{count}")).unwrap()
        };
        Roster::new(&[group("till", "count = 3"), group("office", ""), group("lab", "")], 10).unwrap()
    }

    fn selected(text: &str) -> Vec<u32> {
        let hosts = roster().select(&Who::new(text), &mut ChaCha20Rng::seed_from_u64(1));
        hosts.into_iter().map(|host| host.0).collect()
    }

    #[test]
    fn hosts_are_selected_by_name_group_and_number() {
        assert_eq!(selected("authority"), [0]);
        assert_eq!(selected("till"), [1, 2, 3]);
        assert_eq!(selected("till-3"), [3]);
        assert_eq!(selected("office"), [4, 5, 6]);
        assert_eq!(selected("lab"), [7, 8, 9]);
        assert_eq!(selected("members").len(), 9);
        assert_eq!(selected("all").len(), 10);
        let two = selected("2 of till");
        assert!(two.len() == 2 && two.iter().all(|host| (1..4).contains(host)));
    }

    #[test]
    fn a_selector_that_means_nobody_is_refused() {
        for text in ["tills", "till-0", "till-4", "till-x", "x of till", ""] {
            assert!(roster().check(&Who::new(text)).is_err(), "{text}");
        }
        assert!(matches!(roster().check(&Who::new("4 of till")), Err(SelectError::TooMany { are: 3, .. })));
    }

    #[test]
    fn hosts_have_the_names_that_select_them() {
        let roster = roster();
        for host in (0..roster.nodes()).map(HostId) {
            assert_eq!(selected(&roster.name(host)), [host.0]);
        }
    }
}
