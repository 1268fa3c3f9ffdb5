//! Opens the store in the directory that it is given and commits to it until it is killed, from several threads. It
//! says `open`, and then the number of each commit that was acknowledged.
//!
//! Commit number n is a record in each of two tables, and the number in a third: all of it or nothing.

#![expect(clippy::expect_used, reason = "a test's program reports by panicking")]

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use lanyard_node::store::Store;
use lanyard_protocol::record::{Table, Write};

/// Threads that commit at the same time.
const COMMITTERS: usize = 4;

fn main() {
    let mut arguments = env::args_os().skip(1);
    let state = PathBuf::from(arguments.next().expect("a directory"));
    let first = arguments.next().expect("a number").to_str().and_then(|text| text.parse().ok());
    let store = Store::open(&state).expect("the store opens");
    say("open");
    let next = AtomicU64::new(first.expect("a number"));
    thread::scope(|scope| {
        for _ in 0..COMMITTERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    store.commit_blocking(commit(number)).expect("a commit succeeds while there is power");
                    say(&number.to_string());
                }
            });
        }
    });
}

/// Sizes differ, so that records are cut in all places.
fn commit(number: u64) -> Vec<Write> {
    let key = number.to_be_bytes();
    let value = vec![number as u8; (number % 37 * 29) as usize];
    vec![
        Write::set(Table::Chat, key, value),
        Write::set(Table::Outbox, key, Vec::new()),
        Write::set(Table::Peers, "last", key.to_vec()),
    ]
}

/// In one write, so that what was read of it was said.
fn say(line: &str) {
    io::stdout().write_all(format!("{line}\n").as_bytes()).expect("somebody listens");
}
