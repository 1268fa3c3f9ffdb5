//! Names that people give. Each has one spelling, so that equal names are equal bytes.

use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::NodeId;

/// Text that is not the name it should be. The text is cut to 80 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a DNS label (RFC 1123, section 2.1).
    #[error("{text:?} is no {what}: use 1 to 63 of a-z, 0-9 and '-', not at either end")]
    Label {
        /// What the text should have been: `node name`, say.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// Not a dotted list of DNS labels of at most 128 bytes.
    #[error(
        "{0:?} is no network name: use DNS labels with dots between them, the last not of digits alone, as in shop.lan, \
        at most 128 bytes"
    )]
    Network(String),
    /// Not 64 hexadecimal digits.
    #[error("{0:?} is no fingerprint: it has 64 hexadecimal digits")]
    Fingerprint(String),
    /// Not `NAME@PEER`.
    #[error("{0:?} is no service: use NAME@PEER, as in chat@till")]
    Service(String),
    /// Not 64 hexadecimal digits.
    #[error("{0:?} is no machine: `lanyard status` there shows 64 hexadecimal digits")]
    Guid(String),
}

/// The longest network name: with a node's label and a dot in front it still is a DNS name (RFC 1035: 253 bytes).
const NETWORK_MAX: usize = 128;

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A last label of digits alone would make the name look like an address: path validation takes it for no DNS name.
fn is_network(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= NETWORK_MAX
        && text.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:expr, $error:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                if $check(text.as_str()) { Ok(Self(text)) } else { Err($error(shown(&text))) }
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A node's name within its network: one DNS label, lower case, as in `till-3`.
    NodeName,
    is_label,
    |text| NameError::Label { what: "node name", text }
);
name!(
    /// The organisation, shop or household that a node belongs to: one DNS label, lower case.
    EntityName,
    is_label,
    |text| NameError::Label { what: "entity name", text }
);
name!(
    /// A service's name within its provider: one DNS label, lower case, as in `chat`.
    ServiceName,
    is_label,
    |text| NameError::Label { what: "service name", text }
);
name!(
    /// A user's name within its directory, as in `ana` or `cashier`: one DNS label, lower case.
    UserName,
    is_label,
    |text| NameError::Label { what: "user name", text }
);
name!(
    /// One of the people who use a user, each with a credential of their own: one DNS label, lower case.
    PersonName,
    is_label,
    |text| NameError::Label { what: "person's name", text }
);
name!(
    /// What somebody does, as the network's policy calls it: one DNS label, lower case, as in `cashier`.
    UserRole,
    is_label,
    |text| NameError::Label { what: "role", text }
);
name!(
    /// A network's name, which is its trust domain: DNS labels with dots between them, as in `shop.lan`.
    NetworkName,
    is_network,
    NameError::Network
);

impl NodeName {
    /// Whether people would take it for the beginning of a node's id: hexadecimal digits and nothing else, as many as
    /// [`NodeId::short`] gives or more. A name goes before an id, so it would stand for another node.
    #[must_use]
    pub fn is_like_an_id(&self) -> bool {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        self.0.len() >= NodeId::SHORT_DIGITS && self.0.bytes().all(is_digit)
    }
}

impl From<UserName> for PersonName {
    /// The one person of a user for whom nobody else is named.
    fn from(user: UserName) -> Self {
        Self(user.0)
    }
}

impl Borrow<str> for UserRole {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl NetworkName {
    /// The entity that a node belongs to where nothing else is said: the network's first label.
    #[must_use]
    pub fn default_entity(&self) -> EntityName {
        EntityName(self.0.split('.').next().unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_eight_hexadecimal_digits_is_like_an_id() {
        for like in ["deadbeef", "20261127", "0123456789ab", &"a".repeat(63)] {
            assert!(like.parse::<NodeName>().unwrap().is_like_an_id(), "{like}");
        }
        for unlike in ["cafe", "facade", "1234567", "dead-beef", "deadbeeg", "till"] {
            assert!(!unlike.parse::<NodeName>().unwrap().is_like_an_id(), "{unlike}");
        }
    }

    #[test]
    fn accepts_dns_labels_and_nothing_else() {
        for good in ["a", "till-3", "0", &"x".repeat(63)] {
            assert!(good.parse::<NodeName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a b", "ä", "a\n", "a/b", &"x".repeat(64)] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn accepts_dotted_network_names() {
        assert_eq!(
            "shop.lan".parse::<NetworkName>().map(|name| name.default_entity().to_string()),
            Ok("shop".into())
        );
        for bad in
            ["", ".", "shop.", ".lan", "shop..lan", "Shop.lan", "shop.1", "10.2", "7", &"a.".repeat(65)]
        {
            assert!(bad.parse::<NetworkName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_refusal_shows_control_characters_escaped() {
        let error = "a\u{1b}[2J".parse::<NodeName>().unwrap_err().to_string();
        assert!(error.contains("\\u{1b}") && !error.contains('\u{1b}'), "{error}");
    }
}
