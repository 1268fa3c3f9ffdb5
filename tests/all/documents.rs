//! What the documents say of the source tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lanyard_tests::repository;

/// A promise without its test is only words: each test that SECURITY.md names is there.
#[test]
fn every_test_that_is_promised_exists() {
    let (tests, _) = tests_and_ids();
    let page = read("SECURITY.md");
    let promised: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter_map(|line| line.rsplit('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|name| {
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        })
        .collect();
    assert!(promised.len() > 60, "only {} tests are named: did the table change?", promised.len());
    for name in promised {
        assert!(tests.contains(name), "SECURITY.md names the test {name}, which is nowhere");
    }
}

/// An id in a test's comment means something to whoever looks it up.
#[test]
fn every_id_that_a_test_names_is_explained() {
    let (_, ids) = tests_and_ids();
    assert!(ids.len() > 40, "only {} ids were found: did the comments change?", ids.len());
    let page = read("protocol/src/manual/threats.md");
    let explained: BTreeSet<&str> =
        page.split(|letter: char| !(letter.is_alphanumeric() || letter == '-')).collect();
    for id in ids {
        assert!(explained.contains(id.as_str()), "{id} is not in manual/threats.md");
    }
}

/// Names that links in the documents lead to are there.
#[test]
fn links_lead_somewhere() {
    for page in ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = read(page);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("http") && !target.starts_with('#')) {
            assert!(repository().join(target).exists(), "{page} links to {target}");
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of all test functions, and the ids that their comments begin with.
fn tests_and_ids() -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut tests, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for package in ["protocol", "node", "cli", "simulations", "tests"] {
        visit(&repository().join(package), &mut |source| collect(source, &mut tests, &mut ids));
    }
    (tests, ids)
}

fn visit(folder: &Path, look: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            visit(&entry, look);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            look(&fs::read_to_string(&entry).unwrap());
        }
    }
}

fn collect(source: &str, tests: &mut BTreeSet<String>, ids: &mut BTreeSet<String>) {
    let mut comment = String::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            comment.push_str(words);
        } else if line.starts_with("#[") {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
        } else {
            let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
            if let (true, Some(name)) = (is_test, function.and_then(|rest| rest.split('(').next())) {
                tests.insert(name.to_owned());
                ids.extend(leading_ids(&comment));
            }
            comment.clear();
            is_test = false;
        }
    }
}

/// The ids in front of the colon: `A4, R-C5: …`.
fn leading_ids(comment: &str) -> Vec<String> {
    let Some((front, _)) = comment.split_once(':') else { return Vec::new() };
    let ids: Vec<String> = front.split(',').map(|id| id.trim().to_owned()).collect();
    if ids.iter().all(|id| is_id(id)) { ids } else { Vec::new() }
}

/// `A4`, `R-C5`: capitals, perhaps a hyphen, a number.
fn is_id(text: &str) -> bool {
    let id = text.strip_prefix("R-").unwrap_or(text);
    let Some((letter, number)) = id.split_at_checked(1) else { return false };
    letter.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn reads_tests_and_ids() {
    let source = "    /// A4, R-C5: words.\n    #[test]\n    fn one() {}\n/// Words: not ids.\n#[test]\nfn two() {}\nfn three() {}\n";
    let (mut tests, mut ids) = (BTreeSet::new(), BTreeSet::new());
    collect(source, &mut tests, &mut ids);
    assert_eq!(tests.into_iter().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), ["A4", "R-C5"]);
}
