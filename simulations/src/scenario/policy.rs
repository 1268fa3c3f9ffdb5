//! Policies that are applied while a scenario runs.

use lanyard_protocol::access::{Policy, PolicyError, STARTER};
use serde::Deserialize;

use crate::units::Size;

/// A comment that makes a policy longer, with its line's end.
const FILLER: &str = "# nothing is said in this line, which is here for its length\n";

/// A policy that the authority is to apply.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyChange {
    /// What it says; the starter policy if nothing is said.
    #[serde(default)]
    pub text: Option<String>,
    /// As long as this it becomes by comments, if it is shorter.
    #[serde(default)]
    pub size: Option<Size>,
}

impl PolicyChange {
    /// The policy as step `number` of a scenario applies it.
    ///
    /// One line in the middle of what is made longer, or behind the starter policy, says which step that is, so that two
    /// steps that are the same otherwise differ in this line. A text that stands in the scenario alone is left as it is.
    #[must_use]
    pub fn text(&self, number: usize) -> String {
        let written = self.text.as_deref().unwrap_or(STARTER);
        if self.text.is_some() && self.size.is_none() {
            return written.to_owned();
        }
        let mut text = written.trim_end().to_owned() + "\n";
        let changing = format!("# as step {number:06} has it\n");
        let size = self.size.and_then(|size| usize::try_from(size.0).ok()).unwrap_or_default();
        let missing = size.saturating_sub(text.len() + changing.len());
        let half = missing / FILLER.len() / 2;
        text.push_str(&FILLER.repeat(half));
        text.push_str(&changing);
        let rest = size.saturating_sub(text.len());
        text.push_str(&FILLER.repeat(rest / FILLER.len()));
        match rest % FILLER.len() {
            0 => {}
            short => text.push_str(&("#".repeat(short - 1) + "\n")),
        }
        text
    }

    /// Whether it can be read.
    ///
    /// # Errors
    /// [`PolicyError`], with the line.
    pub fn check(&self) -> Result<(), PolicyError> {
        Policy::parse(&self.text(0), 1).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_of_a_size_changes_in_one_line() {
        let change = PolicyChange { text: None, size: Some(Size(40_000)) };
        let (one, other) = (change.text(3), change.text(7));
        assert_eq!((one.len(), other.len()), (40_000, 40_000));
        let differ: Vec<usize> = (0..)
            .zip(one.lines().zip(other.lines()))
            .filter(|(_, (a, b))| a != b)
            .map(|(line, _)| line)
            .collect();
        let lines = one.lines().count();
        assert!(
            matches!(differ[..], [line] if line > lines / 3 && line < lines * 2 / 3),
            "{differ:?} of {lines}"
        );
        change.check().unwrap();
    }

    #[test]
    fn a_policy_that_is_written_out_is_left_as_it_is() {
        let change = PolicyChange { text: Some("version = 1\n".to_owned()), size: None };
        assert_eq!(change.text(4), "version = 1\n");
        let starter = PolicyChange::default();
        assert!(starter.text(4).starts_with(STARTER) && starter.text(4) != starter.text(5));
        starter.check().unwrap();
    }
}
