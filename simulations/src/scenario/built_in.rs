//! The scenarios that come with the program.

use super::Scenario;

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// Their names and texts.
        pub const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../scenarios/", $name, ".toml")))),*];
    };
}

built_in!(
    "churn",
    "clocks",
    "day",
    "disks",
    "enrolment-storm",
    "flood",
    "handful",
    "outage",
    "partition",
    "policy",
    "revocation",
    "rotation",
    "rough",
    "siege",
);

/// The built-in scenario of that name.
#[must_use]
pub fn built_in(name: &str) -> Option<Scenario> {
    let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
    Scenario::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_can_be_read_and_says_what_it_is_about() {
        for (name, text) in BUILT_IN {
            let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(scenario.name, *name);
            assert!(!scenario.about.is_empty(), "{name}");
        }
    }
}
