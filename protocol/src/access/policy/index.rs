//! Which grants may fit somebody, without a look at all the others.

use super::file::{Grant, Privilege};
use super::who::{Kind, Subject, Who};
use crate::identity::{NodeName, ServiceName};

/// Any provider.
const ANY: u32 = 0;

/// Grants by what they are for and by the whos of the one kind that the fewest have. Names are numbers, so that a
/// look into it compares a few words.
#[derive(Debug, Default)]
pub(super) struct Index {
    whos: Vec<Who>,
    services: Vec<ServiceName>,
    providers: Vec<NodeName>,
    /// Sorted: service, provider, who, grant.
    entries: Vec<(u32, u32, u32, u32)>,
}

impl Index {
    /// The index of `grants`, of which those to a role count as far as `privileges` says that the role has
    /// [`Privilege::UseServices`].
    pub(super) fn new<'a>(
        grants: impl Iterator<Item = &'a Grant> + Clone,
        privileges: impl Fn(&str) -> Vec<Privilege>,
    ) -> Self {
        let effective =
            |who: &&Who| who.kind() != Kind::Role || privileges(who.name()).contains(&Privilege::UseServices);
        let mut index = Self {
            whos: sorted(grants.clone().flat_map(|grant| grant.to.iter().filter(effective)).cloned()),
            services: sorted(grants.clone().flat_map(|grant| &grant.service).map(|one| one.service.clone())),
            providers: sorted(
                grants.clone().flat_map(|grant| &grant.service).filter_map(|one| one.provider.clone()),
            ),
            entries: Vec::new(),
        };
        for (number, grant) in grants.enumerate() {
            let Some(rarest) = grant.to.iter().map(Who::kind).min() else { continue };
            let whos = grant.to.iter().filter(|who| who.kind() == rarest).filter(effective);
            let whos: Vec<u32> = whos.filter_map(|who| place(&index.whos, who)).collect();
            for pattern in &grant.service {
                let Some(service) = place(&index.services, &pattern.service) else { continue };
                let provider = pattern
                    .provider
                    .as_ref()
                    .map_or(Some(ANY), |one| Some(place(&index.providers, one)? + 1));
                let Some(provider) = provider else { continue };
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                index.entries.extend(whos.iter().map(|who| (service, provider, *who, number)));
            }
        }
        index.entries.sort_unstable();
        index
    }

    /// The numbers of the grants that may fit.
    pub(super) fn candidates(
        &self,
        subject: &Subject,
        service: &ServiceName,
        provider: &NodeName,
    ) -> impl Iterator<Item = usize> {
        let service = place(&self.services, service);
        let provider = place(&self.providers, provider).map(|place| place + 1);
        let whos = subject.said().iter().filter_map(|who| place(&self.whos, who));
        let keys = whos.flat_map(move |who| {
            let providers = [Some(ANY), provider].into_iter().flatten();
            providers.filter_map(move |provider| Some((service?, provider, who)))
        });
        keys.flat_map(|(service, provider, who)| {
            let first = self.entries.partition_point(|entry| *entry < (service, provider, who, 0));
            let later = self.entries[first..].iter();
            let same = later.take_while(move |entry| (entry.0, entry.1, entry.2) == (service, provider, who));
            same.filter_map(|entry| usize::try_from(entry.3).ok())
        })
    }
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.dedup();
    items
}

fn place<T: Ord>(items: &[T], item: &T) -> Option<u32> {
    items.binary_search(item).ok().and_then(|place| u32::try_from(place).ok())
}
