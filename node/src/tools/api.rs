//! The tools in the local API.
