//! Exports of a node's state.

use core::fmt;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use super::{RoleName, Time};
use crate::identity::{NetworkName, NodeId, NodeName};

/// What an export is sealed with. Zeroized on drop, and prints as `Passphrase(..)`.
#[derive(PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// The passphrase in `text`, without the end of its line; nothing if that is empty.
    #[must_use]
    pub fn new(text: Zeroizing<String>) -> Option<Self> {
        let line = text.lines().next().unwrap_or_default();
        (!line.is_empty()).then(|| Self(Zeroizing::new(line.to_owned())))
    }

    /// Its bytes, to derive a key from.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Of one line and not empty, as it is where it is typed: what is sealed with any other cannot be opened there.
impl<'de> Deserialize<'de> for Passphrase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::<String>::deserialize(deserializer)?;
        Self::new(text.clone())
            .filter(|passphrase| passphrase.0 == text)
            .ok_or_else(|| D::Error::custom("a passphrase is one line that is not empty"))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Asks a running node for an export of its state.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportState {
    /// The file to make: an absolute path.
    pub path: PathBuf,
    /// What to seal it with, if with anything.
    pub passphrase: Option<Passphrase>,
}

/// What stands in an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Whose state it is.
    pub id: NodeId,
    /// The node's name, if it is a member of a network.
    pub name: Option<NodeName>,
    /// The network, if it is a member of one.
    pub network: Option<NetworkName>,
    /// What the node is in it.
    pub role: RoleName,
    /// How many records there are.
    pub records: u64,
    /// Of when it is.
    pub exported: Time,
    /// Whether it takes a passphrase to open it.
    pub sealed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G6: a passphrase is in no log, and the end of its line is no part of it.
    #[test]
    fn a_passphrase_is_one_line_and_is_not_shown() {
        let passphrase = |text: &str| Passphrase::new(Zeroizing::new(text.to_owned()));
        assert_eq!(passphrase("correct horse\n"), passphrase("correct horse"));
        assert_eq!(passphrase("correct horse\r\nbattery\n"), passphrase("correct horse"));
        assert_eq!((passphrase(""), passphrase("\nx")), (None, None));
        assert_eq!(format!("{:?}", passphrase("canary")), "Some(Passphrase(..))");
    }

    /// R-C3: a program may ask for no export that nobody can restore at a terminal.
    #[test]
    fn a_passphrase_in_json_is_one_line_that_is_not_empty() {
        let read = |json: &str| serde_json::from_str::<Passphrase>(json).ok();
        assert_eq!(read(r#""correct horse""#), Passphrase::new(Zeroizing::new("correct horse".to_owned())));
        for refused in [r#""""#, r#""correct\nhorse""#, r#""correct horse\n""#, r#""\r\n""#, "7"] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }
}
