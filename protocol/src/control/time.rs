//! Times as people and scripts read them.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::time::Timestamp;

/// A time that is written as RFC 3339 text in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(pub Timestamp);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(|error| error.to_string())?;
        let millis =
            u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|error| error.to_string())?;
        Ok(Self(Timestamp::from_millis(millis)))
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        let json = serde_json::to_string(&Time(Timestamp::from_secs(0))).unwrap();
        assert_eq!(json, "\"1970-01-01T00:00:00Z\"");
        assert_eq!(serde_json::from_str::<Time>(&json).unwrap(), Time(Timestamp::from_secs(0)));
    }
}
