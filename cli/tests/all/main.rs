//! The `lanyard` binary as scripts see it: its arguments, its output, its exit codes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails in a helper fails its test")]

mod case;
mod conversation;
mod edit;
mod golden;
mod node;
mod pipe;
mod real;
mod terminal;
