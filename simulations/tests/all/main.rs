//! Scenarios, small.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod live;
mod report;
