//! Progress of a long run: a bar on a terminal, nothing elsewhere.

use core::time::Duration;
use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressStyle};
use lanyard_simulations::moment::Moment;

use crate::stopwatch::Stopwatch;

/// How long a run takes at least before anything is shown of it.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often something is shown.
const OFTEN: Duration = Duration::from_millis(200);

/// How far a run is.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    end: Moment,
    watch: Stopwatch,
    shown: Duration,
}

impl Progress {
    /// The progress of a run up to `end`, which `watch` has seen begin.
    pub(crate) fn new(end: Moment, watch: Stopwatch, wanted: bool) -> Self {
        let bar = (wanted && io::stderr().is_terminal()).then(bar);
        Self { bar, end, watch, shown: PATIENCE - OFTEN }
    }

    /// The run is at the moment `at`, and so many things have happened.
    pub(crate) fn show(&mut self, at: Moment, events: u64) {
        let Some(bar) = &self.bar else { return };
        let elapsed = self.watch.elapsed();
        if elapsed < self.shown + OFTEN {
            return;
        }
        self.shown = elapsed;
        let millis = |moment: Moment| moment.as_micros() / 1000;
        bar.set_length(millis(self.end));
        bar.set_prefix(format!("{} of {}", whole(at), whole(self.end)));
        // In range: it is less than `events`.
        bar.set_message(format!("{} events/s", (events as f64 / elapsed.as_secs_f64()) as u64));
        bar.set_position(millis(at));
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A moment without its fractions of a second.
fn whole(at: Moment) -> String {
    let shown = at.to_string();
    shown.split_once('.').map_or(shown.as_str(), |(seconds, _)| seconds).to_owned()
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {msg}");
    ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
