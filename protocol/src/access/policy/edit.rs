//! One edit of a policy's text, which leaves everything else as people wrote it.
//!
//! The text is cut at the places where the parser found things, never written anew: comments, blanks and order stay.
//! What came out is read again and must say exactly what was meant, grant by grant, or nothing is changed.

use core::fmt;
use core::ops::Range;
use core::str::FromStr;

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use super::file::{Grant, Limits, Pattern};
use super::{Kind, Policy, PolicyError, Privilege, Rule, Subject, Who};

/// What came of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The policy with this text does as was wanted.
    Changed(String),
    /// It is allowed already, by this rule.
    Allowed(String),
    /// Nothing grants it, so there is nothing to take away.
    NotGranted,
}

/// Why a policy was not edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Grants to more than those who are meant, or for more, would go on allowing it.
    #[error("{} allows it to others too, or more than that", .0.join(" and "))]
    Broader(Vec<String>),
    /// A role that is not allowed to use services at all.
    #[error("{who} has no privilege {privilege}, so a grant to it would allow nothing")]
    Useless {
        /// The role.
        who: String,
        /// What it lacks.
        privilege: String,
    },
    /// The edited text is no policy: it is too long, say, or names a role that is not there.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The text is written in a way that this does not take apart.
    #[error("the policy is written in a form that only a person can edit here")]
    Form,
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            Some(provider) => write!(f, "{}@{provider}", self.service),
            None => write!(f, "{}@*", self.service),
        }
    }
}

impl Pattern {
    /// Whether it is for all that `other` is for.
    fn covers(&self, other: &Self) -> bool {
        self.service == other.service && (self.provider.is_none() || self.provider == other.provider)
    }

    /// Whether there is a provider that both are for.
    fn meets(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }
}

impl Policy {
    /// The policy with a grant of `service` to `who`, unless it is allowed already.
    ///
    /// # Errors
    /// [`EditError`]
    pub fn allow(&self, who: &Subject, service: &Pattern) -> Result<Edit, EditError> {
        if let Some(rule) = self.rules_for(who, |one| one.covers(service)).next() {
            return Ok(Edit::Allowed(rule.to_string()));
        }
        let grant = Wanted { to: who.asked(), service: vec![service.clone()], limits: None };
        let mut edited = Edited::of(self)?;
        edited.add(&grant);
        let policy = edited.finish(self)?;
        if policy.rules_for(who, |one| one.covers(service)).next().is_some() {
            return Ok(Edit::Changed(policy.text().to_owned()));
        }
        let role = grant.to.iter().find(|one| one.kind() == Kind::Role && !policy.may_use_services(one));
        let who = role.ok_or(EditError::Form)?.to_string();
        Err(EditError::Useless { who, privilege: Privilege::UseServices.to_string() })
    }

    /// The policy without what grants `service` to `who`, unless it is granted to others in the same breath.
    ///
    /// # Errors
    /// [`EditError`]
    pub fn forbid(&self, who: &Subject, service: &Pattern) -> Result<Edit, EditError> {
        let mut edited = Edited::of(self)?;
        let (asked, mut broader, mut found) = (who.asked(), Vec::new(), false);
        for (number, grant) in self.grants().enumerate() {
            if !grant.service.iter().any(|one| one.meets(service)) {
                continue;
            }
            let named = asked.iter().all(|one| grant.to.contains(one));
            if !named && !self.fits(grant, who) {
                continue;
            }
            found = true;
            let wider = grant.service.iter().any(|one| one.meets(service) && !service.covers(one));
            // Whoever is a member is granted it as one, too.
            let otherwise = |one: &Who| {
                let others = grant.to.iter().filter(|other| *other != one && other.kind() == one.kind());
                others.filter(|other| who.is(other)).any(|other| self.may_use_services(other))
            };
            let place = removable(grant, &asked).filter(|one| named && !wider && !otherwise(one));
            match place {
                Some(one) => edited.take_away(number, grant, one, service)?,
                None => broader.push(Rule { policy: self, number }.to_string()),
            }
        }
        if !broader.is_empty() {
            return Err(EditError::Broader(broader));
        }
        if !found {
            return Ok(Edit::NotGranted);
        }
        let policy = edited.finish(self)?;
        let still = policy.rules_for(who, |one| one.meets(service)).next().is_some();
        if still { Err(EditError::Form) } else { Ok(Edit::Changed(policy.text().to_owned())) }
    }

