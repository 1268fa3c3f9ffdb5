//! Scenarios, small.
