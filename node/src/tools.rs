//! What people do with channels.

pub mod chat;
pub mod file;
mod frame;

pub mod api;
