//! Scenarios, small.

mod report;
