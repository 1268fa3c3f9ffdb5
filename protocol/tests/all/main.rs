//! What the crate promises, through its public interface alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod admission;
mod audit;
mod candidate;
mod channel;
mod clock;
mod engine;
mod guests;
mod insiders;
mod pair;
mod people;
mod policy;
mod revocation;
mod tickets;
mod why;
