//! What the tests of the real binary stand on: hosts with a state of their own, nodes that run as processes,
//! networks of namespaces, and raw sockets for whoever does not play by the rules.
//!
//! Nothing in here waits for a time to pass. [`wait_for`] waits for a fact and gives up at a deadline; every
//! process is killed and every namespace removed when its value is dropped, also when a test fails.

#![expect(clippy::panic, clippy::expect_used, reason = "a harness reports a failed test by panicking")]

mod applicants;
mod attacker;
mod binary;
mod crowd;
mod disk;
mod false_authority;
mod faulty;
mod frames;
mod glutton;
mod guest;
mod host;
mod impostor;
mod lan;
mod mdns;
mod node;
mod output;
mod process;
mod program;
mod puppet;
mod shop;
mod stranger;
mod wait;
mod wall;

pub use applicants::Applicants;
pub use attacker::{Attacker, noise};
pub use binary::{binary, is_root, program, repository};
pub use crowd::{Flood, crowd};
pub use disk::PowerDisk;
pub use false_authority::{FalseAuthority, signature};
pub use faulty::FaultyNode;
pub use frames::{Frames, frame};
pub use glutton::Records;
pub use host::Host;
pub use impostor::Impostor;
pub use lan::Lan;
pub use mdns::Announcer;
pub use node::{DetachedNode, RunningNode};
pub use output::Output;
pub use process::Process;
pub use program::{Chatter, Program};
pub use puppet::{Puppet, say};
pub use shop::Member;
pub use stranger::Stranger;
pub use wait::{SOON, wait_for};
pub use wall::WallClock;
