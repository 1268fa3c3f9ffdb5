//! Scenarios, small.

mod live;
mod report;
