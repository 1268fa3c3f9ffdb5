//! How strangers get in, as people write it, and what is asked and answered about it.

mod guid;
mod password;

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::guid::{Guid, MachineId};
pub use self::password::{Password, PasswordError, STRENGTH_MIN};
use super::Time;
use crate::identity::{NodeId, NodeName};

/// One condition for getting in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Being on the authority's local network.
    Open,
    /// Being a machine on the authority's list.
    Guid,
    /// Knowing the network's password.
    Password,
    /// Having an invite, as a code or as a URI.
    Invite,
    /// Two people who compare three words, one at each end.
    Approval,
}

impl Mode {
    /// Every mode, in the order in which an expression names them.
    pub const ALL: [Self; 5] = [Self::Open, Self::Guid, Self::Password, Self::Invite, Self::Approval];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Guid => "guid",
            Self::Password => "password",
            Self::Invite => "invite",
            Self::Approval => "approval",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Modes that are wanted together: `guid+approval`. On the wire it is a byte with a bit for each, in the order of
/// [`Mode`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Modes(u8);

impl Modes {
    const ALL: u8 = (1 << Mode::ALL.len()) - 1;

    /// These modes.
    #[must_use]
    pub const fn of(modes: &[Mode]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < modes.len() {
            bits |= modes[at].bit();
            at += 1;
        }
        Self(bits)
    }

    /// With one more.
    #[must_use]
    pub const fn with(self, mode: Mode) -> Self {
        Self(self.0 | mode.bit())
    }

    /// Whether `mode` is one of them.
    #[must_use]
    pub const fn has(self, mode: Mode) -> bool {
        self.0 & mode.bit() != 0
    }

    /// Whether `others` has all of these.
    #[must_use]
    pub const fn within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// The modes, in order.
    pub fn iter(self) -> impl Iterator<Item = Mode> {
        Mode::ALL.into_iter().filter(move |mode| self.has(*mode))
    }
}

impl TryFrom<u8> for Modes {
    type Error = AdmissionError;

    fn try_from(bits: u8) -> Result<Self, AdmissionError> {
        if bits & !Self::ALL == 0 {
            Ok(Self(bits))
        } else {
            Err(AdmissionError::Unknown(format!("{bits:#x}")))
        }
    }
}

impl From<Modes> for u8 {
    fn from(modes: Modes) -> Self {
        modes.0
    }
}

impl fmt::Display for Modes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mode) in self.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "+" })?;
            f.write_str(mode.as_str())?;
        }
        Ok(())
    }
}

/// Text that is no admission rule, or one that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// A word that is no mode.
    #[error(
        "{0:?} is no admission rule: use open, guid, password, invite and approval, with '+' for all of and ',' for \
        any of"
    )]
    Unknown(String),
    /// A mode that stands twice beside itself.
    #[error("{0} stands twice in one alternative")]
    Twice(&'static str),
    /// Open beside something stronger than it.
    #[error("open asks for nothing, so {0} would be {1} alone; only open+approval says more")]
    Pointless(String, String),
}

/// How strangers get in: any one of a few sets of conditions, of each of which all must be met.
///
/// Written `guid+approval,invite`: `+` is all of, `,` is any of. An alternative that asks for more than another one
/// adds nothing and is left out, so every rule has one form.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Admission(u32);

/// The longest text of an [`Admission`] that is read: more than every mode in every combination that is left.
const TEXT_MAX: usize = 256;

impl Admission {
    /// Any of `alternatives`.
    ///
    /// # Errors
    /// [`AdmissionError`] if there is none, if one is empty, or if one puts open beside anything but approval.
    pub fn any_of(alternatives: &[Modes]) -> Result<Self, AdmissionError> {
        let mut bits = 0_u32;
        for modes in alternatives {
            if modes.0 == 0 {
                return Err(AdmissionError::Unknown(String::new()));
            }
            let beside = Modes(modes.0 & !Modes::of(&[Mode::Open, Mode::Approval]).0);
            if modes.has(Mode::Open) && beside.0 != 0 {
                let rest = Modes(modes.0 & !Mode::Open.bit());
                return Err(AdmissionError::Pointless(modes.to_string(), rest.to_string()));
            }
            let says_less = alternatives.iter().any(|other| other != modes && other.within(*modes));
            if !says_less {
                bits |= 1 << modes.0;
            }
        }
        if bits == 0 { Err(AdmissionError::Unknown(String::new())) } else { Ok(Self(bits)) }
    }

    /// The rule with one alternative of one mode.
    #[must_use]
    pub const fn only(mode: Mode) -> Self {
        Self(1 << mode.bit())
    }

    /// The alternatives, in the order in which they are written.
    #[must_use]
    pub fn alternatives(self) -> Vec<Modes> {
        let mut found: Vec<Modes> =
            (1..=Modes::ALL).filter(|bits| self.0 & (1 << bits) != 0).map(Modes).collect();
        found.sort_by_key(|modes| modes.iter().collect::<Vec<_>>());
        found
    }

    /// Whether `modes` is one of the alternatives.
    #[must_use]
    pub const fn allows(self, modes: Modes) -> bool {
        self.0 & (1 << modes.0) != 0
    }

    /// Whether any alternative has `mode`.
    #[must_use]
    pub fn mentions(self, mode: Mode) -> bool {
        self.alternatives().iter().any(|modes| modes.has(mode))
    }
}

/// By invite.
impl Default for Admission {
    fn default() -> Self {
        Self::only(Mode::Invite)
    }
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, modes) in self.alternatives().iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            modes.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Admission({self})")
    }
}

impl FromStr for Admission {
    type Err = AdmissionError;

