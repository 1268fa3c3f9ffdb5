//! Every decision of a Lanyard node, without input or output.
//!
//! Bytes, the time and randomness come in; bytes to send, records to keep and answers go out. There is no
//! socket, clock, database or task in here, which is why the same code runs in a node, in a test and ten
//! thousand times over in a simulation.

pub mod channel;
pub mod codec;
pub mod control;
pub mod identity;
pub mod keyring;
pub mod label;
pub mod record;
pub mod seal;
pub mod time;

#[cfg(test)]
mod wycheproof;
