//! The chain that the records of a log are.
//!
//! ```text
//! {"number":12,"previous":"9f…","at":"…",…,"hash":"41…","mac":"c0…"}
//! └──────────── hashed ────────────────┘          └── HMAC of the hash
//! ```
//!
//! Every byte of a line is fixed by its hash but for the last two fields, which have one spelling. A hash alone would be
//! made anew by whoever rewrites the whole log; the code cannot be, without the store's key.

use core::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::label::{Digest, Label};

/// The longest line: an entry with every text as long as it can be, each character escaped as twelve, and the rest.
pub const LINE_MAX: usize = 12 * 1024;

/// `,"hash":"…","mac":"…"}`
const TAIL: usize = 9 + 64 + 9 + 64 + 2;

/// The key that authenticates a log, derived from the key of the store.
pub struct ChainKey(Zeroizing<[u8; 32]>);

impl ChainKey {
    /// The key with these bytes.
    #[must_use]
    pub const fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    fn mac(&self, hash: &Digest) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice()).expect("any length will do");
        mac.update(hash.as_bytes());
        mac
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainKey(..)")
    }
}

/// A place in a chain: behind the record with this number and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The number of the record before; 0 at the beginning.
    pub number: u64,
    /// Its hash; zeros at the beginning.
    pub hash: Digest,
}

impl Position {
    /// Before the first record.
    pub const BEGINNING: Self = Self { number: 0, hash: Digest([0; 32]) };
}

/// How far a log goes: kept in the store, sealed like every record there, so that a log without its end is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Before the oldest record that is kept.
    pub first: Position,
    /// Behind the last record that is known to be durable: there may be more.
    pub last: Position,
}

impl Extent {
    /// Of a log without a record.
    pub const EMPTY: Self = Self { first: Position::BEGINNING, last: Position::BEGINNING };
}

/// What is wrong with a line, or with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It does not have the form of a record.
    #[error("this is no record")]
    NoRecord,
    /// Another one belongs here.
    #[error("record {expected} belongs here, and this is record {found}")]
    Number {
        /// What belongs here.
        expected: u64,
        /// What is here.
        found: u64,
    },
    /// It was made behind another record than the one that stands before it.
    #[error("record {0} does not follow from the one before it")]
    Previous(u64),
    /// It is not as it was written.
    #[error("record {0} was altered")]
    Altered(u64),
    /// Whoever wrote it does not have the key.
    #[error("record {0} was not written by this node")]
    Forged(u64),
    /// The end is missing.
    #[error("the log ends with record {found}, and record {expected} was written")]
    Truncated {
        /// The last record that there must be.
        expected: u64,
        /// The last one that there is.
        found: u64,
    },
    /// A part is missing.
    #[error("the part that begins with record {0} is missing")]
    Missing(u64),
}

/// The next link of a chain, to be made or to be checked.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    key: &'a ChainKey,
    position: Position,
}

impl<'a> Chain<'a> {
    /// The chain from `position` on.
    #[must_use]
    pub const fn at(key: &'a ChainKey, position: Position) -> Self {
        Self { key, position }
    }

    /// Where it has come to.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The next line, without its end, for an entry as a JSON object, and goes on behind it.
    pub fn link(&mut self, entry: &str) -> String {
        let number = self.position.number + 1;
        let fields = entry.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(entry);
        let mut line = format!("{}{fields}", head(number, &self.position.hash));
        let hash = Label::Audit.hash(&[line.as_bytes()]);
        line.push_str(&self.tail(&hash));
        self.position = Position { number, hash };
        line
    }

    /// Goes on behind `line`, which is without its end, if it is the next one.
    ///
    /// # Errors
    /// [`Fault`]; the chain stays where it is.
    pub fn check(&mut self, line: &[u8]) -> Result<(), Fault> {
        let expected = self.position.number.saturating_add(1);
        let found = number_of(line).ok_or(Fault::NoRecord)?;
        let (body, tail) = line.split_at_checked(line.len().saturating_sub(TAIL)).ok_or(Fault::NoRecord)?;
        let told = told_hash(tail).ok_or(Fault::NoRecord)?;
        if found != expected {
            return Err(Fault::Number { expected, found });
        }
        let hash = Label::Audit.hash(&[body]);
        if told != hash {
            return Err(Fault::Altered(found));
        }
        if !body.starts_with(head(found, &self.position.hash).as_bytes()) {
            return Err(Fault::Previous(found));
        }
        // Not secret, and compared on this machine only.
        if tail != self.tail(&hash).as_bytes() {
            return Err(Fault::Forged(found));
        }
        self.position = Position { number: found, hash };
        Ok(())
    }

    fn tail(&self, hash: &Digest) -> String {
        let mac = HEXLOWER.encode(&self.key.mac(hash).finalize().into_bytes());
        format!(",\"hash\":\"{hash}\",\"mac\":\"{mac}\"}}")
    }
}

impl Position {
    /// Where a line says that it stands: to begin with the first that is kept. Whether that is true shows its check.
    #[must_use]
    pub fn before(line: &[u8]) -> Option<Self> {
        let number = number_of(line)?.checked_sub(1)?;
        let start = format!("{{\"number\":{},\"previous\":\"", number + 1).len();
        let hash = digest(line.get(start..start + 64)?)?;
        line.starts_with(head(number + 1, &hash).as_bytes()).then_some(Self { number, hash })
    }

    /// Where a chain has come to with a line, as the line says.
    #[must_use]
    pub fn behind(line: &[u8]) -> Option<Self> {
        let tail = line.get(line.len().checked_sub(TAIL)?..)?;
        Some(Self { number: number_of(line)?, hash: told_hash(tail)? })
    }
}

/// How a line begins.
fn head(number: u64, previous: &Digest) -> String {
    format!("{{\"number\":{number},\"previous\":\"{previous}\",")
}

fn number_of(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(b"{\"number\":")?;
    let digits = rest.split(|byte| *byte == b',').next()?;
    let written = core::str::from_utf8(digits).ok()?;
    let number: u64 = written.parse().ok()?;
    (number.to_string() == written).then_some(number)
}

fn told_hash(tail: &[u8]) -> Option<Digest> {
    let rest = tail.strip_prefix(b",\"hash\":\"")?;
    digest(rest.get(..64)?)
}

fn digest(hexadecimal: &[u8]) -> Option<Digest> {
    let bytes = HEXLOWER.decode(hexadecimal).ok()?;
    Some(Digest(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests;