    fn from_str(text: &str) -> Result<Self, AdmissionError> {
        let unknown = |text: &str| AdmissionError::Unknown(text.chars().take(80).collect());
        if text.len() > TEXT_MAX {
            return Err(unknown(text));
        }
        let mut alternatives = Vec::new();
        for part in text.split(',') {
            let mut modes = Modes::default();
            for word in part.split('+') {
                let mode = Mode::ALL.into_iter().find(|mode| mode.as_str() == word.trim());
                let mode = mode.ok_or_else(|| unknown(text))?;
                if modes.has(mode) {
                    return Err(AdmissionError::Twice(mode.as_str()));
                }
                modes = modes.with(mode);
            }
            alternatives.push(modes);
        }
        Self::any_of(&alternatives)
    }
}

impl TryFrom<String> for Admission {
    type Error = AdmissionError;

    fn try_from(text: String) -> Result<Self, AdmissionError> {
        text.parse()
    }
}

impl From<Admission> for String {
    fn from(admission: Admission) -> Self {
        admission.to_string()
    }
}

/// Sets the network's password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPassword {
    /// The password.
    pub password: Password,
    /// Takes it also if it is weak.
    #[serde(default)]
    pub weak: bool,
}

/// Puts a machine on the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddGuid {
    /// The machine, as its `lanyard status` shows it.
    pub guid: Guid,
    /// What people call it. The machine may join under any name.
    #[serde(default)]
    pub name: Option<NodeName>,
}

/// A person's decision on a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The request's id: 8 hexadecimal digits.
    pub id: String,
    /// Whether the node may come in.
    pub approve: bool,
}

/// A person's word, on the joining node, that both screens show the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmJoin {
    /// Whether they do. If not, the join ends.
    pub accept: bool,
}

/// The answer to everything that looks at or changes how strangers get in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionStatus {
    /// The rule.
    pub admission: Admission,
    /// The network's password, if it has one.
    pub password: Option<PasswordStatus>,
    /// Machines on the list.
    pub guids: usize,
    /// Invites that are open.
    pub invites: usize,
    /// Requests that wait for a person.
    pub requests: usize,
}

/// What is known of the network's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordStatus {
    /// When it was set.
    pub since: Time,
    /// Wrong guesses within the last day.
    pub wrong: usize,
    /// Whether it was guessed wrongly too often, and admits nobody until it is set again or, after ten within an
    /// hour, for that hour.
    pub locked: bool,
}

/// A machine on the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuidRow {
    /// The machine.
    pub guid: Guid,
    /// What people call it.
    pub name: Option<NodeName>,
    /// When it was put on the list.
    pub added: Time,
    /// The node that it has joined as: nobody else can join by it.
    pub node: Option<NodeId>,
}

/// A node that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// The request's id: 8 hexadecimal digits, the same on both screens.
    pub id: String,
    /// The name that it wants.
    pub name: NodeName,
    /// The node.
    pub node: NodeId,
    /// Three words: the same on both screens, or somebody is in between.
    pub words: String,
    /// Where it asked from.
    pub address: IpAddr,
    /// When it first asked.
    pub since: Time,
    /// The conditions that it meets, approval aside: `open`, say.
    pub by: String,
    /// The node that has the name now, and that loses it if this one is approved.
    pub replaces: Option<NodeId>,
    /// The machine, where the rule asks for it.
    pub guid: Option<Guid>,
    /// What has been decided, if anything has: the node has yet to hear of it, or its own person to confirm.
    pub approved: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-L2: every rule has one form, and reads back.
    #[test]
    fn writes_a_rule_in_one_form() {
        for (typed, written) in [
            ("open", "open"),
            ("invite", "invite"),
            ("invite,approval+guid", "guid+approval,invite"),
            ("guid + approval , invite", "guid+approval,invite"),
            ("invite,invite", "invite"),
            ("invite+approval,invite", "invite"),
            ("approval+open", "open+approval"),
            ("password+guid", "guid+password"),
            ("invite,password,approval,guid,open", "open,guid,password,invite,approval"),
        ] {
            let admission: Admission = typed.parse().unwrap();
            assert_eq!(admission.to_string(), written, "{typed}");
            assert_eq!(written.parse(), Ok(admission));
        }
        assert_eq!(Admission::default().to_string(), "invite");
    }

    #[test]
    fn refuses_rules_that_say_nothing() {
        for bad in ["", ",", "+", "invite,", "invite+", "wep", "Invite", &"invite,".repeat(100)] {
            assert!(matches!(bad.parse::<Admission>(), Err(AdmissionError::Unknown(_))), "{bad}");
        }
        assert_eq!("guid+guid".parse::<Admission>(), Err(AdmissionError::Twice("guid")));
        for bad in ["open+invite", "open+guid", "open+password+approval"] {
            let error = bad.parse::<Admission>().unwrap_err();
            assert!(matches!(error, AdmissionError::Pointless(..)), "{bad}: {error}");
        }
    }

    #[test]
    fn every_longest_rule_is_read() {
        let pairs: Vec<Modes> = Mode::ALL[1..]
            .iter()
            .flat_map(|a| Mode::ALL[1..].iter().filter(move |b| a < b).map(|b| Modes::of(&[*a, *b])))
            .chain([Modes::of(&[Mode::Open])])
            .collect();
        let longest = Admission::any_of(&pairs).unwrap();
        assert_eq!(longest.alternatives().len(), 7);
        assert_eq!(longest.to_string().parse(), Ok(longest));
    }

    #[test]
    fn a_rule_is_text_in_json() {
        let admission: Admission = "guid+approval,invite".parse().unwrap();
        assert_eq!(serde_json::to_string(&admission).unwrap(), "\"guid+approval,invite\"");
        assert!(serde_json::from_str::<Admission>("\"open+invite\"").is_err());
    }
}
