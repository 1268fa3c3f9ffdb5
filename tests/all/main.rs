//! Lanyard as its users meet it, and as those who mean it harm do.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test reports by panicking, also in what its functions share"
)]

mod admission;
mod demo;
mod documents;
mod hostile;
mod lan;
mod local;
mod openssl;
mod secrets;
mod spine;
mod tree;