    /// Everyone of this name in the policy: what somebody may mean who says no more than that.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<Who> {
        let mut named: Vec<Who> = self.grants().flat_map(|grant| &grant.to).cloned().collect();
        let roles = self.roles().map(|(role, _)| format!("{}:{role}", Kind::Role.as_str()));
        named.extend(roles.filter_map(|role| role.parse().ok()));
        named.retain(|who| who.name() == name && who.kind() != Kind::Guest);
        named.sort_unstable();
        named.dedup();
        named
    }

    fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.rules.file.grants.iter().map(Spanned::get_ref)
    }

    /// The rules that allow `who` a service for which one of their patterns is.
    fn rules_for<'a>(
        &'a self,
        who: &'a Subject,
        fits: impl Fn(&Pattern) -> bool + 'a,
    ) -> impl Iterator<Item = Rule<'a>> {
        let rules = self.grants().enumerate();
        let rules = rules.filter(move |(_, grant)| grant.service.iter().any(&fits) && self.fits(grant, who));
        rules.map(|(number, _)| Rule { policy: self, number })
    }
}

impl Subject {
    /// What was asked about: that everyone but a guest is a member goes without saying.
    fn asked(&self) -> Vec<Who> {
        let others: Vec<Who> = self.said().iter().filter(|who| !who.is_member()).cloned().collect();
        if others.is_empty() { self.said().to_vec() } else { others }
    }
}

/// Whom of those who are meant a grant can name no more, so that nobody else loses anything: of every other kind it must
/// name them alone.
fn removable<'a>(grant: &Grant, asked: &'a [Who]) -> Option<&'a Who> {
    let alone = |who: &Who| grant.to.iter().filter(|one| one.kind() == who.kind()).all(|one| one == who);
    asked.iter().find(|one| asked.iter().filter(|other| other != one).all(alone))
}

/// What a grant is to say.
#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    to: Vec<Who>,
    service: Vec<Pattern>,
    /// As it is written, and what that is.
    limits: Option<(String, Limits)>,
}

impl Wanted {
    fn says(&self, grant: &Grant) -> bool {
        let limits = self.limits.as_ref().map(|(_, limits)| *limits).unwrap_or_default();
        self.to == grant.to && self.service == grant.service && limits == grant.limits
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list(items: &[impl fmt::Display]) -> String {
            items.iter().map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", ")
        }
        writeln!(f, "[[grant]]\nto      = [{}]\nservice = [{}]", list(&self.to), list(&self.service))?;
        self.limits.as_ref().map_or(Ok(()), |(text, _)| writeln!(f, "limits  = {text}"))
    }
}

/// Where the parser found things.
#[derive(Deserialize)]
struct Places {
    #[serde(default, rename = "grant")]
    grants: Vec<Spanned<GrantPlaces>>,
}

#[derive(Deserialize)]
struct GrantPlaces {
    to: Spanned<Vec<Spanned<String>>>,
    service: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    limits: Option<Spanned<IgnoredAny>>,
}

impl GrantPlaces {
    fn end(&self) -> usize {
        let limits = self.limits.as_ref().map_or(0, |limits| limits.span().end);
        self.to.span().end.max(self.service.span().end).max(limits)
    }
}

/// A text with cuts, and what has to come out.
struct Edited<'a> {
    text: &'a str,
    places: Places,
    cuts: Vec<Range<usize>>,
    added: String,
    /// Of each grant, in order: what it is to say, or nothing if it is to go.
    wanted: Vec<Option<Wanted>>,
    more: Vec<Wanted>,
}

impl<'a> Edited<'a> {
    fn of(policy: &'a Policy) -> Result<Self, EditError> {
        let text = policy.text();
        let places: Places = toml::from_str(text).map_err(|_| EditError::Form)?;
        let mut wanted = Vec::new();
        for (grant, places) in policy.grants().zip(&places.grants) {
            let written = places.get_ref().limits.as_ref().and_then(|limits| text.get(limits.span()));
            let limits = written.map(|written| (written.to_owned(), grant.limits));
            let limits =
                limits.or_else(|| (grant.limits != Limits::default()).then(|| (String::new(), grant.limits)));
            wanted.push(Some(Wanted { to: grant.to.clone(), service: grant.service.clone(), limits }));
        }
        Ok(Self { text, places, cuts: Vec::new(), added: String::new(), wanted, more: Vec::new() })
    }

