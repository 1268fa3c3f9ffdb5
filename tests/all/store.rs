//! A store that survives anything: nodes that are killed, disks whose power is cut, that are full, and that fail.

mod audit;
mod faults;
mod kill;
mod ledger;
mod power;
mod state;
