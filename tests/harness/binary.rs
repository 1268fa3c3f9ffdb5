//! Where things are.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The binary under test: `$LANYARD_BIN`, else the one that was built beside this test.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn binary() -> PathBuf {
    let path = env::var_os("LANYARD_BIN").map_or_else(built_binary, PathBuf::from);
    assert!(path.is_file(), "no binary at {}: run `cargo build -p lanyard-cli` first", path.display());
    path
}

fn built_binary() -> PathBuf {
    let test = env::current_exe().expect("a running program has a path");
    let profile = test.parent().and_then(Path::parent).expect("cargo puts tests into <profile>/deps");
    profile.join("lanyard")
}

/// The top of the repository.
///
/// # Panics
/// Never: this package is one folder below it.
#[must_use]
pub fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the package is a folder of the repository").to_owned()
}

/// The program `name` that the machine has to bring, or nothing if the test may go without it.
///
/// # Panics
/// When it is missing where nothing may be skipped.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = places.map(|place| place.join(name)).find(|path| path.is_file());
    if found.is_none() {
        skip(&format!("there is no {name}"));
    }
    found
}

/// Whether this is root, who alone may make namespaces and become others; says so if not.
///
/// # Panics
/// When it is not where nothing may be skipped.
#[must_use]
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip("this needs root");
    }
    root
}

/// Says in one line that a test was skipped, and why.
///
/// # Panics
/// Where nothing may be skipped.
pub(crate) fn skip(reason: &str) {
    assert!(env::var("CI").as_deref() != Ok("true"), "nothing may be skipped here, but {reason}");
    // Not `eprintln!`, which the test runner keeps to itself.
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}
