//! Tickets by their id.

use core::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

/// A ticket's id: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TicketId(pub [u8; 16]);

impl core::str::FromStr for TicketId {
    type Err = NoTicketId;

    fn from_str(text: &str) -> Result<Self, NoTicketId> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| NoTicketId)?;
        bytes.try_into().map(Self).map_err(|_| NoTicketId)
    }
}

/// The text is no ticket's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a ticket is 32 hexadecimal digits")]
pub struct NoTicketId;

/// 32 lower-case hexadecimal digits.
impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TicketId({self})")
    }
}
