//! The tests that stand in a policy.

use core::fmt;

use super::file::{Test, line_of};
use super::{Policy, Rule};
use crate::control::ServiceRef;
use crate::identity::NodeName;

/// A test in a policy that the policy fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedTest {
    /// The line in which the test begins.
    pub line: usize,
    /// Who asks.
    pub who: String,
    /// For what.
    pub service: String,
    /// The grant that allows it though the test says `deny`; nothing where it is denied though it says `allow`.
    pub allowed_by: Option<String>,
}

impl fmt::Display for FailedTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, who, service, allowed_by } = self;
        match allowed_by {
            Some(rule) => write!(f, "line {line}: {who} must not use {service}, and {rule} allows it"),
            None => write!(f, "line {line}: {who} must be able to use {service}, and no grant allows it"),
        }
    }
}

impl Policy {
    /// How many tests stand in it, each service of each counted.
    #[must_use]
    pub fn tests(&self) -> usize {
        let tests = self.rules.file.tests.iter().map(toml::Spanned::get_ref);
        tests.map(|test| test.allow.len() + test.deny.len()).sum()
    }

    /// Those of its tests that it fails.
    #[must_use]
    pub fn failed_tests(&self) -> Vec<FailedTest> {
        let tests = self.rules.file.tests.iter();
        tests
            .flat_map(|test| {
                let line = line_of(&self.rules.text, test.span().start);
                let test = test.get_ref();
                let allow = test.allow.iter().map(|service| (service, true));
                let deny = test.deny.iter().map(|service| (service, false));
                allow.chain(deny).filter_map(move |(service, allow)| self.fails(test, line, service, allow))
            })
            .collect()
    }

    fn fails(&self, test: &Test, line: usize, service: &ServiceRef, allow: bool) -> Option<FailedTest> {
        let rule = service
            .peer
            .as_str()
            .parse::<NodeName>()
            .ok()
            .and_then(|provider| self.decide(&test.who, &service.service, &provider));
        (rule.is_some() != allow).then(|| FailedTest {
            line,
            who: test.who.to_string(),
            service: service.to_string(),
            allowed_by: rule.as_ref().map(Rule::to_string),
        })
    }
}
