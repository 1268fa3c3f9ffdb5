//! The file in which a network's policy is written, and what is wrong with one.

use core::borrow::Borrow;
use core::fmt;
use core::ops::Range;
use core::time::Duration;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::OnlineCheck;
use super::who::{Kind, Subject, Who};
use crate::control::ServiceRef;
use crate::identity::{NameError, NodeName, ServiceName, UserRole};

/// The longest file: what a record of the store holds.
pub const FILE_MAX: usize = 64 * 1024;

/// The most grants: about as many as such a file has room for.
pub const GRANTS_MAX: usize = 1024;

/// The most roles.
const ROLES_MAX: usize = 256;

/// The most whos, and the most services, in one grant: more are another grant.
const LIST_MAX: usize = 64;

/// The most tests.
const TESTS_MAX: usize = 1024;

/// A ticket's limit: between a minute, which is what a channel takes to be worth it, and a ticket's longest life.
const TICKET_LIMITS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(8 * 3600));

/// Characters of a message that are shown: it may quote what somebody wrote, also control characters.
const MESSAGE_MAX: usize = 400;

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It is too long.
    #[error("a policy has at most {FILE_MAX} bytes, and this one has {0}")]
    TooLong(usize),
    /// A line is not what it should be; the text says what is allowed there.
    #[error("line {line}: {what}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong, and what is allowed.
        what: String,
    },
}

/// What a role may do at all: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Privilege {
    /// To use the services that grants name.
    #[serde(rename = "service.use")]
    UseServices,
    /// To change the network's policy, from any node.
    #[serde(rename = "policy.change")]
    ChangePolicy,
    /// To add, change and remove users, and to give and take the roles that have no privilege of which the giver has
    /// none.
    #[serde(rename = "user.manage")]
    ManageUsers,
}

impl Privilege {
    /// Every privilege.
    pub const ALL: [Self; 3] = [Self::UseServices, Self::ChangePolicy, Self::ManageUsers];

    /// What it allows, in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::UseServices => "use the services that grants name",
            Self::ChangePolicy => "change the network's policy",
            Self::ManageUsers => "add and change users, and give them roles",
        }
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UseServices => f.write_str("service.use"),
            Self::ChangePolicy => f.write_str("policy.change"),
            Self::ManageUsers => f.write_str("user.manage"),
        }
    }
}

/// A policy as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[expect(dead_code, reason = "there is one version, and it is checked by being read")]
    version: Version,
    #[serde(default)]
    pub(super) roles: BTreeMap<UserRole, Vec<Privilege>>,
    #[serde(default, rename = "grant")]
    pub(super) grants: Vec<Spanned<Grant>>,
    #[serde(default)]
    pub(super) tests: Vec<Spanned<Test>>,
}

/// The version of the grammar: 1.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "i64")]
struct Version;

impl TryFrom<i64> for Version {
    type Error = String;

    fn try_from(version: i64) -> Result<Self, String> {
        if version == 1 {
            Ok(Self)
        } else {
            Err(format!("version {version} of the grammar; this node reads 1"))
        }
    }
}

/// One grant: to whom, what, within which limits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    pub(super) to: Vec<Who>,
    pub(super) service: Vec<Pattern>,
    #[serde(default)]
    pub(super) limits: Limits,
}

impl<'de> Deserialize<'de> for Who {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A service at one provider, `NAME@PEER`, or at all of them, `NAME@*`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    /// The service.
    pub service: ServiceName,
    /// Its provider; nothing: any.
    pub provider: Option<NodeName>,
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parse = |text: &str| -> Result<Self, NameError> {
            let (service, provider) =
                text.split_once('@').ok_or_else(|| NameError::Service(text.chars().take(80).collect()))?;
            let provider = if provider == "*" { None } else { Some(provider.parse()?) };
            Ok(Self { service: service.parse()?, provider })
        };
        parse(&text).map_err(|error| {
            let shown: String = text.chars().take(80).collect();
            format!("{shown:?}: {error}, or NAME@* for every provider")
        })
    }
}

/// How far a grant goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) max_ticket: Option<TicketLife>,
    pub(super) online_check: Option<OnlineCheck>,
}

