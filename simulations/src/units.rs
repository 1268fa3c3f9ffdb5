//! Durations, sizes and signs as people write them in a scenario.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// What is no duration or size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a duration.
    #[error("{0:?} is no duration: write a number and us, ms, s, m, h or d, as in 300us or 24h")]
    Duration(String),
    /// Not a size.
    #[error("{0:?} is no size: write a number and B, KiB, MiB or GiB, as in 10MiB")]
    Size(String),
}

/// A duration: `300us`, `20ms`, `90s`, `10m`, `24h`, `7d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// A duration with a sign: `+1h`, `-5m`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shift {
    /// In milliseconds.
    pub millis: i64,
}

/// A number of bytes: `512B`, `64KiB`, `10MiB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(pub u64);

const DURATIONS: [(&str, u64); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// The number before the unit, times the unit.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

/// The largest unit that leaves no rest.
fn written(value: u64, units: &[(&str, u64)]) -> String {
    let fits = units.iter().rev().find(|(_, scale)| value >= *scale && value.is_multiple_of(*scale));
    let (unit, scale) = fits.or_else(|| units.first()).copied().unwrap_or(("", 1));
    format!("{}{unit}", value / scale)
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let micros = scaled(text, &DURATIONS).ok_or_else(|| UnitError::Duration(text.to_owned()))?;
        Ok(Self(Duration::from_micros(micros)))
    }
}

impl FromStr for Shift {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::Duration(text.to_owned());
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let millis = i64::try_from(rest.parse::<Span>()?.0.as_millis()).map_err(|_| error())?;
        Ok(Self { millis: if negative { -millis } else { millis } })
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        scaled(text, &SIZES).map(Self).ok_or_else(|| UnitError::Size(text.to_owned()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX), &DURATIONS))
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.millis < 0 { '-' } else { '+' };
        write!(f, "{sign}{}", Span(Duration::from_millis(self.millis.unsigned_abs())))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(self.0, &SIZES))
    }
}

macro_rules! text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = UnitError;

            fn try_from(text: String) -> Result<Self, UnitError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

text!(Span);
text!(Shift);
text!(Size);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for text in ["300us", "20ms", "90s", "10m", "25h", "7d"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("60s".parse::<Span>().unwrap().to_string(), "1m");
        for text in ["", "s", "5", "5 s", "-5s", "1.5h", "99999999999999999999s", "5w"] {
            assert_eq!(text.parse::<Span>(), Err(UnitError::Duration(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_shift_has_a_sign() {
        assert_eq!("-5m".parse::<Shift>().unwrap().millis, -300_000);
        assert_eq!("+1h".parse::<Shift>().unwrap().to_string(), "+1h");
        assert_eq!("1h".parse::<Shift>().unwrap().millis, 3_600_000);
        assert!("--5m".parse::<Shift>().is_err());
    }

    #[test]
    fn sizes_are_read_and_written() {
        for text in ["512B", "64KiB", "10MiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        assert!("10MB".parse::<Size>().is_err());
    }
}
