//! The local API: HTTP/1.1 and JSON on a Unix socket, for every program of this host.
//!
//! Who asks is decided once per connection, from the credentials that the kernel attaches to the socket
//! (`SO_PEERCRED`, unix(7)), and never from anything that is sent. The uid that runs the node owns it. Every other uid
//! gets a status without names, and may log in as a user of the network or of this node's own: then it may do what
//! does not administer the node, as far as policy goes. For everything else it gets one and the same refusal.

mod admission;
mod audit;
pub(crate) mod error;
mod people;
mod policy;
mod routes;
mod seat;
mod server;
mod socket;
mod state;
mod why;

#[cfg(test)]
mod tests;

pub(crate) use self::audit::router as audit_router;
pub(crate) use self::routes::{Waiting, Warnings, router};
pub(crate) use self::server::serve;
pub use self::socket::SocketError;
pub(crate) use self::socket::{ControlSocket, bind};
pub(crate) use self::state::router as state_router;
pub(crate) use self::why::router as why_router;
