//! The node from outside: over real streams, with hostile bytes in between.

mod channel;
