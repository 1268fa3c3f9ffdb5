//! The `lanyard` binary as scripts see it: its arguments, its output, its exit codes.

mod case;
mod conversation;
mod golden;
mod node;
mod pipe;
