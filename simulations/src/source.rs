//! Where a scenario comes from.

use std::fs;
use std::path::Path;

use lanyard_protocol::control::{Code, Failure};
use lanyard_simulations::scenario::{BUILT_IN, Scenario, ScenarioError};

/// A scenario, as it was written and as it was read.
#[derive(Debug)]
pub(crate) struct Source {
    /// The text.
    pub(crate) text: String,
    /// What it says.
    pub(crate) scenario: Scenario,
}

impl Source {
    /// The scenario that comes with the program by the name `wanted`, or else the one in the file `wanted`.
    pub(crate) fn load(wanted: &str) -> Result<Self, Failure> {
        match text(wanted) {
            Some(text) => Self::parse(wanted, text.to_owned()),
            None if !wanted.contains(['/', '.']) && !Path::new(wanted).exists() => Err(Failure::new(
                Code::Usage,
                format!("there is no scenario {wanted}"),
                "`lanyard-sim list` lists those that there are; a file of your own is named by its path",
            )),
            None => Self::read(Path::new(wanted)),
        }
    }

    /// The scenario in a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::new(
                Code::Usage,
                format!("{name} cannot be read: {error}"),
                "name a scenario in a TOML file",
            )
        })?;
        Self::parse(&name, text)
    }

    fn parse(name: &str, text: String) -> Result<Self, Failure> {
        match Scenario::parse(&text) {
            Ok(scenario) => Ok(Self { text, scenario }),
            Err(error) => Err(misread(name, &text, &error)),
        }
    }
}

/// The text of a scenario that comes with the program.
fn text(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// A scenario that does not fit so many hosts as the command line wants.
pub(crate) fn unfit(nodes: u32, error: &ScenarioError) -> Failure {
    let message = format!("the scenario cannot be run with {nodes} nodes: {error}");
    Failure::new(Code::Usage, message, "choose another number: `--nodes N`")
}

/// What is wrong with a scenario, and in which line if that can be told.
fn misread(name: &str, text: &str, error: &ScenarioError) -> Failure {
    let (what, line) = match error {
        ScenarioError::Toml(error) => {
            let message = error.message().lines().collect::<Vec<_>>().join(" ");
            (message, error.span().map(|span| line_at(text, span.start)))
        }
        ScenarioError::Range { what, value, .. } => {
            let key = what.rsplit(' ').next().unwrap_or(what);
            (error.to_string(), line_with(text, &[key, value]))
        }
        ScenarioError::Select(_) => (error.to_string(), selected(text, &error.to_string())),
        ScenarioError::Policy(_) | ScenarioError::Name(_) => (error.to_string(), None),
    };
    let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
    let remedy = format!("mend it; `lanyard-sim show {}` prints one that can be run", BUILT_IN[0].0);
    Failure::new(Code::Usage, format!("{name}{place}: {what}"), remedy)
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    before.matches('\n').count() + 1
}

/// The first line that has all these words.
fn line_with(text: &str, words: &[&str]) -> Option<usize> {
    text.lines().position(|line| words.iter().all(|word| line.contains(word))).map(|place| place + 1)
}

/// The line of the selector that an error is about: it shows what is between the line's quotes.
fn selected(text: &str, error: &str) -> Option<usize> {
    let place = text.lines().position(|line| {
        let (key, value) = line.split_once('=').unwrap_or_default();
        let value = value.split(['"', '\'']).nth(1);
        matches!(key.trim(), "who" | "to")
            && value.is_some_and(|value| !value.is_empty() && error.contains(value))
    });
    place.map(|place| place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"x\"\nduration = \"1m\"\n[link]\nloss = 0.1\n[[at]]\ntime = \"1s\"\ndo = \"renew\"\nwho = \"all\"\n";

    #[test]
    fn a_mistake_is_told_with_its_line() {
        for (find, replace, line) in [
            ("duration", "duratoin", 2),
            ("\"1m\"", "\"a minute\"", 2),
            ("0.1", "1.5", 4),
            ("who = \"all\"", "who = \"tills\"", 8),
            ("who = \"all\"", "who = \"40 of node\"", 8),
            ("[[at]]", "[[at]", 5),
        ] {
            let failure = Source::parse("x.toml", TEXT.replace(find, replace)).unwrap_err();
            assert!(failure.message.starts_with(&format!("x.toml, line {line}: ")), "{failure:?}");
            assert!(!failure.message.contains('\n'), "{failure:?}");
        }
    }

    #[test]
    fn a_scenario_is_known_by_its_name_or_by_its_path() {
        assert_eq!(Source::load("enrolment-storm").unwrap().scenario.name, "enrolment-storm");
        assert!(Source::load("no-such").unwrap_err().message.contains("no scenario no-such"));
        assert!(Source::load("./no-such.toml").unwrap_err().message.contains("cannot be read"));
    }
}
