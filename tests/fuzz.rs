//! One plain function for each thing that decodes what a peer, a disk or a person gave: it takes any bytes, and
//! must neither panic nor believe what nobody said.
//!
//! `cargo test -p lanyard-tests --test fuzz` replays the corpus; `tests/fuzz/` is the same functions for `cargo fuzz`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a finding is a panic")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a target looks at what it is about")]

#[path = "fuzz/src/audit.rs"]
mod audit;
#[path = "fuzz/src/bodies.rs"]
mod bodies;
#[path = "fuzz/src/certificates.rs"]
mod certificates;
#[path = "fuzz/src/channels.rs"]
mod channels;
#[path = "fuzz/src/envelope.rs"]
mod envelope;
#[path = "fuzz/src/export.rs"]
mod export;
#[path = "fuzz/src/input.rs"]
mod input;
#[path = "fuzz/src/machine.rs"]
mod machine;
#[path = "fuzz/src/messages.rs"]
mod messages;
#[cfg(test)]
#[path = "fuzz/src/replay.rs"]
mod replay;
#[path = "fuzz/src/store.rs"]
mod store;
#[path = "fuzz/src/text.rs"]
mod text;
#[path = "fuzz/src/tickets.rs"]
mod tickets;
#[path = "fuzz/src/tools.rs"]
mod tools;
#[path = "fuzz/src/world.rs"]
mod world;

pub use audit::audit_line;
pub use bodies::body;
pub use certificates::{authority, certificate, certificate_request, pem, signed_certificate};
pub use channels::{handshake, preamble, record_stream, records, reply};
pub use envelope::{sealed_content, sealed_header};
pub use export::export;
pub use machine::machine;
pub use messages::{request, response};
pub use store::store;
pub use text::{invitation, names, policy};
pub use tickets::{grant, grant_half, kept_ticket, ticket};
pub use tools::{chat_message, file_message};

/// A function that takes any bytes.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: [(&str, Target); 28] = [
    ("audit_line", audit_line),
    ("authority", authority),
    ("body", body),
    ("certificate", certificate),
    ("certificate_request", certificate_request),
    ("chat_message", chat_message),
    ("export", export),
    ("file_message", file_message),
    ("grant", grant),
    ("grant_half", grant_half),
    ("handshake", handshake),
    ("invitation", invitation),
    ("kept_ticket", kept_ticket),
    ("machine", machine),
    ("names", names),
    ("pem", pem),
    ("policy", policy),
    ("preamble", preamble),
    ("record_stream", record_stream),
    ("records", records),
    ("reply", reply),
    ("request", request),
    ("response", response),
    ("sealed_content", sealed_content),
    ("sealed_header", sealed_header),
    ("signed_certificate", signed_certificate),
    ("store", store),
    ("ticket", ticket),
];
