//! Every decision of a Lanyard node, without input or output.
//!
//! Bytes, the time and randomness come in; bytes to send, records to keep and answers go out. There is no
//! socket, clock, database or task in here, which is why the same code runs in a node, in a test and ten
//! thousand times over in a simulation.

pub mod access;
pub mod audit;
pub mod certificate;
pub mod channel;
pub mod codec;
pub mod control;
pub mod engine;
pub mod enrolment;
pub mod envelope;
pub mod guest;
pub mod hello;
pub mod identity;
pub mod keyring;
pub mod label;
pub mod manual;
pub mod message;
pub mod people;
pub mod record;
pub mod reject;
pub mod revocation;
pub mod seal;
pub mod snapshot;
pub mod ticket;
pub mod time;

#[cfg(test)]
mod cross;
#[cfg(test)]
mod published;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod wycheproof;