/// How long a ticket lives at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct TicketLife(pub(super) Duration);

impl TryFrom<String> for TicketLife {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || {
            let shown: String = text.chars().take(80).collect();
            format!("{shown:?} is no limit for a ticket: use 1m to 8h, as in 30m")
        };
        let digits = text.trim_end_matches(|unit: char| unit.is_ascii_lowercase());
        let unit = match &text[digits.len()..] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(wrong()),
        };
        let number: u32 = digits.parse().map_err(|_| wrong())?;
        let life = Duration::from_secs(u64::from(number).saturating_mul(unit));
        let (least, most) = TICKET_LIMITS;
        if (least..=most).contains(&life) { Ok(Self(life)) } else { Err(wrong()) }
    }
}

/// What must come out for somebody.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    pub(super) who: Subject,
    #[serde(default)]
    pub(super) allow: Vec<ServiceRef>,
    #[serde(default)]
    pub(super) deny: Vec<ServiceRef>,
}

impl File {
    /// The file that `text` is.
    pub(super) fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > FILE_MAX {
            return Err(PolicyError::TooLong(text.len()));
        }
        let file: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| entry(text, span, error.message()));
            PolicyError::at(text, at, error.message())
        })?;
        file.check(text)?;
        Ok(file)
    }

    fn check(&self, text: &str) -> Result<(), PolicyError> {
        for (what, number, most) in [
            ("roles", self.roles.len(), ROLES_MAX),
            ("grants", self.grants.len(), GRANTS_MAX),
            ("tests", self.tests.len(), TESTS_MAX),
        ] {
            if number > most {
                return Err(PolicyError::at(
                    text,
                    text.len(),
                    format!("{number} {what}; at most {most} are allowed"),
                ));
            }
        }
        for grant in &self.grants {
            self.check_grant(grant.get_ref())
                .map_err(|what| PolicyError::at(text, grant.span().start, what))?;
        }
        for test in &self.tests {
            let who = test.get_ref().who.said().iter().filter(|who| !who.is_member());
            self.check_roles(who).map_err(|what| PolicyError::at(text, test.span().start, what))?;
        }
        Ok(())
    }

    fn check_grant(&self, grant: &Grant) -> Result<(), String> {
        for (list, number) in [("to", grant.to.len()), ("service", grant.service.len())] {
            if !(1..=LIST_MAX).contains(&number) {
                return Err(format!(
                    "`{list}` of this grant has {number} entries; 1 to {LIST_MAX} are allowed"
                ));
            }
        }
        self.check_roles(grant.to.iter())
    }

    /// A role that is misspelt would be granted something in vain, or tested for nothing.
    fn check_roles<'a>(&self, mut said: impl Iterator<Item = &'a Who>) -> Result<(), String> {
        let unknown = said.find(|who| who.kind() == Kind::Role && self.privileges(who.name()).is_none());
        let Some(unknown) = unknown else { return Ok(()) };
        let known: Vec<&str> = self.roles.keys().map(Borrow::borrow).collect();
        Err(format!("{unknown} is not in [roles], which has: {}", known.join(", ")))
    }

    /// What a role may do, if there is such a role.
    pub(super) fn privileges(&self, role: &str) -> Option<&[Privilege]> {
        self.roles.get(role).map(Vec::as_slice)
    }
}

/// Where in `text` a mistake is. Of one in a list the parser says where the list is; the message begins with the entry.
fn entry(text: &str, span: Range<usize>, message: &str) -> usize {
    let named = message.split('"').nth(1).filter(|_| message.starts_with('"'));
    let list = text.get(span.clone()).unwrap_or_default();
    let place = named.and_then(|named| list.find(&format!("\"{named}\"")));
    span.start + place.unwrap_or_default()
}

impl PolicyError {
    fn at(text: &str, offset: usize, what: impl Into<String>) -> Self {
        let what: String = what.into().chars().take(MESSAGE_MAX).map(shown).collect();
        Self::Line { line: line_of(text, offset), what }
    }
}

fn shown(one: char) -> char {
    match one {
        '\n' => ' ',
        control if control.is_control() => '\u{fffd}',
        other => other,
    }
}

/// The number of the line in which the byte at `offset` stands.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}
