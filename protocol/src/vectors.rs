//! Vectors for other implementations: values with one fault each, and the unbroken one that they come from.
//!
//! A family is a file in `vectors/`. The tests make it again and compare, so what is written there is what this
//! code makes; then each case is read back from the file and judged by the code that a peer would meet. What
//! a case must be refused for is stated by hand where the case is made, never taken from the code.
//!
//! `LANYARD_BLESS=1 cargo test -p lanyard-protocol --lib vectors` writes the files.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};

/// One value, and what is wrong with it.
pub(crate) struct Case {
    name: String,
    ids: &'static str,
    input: Map<String, Value>,
    error: Option<String>,
}

/// A file of cases.
pub(crate) struct Family {
    path: &'static str,
    about: &'static str,
    context: Value,
    cases: Vec<Case>,
}

impl Family {
    /// An empty family for the file `path` below `vectors/`. `context` is what all cases have in common.
    pub(crate) const fn new(path: &'static str, about: &'static str, context: Value) -> Self {
        Self { path, about, context, cases: Vec::new() }
    }

    /// Adds a value that has no fault.
    pub(crate) fn accept(&mut self, name: &str, input: Value) {
        self.push(name, "", input, None);
    }

    /// Adds a value with one fault, by the ids of the attack, and what the error must say.
    pub(crate) fn refuse(&mut self, name: &str, ids: &'static str, input: Value, error: impl ToString) {
        assert!(!error.to_string().is_empty() && !ids.is_empty(), "{name}: say why");
        self.push(name, ids, input, Some(error.to_string()));
    }

    #[track_caller]
    fn push(&mut self, name: &str, ids: &'static str, input: Value, error: Option<String>) {
        let Value::Object(input) = input else { panic!("{name}: an input is an object") };
        assert!(self.cases.iter().all(|case| case.name != name), "{name} is there twice");
        self.cases.push(Case { name: name.to_owned(), ids, input, error });
    }

    /// Compares the file with the cases, and each case in the file with what `judge` says of it. `count` is how
    /// many there are, with and without a fault, so that none is lost unseen.
    #[track_caller]
    pub(crate) fn check(&self, count: (usize, usize), judge: impl Fn(&Value) -> Result<(), String>) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(self.path);
        let made = self.file();
        if std::env::var_os("LANYARD_BLESS").is_some() {
            std::fs::write(&path, text(&made)).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(
            written == text(&made),
            "vectors/{} is not what the code makes; if the format changed on purpose: \
             LANYARD_BLESS=1 cargo test -p lanyard-protocol --lib vectors",
            self.path
        );
        let file: Value = serde_json::from_str(&written).unwrap();
        let (mut refused, mut accepted) = (0, 0);
        for case in file["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            match (case["error"].as_str(), judge(case)) {
                (None, Ok(())) => accepted += 1,
                (Some(stated), Err(actual)) if actual.contains(stated) => refused += 1,
                (stated, actual) => panic!("{}: {name}: {actual:?} where {stated:?} is right", self.path),
            }
        }
        assert_eq!((refused, accepted), count, "{}: with a fault, without one", self.path);
    }

    fn file(&self) -> Value {
        let cases = self.cases.iter().map(|case| {
            let mut value = case.input.clone();
            value.insert("name".into(), json!(case.name));
            value.insert("error".into(), json!(case.error));
            if !case.ids.is_empty() {
                value.insert("ids".into(), json!(case.ids));
            }
            Value::Object(value)
        });
        json!({ "about": self.about, "context": self.context, "cases": cases.collect::<Vec<_>>() })
    }
}

fn text(file: &Value) -> String {
    let mut text = serde_json::to_string_pretty(file).unwrap();
    text.push('\n');
    text
}

/// Bytes as they stand in a file: hexadecimal digits, or one byte many times over.
pub(crate) fn hex(bytes: &[u8]) -> Value {
    match bytes {
        [first, .., last] if bytes.len() > 16 * 1024 && first == last => {
            json!({ "byte": HEXLOWER.encode(&[*first]), "times": bytes.len() })
        }
        _ => json!(HEXLOWER.encode(bytes)),
    }
}

/// What [`hex`] wrote.
#[track_caller]
pub(crate) fn unhex(value: &Value) -> Vec<u8> {
    let decode = |value: &Value| HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap();
    match value["times"].as_u64() {
        Some(times) => decode(&value["byte"]).repeat(usize::try_from(times).unwrap()),
        None => decode(value),
    }
}
