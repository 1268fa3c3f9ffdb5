//! What the source tree and its dependencies must be, checked without any tool but cargo.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lanyard_tests::repository;
use toml::Table;

/// J1: versions below these have known holes that a peer can use; not all are in the advisory databases.
#[test]
fn dependencies_are_above_their_last_known_holes() {
    let minimum = [
        ("hickory-proto", (0, 26, 1)),
        ("libp2p", (0, 57, 1)),
        ("libp2p-gossipsub", (0, 50, 1)),
        ("libp2p-quic", (0, 13, 1)),
        ("quinn-proto", (0, 11, 15)),
        ("rustls-webpki", (0, 103, 13)),
        ("snow", (0, 9, 5)),
        ("yamux", (0, 13, 10)),
    ];
    let locked = locked_versions();
    for (name, minimum) in minimum {
        for version in locked.get(name).into_iter().flatten() {
            assert!(*version >= minimum, "{name} {version:?} is in Cargo.lock, {minimum:?} is the least");
        }
    }
    // Gossip is not in the tree yet; the rest is, and a rule about nothing is no rule.
    for (name, _) in minimum.iter().filter(|(name, _)| *name != "libp2p-gossipsub") {
        assert!(locked.contains_key(*name), "{name} is not in Cargo.lock any more: is the rule about it?");
    }
}

/// J1: the next line of webpki is not released yet.
#[test]
fn path_validation_is_of_the_released_line() {
    for version in &locked_versions()["rustls-webpki"] {
        assert!(*version < (0, 104, 0), "rustls-webpki {version:?}");
    }
}

