//! Every side effect of a Lanyard node: sockets, storage, the clock and randomness.
//!
//! What a node decides is decided in `lanyard_protocol`; this crate feeds it and carries out what it says.

pub mod ambient;
pub mod channel;
pub mod lane;
pub mod overlay;
pub mod store;
pub mod tools;
