//! Whom a grant is for, and who asks.

use core::fmt;
use core::str::FromStr;

use crate::certificate::VerifiedCertificate;
use crate::identity::{NodeName, UserRole};
use crate::people::{UserRef, VerifiedAssertion};

/// What stands for every node with a certificate.
const MEMBER: &str = "member";

/// What is said of somebody. In the order in which a grant is found by it: the fewest have the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A person's name, `ana`, or at one node only, `ana%till`.
    User,
    /// A customer's account.
    Account,
    /// A node's name.
    Node,
    /// Whom a node belongs to.
    Entity,
    /// What somebody does.
    Role,
    /// Somebody without a certificate.
    Guest,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::User, Self::Account, Self::Node, Self::Entity, Self::Role, Self::Guest];

    /// What stands before the colon.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Account => "account",
            Self::Node => "node",
            Self::Entity => "entity",
            Self::Role => "role",
            Self::Guest => "guest",
        }
    }
}

/// Text that names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is nobody: use user:NAME, role:NAME, entity:NAME, node:NAME, account:NAME or guest, each name of a-z, 0-9 and '-'"
)]
pub struct NoWho(String);

impl NoWho {
    fn new(text: &str) -> Self {
        Self(text.chars().take(80).collect())
    }
}

/// One thing that is said of somebody, as in `role:cashier`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    kind: Kind,
    name: String,
}

impl Who {
    fn new(kind: Kind, name: impl ToString) -> Self {
        Self { kind, name: name.to_string() }
    }

    /// What is said.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it is said of every node with a certificate.
    pub(super) fn is_member(&self) -> bool {
        self.kind == Kind::Role && self.name == MEMBER
    }

    /// The name; of a guest none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Who {
    type Err = NoWho;

    fn from_str(text: &str) -> Result<Self, NoWho> {
        if text == Kind::Guest.as_str() {
            return Ok(Self::new(Kind::Guest, ""));
        }
        let (kind, name) = text.split_once(':').ok_or_else(|| NoWho::new(text))?;
        let kind = Kind::ALL.into_iter().find(|known| *known != Kind::Guest && known.as_str() == kind);
        let kind = kind.ok_or_else(|| NoWho::new(text))?;
        if is_name(kind, name) { Ok(Self::new(kind, name)) } else { Err(NoWho::new(text)) }
    }
}

/// A user of one node's own has that node's name behind a `%`.
fn is_name(kind: Kind, name: &str) -> bool {
    let (name, node) = match name.split_once('%') {
        Some((name, node)) if kind == Kind::User => (name, Some(node)),
        _ => (name, None),
    };
    [Some(name), node].into_iter().flatten().all(|part| part.parse::<NodeName>().is_ok())
}

impl TryFrom<String> for Who {
    type Error = NoWho;

    fn try_from(text: String) -> Result<Self, NoWho> {
        text.parse()
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if self.kind == Kind::Guest { Ok(()) } else { write!(f, ":{}", self.name) }
    }
}

/// Somebody who asks: everything that is said of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Sorted.
    said: Vec<Who>,
}

impl Subject {
    fn new(mut said: Vec<Who>) -> Self {
        said.sort_unstable();
        said.dedup();
        Self { said }
    }

    /// The node with this certificate.
    #[must_use]
    pub fn of(certificate: &VerifiedCertificate) -> Self {
        Self {
            said: vec![
                Who::new(Kind::Node, certificate.name()),
                Who::new(Kind::Entity, certificate.entity()),
                Who::new(Kind::Role, MEMBER),
            ],
        }
    }

    /// Somebody without a certificate.
    #[must_use]
    pub fn guest() -> Self {
        Self { said: vec![Who::new(Kind::Guest, "")] }
    }

    /// Somebody who has logged in at the node with this certificate; without an assertion, the node.
    #[must_use]
    pub fn of_user(certificate: &VerifiedCertificate, user: Option<&VerifiedAssertion>) -> Self {
        let Some(user) = user else { return Self::of(certificate) };
        let assertion = user.assertion();
        let mut said = Self::of(certificate).said;
        said.push(Who::new(Kind::User, user.principal().user_text()));
        said.extend(assertion.roles.iter().map(|role| Who::new(Kind::Role, role)));
        Self::new(said)
    }

    /// A user of whom somebody speaks, at the node with this certificate, who would have these roles.
    pub(crate) fn of_supposed<'a>(
        certificate: &VerifiedCertificate,
        user: &UserRef,
        roles: impl IntoIterator<Item = &'a UserRole>,
    ) -> Self {
        let mut said = Self::of(certificate).said;
        said.push(Who::new(Kind::User, user));
        said.extend(roles.into_iter().map(|role| Who::new(Kind::Role, role)));
        Self::new(said)
    }

    /// Everything that is said of them, in order.
    #[must_use]
    pub fn said(&self) -> &[Who] {
        &self.said
    }

    /// Whether that is said of them.
    #[must_use]
    pub fn is(&self, who: &Who) -> bool {
        self.said.binary_search(who).is_ok()
    }
}

impl FromStr for Subject {
    type Err = NoWho;

    /// `node:till`, `ana@till` for a user at a node, or several with `+` between them. Whoever is no guest asks from a
    /// node with a certificate, so has the role `member`.
    fn from_str(text: &str) -> Result<Self, NoWho> {
        let mut said = Vec::new();
        for part in text.split('+') {
            match part.split_once('@') {
                Some((user, node)) => {
                    let named = |kind: Kind, name: &str| format!("{}:{name}", kind.as_str()).parse();
                    let both: Result<[Who; 2], NoWho> =
                        named(Kind::User, user).and_then(|user| Ok([user, named(Kind::Node, node)?]));
                    said.extend(both.map_err(|_| NoWho::new(text))?);
                }
                None => said.push(part.parse()?),
            }
        }
        let guests = said.iter().filter(|who| who.kind == Kind::Guest).count();
        match (guests, said.len()) {
            (0, _) => said.push(Who::new(Kind::Role, MEMBER)),
            (1, 1) => {}
            _ => return Err(NoWho::new(text)),
        }
        Ok(Self::new(said))
    }
}

impl TryFrom<String> for Subject {
    type Error = NoWho;

    fn try_from(text: String) -> Result<Self, NoWho> {
        text.parse()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, who) in self.said.iter().enumerate() {
            let between = if number == 0 { "" } else { "+" };
            write!(f, "{between}{who}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_who_has_one_spelling() {
        for text in
            ["user:ana", "user:ana%till", "role:cashier", "entity:shop", "node:till-3", "account:a1", "guest"]
        {
            assert_eq!(text.parse::<Who>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "till",
            "guest:",
            "guest:x",
            "user:",
            "User:ana",
            "user:Ana",
            "person:ana",
            "node:till%1",
            "user:a%",
            "role:*",
            "role: cashier",
            "user:ana@till",
        ] {
            assert!(text.parse::<Who>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn whoever_is_no_guest_is_a_member() {
        for (text, said) in [
            ("ana@till", "user:ana+node:till+role:member"),
            ("role:cashier+entity:shop", "entity:shop+role:cashier+role:member"),
            ("role:member", "role:member"),
            ("guest", "guest"),
        ] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), said);
        }
        for text in ["", "guest+node:till", "guest+guest", "ana@", "@till", "till", "ana@till@nas", "node:a+"]
        {
            assert!(text.parse::<Subject>().is_err(), "{text:?}");
        }
    }
}
