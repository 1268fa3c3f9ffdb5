//! x
mod inbox;
mod message;
mod name;
