//! Lanyard as its users meet it, and as those who mean it harm do.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test reports by panicking, also in what its functions share"
)]

mod admission;
mod audit;
mod channels;
mod clock;
mod demo;
mod discovery;
mod documents;
mod enrolment;
mod gate;
mod guest;
mod hostile;
mod lan;
mod load;
mod local;
mod openssl;
mod people;
mod policy;
mod renewal;
mod revocation;
mod seal;
mod secrets;
mod services;
mod spine;
mod store;
mod tickets;
mod tree;
mod why;
