//! What a run came to: for people, for programs, and as a page with pictures.

mod comparison;
mod figures;
mod page;
mod plot;
mod plots;
mod summary;
mod words;

use core::time::Duration;
use std::path::Path;
use std::{fs, io};

pub use self::comparison::{Comparison, Side};
pub use self::plot::Plot;
pub use self::summary::{Brief, Channels, Found, PolicyChange, Revocation, Sent, Summary, Total};
pub use self::words::{escaped, table};
use crate::run::Outcome;
use crate::scenario::{Roster, Scenario};
use crate::trace::Step;

/// A run that has ended.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    /// What was to happen.
    pub scenario: &'a Scenario,
    /// The seed.
    pub seed: u64,
    /// How long it took, by the clock on the wall.
    pub wall: Duration,
    /// What has happened.
    pub outcome: &'a Outcome,
}

impl Report<'_> {
    /// What scripts may rely on.
    #[must_use]
    pub fn brief(&self) -> Brief {
        Brief::of(self)
    }

    /// All figures, and what is needed to run it again.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::of(self)
    }

    /// A few lines for people.
    #[must_use]
    pub fn text(&self) -> String {
        let summary = self.summary();
        let head = format!("{}\n", escaped(&figures::title(&summary)));
        head + &words::columns(figures::rows(&summary))
    }

    /// The run as one HTML file that loads nothing and runs nothing.
    #[must_use]
    pub fn page(&self) -> String {
        page::page(self)
    }

    /// The pictures, each for a file of its own; none of what has not happened.
    #[must_use]
    pub fn plots(&self) -> Vec<Plot> {
        plots::plots(self.outcome)
    }

    /// Writes all of it to a directory, which is made: `summary.json`, `scenario.toml` with `text`, `report.html`, and
    /// each picture as an SVG file.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, folder: &Path, text: &str) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let summary = serde_json::to_string_pretty(&self.summary())?;
        fs::write(folder.join(SUMMARY), summary + "\n")?;
        fs::write(folder.join(SCENARIO), text)?;
        fs::write(folder.join(PAGE), self.page())?;
        for plot in self.plots() {
            fs::write(folder.join(plot.name).with_extension("svg"), plot.file())?;
        }
        Ok(())
    }
}

/// The file with all figures.
pub const SUMMARY: &str = "summary.json";

/// The file with the scenario as it was given.
pub const SCENARIO: &str = "scenario.toml";

/// The file to look at.
pub const PAGE: &str = "report.html";

/// Steps under headings, a line for each.
#[must_use]
pub fn steps<'a>(steps: impl Iterator<Item = &'a Step>, roster: &Roster) -> String {
    let row = |step: &Step| {
        let with = step.with.map(|host| roster.name(host)).unwrap_or_default();
        vec![step.at.to_string(), roster.name(step.host), step.what.to_owned(), with, step.size.to_string()]
    };
    table(&["TIME", "HOST", "WHAT", "WITH", "SIZE"], &steps.map(row).collect::<Vec<_>>())
}