/// J2: two generations of one primitive are two sets of defects, and types that do not fit each other.
#[test]
fn compiles_one_generation_of_each_primitive() {
    let compiled = compiled_crates(&["--workspace"]);
    for name in ["chacha20poly1305", "curve25519-dalek", "ed25519-dalek", "hpke", "x25519-dalek"] {
        let versions: Vec<_> = compiled.iter().filter(|line| line.split(' ').next() == Some(name)).collect();
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
}

/// Every decision is made without input or output: nothing that could do any is within its reach.
#[test]
fn protocol_depends_on_nothing_that_does_io() {
    let manifest: Table = read(&repository().join("protocol/Cargo.toml")).parse().unwrap();
    let named = manifest["dependencies"].as_table().unwrap();
    for name in ["axum", "getrandom", "hyper", "libp2p", "rustix", "sled", "tokio"] {
        assert!(!named.contains_key(name), "protocol/Cargo.toml names {name}");
    }
    let reached = compiled_crates(&["-p", "lanyard-protocol"]);
    for name in ["axum", "hyper", "libp2p", "mio", "rustix", "sled", "socket2", "tokio"] {
        let reaches = reached.iter().any(|line| line.split(' ').next() == Some(name));
        assert!(!reaches, "protocol reaches {name}");
    }
}

/// What is to be replaced one day, or must be injected in a test, has one home.
#[test]
fn each_confined_thing_is_used_at_home_only() {
    let homes = [
        ("sled::", "node/src/store"),
        ("bincode::", "protocol/src/codec.rs"),
        ("rcgen::", "protocol/src/certificate/"),
        ("snow::", "protocol/src/channel"),
        ("hpke::", "protocol/src/seal.rs"),
        ("spake2::", "protocol/src/enrolment"),
        ("libp2p::", "node/src/swarm"),
        ("SystemTime::now", "node/src/ambient.rs"),
        ("Instant::now", "node/src/ambient.rs"),
        ("getrandom::", "node/src/ambient.rs"),
    ];
    let sources = production_sources();
    for (thing, home) in homes {
        let (at_home, elsewhere): (Vec<_>, Vec<_>) = sources
            .iter()
            .filter(|(_, code)| names(code, thing))
            .map(|(path, _)| path.as_str())
            // A module is `home.rs` with a folder `home` or either alone.
            .partition(|path| path.starts_with(home));
        assert!(elsewhere.is_empty(), "{thing} belongs into {home}, but is in {elsewhere:?}");
        assert!(!at_home.is_empty(), "{thing} is not in {home} any more: is the rule about it?");
    }
}

/// B5: everything that a node decides by the time it decides by its clock, which is not behind what has been signed; the
/// wall clock alone is looked at by the loop, which compares them, and for a node that is about to start.
#[test]
fn no_part_of_a_node_believes_the_wall_clock() {
    let believers = production_sources().into_iter().filter(|(_, code)| names(code, "ambient::now"));
    let files: Vec<_> = believers.map(|(path, _)| path).filter(|path| path.starts_with("node/")).collect();
    assert_eq!(files, ["node/src/event_loop.rs", "node/src/start.rs"]);
}

/// Modules of the protocol build on what stands to their left in ARCHITECTURE.md, so that each can be read knowing
/// those before it.
#[test]
fn protocol_modules_build_on_their_left() {
    let architecture = read(&repository().join("ARCHITECTURE.md"));
    let order = architecture.lines().find(|line| line.contains(" → ") && line.ends_with("engine")).unwrap();
    let order: Vec<_> = order.split(" → ").collect();
    let rank = |module: &str| order.iter().position(|group| group.split(' ').any(|name| name == module));
    assert!(rank("identity") < rank("ticket"), "{order:?}");
    for (path, code) in production_sources() {
        let Some(file) = path.strip_prefix("protocol/src/") else { continue };
        let own = file.trim_end_matches(".rs").split('/').next().unwrap();
        for other in code.split("crate::").skip(1).map(word) {
            if let (Some(from), Some(to)) = (rank(own), rank(other)) {
                assert!(to <= from, "{path} builds on {other}, which ARCHITECTURE.md draws to its right");
            }
        }
    }
}

type Version = (u64, u64, u64);

fn locked_versions() -> BTreeMap<String, Vec<Version>> {
    let lock: Table = read(&repository().join("Cargo.lock")).parse().unwrap();
    let mut versions = BTreeMap::<String, Vec<Version>>::new();
    for package in lock["package"].as_array().unwrap() {
        let text = |key: &str| package[key].as_str().unwrap();
        versions.entry(text("name").to_owned()).or_default().push(version(text("version")));
    }
    versions
}

/// The number without what follows `-` or `+`: a pre-release counts as its release.
fn version(text: &str) -> Version {
    let number = text.split(['-', '+']).next().unwrap();
    let mut parts = number.split('.').map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
}

/// Name and version of each crate that is compiled for this system: the lock file names many that never are.
fn compiled_crates(selection: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let output = command.args(selection).current_dir(repository()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut crates: Vec<_> = text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect();
    crates.sort();
    crates.dedup();
    crates
}

/// Each source file of a package that is shipped, without comments and without its tests.
fn production_sources() -> Vec<(String, String)> {
    let top = repository();
    let mut files = Vec::new();
    for package in ["protocol", "node", "cli"] {
        collect(&top.join(package).join("src"), &mut files);
    }
    let strip = |path: PathBuf| {
        let name = path.strip_prefix(&top).unwrap().to_str().unwrap().to_owned();
        (name, production_code(&read(&path)))
    };
    files.into_iter().map(strip).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

fn production_code(source: &str) -> String {
    // Tests come last in a file.
    let code = source.split("#[cfg(test)]\nmod ").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Whether `code` has the path `thing` in it, and not as a part of a longer name.
fn names(code: &str, thing: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(thing).any(|(start, _)| {
        let (before, after) = (&code[..start], &code[start + thing.len()..]);
        !before.ends_with(part) && (thing.ends_with("::") || !after.starts_with(part))
    })
}

fn word(text: &str) -> &str {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn finds_names_and_not_parts_of_them() {
    assert!(names("use sled::Db;", "sled::"));
    assert!(!names("use unsled::Db; [\"sled\"]", "sled::"));
    assert!(names("Instant::now()", "Instant::now") && !names("Instant::nowhere()", "Instant::now"));
    assert_eq!(production_code("a\n// sled\nb\n#[cfg(test)]\nmod tests { sled }"), "a\nb");
}