    /// A grant more, behind the others.
    fn add(&mut self, grant: &Wanted) {
        self.added.push_str(&format!("\n{grant}"));
        self.more.push(grant.clone());
    }

    /// A grant of which `service` is no longer for `who`.
    fn take_away(
        &mut self,
        number: usize,
        grant: &Grant,
        who: &Who,
        service: &Pattern,
    ) -> Result<(), EditError> {
        let (Some(places), Some(Some(wanted))) = (self.places.grants.get(number), self.wanted.get(number))
        else {
            return Err(EditError::Form);
        };
        let mut wanted = wanted.clone();
        let alone = grant.to.iter().filter(|one| one.kind() == who.kind()).all(|one| one == who);
        let all = grant.service.iter().all(|one| service.covers(one));
        let spans = places.get_ref();
        if alone && all {
            let block = block(self.text, places.span().start, spans.end());
            self.cuts.push(block);
            self.set(number, None);
            return Ok(());
        }
        if alone {
            let gone =
                spans.service.get_ref().iter().zip(&grant.service).filter(|(_, one)| service.covers(one));
            self.cuts.extend(gone.map(|(place, _)| element(self.text, place.span())));
            wanted.service.retain(|one| !service.covers(one));
            self.set(number, Some(wanted));
            return Ok(());
        }
        let gone = spans.to.get_ref().iter().zip(&grant.to).filter(|(_, one)| *one == who);
        self.cuts.extend(gone.map(|(place, _)| element(self.text, place.span())));
        let mut rest = wanted.clone();
        wanted.to.retain(|one| one != who);
        self.set(number, Some(wanted));
        if !all {
            // What else was granted to them in the same breath is granted by itself from now on.
            rest.to.retain(|one| one.kind() != who.kind() || one == who);
            rest.service.retain(|one| !service.covers(one));
            self.add(&rest);
        }
        Ok(())
    }

    fn set(&mut self, number: usize, wanted: Option<Wanted>) {
        if let Some(place) = self.wanted.get_mut(number) {
            *place = wanted;
        }
    }

    /// The policy with the edited text, if it says what was meant.
    fn finish(mut self, before: &Policy) -> Result<Policy, EditError> {
        let end = self.places.grants.last().map(|last| end_of_line(self.text, last.get_ref().end()));
        let end = end.unwrap_or(self.text.len());
        self.cuts.sort_by_key(|cut| cut.start);
        let (mut text, mut from) = (String::new(), 0);
        for cut in &self.cuts {
            text.push_str(self.text.get(from..cut.start).ok_or(EditError::Form)?);
            from = cut.end;
        }
        let at = end.max(from);
        text.push_str(self.text.get(from..at).ok_or(EditError::Form)?);
        if !self.added.is_empty() && !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&self.added);
        text.push_str(self.text.get(at..).ok_or(EditError::Form)?);
        let policy = Policy::parse(&text, before.epoch())?;
        let wanted: Vec<Wanted> = self.wanted.into_iter().flatten().chain(self.more).collect();
        let same = wanted.len() == policy.rules.file.grants.len()
            && wanted.iter().zip(policy.grants()).all(|(wanted, grant)| wanted.says(grant))
            && policy.tests() == before.tests()
            && policy.roles().eq(before.roles());
        if same { Ok(policy) } else { Err(EditError::Form) }
    }
}

/// A grant from its first line to its last, with a blank line behind it.
fn block(text: &str, start: usize, end: usize) -> Range<usize> {
    let start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = end_of_line(text, end);
    let blank = text[end..].starts_with('\n');
    if blank { start..end + 1 } else { start..end }
}

/// Behind the end of the line in which something ends.
fn end_of_line(text: &str, end: usize) -> usize {
    text[end..].find('\n').map_or(text.len(), |newline| end + newline + 1)
}

/// An element of a list, with its comma: the one behind it, or else the one before it in the same line.
fn element(text: &str, place: Range<usize>) -> Range<usize> {
    let blanks = |from: usize| from + text[from..].len() - text[from..].trim_start_matches([' ', '\t']).len();
    let behind = blanks(place.end);
    if text[behind..].starts_with(',') {
        return place.start..blanks(behind + 1);
    }
    let before = text[..place.start].trim_end_matches([' ', '\t']);
    match before.strip_suffix(',') {
        Some(before) => before.len()..place.end,
        None => place,
    }
}

#[cfg(test)]
mod tests;
