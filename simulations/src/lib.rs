//! Thousands of Lanyard nodes in virtual time, with faults and attackers.
//!
//! The engine of a node takes bytes, the time and randomness, and gives back what is to be done. So the very engine that
//! runs in a node runs here, as often as there is memory for, on a network, on disks and by clocks that are simulated;
//! and the same seed gives the same run. A simple model ([`mod@reference`]) says what ought to be, after every step; what is
//! not so is a violation, and the run stops there with the steps that led to it.
//!
//! ```text
//!  scenario ──▶ run ──▶ world ──▶ schedule ──▶ host ──▶ node ──▶ the engine
//!                ▲        │                     │ port, disk, clock
//!                │        ▼                     └ or an adversary, which speaks raw bytes
//!             measure ◀─ facts ─▶ reference ─▶ violations
//! ```

pub mod adversary;
mod clock;
pub mod disk;
pub mod event;
pub mod fact;
mod host;
pub mod link;
pub mod live;
pub mod measure;
pub mod moment;
mod node;
mod port;
pub mod reference;
pub mod report;
pub mod run;
pub mod scenario;
pub mod trace;
pub mod units;
pub mod world;

pub use self::host::NodeOptions;
pub use self::port::{Gate, Meter};
